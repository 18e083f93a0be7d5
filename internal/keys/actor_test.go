package keys

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestParseGrants(t *testing.T) {
	got := ParseGrants([]string{"keys.*.read", "*", "keys", "keys.read", "keys.a.b.c", "", "..", "**", "*.*.*"})
	want := []Grant{{"keys", "*", "read"}, {"*", "*", "*"}, {"", "", ""}, {"*", "*", "*"}}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestMay(t *testing.T) {
	for _, tt := range []struct {
		grant                   string
		resource, scope, action string
		may                     bool
		anywhere                bool // in any scope
	}{
		{"keys.*.read", ResKeys, "ks_1", "read", true, true},
		{"keys.*.read", ResKeys, "*", "read", true, true},
		{"keys.*.read", ResKeys, "ks_1", "update", false, false},
		{"keys.*.read", ResRoles, "*", "read", false, false},
		{"keys.ks_1.read", ResKeys, "ks_1", "read", true, true},
		{"keys.ks_1.read", ResKeys, "ks_2", "read", false, true},
		{"keys.ks_1.read", ResKeys, "*", "read", false, true},
		{"keys.ks_1.*", ResKeys, "ks_1", "reveal", true, true},
		{"*.*.read", ResEvents, "*", "read", true, true},
		{"*.*.read", ResKeys, "ks_1", "update", false, false},
		{"*", ResWorkspaces, "*", "act", true, true},
		{"keys", ResKeys, "*", "read", false, false},
	} {
		a := Actor{Kind: RootKey, Grants: ParseGrants([]string{tt.grant})}
		if got := a.May(tt.resource, tt.scope, tt.action); got != tt.may {
			t.Errorf("%s: May(%s, %s, %s) = %t", tt.grant, tt.resource, tt.scope, tt.action, got)
		}
		name := tt.resource + "." + tt.scope + "." + tt.action
		if e := AsError(a.Need(tt.resource, tt.scope, tt.action)); !tt.may && (e.Code != Forbidden || e.Missing != name) {
			t.Errorf("%s: what is missing is %q, want %q", tt.grant, e.Missing, name)
		}
		if got := a.Need(tt.resource, "", tt.action) == nil; got != tt.anywhere {
			t.Errorf("%s: needing %s of %s anywhere: %t", tt.grant, tt.action, tt.resource, got)
		}
	}
	operator := Actor{Kind: Operator}
	if !operator.May("x", "y", "z") || operator.Need("x", "", "z") != nil {
		t.Error("the operator may not do everything")
	}
}

func TestScopes(t *testing.T) {
	for _, tt := range []struct {
		grants     []string
		ids        []string
		everywhere bool
	}{
		{nil, nil, false},
		{[]string{"keys.a.read", "keys.b.*", "keys.c.update", "roles.*.read"}, []string{"a", "b"}, false},
		{[]string{"keys.a.read", "*.*.read"}, nil, true},
		{[]string{"*"}, nil, true},
	} {
		a := Actor{Kind: RootKey, Grants: ParseGrants(tt.grants)}
		if ids, everywhere := a.scopes(ResKeys, "read"); !slices.Equal(ids, tt.ids) || everywhere != tt.everywhere {
			t.Errorf("%q: %q, everywhere %t", tt.grants, ids, everywhere)
		}
	}
	if _, everywhere := (&Actor{Kind: Operator}).scopes(ResKeys, "read"); !everywhere {
		t.Error("the operator sees nothing")
	}
}

// TestHoldsIsSound draws what an actor holds and what it would give: if it may
// give it, whoever gets it may do nothing that the giver may not.
func TestHoldsIsSound(t *testing.T) {
	scopes := []string{"*", "a", "b"}
	draw := func(t *rapid.T, name string) Grant {
		resources := []string{"*", ResKeys, ResLimits, ResUsage}
		r := rapid.SampledFrom(resources).Draw(t, name+" resource")
		g := Grant{r, "*", "*"}
		if r == ResKeys {
			g.Scope = rapid.SampledFrom(scopes).Draw(t, name+" scope")
		}
		if actions := Actions[r]; len(actions) > 0 && rapid.Bool().Draw(t, name+" one action") {
			g.Action = rapid.SampledFrom(actions).Draw(t, name+" action")
		}
		return g
	}
	rapid.Check(t, func(t *rapid.T) {
		var giver Actor
		for range rapid.IntRange(0, 6).Draw(t, "held") {
			giver.Grants = append(giver.Grants, draw(t, "held"))
		}
		given := draw(t, "given")
		if giver.holdsAll([]string{given.String()}) != nil {
			return
		}
		taker := Actor{Grants: []Grant{given}}
		for resource, actions := range Actions {
			for _, scope := range scopes {
				for _, action := range actions {
					if taker.May(resource, scope, action) && !giver.May(resource, scope, action) {
						t.Fatalf("who holds %v gives %v, and with it %s.%s.%s", giver.Grants, given, resource, scope, action)
					}
				}
			}
		}
	})
}

func TestBelow(t *testing.T) {
	for _, tt := range []struct {
		inner, outer string
		want         bool
	}{
		{"default", "default", true}, {"default.a", "default", true}, {"default.a.b", "default.a", true},
		{"default", "default.a", false}, {"default.ab", "default.a", false}, {"defaults", "default", false}, {"", "default", false},
	} {
		if got := Below(tt.inner, tt.outer); got != tt.want {
			t.Errorf("Below(%q, %q) = %t", tt.inner, tt.outer, got)
		}
	}
	if got := Ancestors("default.a.b"); !slices.Equal(got, []string{"default", "default.a", "default.a.b"}) {
		t.Errorf("the ancestors are %q", got)
	}
}
