package usage

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"latchkey/internal/keys"
)

// TestNothingIsLostOrDoubled uses a few keys in every way from many sides,
// across the boundary of an hour and back, while others flush and read and some
// writes fail.
func TestNothingIsLostOrDoubled(t *testing.T) {
	const users, uses = 8, 12_000
	var mu sync.Mutex
	writes := 0
	w := &tap{UsageStore: open(t), before: func([]keys.Count, []keys.LastUse) error {
		mu.Lock()
		defer mu.Unlock()
		if writes++; writes%2 == 1 {
			return errDown
		}
		return nil
	}}
	r := New(w)
	recs := records(3)
	done := make(chan struct{})
	var flushers, group sync.WaitGroup
	for range 2 {
		flushers.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
					_ = r.Flush(t.Context()) // some fail, as they are told to
				}
			}
		})
	}
	for u := range users {
		group.Go(func() {
			for i := range uses {
				rec := recs[i%len(recs)]
				if i%50 == 0 {
					rec = record(i % len(recs)) // read anew
				}
				at := hour.Add(time.Duration(59*60+58+(i/100)%4) * time.Second) // 14:59:58 to 15:00:01, and back
				took := keys.Charged{Credits: int64(i % 2), Micros: int64(i % 5)}
				switch (i + u) % 4 {
				case 0:
					r.Verified(rec, keys.Valid, []string{"a", fmt.Sprintf("u%d", u)}, took, at)
				case 1:
					r.Verified(rec, keys.RateLimited, nil, keys.Charged{}, at)
					r.Spent(keyOf(rec), int64(i%5), at)
				default:
					r.Verified(rec, keys.Valid, nil, took, at)
				}
			}
		})
	}
	group.Wait()
	close(done)
	flushers.Wait()
	w.before = nil
	flush(t, r)
	if st := r.Stats(); st.Waiting != 0 || st.Dropped != 0 || st.Failures == 0 {
		t.Errorf("Stats = %+v, want failures alone", st)
	}
	wantAll(t, w.UsageStore, users, uses, recs)
}

// wantAll compares what a store has with what was done, in each hour and by
// key, outcome and tag.
func wantAll(t *testing.T, s keys.UsageStore, users, uses int, recs []*keys.Record) {
	t.Helper()
	want := map[string]keys.UsageSum{}
	add := func(name string, n int64, took keys.Charged) {
		u := want[name]
		u.N, u.Charged = u.N+n, u.Charged.Plus(took)
		want[name] = u
	}
	for u := range users {
		for i := range uses {
			at := 14 + (i/100)%4/2
			name := func(what string) string { return fmt.Sprintf("%d %s %s", at, recs[i%len(recs)].ID(), what) }
			took := keys.Charged{Credits: int64(i % 2), Micros: int64(i % 5)}
			switch (i + u) % 4 {
			case 1:
				add(name("rate_limited"), 1, keys.Charged{})
				add(name("valid"), 0, keys.Charged{Micros: int64(i % 5)})
				continue
			case 0:
				add(name("#a"), 1, took)
				add(name(fmt.Sprintf("#u%d", u)), 1, took)
			}
			add(name("valid"), 1, took)
		}
	}
	got := map[string]keys.UsageSum{}
	f := keys.UsageFilter{From: hour, To: hour.Add(2 * time.Hour), Bucket: keys.HourBucket}
	read := func(by keys.UsageGroups, what func(*keys.UsageSum) string) {
		f.By = by
		sums, err := s.SumUsage(context.Background(), "ws_1", f)
		if err != nil {
			t.Fatal(err)
		}
		for _, u := range sums {
			got[fmt.Sprintf("%d %s %s", u.Start.Hour(), u.KeyID, what(&u))] = keys.UsageSum{N: u.N, Charged: u.Charged}
		}
	}
	read(keys.UsageGroups{Key: true, Outcome: true}, func(u *keys.UsageSum) string { return u.Outcome })
	read(keys.UsageGroups{Key: true, Tag: true}, func(u *keys.UsageSum) string { return "#" + u.Tag })
	if len(got) != len(want) {
		t.Errorf("there are %d rows, want %d", len(got), len(want))
	}
	for name, u := range want {
		if got[name] != u {
			t.Errorf("%s: %+v, want %+v", name, got[name], u)
		}
	}
	// The totals are those of the keys.
	f.By = keys.UsageGroups{}
	var byKeyspace, byKey keys.UsageSum
	for _, to := range []*keys.UsageSum{&byKeyspace, &byKey} {
		sums, err := s.SumUsage(context.Background(), "ws_1", f)
		if err != nil {
			t.Fatal(err)
		}
		for _, u := range sums {
			to.N, to.Charged = to.N+u.N, to.Charged.Plus(u.Charged)
		}
		f.By.Key = true
	}
	if byKeyspace != byKey || byKey.N != int64(users*uses) {
		t.Errorf("the totals are %+v, those of the keys %+v, want %d uses", byKeyspace, byKey, users*uses)
	}
}

// TestAClockThatStepsBack counts each use in the hour in which it was, and
// moves no last use back.
func TestAClockThatStepsBack(t *testing.T) {
	var last time.Time
	w := &tap{UsageStore: open(t), before: func(_ []keys.Count, uses []keys.LastUse) error {
		for _, u := range uses {
			last = u.At
		}
		return nil
	}}
	r, rec := New(w), record(1)
	end := hour.Add(time.Hour)
	for i, at := range []time.Time{end.Add(-time.Second), end.Add(time.Second), end.Add(-2 * time.Second), end, end.Add(-1), end.AddDate(1, 0, 0), hour} {
		r.Verified(rec, keys.Valid, nil, keys.Charged{Credits: 1 << i}, at)
		r.Verified(rec, keys.Valid, []string{"a"}, keys.Charged{Credits: 1 << i}, at)
		if i == 3 {
			flush(t, r)
			if want := end.Add(time.Second); !last.Equal(want) {
				t.Errorf("the last use is at %v, want %v", last, want)
			}
		}
	}
	wantSums(t, r, keys.UsageFilter{}, "8 170 0") // the uses 0, 2, 4 and 6, twice
	wantSums(t, r, byTag, "a 4 85 0")
}

// TestSumsLeaveTheStoreToOthers has more readers than there may be at once.
func TestSumsLeaveTheStoreToOthers(t *testing.T) {
	r := New(open(t))
	for range maxReading {
		r.reading <- struct{}{}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := r.Sums(ctx, "ws_1", keys.UsageFilter{}); !keys.Is(err, keys.Unavailable) {
		t.Errorf("a sum too many: %v, want %s", err, keys.Unavailable)
	}
	<-r.reading
	wantSums(t, r, keys.UsageFilter{})
}
