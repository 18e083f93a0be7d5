package usage

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"latchkey/internal/keys"
)

// records returns n records of keys of one owner.
func records(n int) []*keys.Record {
	out := make([]*keys.Record, n)
	for i := range out {
		out[i] = record(i)
	}
	return out
}

// record returns the record of the i-th key.
func record(i int) *keys.Record {
	return keys.NewRecord(&keys.Facts{
		Key: keys.Key{ID: fmt.Sprintf("key_%017d", i)}, SecretID: fmt.Sprintf("sec_%017d", i),
		Workspace: keys.Workspace{ID: "ws_1"}, Keyspace: keys.Keyspace{ID: "ks_1"}, Owner: &keys.Identity{ID: "idn_00000000000000001"},
	})
}

func TestCountingAgainAllocatesNothing(t *testing.T) {
	r := New(nil)
	rec, now := record(1), time.Now()
	r.Verified(rec, keys.Valid, nil, keys.Charged{}, now)
	if n := testing.AllocsPerRun(100, func() {
		now = now.Add(time.Microsecond)
		r.Verified(rec, keys.Valid, nil, keys.Charged{}, now)
		r.Verified(rec, keys.Valid, nil, keys.Charged{Credits: 1, Micros: 1}, now)
		r.Seen(rec, now)
	}); n > 0 {
		t.Errorf("Verified and Seen of a key that is counted already: %v allocations, want 0", n)
	}
}

func BenchmarkVerified(b *testing.B) {
	now := time.Now()
	for _, n := range []int{1, 1000, 100_000} {
		b.Run(fmt.Sprintf("keys=%d", n), func(b *testing.B) {
			r, recs := New(nil), records(n)
			for _, rec := range recs {
				r.Verified(rec, keys.Valid, nil, keys.Charged{}, now)
			}
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				r.Verified(recs[i%n], keys.Valid, nil, keys.Charged{}, now)
			}
		})
		b.Run(fmt.Sprintf("parallel/keys=%d", n), func(b *testing.B) {
			r, recs := New(nil), records(n)
			for _, rec := range recs {
				r.Verified(rec, keys.Valid, nil, keys.Charged{}, now)
			}
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				for i := rand.IntN(n); pb.Next(); i++ {
					r.Verified(recs[i%n], keys.Valid, nil, keys.Charged{}, now)
				}
			})
		})
	}
}

// BenchmarkVerifiedApart is the cost of uses that more is to be told of: what
// they took, and their tags.
func BenchmarkVerifiedApart(b *testing.B) {
	now := time.Now()
	for name, tags := range map[string][]string{"charged": nil, "tags=1": {"endpoint=/export"}, "tags=3": {"endpoint=/export", "region=eu", "plan=pro"}} {
		b.Run(name, func(b *testing.B) {
			r, recs := New(nil), records(1000)
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				r.Verified(recs[i%1000], keys.Valid, tags, keys.Charged{Credits: 1}, now)
			}
		})
	}
}

// BenchmarkFirst is the cost of a use of a key that was not counted since the
// last write.
func BenchmarkFirst(b *testing.B) {
	recs, now := records(10_000), time.Now()
	r := New(nil)
	for b.Loop() {
		for _, rec := range recs {
			r.Verified(rec, keys.Valid, nil, keys.Charged{}, now)
		}
		b.StopTimer()
		for i := range r.shards {
			r.shards[i].mu.Lock()
			clear(r.shards[i].tallies)
			r.shards[i].mu.Unlock()
		}
		r.tallied.Store(0)
		b.StartTimer()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(recs)), "ns/use")
}

// keyOf returns as much of the key of a record as is counted by.
func keyOf(rec *keys.Record) *keys.Key {
	return &keys.Key{ID: rec.ID(), WorkspaceID: rec.Workspace.ID, KeyspaceID: rec.Keyspace.ID, Owner: keys.Owner{ID: rec.OwnerID()}}
}
