package conformance

import (
	"errors"
	"sync/atomic"
	"time"

	"latchkey/internal/keys"
	"latchkey/internal/token"
)

// set sets money of a key aside for a minute and checks the outcome.
func (h *home) set(l keys.Ledger, k keys.Key, micros int64, at time.Time, want keys.Outcome) string {
	h.Helper()
	hold := &keys.Hold{ID: token.NewID("rsv"), Micros: micros, ExpiresAt: at.Add(time.Minute)}
	_, _, o, err := l.Use(h.Context(), k.AccountID, keys.Charge{Hold: hold}, nil, at)
	if err != nil || o != want {
		h.Errorf("setting %d aside: %s, %v; want %s", micros, o, err, want)
	}
	return hold.ID
}

// ended ends a reservation.
func (h *home) ended(l keys.Ledger, id string, micros int64, at time.Time) error {
	h.Helper()
	_, _, err := l.EndReservation(h.Context(), h.ws.ID, id, micros, keys.SpendOwn, at, func(*keys.Reservation) error { return nil })
	return err
}

// left checks what a key's budget has left, and what was spent.
func (h *home) left(l keys.Ledger, k keys.Key, at time.Time, left, spent int64) {
	h.Helper()
	if f := h.money(l, k, at).Figures(at); f.Remaining != left || f.Spent != spent {
		h.Errorf("%+v; want %d left and %d spent", f, left, spent)
	}
}

func reservation(h *home, l keys.Ledger) {
	k := h.purse(10)
	one := h.set(l, k, 6, now, keys.Valid)
	h.left(l, k, now, 4, 0)
	h.set(l, k, 5, now, keys.BudgetExhausted)
	h.used(l, k, keys.Charge{Micros: 5}, now, keys.BudgetExhausted)
	two := h.set(l, k, 4, now, keys.Valid)
	h.left(l, k, now, 0, 0)
	h.used(l, k, keys.Charge{}, now, keys.BudgetExhausted)

	// Settled with less, and released.
	refused := errors.New("no")
	_, _, err := l.EndReservation(h.Context(), h.ws.ID, one, 1, keys.SpendOwn, now, func(r *keys.Reservation) error {
		if r.KeyID != k.ID || r.WorkspaceID != h.ws.ID || r.KeyspaceID != h.ks.ID || r.AccountID != k.AccountID || r.Micros != 6 || !r.ExpiresAt.Equal(now.Add(time.Minute)) {
			h.Errorf("the reservation is %+v", r)
		}
		return refused
	})
	h.equal("the error of check", err, refused)
	h.left(l, k, now, 0, 0)
	h.ok(h.ended(l, one, 2, now))
	h.left(l, k, now, 4, 2)
	h.ok(h.ended(l, two, 0, now))
	h.left(l, k, now, 8, 2)
	h.code(h.ended(l, one, 1, now), keys.Conflict)
	h.code(h.ended(l, two, 0, now), keys.Conflict)
	h.code(h.ended(l, "rsv_unknown", 0, now), keys.NotFound)
	_, _, err = l.EndReservation(h.Context(), newHome(h.T, h.s).ws.ID, one, 0, keys.SpendOwn, now, func(*keys.Reservation) error { return nil })
	h.code(err, keys.NotFound)

	// It expires by the clock, and can be settled still, beyond the budget too.
	late := h.set(l, k, 8, now, keys.Valid)
	h.left(l, k, now.Add(time.Minute-time.Millisecond), 0, 2)
	h.left(l, k, now.Add(time.Minute), 8, 2)
	h.used(l, k, keys.Charge{Micros: 8}, now.Add(time.Minute), keys.Valid)
	h.ok(h.ended(l, late, 3, now.Add(time.Hour)))
	h.left(l, k, now.Add(time.Hour), 0, 13)
	h.code(h.ended(l, late, 3, now.Add(time.Hour)), keys.Conflict)

	// Without a budget, and for nobody.
	bare := h.insert(h.bareKey())
	h.ok(h.ended(l, h.set(l, bare, 1_000_000, now, keys.Valid), 7, now))
	h.equal("what was spent without a budget", h.money(l, bare, now).Spent.Own.Total, int64(7))
	unknown := h.bareKey()
	h.code(h.ended(l, h.set(l, unknown, 1, now, keys.KeyNotFound), 0, now), keys.NotFound)

	// It goes with its key.
	gone := h.set(l, bare, 1, now, keys.Valid)
	h.ok(h.s.DeleteKey(h.Context(), h.ws.ID, bare.ID, func(*keys.Key) error { return nil }, h.event("key.delete")))
	h.code(h.ended(l, gone, 0, now), keys.NotFound)
}

// reservationsAtOnce sets aside, spends and settles from many sides: never more
// than there is.
func reservationsAtOnce(h *home, l keys.Ledger) {
	k := h.purse(100)
	var spent atomic.Int64
	atOnce(12, func(i int) {
		for n := range 10 {
			hold := &keys.Hold{ID: token.NewID("rsv"), Micros: 5, ExpiresAt: now.Add(time.Minute)}
			a, _, o, err := l.Use(h.Context(), k.AccountID, keys.Charge{Hold: hold}, nil, now)
			if err != nil || a.Money.Figures(now).Overdrawn > 0 {
				h.Error(a.Money, err)
			}
			if o != keys.Valid {
				continue
			}
			micros := int64((i + n) % 6)
			if err := h.ended(l, hold.ID, micros, now); err != nil {
				h.Error(err)
			}
			spent.Add(micros)
		}
	})
	f := h.money(l, k, now).Figures(now)
	if f.Spent != spent.Load() || f.Overdrawn != 0 || f.Remaining != 100-f.Spent {
		h.Errorf("%d were spent: %+v", spent.Load(), f)
	}
}

func pruneReservations(h *home, l keys.Ledger) {
	k := h.purse(10)
	long := now.AddDate(10, 0, 0)
	old, recent := h.set(l, k, 1, now, keys.Valid), h.set(l, k, 1, long, keys.Valid)
	n, err := l.PruneReservations(h.Context(), now.Add(time.Hour), 1)
	for err == nil && n == 1 {
		n, err = l.PruneReservations(h.Context(), now.Add(time.Hour), 1)
	}
	h.ok(err)
	h.code(h.ended(l, old, 0, long), keys.NotFound)
	h.ok(h.ended(l, recent, 0, long))
}
