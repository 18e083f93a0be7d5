package store

import (
	"context"
	"time"

	"latchkey/internal/keys"
)

// SaveReply implements [keys.ReplyStore].
func (s *Store) SaveReply(ctx context.Context, r keys.Reply, now time.Time) error {
	return s.writeOne(ctx, func(t *txn) error {
		n, err := t.exec(`INSERT INTO replies (id, fingerprint, answer, expires_at) VALUES ($1, $2, $3, $4)
			ON CONFLICT (id) DO UPDATE SET fingerprint = excluded.fingerprint, answer = excluded.answer, expires_at = excluded.expires_at
			WHERE replies.expires_at <= $5`, r.ID, r.Fingerprint, append([]byte{}, r.Answer...), millis(r.ExpiresAt), now.UnixMilli())
		if err == nil && n == 0 {
			err = keys.Errorf(keys.Conflict, "the request was answered already")
		}
		return err
	})
}

// Reply implements [keys.ReplyStore].
func (s *Store) Reply(ctx context.Context, id string, now time.Time) (r keys.Reply, err error) {
	err = s.look(ctx, func(q *session) error {
		err := q.row(`SELECT id, fingerprint, answer, expires_at FROM replies WHERE id = $1 AND expires_at > $2`,
			[]any{id, now.UnixMilli()}, text{&r.ID}, text{&r.Fingerprint}, binary{&r.Answer}, moment{&r.ExpiresAt})
		return found(err, "reply")
	})
	return r, err
}

// PruneReplies implements [keys.ReplyStore].
func (s *Store) PruneReplies(ctx context.Context, now time.Time, limit int) (int, error) {
	return s.prune(ctx, `DELETE FROM replies WHERE id IN (SELECT id FROM replies WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2)`, now, limit)
}
