package conformance

import (
	"fmt"
	"sync/atomic"
	"time"

	"latchkey/internal/ratelimit"
)

var leaseCases = []limiterCase{
	{"holds leases until they end", holdsLeases},
	{"finds leases that are held", findsLeases},
	{"takes leases and counts together", takesLeasesAndCounts},
	{"ends a lease once", endsALeaseOnce},
	{"never holds more than the slots", neverHoldsMore},
}

func holdsLeases(g *gate) {
	const s = time.Second
	two := slots(2)
	want := func(what string, ok bool, left int64, retry time.Duration, now time.Time, sp ratelimit.Spend) {
		g.Helper()
		out, got := g.take(now, sp)
		d := out[0]
		if got != ok || d.Allowed != ok || d.Remaining != left || !d.Concurrent || d.Max != sp.Limit.Max || !d.RetryAt.Equal(after(retry)) {
			g.Errorf("%s: %t, %+v; want %t with %d left, retry at %v", what, got, d, ok, left, after(retry))
		}
	}
	want("the first", true, 1, 0, after(0), lease("o", two, "a", after(10*s)))
	want("the second, which ends before", true, 0, 1*s, after(1*s), lease("o", two, "b", after(5*s)))
	want("the third", false, 0, 5*s, after(1*s), lease("o", two, "c", after(9*s)))
	want("a look", true, 0, 1*s, after(1*s), cost("o", two, 0))
	want("another owner's", true, 1, 1*s, after(1*s), lease("p", two, "d", after(9*s)))
	want("a nanosecond before the second ends", false, 0, 5*s, after(5*s-1), lease("o", two, "c", after(9*s)))
	want("under a max that was lowered", false, 0, 10*s, after(5*s-1), lease("o", slots(1), "c", after(9*s)))
	want("when the second ends", true, 0, 5*s, after(5*s), lease("o", two, "c", after(9*s)))
	want("the clock steps back", false, 0, 9*s, after(4*s), lease("o", two, "e", after(20*s)))
	if !g.release("a", after(6*s)) {
		g.Error("a is not held")
	}
	want("after a release", true, 0, 6*s, after(6*s), lease("o", two, "f", after(20*s)))
	want("one that has ended already", false, 0, 9*s, after(6*s), lease("o", two, "g", after(6*s)))
	g.give(after(6*s), after(6*s), lease("o", two, "f", after(20*s)), lease("q", two, "g", after(0)))
	want("after it was given back", true, 1, 6*s, after(6*s), cost("o", two, 0))
}

func findsLeases(g *gate) {
	const s = time.Second
	g.take(after(0), lease("o", slots(2), "a", after(10*s)))
	find := func(id string, now time.Time, want bool) {
		g.Helper()
		got, ok, err := g.l.Lease(g.Context(), id, now)
		if err != nil || ok != want {
			g.Errorf("the lease %s: %t, %v; want %t", id, ok, err, want)
		}
		if ok && (got.ID != id || got.Scope != "scope of "+id || got.Counter != cost("o", slots(2), 0).Counter || !got.ExpiresAt.Equal(after(10*s))) {
			g.Errorf("the lease %s is %+v", id, got)
		}
	}
	find("a", after(9*s), true)
	find("a", after(10*s-1), true)
	find("none", after(9*s), false)
	for _, c := range []struct {
		id  string
		now time.Time
		ok  bool
	}{{"none", after(6 * s), false}, {"a", after(10 * s), false}, {"a", after(6 * s), true}, {"a", after(6 * s), false}} {
		if got := g.release(c.id, c.now); got != c.ok {
			g.Errorf("release of %s at %v: %t, want %t", c.id, c.now, got, c.ok)
		}
	}
	find("a", after(6*s), false)
	g.take(after(20*s), lease("o", slots(2), "b", after(30*s)))
	find("b", after(30*s), false)
}

// takesLeasesAndCounts has one refuse what the other allows.
func takesLeasesAndCounts(g *gate) {
	limit, two := rate(ratelimit.Fixed, 3, "10s"), slots(2)
	until := after(time.Minute)
	g.take(after(0), cost("o", limit, 1), lease("o", two, "a", until))
	g.take(after(0), cost("o", limit, 0), lease("o", two, "b", until))
	if out, ok := g.take(after(0), cost("o", limit, 1), lease("o", two, "c", until)); ok || out[0].Remaining != 2 || !out[0].Allowed || out[1].Allowed {
		g.Errorf("no place is free: %t, %+v", ok, out)
	}
	if !g.release("b", after(0)) {
		g.Error("b is not held")
	}
	if out, ok := g.take(after(0), cost("o", limit, 3), lease("o", two, "c", until)); ok || out[1].Remaining != 1 || !out[1].Allowed {
		g.Errorf("the rate is used up: %t, %+v", ok, out)
	}
	if g.release("c", after(0)) {
		g.Error("a refused call holds a lease")
	}
	if out, ok := g.take(after(0), lease("o", two, "d", until), lease("o", two, "e", until)); ok || out[1].Remaining != 1 {
		g.Errorf("two of one place: %t, %+v", ok, out)
	}
	if _, ok := g.take(after(0), lease("o", two, "f", until), cost("o", limit, 2)); !ok {
		g.Error("what is free is refused")
	}
}

// endsALeaseOnce releases each of some leases from many sides: one of them ends
// it, and its place is one.
func endsALeaseOnce(g *gate) {
	const most = 2000
	for i := range most {
		g.take(after(0), lease("o", slots(most), fmt.Sprint(i), after(time.Hour)))
	}
	var ended [most]atomic.Int64
	atOnce(8, func(int) {
		for i := range most {
			if g.release(fmt.Sprint(i), after(time.Second)) {
				ended[i].Add(1)
			}
		}
	})
	for i := range ended {
		if n := ended[i].Load(); n != 1 {
			g.Errorf("%d calls have ended lease %d", n, i)
		}
	}
	g.left("at the end", cost("o", slots(most), 0), after(time.Second), most)
}

// neverHoldsMore counts how many hold a place at the same time.
func neverHoldsMore(g *gate) {
	five := slots(5)
	var holding, passed atomic.Int64
	atOnce(16, func(i int) {
		for n := range 100 {
			id := fmt.Sprint(i, "-", n)
			_, ok, err := g.l.Take(g.Context(), []ratelimit.Spend{lease("o", five, id, after(time.Hour)), cost("p", rate(ratelimit.GCRA, ratelimit.MaxMax, "1h"), 1)}, nil, after(0))
			if err != nil {
				g.Error(err)
			}
			if !ok {
				continue
			}
			passed.Add(1)
			if n := holding.Add(1); n > 5 {
				g.Errorf("%d hold one of 5 places", n)
			}
			holding.Add(-1)
			if !g.release(id, after(0)) {
				g.Errorf("%s is not held", id)
			}
		}
	})
	if passed.Load() < 100 {
		g.Errorf("only %d passed", passed.Load())
	}
	g.left("at the end", cost("o", five, 0), after(0), 5)
}
