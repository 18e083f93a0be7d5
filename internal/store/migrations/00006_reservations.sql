-- +goose Up
-- Money that is set aside: what of it counts is in the account's row, and the
-- reservation itself is kept for a while after it has expired, since it can be
-- settled then too.
ALTER TABLE money ADD COLUMN held TEXT NOT NULL DEFAULT 'null';

CREATE TABLE reservations (
	id TEXT COLLATE "binary" PRIMARY KEY,
	key_id TEXT NOT NULL REFERENCES keys (id) ON DELETE CASCADE,
	micros BIGINT NOT NULL,
	expires_at BIGINT NOT NULL,
	ended_at BIGINT NOT NULL
);
CREATE INDEX reservations_by_key ON reservations (key_id);
CREATE INDEX reservations_by_expiry ON reservations (expires_at);

-- An older program would not count what is set aside.
UPDATE installation SET oldest_schema = 6;
