package conformance

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"latchkey/internal/keys"
	"latchkey/internal/ratelimit"
	"latchkey/internal/span"
)

// Limiter tests the limiters that open returns. Each call must return one that
// has counted nothing.
func Limiter(t *testing.T, open func(t *testing.T) keys.Limiter) {
	for _, cases := range [][]limiterCase{limiterCases, giveCases, leaseCases, mostCases, orderCases} {
		for _, c := range cases {
			t.Run(c.name, func(t *testing.T) { c.run(&gate{T: t, open: func() keys.Limiter { return open(t) }, l: open(t)}) })
		}
	}
}

// A limiterCase is one thing that limiters must do.
type limiterCase struct {
	name string
	run  func(*gate)
}

// A gate is where a case of limiters plays.
type gate struct {
	*testing.T
	open func() keys.Limiter
	l    keys.Limiter
}

// anew returns the gate with a limiter that has counted nothing.
func (g *gate) anew() *gate { return &gate{T: g.T, open: g.open, l: g.open()} }

// after returns an instant some time after a border of every window used here.
func after(d time.Duration) time.Time { return time.Unix(1_700_000_400, 0).UTC().Add(d) }

var algorithms = []ratelimit.Algorithm{ratelimit.Sliding, ratelimit.Fixed, ratelimit.FixedFromFirst, ratelimit.GCRA}

// rate returns a limit of so many in a window.
func rate(a ratelimit.Algorithm, most int64, window string) ratelimit.Limit {
	w, err := span.Parse(window)
	if err != nil {
		panic(err)
	}
	return ratelimit.Limit{Name: "rate", Max: most, Window: w, Algorithm: a}
}

// slots returns a limit of so many at once.
func slots(most int64) ratelimit.Limit {
	return ratelimit.Limit{Name: "slots", Max: most, Concurrent: true, Auto: true}
}

// cost returns a spend of an owner.
func cost(owner string, l ratelimit.Limit, n int64) ratelimit.Spend {
	return ratelimit.Spend{Counter: ratelimit.Counter{Workspace: "ws", Name: l.Name, Owner: owner, Window: l.Window.Duration()}, Limit: l, Cost: n}
}

// lease returns a spend that wants a lease until an instant.
func lease(owner string, l ratelimit.Limit, id string, until time.Time) ratelimit.Spend {
	sp := cost(owner, l, 0)
	sp.Lease = &ratelimit.Lease{ID: id, Scope: "scope of " + id, ExpiresAt: until}
	return sp
}

// take takes spends, or looks, and must be decided about each.
func (g *gate) take(now time.Time, spends ...ratelimit.Spend) ([]ratelimit.Decision, bool) {
	g.Helper()
	out, ok, err := g.l.Take(g.Context(), spends, nil, now)
	if err != nil || len(out) != len(spends) {
		g.Fatalf("taking %d spends: %d decisions, %v", len(spends), len(out), err)
	}
	return out, ok
}

func (g *gate) give(takenAt, now time.Time, spends ...ratelimit.Spend) {
	g.Helper()
	if err := g.l.Give(g.Context(), spends, takenAt, now); err != nil {
		g.Fatal(err)
	}
}

func (g *gate) release(id string, now time.Time) bool {
	g.Helper()
	ok, err := g.l.Release(g.Context(), id, now)
	if err != nil {
		g.Error(err) // not Fatal: cases release from goroutines
	}
	return ok
}

// left checks what remains under a limit.
func (g *gate) left(what string, sp ratelimit.Spend, now time.Time, want int64) {
	g.Helper()
	sp.Cost, sp.Lease = 0, nil
	out, ok := g.take(now, sp)
	if !ok || out[0].Remaining != want {
		g.Errorf("%s: %d are left, want %d", what, out[0].Remaining, want)
	}
}

func (g *gate) same(what string, got, want []ratelimit.Decision) {
	g.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		g.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

var limiterCases = []limiterCase{
	{"takes all or none", takesAllOrNone},
	{"charges a counter for all who name it", addsUpOneCounter},
	{"appends decisions", appendsDecisions},
	{"tells counters apart", tellsCountersApart},
	{"keeps nothing of the spends", keepsNothing},
	{"looks and counts nothing", looksAndCountsNothing},
	{"frees nothing when the clock steps back", freesNothingBackwards},
}

func takesAllOrNone(g *gate) {
	wide, narrow := rate(ratelimit.Fixed, 10, "10s"), rate(ratelimit.Fixed, 2, "10s")
	wide.Name, narrow.Name = "wide", "narrow"
	a, b := cost("a", wide, 3), cost("b", narrow, 1)
	for _, want := range []struct {
		ok           bool
		wide, narrow int64
	}{{true, 7, 1}, {true, 4, 0}, {false, 4, 0}, {false, 4, 0}} {
		out, ok := g.take(after(0), a, b)
		if ok != want.ok || out[0].Remaining != want.wide || out[1].Remaining != want.narrow {
			g.Errorf("got %v, %+v; want %+v", ok, out, want)
		}
		if !out[0].Allowed || out[1].Allowed != ok {
			g.Errorf("decisions are %v, %v; want only the second to refuse", out[0].Allowed, out[1].Allowed)
		}
	}
	if out, ok := g.take(after(0), b, a); ok || out[0].Allowed || !out[1].Allowed || out[1].Remaining != 4 {
		g.Errorf("refused by the first: %v, %+v", ok, out)
	}
}

func addsUpOneCounter(g *gate) {
	for _, a := range algorithms {
		g := g.anew()
		lim := rate(a, 5, "10s")
		out, ok := g.take(after(0), cost("o", lim, 3), cost("p", lim, 1), cost("o", lim, 3))
		if ok || !out[0].Allowed || out[2].Allowed || out[0].Remaining != 5 || out[1].Remaining != 5 || !out[2].RetryAt.IsZero() {
			g.Errorf("%s: 3 and 3 of 5: %v, %+v", a, ok, out)
		}
		out, ok = g.take(after(0), cost("o", lim, 3), cost("o", lim, 0), cost("o", lim, 2))
		if !ok || out[0].Remaining != 2 || out[1].Remaining != 2 || out[2].Remaining != 0 {
			g.Errorf("%s: 3, 0 and 2 of 5: %v, %+v", a, ok, out)
		}
		out, ok = g.take(after(0), cost("o", lim, 1), cost("o", lim, 0))
		if ok || out[0].Allowed || !out[1].Allowed {
			g.Errorf("%s: what costs nothing is refused: %v, %+v", a, ok, out)
		}
		if out, ok = g.take(after(0), cost("o", lim, 0), cost("p", lim, -3)); !ok || out[0].Remaining != 0 || out[1].Remaining != 5 {
			g.Errorf("%s: nothing is asked: %v, %+v", a, ok, out)
		}
	}
}

func appendsDecisions(g *gate) {
	if out, ok := g.take(after(0)); !ok || len(out) != 0 {
		g.Errorf("taking nothing: %v, %+v", ok, out)
	}
	for what, ask := range map[string]func([]ratelimit.Spend, []ratelimit.Decision) ([]ratelimit.Decision, bool, error){
		"Take": func(spends []ratelimit.Spend, out []ratelimit.Decision) ([]ratelimit.Decision, bool, error) {
			return g.l.Take(g.Context(), spends, out, after(0))
		},
		"Look": func(spends []ratelimit.Spend, out []ratelimit.Decision) ([]ratelimit.Decision, bool, error) {
			return g.l.Look(g.Context(), spends, out, after(0))
		},
	} {
		out, ok, err := ask([]ratelimit.Spend{cost(what, rate(ratelimit.Fixed, 5, "10s"), 3)}, []ratelimit.Decision{{Name: "before"}})
		if !ok || err != nil || len(out) != 2 || out[0].Name != "before" || out[1].Name != "rate" || out[1].Remaining != 2 {
			g.Errorf("%s appended: %+v, %v", what, out, err)
		}
	}
}

// tellsCountersApart uses up counters that differ in one part alone, the parts
// of which make the same text when they are joined.
func tellsCountersApart(g *gate) {
	for _, l := range []ratelimit.Limit{rate(ratelimit.Fixed, 1, "10s"), slots(1)} {
		window := l.Window.Duration()
		for i, c := range []ratelimit.Counter{
			{Workspace: "ws", Name: "n", Owner: "o", Window: window}, {Workspace: "w", Name: "sn", Owner: "o", Window: window},
			{Workspace: "ws", Name: "no", Owner: "", Window: window}, {Workspace: "ws", Name: "n:o", Owner: "", Window: window},
			{Workspace: "ws", Name: "n", Owner: ":o", Window: window}, {Workspace: "ws", Name: "n\x00", Owner: "o", Window: window},
			{Workspace: "ws", Name: "n", Owner: "\x00o", Window: window}, {Workspace: "", Name: "ws", Owner: "no", Window: window},
			{Workspace: "ws", Name: "n", Owner: "o", Window: window + 1}, {Workspace: "WS", Name: "n", Owner: "o", Window: window},
		} {
			sp := ratelimit.Spend{Counter: c, Limit: l, Cost: 1}
			if l.Concurrent {
				sp.Lease = &ratelimit.Lease{ID: string(rune('a' + i)), ExpiresAt: after(time.Minute)}
			}
			if _, ok := g.take(after(0), sp); !ok {
				g.Errorf("%q shares with one before it", c)
			}
			if sp.Lease != nil {
				sp.Lease = &ratelimit.Lease{ID: sp.Lease.ID + " again", ExpiresAt: after(time.Minute)}
			}
			if _, ok := g.take(after(0), sp); ok {
				g.Errorf("%q lets a second one pass", c)
			}
		}
	}
}

// keepsNothing changes spends after they were taken.
func keepsNothing(g *gate) {
	spends := []ratelimit.Spend{cost("o", rate(ratelimit.Fixed, 5, "10s"), 2), lease("o", slots(2), "a", after(time.Minute))}
	g.take(after(0), spends...)
	*spends[1].Lease = ratelimit.Lease{ID: "b", Scope: "else", ExpiresAt: after(time.Hour)}
	spends[0], spends[1] = cost("p", rate(ratelimit.GCRA, 9, "20s"), 1), ratelimit.Spend{}
	got, ok, err := g.l.Lease(g.Context(), "a", after(1))
	want := ratelimit.Lease{ID: "a", Counter: cost("o", slots(2), 0).Counter, Scope: "scope of a", ExpiresAt: after(time.Minute)}
	if !ok || err != nil || !got.ExpiresAt.Equal(want.ExpiresAt) || got.ID != want.ID || got.Counter != want.Counter || got.Scope != want.Scope {
		g.Errorf("the lease is %+v, %t, %v; want %+v", got, ok, err, want)
	}
	g.left("of the rate", cost("o", rate(ratelimit.Fixed, 5, "10s"), 0), after(0), 3)
	g.left("of the slots", cost("o", slots(2), 0), after(0), 1)
}

// looksAndCountsNothing looks before each call what it will be answered.
func looksAndCountsNothing(g *gate) {
	for _, a := range algorithms {
		g := g.anew()
		lim := rate(a, 5, "10s")
		for i := range 8 {
			now := after(time.Duration(i) * 700 * time.Millisecond)
			spends := []ratelimit.Spend{cost("o", lim, 2), cost("p", lim, 1), lease("o", slots(4), string(rune('a'+i)), after(time.Minute))}
			looked, lookedOK, err := g.l.Look(g.Context(), spends, nil, now)
			again, _, _ := g.l.Look(g.Context(), spends, nil, now)
			if err != nil {
				g.Fatal(err)
			}
			if _, held, _ := g.l.Lease(g.Context(), spends[2].Lease.ID, now); held {
				g.Errorf("%s: a look holds a lease", a)
			}
			took, ok := g.take(now, spends...)
			if lookedOK != ok {
				g.Errorf("%s: a look says %t, and Take %t", a, lookedOK, ok)
			}
			g.same("a second look", again, looked)
			g.same("what Take says after a look", took, looked)
		}
	}
}

// freesNothingBackwards uses limits up, and comes again by a clock that has
// stepped back by the grace, while many others pass.
func freesNothingBackwards(g *gate) {
	for _, a := range algorithms {
		g := g.anew()
		lim := rate(a, 2, "10s")
		late := after(20 * time.Second)
		g.take(late, cost("o", lim, 2), lease("o", slots(1), "a", late.Add(time.Millisecond)))
		for i := range 300 {
			g.take(late, cost(fmt.Sprint(i), lim, 1))
		}
		for _, back := range slices.Backward([]time.Duration{0, 1, time.Millisecond, ratelimit.Grace}) {
			now := late.Add(-back)
			if out, ok := g.take(now, cost("o", lim, 1)); ok || out[0].Remaining != 0 || !out[0].RetryAt.After(late) {
				g.Errorf("%s, %v back: %+v", a, back, out)
			}
			if _, ok := g.take(now, lease("o", slots(1), "b", late.Add(time.Hour))); ok {
				g.Errorf("%v back: a place that is held is given", back)
			}
		}
		// What was over by the later clock counts still by the earlier one.
		g.take(late, cost("q", lim, 2))
		for i := range 300 {
			g.take(late.Add(10*time.Second), cost(fmt.Sprint(i), lim, 1))
		}
		want := int64(0)
		if a == ratelimit.GCRA {
			want = 1 // All but a part of one has drained.
		}
		g.left(string(a)+", a nanosecond before it is over", cost("q", lim, 0), late.Add(10*time.Second-1), want)
	}
}
