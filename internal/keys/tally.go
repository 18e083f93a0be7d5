package keys

import (
	"math"
	"sync/atomic"
	"time"
	"unsafe"
)

// A Tally adds up the accepted uses of one record in one hour without a lock,
// until it is closed.
type Tally struct {
	Hour int32 // since 1970

	n    atomic.Int64
	seen atomic.Int64 // Unix nanoseconds
}

// closedTally is far enough below zero that no use brings it back.
const closedTally = math.MinInt64 / 2

// Add counts n uses at a time, and reports false where the tally is closed.
func (t *Tally) Add(n int64, now time.Time) bool {
	at := now.UnixNano()
	for before := t.seen.Load(); at > before && !t.seen.CompareAndSwap(before, at); before = t.seen.Load() {
	}
	// Last, so that whoever closes the tally and finds the use finds its time too.
	return t.n.Add(n) >= 0
}

// Close returns the uses and the time of the last one. It is called once.
func (t *Tally) Close() (n int64, seen time.Time) {
	n = t.n.Swap(closedTally)
	return n, time.Unix(0, t.seen.Load()).UTC()
}

// Tally returns where the record's uses are being counted; nil: nowhere yet.
func (r *Record) Tally() *Tally { return (*Tally)(atomic.LoadPointer(&r.tally)) }

// SetTally says where the record's next uses are to be counted.
func (r *Record) SetTally(t *Tally) { atomic.StorePointer(&r.tally, unsafe.Pointer(t)) }
