package ratelimit

import (
	"testing"
	"time"

	"latchkey/internal/span"

	"pgregory.net/rapid"
)

// drawLimit draws limits small and large, among them those of more units than
// the window has nanoseconds.
func drawLimit(t *rapid.T) Limit {
	return Limit{
		Max:       rapid.OneOf(rapid.Int64Range(1, 20), rapid.Int64Range(1, MaxMax)).Draw(t, "max"),
		Window:    span.Span{N: rapid.OneOf(rapid.Int64Range(1, 10), rapid.Int64Range(1, 31_622_400_000)).Draw(t, "window"), Unit: span.Millisecond},
		Algorithm: rapid.SampledFrom(algorithms).Draw(t, "algorithm"),
	}
}

// TestInstantsAreExact takes and gives at random, with a clock that also steps
// back, and holds every decision's instants against the rule itself.
func TestInstantsAreExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := drawLimit(t)
		window := l.Window.Duration()
		var st State
		now := at(time.Duration(rapid.Int64Range(0, int64(2*window)).Draw(t, "start")))
		for range rapid.IntRange(1, 12).Draw(t, "calls") {
			cost := rapid.OneOf(rapid.Int64Range(0, min(3, l.Max)), rapid.Int64Range(0, l.Max)).Draw(t, "cost")
			next, d := Take(l, st, cost, now)
			if d.RetryAt.Before(now) || d.FreeAt.Before(now) || d.WindowEnd.Before(now) || d.Allowed && !d.RetryAt.Equal(now) {
				t.Fatalf("instants before now, %v: %+v", now, d)
			}
			if !d.Allowed {
				if _, again := Take(l, st, cost, d.RetryAt); !again.Allowed {
					t.Fatalf("%+v, cost %d: still refused at RetryAt of %+v", l, cost, d)
				}
				early := d.RetryAt.Add(-time.Duration(rapid.OneOf(rapid.Just(int64(1)), rapid.Int64Range(1, int64(d.RetryAt.Sub(now)))).Draw(t, "early")))
				if _, again := Take(l, st, cost, early); again.Allowed {
					t.Fatalf("%+v, cost %d: allowed %v before RetryAt of %+v", l, cost, d.RetryAt.Sub(early), d)
				}
			}
			if _, free := Take(l, next, 0, d.FreeAt); free.Remaining != l.Max {
				t.Fatalf("%+v: %d remain at FreeAt of %+v", l, free.Remaining, d)
			}
			if d.FreeAt.After(now) {
				if _, full := Take(l, next, 0, d.FreeAt.Add(-1)); full.Remaining == l.Max {
					t.Fatalf("%+v: all is free before FreeAt of %+v", l, d)
				}
			}
			if d.Allowed && cost > 0 {
				if back := Give(l, next, cost, now, now); remaining(l, back, now) != remaining(l, st, now) {
					t.Fatalf("%+v, cost %d: %+v taken and given is %+v", l, cost, st, back)
				}
			}
			st = next
			now = now.Add(time.Duration(rapid.Int64Range(-int64(window)/4, int64(window)).Draw(t, "pause")))
		}
	})
}

func remaining(l Limit, st State, now time.Time) int64 {
	_, d := Take(l, st, 0, now)
	return d.Remaining
}

// TestAdmitted counts what passes under random calls against what each
// algorithm promises.
func TestAdmitted(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := drawLimit(t)
		l.Max = rapid.Int64Range(1, 30).Draw(t, "few")
		window := l.Window.Duration()
		var st State
		type call struct {
			at   time.Time
			cost int64
		}
		var passed []call
		now := at(0)
		for range rapid.IntRange(1, 60).Draw(t, "calls") {
			cost := rapid.Int64Range(1, l.Max).Draw(t, "cost")
			next, d := Take(l, st, cost, now)
			if st = next; d.Allowed {
				passed = append(passed, call{now, cost})
			}
			now = now.Add(time.Duration(rapid.OneOf(rapid.Just(int64(0)), rapid.Int64Range(0, int64(window))).Draw(t, "pause")))
		}
		aligned := map[int64]int64{} // number of the window → admitted in it
		for i, first := range passed {
			aligned[first.at.UnixNano()/int64(window)] += first.cost
			within := int64(0)
			for _, c := range passed[i:] {
				if c.at.Before(first.at.Add(window)) {
					within += c.cost
				}
			}
			if within > 2*l.Max {
				t.Fatalf("%+v: %d passed within a window's length", l, within)
			}
		}
		for _, n := range aligned {
			if (l.Algorithm == Fixed || l.Algorithm == Sliding) && n > l.Max {
				t.Fatalf("%+v: %d passed in one aligned window", l, n)
			}
		}
	})
}

// TestGCRAPace asks at every nanosecond grid point of a rate that does not
// divide the window: what passes is the burst and exactly Max a window.
func TestGCRAPace(t *testing.T) {
	l := limit(GCRA, 7, "1ms")
	var st State
	passed := 0
	for ns := range time.Duration(3_000_001) {
		if ns%1000 > 1 && ns%1000 < 857 { // Most instants change nothing.
			continue
		}
		next, d := Take(l, st, 1, at(ns))
		if st = next; d.Allowed {
			passed++
		}
	}
	if passed < 7+3*7-1 || passed > 7+3*7 {
		t.Errorf("%d passed in three windows, want 28", passed)
	}
	many := limit(GCRA, 3_000_000_000, "1s") // Three each nanosecond.
	st, _ = Take(many, State{}, many.Max, at(0))
	for ns := range time.Duration(1000) {
		next, d := Take(many, st, 3, at(ns+1))
		if st = next; !d.Allowed || d.Remaining != 0 {
			t.Fatalf("at %d ns: %+v", ns+1, d)
		}
	}
}

// TestClockStepsBack goes back and forth by up to many windows: what passes up
// to any reading of the clock is never more than a clock that stood still at
// its highest reading would have let pass in as many windows.
func TestClockStepsBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := drawLimit(t)
		l.Max = rapid.Int64Range(1, 10).Draw(t, "few")
		window := l.Window.Duration()
		var st State
		highest, now, passed := at(0), at(0), int64(0)
		for range rapid.IntRange(1, 60).Draw(t, "calls") {
			next, d := Take(l, st, 1, now)
			if st = next; d.Allowed {
				passed++
			}
			if wait := d.RetryAt.Sub(highest); d.RetryAt.IsZero() || wait > 2*window {
				t.Fatalf("%+v locks up until %v, %v after the clock's highest reading", l, d.RetryAt, wait)
			}
			now = now.Add(time.Duration(rapid.Int64Range(-5*int64(window), 5*int64(window)).Draw(t, "step")))
			highest = later(highest, now)
		}
		windows := int64(highest.Sub(at(0))/window) + 2
		if passed > l.Max*windows {
			t.Fatalf("%+v: %d passed in %d windows", l, passed, windows)
		}
	})
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
