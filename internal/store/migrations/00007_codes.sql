-- +goose Up
-- Codes that wait to be redeemed for a key. Of a code and of the verifier that
-- goes with it only hashes are kept; challenge is null where none is needed. An
-- older program may run on it: it only leaves them lying.
CREATE TABLE codes (
	id TEXT COLLATE "binary" PRIMARY KEY,
	hash BYTEA NOT NULL UNIQUE,
	workspace_id TEXT NOT NULL REFERENCES workspaces (id) ON DELETE CASCADE,
	keyspace_id TEXT NOT NULL REFERENCES keyspaces (id) ON DELETE CASCADE,
	issuer TEXT NOT NULL,
	template TEXT NOT NULL,
	method TEXT NOT NULL,
	challenge BYTEA,
	callback TEXT NOT NULL,
	misses BIGINT NOT NULL,
	created_at BIGINT NOT NULL,
	expires_at BIGINT NOT NULL
);
CREATE INDEX codes_by_workspace ON codes (workspace_id, expires_at);
CREATE INDEX codes_by_keyspace ON codes (keyspace_id);
CREATE INDEX codes_by_expiry ON codes (expires_at);
