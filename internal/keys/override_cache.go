package keys

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
)

// An OverrideCache holds overrides in memory. It is exact as [Cache] is: a change
// is in force for every look-up that begins after the method that made it has
// returned.
type OverrideCache struct {
	store OverrideStore

	// fences count the changes; many namespaces share one. What was read is
	// good while the fence is where it was before the reading.
	fences [overrideFences]atomic.Uint64

	loading sync.Mutex // one reads for all that wait
	mu      sync.RWMutex
	known   map[string]knownOverrides // scope → its overrides
	size    int                       // about how many bytes all of them take
}

// A knownOverrides is what was read while a fence stood somewhere.
type knownOverrides struct {
	fence uint64
	size  int // about how many bytes it takes
	*overrides
}

const (
	overrideFences = 1 << 10

	// maxKnown bounds the bytes that are held. Beyond it those of the workspace
	// that asks are forgotten, which may ask about any number of namespaces.
	maxKnown = 64 << 20
)

// NewOverrideCache returns a cache of the overrides in store.
func NewOverrideCache(store Store) *OverrideCache {
	c := &OverrideCache{store: store}
	store.Observe(func(ch Change) {
		if ch.Kind == OverrideChanged {
			c.fenceOf(ch.ID).Add(1)
		}
	})
	return c
}

func (c *OverrideCache) fenceOf(scope string) *atomic.Uint64 {
	return &c.fences[fenceOf(scope)%overrideFences]
}

// Match returns the override that holds for an identifier, or nil.
func (c *OverrideCache) Match(ctx context.Context, workspaceID, namespace, identifier string) (*Override, error) {
	scope := OverrideScope(workspaceID, namespace)
	of := c.find(scope)
	if of == nil {
		var err error
		if of, err = c.load(ctx, workspaceID, namespace, scope); err != nil {
			return nil, err
		}
	}
	return of.match(identifier), nil
}

// find returns what is known of a namespace, nil where that is nothing or no
// longer good.
func (c *OverrideCache) find(scope string) *overrides {
	c.mu.RLock()
	known, ok := c.known[scope]
	c.mu.RUnlock()
	if !ok || c.fenceOf(scope).Load() != known.fence {
		return nil
	}
	return known.overrides
}

func (c *OverrideCache) load(ctx context.Context, workspaceID, namespace, scope string) (*overrides, error) {
	c.loading.Lock()
	defer c.loading.Unlock()
	if of := c.find(scope); of != nil {
		return of, nil
	}
	fence := c.fenceOf(scope).Load() // before the reading, so that a change during it counts
	list, err := c.store.Overrides(ctx, workspaceID, namespace, Page{})
	if err != nil {
		return nil, err
	}
	of := newOverrides(list)
	c.keep(workspaceID, strings.Clone(scope), knownOverrides{fence, of.size(scope), of})
	return of, nil
}

// keep adds what was read, and forgets others where it is too much.
func (c *OverrideCache) keep(workspaceID, scope string, read knownOverrides) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.forget(scope)
	if c.size+read.size > maxKnown {
		own := OverrideScope(workspaceID, "")
		for s := range c.known {
			if strings.HasPrefix(s, own) {
				c.forget(s)
			}
		}
	}
	if c.known == nil || c.size+read.size > maxKnown {
		c.known, c.size = map[string]knownOverrides{}, 0
	}
	c.known[scope] = read
	c.size += read.size
}

// forget drops what is known of a namespace, if anything.
func (c *OverrideCache) forget(scope string) {
	c.size -= c.known[scope].size
	delete(c.known, scope)
}

// size returns about how many bytes the overrides of a namespace take.
func (of *overrides) size(scope string) int {
	const each = 400 // an entry of a map, and the override
	n := each + len(scope)
	for pattern := range of.exact {
		n += each + len(pattern)
	}
	for i := range of.wild {
		n += 40*len(of.wild[i].segments) + 8*len(of.wild[i].Pattern)
	}
	return n
}

func newOverrides(list []Override) *overrides {
	of := &overrides{exact: map[string]*Override{}}
	for i := range list {
		if o := &list[i]; o.Wild() {
			of.wild = append(of.wild, newWildcard(o))
		}
		of.exact[list[i].Pattern] = &list[i]
	}
	slices.SortFunc(of.wild, func(a, b wildcard) int {
		return cmp.Or(cmp.Compare(b.literal, a.literal), cmp.Compare(a.ID, b.ID))
	})
	return of
}
