// Package usage counts verifications. It adds them up in memory by key, outcome
// and hour, and writes the sums to a [keys.UsageStore] every few seconds, so
// that no verification waits for storage. It keeps nothing itself: what was
// written is the store's, and what uses cost is the ledger's.
//
// A process that dies loses the counts that it has not written yet, those of
// the last few seconds. While the store cannot be reached, counts wait in
// memory, up to a bound; beyond it those of keys that do not wait already are
// dropped.
//
// A write that fails is tried again with the next one, since most failures
// come before the commit. The exception is an engine that committed and could
// not say so, as when a connection breaks in between: then the uses of that
// one batch are counted twice. Dropping what failed would lose counts in every
// outage; what must be exact, credits and limits, is counted elsewhere.
package usage

import (
	"hash/maphash"
	"sync"
	"sync/atomic"
	"time"

	"latchkey/internal/keys"
)

const (
	shardCount = 64

	// maxWaiting bounds the entries of the present interval, and those that
	// could not be written before; each takes some 200 bytes.
	maxWaiting = 1 << 20
)

// A Recorder adds up uses and writes the sums to a store.
type Recorder struct {
	// Failed hears of the first of a series of writes that failed; nil:
	// nobody. It must be set before the recorder is used.
	Failed func(error)

	store  keys.UsageStore
	shards [shardCount]shard
	limit  int64 // of tallied, and of unwritten

	tallied   atomic.Int64 // entries in the shards
	unwritten atomic.Int64 // entries in counts and uses
	dropped   atomic.Int64
	failures  atomic.Int64

	flushing chan struct{}              // holds a token while a flush goes on, which alone touches what follows
	counts   map[keys.Count]int64       // not written yet; the keys have no N
	uses     map[keys.LastUse]time.Time // not written yet; the keys have no At
	failing  bool                       // the last write failed
}

var (
	_ keys.Recorder = (*Recorder)(nil)
	_ keys.Usage    = (*Recorder)(nil)
)

// A shard holds what was counted of some keys since the last flush, which
// closes all its tallies.
type shard struct {
	mu      sync.Mutex
	tallies map[tallyID]*keys.Tally
	_       [48]byte // to the end of a cache line
}

// A tallyID is what uses are counted by while they come. A record stands for
// its key, owner and secret, so that no text has to be hashed and compared. A
// key whose record was read anew is counted twice, and added up by the flush.
type tallyID struct {
	rec     *keys.Record
	hour    int32 // since 1970
	outcome int32 // as wide as the hour: without a gap, a map hashes it in one go
}

// New returns a recorder that writes to store once [Recorder.Run] runs.
func New(store keys.UsageStore) *Recorder {
	r := &Recorder{store: store, limit: maxWaiting, flushing: make(chan struct{}, 1)}
	r.forget()
	for i := range r.shards {
		r.shards[i].tallies = make(map[tallyID]*keys.Tally)
	}
	return r
}

func (r *Recorder) forget() {
	r.counts, r.uses = make(map[keys.Count]int64), make(map[keys.LastUse]time.Time)
}

// Verified counts a use of a key. An accepted one is also the last use of its
// secret.
func (r *Recorder) Verified(rec *keys.Record, outcome keys.Outcome, now time.Time) {
	if outcome == keys.Valid {
		if t := rec.Tally(); t != nil && t.Hour == hourOf(now) && t.Add(1, now) {
			return
		}
	}
	r.note(rec, outcome, 1, now)
}

// Seen notes that a secret was presented and found good.
func (r *Recorder) Seen(rec *keys.Record, now time.Time) {
	r.note(rec, keys.Valid, 0, now)
}

func (r *Recorder) note(rec *keys.Record, outcome keys.Outcome, n int64, now time.Time) {
	id := tallyID{rec, hourOf(now), int32(outcome)}
	s := &r.shards[shardOf(rec.Key.ID)]
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.tallies[id]
	if t == nil {
		if r.tallied.Add(1) > r.limit {
			r.tallied.Add(-1)
			r.dropped.Add(1)
			return
		}
		t = &keys.Tally{Hour: id.hour}
		s.tallies[id] = t
		if outcome == keys.Valid {
			rec.SetTally(t)
		}
	}
	t.Add(n, now) // It is in the map, and closed when it no longer is.
}

func hourOf(now time.Time) int32 { return int32(now.Unix() / 3600) }

var seed = maphash.MakeSeed()

// shardOf returns the number of a key's shard.
func shardOf(keyID string) int {
	return int(maphash.String(seed, keyID) % shardCount)
}

// Stats are figures for metrics.
type Stats struct {
	Waiting  int   // entries that are not written yet
	Dropped  int64 // uses that were thrown away because too many entries waited
	Failures int64 // writes that failed
}

// Stats returns the recorder's figures.
func (r *Recorder) Stats() Stats {
	return Stats{
		Waiting:  int(r.tallied.Load() + r.unwritten.Load()),
		Dropped:  r.dropped.Load(),
		Failures: r.failures.Load(),
	}
}
