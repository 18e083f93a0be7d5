package ratelimit

import (
	"context"
	"hash/maphash"
	"math/bits"
	"slices"
	"strings"
	"sync"
	"time"
)

// A Spend is a cost to be counted against a limit.
type Spend struct {
	Counter Counter
	Limit   Limit
	Cost    int64

	// Few is how many counters of such spends the owner may have at once, so
	// that who chooses their names cannot fill the memory: a spend that would
	// make one more is refused. 0 means any number.
	Few int
}

// A Local is the limiter of one process. It holds its counters in memory, and
// drops those whose window has passed while others are taken. The zero value
// is ready to use.
type Local struct {
	shards [shardCount]shard
}

// shardCount is at most 64, since a set of shards is the bits of a word.
const shardCount = 64

// inline is for how many spends Take needs no allocation.
const inline = 8

// sweepEach is how many counters are looked at for each that is taken. Two are
// enough for what has passed never to outnumber what has not for long.
const sweepEach = 2

// A shard holds the counters of some owners.
type shard struct {
	mu      sync.Mutex
	index   map[Counter]int // counter → place in entries
	entries []entry
	hand    int // place at which sweeping goes on

	few map[string][]Counter // owner → its counters of spends that may be few
	_   [8]byte              // to the end of a cache line
}

type entry struct {
	counter Counter
	state   State
	few     bool // it is in the shard's list of its owner
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
	var room [inline]spot
	spots, set := l.find(spends, room[:0], nanos(now))
	defer l.unlock(set)
	first, all := len(out), true
	for i := range spends {
		sp, at := &spends[i], &spots[i]
		after, d := Take(sp.Limit, at.before(), charge(spends, i), now)
		if sp.Few > 0 && at.place < 0 && crowded(spends, spots, i) {
			after, d.Allowed, d.Remaining, d.RetryAt = State{}, false, 0, d.WindowEnd
		}
		if sp.Cost <= 0 {
			d.Allowed = true // What refuses is an earlier spend on the counter.
		}
		all = all && d.Allowed
		at.after, out = after, append(out, d)
	}
	for i := range spends {
		if d := &out[first+i]; !all && d.Allowed {
			_, *d = Take(spends[i].Limit, spots[i].before(), 0, now)
		}
	}
	if all {
		commit(spends, spots, nanos(now))
	}
	return out, all, nil
}

// commit sets the counters to what became of them. The sweep comes last, since
// it moves entries.
func commit(spends []Spend, spots []spot, now int64) {
	for i, at := range spots {
		if at.place >= 0 {
			at.shard.entries[at.place].state = at.after
		} else if at.after != (State{}) {
			at.shard.insert(&spends[i].Counter, at.after, spends[i].Few > 0)
		}
	}
	for i := range spots {
		spots[i].shard.sweep(now)
	}
}

// Give takes back spends that Take counted at the instant takenAt.
func (l *Local) Give(_ context.Context, spends []Spend, takenAt, now time.Time) error {
	var room [inline]spot
	spots, set := l.find(spends, room[:0], nanos(now))
	defer l.unlock(set)
	for i, at := range spots {
		if at.place >= 0 {
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

// crowded reports whether the i-th spend would make a counter more than its owner
// may have, with those that the spends before it make.
func crowded(spends []Spend, spots []spot, i int) bool {
	c := &spends[i].Counter
	n := len(spots[i].shard.few[c.Owner])
	for j := range spends[:i] {
		o := &spends[j].Counter
		if o.Owner != c.Owner || spends[j].Few == 0 || spots[j].place >= 0 || spots[j].after == (State{}) {
			continue
		}
		if *o == *c {
			return false // which makes this one
		}
		n++
	}
	return n >= spends[i].Few
}

// find locks the shards of all the spends, from the lowest number up so that no
// two calls wait for each other. It appends to spots where each counter lies,
// and returns the set of what it locked.
func (l *Local) find(spends []Spend, spots []spot, now int64) ([]spot, uint64) {
	set := uint64(0)
	for i := range spends {
		n := shardOf(&spends[i].Counter)
		spots = append(spots, spot{shard: &l.shards[n], place: -1})
		set |= 1 << n
	}
	for rest := set; rest != 0; rest &= rest - 1 {
		l.shards[bits.TrailingZeros64(rest)].mu.Lock()
	}
	for i := range spends {
		if few := spends[i].Few; few > 0 && len(spots[i].shard.few[spends[i].Counter.Owner]) >= few {
			spots[i].shard.sweepOwner(spends[i].Counter.Owner, now)
		}
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

// insert adds a counter, which an earlier spend of the same call may have done.
func (s *shard) insert(c *Counter, st State, few bool) {
	if place, ok := s.index[*c]; ok {
		s.entries[place].state = st
		return
	}
	if s.index == nil {
		s.index = map[Counter]int{}
	}
	own := c.clone()
	s.index[own] = len(s.entries)
	s.entries = append(s.entries, entry{own, st, few})
	if few {
		if s.few == nil {
			s.few = map[string][]Counter{}
		}
		s.few[own.Owner] = append(s.few[own.Owner], own)
	}
}

// clone copies the counter's texts, which may be parts of a larger one that
// would stay in memory with them.
func (c *Counter) clone() Counter {
	return Counter{strings.Clone(c.Workspace), strings.Clone(c.Name), strings.Clone(c.Owner), c.Window}
}

// sweepGrace is how long a counter is kept after its window: a clock that steps
// back by no more finds every count that it had left.
const sweepGrace = int64(time.Second)

// over reports whether the window of the counter at a place has passed.
func (s *shard) over(at int, now int64) bool {
	e := &s.entries[at]
	return e.state.over(max(int64(e.counter.Window), 1), now-sweepGrace)
}

// sweepOwner drops those of an owner's few counters whose window has passed.
func (s *shard) sweepOwner(owner string, now int64) {
	for _, c := range slices.Clone(s.few[owner]) {
		if at := s.index[c]; s.over(at, now) {
			s.drop(at)
		}
	}
}

// sweep drops those of the next few counters whose window has passed.
func (s *shard) sweep(now int64) {
	for range min(sweepEach, len(s.entries)) {
		if s.hand >= len(s.entries) {
			s.hand = 0
		}
		if !s.over(s.hand, now) {
			s.hand++
			continue
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
	gone := s.entries[at]
	delete(s.index, gone.counter)
	if gone.few {
		s.forget(&gone.counter)
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

// forget takes a counter from the list of its owner.
func (s *shard) forget(c *Counter) {
	rest := slices.DeleteFunc(s.few[c.Owner], func(o Counter) bool { return o == *c })
	if len(rest) == 0 {
		delete(s.few, c.Owner)
		return
	}
	s.few[c.Owner] = rest
}

// shrink moves the counters to a smaller slice and map; those of Go only grow.
func (s *shard) shrink() {
	s.entries = append(make([]entry, 0, 2*len(s.entries)), s.entries...)
	s.index = make(map[Counter]int, 2*len(s.entries))
	for at := range s.entries {
		s.index[s.entries[at].counter] = at
	}
}
