-- +goose Up
-- What was paid in for the keys of a workspace, and what keys have spent that
-- are gone. Their accounts went with them.
ALTER TABLE workspaces ADD COLUMN prepaid BIGINT NOT NULL DEFAULT 0;
ALTER TABLE workspaces ADD COLUMN gone_own BIGINT NOT NULL DEFAULT 0;
ALTER TABLE workspaces ADD COLUMN gone_byok BIGINT NOT NULL DEFAULT 0;

-- An older program would not keep what they have spent.
UPDATE installation SET oldest_schema = 8;
