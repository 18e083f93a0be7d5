package keys_test

import (
	"reflect"
	"strings"
	"testing"

	"latchkey/internal/keys"
)

// needsNothing are the methods of the manager that are for the holder of any
// key, and of that key alone.
var needsNothing = []string{"EndSelf", "OwnKey", "OwnKeys"}

// needsMore are the methods that tests of their own authorize.
var needsMore = []string{"DeclareKeyspaces", "ReplaceIdentity", "KeyBySecret", "KeyByHash", "Referents", "ActIn", "Funds"}

// TestEveryMethodIsCalled finds methods that take an actor and are not among
// the calls that [TestEveryCallIsAuthorized] makes.
func TestEveryMethodIsCalled(t *testing.T) {
	called := map[string]bool{}
	for _, c := range calls(newHome(t)) {
		name, _, _ := strings.Cut(c.name, " ")
		called[name] = true
	}
	for _, name := range append(needsNothing, needsMore...) {
		if called[name] {
			t.Errorf("%s is called, and said not to be", name)
		}
		called[name] = true
	}
	manager, actor := reflect.TypeFor[*keys.Manager](), reflect.TypeFor[keys.Actor]()
	for m := range manager.Methods() {
		if takes := m.Type.NumIn() > 2 && m.Type.In(2) == actor; takes && !called[m.Name] {
			t.Errorf("nothing tests that %s is authorized", m.Name)
		}
		delete(called, m.Name)
	}
	for name := range called {
		t.Errorf("the manager has no method %s", name)
	}
}

// TestReplaceTellsNothing replaces identities that are there and that are not,
// by who may neither make nor change one: both are answered alike.
func TestReplaceTellsNothing(t *testing.T) {
	h := newHome(t)
	by := h.granted("identities.*.read", "identities.*.delete")
	there := keys.Identity{ExternalID: "there", Kind: keys.Customer}
	_, err := h.manager.CreateIdentity(t.Context(), h.root, there)
	h.ok(err)
	for _, match := range []keys.Match{{}, {Given: true, Any: true}} {
		for _, external := range []string{"there", "elsewhere"} {
			_, _, err := h.manager.ReplaceIdentity(t.Context(), by, keys.Identity{ExternalID: external, Kind: keys.Customer}, match)
			if e := keys.AsError(err); e.Code != keys.Forbidden || e.Missing != "identities.*.create" {
				t.Errorf("%s with %+v: %v", external, match, err)
			}
		}
	}
}

// TestDeclareIsAuthorized declares a keyspace by who may make or change one
// alone, and by who may do both.
func TestDeclareIsAuthorized(t *testing.T) {
	h := newHome(t)
	declared := []keys.Keyspace{{Slug: "declared", Policy: keys.DefaultPolicy()}}
	declare := func(grants ...string) error {
		by := h.root
		by.Grants = keys.ParseGrants(grants)
		return h.manager.DeclareKeyspaces(t.Context(), by, declared)
	}
	h.refused("by who may only change keyspaces", declare("keyspaces.*.update"), keys.Forbidden)
	h.refused("by who may only make keyspaces", declare("keyspaces.*.create"), keys.Forbidden)
	_, err := h.manager.Keyspace(t.Context(), h.root, "declared")
	h.refused("a keyspace that nobody could declare", err, keys.NotFound)
	h.ok(declare("keyspaces.*.create", "keyspaces.*.update"))
}
