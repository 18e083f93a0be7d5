package keys_test

import (
	"testing"
	"time"

	"latchkey/internal/keys"
	"latchkey/internal/span"
	"latchkey/internal/token"
)

// boundaries are moments at which credits come back, each for a key that was
// made some time before: nothing is there a millisecond earlier.
var boundaries = []struct {
	name  string
	every keys.Rhythm
	day   int
	made  string
	at    string
	times int64 // that credits have come back by then
}{
	{"Sunday to Monday", daily, 0, "2030-01-06T23:59:59.998Z", "2030-01-07T00:00:00Z", 1},
	{"a day, made at midnight", daily, 0, "2030-01-06T00:00:00Z", "2030-01-07T00:00:00Z", 1},
	{"January to February", daily, 0, "2030-01-31T09:00:00Z", "2030-02-01T00:00:00Z", 1},
	{"28 February to March", daily, 0, "2030-02-28T09:00:00Z", "2030-03-01T00:00:00Z", 1},
	{"28 February to 29 February", daily, 0, "2032-02-28T09:00:00Z", "2032-02-29T00:00:00Z", 1},
	{"29 February to March", daily, 0, "2032-02-29T23:00:00Z", "2032-03-01T00:00:00Z", 1},
	{"one year to the next", daily, 0, "2030-12-31T23:00:00Z", "2031-01-01T00:00:00Z", 1},
	{"the first of a month", monthly, 1, "2030-01-31T23:59:59.998Z", "2030-02-01T00:00:00Z", 1},
	{"the first of a year", monthly, 1, "2030-12-02T00:00:00Z", "2031-01-01T00:00:00Z", 1},
	{"the 28th in February", monthly, 28, "2030-02-01T00:00:00Z", "2030-02-28T00:00:00Z", 1},
	{"the 29th in February", monthly, 29, "2030-01-29T00:00:00Z", "2030-02-28T00:00:00Z", 1},
	{"the 29th in March after that", monthly, 29, "2030-02-28T00:00:00Z", "2030-03-29T00:00:00Z", 1},
	{"the 29th in the February of a leap year", monthly, 29, "2032-02-28T12:00:00Z", "2032-02-29T00:00:00Z", 1},
	{"the 30th in the February of a leap year", monthly, 30, "2032-01-30T00:00:00Z", "2032-02-29T00:00:00Z", 1},
	{"the 31st in February", monthly, 31, "2030-01-31T00:00:00Z", "2030-02-28T00:00:00Z", 1},
	{"the 31st in March after that", monthly, 31, "2030-02-28T00:00:00Z", "2030-03-31T00:00:00Z", 1},
	{"the 31st in the February of a leap year", monthly, 31, "2032-01-31T00:00:00Z", "2032-02-29T00:00:00Z", 1},
	{"the 31st in the February of a century", monthly, 31, "2100-01-31T00:00:00Z", "2100-02-28T00:00:00Z", 1},
	{"the 31st in April", monthly, 31, "2030-03-31T00:00:00Z", "2030-04-30T00:00:00Z", 1},
	{"the 31st in May", monthly, 31, "2030-04-30T23:59:59.999Z", "2030-05-31T00:00:00Z", 1},
	{"the 31st in December", monthly, 31, "2030-11-30T00:00:00Z", "2030-12-31T00:00:00Z", 1},
	{"ninety seconds", keys.Rhythm{Every: keys.EverySpan, Span: span.Of(90 * time.Second)}, 0, "2030-12-31T23:59:12.345Z", "2031-01-01T00:00:42.345Z", 1},
	{"36 hours over 29 February", keys.Rhythm{Every: keys.EverySpan, Span: span.Of(36 * time.Hour)}, 0, "2032-02-28T12:00:00.001Z", "2032-03-01T00:00:00.001Z", 1},
	{"every day of a year", daily, 0, "2030-06-15T12:00:00Z", "2031-06-15T00:00:00Z", 365},
	{"every day of a leap year", daily, 0, "2031-06-15T12:00:00Z", "2032-06-15T00:00:00Z", 366},
	{"every day of twenty years", daily, 0, "2030-01-01T00:00:00Z", "2050-01-01T00:00:00Z", 7305},
	{"every 31st of twenty years", monthly, 31, "2030-01-31T00:00:00Z", "2050-01-31T00:00:00Z", 240},
	{"every 29th up to a 29 February", monthly, 29, "2030-01-29T00:00:00Z", "2048-02-29T00:00:00Z", 217},
	{"every second of three years", keys.Rhythm{Every: keys.EverySpan, Span: span.Of(time.Second)}, 0, "2030-01-01T00:00:00.5Z", "2033-01-01T00:00:00.5Z", (365 + 365 + 366) * 86400},
}

var (
	daily   = keys.Rhythm{Every: keys.Daily}
	monthly = keys.Rhythm{Every: keys.Monthly}
)

// TestBoundaries uses keys a millisecond before their credits come back, and at
// that moment, after a clock that has stepped back, and in every mode.
func TestBoundaries(t *testing.T) {
	h := newHome(t)
	for _, b := range boundaries {
		made, at := moment(t, b.made), moment(t, b.at)
		for _, m := range []struct {
			mode  keys.RefillMode
			made  int64 // with
			spent int64 // at once
		}{
			{keys.RefillSet, 7, 3}, {keys.RefillSet, 20, 1}, {keys.RefillAdd, 7, 3}, {keys.RefillRaise, 7, 3}, {keys.RefillRaise, 20, 1},
		} {
			const amount = 5
			early := refilled(m.mode, m.made-m.spent, amount, b.times-1)
			want := refilled(m.mode, m.made-m.spent, amount, b.times)
			u := &user{home: h, name: b.name + ", " + string(m.mode)}
			h.set(made)
			refill := &keys.RefillSettings{Amount: keys.Some[int64](amount), Every: keys.Some(b.every), Mode: keys.Some(m.mode)}
			if b.day > 0 {
				refill.Day = keys.Some(b.day)
			}
			_, u.secret = h.create(keys.KeySettings{Credits: keys.Some(&keys.CreditSettings{Remaining: keys.Some(m.made), Refill: keys.Some(refill)})})
			u.uses(made, m.spent, keys.Valid, m.made-m.spent)

			before := at.Add(-time.Millisecond)
			u.uses(before, 0, keys.Valid, early)
			u.uses(before, early+1, keys.CreditsExhausted, early)
			u.uses(at, 0, keys.Valid, want)
			u.uses(before, 0, keys.Valid, early) // a look takes nothing and gives nothing
			u.uses(at, want+1, keys.CreditsExhausted, want)
			u.uses(at, want-1, keys.Valid, 1)
			for _, back := range []time.Duration{time.Millisecond, time.Hour, 400 * 24 * time.Hour, 0} {
				u.uses(at.Add(-back), 0, keys.Valid, 1)
				u.uses(at.Add(-back), 2, keys.CreditsExhausted, 1)
			}
			u.uses(before, 1, keys.Valid, 0)
			u.uses(at, 1, keys.CreditsExhausted, 0)
		}
	}
}

// refilled is what there is after credits have come back so many times.
func refilled(mode keys.RefillMode, have, amount, times int64) int64 {
	switch {
	case times == 0:
		return have
	case mode == keys.RefillAdd:
		return have + times*amount
	case mode == keys.RefillRaise:
		return max(have, amount)
	}
	return amount
}

// TestBoundariesOfOften spends between refills that are due many times in
// between: none is given twice, and none is lost.
func TestBoundariesOfOften(t *testing.T) {
	h := newHome(t)
	u := &user{home: h, name: "every day"}
	begin := moment(t, "2031-12-25T00:00:00Z")
	h.set(begin)
	_, u.secret = h.create(keys.KeySettings{Credits: keys.Some(&keys.CreditSettings{Remaining: keys.Some[int64](0), Refill: keys.Some(&keys.RefillSettings{
		Amount: keys.Some[int64](3), Every: keys.Some(daily), Mode: keys.Some(keys.RefillAdd)})})})
	left := int64(0)
	for day := 1; day < 120; day++ { // over the end of a year, and 29 February
		midnight := begin.AddDate(0, 0, day)
		u.uses(midnight.Add(-time.Millisecond), left+1, keys.CreditsExhausted, left)
		left += 3
		if day%3 != 0 {
			u.uses(midnight, 2, keys.Valid, left-2)
			left -= 2
			u.uses(midnight.Add(-time.Hour), 0, keys.Valid, left)
		}
	}
}

// A user uses one key.
type user struct {
	*home
	name   string
	secret token.Secret
}

// uses verifies the key by a clock that shows now.
func (u *user) uses(now time.Time, cost int64, outcome keys.Outcome, left int64) {
	u.Helper()
	u.set(now)
	v := u.verify(keys.VerifyRequest{Secret: u.secret, Cost: &cost})
	if v.Outcome != outcome || v.Credits.Remaining != left {
		u.Errorf("%s: a cost of %d at %s: %v, %d left; want %v, %d", u.name, cost, now.Format(time.RFC3339Nano), v.Outcome, v.Credits.Remaining, outcome, left)
	}
}

// set makes the clock show a moment.
func (h *home) set(now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.now = now
}

func moment(t *testing.T, text string) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		t.Fatal(err)
	}
	return at
}
