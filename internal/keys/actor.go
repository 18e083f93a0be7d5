package keys

import (
	"net/netip"
	"strings"
)

// An ActorKind says what sort of caller an [Actor] is.
type ActorKind string

const (
	Operator ActorKind = "operator" // the installation itself: first start, declared objects, housekeeping
	RootKey  ActorKind = "root_key"
	User     ActorKind = "user"
	Holder   ActorKind = "key"    // the holder of an ordinary key, by that key
	Public   ActorKind = "public" // nobody in particular; verify doors only
)

// An Actor is who asks. Every operation takes one, so none can forget it.
type Actor struct {
	Kind   ActorKind
	ID     string
	Name   string
	Path   string // of the workspace it acts in
	Grants []Grant

	// WorkspaceID is the workspace it acts in: that of its key, or one below.
	WorkspaceID string

	// Record is the key by which it calls; nil for operators and the public.
	Record *Record

	Origin Origin
}

// An Origin says where a call came from, for the audit log.
type Origin struct {
	RequestID string
	Addr      netip.Addr
}

// Resources of grants: what a root key's permissions speak of.
const (
	ResKeys       = "keys"
	ResKeyspaces  = "keyspaces"
	ResIdentities = "identities"
	ResRoles      = "roles"
	ResRootKeys   = "root_keys"
	ResWorkspaces = "workspaces"
	ResLimits     = "limits"
	ResUsage      = "usage"
	ResEvents     = "events"
	ResMetrics    = "metrics"
)

// Actions lists, for each resource, what may be granted on it.
var Actions = map[string][]string{ // resource → actions
	ResKeys:       {"read", "create", "update", "delete", "rotate", "verify", "spend", "reveal"},
	ResKeyspaces:  {"read", "create", "update", "delete"},
	ResIdentities: {"read", "create", "update", "delete"},
	ResRoles:      {"read", "create", "update", "delete"},
	ResRootKeys:   {"read", "create", "update", "delete"},
	ResWorkspaces: {"read", "create", "update", "delete", "act"},
	ResLimits:     {"check", "update"},
	ResUsage:      {"read"},
	ResEvents:     {"read"},
	ResMetrics:    {"read"},
}

// A Grant is one permission of a root key: an action on a resource within a
// scope, which is a keyspace's id where the resource lives in one. "*" in a
// segment matches anything there.
type Grant struct {
	Resource, Scope, Action string
}

// ParseGrants reads permissions as root keys carry them. Text that is no grant
// grants nothing.
func ParseGrants(permissions []string) []Grant {
	var out []Grant
	for _, p := range permissions {
		if p == "*" {
			out = append(out, Grant{"*", "*", "*"})
			continue
		}
		if parts := strings.Split(p, "."); len(parts) == 3 {
			out = append(out, Grant{parts[0], parts[1], parts[2]})
		}
	}
	return out
}

func (g Grant) covers(resource, scope, action string) bool {
	return (g.Resource == "*" || g.Resource == resource) &&
		(g.Scope == "*" || g.Scope == scope) &&
		(g.Action == "*" || g.Action == action)
}

// May reports whether the actor holds a permission.
func (a *Actor) May(resource, scope, action string) bool {
	if a.Kind == Operator {
		return true
	}
	for _, g := range a.Grants {
		if g.covers(resource, scope, action) {
			return true
		}
	}
	return false
}

// Need returns a [Forbidden] error that names the permission, unless the actor
// holds it. Holding it in any scope is enough where scope is "".
func (a *Actor) Need(resource, scope, action string) error {
	if scope == "" {
		if a.mayAnywhere(resource, action) {
			return nil
		}
		scope = "*"
	}
	if a.May(resource, scope, action) {
		return nil
	}
	name := resource + "." + scope + "." + action
	return &Error{Code: Forbidden, Message: "the permission " + name + " is missing", Missing: name}
}

func (a *Actor) mayAnywhere(resource, action string) bool {
	if a.Kind == Operator {
		return true
	}
	for _, g := range a.Grants {
		if (g.Resource == "*" || g.Resource == resource) && (g.Action == "*" || g.Action == action) {
			return true
		}
	}
	return false
}

// scopes returns the scopes in which the actor may do the action, and whether
// that is everywhere.
func (a *Actor) scopes(resource, action string) (ids []string, everywhere bool) {
	if a.Kind == Operator {
		return nil, true
	}
	for _, g := range a.Grants {
		if g.covers(resource, g.Scope, action) {
			if g.Scope == "*" {
				return nil, true
			}
			ids = append(ids, g.Scope)
		}
	}
	return ids, false
}
