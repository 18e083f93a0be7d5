package keys

import (
	"context"
	"slices"

	"latchkey/internal/permission"
)

// session reports whether the actor is somebody's session, or a key as one,
// and no root key: it gives what keyspaces let it give.
func (a *Actor) session() bool { return a.Kind == User || a.Kind == Holder }

// mayGive refuses a session that gives a key permissions, by themselves or by
// roles, which the key's keyspace does not list as grantable. had is the key as
// it was; what it has already is not given.
func (m *Manager) mayGive(ctx context.Context, by *Actor, ks *Keyspace, had *Key, permissions, roles []string) error {
	if !by.session() {
		return nil
	}
	given := without(permissions, had.Permissions)
	for _, name := range without(roles, had.Roles) {
		r, err := m.Store.Role(ctx, ks.WorkspaceID, name)
		if Is(err, NotFound) {
			continue // which is reported anyway
		}
		if err != nil {
			return err
		}
		given = append(given, r.Permissions...)
	}
	for _, name := range given {
		if !ks.Policy.grantable(name) {
			return Errorf(Forbidden, "the keyspace does not let sessions give the permission %s", name)
		}
	}
	return nil
}

// grantable reports whether a session may give a permission.
func (p *Policy) grantable(name string) bool {
	list := p.Grantable
	if list == nil {
		list = p.Permissions
	}
	return slices.ContainsFunc(list, func(g string) bool {
		return g == name || p.PermissionWildcards && permission.Match(g, name)
	})
}

// mayChangeNames is [Manager.mayGive] for names that are added to a key.
func (m *Manager) mayChangeNames(ctx context.Context, by *Actor, had *Key, permissions, roles []string) error {
	if !by.session() {
		return nil
	}
	ks, err := m.Store.Keyspace(ctx, had.WorkspaceID, had.KeyspaceID)
	if err != nil {
		return err
	}
	return m.mayGive(ctx, by, &ks, had, permissions, roles)
}

// without returns the names that are not among others.
func without(names, others []string) []string {
	return slices.DeleteFunc(slices.Clone(names), func(n string) bool { return slices.Contains(others, n) })
}
