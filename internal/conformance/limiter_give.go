package conformance

import (
	"slices"
	"sync/atomic"
	"time"

	"latchkey/internal/ratelimit"
)

var giveCases = []limiterCase{
	{"gives back exactly", givesBackExactly},
	{"gives back what it took and no more", givesBackNoMore},
	{"gives back some of a call", givesBackSome},
	{"takes and gives in parallel", takesInParallel},
}

// givesBackExactly gives a call back, at once and later: all is decided as if it
// had not been. Of GCRA no more comes back later than has not drained.
func givesBackExactly(g *gate) {
	for _, a := range algorithms {
		for _, pause := range []time.Duration{0, 1, time.Second, 3 * time.Second} {
			if a == ratelimit.GCRA && pause > 0 {
				continue
			}
			with, without := g.anew(), g.anew()
			lim := rate(a, 7, "10s")
			first, second := cost("o", lim, 2), []ratelimit.Spend{cost("o", lim, 3), lease("o", slots(2), "a", after(time.Minute))}
			for _, g := range []*gate{with, without} {
				g.take(after(0), first, lease("o", slots(2), "b", after(time.Hour)))
			}
			with.take(after(time.Second), second...)
			with.give(after(time.Second), after(time.Second+pause), second...)
			for _, later := range []time.Duration{0, 1, time.Second, 5 * time.Second, 12 * time.Second} {
				now := after(time.Second + pause + later)
				look := []ratelimit.Spend{cost("o", lim, 1), lease("o", slots(2), "c", after(time.Minute))}
				got, _, err := with.l.Look(g.Context(), look, nil, now)
				want, _, _ := without.l.Look(g.Context(), look, nil, now)
				if err != nil {
					g.Fatal(err)
				}
				g.same(string(a)+", after it was given back", got, want)
			}
		}
	}
}

func givesBackNoMore(g *gate) {
	for _, a := range algorithms {
		g := g.anew()
		lim := rate(a, 5, "10s")
		never := []ratelimit.Spend{cost("o", lim, 2), lease("o", slots(2), "a", after(time.Minute))}
		g.give(after(0), after(0), never...)
		g.left(string(a)+", never taken", never[0], after(0), 5)
		g.take(after(0), cost("o", lim, 2), lease("o", slots(2), "b", after(time.Minute)))
		g.give(after(0), after(0), cost("o", lim, 100), never[1], lease("p", slots(2), "b", after(time.Minute)))
		g.left(string(a)+", more than was taken", never[0], after(0), 5)
		g.left("the slots, given by others", never[1], after(0), 1)
		g.take(after(0), cost("o", lim, 4))
		g.give(after(0), after(0), cost("o", lim, 0), cost("o", lim, -2))
		g.left(string(a)+", nothing and less", never[0], after(0), 1)

		// What was taken in a window that is over.
		g.take(after(40*time.Second), cost("o", lim, 3))
		g.give(after(0), after(40*time.Second), cost("o", lim, 4))
		g.left(string(a)+", taken long ago", never[0], after(40*time.Second), 2)
	}
}

// givesBackSome gives back what a part of a call's spends took, some of it from
// one counter.
func givesBackSome(g *gate) {
	lim := rate(ratelimit.Fixed, 10, "10s")
	all := []ratelimit.Spend{cost("o", lim, 1), cost("p", lim, 2), cost("o", lim, 3), lease("o", slots(2), "a", after(time.Minute)), lease("o", slots(2), "b", after(time.Minute))}
	g.take(after(0), all...)
	g.give(after(0), after(0), all[2:4]...)
	g.left("of the one", all[0], after(0), 9)
	g.left("of the other", all[1], after(0), 8)
	g.left("of the slots", all[3], after(0), 1)
	if g.release("a", after(0)) || !g.release("b", after(0)) {
		g.Error("the lease that was given back is held, or the other is not")
	}
	g.give(after(0), after(0), all[3:]...)
	g.left("of the slots at last", all[3], after(0), 2)
}

// takesInParallel has callers race for counters in opposite orders, and give
// some of it back: as many pass as in any serial order.
func takesInParallel(g *gate) {
	for _, a := range algorithms {
		g := g.anew()
		one, two := rate(a, 300, "1h"), rate(a, 200, "1h")
		var passed, given atomic.Int64
		atOnce(8, func(i int) {
			spends := []ratelimit.Spend{cost("a", one, 1), cost("b", two, 1), cost("c", one, 1)}
			if i%2 == 0 {
				slices.Reverse(spends)
			}
			for n := range 100 {
				_, ok, err := g.l.Take(g.Context(), spends, nil, after(0))
				if err != nil {
					g.Error(err)
				}
				if !ok {
					continue
				}
				passed.Add(1)
				if n%10 == 0 {
					if err := g.l.Give(g.Context(), spends, after(0), after(0)); err != nil {
						g.Error(err)
					}
					given.Add(1)
				}
			}
		})
		if n := passed.Load() - given.Load(); n != 200 {
			g.Errorf("%s: %d passed, want 200", a, n)
		}
		g.left(string(a)+", the first", cost("a", one, 0), after(0), 100)
		g.left(string(a)+", the last", cost("c", one, 0), after(0), 100)
	}
}
