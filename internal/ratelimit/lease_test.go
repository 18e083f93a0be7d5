package ratelimit

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// slots returns a limit of so many at once.
func slots(most int64) Limit { return Limit{Name: "slots", Max: most, Concurrent: true, Auto: true} }

// lease returns a spend that wants a lease until an instant; "" only looks.
func lease(owner string, l Limit, id string, until time.Time) Spend {
	sp := Spend{Counter: Counter{Workspace: "ws", Name: l.Name, Owner: owner}, Limit: l}
	if id != "" {
		sp.Lease = &Lease{ID: id, Scope: "scope of " + id, ExpiresAt: until}
	}
	return sp
}

func release(t testing.TB, l *Local, id string, now time.Time) bool {
	t.Helper()
	ok, err := l.Release(t.Context(), id, now)
	if err != nil {
		t.Fatal(err)
	}
	return ok
}

func TestLeases(t *testing.T) {
	var l Local
	two := slots(2)
	const s = time.Second
	want := func(what string, ok bool, left int64, retry time.Duration, now time.Time, sp Spend) {
		t.Helper()
		out, got := take(t, &l, now, sp)
		d := out[0]
		if got != ok || d.Allowed != ok || d.Remaining != left || !d.Concurrent || d.Max != sp.Limit.Max || !d.RetryAt.Equal(at(retry)) {
			t.Errorf("%s: %t, %+v; want %t with %d left, retry at %v", what, got, d, ok, left, at(retry))
		}
	}
	want("the first", true, 1, 0, at(0), lease("o", two, "a", at(10*s)))
	want("the second, which ends before", true, 0, 1*s, at(1*s), lease("o", two, "b", at(5*s)))
	want("the third", false, 0, 5*s, at(1*s), lease("o", two, "c", at(9*s)))
	want("a look", true, 0, 1*s, at(1*s), lease("o", two, "", at(9*s)))
	want("another owner's", true, 1, 1*s, at(1*s), lease("p", two, "d", at(9*s)))
	want("a nanosecond before the second ends", false, 0, 5*s, at(5*s-1), lease("o", two, "c", at(9*s)))
	want("under a max that was lowered", false, 0, 10*s, at(5*s-1), lease("o", slots(1), "c", at(9*s)))
	want("when the second ends", true, 0, 5*s, at(5*s), lease("o", two, "c", at(9*s)))
	want("the clock steps back", false, 0, 9*s, at(1*s), lease("o", two, "e", at(20*s)))

	if got, ok, _ := l.Lease(t.Context(), "a", at(9*s)); !ok || got.Scope != "scope of a" || got.Counter.Owner != "o" || !got.ExpiresAt.Equal(at(10*s)) {
		t.Errorf("the lease a is %+v, %t", got, ok)
	}
	for _, c := range []struct {
		id  string
		now time.Time
		ok  bool
	}{{"none", at(6 * s), false}, {"b", at(1 * s), false}, {"a", at(10 * s), false}, {"a", at(6 * s), true}, {"a", at(6 * s), false}} {
		if got := release(t, &l, c.id, c.now); got != c.ok {
			t.Errorf("release of %s at %v: %t, want %t", c.id, c.now, got, c.ok)
		}
	}
	want("after a release", true, 0, 6*s, at(6*s), lease("o", two, "f", at(20*s)))
	if err := l.Give(t.Context(), []Spend{lease("o", two, "f", at(20*s)), lease("q", two, "g", at(0))}, at(6*s), at(6*s)); err != nil {
		t.Fatal(err)
	}
	want("after it was given back", true, 1, 6*s, at(6*s), lease("o", two, "", at(0)))
}

// TestLeasesAndCountsAreTakenTogether has one refuse what the other allows.
func TestLeasesAndCountsAreTakenTogether(t *testing.T) {
	var l Local
	rate, two := limit(Fixed, 3, "10s"), slots(2)
	until := at(time.Minute)
	take(t, &l, at(0), spend("o", rate, 1), lease("o", two, "a", until))
	take(t, &l, at(0), spend("o", rate, 0), lease("o", two, "b", until))
	if out, ok := take(t, &l, at(0), spend("o", rate, 1), lease("o", two, "c", until)); ok || out[0].Remaining != 2 || !out[0].Allowed || out[1].Allowed {
		t.Errorf("no place is free: %t, %+v", ok, out)
	}
	if !release(t, &l, "b", at(0)) {
		t.Fatal("b is not held")
	}
	if out, ok := take(t, &l, at(0), spend("o", rate, 3), lease("o", two, "c", until)); ok || out[1].Remaining != 1 || !out[1].Allowed {
		t.Errorf("the rate is used up: %t, %+v", ok, out)
	}
	if release(t, &l, "c", at(0)) {
		t.Error("a refused call holds a lease")
	}
	if out, ok := take(t, &l, at(0), lease("o", two, "d", until), lease("o", two, "e", until)); ok || out[1].Remaining != 1 {
		t.Errorf("two of one place: %t, %+v", ok, out)
	}
	if _, ok := take(t, &l, at(0), lease("o", two, "f", until), spend("o", rate, 2)); !ok {
		t.Error("what is free is refused")
	}
}

// A leaseModel is a concurrency limit, plainly.
type leaseModel map[string]time.Time // id → when it ends

func (m leaseModel) expire(now time.Time) {
	for id, ends := range m {
		if !ends.After(now) {
			delete(m, id)
		}
	}
}

// TestLeasesAreThePureModel takes, gives and releases in turn, with a clock that
// steps back within the grace of sweeping.
func TestLeasesAreThePureModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var l Local
		models := map[string]leaseModel{"a": {}, "b": {}, "c": {}}
		now, highest := at(0), at(0)
		for i := range rapid.IntRange(1, 60).Draw(t, "calls") {
			owner := rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "owner")
			m := models[owner]
			most := rapid.Int64Range(1, 4).Draw(t, "max")
			switch rapid.IntRange(0, 3).Draw(t, "act") {
			case 0:
				id := fmt.Sprint(rapid.IntRange(0, i).Draw(t, "id"))
				held := false
				for _, m := range models {
					_, here := m[id]
					held = held || here && m[id].After(now)
					if held && here {
						delete(m, id)
					}
				}
				if ok, _ := l.Release(t.Context(), id, now); ok != held {
					t.Fatalf("release of %s: %t, want %t", id, ok, held)
				}
			default:
				m.expire(now)
				sp := lease(owner, slots(most), fmt.Sprint(i), now.Add(time.Duration(rapid.Int64Range(1, int64(8*time.Second)).Draw(t, "ttl"))))
				free := most - int64(len(m))
				out, ok, _ := l.Take(t.Context(), []Spend{sp}, nil, now)
				if ok != (free > 0) {
					t.Fatalf("%d of %d are held: %t", len(m), most, ok)
				}
				left := max(free, 0)
				if ok {
					left--
					m[sp.Lease.ID] = sp.Lease.ExpiresAt
				}
				if out[0].Remaining != left {
					t.Fatalf("%d are left, want %d", out[0].Remaining, left)
				}
				if !ok {
					ends := []time.Time{}
					for _, e := range m {
						ends = append(ends, e)
					}
					slices.SortFunc(ends, time.Time.Compare)
					if want := ends[int64(len(ends))-most]; !out[0].RetryAt.Equal(want) {
						t.Fatalf("retry at %v, want %v", out[0].RetryAt, want)
					}
				}
				if ok && rapid.IntRange(0, 3).Draw(t, "give") == 0 {
					if err := l.Give(t.Context(), []Spend{sp}, now, now); err != nil {
						t.Fatal(err)
					}
					delete(m, sp.Lease.ID)
				}
			}
			now = highest.Add(time.Duration(rapid.Int64Range(-sweepGrace, int64(3*time.Second)).Draw(t, "pause")))
			highest = later(highest, now)
		}
	})
}

// TestLeasesInParallel counts how many hold a place at the same time.
func TestLeasesInParallel(t *testing.T) {
	var l Local
	five := slots(5)
	var holding, passed atomic.Int64
	var wg sync.WaitGroup
	for g := range 16 {
		wg.Go(func() {
			for i := range 300 {
				id := fmt.Sprint(g, "-", i)
				_, ok, err := l.Take(t.Context(), []Spend{lease("o", five, id, at(time.Hour)), spend("p", limit(GCRA, MaxMax, "1h"), 1)}, nil, at(0))
				if err != nil {
					t.Error(err)
				}
				if !ok {
					continue
				}
				passed.Add(1)
				if n := holding.Add(1); n > 5 {
					t.Errorf("%d hold one of 5 places", n)
				}
				holding.Add(-1)
				if ok, _ := l.Release(t.Context(), id, at(0)); !ok {
					t.Errorf("%s is not held", id)
				}
			}
		})
	}
	wg.Wait()
	if passed.Load() < 300 {
		t.Errorf("only %d passed", passed.Load())
	}
	if out, _ := take(t, &l, at(0), lease("o", five, "", at(0))); out[0].Remaining != 5 {
		t.Errorf("at the end %d are left of 5", out[0].Remaining)
	}
	n := 0
	l.leases.Range(func(any, any) bool { n++; return true })
	if n != 0 {
		t.Errorf("%d leases are known at the end", n)
	}
}

func TestLeasesAreForgotten(t *testing.T) {
	var l Local
	for i := range 12_000 {
		now := at(time.Duration(i) * time.Millisecond)
		take(t, &l, now, lease(fmt.Sprint(i), slots(3), fmt.Sprint(i), now.Add(time.Second)))
	}
	known := 0
	l.leases.Range(func(any, any) bool { known++; return true })
	if n := l.Len(); n > 8000 || known != n { // 2,000 are held or in the grace at a time
		t.Errorf("%d counters are held, and %d leases known", n, known)
	}
}
