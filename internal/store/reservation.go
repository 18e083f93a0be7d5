package store

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"latchkey/internal/keys"
)

// EndReservation implements [keys.Ledger].
func (s *Store) EndReservation(ctx context.Context, workspaceID, id string, micros int64, kind keys.SpendKind, now time.Time, check func(*keys.Reservation) error) (keys.Reservation, keys.Account, error) {
	var r keys.Reservation
	var after keys.Account
	err := s.write(ctx, func(t *txn) error {
		// 1. The reservation, which nobody else may end.
		r = keys.Reservation{}
		err := t.row(`SELECT r.id, r.micros, r.expires_at, r.ended_at, k.workspace_id, k.keyspace_id, k.id, k.account_id
			FROM reservations r JOIN keys k ON k.id = r.key_id WHERE r.id = $1 AND k.workspace_id = $2`+t.engine.forUpdate, []any{id, workspaceID},
			text{&r.ID}, integer{&r.Micros}, moment{&r.ExpiresAt}, moment{&r.EndedAt}, text{&r.WorkspaceID}, text{&r.KeyspaceID}, text{&r.KeyID}, text{&r.AccountID})
		if errors.Is(err, sql.ErrNoRows) {
			return keys.Errorf(keys.NotFound, "no such reservation")
		}
		if err != nil {
			return err
		}
		if err := check(&r); err != nil {
			return refusal{err}
		}
		if !r.EndedAt.IsZero() {
			return keys.Errorf(keys.Conflict, "the reservation was settled or released already")
		}

		// 2. The account.
		a, _, err := t.lockAccount(r.AccountID)
		if err != nil {
			return err
		}
		after = a.End(&r, micros, kind, now)
		if err := t.setAccount(r.AccountID, after); err != nil {
			return err
		}
		r.EndedAt = now
		_, err = t.exec(`UPDATE reservations SET ended_at = $2 WHERE id = $1`, id, millis(now))
		return err
	})
	return r, after, err
}

// PruneReservations implements [keys.Ledger].
func (s *Store) PruneReservations(ctx context.Context, before time.Time, limit int) (int, error) {
	var n int64
	err := s.writeOne(ctx, func(t *txn) (err error) {
		n, err = t.exec(`DELETE FROM reservations WHERE id IN (SELECT id FROM reservations WHERE expires_at < $1 LIMIT $2)`, millis(before), int64(limit))
		return err
	})
	return int(n), err
}
