package keys

import (
	"slices"
	"time"
)

// An Account is what a ledger keeps for a key, or for keys of which one took
// another's place. What it points at is never changed, but replaced.
type Account struct {
	Credits *Credits // nil: uses are not counted
	Money   *Money   // nil: nothing was spent, and there is no budget
}

// Money is what was spent, and how much may be, in millionths of a US dollar.
type Money struct {
	Budget *Budget // nil: no bound
	Spent  Spending
	Held   []Hold // what is set aside, with what was and has expired
}

// A Hold is money that is set aside for a while.
type Hold struct {
	ID        string // of the reservation
	Micros    int64
	ExpiresAt time.Time
}

// held returns what is set aside at now.
func (m *Money) held(now time.Time) (micros int64) {
	for _, h := range m.Held {
		if now.Before(h.ExpiresAt) {
			micros += h.Micros
		}
	}
	return micros
}

// AsOf returns the money as it is at now.
func (m *Money) AsOf(now time.Time) *Money {
	out := *m
	out.Spent = m.Spent.AsOf(now)
	out.Held = nil
	for _, h := range m.Held {
		if now.Before(h.ExpiresAt) {
			out.Held = append(out.Held, h)
		}
	}
	return &out
}

// without returns the money without a hold.
func (m *Money) without(id string) *Money {
	if m == nil {
		return nil
	}
	out := *m
	out.Held = slices.DeleteFunc(slices.Clone(m.Held), func(h Hold) bool { return h.ID == id })
	return &out
}

// A Budget bounds what is spent in a window.
type Budget struct {
	Limit      int64
	Reset      Reset // "": the window is all of time
	CountsBYOK bool  // what is spent with the customer's own provider keys counts too
}

// Budget returns the key's budget; nil: none.
func (k *Key) Budget() *Budget {
	if k.Money == nil {
		return nil
	}
	return k.Money.Budget
}

// BudgetSettings are the settings of a budget, each given or not. Limit is
// needed where there is none yet.
type BudgetSettings struct {
	Limit      Maybe[int64]
	Reset      Maybe[Reset]
	CountsBYOK Maybe[bool]
}

// Merge returns the money that the settings make of what there was; nil stands
// for no budget. What was spent stays.
func (s *BudgetSettings) Merge(m *Money, faults *Faults) *Money {
	var out Money
	if m != nil {
		out = *m
	}
	if s == nil {
		if out.Budget = nil; out.Spent == (Spending{}) && len(out.Held) == 0 {
			return nil
		}
		return &out
	}
	var b Budget
	if out.Budget != nil {
		b = *out.Budget
	} else if !s.Limit.Set {
		faults.Add("budget/limit_micros", "is required")
		return m
	}
	set(&b.Limit, s.Limit)
	set(&b.Reset, s.Reset)
	set(&b.CountsBYOK, s.CountsBYOK)
	if b.Limit < 0 || b.Limit > MaxMicros {
		faults.Add("budget/limit_micros", "must be an integer from 0 to %d", int64(MaxMicros))
	}
	if b.Reset != "" && !b.Reset.Valid() {
		faults.Add("budget/reset", `must be "daily", "weekly" or "monthly"`)
	}
	out.Budget = &b
	return &out
}

// A Reset is when a budget begins anew, in UTC.
type Reset string

// Valid reports whether there is such a one.
func (r Reset) Valid() bool { return r == ResetDaily || r == ResetWeekly || r == ResetMonthly }

const (
	ResetDaily   Reset = "daily"   // at 00:00
	ResetWeekly  Reset = "weekly"  // at 00:00 on Mondays
	ResetMonthly Reset = "monthly" // at 00:00 on the 1st
)

// MaxMicros bounds a budget and every amount: a billion dollars.
const MaxMicros = 1_000_000_000_000_000

// A SpendKind says with whose provider keys money was spent.
type SpendKind string

const (
	SpendOwn  SpendKind = "own"
	SpendBYOK SpendKind = "byok" // bring your own key: the customer's
)

// Spending is what was spent by the day, week and month in which At lies.
type Spending struct {
	Own, BYOK Sums
	At        time.Time // the last moment that the windows were moved to
}

// Sums are amounts spent in a window, and ever.
type Sums struct{ Total, Day, Week, Month int64 }

// AsOf returns the spending as it is at now: windows that have passed are
// empty. A clock that steps back opens none again.
func (s Spending) AsOf(now time.Time) Spending {
	if !now.After(s.At) {
		return s
	}
	day, was := dayNumber(now), dayNumber(s.At)
	for _, sums := range []*Sums{&s.Own, &s.BYOK} {
		if day != was {
			sums.Day = 0
		}
		if week(day) != week(was) {
			sums.Week = 0
		}
		if a, b := now.UTC(), s.At.UTC(); a.Year() != b.Year() || a.Month() != b.Month() {
			sums.Month = 0
		}
	}
	s.At = now
	return s
}

// week numbers weeks that begin on Monday; day 0, 1970-01-01, was a Thursday.
func week(day int64) int64 {
	n := day + 3
	if n < 0 {
		return (n - 6) / 7
	}
	return n / 7
}

// in returns what was spent in the window of a budget.
func (s *Sums) in(r Reset) int64 {
	switch r {
	case ResetDaily:
		return s.Day
	case ResetWeekly:
		return s.Week
	case ResetMonthly:
		return s.Month
	}
	return s.Total
}

// add adds an amount to all windows. One below 0 takes no window below 0.
func (s *Sums) add(micros int64) {
	for _, sum := range []*int64{&s.Total, &s.Day, &s.Week, &s.Month} {
		*sum = max(0, min(*sum, MaxMicros)+min(micros, MaxMicros))
	}
}

// Figures are what a budget comes to at one moment.
type Figures struct {
	Limit, Remaining, Overdrawn int64
	Spent, BYOKSpent            int64     // in the window
	ResetsAt                    time.Time // zero: never
}

// Figures returns those at now, of money with a budget.
func (m *Money) Figures(now time.Time) Figures {
	b, s := m.Budget, m.Spent.AsOf(now)
	f := Figures{Limit: b.Limit, Spent: s.Own.in(b.Reset), BYOKSpent: s.BYOK.in(b.Reset), ResetsAt: b.Reset.next(s.At)}
	counted := f.Spent
	if b.CountsBYOK {
		counted += f.BYOKSpent
	}
	f.Remaining, f.Overdrawn = max(0, b.Limit-counted-m.held(now)), max(0, counted-b.Limit)
	return f
}

// next returns when the window in which t lies ends.
func (r Reset) next(t time.Time) time.Time {
	day := midnight(t)
	switch r {
	case ResetDaily:
		return day.AddDate(0, 0, 1)
	case ResetWeekly:
		return day.AddDate(0, 0, 7-int(day.Weekday()+6)%7)
	case ResetMonthly:
		return time.Date(day.Year(), day.Month()+1, 1, 0, 0, 0, 0, time.UTC)
	}
	return time.Time{}
}

// Spend returns the money after an amount was spent, or given back where it is
// below 0: then at most what was spent in the window of the budget. moved is the
// amount that it came to.
func (m *Money) Spend(micros int64, kind SpendKind, now time.Time) (after *Money, moved int64) {
	var out Money
	if m != nil {
		out = *m.AsOf(now)
	}
	out.Spent = out.Spent.AsOf(now)
	sums := &out.Spent.Own
	if kind == SpendBYOK {
		sums = &out.Spent.BYOK
	}
	if micros < 0 {
		reset := Reset("")
		if out.Budget != nil {
			reset = out.Budget.Reset
		}
		micros = -min(-micros, sums.in(reset))
	}
	sums.add(micros)
	return &out, micros
}

// A Charge is what a use takes from an account.
type Charge struct {
	Credits int64
	Clamp   bool  // takes what is left of the credits, where that is less
	Micros  int64 // from the budget
	Hold    *Hold // to be set aside from the budget; nil: nothing

	// Metered and Bounded say that the account is known to have credits and a
	// budget.
	Metered, Bounded bool
}

// At returns the account as it is at now.
func (a Account) At(now time.Time) Account {
	if a.Credits != nil {
		c := a.Credits.At(now)
		a.Credits = &c
	}
	if a.Money != nil {
		a.Money = a.Money.AsOf(now)
	}
	return a
}

// Take returns the account after a charge, or the outcome that refuses it and
// the account as it is at now. A budget that is used up refuses a use that
// spends nothing too. Where what the charge knows of is gone, nothing is taken,
// and the outcome is [KeyNotFound]. took is what was taken.
func (a Account) Take(c Charge, now time.Time) (after Account, took Charged, o Outcome) {
	after = a.At(now)
	if c.Metered && a.Credits == nil || c.Bounded && (a.Money == nil || a.Money.Budget == nil) {
		return after, took, KeyNotFound
	}
	if a.Credits != nil {
		credits := after.Credits
		cost := c.Credits
		if c.Clamp && credits.Remaining > 0 {
			cost = min(cost, credits.Remaining)
		}
		if credits.Remaining < cost {
			return after, took, CreditsExhausted
		}
		took.Credits = cost
	}
	if a.Money != nil && a.Money.Budget != nil {
		if left := after.Money.Figures(now).Remaining; left == 0 || left < c.Micros || c.Hold != nil && left < c.Hold.Micros {
			return after, Charged{}, BudgetExhausted
		}
	}
	if after.Credits != nil {
		after.Credits.Remaining -= took.Credits
	}
	if c.Micros > 0 {
		took.Micros = c.Micros
		after.Money, _ = a.Money.Spend(c.Micros, SpendOwn, now)
	}
	if c.Hold != nil {
		var m Money
		if after.Money != nil {
			m = *after.Money
		}
		m.Held = append(slices.Clone(m.Held), *c.Hold)
		after.Money = &m
	}
	return after, took, Valid
}

// Use is [Account.Take] together with what else a use takes: see [Ledger]. Where
// also refuses, that goes first, and where anything does, nothing is taken.
func (a Account) Use(c Charge, also func(take bool) (bool, error), now time.Time) (after Account, took Charged, o Outcome, err error) {
	after, took, o = a.Take(c, now)
	if also == nil || o == KeyNotFound {
		return after, took, o, nil
	}
	ok, err := also(o == Valid)
	if err != nil {
		return a, Charged{}, o, err
	}
	if !ok {
		return a.At(now), Charged{}, RateLimited, nil
	}
	return after, took, o, nil
}
