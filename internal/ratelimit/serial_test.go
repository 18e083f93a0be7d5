package ratelimit

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
)

// A witnessed is a call together with what it was answered.
type witnessed struct {
	spends []Spend
	now    time.Time
	out    []Decision
	ok     bool
}

// TestParallelIsSerial has many callers take at random costs from several limits
// of every algorithm and of concurrency at once, with a clock that goes on and
// steps back. A counter that each call takes 1 from tells their order: calls
// made one after another in that order, by the pure functions, answer the same.
func TestParallelIsSerial(t *testing.T) {
	for seed := range uint64(6) {
		var l Local
		var mu sync.Mutex
		var ticks atomic.Int64
		var calls []witnessed
		var wg sync.WaitGroup
		for g := range 8 {
			wg.Go(func() {
				r := rand.New(rand.NewPCG(seed, uint64(g)))
				for i := range 150 {
					w := witnessed{spends: randomSpends(r, fmt.Sprint(g, "-", i))}
					w.now = at(time.Duration(ticks.Add(1))*3*time.Millisecond + time.Duration(r.Int64N(int64(sweepGrace/2))))
					w.out, w.ok, _ = l.Take(t.Context(), w.spends, nil, w.now)
					mu.Lock()
					calls = append(calls, w)
					mu.Unlock()
				}
			})
		}
		wg.Wait()
		mustBeSerial(t, calls)
	}
}

// order is the limit that tells the order of calls.
var order = func() Limit {
	l := limit(Fixed, 1_000_000, "366d")
	l.Name = "order"
	return l
}()

// randomSpends returns what one call takes, the first of it from the counter
// that tells the order.
func randomSpends(r *rand.Rand, id string) []Spend {
	out := []Spend{spend("order", order, 1)}
	for i, a := range algorithms {
		if r.IntN(2) == 0 {
			out = append(out, spend(fmt.Sprint("owner ", r.IntN(3)), limit(a, int64(40+10*i), fmt.Sprint(200+100*i, "ms")), r.Int64N(4)))
		}
	}
	if r.IntN(3) == 0 {
		out = append(out, lease(fmt.Sprint("owner ", r.IntN(3)), slots(12), id, at(time.Duration(r.Int64N(int64(4*time.Second))))))
	}
	return out
}

// mustBeSerial makes the accepted calls again in their order. A refused call
// shows how many were accepted before it, and is made there.
func mustBeSerial(t *testing.T, calls []witnessed) {
	t.Helper()
	place := func(w *witnessed) int64 { return order.Max - w.out[0].Remaining } // accepted up to it, itself too
	slices.SortStableFunc(calls, func(a, b witnessed) int {
		// A refused call comes after the accepted one that it has seen.
		return cmp.Or(cmp.Compare(place(&a), place(&b)), -compareBool(a.ok, b.ok))
	})
	states, held := map[Counter]State{}, map[Counter]leaseModel{}
	accepted := 0
	for i := range calls {
		w := &calls[i]
		out, ok := again(w, states, held, false)
		if ok != w.ok {
			t.Fatalf("call %d was answered %t, and %t in serial order:\n%+v\n%+v", i, w.ok, ok, w.out, out)
		}
		if !ok { // what is shown of those that would allow is without the charge
			continue
		}
		accepted++
		if place(w) != int64(accepted) {
			t.Fatalf("accepted call %d has the place %d", accepted, place(w))
		}
		if diff := gocmp.Diff(out, w.out); diff != "" {
			t.Fatalf("call %d (serial, parallel): %s", i, diff)
		}
		again(w, states, held, true)
	}
	if accepted == 0 || accepted == len(calls) {
		t.Fatalf("%d of %d calls were accepted, which proves little", accepted, len(calls))
	}
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	}
	return -1
}

// again makes a call by the pure functions.
func again(w *witnessed, states map[Counter]State, held map[Counter]leaseModel, commit bool) (out []Decision, ok bool) {
	ok = true
	for _, sp := range w.spends {
		if sp.Limit.Concurrent {
			if held[sp.Counter] == nil {
				held[sp.Counter] = leaseModel{}
			}
			m := held[sp.Counter]
			m.expire(w.now)
			d := Decision{Name: sp.Limit.Name, Max: sp.Limit.Max, Concurrent: true, RetryAt: w.now, Allowed: int64(len(m)) < sp.Limit.Max}
			d.Remaining = sp.Limit.Max - int64(len(m)) - 1
			out, ok = append(out, d), ok && d.Allowed
			if commit {
				m[sp.Lease.ID] = sp.Lease.ExpiresAt
			}
			continue
		}
		st, d := Take(sp.Limit, states[sp.Counter], sp.Cost, w.now)
		out, ok = append(out, d), ok && d.Allowed
		if commit {
			states[sp.Counter] = st
		}
	}
	return out, ok
}
