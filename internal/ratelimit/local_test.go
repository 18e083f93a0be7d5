package ratelimit

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
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

func TestLocalTakesAllOrNone(t *testing.T) {
	var l Local
	wide, narrow := limit(Fixed, 10, "10s"), limit(Fixed, 2, "10s")
	wide.Name, narrow.Name = "wide", "narrow"
	a, b := spend("a", wide, 3), spend("b", narrow, 1)
	for _, want := range []struct {
		ok           bool
		wide, narrow int64
	}{{true, 7, 1}, {true, 4, 0}, {false, 4, 0}, {false, 4, 0}} {
		out, ok := take(t, &l, at(0), a, b)
		if ok != want.ok || out[0].Remaining != want.wide || out[1].Remaining != want.narrow {
			t.Errorf("got %v, %+v; want %+v", ok, out, want)
		}
		if !out[0].Allowed || out[1].Allowed != ok {
			t.Errorf("decisions are %v, %v; want only the second to refuse", out[0].Allowed, out[1].Allowed)
		}
	}
	if err := l.Give(t.Context(), []Spend{a, b}, at(0), at(0)); err != nil {
		t.Fatal(err)
	}
	if out, ok := take(t, &l, at(0), a, b); !ok || out[0].Remaining != 4 || out[1].Remaining != 0 {
		t.Errorf("after Give: %v, %+v", ok, out)
	}
	if out, ok := take(t, &l, at(0)); !ok || len(out) != 0 {
		t.Errorf("taking nothing: %v, %+v", ok, out)
	}
	// Decisions are appended.
	out, _, _ := l.Take(t.Context(), []Spend{a}, []Decision{{Name: "before"}}, at(10*time.Second))
	if len(out) != 2 || out[0].Name != "before" || out[1].Name != "wide" || out[1].Remaining != 7 {
		t.Errorf("appended: %+v", out)
	}
}

func TestLocalAddsUpOneCounter(t *testing.T) {
	for _, a := range algorithms {
		var l Local
		lim := limit(a, 5, "10s")
		out, ok := take(t, &l, at(0), spend("o", lim, 3), spend("p", lim, 1), spend("o", lim, 3))
		if ok || !out[0].Allowed || out[2].Allowed || out[0].Remaining != 5 || out[1].Remaining != 5 || !out[2].RetryAt.IsZero() {
			t.Errorf("%s: 3 and 3 of 5: %v, %+v", a, ok, out)
		}
		if l.Len() != 0 {
			t.Errorf("%s: a refused call left %d counters", a, l.Len())
		}
		out, ok = take(t, &l, at(0), spend("o", lim, 3), spend("o", lim, 0), spend("o", lim, 2))
		if !ok || out[0].Remaining != 2 || out[1].Remaining != 2 || out[2].Remaining != 0 {
			t.Errorf("%s: 3, 0 and 2 of 5: %v, %+v", a, ok, out)
		}
		out, ok = take(t, &l, at(0), spend("o", lim, 1), spend("o", lim, 0))
		if ok || out[0].Allowed || !out[1].Allowed {
			t.Errorf("%s: what costs nothing is refused: %v, %+v", a, ok, out)
		}
		if l.Len() != 1 {
			t.Errorf("%s: %d counters, want 1", a, l.Len())
		}
	}
}

// TestLocalIsThePureFunction takes and gives in turn through a Local and
// through a map of states.
func TestLocalIsThePureFunction(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var l Local
		model := map[Counter]State{}
		limits := []Limit{limit(Sliding, 5, "10s"), limit(Fixed, 6, "20s"), limit(FixedFromFirst, 4, "15s"), limit(GCRA, 7, "30s")}
		now, highest := at(0), at(0)
		for range rapid.IntRange(1, 40).Draw(t, "calls") {
			var spends []Spend
			for range rapid.IntRange(0, 10).Draw(t, "spends") {
				spends = append(spends, spend(
					rapid.SampledFrom([]string{"a", "b", "c", "d"}).Draw(t, "owner"),
					rapid.SampledFrom(limits).Draw(t, "limit"), rapid.Int64Range(0, 3).Draw(t, "cost")))
			}
			if rapid.IntRange(0, 4).Draw(t, "give") == 0 {
				if err := l.Give(t.Context(), spends, now, now); err != nil {
					t.Fatal(err)
				}
				for _, sp := range spends {
					model[sp.Counter] = Give(sp.Limit, model[sp.Counter], sp.Cost, now, now)
				}
				continue
			}
			got, ok, _ := l.Take(t.Context(), spends, nil, now)
			want, wantOK := takeSerially(model, spends, now)
			if ok != wantOK {
				t.Fatalf("Take = %v, want %v: %+v", ok, wantOK, got)
			}
			if diff := cmp.Diff(want, got); ok && diff != "" {
				t.Fatal(diff)
			}
			for i, d := range got {
				if left := remaining(spends[i].Limit, model[spends[i].Counter], now); !ok && d.Allowed && d.Remaining != left {
					t.Fatalf("a refused call shows %d remaining, want %d", d.Remaining, left)
				}
			}
			// The clock may be up to the grace of sweeping behind itself.
			now = highest.Add(time.Duration(rapid.Int64Range(-sweepGrace, int64(12*time.Second)).Draw(t, "pause")))
			highest = later(highest, now)
		}
	})
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// takeSerially is Local.Take by the pure function alone.
func takeSerially(model map[Counter]State, spends []Spend, now time.Time) (out []Decision, ok bool) {
	next := map[Counter]State{}
	for _, sp := range spends {
		st, seen := next[sp.Counter]
		if !seen {
			st = model[sp.Counter]
		}
		st, d := Take(sp.Limit, st, sp.Cost, now)
		if !d.Allowed {
			return nil, false
		}
		next[sp.Counter] = st
		out = append(out, d)
	}
	for c, st := range next {
		model[c] = st
	}
	return out, true
}

// TestLocalInParallel has callers race for two counters in opposite orders: as
// many pass as in any serial order.
func TestLocalInParallel(t *testing.T) {
	for _, a := range algorithms {
		var l Local
		one, two := limit(a, 300, "1h"), limit(a, 200, "1h")
		var passed, given atomic.Int64
		var wg sync.WaitGroup
		for g := range 8 {
			wg.Go(func() {
				spends := []Spend{spend("a", one, 1), spend("b", two, 1), spend("c", one, 1)}
				if g%2 == 0 {
					slices.Reverse(spends)
				}
				for i := range 100 {
					_, ok, err := l.Take(t.Context(), spends, nil, at(0))
					if err != nil {
						t.Error(err)
					}
					if ok {
						passed.Add(1)
					}
					if ok && i%10 == 0 {
						if err := l.Give(t.Context(), spends, at(0), at(0)); err != nil {
							t.Error(err)
						}
						given.Add(1)
					}
				}
			})
		}
		wg.Wait()
		if n := passed.Load() - given.Load(); n != 200 {
			t.Errorf("%s: %d passed, want 200", a, n)
		}
		for owner, left := range map[string]int64{"a": 100, "c": 100} {
			if out, _ := take(t, &l, at(0), spend(owner, one, 0)); out[0].Remaining != left {
				t.Errorf("%s: %d of %s remain, want %d", a, out[0].Remaining, owner, left)
			}
		}
	}
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
