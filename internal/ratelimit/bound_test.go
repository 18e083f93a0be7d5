package ratelimit

import (
	"errors"
	"fmt"
	"testing"
	"time"
)

// TestRefusedCallsMakeNoCounter asks for what is refused, and looks.
func TestRefusedCallsMakeNoCounter(t *testing.T) {
	for _, a := range algorithms {
		var l Local
		lim := limit(a, 5, "10s")
		bounded := func(name string) Spend {
			sp := spend("o", lim, 1)
			sp.Counter.Name, sp.Most = name, 1
			return sp
		}
		take(t, &l, at(0), spend("o", lim, 6), lease("o", slots(1), "a", at(time.Minute)))
		take(t, &l, at(0), spend("o", lim, 0), lease("o", slots(1), "", at(0)))
		if _, _, err := l.Take(t.Context(), []Spend{bounded("1"), bounded("2")}, nil, at(0)); !errors.Is(err, ErrFull) {
			t.Errorf("%s: two of one: %v", a, err)
		}
		if _, _, err := l.Look(t.Context(), []Spend{spend("o", lim, 1), lease("o", slots(1), "a", at(time.Minute))}, nil, at(0)); err != nil {
			t.Error(err)
		}
		if l.Len() != 0 {
			t.Errorf("%s: calls that counted nothing left %d counters", a, l.Len())
		}
	}
}

// TestBoundsAreForgotten invents names of limits for many owners: of counters
// that are dropped no list of an owner's has any.
func TestBoundsAreForgotten(t *testing.T) {
	for _, a := range algorithms {
		var l Local
		for i := range 1000 {
			sp := spend(fmt.Sprint("o", i/3), limit(a, 5, "10s"), 1)
			sp.Counter.Name, sp.Most = fmt.Sprint(i), 3
			take(t, &l, at(time.Duration(i)*100*time.Millisecond), sp)
		}
		lists := 0
		for i := range l.shards {
			for owner, of := range l.shards[i].bounded {
				lists += len(of)
				for _, c := range of {
					if _, ok := l.shards[i].index[c]; !ok {
						t.Errorf("%s: %s still has %v", a, owner, c)
					}
				}
			}
		}
		if n := l.Len(); lists != n || n > 900 {
			t.Errorf("%s: %d counters are held, and %d are in lists", a, n, lists)
		}
	}
}

// TestMostInAll invents owners in one workspace, which has half.
func TestMostInAll(t *testing.T) {
	for _, a := range algorithms {
		l := Local{Most: 64 * 40}
		taken, full := 0, 0
		var one Spend
		for i := range 5000 {
			sp := spend(fmt.Sprint(i), limit(a, 5, "10s"), 1)
			switch _, ok, err := l.Take(t.Context(), []Spend{sp}, nil, at(0)); {
			case ok:
				taken, one = taken+1, sp
			case errors.Is(err, ErrFull):
				full++
			}
		}
		if taken != 64*20 || full != 5000-taken || l.Len() != taken {
			t.Errorf("%s: %d were taken and %d refused, want %d; %d are held", a, taken, full, 64*20, l.Len())
		}
		if out, ok, err := l.Take(t.Context(), []Spend{one}, nil, at(0)); !ok || err != nil || out[0].Remaining != 3 {
			t.Errorf("%s: one that is held: %v, %v", a, out, err)
		}
		for i := range 300 {
			sp := spend(fmt.Sprint("late ", i), limit(a, 5, "10s"), 1)
			if _, ok, err := l.Take(t.Context(), []Spend{sp}, nil, at(time.Minute)); !ok || err != nil {
				t.Fatalf("%s: when all have passed, the %dth: %v", a, i, err)
			}
		}
	}
}

// TestNoWorkspaceShutsOutOthers has some workspaces take all that they get, and
// another come after them.
func TestNoWorkspaceShutsOutOthers(t *testing.T) {
	const most = shardCount * 400
	l := Local{Most: most}
	fill := func(workspace string, upTo int, now time.Duration) (taken int) {
		for i := range upTo {
			sp := spend(fmt.Sprint(i), limit(Fixed, 5, "1h"), 1)
			sp.Counter.Workspace = workspace
			if _, ok, err := l.Take(t.Context(), []Spend{sp}, nil, at(now)); ok {
				taken++
			} else if !errors.Is(err, ErrFull) {
				t.Fatal(err)
			}
		}
		return taken
	}
	for i, want := range []int{most / 2, most / 4, most / 8} {
		if got := fill(fmt.Sprint("greedy", i), most, 0); got != want {
			t.Errorf("the %dth that takes all it gets has %d, want %d", i, got, want)
		}
	}
	if got := fill("modest", 500, 0); got != 500 {
		t.Errorf("one that comes after them has %d, want 500", got)
	}
	if got := fill("greedy0", most, 0); got != most/2 {
		t.Errorf("of the first %d go on to count, want %d", got, most/2)
	}
	if got := fill("greedy0", most, 2*time.Hour); got < most/3 {
		t.Errorf("when all have passed, the first has %d", got)
	}
	held := 0
	for i := range l.shards {
		for _, n := range l.shards[i].shares {
			held += n
		}
	}
	if held != l.Len() {
		t.Errorf("the workspaces have %d, and there are %d", held, l.Len())
	}
}
