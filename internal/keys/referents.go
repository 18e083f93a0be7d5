package keys

import (
	"context"
	"slices"
)

// Refs name things of one workspace to which keys refer.
type Refs struct {
	Identities  []string // ids
	Roles       []string // ids or names
	Permissions []string // ids or names
	Slugs       []string // of permissions
}

// Referents are the things that [Refs] name, in no order.
type Referents struct {
	Identities  []Identity
	Roles       []Role
	Permissions []Permission
}

// ReferentStore reads at once what keys refer to.
type ReferentStore interface {
	// Referents must return, as of one moment, all things of a workspace that
	// refs name, each once. Names of what is not there are passed over.
	Referents(ctx context.Context, workspaceID string, refs Refs) (Referents, error)
}

// Referents returns what keys refer to, for an actor who may do an action on
// keys.
func (m *Manager) Referents(ctx context.Context, by Actor, action string, refs Refs) (Referents, error) {
	if err := by.Need(ResKeys, "", action); err != nil {
		return Referents{}, err
	}
	return m.Store.Referents(ctx, by.WorkspaceID, refs)
}

// mayMakeNames is [Manager.mayMake] for the settings of a key.
func (m *Manager) mayMakeNames(ctx context.Context, by Actor, s *KeySettings) error {
	if !s.Make {
		return nil
	}
	return m.mayMake(ctx, by, Refs{Roles: s.Roles.Value, Permissions: s.Permissions.Value})
}

// mayMake refuses an actor who names roles or permissions that are not there,
// and may not make them.
func (m *Manager) mayMake(ctx context.Context, by Actor, names Refs) error {
	need := by.Need(ResRoles, "*", "create")
	if need == nil || len(names.Roles)+len(names.Permissions) == 0 {
		return nil
	}
	there, err := m.Store.Referents(ctx, by.WorkspaceID, names)
	if err != nil {
		return err
	}
	for _, name := range names.Roles {
		if !slices.ContainsFunc(there.Roles, func(r Role) bool { return r.Name == name }) {
			return need
		}
	}
	for _, name := range names.Permissions {
		if !slices.ContainsFunc(there.Permissions, func(p Permission) bool { return p.Name == name }) {
			return need
		}
	}
	return nil
}

// checkNewRoles reports names that no role can have.
func checkNewRoles(field string, names []string, faults *Faults) {
	for i, name := range names {
		if !clean(name, "role") {
			faults.Add(field+"/"+itoa(i), "must be 1 to %d characters and not begin with role_", MaxText)
		}
	}
}
