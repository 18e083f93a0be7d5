package keys

import (
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"latchkey/internal/ratelimit"
	"latchkey/internal/token"
)

func hashed(n uint64) *Record {
	r := &Record{Particulars: &plain}
	for i := range r.hash {
		r.hash[i] = byte(n >> (8 * (i % 8)))
	}
	return r
}

// TestRecordTable puts records in a shard whose generations hold a hundred, and
// looks for what it must still have and what it cannot have.
func TestRecordTable(t *testing.T) {
	const each = 100
	var s cacheShard
	if rec, _ := s.get(&token.Hash{}); rec != nil || s.len() != 0 {
		t.Fatal("an empty shard has a record")
	}
	for n := range uint64(1000) {
		rec := hashed(n)
		s.put(rec, each)
		s.put(rec, each) // again, which takes no room
		for back := range uint64(each) {
			if back > n {
				break
			}
			want := hashed(n - back)
			if got, _ := s.get(&want.hash); got == nil || got.hash != want.hash {
				t.Fatalf("after %d, %d is missing", n, n-back)
			}
		}
	}
	if n := s.len(); n < each || n > 2*each {
		t.Errorf("it holds %d records", n)
	}
	gone := hashed(3)
	if rec, _ := s.get(&gone.hash); rec != nil {
		t.Error("it holds what came first")
	}
	// A record of the old generation moves to the young one, in a new state.
	young, old := s.young.Load(), s.old.Load()
	for i := range old.slots {
		rec := old.slots[i].Load()
		if rec == nil || young.get(&rec.hash) != nil {
			continue
		}
		anew := &Record{hash: rec.hash, Particulars: &plain}
		s.put(anew, each)
		if got, old := s.get(&rec.hash); got != anew || old {
			t.Fatal("the newer record is not the one that is found")
		}
		break
	}
}

// TestRecordTableWeight fills a shard with records of keys that have much to
// them: it holds fewer of them.
func TestRecordTableWeight(t *testing.T) {
	const each = 1000
	f := plainFacts()
	f.Key.Meta = strings.Repeat("m", 10_000)
	heavy := newParticulars(f)
	if heavy.weight < 100 || heavy.weight > 110 {
		t.Fatalf("a key with 10,000 bytes of metadata, kept and rendered, weighs as much as %d plain ones", heavy.weight)
	}
	var s cacheShard
	for n := range uint64(1000) {
		rec := hashed(n)
		rec.Particulars = heavy
		s.put(rec, each)
	}
	if n := s.len(); n < each/(heavy.weight+1) || n > 2*(each/(heavy.weight+1)+1) {
		t.Errorf("it holds %d records", n)
	}
}

// TestRecordTableWeighsAnew fills a shard with light records, of which each is then
// read again as one that is heavy, or the other way round.
func TestRecordTableWeighsAnew(t *testing.T) {
	const each = 1000
	light, heavy := &plain, &Particulars{weight: 9}
	for _, change := range [][2]*Particulars{{light, heavy}, {heavy, light}} {
		var s cacheShard
		for _, p := range change {
			for n := range uint64(each - 1) {
				rec := hashed(n)
				rec.Particulars = p
				s.put(rec, each)
				if got, _ := s.get(&rec.hash); got != rec {
					t.Fatalf("it finds another record than the last")
				}
			}
		}
		for _, table := range []*recordTable{s.young.Load(), s.old.Load()} {
			if table == nil {
				t.Fatal("there is one generation")
			}
			size := 0
			for i := range table.slots {
				if rec := table.slots[i].Load(); rec != nil {
					size += rec.size()
				}
			}
			if size != table.weight || size > each+heavy.weight {
				t.Errorf("a generation of %d is said to be of %d, want at most %d", size, table.weight, each+heavy.weight)
			}
		}
	}
}

// TestRecordWeight holds what makes keys heavy against what they are said to
// weigh.
func TestRecordWeight(t *testing.T) {
	for name, tt := range map[string]struct {
		change   func(*Facts)
		min, max int
	}{
		"plain":       {func(*Facts) {}, 1, 1},
		"a long name": {func(f *Facts) { f.Key.Name = strings.Repeat("n", 1024) }, 5, 8},
		"names of limits": {func(f *Facts) {
			f.Key.Limits = slices.Repeat([]ratelimit.Limit{{Name: strings.Repeat("n", 500)}}, 32)
		}, 80, 250},
		"those of an owner": {func(f *Facts) {
			f.Owner = &Identity{ID: "idn_1", Limits: slices.Repeat([]ratelimit.Limit{{Name: strings.Repeat("n", 500)}}, 32)}
		}, 80, 250},
		"an owner's external id": {func(f *Facts) { f.Owner = &Identity{ID: "idn_1", ExternalID: strings.Repeat("e", 1024)} }, 5, 16},
		"an owner's metadata":    {func(f *Facts) { f.Owner = &Identity{ID: "idn_1", Meta: strings.Repeat("m", MaxMeta)} }, 320, 660},
		"what dialects keep":     {func(f *Facts) { f.Owner = &Identity{ID: "idn_1", Extra: Extra{"a": strings.Repeat("m", MaxExtra)}} }, 80, 180},
		"permissions":            {func(f *Facts) { f.Permissions = slices.Repeat([]string{"documents.read"}, MaxPermissions) }, 150, 300},
		"roles":                  {func(f *Facts) { f.Key.Roles = slices.Repeat([]string{"documents.reader"}, MaxRoles) }, 15, 40},
	} {
		f := plainFacts()
		tt.change(f)
		if got := NewRecord(f).size(); got < tt.min || got > tt.max {
			t.Errorf("%s: as much as %d plain keys, want %d to %d", name, got, tt.min, tt.max)
		}
	}
}

// TestRecordTableReaders reads while another goroutine makes the table grow.
func TestRecordTableReaders(t *testing.T) {
	var s cacheShard
	kept := hashed(1 << 40)
	s.put(kept, 1<<20)
	var group sync.WaitGroup
	stop := make(chan struct{})
	for range 4 {
		group.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if rec, _ := s.get(&kept.hash); rec != kept {
					t.Error("the record was gone for a moment")
					return
				}
			}
		})
	}
	for range 20_000 {
		s.put(hashed(rand.Uint64()>>1|1<<41), 1<<20)
	}
	close(stop)
	group.Wait()
}

// TestTally closes tallies while uses are counted: every use is in one of them,
// together with what it took.
func TestTally(t *testing.T) {
	const uses = 20_000
	rec := &Record{}
	var mu sync.Mutex
	var closed int64
	var took Charged
	closeTally := func() {
		mu.Lock()
		defer mu.Unlock()
		if old := rec.Tally(); old != nil {
			n, charged, _ := old.Close()
			closed, took = closed+n, took.Plus(charged)
		}
		rec.SetTally(new(Tally))
	}
	closeTally()
	var group sync.WaitGroup
	for g := range int64(4) { // one of them takes nothing
		group.Go(func() {
			for i := range uses {
				for !rec.Tally().Add(1, Charged{g, 10 * g}, time.Now()) {
				}
				if i%100 == 0 {
					closeTally()
				}
			}
		})
	}
	group.Wait()
	closeTally()
	if want := (Charged{6 * uses, 60 * uses}); closed != 4*uses || took != want {
		t.Errorf("%d uses were counted that took %+v, of %d and %+v", closed, took, 4*uses, want)
	}
	tally, at := new(Tally), time.UnixMilli(1e12)
	tally.Add(1, Charged{5, 0}, at)
	tally.Add(2, Charged{0, 7}, at.Add(-time.Hour))
	if n, charged, seen := tally.Close(); n != 3 || charged != (Charged{5, 7}) || !seen.Equal(at) {
		t.Errorf("%d uses that took %+v, the last at %v", n, charged, seen)
	}
	if tally.Add(1, Charged{}, at) || tally.Add(1, Charged{1, 1}, at) {
		t.Error("a closed tally takes a use")
	}
}
