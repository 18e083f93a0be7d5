package keys

import (
	"encoding/binary"
	"math/rand/v2"
	"sync"
	"sync/atomic"

	"latchkey/internal/token"
)

// A cacheShard holds two generations. The young one is filled; when it is
// full, the old one is dropped and the young one takes its place. A hit in the
// old one moves the record to the young one.
//
// It is read without a lock: a lock's cache line, which every reader writes to,
// costs more than the reading.
type cacheShard struct {
	young, old atomic.Pointer[recordTable]
	misses     atomic.Int64
	mu         sync.Mutex // held by writers

	_    [64]byte // keeps what every reader writes off what every reader reads
	hits atomic.Int64
	_    [56]byte
}

func (s *cacheShard) get(hash *token.Hash) (rec *Record, old bool) {
	if rec = s.young.Load().get(hash); rec != nil {
		return rec, false
	}
	rec = s.old.Load().get(hash)
	return rec, rec != nil
}

func (s *cacheShard) put(rec *Record, each int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	young := s.young.Load()
	if young != nil && young.weight >= each {
		s.old.Store(young)
		young = newRecordTable(minTable)
	}
	if slot := young.find(&rec.hash); slot != nil {
		if was := slot.Load(); was != nil { // which may be heavier by now
			young.weight += rec.size() - was.size()
			slot.Store(rec)
			return
		}
	}
	if young == nil || 2*(young.used+1) > len(young.slots) {
		young = young.grown()
	}
	young.find(&rec.hash).Store(rec)
	young.used++
	young.weight += rec.size()
	s.young.Store(young)
}

func (s *cacheShard) len() int { return s.young.Load().len() + s.old.Load().len() }

// A recordTable finds records by the hash of their secret. The slot that the
// hash names is mostly free or right; if not, one of the next is. At least half
// of the slots are free, and none is freed again.
type recordTable struct {
	slots []atomic.Pointer[Record] // a power of two

	used, weight int // of its records; for the writer alone, who holds the shard's lock
}

// slotSeeds are random, so that nobody who imports hashes of his own choice can
// make them fall on one slot.
var slotSeeds = [2]uint64{rand.Uint64() | 1, rand.Uint64() | 1}

// slotOf returns the slot at which to look first for a hash, of a power of two.
func slotOf(hash *token.Hash, slots int) int {
	mixed := binary.LittleEndian.Uint64(hash[8:])*slotSeeds[0] + binary.LittleEndian.Uint64(hash[16:])*slotSeeds[1]
	return int(mixed>>32) & (slots - 1)
}

const minTable = 16 // slots

func newRecordTable(slots int) *recordTable {
	return &recordTable{slots: make([]atomic.Pointer[Record], slots)}
}

// find returns the slot of a hash: that of its record, or the free one where it
// would be. A nil table has none.
func (t *recordTable) find(hash *token.Hash) *atomic.Pointer[Record] {
	if t == nil {
		return nil
	}
	for i := slotOf(hash, len(t.slots)); ; i = (i + 1) & (len(t.slots) - 1) {
		slot := &t.slots[i]
		if rec := slot.Load(); rec == nil || rec.hash == *hash {
			return slot
		}
	}
}

func (t *recordTable) get(hash *token.Hash) *Record {
	if slot := t.find(hash); slot != nil {
		return slot.Load()
	}
	return nil
}

// grown returns a table of twice the size with the same records.
func (t *recordTable) grown() *recordTable {
	if t == nil {
		return newRecordTable(minTable)
	}
	larger := newRecordTable(2 * len(t.slots))
	for i := range t.slots {
		if rec := t.slots[i].Load(); rec != nil {
			larger.find(&rec.hash).Store(rec)
		}
	}
	larger.used, larger.weight = t.used, t.weight
	return larger
}

func (t *recordTable) len() (n int) {
	if t == nil {
		return 0
	}
	for i := range t.slots {
		if t.slots[i].Load() != nil {
			n++
		}
	}
	return n
}
