package keys

import (
	"math"
	"runtime"
	"sync/atomic"
	"time"
	"unsafe"
)

// A Tally adds up the accepted uses of one record in one hour, and what they
// took, without a lock, until it is closed.
type Tally struct {
	Hour int32 // since 1970

	adding  atomic.Int32 // calls that have something to charge and are not done
	n       atomic.Int64
	seen    atomic.Int64 // Unix nanoseconds
	credits atomic.Int64
	micros  atomic.Int64
}

// closedTally is far enough below zero that no use brings it back.
const closedTally = math.MinInt64 / 2

// Add counts n uses at a time, and what they took, and reports false where the
// tally is closed.
func (t *Tally) Add(n int64, took Charged, now time.Time) bool {
	at := now.UnixNano()
	for before := t.seen.Load(); at > before && !t.seen.CompareAndSwap(before, at); before = t.seen.Load() {
	}
	if took == (Charged{}) {
		// Last, so that whoever closes the tally and finds the use finds its time too.
		return t.n.Add(n) >= 0
	}
	// Whoever closes the tally waits for those that it finds here: what they
	// took goes to the tally that has their uses, or to none.
	t.adding.Add(1)
	defer t.adding.Add(-1)
	if t.n.Add(n) < 0 {
		return false
	}
	t.credits.Add(took.Credits)
	t.micros.Add(took.Micros)
	return true
}

// Close returns the uses, what they took, and the time of the last one. It is
// called once.
func (t *Tally) Close() (n int64, took Charged, seen time.Time) {
	n = t.n.Swap(closedTally)
	for t.adding.Load() > 0 {
		runtime.Gosched()
	}
	return n, Charged{t.credits.Load(), t.micros.Load()}, time.Unix(0, t.seen.Load()).UTC()
}

// Tally returns where the record's uses are being counted; nil: nowhere yet.
func (r *Record) Tally() *Tally { return (*Tally)(atomic.LoadPointer(&r.tally)) }

// SetTally says where the record's next uses are to be counted.
func (r *Record) SetTally(t *Tally) { atomic.StorePointer(&r.tally, unsafe.Pointer(t)) }

// DropTally lets go of a tally that is closed, unless another has taken its
// place.
func (r *Record) DropTally(t *Tally) {
	atomic.CompareAndSwapPointer(&r.tally, unsafe.Pointer(t), nil)
}
