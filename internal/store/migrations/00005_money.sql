-- +goose Up
-- What was spent by an account, and its budget; both are JSON. As with credits,
-- what the journal has goes beyond it.
CREATE TABLE money (
	account_id TEXT PRIMARY KEY,
	budget TEXT NOT NULL,
	spent TEXT NOT NULL,
	rev BIGINT NOT NULL
);

-- An older program would not know what is in the journal.
UPDATE installation SET oldest_schema = 5;
