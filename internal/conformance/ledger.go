package conformance

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"latchkey/internal/keys"
	"latchkey/internal/span"
)

// Ledger tests the ledgers that open returns, each with the store that holds
// the keys of its accounts. Each call must return empty ones; Ledger closes
// the store.
func Ledger(t *testing.T, open func(t *testing.T) (keys.Store, keys.Ledger)) {
	s, l := open(t)
	defer s.Close()
	for _, c := range []struct {
		name string
		run  func(*home, keys.Ledger)
	}{
		{"Spend", spend},
		{"Spend/NoCredits", spendNoCredits},
		{"Spend/Refill", spendRefill},
		{"Spend/ClockStepsBack", spendClockStepsBack},
		{"Spend/NeverBelowZero", spendNeverBelowZero},
		{"Spend/RefillsAtOnce", spendRefillsAtOnce},
		{"Spend/WhileSettingsChange", spendWhileSettingsChange},
		{"Spend/CallerGone", spendCallerGone},
		{"Change", changeCredits},
		{"Change/Refused", changeCreditsRefused},
		{"Change/Refill", changeCreditsRefill},
		{"Change/AtOnce", changeCreditsAtOnce},
		{"Change/Heard", changeCreditsHeard},
		{"Money/Spend", spendMoney},
		{"Money/Use", useMoney},
		{"Money/Also", useAlso},
		{"Money/AtOnce", moneyAtOnce},
		{"Money/Settings", moneySettings},
		{"Money/Gone", moneyGone},
		{"Money/Total", moneyTotal},
		{"Money/TotalAtOnce", moneyTotalAtOnce},
		{"HeirElsewhere", heirElsewhere},
		{"HeirAtOnce", heirAtOnce},
		{"Reservation", reservation},
		{"Reservation/AtOnce", reservationsAtOnce},
		{"Reservation/Prune", pruneReservations},
	} {
		t.Run(c.name, func(t *testing.T) { c.run(newHome(t, s), l) })
	}
}

// account inserts a key with credits and returns it.
func (h *home) account(c *keys.Credits) keys.Key {
	h.Helper()
	k := h.bareKey()
	k.Credits = c
	return h.insert(k)
}

// spent spends and checks what is left and whether it was taken.
func (h *home) spent(l keys.Ledger, k keys.Key, cost int64, at time.Time, left int64, taken bool) {
	h.Helper()
	c, ok, err := spendCredits(h, l, k.AccountID, cost, at)
	if err != nil || c == nil || c.Remaining != left || ok != taken {
		h.Fatalf("spending %d: %+v, %v, %v; want %d, %v", cost, c, ok, err, left, taken)
	}
}

// balance checks what the key's row says, which need not have the refills that
// are due.
func (h *home) balance(k keys.Key, want int64) {
	h.Helper()
	if c := h.key(k.ID).Credits; c == nil || c.Remaining != want {
		h.Errorf("the balance is %+v, want %d", c, want)
	}
}

func spend(h *home, l keys.Ledger) {
	k := h.account(&keys.Credits{Remaining: 10, RefilledAt: now})
	actions, revision := h.actions(), h.s.Revision()
	h.spent(l, k, 0, now, 10, true)
	h.spent(l, k, 3, now, 7, true)
	h.spent(l, k, 8, now, 7, false)
	h.balance(k, 7)
	h.spent(l, k, 7, now, 0, true)
	h.spent(l, k, 1, now, 0, false)
	h.spent(l, k, 0, now, 0, true)
	h.balance(k, 0)
	got := h.key(k.ID)
	h.equal("the version after it was spent from", got.Version, k.Version)
	h.equal("the actions", h.actions(), actions)
	h.equal("the revision", h.s.Revision(), revision)
}

func spendNoCredits(h *home, l keys.Ledger) {
	k := h.account(nil)
	for _, cost := range []int64{0, 5} {
		for id, there := range map[string]bool{k.AccountID: true, "key_unknown": false} {
			c, ok, err := spendCredits(h, l, id, cost, now)
			if c != nil || ok != (there || cost == 0) || err != nil { // whoever takes nothing only looks
				h.Errorf("spending %d without credits, of a key that is there, %t: %+v, %v, %v", cost, there, c, ok, err)
			}
		}
	}
}

// every returns credits that come back each minute.
func every(remaining, amount int64, mode keys.RefillMode) *keys.Credits {
	return &keys.Credits{Remaining: remaining, RefilledAt: now, Refill: &keys.Refill{
		Amount: amount, Every: keys.EverySpan, Span: span.Span{N: 1, Unit: span.Minute}, Mode: mode,
	}}
}

func spendRefill(h *home, l keys.Ledger) {
	minute := func(n int) time.Time { return now.Add(time.Duration(n) * time.Minute) }
	k := h.account(every(2, 5, keys.RefillSet))
	h.spent(l, k, 2, minute(1).Add(-time.Millisecond), 0, true)
	h.spent(l, k, 1, minute(1).Add(-time.Millisecond), 0, false)
	h.spent(l, k, 0, minute(1), 5, true) // looks only
	h.spent(l, k, 6, minute(1), 5, false)
	h.spent(l, k, 4, minute(1), 1, true)
	h.spent(l, k, 1, minute(2).Add(-time.Millisecond), 0, true)
	h.spent(l, k, 1, minute(9), 4, true)

	k = h.account(every(2, 5, keys.RefillAdd))
	h.spent(l, k, 1, minute(3), 16, true)
	h.spent(l, k, 17, minute(3), 16, false)
	h.spent(l, k, 17, minute(4), 4, true)

	k = h.account(every(20, 5, keys.RefillRaise))
	h.spent(l, k, 1, minute(1), 19, true)
	h.spent(l, k, 18, minute(1), 1, true)
	h.spent(l, k, 1, minute(2), 4, true)
	got := h.key(k.ID).Credits
	h.equal("the credits", got, &keys.Credits{Remaining: 4, RefilledAt: minute(2), Refill: every(0, 5, keys.RefillRaise).Refill})
	c, _, err := spendCredits(h, l, k.AccountID, 1, minute(2))
	h.ok(err)
	got.Remaining--
	h.equal("the credits that were returned", c, got)
}

func spendClockStepsBack(h *home, l keys.Ledger) {
	k := h.account(every(0, 5, keys.RefillAdd))
	h.spent(l, k, 1, now.Add(2*time.Minute), 9, true)
	h.spent(l, k, 1, now.Add(time.Minute), 8, true)
	h.spent(l, k, 1, now.Add(-time.Hour), 7, true)
	h.spent(l, k, 1, now.Add(2*time.Minute), 6, true)
	h.spent(l, k, 1, now.Add(3*time.Minute), 10, true)
}

func spendNeverBelowZero(h *home, l keys.Ledger) {
	k := h.account(&keys.Credits{Remaining: 100, RefilledAt: now})
	var taken atomic.Int64
	atOnce(32, func(i int) {
		for n := range 8 {
			cost := int64((i+n)%3 + 1)
			c, ok, err := spendCredits(h, l, k.AccountID, cost, now)
			if err != nil || c.Remaining < 0 {
				h.Errorf("spending: %+v, %v", c, err)
				return
			}
			if ok {
				taken.Add(cost)
			}
		}
	})
	left := h.key(k.ID).Credits.Remaining
	if taken.Load()+left != 100 || left > 2 {
		h.Errorf("of 100 credits %d were taken and %d are left", taken.Load(), left)
	}
}

// spendRefillsAtOnce spends from many sides while refills come due: each is
// given once, whoever comes first.
func spendRefillsAtOnce(h *home, l keys.Ledger) {
	k := h.account(every(10, 7, keys.RefillAdd))
	var taken atomic.Int64
	atOnce(16, func(i int) {
		for n := range 12 {
			c, ok, err := spendCredits(h, l, k.AccountID, 2, now.Add(time.Duration(n)*time.Minute))
			if err != nil || c.Remaining < 0 {
				h.Errorf("spending: %+v, %v", c, err)
				return
			}
			if ok {
				taken.Add(2)
			}
		}
	})
	c, _, err := spendCredits(h, l, k.AccountID, 0, now.Add(11*time.Minute))
	h.ok(err)
	if total := taken.Load() + c.Remaining; total != 10+11*7 {
		h.Errorf("%d were taken and %d are left, want %d together", taken.Load(), c.Remaining, 10+11*7)
	}
}

// spendWhileSettingsChange renames a key while its credits are spent: an
// update that does not speak of credits leaves them alone.
func spendWhileSettingsChange(h *home, l keys.Ledger) {
	k := h.account(&keys.Credits{Remaining: 1000, RefilledAt: now})
	atOnce(8, func(i int) {
		for range 10 {
			if i%2 == 0 {
				h.update(k.ID, func(k *keys.Key) { k.Name += "x" })
			} else if _, ok, err := spendCredits(h, l, k.AccountID, 1, now); !ok || err != nil {
				h.Error(ok, err)
			}
		}
	})
	h.balance(k, 960)
}

func spendCallerGone(h *home, l keys.Ledger) {
	k := h.account(&keys.Credits{Remaining: 5, RefilledAt: now})
	for _, cost := range []int64{0, 1} {
		_, ok, err := spendCreditsIn(gone(h.T), l, k.AccountID, cost, now)
		h.code(err, keys.Unavailable)
		h.equal("that it was taken", ok, false)
	}
	h.balance(k, 5)
}

// changeTo changes the credits of a key to c.
func (h *home) changeTo(l keys.Ledger, k keys.Key, c *keys.Credits) *keys.Credits {
	h.Helper()
	got, err := l.ChangeCredits(h.Context(), h.ws.ID, k.ID, func(*keys.Credits) (*keys.Credits, error) { return c, nil }, h.event("key.credits"))
	h.ok(err)
	return got
}

func changeCredits(h *home, l keys.Ledger) {
	k := h.account(nil)
	some := &keys.Credits{Remaining: 5, RefilledAt: now}
	h.equal("the credits that were made", h.changeTo(l, k, some), some)
	h.equal("the credits that were read", h.key(k.ID).Credits, some)
	ev := h.lastEvent()
	h.equal("the event before", ev.Before, []keys.Member{{Name: "credits"}})
	h.equal("the event after", ev.After, []keys.Member{{Name: "credits", Value: []keys.Member{{Name: "remaining", Value: int64(5)}}}})

	version := h.key(k.ID).Version
	more := &keys.Credits{Remaining: 6, RefilledAt: now}
	h.changeTo(l, k, more)
	h.equal("the version after a balance changed", h.key(k.ID).Version, version)
	h.equal("the record's credits", h.record(k.Secrets[0], now).Key.Credits, more)
	h.equal("the event before", h.lastEvent().Before, ev.After)

	h.equal("the credits that were taken away", h.changeTo(l, k, nil), (*keys.Credits)(nil))
	h.equal("the credits that were read", h.key(k.ID).Credits, (*keys.Credits)(nil))
	for _, ids := range [][2]string{{h.ws.ID, "key_unknown"}, {newHome(h.T, h.s).ws.ID, k.ID}} {
		_, err := l.ChangeCredits(h.Context(), ids[0], ids[1], func(*keys.Credits) (*keys.Credits, error) { return some, nil }, h.event("key.credits"))
		h.code(err, keys.NotFound)
	}
	h.equal("the credits after all", h.key(k.ID).Credits, (*keys.Credits)(nil))
}

func changeCreditsRefused(h *home, l keys.Ledger) {
	k := h.account(every(5, 5, keys.RefillSet))
	refused := errors.New("no")
	ev := h.event("key.credits")
	ev.At = now.Add(time.Hour)
	h.untouched(k.ID, func() {
		_, err := l.ChangeCredits(h.Context(), h.ws.ID, k.ID, func(c *keys.Credits) (*keys.Credits, error) {
			c.Remaining, c.Refill.Amount = 99, 99
			return c, refused
		}, ev)
		if err != refused {
			h.Errorf("err = %v, want that of change", err)
		}
	})
}

func changeCreditsRefill(h *home, l keys.Ledger) {
	k := h.account(every(2, 5, keys.RefillAdd))
	ev := h.event("key.credits")
	ev.At = now.Add(2 * time.Minute)
	got, err := l.ChangeCredits(h.Context(), h.ws.ID, k.ID, func(c *keys.Credits) (*keys.Credits, error) {
		h.equal("the balance with the refills that were due", c.Remaining, int64(12))
		out := *c
		out.Remaining++
		return &out, nil
	}, ev)
	h.ok(err)
	want := every(13, 5, keys.RefillAdd)
	want.RefilledAt = ev.At
	h.equal("the credits", got, want)
	h.equal("the credits that were read", h.key(k.ID).Credits, want)
	h.spent(l, k, 1, ev.At, 12, true)
	h.spent(l, k, 1, ev.At.Add(time.Minute), 16, true)

	version := h.key(k.ID).Version
	h.changeTo(l, k, every(1, 6, keys.RefillAdd))
	h.equal("the version after the refill changed", h.key(k.ID).Version, version+1)
}

func changeCreditsAtOnce(h *home, l keys.Ledger) {
	k := h.account(&keys.Credits{Remaining: 100, RefilledAt: now})
	atOnce(20, func(i int) {
		if i%2 == 0 {
			if _, ok, err := spendCredits(h, l, k.AccountID, 1, now); !ok || err != nil {
				h.Error(ok, err)
			}
			return
		}
		_, err := l.ChangeCredits(h.Context(), h.ws.ID, k.ID, func(c *keys.Credits) (*keys.Credits, error) {
			c.Remaining += 10
			return c, nil
		}, h.event("key.credits"))
		if err != nil {
			h.Error(err)
		}
	})
	h.balance(k, 100-10+100)
}

func changeCreditsHeard(h *home, l keys.Ledger) {
	k := h.account(nil)
	revision := h.s.Revision()
	for _, c := range []*keys.Credits{{Remaining: 1, RefilledAt: now}, {Remaining: 2, RefilledAt: now}, nil} {
		heard := h.listen(func() { h.changeTo(l, k, c) })
		h.equal("what was heard", heard, []keys.Change{{Kind: keys.KeyChanged, ID: k.ID}})
	}
	if got := h.s.Revision(); got <= revision {
		h.Errorf("the revision went from %d to %d", revision, got)
	}
	h.equal("what was heard of a spending", h.listen(func() {
		if _, _, err := spendCredits(h, l, k.AccountID, 1, now); err != nil {
			h.Error(err)
		}
	}), []keys.Change(nil))
}

// spendCredits takes credits alone from an account, or looks where cost is 0.
func spendCredits(h *home, l keys.Ledger, accountID string, cost int64, at time.Time) (*keys.Credits, bool, error) {
	return spendCreditsIn(h.Context(), l, accountID, cost, at)
}

func spendCreditsIn(ctx context.Context, l keys.Ledger, accountID string, cost int64, at time.Time) (*keys.Credits, bool, error) {
	if cost == 0 {
		a, err := l.Account(ctx, accountID, at)
		return a.Credits, err == nil, err
	}
	a, took, outcome, err := l.Use(ctx, accountID, keys.Charge{Credits: cost}, nil, at)
	ok := outcome == keys.Valid && err == nil
	if ok && a.Credits != nil && took != (keys.Charged{Credits: cost}) {
		err = fmt.Errorf("%+v was taken for %d", took, cost)
	}
	return a.Credits, ok, err
}
