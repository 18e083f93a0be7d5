package store

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"latchkey/internal/keys"
)

// SpendCredits implements [keys.Ledger].
func (s *Store) SpendCredits(ctx context.Context, accountID string, cost int64, now time.Time) (*keys.Credits, bool, error) {
	if cost == 0 {
		c, err := s.balance(ctx, accountID, now)
		return c, err == nil, err
	}
	if s.balances != nil {
		c, ok, err := s.balances.spend(ctx, accountID, cost, now)
		return c, ok, s.failed(err)
	}
	var c *keys.Credits
	var ok bool
	err := s.writeOne(ctx, func(t *txn) (err error) {
		c, ok, err = t.spend(accountID, cost, now)
		return err
	})
	if err != nil {
		return nil, false, err
	}
	return c, ok, nil
}

// balance returns the credits of an account at now; nil where it has none.
func (s *Store) balance(ctx context.Context, accountID string, now time.Time) (c *keys.Credits, err error) {
	if s.balances != nil {
		c, err = s.balances.look(ctx, accountID, now)
		return c, s.failed(err)
	}
	err = s.look(ctx, func(q *session) error {
		c, err = q.credits(accountID)
		return err
	})
	if c != nil {
		at := c.At(now)
		c = &at
	}
	return c, err
}

func (q *session) credits(accountID string) (*keys.Credits, error) {
	var c keys.Credits
	err := q.row(`SELECT remaining, refill, refilled_at FROM credits WHERE account_id = $1`, []any{accountID},
		integer{&c.Remaining}, refillColumn{&c.Refill}, moment{&c.RefilledAt})
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	return &c, err
}

// spend takes from a balance with one statement where no refill is due. Where
// one is, it takes from what it has read, if nobody else has been there.
func (t *txn) spend(accountID string, cost int64, now time.Time) (*keys.Credits, bool, error) {
	for {
		var c keys.Credits
		err := t.row(`UPDATE credits SET remaining = remaining - $2
			WHERE account_id = $1 AND remaining >= $2 AND (refills_at = 0 OR refills_at > $3)
			RETURNING remaining, refill, refilled_at`, []any{accountID, cost, millis(now)},
			integer{&c.Remaining}, refillColumn{&c.Refill}, moment{&c.RefilledAt})
		if err == nil {
			return &c, true, nil
		}
		if !errors.Is(err, sql.ErrNoRows) {
			return nil, false, err
		}

		had, err := t.credits(accountID)
		if had == nil || err != nil {
			return nil, err == nil, err
		}
		c = had.At(now)
		if c.Remaining < cost {
			return &c, false, nil
		}
		c.Remaining -= cost
		n, err := t.exec(`UPDATE credits SET remaining = $2, refilled_at = $3, refills_at = $4
			WHERE account_id = $1 AND remaining = $5 AND refilled_at = $6 AND refill = $7`,
			accountID, c.Remaining, millis(c.RefilledAt), millis(c.RefillsAt()), had.Remaining, millis(had.RefilledAt), encodeRefill(had.Refill))
		if n > 0 || err != nil {
			return &c, err == nil, err
		}
	}
}

// ChangeCredits implements [keys.Ledger].
func (s *Store) ChangeCredits(ctx context.Context, workspaceID, keyID string, change func(*keys.Credits) (*keys.Credits, error), ev keys.Event) (*keys.Credits, error) {
	var out *keys.Credits
	err := s.write(ctx, func(t *txn) error {
		k, err := t.lockKey(workspaceID, keyID)
		if err != nil {
			return err
		}
		old := k.Credits
		if old != nil {
			at := old.At(ev.At)
			old = &at
		}
		if out, err = change(cloneCredits(old)); err != nil {
			return refusal{err}
		}
		if out = cloneCredits(out); out != nil {
			out.RefilledAt = kept(out.RefilledAt)
		}
		return t.changeCredits(&k, old, out, ev)
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

func (t *txn) changeCredits(k *keys.Key, old, c *keys.Credits, ev keys.Event) error {
	if err := t.setCredits(k.AccountID, c); err != nil {
		return err
	}
	// A balance is no setting; that there is one, and its refill, are.
	if (old == nil) != (c == nil) || c != nil && !sameRefill(c.Refill, old.Refill) {
		_, err := t.exec(`UPDATE keys SET version = version + 1, updated_at = $2 WHERE id = $1`, k.ID, millis(ev.At))
		if err != nil {
			return err
		}
	}
	t.changed(keys.KeyChanged, k.ID)
	ev.Before, ev.After = creditsMember(old), creditsMember(c)
	return t.record(ev)
}

func creditsMember(c *keys.Credits) []keys.Member {
	if c == nil {
		return []keys.Member{{Name: "credits"}}
	}
	return []keys.Member{{Name: "credits", Value: keys.CreditMembers(c)}}
}

// setCredits makes the credits of an account c; nil takes them away.
func (t *txn) setCredits(accountID string, c *keys.Credits) error {
	var rev int64
	if t.balances != nil {
		a, err := t.hold(accountID)
		if err != nil {
			return err
		}
		rev = t.balances.turn(a, balance{credits: cloneCredits(c)})
	}
	if c == nil {
		_, err := t.exec(`DELETE FROM credits WHERE account_id = $1`, accountID)
		return err
	}
	_, err := t.exec(`INSERT INTO credits (account_id, remaining, refill, refilled_at, refills_at, rev) VALUES ($1, $2, $3, $4, $5, $6)
		ON CONFLICT (account_id) DO UPDATE SET remaining = excluded.remaining, refill = excluded.refill,
		refilled_at = excluded.refilled_at, refills_at = excluded.refills_at, rev = excluded.rev`,
		accountID, c.Remaining, encodeRefill(c.Refill), millis(c.RefilledAt), millis(c.RefillsAt()), rev)
	return err
}

// openAccount gives a new key the credits of its account: those that are there
// where it takes another key's place, else its own.
func (t *txn) openAccount(k *keys.Key) error {
	had, err := t.creditsOf(k.AccountID)
	if had != nil || err != nil {
		k.Credits = had
		return err
	}
	if k.Credits == nil {
		return nil
	}
	return t.setCredits(k.AccountID, k.Credits)
}

func cloneCredits(c *keys.Credits) *keys.Credits {
	if c == nil {
		return nil
	}
	out := *c
	if c.Refill != nil {
		r := *c.Refill
		out.Refill = &r
	}
	return &out
}

func sameCredits(a, b *keys.Credits) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.Remaining == b.Remaining && a.RefilledAt.Equal(b.RefilledAt) && sameRefill(a.Refill, b.Refill)
}

func sameRefill(a, b *keys.Refill) bool {
	if a == nil || b == nil {
		return a == b
	}
	return *a == *b
}
