package ratelimit

import (
	"context"
	"errors"
	"hash/maphash"
	"math/bits"
	"strings"
	"sync"
	"time"
)

// A Spend is a cost to be counted against a limit.
type Spend struct {
	Counter Counter
	Limit   Limit
	Cost    int64

	// Lease is what to take under a concurrency limit, whose Cost says nothing;
	// nil looks without taking.
	Lease *Lease

	// Most is how many counters taken with a Most the owner may have at once;
	// 0: any number. It is for owners whose counters anybody can name.
	Most int
}

// ErrFull says that a call would need a new counter, and that there may be no
// more: none is forgotten while it counts, since that would let its owner pass.
var ErrFull = errors.New("there is no room for another counter")

// A Local is the limiter of one process. It holds its counters in memory, and
// drops those whose window has passed while others are taken. The zero value
// is ready to use.
type Local struct {
	// Most is about how many counters are held at once; 0: any number. Each
	// workspace may hold as many as are left free: half of them where it is
	// alone, and never so many that another finds no room. A call that needs
	// another one is refused with [ErrFull].
	Most int

	shards [shardCount]shard
	leases sync.Map // id → *place
}

// shardCount is at most 64, since a set of shards is the bits of a word.
const shardCount = 64

// inline is for how many spends Take needs no allocation.
const inline = 8

// sweepEach is how many counters are looked at for each that is taken. Two are
// enough for what has passed never to outnumber what has not for long.
const sweepEach = 2

// sweepFull is how many are looked at where there may be no more.
const sweepFull = 64

// A shard holds the counters of some owners.
type shard struct {
	mu      sync.Mutex
	index   map[Counter]int // counter → place in entries
	entries []entry
	hand    int                  // place at which sweeping goes on
	bounded map[string][]Counter // owner → its counters that were taken with a Most
	shares  map[string]int       // workspace → how many counters it has; nil where the limiter has no Most
}

type entry struct {
	counter Counter
	state   State
	held    []*place // of a concurrency limit, in the order in which they end
}

// over reports whether the entry has nothing more to say at the instant now.
func (e *entry) over(now int64) bool {
	if n := len(e.held); n > 0 {
		return e.held[n-1].ends <= now
	}
	return e.state.over(max(int64(e.counter.Window), 1), now)
}

var seed = maphash.MakeSeed()

// shardOf returns the number of the counter's shard. All counters of an owner
// are in one, so that the spends of a call seldom need a second lock.
func shardOf(c *Counter) int {
	return int(maphash.String(seed, c.Owner) % shardCount)
}

// A spot is where a spend's counter lies, and what becomes of it.
type spot struct {
	shard *shard
	place int // in the shard's entries; -1 if it is not there
	after State
}

// Take counts all the spends, or none of them if any is refused. It appends to
// out a decision for each and reports whether all are allowed. Where one is
// refused, what the others say is remaining is without the charge. A counter
// that several spends name is charged for them all.
func (l *Local) Take(_ context.Context, spends []Spend, out []Decision, now time.Time) ([]Decision, bool, error) {
	return l.take(spends, out, now, true)
}

// Look decides as Take would, and counts nothing.
func (l *Local) Look(_ context.Context, spends []Spend, out []Decision, now time.Time) ([]Decision, bool, error) {
	return l.take(spends, out, now, false)
}

func (l *Local) take(spends []Spend, out []Decision, now time.Time, count bool) ([]Decision, bool, error) {
	var room [inline]spot
	spots, set := l.find(spends, room[:0], now)
	defer l.unlock(set)
	first, all, bounded := len(out), true, l.Most > 0
	for i := range spends {
		sp, at := &spends[i], &spots[i]
		var d Decision
		if sp.Limit.Concurrent {
			d = l.decide(sp, at, wanted(spends, i), now)
		} else {
			at.after, d = Take(sp.Limit, at.before(), charge(spends, i), now)
			if sp.Cost <= 0 {
				d.Allowed = true // What refuses is an earlier spend on the counter.
			}
		}
		all, bounded = all && d.Allowed, bounded || sp.Most > 0
		out = append(out, d)
	}
	for i := range spends {
		if d := &out[first+i]; !all && d.Allowed {
			*d = l.peek(&spends[i], &spots[i], now)
		}
	}
	if all && bounded && !l.roomFor(spends, spots, nanos(now)) {
		return out[:first], false, ErrFull
	}
	if all && count {
		l.commit(spends, spots, nanos(now))
	}
	return out, all, nil
}

// peek returns the decision about a spend that takes nothing.
func (l *Local) peek(sp *Spend, at *spot, now time.Time) Decision {
	if sp.Limit.Concurrent {
		return l.decide(sp, at, 0, now)
	}
	_, d := Take(sp.Limit, at.before(), 0, now)
	return d
}

// commit sets the counters to what became of them. The sweep comes last, since
// it moves entries.
func (l *Local) commit(spends []Spend, spots []spot, now int64) {
	for i := range spots {
		at, sp := &spots[i], &spends[i]
		switch {
		case sp.Limit.Concurrent:
			if sp.Lease != nil {
				l.hold(at.shard, sp)
			}
		case at.place >= 0:
			at.shard.entries[at.place].state = at.after
		case at.after != (State{}):
			at.shard.insert(sp).state = at.after
		}
	}
	for i := range spots {
		l.sweep(spots[i].shard, now, sweepEach)
	}
}

// Give takes back spends that Take counted at the instant takenAt.
func (l *Local) Give(_ context.Context, spends []Spend, takenAt, now time.Time) error {
	var room [inline]spot
	spots, set := l.find(spends, room[:0], now)
	defer l.unlock(set)
	for i, at := range spots {
		switch {
		case at.place < 0:
		case spends[i].Limit.Concurrent:
			if spends[i].Lease != nil {
				l.end(&at.shard.entries[at.place], spends[i].Lease.ID)
			}
		default:
			st := &at.shard.entries[at.place].state
			*st = Give(spends[i].Limit, *st, spends[i].Cost, takenAt, now)
		}
	}
	return nil
}

// Len returns how many counters are held.
func (l *Local) Len() int {
	n := 0
	for i := range l.shards {
		s := &l.shards[i]
		s.mu.Lock()
		n += len(s.entries)
		s.mu.Unlock()
	}
	return n
}

// charge returns what spends up to the i-th cost the counter of the i-th.
func charge(spends []Spend, i int) int64 {
	cost := int64(0)
	for j := range spends[:i+1] {
		if j == i || spends[j].Counter == spends[i].Counter {
			cost += min(max(spends[j].Cost, 0), countCap/int64(len(spends)))
		}
	}
	return cost
}

// find locks the shards of all the spends, from the lowest number up so that no
// two calls wait for each other. It appends to spots where each counter lies,
// and returns the set of what it locked. A shard without room is swept first.
func (l *Local) find(spends []Spend, spots []spot, now time.Time) ([]spot, uint64) {
	set := uint64(0)
	for i := range spends {
		n := shardOf(&spends[i].Counter)
		spots = append(spots, spot{shard: &l.shards[n], place: -1})
		set |= 1 << n
	}
	for rest := set; rest != 0; rest &= rest - 1 {
		l.shards[bits.TrailingZeros64(rest)].mu.Lock()
	}
	if l.Most > 0 {
		l.makeRoom(spends, spots, nanos(now))
	}
	for i := range spots {
		if place, ok := spots[i].shard.index[spends[i].Counter]; ok {
			spots[i].place = place
		}
	}
	return spots, set
}

func (l *Local) unlock(set uint64) {
	for ; set != 0; set &= set - 1 {
		l.shards[bits.TrailingZeros64(set)].mu.Unlock()
	}
}

// before returns the state of the counter before the call.
func (at *spot) before() State {
	if at.place < 0 {
		return State{}
	}
	return at.shard.entries[at.place].state
}

// insert adds the counter of a spend, which an earlier spend of the same call
// may have done, and returns its entry.
func (s *shard) insert(sp *Spend) *entry {
	if place, ok := s.index[sp.Counter]; ok {
		return &s.entries[place]
	}
	if s.index == nil {
		s.index = map[Counter]int{}
	}
	own := sp.Counter.clone()
	s.index[own] = len(s.entries)
	s.entries = append(s.entries, entry{counter: own})
	if sp.Most > 0 {
		s.bind(own)
	}
	if s.shares != nil {
		s.shares[own.Workspace]++
	}
	return &s.entries[len(s.entries)-1]
}

// clone copies the counter's texts, which may be parts of a larger one that
// would stay in memory with them.
func (c *Counter) clone() Counter {
	return Counter{strings.Clone(c.Workspace), strings.Clone(c.Name), strings.Clone(c.Owner), c.Window}
}

// Grace is how long a counter is kept after its window: a clock that steps back
// by no more finds every count that it had left.
const Grace = time.Second

// sweep drops those of the next few counters whose window has passed, and the
// leases under them.
func (l *Local) sweep(s *shard, now int64, few int) {
	for range min(few, len(s.entries)) {
		if s.hand >= len(s.entries) {
			s.hand = 0
		}
		e := &s.entries[s.hand]
		if !e.over(now - int64(Grace)) {
			s.hand++
			continue
		}
		for _, p := range e.held {
			l.leases.Delete(p.ID)
		}
		s.drop(s.hand)
	}
}

// minShrink is the number of counters below which a shard does not bother to
// give memory back.
const minShrink = 256

// drop removes the entry at a place, to which the last one moves.
func (s *shard) drop(at int) {
	last := len(s.entries) - 1
	delete(s.index, s.entries[at].counter)
	if s.bounded != nil {
		s.unbind(s.entries[at].counter)
	}
	if s.shares != nil {
		s.unshare(s.entries[at].counter.Workspace)
	}
	if at != last {
		s.entries[at] = s.entries[last]
		s.index[s.entries[at].counter] = at
	}
	s.entries[last] = entry{}
	s.entries = s.entries[:last]
	if last < cap(s.entries)/8 && cap(s.entries) > minShrink {
		s.shrink()
	}
}

// shrink moves the counters to a smaller slice and map; those of Go only grow.
func (s *shard) shrink() {
	s.entries = append(make([]entry, 0, 2*len(s.entries)), s.entries...)
	s.index = make(map[Counter]int, 2*len(s.entries))
	for at := range s.entries {
		s.index[s.entries[at].counter] = at
	}
}
