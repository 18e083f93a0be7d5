package ratelimit

import (
	"errors"
	"fmt"
	"testing"
	"time"
)

// TestMostOfAnOwner invents names of limits for one owner.
func TestMostOfAnOwner(t *testing.T) {
	for _, a := range algorithms {
		var l Local
		named := func(name, owner string, cost int64) Spend {
			lim := limit(a, 5, "10s")
			lim.Name = name
			sp := spend(owner, lim, cost)
			sp.Most = 3
			return sp
		}
		refused := func(now time.Duration, spends ...Spend) bool {
			t.Helper()
			out, ok, err := l.Take(t.Context(), spends, nil, at(now))
			if err != nil && (!errors.Is(err, ErrFull) || ok || len(out) != 0) {
				t.Fatalf("%s: %v, %t, %v", a, out, ok, err)
			}
			return err != nil
		}
		for range 2 {
			if refused(0, named("1", "o", 1), named("2", "o", 1)) {
				t.Errorf("%s: the first two are refused", a)
			}
		}
		if !refused(0, named("3", "o", 1), named("4", "o", 1)) || l.Len() != 2 {
			t.Errorf("%s: two more are let in, or one of them; there are %d", a, l.Len())
		}
		if refused(0, named("3", "o", 0), named("4", "o", 0)) || refused(0, named("3", "o", 1)) {
			t.Errorf("%s: a third is refused, or a look", a)
		}
		if !refused(0, named("4", "o", 1)) || refused(0, named("4", "p", 1)) || refused(0, spend("o", limit(a, 5, "10s"), 1)) {
			t.Errorf("%s: a fourth is let in, or what is another's or not bounded is refused", a)
		}
		out, _ := take(t, &l, at(0), named("1", "o", 0))
		if out[0].Remaining != 3 {
			t.Errorf("%s: the first counts %d left, want 3", a, out[0].Remaining)
		}
		if refused(40*time.Second, named("4", "o", 1)) {
			t.Errorf("%s: refused when the others have passed", a)
		}
		for i := range 200 {
			refused(80*time.Second, spend(fmt.Sprint(i), limit(a, 5, "10s"), 1))
		}
		for i := range l.shards {
			for owner, of := range l.shards[i].bounded {
				for _, c := range of {
					if _, ok := l.shards[i].index[c]; !ok {
						t.Errorf("%s: %s still has %v", a, owner, c)
					}
				}
			}
		}
	}
}

// TestWhatWasGivenBackIsNoCounter gives back all that new counters have counted:
// they take the room of none.
func TestWhatWasGivenBackIsNoCounter(t *testing.T) {
	for _, a := range algorithms {
		var l Local
		for i := range 10 {
			sp := spend("o", limit(a, 5, "10s"), 2)
			sp.Counter.Name, sp.Most = fmt.Sprint(i), 3
			if _, ok, err := l.Take(t.Context(), []Spend{sp}, nil, at(0)); !ok || err != nil {
				t.Fatalf("%s: the %dth: %t, %v", a, i, ok, err)
			}
			if err := l.Give(t.Context(), []Spend{sp}, at(0), at(0)); err != nil {
				t.Fatal(err)
			}
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
