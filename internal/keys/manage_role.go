package keys

import (
	"context"

	"latchkey/internal/permission"
	"latchkey/internal/token"
)

// MaxDescription bounds the description of a role or permission.
const MaxDescription = 1024

// Validate reports everything that is wrong with the role.
func (r *Role) Validate() error {
	var faults Faults
	if !clean(r.Name, "role") {
		faults.Add("name", "must be 1 to %d characters and not begin with role_", MaxText)
	}
	validateTexts(r.Slug, r.Description, &faults)
	validatePermissions("permissions", r.Permissions, &faults)
	return faults.Err()
}

// Validate reports everything that is wrong with the permission.
func (p *Permission) Validate() error {
	var faults Faults
	if !permission.ValidName(p.Name) {
		faults.Add("name", "must be 1 to 128 of A-Z, a-z, 0-9 and _.:*/-")
	}
	validateTexts(p.Slug, p.Description, &faults)
	return faults.Err()
}

func validateTexts(slug, description string, faults *Faults) {
	if len([]rune(slug)) > MaxText {
		faults.Add("slug", "must be at most %d characters", MaxText)
	}
	if len([]rune(description)) > MaxDescription {
		faults.Add("description", "must be at most %d characters", MaxDescription)
	}
}

// CreateRole makes a role, and the permissions that it names.
func (m *Manager) CreateRole(ctx context.Context, by Actor, r Role) (Role, error) {
	if err := by.Need(ResRoles, "*", "create"); err != nil {
		return Role{}, err
	}
	r.Permissions = eachOnce(r.Permissions)
	if err := r.Validate(); err != nil {
		return Role{}, err
	}
	now := m.Clock()
	r.ID, r.WorkspaceID, r.CreatedAt, r.UpdatedAt = token.NewID("role"), by.WorkspaceID, now, now
	err := m.Store.InsertRole(ctx, &r, event(by, "role.create", Ref{"role", r.ID}, now))
	return r, err
}

// Role returns a role by id or name.
func (m *Manager) Role(ctx context.Context, by Actor, ref string) (Role, error) {
	if err := by.Need(ResRoles, "*", "read"); err != nil {
		return Role{}, err
	}
	return m.Store.Role(ctx, by.WorkspaceID, ref)
}

// Roles lists roles, newest first.
func (m *Manager) Roles(ctx context.Context, by Actor, p Page) ([]Role, error) {
	if err := by.Need(ResRoles, "*", "read"); err != nil {
		return nil, err
	}
	return m.Store.Roles(ctx, by.WorkspaceID, p)
}

// UpdateRole changes a role as change says, for all keys that have it.
func (m *Manager) UpdateRole(ctx context.Context, by Actor, ref string, change func(*Role) error, match Match) (Role, error) {
	if err := by.Need(ResRoles, "*", "update"); err != nil {
		return Role{}, err
	}
	have, err := m.Store.Role(ctx, by.WorkspaceID, ref)
	if err != nil {
		return Role{}, err
	}
	checked := func(r *Role) error {
		if err := match.check(r.Version); err != nil {
			return err
		}
		if err := change(r); err != nil {
			return err
		}
		r.Permissions = eachOnce(r.Permissions)
		return r.Validate()
	}
	return m.Store.UpdateRole(ctx, by.WorkspaceID, have.ID, checked, event(by, "role.update", Ref{"role", have.ID}, m.Clock()))
}

// DeleteRole deletes a role and takes it from all keys.
func (m *Manager) DeleteRole(ctx context.Context, by Actor, ref string, match Match) error {
	if err := by.Need(ResRoles, "*", "delete"); err != nil {
		return err
	}
	have, err := m.Store.Role(ctx, by.WorkspaceID, ref)
	if err != nil {
		return err
	}
	check := func(r *Role) error { return match.check(r.Version) }
	return m.Store.DeleteRole(ctx, by.WorkspaceID, have.ID, check, event(by, "role.delete", Ref{"role", have.ID}, m.Clock()))
}

// CreatePermission makes a permission.
func (m *Manager) CreatePermission(ctx context.Context, by Actor, p Permission) (Permission, error) {
	if err := by.Need(ResRoles, "*", "create"); err != nil {
		return Permission{}, err
	}
	if err := p.Validate(); err != nil {
		return Permission{}, err
	}
	now := m.Clock()
	p.ID, p.WorkspaceID, p.CreatedAt, p.UpdatedAt = token.NewID("perm"), by.WorkspaceID, now, now
	err := m.Store.InsertPermission(ctx, &p, event(by, "permission.create", Ref{"permission", p.ID}, now))
	return p, err
}

// Permission returns a permission by id or name.
func (m *Manager) Permission(ctx context.Context, by Actor, ref string) (Permission, error) {
	if err := by.Need(ResRoles, "*", "read"); err != nil {
		return Permission{}, err
	}
	return m.Store.Permission(ctx, by.WorkspaceID, ref)
}

// Permissions lists permissions, newest first.
func (m *Manager) Permissions(ctx context.Context, by Actor, p Page) ([]Permission, error) {
	if err := by.Need(ResRoles, "*", "read"); err != nil {
		return nil, err
	}
	return m.Store.Permissions(ctx, by.WorkspaceID, p)
}

// UpdatePermission changes a permission as change says, but for its name,
// which is what keys hold.
func (m *Manager) UpdatePermission(ctx context.Context, by Actor, ref string, change func(*Permission) error, match Match) (Permission, error) {
	if err := by.Need(ResRoles, "*", "update"); err != nil {
		return Permission{}, err
	}
	have, err := m.Store.Permission(ctx, by.WorkspaceID, ref)
	if err != nil {
		return Permission{}, err
	}
	checked := func(p *Permission) error {
		if err := match.check(p.Version); err != nil {
			return err
		}
		if err := change(p); err != nil {
			return err
		}
		if p.Name != have.Name {
			return Faults{{Field: "name", Detail: "cannot be changed; make another permission"}}.Err()
		}
		return p.Validate()
	}
	return m.Store.UpdatePermission(ctx, by.WorkspaceID, have.ID, checked, event(by, "permission.update", Ref{"permission", have.ID}, m.Clock()))
}

// DeletePermission deletes a permission and takes it from all keys and roles.
func (m *Manager) DeletePermission(ctx context.Context, by Actor, ref string, match Match) error {
	if err := by.Need(ResRoles, "*", "delete"); err != nil {
		return err
	}
	have, err := m.Store.Permission(ctx, by.WorkspaceID, ref)
	if err != nil {
		return err
	}
	check := func(p *Permission) error { return match.check(p.Version) }
	return m.Store.DeletePermission(ctx, by.WorkspaceID, have.ID, check, event(by, "permission.delete", Ref{"permission", have.ID}, m.Clock()))
}
