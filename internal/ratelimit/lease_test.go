package ratelimit

import (
	"fmt"
	"testing"
	"time"
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
