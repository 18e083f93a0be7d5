package conformance

import (
	"errors"
	"sync/atomic"
	"time"

	"latchkey/internal/keys"
	"latchkey/internal/token"
)

// purse inserts a key with a budget for each day.
func (h *home) purse(limit int64) keys.Key {
	h.Helper()
	k := h.bareKey()
	k.Money = &keys.Money{Budget: &keys.Budget{Limit: limit, Reset: keys.ResetDaily}}
	return h.insert(k)
}

// money reads a key's account, and checks what its row says of the money too.
func (h *home) money(l keys.Ledger, k keys.Key, at time.Time) *keys.Money {
	h.Helper()
	a, err := l.Account(h.Context(), k.AccountID, at)
	h.ok(err)
	m := h.key(k.ID).Money
	if m != nil {
		m = m.AsOf(at)
	}
	h.equal("the key's money", m, a.Money)
	return a.Money
}

func spendMoney(h *home, l keys.Ledger) {
	spend := func(k keys.Key, micros int64, kind keys.SpendKind, at time.Time, moved int64) {
		h.Helper()
		a, got, err := l.Spend(h.Context(), k.AccountID, micros, kind, at)
		if err != nil || got != moved {
			h.Errorf("spending %d moved %d, %v; want %d", micros, got, err, moved)
		}
		h.equal("what is kept", h.money(l, k, at), a.Money)
	}
	// Beyond the budget too, and of either kind.
	k := h.purse(10)
	actions := h.actions()
	spend(k, 7, keys.SpendOwn, now, 7)
	spend(k, 8, keys.SpendOwn, now, 8)
	spend(k, 5, keys.SpendBYOK, now, 5)
	got := h.money(l, k, now)
	h.equal("what was spent", got.Spent, keys.Spending{Own: keys.Sums{Total: 15, Day: 15, Week: 15, Month: 15}, BYOK: keys.Sums{Total: 5, Day: 5, Week: 5, Month: 5}, At: got.Spent.At})
	h.equal("the actions", h.actions(), actions)
	// The next day, and back: at most what was spent in the window.
	day := now.Add(24 * time.Hour)
	spend(k, 3, keys.SpendOwn, day, 3)
	spend(k, -10, keys.SpendOwn, day, -3)
	spend(k, -1, keys.SpendBYOK, day, 0)
	h.equal("the total", h.money(l, k, day).Spent.Own.Total, int64(15))

	// Without a budget.
	bare := h.insert(h.bareKey())
	h.equal("the money of a key that spent nothing", h.money(l, bare, now), (*keys.Money)(nil))
	spend(bare, 4, keys.SpendOwn, now, 4)
	spend(bare, -9, keys.SpendOwn, now, -4)
}

// used takes a charge and checks the outcome.
func (h *home) used(l keys.Ledger, k keys.Key, c keys.Charge, at time.Time, want keys.Outcome) keys.Account {
	h.Helper()
	a, took, got, err := l.Use(h.Context(), k.AccountID, c, nil, at)
	if err != nil || got != want {
		h.Errorf("%+v: %s, %v; want %s", c, got, err, want)
	}
	if got != keys.Valid && took != (keys.Charged{}) {
		h.Errorf("%+v: a refusal took %+v", c, took)
	}
	return a
}

func useMoney(h *home, l keys.Ledger) {
	k := h.bareKey()
	k.Credits = &keys.Credits{Remaining: 3, RefilledAt: now}
	k.Money = &keys.Money{Budget: &keys.Budget{Limit: 10, Reset: keys.ResetDaily}}
	k = h.insert(k)
	h.used(l, k, keys.Charge{Credits: 1, Micros: 6}, now, keys.Valid)
	// Whole or not at all, of both.
	h.used(l, k, keys.Charge{Credits: 1, Micros: 5}, now, keys.BudgetExhausted)
	h.used(l, k, keys.Charge{Credits: 3, Micros: 1}, now, keys.CreditsExhausted)
	a := h.used(l, k, keys.Charge{Credits: 1, Micros: 4}, now, keys.Valid)
	h.equal("the credits that are left", a.Credits.Remaining, int64(1))
	// Used up, it refuses what spends nothing.
	h.used(l, k, keys.Charge{}, now, keys.BudgetExhausted)
	h.used(l, k, keys.Charge{}, now.Add(24*time.Hour), keys.Valid)
	a = h.used(l, k, keys.Charge{Credits: 5, Clamp: true, Micros: 10}, now.Add(24*time.Hour), keys.Valid)
	if f := a.Money.Figures(now.Add(24 * time.Hour)); a.Credits.Remaining != 0 || f.Remaining != 0 || f.Spent != 10 {
		h.Errorf("%+v and %+v are left", a.Credits, f)
	}
	h.money(l, k, now.Add(24*time.Hour))
}

// useAlso has what else a use takes decide with the account.
func useAlso(h *home, l keys.Ledger) {
	k := h.account(&keys.Credits{Remaining: 5, RefilledAt: now})
	var asked []bool
	use := func(cost int64, ok bool, fail error) (keys.Account, keys.Charged, keys.Outcome, error) {
		return l.Use(h.Context(), k.AccountID, keys.Charge{Credits: cost}, func(take bool) (bool, error) {
			asked = append(asked, take)
			return ok, fail
		}, now)
	}
	for _, tt := range []struct {
		cost  int64
		ok    bool
		asked bool
		want  keys.Outcome
		left  int64
	}{
		{1, true, true, keys.Valid, 4},
		{1, false, true, keys.RateLimited, 4},
		{9, true, false, keys.CreditsExhausted, 4},
		{9, false, false, keys.RateLimited, 4},
		{0, false, true, keys.RateLimited, 4},
	} {
		asked = nil
		a, took, got, err := use(tt.cost, tt.ok, nil)
		if err != nil || got != tt.want || a.Credits.Remaining != tt.left || (took.Credits != 0) != (got == keys.Valid) {
			h.Errorf("%+v: %+v, %+v, %s, %v", tt, a.Credits, took, got, err)
		}
		h.equal("what was asked", asked, []bool{tt.asked})
		h.balance(k, tt.left)
	}
	no := errors.New("no")
	if _, took, _, err := use(1, true, no); err != no || took != (keys.Charged{}) {
		h.Errorf("where it fails: %+v, %v", took, err)
	}
	h.balance(k, 4)
}

// moneyAtOnce spends from one budget from many sides: never more than it has,
// and all of it.
func moneyAtOnce(h *home, l keys.Ledger) {
	k := h.purse(100)
	var taken, reported atomic.Int64
	atOnce(16, func(i int) {
		for range 12 {
			if i%4 == 0 {
				if _, moved, err := l.Spend(h.Context(), k.AccountID, 1, keys.SpendBYOK, now); err != nil || moved != 1 {
					h.Error(moved, err)
				}
				reported.Add(1)
				continue
			}
			_, took, o, err := l.Use(h.Context(), k.AccountID, keys.Charge{Micros: 1}, nil, now)
			if err != nil || o == keys.Valid && took.Micros != 1 {
				h.Error(took, o, err)
			}
			taken.Add(took.Micros)
		}
	})
	m := h.money(l, k, now)
	if taken.Load() != 100 || m.Spent.Own.Total != 100 || m.Spent.BYOK.Total != reported.Load() {
		h.Errorf("%d were taken and %d reported; kept are %+v", taken.Load(), reported.Load(), m.Spent)
	}
}

// moneySettings changes budgets while money is spent: neither loses the other.
func moneySettings(h *home, l keys.Ledger) {
	k := h.purse(1000)
	atOnce(8, func(i int) {
		for n := range 10 {
			if i%2 == 0 {
				h.update(k.ID, func(k *keys.Key) {
					b := *k.Money.Budget
					b.Limit = int64(1000 + 100*i + n)
					k.Money = &keys.Money{Budget: &b, Spent: k.Money.Spent}
				})
			} else if _, _, err := l.Spend(h.Context(), k.AccountID, 1, keys.SpendOwn, now); err != nil {
				h.Error(err)
			}
		}
	})
	h.equal("what was spent", h.money(l, k, now).Spent.Own.Total, int64(40))
	version := h.key(k.ID).Version
	if _, _, err := l.Spend(h.Context(), k.AccountID, 1, keys.SpendOwn, now); err != nil {
		h.Error(err)
	}
	h.equal("the version after spending", h.key(k.ID).Version, version)
	got := h.update(k.ID, func(k *keys.Key) { k.Money = &keys.Money{Spent: k.Money.Spent} })
	if got.Money.Budget != nil || got.Money.Spent.Own.Total != 41 || got.Version != version+1 {
		h.Errorf("without a budget: %+v", got.Money)
	}
	h.money(l, k, now)
}

// moneyTotal adds up what all keys of a workspace have spent, whatever the
// window: each account once, those without a budget too, and none of another
// workspace.
func moneyTotal(h *home, l keys.Ledger) {
	total := func(at *home, own, byok int64) {
		h.Helper()
		gotOwn, gotBYOK, err := h.s.Spent(h.Context(), at.ws.ID)
		h.ok(err)
		h.equal("what was spent", [2]int64{gotOwn, gotBYOK}, [2]int64{own, byok})
	}
	spend := func(k keys.Key, micros int64, kind keys.SpendKind, at time.Time) {
		h.Helper()
		_, _, err := l.Spend(h.Context(), k.AccountID, micros, kind, at)
		h.ok(err)
	}
	total(h, 0, 0)
	k, bare := h.purse(10), h.insert(h.bareKey())
	total(h, 0, 0)
	spend(k, 7, keys.SpendOwn, now)
	spend(k, 5, keys.SpendBYOK, now)
	spend(bare, 4, keys.SpendOwn, now)
	spend(k, 3, keys.SpendOwn, now.Add(40*24*time.Hour))
	total(h, 14, 5)

	// A key that takes another's place has the same account.
	heir := h.bareKey()
	heir.AccountID = k.AccountID
	heir = h.insert(heir)
	spend(heir, 1, keys.SpendOwn, now.Add(40*24*time.Hour))
	total(h, 15, 5)

	other := newHome(h.T, h.s)
	elsewhere := other.insert(other.bareKey())
	spend(elsewhere, 100, keys.SpendBYOK, now)
	total(h, 15, 5)
	total(other, 0, 100)

	// What keys have spent stays when they go, and is counted once.
	agree := func(*keys.Key) error { return nil }
	h.ok(h.s.DeleteKey(h.Context(), h.ws.ID, bare.ID, agree, h.event("key.delete")))
	total(h, 15, 5)
	h.ok(h.s.DeleteKey(h.Context(), h.ws.ID, k.ID, agree, h.event("key.delete")))
	total(h, 15, 5)
	spend(heir, 2, keys.SpendBYOK, now.Add(40*24*time.Hour))
	h.ok(h.s.DeleteKeyspace(h.Context(), h.ws.ID, h.ks.ID, func(*keys.Keyspace) error { return nil }, h.event("keyspace.delete")))
	total(h, 15, 7)
	total(other, 0, 100)
	_, _, err := h.s.Spent(h.Context(), "ws_none")
	h.code(err, keys.NotFound)
}

// heirElsewhere deletes the keyspace of a key whose account another has, in another
// keyspace: that keeps it.
func heirElsewhere(h *home, l keys.Ledger) {
	ks := h.newKeyspace("first")
	h.ok(h.s.InsertKeyspace(h.Context(), &ks, h.event("keyspace.create")))
	k := h.bareKey()
	k.KeyspaceID, k.Credits = ks.ID, &keys.Credits{Remaining: 10, RefilledAt: now}
	k = h.insert(k)
	heir := h.bareKey()
	heir.AccountID = k.AccountID
	heir = h.insert(heir)
	h.equal("the credits that the heir was told of", heir.Credits, k.Credits)
	h.used(l, k, keys.Charge{Credits: 1, Micros: 5}, now, keys.Valid)
	h.ok(h.s.DeleteKeyspace(h.Context(), h.ws.ID, ks.ID, func(*keys.Keyspace) error { return nil }, h.event("keyspace.delete")))
	h.spent(l, heir, 2, now, 7, true)
	h.equal("what the heir has spent", h.money(l, heir, now).Spent.Own.Total, int64(5))
	own, _, err := h.s.Spent(h.Context(), h.ws.ID)
	h.ok(err)
	h.equal("what was spent", own, int64(5))
}

// moneyTotalAtOnce lets keys go with which others spend: what was moved is in the
// total, and nothing else, and whoever looks meanwhile finds no less than that.
func moneyTotalAtOnce(h *home, l keys.Ledger) {
	for name, delete := range map[string]func(k keys.Key) error{
		"key": func(k keys.Key) error {
			return h.s.DeleteKey(h.Context(), h.ws.ID, k.ID, func(*keys.Key) error { return nil }, h.event("key.delete"))
		},
		"keyspace": func(k keys.Key) error {
			return h.s.DeleteKeyspace(h.Context(), h.ws.ID, k.KeyspaceID, func(*keys.Keyspace) error { return nil }, h.event("keyspace.delete"))
		},
	} {
		for range 20 {
			ks := h.newKeyspace(token.NewID("x")[2:])
			h.ok(h.s.InsertKeyspace(h.Context(), &ks, h.event("keyspace.create")))
			k := h.bareKey()
			k.KeyspaceID = ks.ID
			k = h.insert(k)
			before, _, err := h.s.Spent(h.Context(), h.ws.ID)
			h.ok(err)
			var moved, over atomic.Int64
			atOnce(5, func(i int) {
				switch i {
				case 0:
					defer over.Add(1)
					if err := delete(k); err != nil {
						h.Error(err)
					}
				case 1:
					for over.Load() == 0 {
						least := moved.Load()
						got, _, err := h.s.Spent(h.Context(), h.ws.ID)
						if err != nil || got-before < least {
							h.Errorf("while a %s goes, %d were spent, %v; want %d or more", name, got-before, err, least)
						}
					}
				default:
					for range 20 {
						if _, n, err := l.Spend(h.Context(), k.AccountID, 1, keys.SpendOwn, now); err == nil {
							moved.Add(n)
						}
					}
				}
			})
			after, _, err := h.s.Spent(h.Context(), h.ws.ID)
			h.ok(err)
			h.equal("what was spent while a "+name+" went", after-before, moved.Load())
		}
	}
}

// heirAtOnce adds a key that takes another's place while that goes: either it has
// what the other had, or what it brings itself.
func heirAtOnce(h *home, l keys.Ledger) {
	for range 20 {
		k := h.account(&keys.Credits{Remaining: 10, RefilledAt: now})
		heir := h.bareKey()
		heir.AccountID, heir.Credits = k.AccountID, &keys.Credits{Remaining: 3, RefilledAt: now}
		atOnce(2, func(i int) {
			var err error
			if i == 0 {
				err = h.s.InsertKey(h.Context(), &heir, h.event("key.create"))
			} else {
				err = h.s.DeleteKey(h.Context(), h.ws.ID, k.ID, func(*keys.Key) error { return nil }, h.event("key.delete"))
			}
			if err != nil {
				h.Error(err)
			}
		})
		if n := heir.Credits.Remaining; n != 10 && n != 3 {
			h.Errorf("the heir has %d credits, want 10 or 3", n)
		}
		h.equal("the heir's credits", h.key(heir.ID).Credits, heir.Credits)
		h.spent(l, heir, 1, now, heir.Credits.Remaining-1, true)
	}
}

// moneyGone spends for accounts that are not there: nothing is kept of them.
func moneyGone(h *home, l keys.Ledger) {
	k := h.purse(5)
	if _, _, err := l.Spend(h.Context(), k.AccountID, 1, keys.SpendOwn, now); err != nil {
		h.Error(err)
	}
	h.ok(h.s.DeleteKey(h.Context(), h.ws.ID, k.ID, func(*keys.Key) error { return nil }, h.event("key.delete")))
	for _, id := range []string{k.AccountID, "key_unknown"} {
		a, err := l.Account(h.Context(), id, now)
		h.ok(err)
		h.equal("an account that is gone", a, keys.Account{})
		_, moved, err := l.Spend(h.Context(), id, 1, keys.SpendOwn, now)
		h.code(err, keys.NotFound)
		h.equal("what was spent of an account that is gone", moved, int64(0))
	}
	_, _, err := l.Spend(gone(h.T), k.AccountID, 1, keys.SpendOwn, now)
	h.code(err, keys.Unavailable)
}
