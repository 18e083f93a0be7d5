package keys

import (
	"context"
	"hash/maphash"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"latchkey/internal/token"
)

// A Cache stands between verification and the store. It is exact: a change is
// in force for every look-up that begins after the method that made it has
// returned.
//
// Each record remembers the number of the last change that was known before it
// was read, and a table of fences remembers for each key and identity (many
// share a fence, which costs a reading now and then and no more) the number of
// the last change to it. A record is good while no fence that it stands behind
// has moved past it. A record that was read while a change was being made is
// past its fence at once.
//
// Only keys that exist are kept, so guesses cannot fill it; look-ups in the
// store are bounded in number at once, so guesses cannot drown it.
type Cache struct {
	store  Store
	shards [cacheShards]cacheShard
	each   int // plain keys that one generation of one shard has room for

	changing sync.Mutex    // held while a change is told
	seq      atomic.Uint64 // changes so far
	all      atomic.Uint64 // the last change that may concern any key
	fences   [fenceCount]atomic.Uint64

	loads    chan struct{} // a slot for each look-up in the store
	prefixes prefixTable
	scopes   scopeTable

	mu         sync.RWMutex
	workspaces map[string]knownWorkspace // what they were found by → workspace
}

const (
	cacheShards = 64
	fenceCount  = 1 << 14

	// maxWorkspaces bounds the workspaces that are held; beyond it all are
	// forgotten.
	maxWorkspaces = 4096
)

// A fenceMark is what a record is checked by.
type fenceMark struct {
	readAt     uint64 // the number of changes before it was read
	freshAt    uint64 // the number of changes at which it was last found fresh
	key, owner uint32 // its fences
}

var fenceSeed = maphash.MakeSeed()

func fenceOf(id string) uint32 {
	return uint32(maphash.String(fenceSeed, id) % fenceCount)
}

// NewCache returns a cache with room for the records of about size plain keys,
// or fewer of keys that have more to them. It reads from store with at most
// loads look-ups at once.
func NewCache(ctx context.Context, store Store, size, loads int) (*Cache, error) {
	c := &Cache{store: store, each: max(1, size/cacheShards/2), loads: make(chan struct{}, loads)}
	store.Observe(c.changed)
	checked, unchecked, err := store.Prefixes(ctx)
	if err != nil {
		return nil, err
	}
	for _, p := range checked {
		c.prefixes.add(p, true)
	}
	for _, p := range unchecked {
		c.prefixes.add(p, false)
	}
	return c, nil
}

// Find returns the record of the key with a live secret, or a NotFound error.
func (c *Cache) Find(ctx context.Context, secret token.Secret, now time.Time) (*Record, error) {
	hash := secret.Sum()
	shard := &c.shards[hash[0]%cacheShards]
	rec, old := shard.get(&hash)
	if rec != nil && c.fresh(rec) && rec.secretLive(now) {
		if old {
			shard.put(rec, c.each)
		}
		shard.hits.Add(1)
		return rec, nil
	}
	shard.misses.Add(1)
	if c.prefixes.impossible(secret.Reveal()) {
		return nil, errNoKey
	}
	rec, err := c.load(ctx, &hash, now)
	if err != nil {
		return nil, err
	}
	shard.put(rec, c.each)
	return rec, nil
}

var errNoKey = Errorf(NotFound, "no such key")

func (c *Cache) load(ctx context.Context, hash *token.Hash, now time.Time) (*Record, error) {
	select {
	case c.loads <- struct{}{}:
		defer func() { <-c.loads }()
	case <-ctx.Done():
		return nil, &Error{Code: Unavailable, Message: "too many look-ups at once", Err: ctx.Err()}
	}
	seq := c.seq.Load() // before the reading, so that a change during it counts
	facts, err := c.store.FactsByHash(ctx, *hash, now)
	if err != nil {
		return nil, err
	}
	rec := NewRecord(facts)
	c.admit(rec, *hash, seq)
	return rec, nil
}

// admit makes a record that was read after so many changes one of the cache's.
func (c *Cache) admit(rec *Record, hash token.Hash, seq uint64) {
	rec.Scope = c.scopes.share(rec.Scope)
	rec.hash = hash
	rec.fence = fenceMark{readAt: seq, key: fenceOf(rec.ID())}
	rec.fence.owner = rec.fence.key
	if rec.Owner != nil {
		rec.fence.owner = fenceOf(rec.Owner.ID)
	}
}

// fresh reports whether nothing that the record tells of has changed since. A
// record that was fresh at the last change of all is so until the next.
func (c *Cache) fresh(rec *Record) bool {
	f := &rec.fence
	seq := c.seq.Load() // before the fences, which are moved before it
	if atomic.LoadUint64(&f.freshAt) == seq && seq != 0 {
		return true
	}
	if c.all.Load() > f.readAt || c.fences[f.key].Load() > f.readAt || c.fences[f.owner].Load() > f.readAt {
		return false
	}
	atomic.StoreUint64(&f.freshAt, seq)
	return true
}

// changed moves the fences that a change concerns, and then the number of
// changes: whoever sees that number sees the fence too. The store calls it
// after the commit and before the change is acknowledged.
func (c *Cache) changed(ch Change) {
	if ch.Kind == SecretAdded {
		c.prefixes.add(ch.Prefix, ch.Checked)
		return
	}
	c.changing.Lock()
	defer c.changing.Unlock()
	n := c.seq.Load() + 1
	switch ch.Kind {
	case AnyChanged:
		c.all.Store(n)
	case OverrideChanged:
		return // no record tells of them
	case KeyChanged, IdentityChanged:
		c.fences[fenceOf(ch.ID)].Store(n)
	}
	c.seq.Store(n)
}

// A knownWorkspace is a workspace as it was read after some changes.
type knownWorkspace struct {
	readAt uint64
	Workspace
}

// Workspace finds a workspace by id, path, UUID or slug, as exactly as
// [Cache.Find] finds a key: callers that act in one name it in every request.
func (c *Cache) Workspace(ctx context.Context, ref string) (Workspace, error) {
	c.mu.RLock()
	known, ok := c.workspaces[ref]
	c.mu.RUnlock()
	if ok && c.all.Load() <= known.readAt {
		return known.Workspace, nil
	}
	seq := c.seq.Load() // before the reading, so that a change during it counts
	ws, err := c.store.Workspace(ctx, ref)
	if err != nil {
		return ws, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.workspaces == nil || len(c.workspaces) >= maxWorkspaces {
		c.workspaces = make(map[string]knownWorkspace)
	}
	c.workspaces[strings.Clone(ref)] = knownWorkspace{seq, ws}
	return ws, nil
}

// CacheStats are figures for metrics.
type CacheStats struct {
	Hits, Misses int64
	Records      int
}

// Stats returns the cache's figures.
func (c *Cache) Stats() CacheStats {
	var st CacheStats
	for i := range c.shards {
		s := &c.shards[i]
		st.Records += s.len()
		st.Hits += s.hits.Load()
		st.Misses += s.misses.Load()
	}
	return st
}

// A prefixTable tells which texts cannot be secrets of ours: those whose
// prefix only ever stood before secrets with a checksum, and whose checksum is
// wrong.
type prefixTable struct {
	mu      sync.RWMutex
	checked map[string]bool // apparent prefix → all secrets under it carry a checksum
}

func (t *prefixTable) add(prefix string, checked bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.checked == nil {
		t.checked = make(map[string]bool)
	}
	before, known := t.checked[prefix]
	t.checked[prefix] = checked && (before || !known)
}

func (t *prefixTable) impossible(s string) bool {
	prefix, ok := token.Checked(s)
	if ok {
		return false
	}
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.checked[prefix]
}
