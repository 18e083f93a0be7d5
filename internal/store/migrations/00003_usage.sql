-- +goose Up
-- Counts of verifications are kept three times, each for other questions, and
-- written together: by key, by keyspace, and by key and tag. A program that
-- writes the first alone must not run any more.
ALTER TABLE usage_hours ADD COLUMN credits BIGINT NOT NULL DEFAULT 0;
ALTER TABLE usage_hours ADD COLUMN spend_micros BIGINT NOT NULL DEFAULT 0;
CREATE INDEX usage_hours_by_workspace ON usage_hours (workspace_id, hour);
CREATE INDEX usage_hours_by_keyspace ON usage_hours (workspace_id, keyspace_id, hour);
CREATE INDEX usage_hours_by_owner ON usage_hours (workspace_id, owner_id, hour);

CREATE TABLE usage_totals (
	workspace_id TEXT NOT NULL,
	hour BIGINT NOT NULL,
	keyspace_id TEXT NOT NULL,
	outcome TEXT NOT NULL,
	n BIGINT NOT NULL,
	credits BIGINT NOT NULL,
	spend_micros BIGINT NOT NULL,
	PRIMARY KEY (workspace_id, hour, keyspace_id, outcome)
);
CREATE INDEX usage_totals_by_hour ON usage_totals (hour);
INSERT INTO usage_totals (workspace_id, hour, keyspace_id, outcome, n, credits, spend_micros)
	SELECT workspace_id, hour, keyspace_id, outcome, CAST(SUM(n) AS BIGINT), 0, 0
	FROM usage_hours GROUP BY workspace_id, hour, keyspace_id, outcome;

-- A verification is in the row of each of its tags.
CREATE TABLE usage_tags (
	workspace_id TEXT NOT NULL,
	tag TEXT COLLATE "binary" NOT NULL,
	hour BIGINT NOT NULL,
	key_id TEXT NOT NULL,
	outcome TEXT NOT NULL,
	keyspace_id TEXT NOT NULL,
	owner_id TEXT NOT NULL,
	n BIGINT NOT NULL,
	credits BIGINT NOT NULL,
	spend_micros BIGINT NOT NULL,
	PRIMARY KEY (workspace_id, tag, hour, key_id, outcome, keyspace_id, owner_id)
);
CREATE INDEX usage_tags_by_hour ON usage_tags (hour);
CREATE INDEX usage_tags_by_workspace ON usage_tags (workspace_id, hour);
CREATE INDEX usage_tags_by_key ON usage_tags (workspace_id, key_id, hour);
CREATE INDEX usage_tags_by_owner ON usage_tags (workspace_id, owner_id, hour);

UPDATE installation SET oldest_schema = 3;
