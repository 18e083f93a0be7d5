package keys

import (
	"reflect"
	"sync"
)

// A scopeTable lets records that were read apart share one [Scope]. It saves
// memory, and says nothing about which scope is the present one.
type scopeTable struct {
	mu     sync.Mutex
	scopes map[scopeID]*Scope
}

// A scopeID is what scopes are found by: root keys have no keyspace.
type scopeID struct{ workspace, keyspace string }

// maxScopes bounds the scopes that are held; beyond it all are forgotten.
const maxScopes = 4096

// share returns a scope that is equal to s in everything, which may be s.
func (t *scopeTable) share(s *Scope) *Scope {
	id := scopeID{s.Workspace.ID, s.Keyspace.ID}
	t.mu.Lock()
	known := t.scopes[id]
	t.mu.Unlock()
	if known != nil && reflect.DeepEqual(known, s) {
		return known
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.scopes == nil || len(t.scopes) >= maxScopes {
		t.scopes = make(map[scopeID]*Scope)
	}
	t.scopes[id] = s
	return s
}
