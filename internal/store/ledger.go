package store

import (
	"context"
	"slices"
	"time"

	"latchkey/internal/keys"
)

// Use implements [keys.Ledger].
func (s *Store) Use(ctx context.Context, accountID string, c keys.Charge, also func(bool) (bool, error), now time.Time) (keys.Account, keys.Charged, keys.Outcome, error) {
	if s.balances != nil && c.Hold == nil {
		after, took, o, err := s.balances.use(ctx, accountID, c, also, now)
		return after, took, o, s.failed(err)
	}
	var after keys.Account
	var took keys.Charged
	var o keys.Outcome
	err := s.write(ctx, func(t *txn) error {
		a, there, err := t.lockAccount(accountID)
		if err != nil {
			return err
		}
		if !there {
			o = keys.KeyNotFound
			return nil
		}
		if after, took, o, err = a.Use(c, also, now); err != nil {
			return refusal{err}
		}
		if took == (keys.Charged{}) && (c.Hold == nil || o != keys.Valid) {
			return nil
		}
		if c.Hold != nil {
			_, err := t.exec(`INSERT INTO reservations (id, key_id, micros, expires_at, ended_at)
				SELECT $1, MAX(id), $2, $3, 0 FROM keys WHERE account_id = $4`, c.Hold.ID, c.Hold.Micros, millis(c.Hold.ExpiresAt), accountID)
			if err != nil {
				return err
			}
		}
		return t.setAccount(accountID, after)
	})
	if err != nil {
		took = keys.Charged{}
	}
	return after, took, o, err
}

// Spend implements [keys.Ledger].
func (s *Store) Spend(ctx context.Context, accountID string, micros int64, kind keys.SpendKind, now time.Time) (after keys.Account, moved int64, err error) {
	spend := func(a keys.Account) keys.Account {
		a = a.At(now)
		a.Money, moved = a.Money.Spend(micros, kind, now)
		return a
	}
	if s.balances != nil {
		after, err = s.balances.apply(ctx, accountID, now, func(a keys.Account) (keys.Account, bool, error) { return spend(a), true, nil })
		return after, moved, s.failed(err)
	}
	err = s.write(ctx, func(t *txn) error {
		a, there, err := t.lockAccount(accountID)
		if err == nil && !there {
			err = errNoAccount
		}
		if err != nil {
			return err
		}
		after = spend(a)
		return t.setAccount(accountID, after)
	})
	return after, moved, err
}

// Account implements [keys.Ledger].
func (s *Store) Account(ctx context.Context, accountID string, now time.Time) (a keys.Account, err error) {
	if s.balances != nil {
		a, err = s.balances.look(ctx, accountID, now)
		return a, s.failed(err)
	}
	err = s.view(ctx, func(q *session) error {
		st, err := q.balance(accountID)
		a = st.Account.At(now)
		return err
	})
	return a, err
}

// lockAccount returns an account that nobody else can change until the
// transaction ends. Without a key there is no account.
func (t *txn) lockAccount(id string) (a keys.Account, there bool, err error) {
	// The keys' rows stand for those of the account, either of which may be missing.
	err = t.each(`SELECT 1 FROM keys WHERE account_id = $1 ORDER BY id`+t.engine.forUpdate, []any{id}, func(scan) error { there = true; return nil })
	if err == nil && there {
		a, err = t.accountOf(id)
	}
	return a, there, err
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
	if err := t.setAccount(k.AccountID, keys.Account{Credits: c, Money: k.Money}); err != nil {
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

// setAccount makes an account what it is to be.
func (t *txn) setAccount(id string, to keys.Account) error {
	var rev int64
	if t.balances != nil {
		a, err := t.hold(id)
		if err != nil {
			return err
		}
		rev = t.balances.turn(a, balance{Account: cloneAccount(to)})
	}
	var err error
	if c := to.Credits; c == nil {
		_, err = t.exec(`DELETE FROM credits WHERE account_id = $1`, id)
	} else {
		_, err = t.exec(`INSERT INTO credits (account_id, remaining, refill, refilled_at, refills_at, rev) VALUES ($1, $2, $3, $4, $5, $6)
			ON CONFLICT (account_id) DO UPDATE SET remaining = excluded.remaining, refill = excluded.refill,
			refilled_at = excluded.refilled_at, refills_at = excluded.refills_at, rev = excluded.rev`,
			id, c.Remaining, encodeRefill(c.Refill), millis(c.RefilledAt), millis(c.RefillsAt()), rev)
	}
	if err != nil {
		return err
	}
	if m := to.Money; m == nil {
		_, err = t.exec(`DELETE FROM money WHERE account_id = $1`, id)
	} else {
		_, err = t.exec(`INSERT INTO money (account_id, budget, spent, held, rev) VALUES ($1, $2, $3, $4, $5)
			ON CONFLICT (account_id) DO UPDATE SET budget = excluded.budget, spent = excluded.spent, held = excluded.held, rev = excluded.rev`,
			id, encodeBudget(m.Budget), encodeSpent(m.Spent), encodeHeld(m.Held), rev)
	}
	return err
}

// openAccount gives a new key its account: what is there where it takes another
// key's place, else its own.
func (t *txn) openAccount(k *keys.Key) error {
	had, _, err := t.lockAccount(k.AccountID) // nor can the other key go meanwhile
	if err != nil || had != (keys.Account{}) {
		k.Credits, k.Money = had.Credits, had.Money
		return err
	}
	own := keys.Account{Credits: k.Credits, Money: k.Money}
	if t.closed(k.AccountID) && own.Money == nil {
		own.Money = new(keys.Money) // which has a row, whose number is above what the journal says of those that are gone
	}
	if own == (keys.Account{}) {
		return nil
	}
	return t.setAccount(k.AccountID, own)
}

func cloneAccount(a keys.Account) keys.Account {
	return keys.Account{Credits: cloneCredits(a.Credits), Money: cloneMoney(a.Money)}
}

func cloneMoney(m *keys.Money) *keys.Money {
	if m == nil {
		return nil
	}
	out := *m
	out.Held = slices.Clone(m.Held)
	if m.Budget != nil {
		b := *m.Budget
		out.Budget = &b
	}
	return &out
}

func budgetOf(m *keys.Money) *keys.Budget {
	if m == nil {
		return nil
	}
	return m.Budget
}

func sameBudget(a, b *keys.Money) bool {
	x, y := budgetOf(a), budgetOf(b)
	if x == nil || y == nil {
		return x == y
	}
	return *x == *y
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
