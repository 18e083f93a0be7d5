package ratelimit

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// few is a spend of an owner who may have so many counters.
func few(owner, name string, cost int64, most int) Spend {
	l := limit(Fixed, 10, "10s")
	l.Name = name
	sp := spend(owner, l, cost)
	sp.Few = most
	return sp
}

func TestLocalFew(t *testing.T) {
	var l Local
	for _, step := range []struct {
		name   string
		after  time.Duration
		spends []Spend
		ok     bool
		left   []int64 // remaining, of each
		held   int
	}{
		{"as many as may be", 0, []Spend{few("o", "a", 1, 3), few("o", "b", 1, 3), few("o", "c", 1, 3)}, true, []int64{9, 9, 9}, 3},
		{"one more", 0, []Spend{few("o", "a", 1, 3), few("o", "d", 1, 3)}, false, []int64{9, 0}, 3},
		{"one that is there", 0, []Spend{few("o", "a", 1, 3)}, true, []int64{8}, 3},
		{"a look at one more", 0, []Spend{few("o", "d", 0, 3)}, true, []int64{0}, 3},
		{"any number of others", 0, []Spend{few("o", "x", 1, 0), few("o", "y", 1, 0)}, true, []int64{9, 9}, 5},
		{"another owner's", 0, []Spend{few("p", "a", 1, 3), few("p", "a", 1, 3)}, true, []int64{9, 8}, 6},
		{"too many at once", 0, []Spend{few("q", "a", 1, 1), few("q", "a", 1, 1), few("q", "b", 1, 1)}, false, []int64{10, 10, 0}, 6},
		{"when their windows have passed", 22 * time.Second, []Spend{few("o", "d", 1, 3), few("o", "e", 1, 3), few("o", "f", 1, 3)}, true, []int64{9, 9, 9}, 0},
		{"and again one more", 22 * time.Second, []Spend{few("o", "a", 1, 3)}, false, []int64{0}, 0},
	} {
		out, ok := take(t, &l, at(step.after), step.spends...)
		if ok != step.ok {
			t.Errorf("%s: %v, %+v", step.name, ok, out)
		}
		for i, d := range out {
			if d.Remaining != step.left[i] || !d.Allowed && d.RetryAt.IsZero() {
				t.Errorf("%s: the %d. says %+v, want %d remaining", step.name, i, d, step.left[i])
			}
		}
		if step.held > 0 && l.Len() != step.held {
			t.Errorf("%s: %d counters are held, want %d", step.name, l.Len(), step.held)
		}
	}
}

// TestLocalKeepsFew takes and gives in any order, and no owner ever has more
// counters than it may, nor a list of them that is not true.
func TestLocalKeepsFew(t *testing.T) {
	const most = 3
	rapid.Check(t, func(t *rapid.T) {
		var l Local
		now := at(0)
		for range rapid.IntRange(1, 60).Draw(t, "calls") {
			var spends []Spend
			for range rapid.IntRange(1, 6).Draw(t, "spends") {
				spends = append(spends, few(
					rapid.SampledFrom([]string{"o", "p"}).Draw(t, "owner"), fmt.Sprint(rapid.IntRange(0, 9).Draw(t, "name")),
					rapid.Int64Range(0, 2).Draw(t, "cost"), rapid.SampledFrom([]int{0, most, most, most}).Draw(t, "few")))
				if spends[len(spends)-1].Few == 0 {
					spends[len(spends)-1].Counter.Owner += " of any number"
				}
			}
			if _, ok, _ := l.Take(t.Context(), spends, nil, now); ok && rapid.Bool().Draw(t, "give") {
				_ = l.Give(t.Context(), spends, now, now)
			}
			listed, held := 0, 0
			for i := range l.shards {
				for owner, list := range l.shards[i].few {
					if listed += len(list); len(list) > most || len(list) == 0 {
						t.Fatalf("%s has %d counters, want 1 to %d", owner, len(list), most)
					}
				}
				for _, e := range l.shards[i].entries {
					if e.few {
						held++
					}
				}
			}
			if listed != held {
				t.Fatalf("%d counters are listed, and %d are there", listed, held)
			}
			now = now.Add(time.Duration(rapid.Int64Range(0, int64(15*time.Second)).Draw(t, "pause")))
		}
	})
}
