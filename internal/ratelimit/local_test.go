package ratelimit

import (
	"fmt"
	"testing"
	"time"
)

func spend(owner string, l Limit, cost int64) Spend {
	return Spend{Counter: Counter{"ws", l.Name, owner, l.Window.Duration()}, Limit: l, Cost: cost}
}

func take(t testing.TB, l *Local, now time.Time, spends ...Spend) ([]Decision, bool) {
	t.Helper()
	out, ok, err := l.Take(t.Context(), spends, nil, now)
	if err != nil || len(out) != len(spends) {
		t.Fatalf("Take of %d spends: %d decisions, %v", len(spends), len(out), err)
	}
	return out, ok
}

func TestLocalForgetsWhatHasPassed(t *testing.T) {
	for _, a := range algorithms {
		var l Local
		lim := limit(a, 5, "1s")
		highest := 0
		for i := range 12_000 {
			take(t, &l, at(time.Duration(i)*time.Millisecond), spend(fmt.Sprint(i), lim, 1))
			highest = max(highest, l.Len())
		}
		// At most 3,000 were taken in any two windows and the grace.
		if highest > 8000 {
			t.Errorf("%s: up to %d counters were held", a, highest)
		}
		keep := spend("keep", limit(a, 5, "24h"), 2)
		take(t, &l, at(0), keep)
		for i := range 10_000 {
			take(t, &l, at(time.Hour), spend(fmt.Sprint(i%500), lim, 0))
		}
		if n := l.Len(); n > 100 {
			t.Errorf("%s: %d counters are left of those that passed", a, n)
		}
		if out, _ := take(t, &l, at(time.Minute), spend("keep", keep.Limit, 0)); a != GCRA && out[0].Remaining != 3 {
			t.Errorf("%s: a counter that still counts has %d remaining, want 3", a, out[0].Remaining)
		}
		for i := range l.shards {
			s := &l.shards[i]
			if len(s.index) != len(s.entries) || cap(s.entries) > minShrink*8 {
				t.Errorf("%s: shard %d has %d places for %d entries of %d", a, i, cap(s.entries), len(s.entries), len(s.index))
			}
			for at, e := range s.entries {
				if s.index[e.counter] != at {
					t.Errorf("%s: %v is at %d, not %d", a, e.counter, at, s.index[e.counter])
				}
			}
		}
	}
}

func TestLocalAllocatesNothing(t *testing.T) {
	for n := range inline + 1 {
		var l Local
		spends := benchSpends(n)
		out := make([]Decision, 0, n)
		if _, ok, _ := l.Take(t.Context(), spends, out, at(0)); !ok {
			t.Fatal("refused")
		}
		ctx, now := t.Context(), at(time.Second)
		if got := testing.AllocsPerRun(100, func() {
			l.Take(ctx, spends, out, now)
			l.Give(ctx, spends, now, now)
		}); got != 0 {
			t.Errorf("Take and Give of %d spends allocate %v times, want 0", n, got)
		}
	}
}

// benchSpends returns spends of one key and of its owner in turn.
func benchSpends(n int) []Spend {
	var spends []Spend
	for i := range n {
		l := limit(algorithms[i/2%len(algorithms)], MaxMax, "1m")
		l.Name = fmt.Sprint("limit", i/2)
		spends = append(spends, spend([]string{"key_0198c1d2e3f4a5b6c", "idn_0198c1d2e3f4a5b6c"}[i%2], l, 1))
	}
	return spends
}

func BenchmarkTake(b *testing.B) {
	for _, a := range algorithms {
		b.Run(string(a), func(b *testing.B) {
			l, now := limit(a, 1000, "1m"), at(0)
			var st State
			b.ReportAllocs()
			for b.Loop() {
				st, _ = Take(l, st, 1, now)
			}
		})
	}
}

func BenchmarkLocalTake(b *testing.B) {
	for _, n := range []int{1, 2} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			var l Local
			spends, out, ctx, now := benchSpends(n), make([]Decision, 0, n), b.Context(), at(0)
			b.ReportAllocs()
			for b.Loop() {
				l.Take(ctx, spends, out, now)
			}
		})
	}
}
