package keys

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"latchkey/internal/span"
)

func at(t *testing.T, text string) time.Time {
	t.Helper()
	v, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestRefills(t *testing.T) {
	day := span.Span{N: 36, Unit: span.Hour}
	for _, tt := range []struct {
		name         string
		refill       Refill
		since, now   string
		have, want   int64
		refilledAt   string // "": as since
		refillsAfter string // the next one
	}{
		{"daily, just before midnight", Refill{Amount: 9, Every: Daily, Mode: RefillSet}, "2030-01-15T12:00:00Z", "2030-01-15T23:59:59.999Z", 1, 1, "", "2030-01-16T00:00:00Z"},
		{"daily, at midnight", Refill{Amount: 9, Every: Daily, Mode: RefillSet}, "2030-01-15T12:00:00Z", "2030-01-16T00:00:00Z", 1, 9, "2030-01-16T00:00:00Z", "2030-01-17T00:00:00Z"},
		{"daily, set lowers too", Refill{Amount: 9, Every: Daily, Mode: RefillSet}, "2030-01-15T12:00:00Z", "2030-01-16T00:00:00Z", 50, 9, "2030-01-16T00:00:00Z", "2030-01-17T00:00:00Z"},
		{"daily, raise does not", Refill{Amount: 9, Every: Daily, Mode: RefillRaise}, "2030-01-15T12:00:00Z", "2030-01-16T00:00:00Z", 50, 50, "2030-01-16T00:00:00Z", "2030-01-17T00:00:00Z"},
		{"daily, added for ten idle years", Refill{Amount: 2, Every: Daily, Mode: RefillAdd}, "2030-01-01T00:00:00Z", "2040-01-01T00:00:00Z", 1, 1 + 2*3652, "2040-01-01T00:00:00Z", "2040-01-02T00:00:00Z"},
		{"monthly on the 31st, in April", Refill{Amount: 9, Every: Monthly, Day: 31, Mode: RefillSet}, "2030-03-31T00:00:00Z", "2030-04-30T00:00:00Z", 0, 9, "2030-04-30T00:00:00Z", "2030-05-31T00:00:00Z"},
		{"monthly on the 29th, in February", Refill{Amount: 9, Every: Monthly, Day: 29, Mode: RefillSet}, "2030-02-01T00:00:00Z", "2030-02-28T00:00:00Z", 0, 9, "2030-02-28T00:00:00Z", "2030-03-29T00:00:00Z"},
		{"monthly on the 29th, in a leap year", Refill{Amount: 9, Every: Monthly, Day: 29, Mode: RefillSet}, "2032-02-01T00:00:00Z", "2032-02-28T23:59:59.999Z", 0, 0, "", "2032-02-29T00:00:00Z"},
		{"monthly, over the end of the year", Refill{Amount: 1, Every: Monthly, Day: 1, Mode: RefillAdd}, "2030-11-15T00:00:00Z", "2031-02-01T00:00:00Z", 0, 3, "2031-02-01T00:00:00Z", "2031-03-01T00:00:00Z"},
		{"every 36h, just before", Refill{Amount: 5, Every: EverySpan, Span: day, Mode: RefillAdd}, "2030-01-01T00:00:00Z", "2030-01-02T11:59:59.999Z", 0, 0, "", "2030-01-02T12:00:00Z"},
		{"every 36h, thrice", Refill{Amount: 5, Every: EverySpan, Span: day, Mode: RefillAdd}, "2030-01-01T00:00:00Z", "2030-01-05T13:00:00Z", 0, 15, "2030-01-05T12:00:00Z", "2030-01-07T00:00:00Z"},
		{"a clock that steps back", Refill{Amount: 5, Every: Daily, Mode: RefillAdd}, "2030-01-05T00:00:00Z", "2029-01-01T00:00:00Z", 3, 3, "", "2030-01-06T00:00:00Z"},
		{"monthly on the 30th, in February", Refill{Amount: 9, Every: Monthly, Day: 30, Mode: RefillSet}, "2031-01-30T00:00:00Z", "2031-02-27T23:59:59.999Z", 0, 0, "", "2031-02-28T00:00:00Z"},
		{"monthly on the 31st, in a leap year", Refill{Amount: 9, Every: Monthly, Day: 31, Mode: RefillSet}, "2032-01-31T00:00:00Z", "2032-02-29T00:00:00Z", 0, 9, "2032-02-29T00:00:00Z", "2032-03-31T00:00:00Z"},
		{"monthly on the 31st, in a year that is no leap year for its century", Refill{Amount: 9, Every: Monthly, Day: 31, Mode: RefillSet}, "2100-01-31T00:00:00Z", "2100-02-28T00:00:00Z", 0, 9, "2100-02-28T00:00:00Z", "2100-03-31T00:00:00Z"},
		{"monthly on the 31st, not a month's last day before", Refill{Amount: 9, Every: Monthly, Day: 31, Mode: RefillSet}, "2030-05-01T00:00:00Z", "2030-05-30T23:59:59.999Z", 0, 0, "", "2030-05-31T00:00:00Z"},
		{"monthly on the 15th, set on that day", Refill{Amount: 9, Every: Monthly, Day: 15, Mode: RefillAdd}, "2030-01-15T00:00:00Z", "2030-01-15T23:59:59.999Z", 0, 0, "", "2030-02-15T00:00:00Z"},
		{"monthly, added for twenty idle years", Refill{Amount: 1, Every: Monthly, Day: 29, Mode: RefillAdd}, "2030-01-30T00:00:00Z", "2050-02-27T00:00:00Z", 0, 240, "2050-01-29T00:00:00Z", "2050-02-28T00:00:00Z"},
		{"monthly on no day", Refill{Amount: 9, Every: Monthly, Mode: RefillSet}, "2030-01-15T00:00:00Z", "2030-02-01T00:00:00Z", 0, 9, "2030-02-01T00:00:00Z", "2030-03-01T00:00:00Z"},
		{"daily, raised", Refill{Amount: 9, Every: Daily, Mode: RefillRaise}, "2030-01-15T12:00:00Z", "2030-01-20T00:00:00Z", 3, 9, "2030-01-20T00:00:00Z", "2030-01-21T00:00:00Z"},
		{"daily, from another zone", Refill{Amount: 9, Every: Daily, Mode: RefillSet}, "2030-01-15T12:00:00Z", "2030-01-16T01:00:00+02:00", 1, 1, "", "2030-01-16T00:00:00Z"},
		{"every second, for a thousand idle years", Refill{Amount: 1, Every: EverySpan, Span: span.Of(time.Second), Mode: RefillAdd}, "2000-01-01T00:00:00Z", "3000-01-01T00:00:00.5Z", 0, 31556995200, "3000-01-01T00:00:00Z", "3000-01-01T00:00:01Z"},
		{"every second, for so long that it is too much", Refill{Amount: 1e12, Every: EverySpan, Span: span.Of(time.Second), Mode: RefillAdd}, "2000-01-01T00:00:00Z", "9999-12-31T00:00:00Z", 7, MaxCredits, "9999-12-31T00:00:00Z", "9999-12-31T00:00:01Z"},
		{"added to what is above the most already", Refill{Amount: 1, Every: Daily, Mode: RefillAdd}, "2030-01-01T00:00:00Z", "2030-01-02T00:00:00Z", MaxCredits + 1, MaxCredits + 1, "2030-01-02T00:00:00Z", "2030-01-03T00:00:00Z"},
		{"added up to the most exactly", Refill{Amount: 5, Every: Daily, Mode: RefillAdd}, "2030-01-01T00:00:00Z", "2030-01-03T00:00:00Z", MaxCredits - 10, MaxCredits, "2030-01-03T00:00:00Z", "2030-01-04T00:00:00Z"},
		{"added beyond the most", Refill{Amount: MaxCredits, Every: Daily, Mode: RefillAdd}, "2030-01-01T00:00:00Z", "2040-01-01T00:00:00Z", 5, MaxCredits, "2040-01-01T00:00:00Z", "2040-01-02T00:00:00Z"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := Credits{Remaining: tt.have, Refill: &tt.refill, RefilledAt: at(t, tt.since)}.At(at(t, tt.now))
			refilled := tt.refilledAt
			if refilled == "" {
				refilled = tt.since
			}
			if c.Remaining != tt.want || !c.RefilledAt.Equal(at(t, refilled)) || !c.RefillsAt().Equal(at(t, tt.refillsAfter)) {
				t.Errorf("%d refilled at %v, next at %v; want %d, %s, %s", c.Remaining, c.RefilledAt, c.RefillsAt(), tt.want, refilled, tt.refillsAfter)
			}
		})
	}
}

// TestRefillsAddUp asks at a moment in between, which must make no difference
// but where the balance was set.
func TestRefillsAddUp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := Refill{
			Amount: rapid.Int64Range(1, 1000).Draw(t, "amount"),
			Every:  rapid.SampledFrom([]Every{Daily, Monthly, EverySpan}).Draw(t, "every"),
			Span:   span.Span{N: rapid.Int64Range(1, 5000).Draw(t, "minutes"), Unit: span.Minute},
			Day:    rapid.IntRange(1, 31).Draw(t, "day"),
			Mode:   rapid.SampledFrom([]RefillMode{RefillSet, RefillAdd, RefillRaise}).Draw(t, "mode"),
		}
		begin := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(rapid.Int64Range(0, 1e9).Draw(t, "begin")) * time.Second)
		one := begin.Add(time.Duration(rapid.Int64Range(0, 4e8).Draw(t, "first")) * time.Millisecond * 100)
		two := one.Add(time.Duration(rapid.Int64Range(0, 4e8).Draw(t, "second")) * time.Millisecond * 100)
		c := Credits{Remaining: rapid.Int64Range(0, 2000).Draw(t, "have"), Refill: &r, RefilledAt: begin}
		direct, steps := c.At(two), c.At(one).At(two)
		if direct != steps {
			t.Fatalf("%+v at once, %+v in two steps", direct, steps)
		}
		if next := direct.RefillsAt(); !next.After(two) {
			t.Fatalf("the next refill of %+v is at %v, which is not after %v", r, next, two)
		}
		if just := direct.At(direct.RefillsAt().Add(-time.Millisecond)); just.RefilledAt != direct.RefilledAt {
			t.Fatalf("%+v refills before the moment that it tells", r)
		}
	})
}

// TestRefillsAreTheModel counts the refills that are due day by day.
func TestRefillsAreTheModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := Refill{
			Amount: rapid.Int64Range(1, 1000).Draw(t, "amount"),
			Every:  rapid.SampledFrom([]Every{Daily, Monthly}).Draw(t, "every"),
			Day:    rapid.IntRange(1, 31).Draw(t, "day"),
			Mode:   rapid.SampledFrom([]RefillMode{RefillSet, RefillAdd, RefillRaise}).Draw(t, "mode"),
		}
		since := time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(rapid.Int64Range(0, 3e8).Draw(t, "since")) * time.Second)
		now := since.Add(time.Duration(rapid.Int64Range(0, 3e11).Draw(t, "idle")) * time.Millisecond)
		c := Credits{Remaining: rapid.Int64Range(0, 2000).Draw(t, "have"), Refill: &r, RefilledAt: since}

		want := c
		for day := time.Date(since.Year(), since.Month(), since.Day()+1, 0, 0, 0, 0, time.UTC); !day.After(now); day = day.AddDate(0, 0, 1) {
			last := day.AddDate(0, 0, 1).Month() != day.Month()
			if r.Every == Monthly && day.Day() != r.Day && !(last && day.Day() < r.Day) {
				continue
			}
			want.RefilledAt = day
			switch {
			case r.Mode == RefillAdd:
				want.Remaining += r.Amount
			case r.Mode == RefillSet || want.Remaining < r.Amount:
				want.Remaining = r.Amount
			}
		}
		if got := c.At(now); got.Remaining != want.Remaining || !got.RefilledAt.Equal(want.RefilledAt) {
			t.Fatalf("%+v since %v is at %v %+v, want %+v", r, since, now, got, want)
		}
	})
}

// TestClockStepsBack asks at a moment before the last one: nothing is given
// twice, and nothing is taken away.
func TestClockStepsBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := Refill{
			Amount: 7, Every: rapid.SampledFrom([]Every{Daily, Monthly, EverySpan}).Draw(t, "every"),
			Span: span.Of(time.Hour), Day: 31, Mode: rapid.SampledFrom([]RefillMode{RefillSet, RefillAdd, RefillRaise}).Draw(t, "mode"),
		}
		begin := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
		now := begin.Add(time.Duration(rapid.Int64Range(0, 1e8).Draw(t, "now")) * time.Second)
		back := now.Add(-time.Duration(rapid.Int64Range(0, 1e8).Draw(t, "back")) * time.Second)
		c := Credits{Remaining: 3, Refill: &r, RefilledAt: begin}.At(now)
		if got := c.At(back); got != c {
			t.Fatalf("%+v at %v is %+v at %v", c, now, got, back)
		}
		if got := c.At(back).At(now); got != c {
			t.Fatalf("%+v becomes %+v when the clock comes back", c, got)
		}
	})
}

func TestNoRefill(t *testing.T) {
	now := at(t, "2040-01-01T00:00:00Z")
	for _, r := range []*Refill{nil, {Amount: 5}, {Amount: 5, Every: EverySpan}, {Amount: 5, Every: "hourly"}} {
		c := Credits{Remaining: 3, Refill: r, RefilledAt: at(t, "2030-01-01T00:00:00Z")}
		if got := c.At(now); got != c {
			t.Errorf("%+v: ten years give %+v", r, got)
		}
	}
	if next := (Credits{}).RefillsAt(); !next.IsZero() {
		t.Errorf("credits without refill have one at %v", next)
	}
}
