package keys

import (
	"context"
	"time"

	"latchkey/internal/token"
)

// How long money may be set aside.
const (
	MinReservation     = time.Second
	MaxReservation     = 24 * time.Hour
	DefaultReservation = 10 * time.Minute
)

// KeepReservations is how long a reservation that has expired can still be
// settled.
const KeepReservations = 30 * 24 * time.Hour

// A Reservation is money that was set aside for a use whose cost is not known
// yet.
type Reservation struct {
	Hold
	WorkspaceID, KeyspaceID, KeyID, AccountID string

	EndedAt time.Time // settled or released; zero: neither
}

// CheckReservation reports what is wrong with an amount and a time to set it
// aside for.
func CheckReservation(micros int64, ttl time.Duration) Faults {
	var faults Faults
	if micros < 0 || micros > MaxMicros {
		faults.Add("amount_micros", "must be an integer from 0 to %d", int64(MaxMicros))
	}
	if ttl < MinReservation || ttl > MaxReservation {
		faults.Add("ttl", "must be from 1s to 24h")
	}
	return faults
}

// reserve returns what a charge sets aside.
func reserve(micros int64, ttl time.Duration, now time.Time) *Hold {
	// To the millisecond, as it is kept, and no shorter than was asked for.
	until := now.Add(ttl + time.Millisecond - 1).UTC().Truncate(time.Millisecond)
	return &Hold{ID: token.NewID("rsv"), Micros: micros, ExpiresAt: until}
}

// Reserve sets money of a key aside. Where its budget does not have it, the
// outcome is [BudgetExhausted] and nothing is set aside.
func (m *Manager) Reserve(ctx context.Context, by Actor, id string, micros int64, ttl time.Duration) (*Hold, *Money, Outcome, error) {
	if err := CheckReservation(micros, ttl).Err(); err != nil {
		return nil, nil, Valid, err
	}
	k, err := m.KeyFor(ctx, by, id, "spend")
	if err != nil {
		return nil, nil, Valid, err
	}
	now := m.Clock()
	hold := reserve(micros, ttl, now)
	a, _, outcome, err := m.Ledger.Use(ctx, k.AccountID, Charge{Hold: hold}, nil, now)
	if err == nil && outcome == KeyNotFound {
		err = Errorf(NotFound, "no such key")
	}
	if err != nil || outcome != Valid {
		hold = nil
	}
	return hold, a.Money, outcome, err
}

// Settle ends a reservation with what was really spent, which is recorded like
// [Manager.Spend], after the reservation has expired too.
func (m *Manager) Settle(ctx context.Context, by Actor, id string, micros int64, kind SpendKind) (*Money, error) {
	if err := CheckAmount(micros, kind).Err(); err != nil {
		return nil, err
	}
	return m.endReservation(ctx, by, id, micros, kind)
}

// ReleaseReservation ends a reservation of which nothing was spent.
func (m *Manager) ReleaseReservation(ctx context.Context, by Actor, id string) error {
	_, err := m.endReservation(ctx, by, id, 0, SpendOwn)
	return err
}

func (m *Manager) endReservation(ctx context.Context, by Actor, id string, micros int64, kind SpendKind) (*Money, error) {
	if err := by.Need(ResKeys, "", "spend"); err != nil {
		return nil, err
	}
	now := m.Clock()
	allowed := func(r *Reservation) error { return by.Need(ResKeys, r.KeyspaceID, "spend") }
	r, a, err := m.Ledger.EndReservation(ctx, by.WorkspaceID, id, micros, kind, now, allowed)
	if err != nil {
		return nil, err
	}
	m.Recorder.Spent(&Key{ID: r.KeyID, WorkspaceID: r.WorkspaceID, KeyspaceID: r.KeyspaceID}, micros, now)
	return a.Money, nil
}

// End returns the account after a reservation was ended.
func (a Account) End(r *Reservation, micros int64, kind SpendKind, now time.Time) Account {
	a = a.At(now)
	a.Money = a.Money.without(r.ID)
	if micros > 0 {
		a.Money, _ = a.Money.Spend(micros, kind, now)
	}
	return a
}
