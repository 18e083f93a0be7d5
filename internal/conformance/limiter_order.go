package conformance

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"latchkey/internal/ratelimit"
)

var orderCases = []limiterCase{
	{"is the pure function, call after call", isThePureFunction},
	{"is the pure function in some order, in parallel", isSerialInParallel},
}

// isThePureFunction does all that a limiter can in turn, with a clock that steps
// back by up to the grace.
func isThePureFunction(g *gate) {
	limits := []ratelimit.Limit{rate(ratelimit.Sliding, 5, "10s"), rate(ratelimit.Fixed, 6, "20s"), rate(ratelimit.FixedFromFirst, 4, "15s"), rate(ratelimit.GCRA, 7, "30s"), slots(1), slots(3)}
	rapid.Check(g.T, func(t *rapid.T) {
		l, m := g.open(), newTally()
		now, highest := after(0), after(0)
		for i := range rapid.IntRange(1, 40).Draw(t, "calls") {
			spends := drawSpends(t, limits, i, now)
			switch act := rapid.IntRange(0, 9).Draw(t, "act"); act {
			case 0:
				id := fmt.Sprint(rapid.IntRange(0, 10*i).Draw(t, "id"))
				in, held := m.find(id, now)
				if got, ok, err := l.Lease(t.Context(), id, now); ok != held || err != nil || got.Counter != in {
					t.Fatalf("the lease %s: %+v, %t, %v; want %t", id, got, ok, err, held)
				}
				if ok, err := l.Release(t.Context(), id, now); ok != held || err != nil {
					t.Fatalf("release of %s: %t, %v; want %t", id, ok, err, held)
				}
				if held {
					delete(m.held[in], id)
				}
			case 1, 2, 3:
				got, ok, err := l.Look(t.Context(), spends, nil, now)
				mustBe(t, m, spends, now, false, got, ok, err)
			default:
				got, ok, err := l.Take(t.Context(), spends, nil, now)
				mustBe(t, m, spends, now, true, got, ok, err)
				if ok && act == 4 {
					taken := now
					now = now.Add(time.Duration(rapid.Int64Range(0, int64(3*time.Second)).Draw(t, "until it is given back")))
					if err := l.Give(t.Context(), spends, taken, now); err != nil {
						t.Fatal(err)
					}
					m.give(spends, taken, now)
				}
			}
			highest = slices.MaxFunc([]time.Time{highest, now}, time.Time.Compare)
			now = highest.Add(time.Duration(rapid.Int64Range(-int64(ratelimit.Grace), int64(12*time.Second)).Draw(t, "pause")))
		}
	})
}

func drawSpends(t *rapid.T, limits []ratelimit.Limit, call int, now time.Time) (spends []ratelimit.Spend) {
	for n := range rapid.IntRange(0, 10).Draw(t, "spends") {
		owner := rapid.SampledFrom([]string{"a", "b", "c", "d"}).Draw(t, "owner")
		l := rapid.SampledFrom(limits).Draw(t, "limit")
		many := rapid.Int64Range(0, 3).Draw(t, "cost")
		if l.Concurrent && many > 0 {
			ttl := time.Duration(rapid.Int64Range(1, int64(8*time.Second)).Draw(t, "ttl"))
			spends = append(spends, lease(owner, l, fmt.Sprint(10*call+n), now.Add(ttl)))
		} else {
			spends = append(spends, cost(owner, l, many))
		}
	}
	return spends
}

func mustBe(t *rapid.T, m tally, spends []ratelimit.Spend, now time.Time, count bool, got []ratelimit.Decision, ok bool, err error) {
	t.Helper()
	want, wantOK := m.ask(spends, now, count)
	if err != nil || ok != wantOK {
		t.Fatalf("%+v: %t, %v; want %t", spends, ok, err, wantOK)
	}
	if diff := gocmp.Diff(want, got); diff != "" {
		t.Fatalf("%+v (-want +got): %s", spends, diff)
	}
}

// A witnessed is a call together with what it was answered.
type witnessed struct {
	spends []ratelimit.Spend
	look   bool
	now    time.Time
	out    []ratelimit.Decision
	ok     bool
}

// isSerialInParallel has many callers take and look at random from several
// limits of every algorithm and of concurrency at once, with a clock that goes
// on and steps back. A counter that each call takes 1 from tells their order:
// calls made one after another in that order, by the pure function, answer the
// same. Leases end between rounds alone, since the order of calls that were
// refused is not told.
func isSerialInParallel(g *gate) {
	for seed := range uint64(3) {
		g := g.anew()
		m := newTally()
		steps := rand.New(rand.NewPCG(seed, 99))
		base, back := after(0), false
		accepted, refused := 0, 0
		for round := range 16 {
			var mu sync.Mutex
			var calls []witnessed
			atOnce(8, func(i int) {
				r := rand.New(rand.NewPCG(seed, uint64(100*round+i)))
				for n := range 20 {
					w := witnessed{look: r.IntN(4) == 0, now: base.Add(time.Duration(r.Int64N(int64(lap * 4 / 5))))}
					w.spends = randomSpends(r, fmt.Sprint(round, "-", i, "-", n), base)
					ask := g.l.Take
					if w.look {
						ask = g.l.Look
					}
					var err error
					if w.out, w.ok, err = ask(g.Context(), w.spends, nil, w.now); err != nil {
						g.Error(err)
					}
					mu.Lock()
					calls = append(calls, w)
					mu.Unlock()
				}
			})
			a, r := mustBeSerial(g, m, calls)
			accepted, refused = accepted+a, refused+r
			if back = !back && steps.IntN(3) == 0; back {
				base = base.Add(-lap)
			} else {
				base = base.Add(time.Duration(1+steps.IntN(3)) * lap)
			}
		}
		if accepted < 100 || refused < 100 {
			g.Errorf("%d calls were accepted and %d refused, which proves little", accepted, refused)
		}
	}
}

// lap is by how much the clock goes on between rounds, or back. What it shows
// is never more than the grace behind.
const lap = ratelimit.Grace / 2

// order is the limit that tells the order of calls.
var order = func() ratelimit.Limit {
	l := rate(ratelimit.Fixed, 1_000_000, "366d")
	l.Name = "order"
	return l
}()

// randomSpends returns what one call takes, the first of it from the counter
// that tells the order.
func randomSpends(r *rand.Rand, id string, base time.Time) []ratelimit.Spend {
	out := []ratelimit.Spend{cost("order", order, 1)}
	for i, a := range algorithms {
		if r.IntN(2) == 0 {
			out = append(out, cost(fmt.Sprint("owner ", r.IntN(3)), rate(a, int64(25+10*i), fmt.Sprint(400+100*i, "ms")), r.Int64N(4)))
		}
	}
	if r.IntN(3) == 0 {
		out = append(out, lease(fmt.Sprint("owner ", r.IntN(3)), slots(12), id, base.Add(time.Duration(r.IntN(5))*lap+lap*9/10)))
	}
	return out
}

// mustBeSerial makes calls again in their order, and returns how many were
// accepted and refused.
func mustBeSerial(g *gate, m tally, calls []witnessed) (accepted, refused int) {
	g.Helper()
	slices.SortStableFunc(calls, func(a, b witnessed) int { return cmp.Compare(a.place(), b.place()) })
	for i, w := range calls {
		out, ok := m.ask(w.spends, w.now, !w.look)
		if ok != w.ok {
			g.Fatalf("call %d was answered %t, and is %t in serial order:\n%+v\n%+v", i, w.ok, ok, w.out, out)
		}
		if diff := gocmp.Diff(out, w.out); diff != "" {
			g.Fatalf("call %d, %+v (-serial +parallel): %s", i, w, diff)
		}
		switch {
		case !ok:
			refused++
		case !w.look:
			accepted++
		}
	}
	return accepted, refused
}

// place says where the call stands: the n-th that has counted something at 2n,
// and others between two.
func (w witnessed) place() int64 {
	n := order.Max - w.out[0].Remaining
	switch {
	case !w.ok: // It shows how many were before it.
		return 2*n + 1
	case w.look: // It shows that it would have been the n-th.
		return 2*n - 1
	}
	return 2 * n
}
