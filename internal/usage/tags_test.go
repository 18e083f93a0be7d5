package usage

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"latchkey/internal/keys"
)

// wantSums checks what the store has in the hour, by tag unless it says
// otherwise, as lines of tag and numbers.
func wantSums(t *testing.T, r *Recorder, f keys.UsageFilter, want ...string) {
	t.Helper()
	f.From, f.To, f.Bucket = hour, hour.Add(time.Hour), keys.HourBucket
	sums, err := r.Sums(t.Context(), "ws_1", f)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, u := range sums {
		got = append(got, strings.TrimSpace(fmt.Sprintf("%s %d %d %d", u.Tag, u.N, u.Credits, u.Micros)))
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%+v: %q, want %q", f, got, want)
	}
}

var byTag = keys.UsageFilter{By: keys.UsageGroups{Tag: true}}

func TestUsesAreCountedByTag(t *testing.T) {
	r, rec := New(open(t)), record(1)
	one := keys.Charged{Credits: 1, Micros: 10}
	for range 3 {
		r.Verified(rec, keys.Valid, []string{"b", "a"}, one, hour)
		r.Verified(rec, keys.Valid, []string{"a", "b", "a"}, one, hour.Add(time.Minute))
		r.Verified(rec, keys.Expired, []string{"a"}, keys.Charged{}, hour)
		r.Verified(rec, keys.Valid, nil, one, hour)
		flush(t, r)
	}
	r.Verified(rec, keys.Valid, []string{"a"}, one, hour.Add(time.Hour))
	r.Spent(keyOf(rec), 1000, hour)
	r.Spent(keyOf(rec), -1, hour)
	r.Spent(keyOf(rec), 0, hour)
	wantSums(t, r, byTag, "a 9 6 60", "b 6 6 60")
	wantSums(t, r, keys.UsageFilter{}, "12 9 1089")
	wantSums(t, r, keys.UsageFilter{KeyID: rec.ID()}, "12 9 1089")
	wantCount(t, r.store, rec, keys.Valid, 9)
	if st := r.Stats(); st != (Stats{}) {
		t.Errorf("Stats = %+v, want none", st)
	}
}

// TestATaggedUseIsALastUse looks at what is written of secrets.
func TestATaggedUseIsALastUse(t *testing.T) {
	var got []keys.LastUse
	w := &tap{UsageStore: open(t), before: func(_ []keys.Count, uses []keys.LastUse) error { got = append(got, uses...); return nil }}
	r, rec := New(w), record(1)
	r.Verified(rec, keys.Valid, []string{"a"}, keys.Charged{}, hour.Add(time.Minute))
	r.Verified(rec, keys.Expired, []string{"a"}, keys.Charged{}, hour.Add(time.Hour))
	flush(t, r)
	want := keys.LastUse{KeyID: rec.ID(), SecretID: rec.SecretID(), At: hour.Add(time.Minute)}
	if len(got) != 1 || got[0] != want {
		t.Errorf("the last uses are %+v, want %+v", got, want)
	}
}

// TestTagSetsAreBounded gives every use a tag of its own, as who tags with the
// id of a request.
func TestTagSetsAreBounded(t *testing.T) {
	r, rec, other := New(open(t)), record(1), record(2)
	use := func(rec *keys.Record, i int, at time.Time) {
		r.Verified(rec, keys.Valid, []string{fmt.Sprintf("request-%d", i)}, keys.Charged{Credits: 1}, at)
	}
	for i := range maxSets + 50 {
		use(rec, i, hour)
		if i%300 == 0 {
			flush(t, r)
		}
	}
	use(rec, 0, hour)         // which it has had
	use(rec, maxSets, hour)   // which it has had no room for
	use(other, maxSets, hour) // another key has room
	use(rec, maxSets, hour.Add(time.Hour))
	wantSums(t, r, keys.UsageFilter{Tag: "other"}, "51 51 0")
	wantSums(t, r, keys.UsageFilter{Tag: "request-0"}, "2 2 0")
	wantSums(t, r, keys.UsageFilter{Tag: fmt.Sprintf("request-%d", maxSets)}, "1 1 0")
	wantSums(t, r, keys.UsageFilter{}, fmt.Sprintf("%[1]d %[1]d 0", maxSets+53))

	// What is over is forgotten, though the clock may step back a little.
	use(rec, 0, hour.Add(2*time.Hour))
	flush(t, r)
	if n := r.sets.Load(); n != 3 { // of three hours
		use(rec, 0, hour)
	}
	held := int64(0)
	for i := range r.shards {
		for _, sets := range r.shards[i].tagged {
			held += int64(len(sets))
		}
	}
	if n := r.sets.Load(); n != held || n > 4 {
		t.Errorf("%d sets of tags are held, and %d are counted, want those of two hours and of the other key", held, n)
	}
}

// TestTagsTakeRoom has tags so long that few entries may wait.
func TestTagsTakeRoom(t *testing.T) {
	r := New(open(t))
	r.limit = 100
	long := []string{strings.Repeat("a", 128), strings.Repeat("b", 128), strings.Repeat("c", 128)}
	for i := range 100 {
		r.Verified(record(i), keys.Expired, long, keys.Charged{}, hour)
	}
	st := r.Stats()
	if st.Waiting > 100 || st.Dropped < 50 || st.Dropped == 100 {
		t.Errorf("Stats = %+v, want some uses of 100 dropped, and at most 100 entries that wait", st)
	}
	wantSums(t, r, keys.UsageFilter{}, fmt.Sprintf("%d 0 0", 100-st.Dropped))
	if n := r.Stats().Waiting; n != 0 {
		t.Errorf("%d entries wait after all are written", n)
	}
}

func TestBatchesWithTagsAreBounded(t *testing.T) {
	w := &tap{UsageStore: open(t)}
	w.before = func(counts []keys.Count, uses []keys.LastUse) error {
		rows := len(uses)
		for _, c := range counts {
			rows += 1 + c.Tags.Len()
		}
		if rows > batchRows {
			t.Errorf("a write comes to %d rows, want at most %d", rows, batchRows)
		}
		return nil
	}
	r := New(w)
	var tags []string
	for i := range keys.MaxTags {
		tags = append(tags, fmt.Sprintf("tag-%02d", i))
	}
	for _, rec := range records(100) {
		r.Verified(rec, keys.Valid, tags, keys.Charged{}, hour)
	}
	flush(t, r)
	if len(w.rows) < 5 {
		t.Errorf("2,200 rows were written in %d batches", len(w.rows))
	}
	wantSums(t, r, keys.UsageFilter{Tag: "tag-07"}, "100 0 0")
}

// TestTagsAreNotKept changes a text of the caller's after the use: it may be
// part of a buffer that another request gets.
func TestTagsAreNotKept(t *testing.T) {
	r, tags := New(open(t)), []string{"b", "a"}
	r.Verified(record(1), keys.Valid, tags, keys.Charged{}, hour)
	tags[0], tags[1] = "c", "d"
	wantSums(t, r, byTag, "a 1 0 0", "b 1 0 0")
}
