-- +goose Up
-- What limits that belong to no key allow certain identifiers. wild says that
-- the pattern has a wildcard.
CREATE TABLE overrides (
	id TEXT COLLATE "binary" PRIMARY KEY,
	workspace_id TEXT NOT NULL REFERENCES workspaces (id),
	namespace TEXT NOT NULL,
	pattern TEXT NOT NULL,
	wild BOOLEAN NOT NULL,
	max BIGINT NOT NULL,
	window_text TEXT NOT NULL,
	version BIGINT NOT NULL,
	created_at BIGINT NOT NULL,
	updated_at BIGINT NOT NULL,
	UNIQUE (workspace_id, namespace, pattern)
);
CREATE INDEX overrides_by_namespace ON overrides (workspace_id, namespace, wild, id);
