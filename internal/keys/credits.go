package keys

import (
	"time"

	"latchkey/internal/span"
)

// MaxCredits bounds a balance and every amount that is added to one.
const MaxCredits = 1_000_000_000_000_000

// Credits are how many uses a key has left, and how they come back.
type Credits struct {
	Remaining int64
	Refill    *Refill // nil: they do not come back

	// RefilledAt is the moment up to which refills have been given: when the
	// refill was set, then the last time that one was due.
	RefilledAt time.Time
}

// A Refill says when credits come back, and how many.
type Refill struct {
	Amount int64
	Every  Every
	Span   span.Span // with [EverySpan]
	Day    int       // with [Monthly]: 1..31, the last day in shorter months
	Mode   RefillMode
}

// Every is the rhythm of a [Refill].
type Every string

const (
	Daily     Every = "daily"   // at 00:00 UTC
	Monthly   Every = "monthly" // at 00:00 UTC on a day
	EverySpan Every = "span"    // counted from the moment that the refill was set
)

// A RefillMode says what a refill does to the balance.
type RefillMode string

const (
	RefillSet   RefillMode = "set"   // the balance becomes the amount
	RefillAdd   RefillMode = "add"   // the amount is added, once for each time that was due
	RefillRaise RefillMode = "raise" // the balance becomes the amount if it was below
)

// At returns the credits as they are at now: every refill that was due has
// been given. It is pure, so that no clock need run for credits to come back,
// and a clock that steps back takes nothing away and gives nothing twice.
func (c Credits) At(now time.Time) Credits {
	if c.Refill == nil || !now.After(c.RefilledAt) {
		return c
	}
	n, last := c.Refill.due(c.RefilledAt, now)
	if n == 0 {
		return c
	}
	c.RefilledAt = last
	switch c.Refill.Mode {
	case RefillAdd:
		c.Remaining = addBounded(c.Remaining, c.Refill.Amount, n)
	case RefillRaise:
		c.Remaining = max(c.Remaining, c.Refill.Amount)
	default:
		c.Remaining = c.Refill.Amount
	}
	return c
}

// RefillsAt returns when the next refill is due, or the zero time where none
// will be.
func (c Credits) RefillsAt() time.Time {
	if c.Refill == nil {
		return time.Time{}
	}
	return c.Refill.next(c.RefilledAt)
}

// LastRefill returns when credits last came back, or the zero time where none
// have since the refill was set. Only a refill that keeps to the calendar tells.
func (c Credits) LastRefill() time.Time {
	r, at := c.Refill, c.RefilledAt.UTC()
	switch {
	case r == nil:
	case r.Every == Daily && at.Equal(midnight(at)), r.Every == Monthly && at.Equal(r.onMonth(at.Year(), at.Month())):
		return at
	}
	return time.Time{}
}

// due counts the refills in (after, now] and returns when the last was.
func (r *Refill) due(after, now time.Time) (n int64, last time.Time) {
	after, now = after.UTC(), now.UTC()
	switch r.Every {
	case Daily:
		n = dayNumber(now) - dayNumber(after)
		return n, midnight(now)
	case Monthly:
		last = r.onMonth(now.Year(), now.Month())
		if last.After(now) {
			last = r.onMonth(now.Year(), now.Month()-1)
		}
		first := r.next(after)
		if first.After(now) {
			return 0, after
		}
		return int64(last.Year()-first.Year())*12 + int64(last.Month()) - int64(first.Month()) + 1, last
	case EverySpan:
		d := r.Span.Duration()
		if d <= 0 {
			return 0, after
		}
		// Milliseconds, since a time.Duration holds no more than 292 years.
		ms := max(1, d.Milliseconds())
		n = (now.UnixMilli() - after.UnixMilli()) / ms
		return n, time.UnixMilli(after.UnixMilli() + n*ms).UTC()
	}
	return 0, after
}

// next returns the first moment after t at which a refill is due.
func (r *Refill) next(t time.Time) time.Time {
	t = t.UTC()
	switch r.Every {
	case Daily:
		return midnight(t).AddDate(0, 0, 1)
	case Monthly:
		if at := r.onMonth(t.Year(), t.Month()); at.After(t) {
			return at
		}
		return r.onMonth(t.Year(), t.Month()+1)
	case EverySpan:
		return t.Add(r.Span.Duration())
	}
	return time.Time{}
}

// onMonth returns the refill's moment in a month, which may be given as 0 or
// 13 of the year.
func (r *Refill) onMonth(year int, month time.Month) time.Time {
	first := time.Date(year, month, 1, 0, 0, 0, 0, time.UTC)
	days := first.AddDate(0, 1, -1).Day()
	return first.AddDate(0, 0, min(max(r.Day, 1), days)-1)
}

func midnight(t time.Time) time.Time {
	y, m, d := t.UTC().Date()
	return time.Date(y, m, d, 0, 0, 0, 0, time.UTC)
}

// dayNumber counts days since 1970, downwards before it.
func dayNumber(t time.Time) int64 { return midnight(t).Unix() / 86400 }

// addBounded returns have + n×amount, at most [MaxCredits].
func addBounded(have, amount, n int64) int64 {
	if n > (MaxCredits-min(have, MaxCredits))/max(amount, 1) {
		return max(have, MaxCredits)
	}
	return have + n*amount
}

func (c *Credits) validate(field string, faults *Faults) {
	if c == nil {
		return
	}
	if c.Remaining < 0 || c.Remaining > MaxCredits {
		faults.Add(field+"/remaining", "must be an integer from 0 to %d", int64(MaxCredits))
	}
	r := c.Refill
	if r == nil {
		return
	}
	if r.Amount < 1 || r.Amount > MaxCredits {
		faults.Add(field+"/refill/amount", "must be an integer from 1 to %d", int64(MaxCredits))
	}
	switch r.Every {
	case Daily, Monthly:
	case EverySpan:
		if d := r.Span.Duration(); d < time.Second || d > 366*24*time.Hour {
			faults.Add(field+"/refill/every", "must be from 1s to 366d")
		}
	default:
		faults.Add(field+"/refill/every", `must be "daily", "monthly" or a duration such as 12h`)
	}
	if r.Every == Monthly && (r.Day < 1 || r.Day > 31) {
		faults.Add(field+"/refill/day", "must be a day of the month from 1 to 31")
	}
	if r.Every != Monthly && r.Day != 0 {
		faults.Add(field+"/refill/day", "goes with every: monthly alone")
	}
	switch r.Mode {
	case RefillSet, RefillAdd, RefillRaise:
	default:
		faults.Add(field+"/refill/mode", `must be "set" or "add"`)
	}
}
