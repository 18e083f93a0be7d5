-- +goose Up
-- One text for both engines. A time is milliseconds since 1970, 0 for none; a
-- list or a small struct is JSON; what is sorted by its bytes has the collation
-- "binary", which SQLite has and which is made in PostgreSQL.

-- What is true of the whole database: the number of the last change, and the
-- lowest schema number of a program that may run on it.
CREATE TABLE installation (
	id BIGINT PRIMARY KEY CHECK (id = 1),
	revision BIGINT NOT NULL,
	oldest_schema BIGINT NOT NULL
);
INSERT INTO installation (id, revision, oldest_schema) VALUES (1, 0, 1);

CREATE TABLE workspaces (
	id TEXT COLLATE "binary" PRIMARY KEY,
	uuid TEXT NOT NULL UNIQUE,
	path TEXT COLLATE "binary" NOT NULL UNIQUE,
	slug TEXT NOT NULL,
	name TEXT NOT NULL,
	enabled BOOLEAN NOT NULL,
	version BIGINT NOT NULL,
	created_at BIGINT NOT NULL,
	updated_at BIGINT NOT NULL
);
CREATE INDEX workspaces_by_slug ON workspaces (slug);

CREATE TABLE keyspaces (
	id TEXT COLLATE "binary" PRIMARY KEY,
	workspace_id TEXT NOT NULL REFERENCES workspaces (id),
	slug TEXT NOT NULL,
	name TEXT NOT NULL,
	policy TEXT NOT NULL,
	version BIGINT NOT NULL,
	created_at BIGINT NOT NULL,
	updated_at BIGINT NOT NULL,
	UNIQUE (workspace_id, slug)
);

CREATE TABLE identities (
	id TEXT COLLATE "binary" PRIMARY KEY,
	workspace_id TEXT NOT NULL REFERENCES workspaces (id),
	external_id TEXT,
	kind TEXT NOT NULL,
	enabled BOOLEAN NOT NULL,
	meta TEXT NOT NULL,
	limits TEXT NOT NULL,
	extra TEXT NOT NULL,
	version BIGINT NOT NULL,
	created_at BIGINT NOT NULL,
	updated_at BIGINT NOT NULL,
	UNIQUE (workspace_id, external_id)
);

-- Nothing that use changes is in this table.
CREATE TABLE keys (
	id TEXT COLLATE "binary" PRIMARY KEY,
	workspace_id TEXT NOT NULL REFERENCES workspaces (id),
	keyspace_id TEXT REFERENCES keyspaces (id),
	root BOOLEAN NOT NULL,
	owner_id TEXT REFERENCES identities (id),
	name TEXT NOT NULL,
	environment TEXT NOT NULL,
	enabled BOOLEAN NOT NULL,
	expires_at BIGINT NOT NULL,
	permissions TEXT NOT NULL,
	allowed_ips TEXT NOT NULL,
	limits TEXT NOT NULL,
	meta TEXT NOT NULL,
	form TEXT NOT NULL,
	created_by TEXT NOT NULL,
	extra TEXT NOT NULL,
	account_id TEXT NOT NULL,
	version BIGINT NOT NULL,
	created_at BIGINT NOT NULL,
	updated_at BIGINT NOT NULL
);
CREATE INDEX keys_by_workspace ON keys (workspace_id, root, id);
CREATE INDEX keys_by_keyspace ON keys (workspace_id, root, keyspace_id, id);
CREATE INDEX keys_by_owner ON keys (workspace_id, root, owner_id, id);
CREATE INDEX keys_by_name ON keys (workspace_id, root, name, id);
CREATE INDEX keys_by_account ON keys (account_id);

CREATE TABLE secrets (
	id TEXT PRIMARY KEY,
	hash BYTEA NOT NULL UNIQUE,
	key_id TEXT NOT NULL REFERENCES keys (id) ON DELETE CASCADE,
	position BIGINT NOT NULL,
	shown_start TEXT NOT NULL,
	shown_end TEXT NOT NULL,
	sealed BYTEA,
	sealed_by TEXT NOT NULL,
	created_at BIGINT NOT NULL,
	expires_at BIGINT NOT NULL
);
CREATE INDEX secrets_by_key ON secrets (key_id, position);
CREATE INDEX secrets_by_start ON secrets (shown_start);

-- The apparent prefixes of all secrets that there ever were, with and without
-- a checksum.
CREATE TABLE prefixes (
	prefix TEXT NOT NULL,
	checked BOOLEAN NOT NULL,
	PRIMARY KEY (prefix, checked)
);

CREATE TABLE key_alias (
	workspace_id TEXT NOT NULL REFERENCES workspaces (id),
	scheme TEXT NOT NULL,
	name TEXT NOT NULL,
	key_id TEXT NOT NULL REFERENCES keys (id) ON DELETE CASCADE,
	position BIGINT NOT NULL,
	PRIMARY KEY (workspace_id, scheme, name)
);
CREATE INDEX key_alias_by_key ON key_alias (key_id, position);

CREATE TABLE permissions (
	id TEXT COLLATE "binary" PRIMARY KEY,
	workspace_id TEXT NOT NULL REFERENCES workspaces (id),
	name TEXT NOT NULL,
	slug TEXT NOT NULL,
	description TEXT NOT NULL,
	version BIGINT NOT NULL,
	created_at BIGINT NOT NULL,
	updated_at BIGINT NOT NULL,
	UNIQUE (workspace_id, name)
);

CREATE TABLE roles (
	id TEXT COLLATE "binary" PRIMARY KEY,
	workspace_id TEXT NOT NULL REFERENCES workspaces (id),
	name TEXT NOT NULL,
	slug TEXT NOT NULL,
	description TEXT NOT NULL,
	version BIGINT NOT NULL,
	created_at BIGINT NOT NULL,
	updated_at BIGINT NOT NULL,
	UNIQUE (workspace_id, name)
);

CREATE TABLE role_permissions (
	role_id TEXT NOT NULL REFERENCES roles (id) ON DELETE CASCADE,
	permission_id TEXT NOT NULL REFERENCES permissions (id) ON DELETE CASCADE,
	position BIGINT NOT NULL,
	PRIMARY KEY (role_id, permission_id)
);
CREATE INDEX role_permissions_by_permission ON role_permissions (permission_id);

CREATE TABLE key_roles (
	key_id TEXT NOT NULL REFERENCES keys (id) ON DELETE CASCADE,
	role_id TEXT NOT NULL REFERENCES roles (id) ON DELETE CASCADE,
	position BIGINT NOT NULL,
	PRIMARY KEY (key_id, role_id)
);
CREATE INDEX key_roles_by_role ON key_roles (role_id);

-- refills_at is when the next refill is due, so that a spending before it is
-- one statement.
CREATE TABLE credits (
	account_id TEXT PRIMARY KEY,
	remaining BIGINT NOT NULL,
	refill TEXT NOT NULL,
	refilled_at BIGINT NOT NULL,
	refills_at BIGINT NOT NULL
);

-- When a secret was last used, and with secret_id '' its key.
CREATE TABLE uses (
	key_id TEXT NOT NULL REFERENCES keys (id) ON DELETE CASCADE,
	secret_id TEXT NOT NULL,
	at BIGINT NOT NULL,
	PRIMARY KEY (key_id, secret_id)
);

-- The audit log and the counts refer to nothing: they outlive it all.
CREATE TABLE events (
	id TEXT COLLATE "binary" PRIMARY KEY,
	workspace_id TEXT NOT NULL,
	at BIGINT NOT NULL,
	action TEXT NOT NULL,
	actor_kind TEXT NOT NULL,
	actor_id TEXT NOT NULL,
	actor_name TEXT NOT NULL,
	target_type TEXT NOT NULL,
	target_id TEXT NOT NULL,
	key_id TEXT NOT NULL,
	request_id TEXT NOT NULL,
	addr TEXT NOT NULL,
	members_before TEXT NOT NULL,
	members_after TEXT NOT NULL
);
CREATE INDEX events_by_workspace ON events (workspace_id, id);
CREATE INDEX events_by_key ON events (key_id, id);
CREATE INDEX events_by_actor ON events (actor_id, id);
CREATE INDEX events_by_action ON events (workspace_id, action, id);
CREATE INDEX events_by_time ON events (at);

CREATE TABLE replies (
	id TEXT PRIMARY KEY,
	fingerprint TEXT NOT NULL,
	answer BYTEA NOT NULL,
	expires_at BIGINT NOT NULL
);
CREATE INDEX replies_by_expiry ON replies (expires_at);

CREATE TABLE usage_hours (
	key_id TEXT NOT NULL,
	outcome TEXT NOT NULL,
	hour BIGINT NOT NULL,
	workspace_id TEXT NOT NULL,
	keyspace_id TEXT NOT NULL,
	owner_id TEXT NOT NULL,
	n BIGINT NOT NULL,
	PRIMARY KEY (key_id, outcome, hour, workspace_id, keyspace_id, owner_id)
);
CREATE INDEX usage_hours_by_hour ON usage_hours (hour);
