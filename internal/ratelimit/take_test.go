package ratelimit

import (
	"math"
	"strings"
	"testing"
	"time"

	"latchkey/internal/span"
)

// at returns an instant some time after a border of every window used here.
func at(d time.Duration) time.Time { return time.Unix(1_700_000_400, 0).UTC().Add(d) }

func limit(a Algorithm, most int64, window string) Limit {
	w, err := span.Parse(window)
	if err != nil {
		panic(err)
	}
	return Limit{Name: "l", Max: most, Window: w, Algorithm: a}
}

// A step is one call and what is expected of it; instants are after at(0).
type step struct {
	at        time.Duration
	cost      int64
	allowed   bool
	remaining int64
	end       time.Duration
	retry     time.Duration // never: RetryAt is zero
	free      time.Duration
}

const never = -1

func TestTake(t *testing.T) {
	const s, ms = time.Second, time.Millisecond
	for _, tc := range []struct {
		name  string
		limit Limit
		steps []step
	}{
		{"fixed", limit(Fixed, 3, "10s"), []step{
			{1 * s, 0, true, 3, 10 * s, 1 * s, 1 * s},
			{1 * s, 2, true, 1, 10 * s, 1 * s, 10 * s},
			{2 * s, 2, false, 1, 10 * s, 10 * s, 10 * s},
			{2 * s, 4, false, 1, 10 * s, never, 10 * s},
			{9 * s, 1, true, 0, 10 * s, 9 * s, 10 * s},
			{10*s - 1, 1, false, 0, 10 * s, 10 * s, 10 * s},
			{10 * s, 3, true, 0, 20 * s, 10 * s, 20 * s},
			{35 * s, 0, true, 3, 40 * s, 35 * s, 35 * s},
		}},
		{"fixed, the clock steps back", limit(Fixed, 3, "10s"), []step{
			{15 * s, 3, true, 0, 20 * s, 15 * s, 20 * s},
			{5 * s, 1, false, 0, 20 * s, 20 * s, 20 * s},
			{20 * s, 1, true, 2, 30 * s, 20 * s, 30 * s},
		}},
		{"fixed_from_first", limit(FixedFromFirst, 2, "10s"), []step{
			{3 * s, 0, true, 2, 13 * s, 3 * s, 3 * s},
			{4 * s, 1, true, 1, 14 * s, 4 * s, 14 * s},
			{9 * s, 1, true, 0, 14 * s, 9 * s, 14 * s},
			{14*s - 1, 1, false, 0, 14 * s, 14 * s, 14 * s},
			{14 * s, 1, true, 1, 24 * s, 14 * s, 24 * s},
			{60 * s, 2, true, 0, 70 * s, 60 * s, 70 * s},
			{61 * s, 3, false, 0, 70 * s, never, 70 * s},
		}},
		{"fixed_from_first, the clock steps back", limit(FixedFromFirst, 1, "10s"), []step{
			{50 * s, 1, true, 0, 60 * s, 50 * s, 60 * s},
			{20 * s, 1, false, 0, 60 * s, 60 * s, 60 * s},
			{60 * s, 1, true, 0, 70 * s, 60 * s, 70 * s},
		}},
		{"sliding", limit(Sliding, 10, "10s"), []step{
			{5 * s, 10, true, 0, 10 * s, 5 * s, 19*s + 1},
			{5 * s, 1, false, 0, 10 * s, 10*s + 1, 19*s + 1},
			{10 * s, 1, false, 0, 20 * s, 10*s + 1, 19*s + 1},
			{10*s + 1, 1, true, 0, 20 * s, 10*s + 1, 20*s + 1},
			{15 * s, 4, true, 0, 20 * s, 15 * s, 28*s + 1},
			{15 * s, 1, false, 0, 20 * s, 15*s + 1, 28*s + 1},
			{15 * s, 10, false, 0, 20 * s, 28*s + 1, 28*s + 1},
			{40 * s, 10, true, 0, 50 * s, 40 * s, 59*s + 1},
		}},
		{"sliding is the default", limit("", 10, "10s"), []step{
			{5 * s, 10, true, 0, 10 * s, 5 * s, 19*s + 1},
			{15*s + 1, 6, true, 0, 20 * s, 15*s + 1, 28*s + 333_333_334},
		}},
		{"sliding, the clock steps back", limit(Sliding, 4, "10s"), []step{
			{15 * s, 4, true, 0, 20 * s, 15 * s, 27*s + 500*ms + 1},
			{1 * s, 1, false, 0, 20 * s, 20*s + 1, 27*s + 500*ms + 1},
			{20*s + 1, 1, true, 0, 30 * s, 20*s + 1, 30*s + 1},
		}},
		{"gcra", limit(GCRA, 4, "10s"), []step{
			{0, 4, true, 0, 10 * s, 0, 10 * s},
			{0, 1, false, 0, 10 * s, 2500 * ms, 10 * s},
			{2500*ms - 1, 1, false, 0, 10 * s, 2500 * ms, 10 * s},
			{2500 * ms, 1, true, 0, 12500 * ms, 2500 * ms, 12500 * ms},
			{2500 * ms, 4, false, 0, 12500 * ms, 12500 * ms, 12500 * ms},
			{2500 * ms, 5, false, 0, 12500 * ms, never, 12500 * ms},
			{8 * s, 1, true, 1, 15 * s, 8 * s, 15 * s},
			{15 * s, 0, true, 4, 15 * s, 15 * s, 15 * s},
		}},
		{"gcra, the clock steps back", limit(GCRA, 4, "10s"), []step{
			{5 * s, 3, true, 1, 12500 * ms, 5 * s, 12500 * ms},
			{1 * s, 1, true, 0, 15 * s, 1 * s, 15 * s},
			{1 * s, 1, false, 0, 15 * s, 7500 * ms, 15 * s},
		}},
		{"a max of 0 shuts out", limit(GCRA, 0, "10s"), []step{
			{0, 1, false, 0, 0, never, 0},
			{0, 0, true, 0, 0, 0, 0},
		}},
	} {
		var st State
		for i, want := range tc.steps {
			before := st
			next, d := Take(tc.limit, st, want.cost, at(want.at))
			st = next
			got := step{want.at, want.cost, d.Allowed, d.Remaining, d.WindowEnd.Sub(at(0)), d.RetryAt.Sub(at(0)), d.FreeAt.Sub(at(0))}
			if d.RetryAt.IsZero() {
				got.retry = never
			}
			if got != want {
				t.Errorf("%s, step %d:\n got %+v\nwant %+v", tc.name, i, got, want)
			}
			if (!d.Allowed || want.cost == 0) && st != before {
				t.Errorf("%s, step %d changed the state from %+v to %+v", tc.name, i, before, st)
			}
			if d.Name != "l" || d.Max != tc.limit.Max || d.Window != tc.limit.Window {
				t.Errorf("%s, step %d: decision %+v does not repeat the limit", tc.name, i, d)
			}
		}
	}
}

func TestGive(t *testing.T) {
	const s = time.Second
	for _, tc := range []struct {
		algorithm    Algorithm
		taken, given time.Duration
		cost         int64
		peek         time.Duration
		remaining    int64 // of 10, of which 6 were taken at 1 s
	}{
		{Fixed, 1 * s, 2 * s, 2, 2 * s, 6},
		{Fixed, 1 * s, 2 * s, 100, 2 * s, 10},
		{Fixed, 1 * s, 2 * s, 0, 2 * s, 4},
		{Fixed, 1 * s, 2 * s, -5, 2 * s, 4},
		{Fixed, -5 * s, 2 * s, 2, 2 * s, 4},
		{Fixed, -9 * s, -9 * s, 2, 2 * s, 6},
		{Sliding, 1 * s, 2 * s, 2, 2 * s, 6},
		{Sliding, 1 * s, 12 * s, 2, 10 * s, 6},
		{Sliding, 1 * s, 12 * s, 2, 15 * s, 8},
		{Sliding, -5 * s, 2 * s, 2, 2 * s, 4},
		{FixedFromFirst, 1 * s, 2 * s, 2, 2 * s, 6},
		{FixedFromFirst, 0, 2 * s, 2, 2 * s, 4},
		{FixedFromFirst, 11 * s, 12 * s, 2, 2 * s, 4},
		{GCRA, 1 * s, 1 * s, 2, 1 * s, 6},
		{GCRA, 1 * s, 2 * s, 2, 2 * s, 6},
		{GCRA, 1 * s, 3 * s, 2, 3 * s, 6},
		{GCRA, 1 * s, 1 * s, 100, 1 * s, 10},
		{GCRA, -9 * s, 1 * s, 6, 1 * s, 4},
	} {
		l := limit(tc.algorithm, 10, "10s")
		st, d := Take(l, State{}, 6, at(1*s))
		if !d.Allowed {
			t.Fatal("6 of 10 are refused")
		}
		st = Give(l, st, tc.cost, at(tc.taken), at(tc.given))
		if _, d := Take(l, st, 0, at(tc.peek)); d.Remaining != tc.remaining {
			t.Errorf("%+v: %d remaining", tc, d.Remaining)
		}
	}
	// Of a count two windows old, and of another algorithm's, nothing is given.
	l := limit(Sliding, 10, "10s")
	st, _ := Take(l, State{}, 5, at(25*s))
	if got := Give(l, st, 5, at(1*s), at(25*s)); got != st {
		t.Errorf("giving what was taken two windows ago made %+v of %+v", got, st)
	}
	if got := Give(limit(Fixed, 10, "10s"), st, 5, at(25*s), at(25*s)); got != st {
		t.Errorf("giving by another algorithm made %+v of %+v", got, st)
	}
	// The count of the window before is taken back from its weight.
	st, _ = Take(l, State{}, 6, at(9*s))
	st, _ = Take(l, st, 1, at(10*s))
	st = Give(l, st, 6, at(9*s), at(11*s))
	if _, d := Take(l, st, 0, at(11*s)); d.Remaining != 9 {
		t.Errorf("after giving back the window before %d remain, want 9", d.Remaining)
	}
}

func TestAnotherAlgorithmStartsAnew(t *testing.T) {
	for _, from := range algorithms {
		for _, to := range algorithms {
			st, _ := Take(limit(from, 10, "10s"), State{}, 10, at(0))
			_, d := Take(limit(to, 10, "10s"), st, 0, at(0))
			if want := int64(0); from == to && d.Remaining != want || from != to && d.Remaining != 10 {
				t.Errorf("from %s to %s: %d remaining", from, to, d.Remaining)
			}
		}
	}
}

func TestMaxMayChange(t *testing.T) {
	for _, a := range algorithms {
		st, _ := Take(limit(a, 100, "10s"), State{}, 60, at(0))
		if _, d := Take(limit(a, 50, "10s"), st, 1, at(0)); d.Allowed || d.Remaining != 0 || d.RetryAt.After(at(20*time.Second)) {
			t.Errorf("%s, lowered: %+v", a, d)
		}
		most, _ := Take(limit(a, MaxMax, "366d"), State{}, MaxMax, at(0))
		if _, d := Take(limit(a, 1, "366d"), most, 1, at(0)); d.Allowed || !d.RetryAt.After(at(0)) || d.FreeAt.After(at(2*MaxWindow)) {
			t.Errorf("%s, lowered from the most to 1: %+v", a, d)
		}
		if _, d := Take(limit(a, 200, "10s"), st, 1, at(0)); !d.Allowed || d.Remaining != 139 {
			t.Errorf("%s, raised: %+v", a, d)
		}
	}
}

func TestWindowNumbersDoNotWrap(t *testing.T) {
	for _, a := range algorithms {
		l := limit(a, 1, "1ms")
		st, _ := Take(l, State{}, 1, at(0))
		// After this many windows a number of 16, 32 bits is the same again.
		for _, windows := range []time.Duration{1 << 16, 1 << 32} {
			if _, d := Take(l, st, 1, at(windows*time.Millisecond)); !d.Allowed {
				t.Errorf("%s: refused after %d windows", a, windows)
			}
		}
	}
}

func TestExtremes(t *testing.T) {
	times := []time.Time{{}, time.Unix(0, 0), time.Unix(-1, 0), at(0), time.Unix(math.MaxInt32, 0), time.Unix(1<<40, 0), time.Unix(math.MaxInt64>>1, 0)}
	for _, a := range append(algorithms, "unknown") {
		for _, most := range []int64{math.MinInt64, -1, 0, 1, MaxMax, math.MaxInt64} {
			for _, window := range []string{"0ms", "1ms", "366d", "106751d"} {
				l := limit(a, most, window)
				for _, first := range times {
					for _, second := range times {
						for _, cost := range []int64{math.MinInt64, 0, 1, most, math.MaxInt64} {
							st, _ := Take(l, State{}, most, first)
							st, d := Take(l, st, cost, second)
							Give(l, st, cost, first, second)
							if d.Remaining < 0 || d.Remaining > max(most, 0) || cost <= 0 && !d.Allowed {
								t.Fatalf("%+v, cost %d at %v after %v: %+v", l, cost, second, first, d)
							}
						}
					}
				}
			}
		}
	}
}

func TestValidate(t *testing.T) {
	good := limit("", 1, "1ms")
	for _, tc := range []struct {
		want   string
		change func(*Limit)
	}{
		{"name", func(l *Limit) { l.Name = "" }},
		{"name", func(l *Limit) { l.Name = strings.Repeat("é", 129) }},
		{"max", func(l *Limit) { l.Max = 0 }},
		{"max", func(l *Limit) { l.Max = MaxMax + 1 }},
		{"window", func(l *Limit) { l.Window = span.Span{} }},
		{"window", func(l *Limit) { l.Window = span.Span{N: 367, Unit: span.Day} }},
		{"algorithm", func(l *Limit) { l.Algorithm = "token_bucket" }},
	} {
		l := good
		tc.change(&l)
		if err := l.Validate(); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%+v: %v, want an error about %s", l, err, tc.want)
		}
	}
	widest := Limit{Name: strings.Repeat("é", 128), Max: MaxMax, Window: span.Span{N: 366, Unit: span.Day}, Algorithm: GCRA}
	for _, l := range []Limit{good, widest} {
		if err := l.Validate(); err != nil {
			t.Errorf("%+v: %v", l, err)
		}
	}
}

var algorithms = []Algorithm{Sliding, Fixed, FixedFromFirst, GCRA}
