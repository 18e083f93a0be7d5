-- +goose Up
-- What was spent since the balances were last written to their rows, one row for
-- each commit. An entry counts where its number is above the row's. There is no
-- index: each would be one more page to write in a commit, and what is old is
-- deleted many rows at a time.

ALTER TABLE credits ADD COLUMN rev BIGINT NOT NULL DEFAULT 0;

CREATE TABLE journal (
	id BIGINT NOT NULL,
	entries BYTEA NOT NULL
);

-- An older program would not look into the journal.
UPDATE installation SET oldest_schema = 2;
