-- +goose Up
-- What was spent since the balances were last written to their rows, one row for
-- each commit. An entry counts where its number is above the row's.
ALTER TABLE credits ADD COLUMN rev BIGINT NOT NULL DEFAULT 0;

CREATE TABLE journal (
	id BIGINT PRIMARY KEY,
	entries BYTEA NOT NULL
);
