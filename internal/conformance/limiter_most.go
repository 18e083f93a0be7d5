package conformance

import (
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"pgregory.net/rapid"

	"latchkey/internal/ratelimit"
)

var mostCases = []limiterCase{
	{"bounds the counters of an owner", boundsCounters},
	{"has room for what was given back", hasRoomForGiven},
	{"bounds counters whatever was before", boundsAtRandom},
	{"bounds counters in parallel", boundsInParallel},
	{"bounds counters of leases", boundsLeases},
}

// named returns a spend from a counter with a name, of which the owner may have
// so many.
func named(owner, name string, most int, l ratelimit.Limit, n int64) ratelimit.Spend {
	l.Name = name
	sp := cost(owner, l, n)
	sp.Most = most
	return sp
}

// full takes spends, which must be refused for want of room or not at all.
func (g *gate) full(now time.Time, spends ...ratelimit.Spend) bool {
	g.Helper()
	before := []ratelimit.Decision{{Name: "before"}}
	_, _, looked := g.l.Look(g.Context(), spends, before, now)
	out, ok, err := g.l.Take(g.Context(), spends, before, now)
	if errors.Is(looked, ratelimit.ErrFull) != errors.Is(err, ratelimit.ErrFull) {
		g.Errorf("a look says %v, and Take %v", looked, err)
	}
	if err != nil && (!errors.Is(err, ratelimit.ErrFull) || ok || len(out) != 1) {
		g.Fatalf("%v, %t, %v", out, ok, err)
	}
	return err != nil
}

// boundsCounters invents names of limits for one owner.
func boundsCounters(g *gate) {
	for _, a := range algorithms {
		g := g.anew()
		lim := rate(a, 5, "10s")
		of := func(name, owner string, n int64) ratelimit.Spend { return named(owner, name, 3, lim, n) }
		for range 2 {
			if g.full(after(0), of("1", "o", 1), of("2", "o", 1)) {
				g.Errorf("%s: the first two are refused", a)
			}
		}
		if !g.full(after(0), of("3", "o", 1), of("4", "o", 1)) {
			g.Errorf("%s: two more are let in, or one of them", a)
		}
		if g.full(after(0), of("3", "o", 0), of("4", "o", 0)) || g.full(after(0), of("3", "o", 1), of("3", "o", 1)) {
			g.Errorf("%s: a third is refused, or a look", a)
		}
		if !g.full(after(0), of("4", "o", 1)) || g.full(after(0), of("4", "p", 1)) || g.full(after(0), cost("o", lim, 1)) {
			g.Errorf("%s: a fourth is let in, or what is another's or not bounded is refused", a)
		}
		if !g.full(after(0), of("1", "o", 1), of("4", "o", 1)) {
			g.Errorf("%s: a fourth is let in beside one that is there", a)
		}
		g.left(string(a)+", the first", of("1", "o", 0), after(0), 3)
		g.left(string(a)+", the fourth", of("4", "o", 0), after(0), 5)
		if g.full(after(40*time.Second), of("4", "o", 1)) {
			g.Errorf("%s: refused when the others have passed", a)
		}
		var many []ratelimit.Spend
		for i := range 60 {
			many = append(many, named(fmt.Sprint("owner ", i), "1", 1, lim, 1))
		}
		if g.full(after(0), many...) {
			g.Errorf("%s: owners of one counter each are refused together", a)
		}
	}
}

// hasRoomForGiven gives back all that new counters have counted: they take the
// room of none.
func hasRoomForGiven(g *gate) {
	for _, a := range algorithms {
		g := g.anew()
		for i := range 10 {
			sp := named("o", fmt.Sprint(i), 3, rate(a, 5, "10s"), 2)
			if g.full(after(0), sp) {
				g.Fatalf("%s: there is no room for the %dth", a, i)
			}
			g.give(after(0), after(0), sp)
		}
	}
}

// boundsAtRandom takes from and gives back to counters with a few names, in
// windows that pass. As many as an owner may have are never more that count, and
// there is room while fewer have counted within the grace.
func boundsAtRandom(g *gate) {
	rapid.Check(g.T, func(t *rapid.T) {
		g := g.anew()
		const most, window = 3, 10 * time.Second
		lim := rate(ratelimit.Fixed, 5, "10s")
		counts, began := map[string]int64{}, map[string]time.Time{} // name → what it counts, and since when
		now := after(0)
		at := func(now time.Time) (live int) {
			for name, n := range counts {
				if n > 0 && now.Before(began[name].Add(window)) {
					live++
				}
			}
			return live
		}
		for range rapid.IntRange(1, 60).Draw(t, "calls") {
			name := fmt.Sprint(rapid.IntRange(0, 7).Draw(t, "name"))
			sp := named("o", name, most, lim, 1)
			if !now.Before(began[name].Add(window)) {
				counts[name], began[name] = 0, now.Truncate(window)
			}
			if counts[name] > 0 && rapid.IntRange(0, 3).Draw(t, "give") == 0 {
				g.give(now, now, sp)
				counts[name]--
				continue
			}
			live, late := at(now), at(now.Add(-ratelimit.Grace))
			_, ok, err := g.l.Take(g.Context(), []ratelimit.Spend{sp}, nil, now)
			switch full := errors.Is(err, ratelimit.ErrFull); {
			case err != nil && !full:
				t.Fatal(err)
			case full && (counts[name] > 0 || late < most):
				t.Fatalf("there is no room for %s beside %d", name, late)
			case !full && counts[name] == 0 && live >= most:
				t.Fatalf("%s is let in beside %d", name, live)
			case ok:
				counts[name]++
			}
			if rapid.IntRange(0, 5).Draw(t, "goes on") == 0 {
				now = now.Add(time.Duration(rapid.Int64Range(1, int64(window)).Draw(t, "pause")))
			}
		}
	})
}

// boundsInParallel has many invent names for one owner at once.
func boundsInParallel(g *gate) {
	const most = 7
	var there [100]atomic.Bool
	atOnce(8, func(i int) {
		for n := range there {
			name := (n*7 + i*13) % len(there)
			_, ok, err := g.l.Take(g.Context(), []ratelimit.Spend{named("o", fmt.Sprint(name), most, rate(ratelimit.Sliding, 100, "1h"), 1)}, nil, after(0))
			if ok {
				there[name].Store(true)
			} else if !errors.Is(err, ratelimit.ErrFull) {
				g.Error(err)
			}
		}
	})
	let := 0
	for i := range there {
		if there[i].Load() {
			let++
		}
	}
	if let != most {
		g.Errorf("%d counters were let in, want %d", let, most)
	}
}

func boundsLeases(g *gate) {
	of := func(name, id string) ratelimit.Spend {
		sp := lease("o", ratelimit.Limit{Name: name, Max: 5, Concurrent: true}, id, after(10*time.Second))
		sp.Most = 1
		return sp
	}
	if g.full(after(0), of("1", "a"), of("1", "b")) || !g.full(after(0), of("2", "c")) {
		g.Error("a first counter is refused, or a second is let in")
	}
	if g.release("a", after(0)); !g.full(after(0), of("2", "c")) {
		g.Error("a second counter is let in when one place of the first is free")
	}
	if g.release("b", after(0)); g.full(after(0), of("2", "c")) || !g.full(after(0), of("1", "d")) {
		g.Error("when nobody holds a place of the first, a second is refused, or both are let in")
	}
	if g.full(after(12*time.Second), of("1", "d")) {
		g.Error("refused when the other has ended")
	}
}
