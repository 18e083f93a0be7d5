// Package usage counts verifications, the credits that they took and the money
// that was spent. It adds them up in memory by key, outcome, hour and tags, and
// writes the sums to a [keys.UsageStore] every few seconds, so that no
// verification waits for storage. It keeps nothing itself: what was written is
// the store's, and balances are the ledger's.
//
// A key has at most a thousand different sets of tags an hour; the uses with
// more are counted as if they had the one tag "other". A process that begins
// anew begins that count anew.
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
	// could not be written before; each takes some 200 bytes. One whose tags
	// take more counts as several.
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
	sets      atomic.Int64 // of tags, in the shards

	reading  chan struct{}              // holds a token for each sum that is being read
	flushing chan struct{}              // holds a token while a flush goes on, which alone touches what follows
	counts   map[keys.Count]sum         // not written yet; the keys have nothing but what they are of
	uses     map[keys.LastUse]time.Time // not written yet; the keys have no At
	failing  bool                       // the last write failed
}

// A sum is how many uses there were, and what they took.
type sum struct {
	n    int64
	took keys.Charged
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
	apart   map[keys.Count]*sum  // with tags, or spent outside of a verification; the keys are as in counts
	tagged  map[keyHour][]uint64 // the sets of tags that a key had in an hour, hashed
	latest  int32                // the hour in which something was last counted here
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
	r := &Recorder{store: store, limit: maxWaiting, flushing: make(chan struct{}, 1), reading: make(chan struct{}, maxReading)}
	r.forget()
	for i := range r.shards {
		r.shards[i] = shard{tallies: map[tallyID]*keys.Tally{}, apart: map[keys.Count]*sum{}, tagged: map[keyHour][]uint64{}}
	}
	return r
}

func (r *Recorder) forget() {
	r.counts, r.uses = make(map[keys.Count]sum), make(map[keys.LastUse]time.Time)
}

// Verified counts a use of a key. An accepted one is also the last use of its
// secret.
func (r *Recorder) Verified(rec *keys.Record, outcome keys.Outcome, tags []string, took keys.Charged, now time.Time) {
	n := int64(1)
	if len(tags) > 0 {
		r.countApart(countOf(rec, outcome), keys.NewTagSet(tags), sum{1, took}, now)
		if outcome != keys.Valid {
			return
		}
		n, took = 0, keys.Charged{} // what is left is to note the last use
	}
	if outcome == keys.Valid {
		if t := rec.Tally(); t != nil && t.Hour == hourOf(now) && t.Add(n, took, now) {
			return
		}
	}
	r.note(rec, outcome, n, took, now)
}

// Seen notes that a secret was presented and found good.
func (r *Recorder) Seen(rec *keys.Record, now time.Time) {
	r.note(rec, keys.Valid, 0, keys.Charged{}, now)
}

// Spent adds money that was spent outside of a verification.
func (r *Recorder) Spent(k *keys.Key, micros int64, now time.Time) {
	if micros != 0 {
		of := keys.Count{WorkspaceID: k.WorkspaceID, KeyspaceID: k.KeyspaceID, KeyID: k.ID, OwnerID: k.Owner.ID}
		r.countApart(of, "", sum{0, keys.Charged{Micros: micros}}, now)
	}
}

// countOf returns what the uses of a key with one outcome are counted by.
func countOf(rec *keys.Record, outcome keys.Outcome) keys.Count {
	return keys.Count{
		WorkspaceID: rec.Workspace.ID, KeyspaceID: rec.Keyspace.ID, KeyID: rec.ID(), OwnerID: rec.OwnerID(), Outcome: outcome,
	}
}

func (r *Recorder) note(rec *keys.Record, outcome keys.Outcome, n int64, took keys.Charged, now time.Time) {
	id := tallyID{rec, hourOf(now), int32(outcome)}
	s := &r.shards[shardOf(rec.ID())]
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.tallies[id]
	if t == nil {
		if !r.admit(1) {
			return
		}
		t = &keys.Tally{Hour: id.hour}
		s.tallies[id] = t
		if outcome == keys.Valid {
			rec.SetTally(t)
		}
	}
	t.Add(n, took, now) // It is in the map, and closed when it no longer is.
}

// admit reports whether one more entry may be held until the next flush; if
// not, the use is dropped.
func (r *Recorder) admit(weight int64) bool {
	if r.tallied.Add(weight) <= r.limit {
		return true
	}
	r.tallied.Add(-weight)
	r.dropped.Add(1)
	return false
}

func hourOf(now time.Time) int32 { return int32(now.Unix() / 3600) }

func timeOf(hour int32) time.Time { return time.Unix(int64(hour)*3600, 0).UTC() }

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
