package store

import (
	"context"
	"slices"
	"strconv"

	"latchkey/internal/keys"
	"latchkey/internal/token"
)

const roleColumns = `id, workspace_id, name, slug, description, version, created_at, updated_at`

func roleTargets(r *keys.Role) []any {
	return []any{text{&r.ID}, text{&r.WorkspaceID}, text{&r.Name}, text{&r.Slug}, text{&r.Description},
		integer{&r.Version}, moment{&r.CreatedAt}, moment{&r.UpdatedAt}}
}

// InsertRole implements [keys.RoleStore].
func (s *Store) InsertRole(ctx context.Context, r *keys.Role, ev keys.Event) error {
	out := *r
	out.Version, out.CreatedAt, out.UpdatedAt, out.Permissions = 1, kept(r.CreatedAt), kept(r.UpdatedAt), orNil(r.Permissions)
	err := s.write(ctx, func(t *txn) error {
		err := t.insert("the workspace has a role "+out.Name, `INSERT INTO roles
			(`+roleColumns+`) VALUES `+list(1, 8),
			out.ID, out.WorkspaceID, out.Name, out.Slug, out.Description, out.Version, millis(out.CreatedAt), millis(out.UpdatedAt))
		if err != nil {
			return err
		}
		if err := t.setRolePermissions(&out, ev); err != nil {
			return err
		}
		t.changed(keys.AnyChanged, "")
		ev.Compare(nil, keys.RoleMembers(&out))
		return t.record(ev)
	})
	if err == nil {
		*r = out
	}
	return err
}

// UpdateRole implements [keys.RoleStore].
func (s *Store) UpdateRole(ctx context.Context, workspaceID, ref string, change func(*keys.Role) error, ev keys.Event) (keys.Role, error) {
	var r keys.Role
	err := s.write(ctx, func(t *txn) error {
		old, err := t.role(workspaceID, ref, t.engine.forUpdate)
		if err != nil {
			return err
		}
		r = old
		r.Permissions = slices.Clone(old.Permissions)
		if err := change(&r); err != nil {
			return refusal{err}
		}
		return t.updateRole(&r, &old, ev)
	})
	if err != nil {
		return keys.Role{}, err
	}
	return r, nil
}

func (t *txn) updateRole(r, old *keys.Role, ev keys.Event) error {
	r.ID, r.WorkspaceID, r.Version, r.CreatedAt, r.UpdatedAt = old.ID, old.WorkspaceID, old.Version, old.CreatedAt, old.UpdatedAt
	r.Permissions = orNil(r.Permissions)
	same := slices.Equal(r.Permissions, old.Permissions)
	if same && r.Name == old.Name && r.Slug == old.Slug && r.Description == old.Description {
		return t.unchanged(ev, keys.RoleMembers(r))
	}
	r.Version, r.UpdatedAt = old.Version+1, kept(ev.At)
	err := t.insert("the workspace has a role "+r.Name, `UPDATE roles
		SET name = $2, slug = $3, description = $4, version = $5, updated_at = $6 WHERE id = $1`,
		r.ID, r.Name, r.Slug, r.Description, r.Version, millis(r.UpdatedAt))
	if err == nil && !same {
		err = t.setRolePermissions(r, ev)
	}
	if err != nil {
		return err
	}
	t.changed(keys.AnyChanged, "")
	ev.Compare(keys.RoleMembers(old), keys.RoleMembers(r))
	return t.record(ev)
}

// setRolePermissions replaces the permissions of a role and makes those that
// are not there.
func (t *txn) setRolePermissions(r *keys.Role, ev keys.Event) error {
	ids, err := t.permissionIDs(r.WorkspaceID, r.Permissions, ev)
	if err != nil {
		return err
	}
	if _, err := t.exec(`DELETE FROM role_permissions WHERE role_id = $1`, r.ID); err != nil {
		return err
	}
	for i, name := range r.Permissions {
		_, err := t.exec(`INSERT INTO role_permissions (role_id, permission_id, position) VALUES ($1, $2, $3)
			ON CONFLICT (role_id, permission_id) DO NOTHING`, r.ID, ids[name], int64(i))
		if err != nil {
			return err
		}
	}
	return nil
}

// Role implements [keys.RoleStore].
func (s *Store) Role(ctx context.Context, workspaceID, ref string) (r keys.Role, err error) {
	err = s.view(ctx, func(q *session) error {
		r, err = q.role(workspaceID, ref, "")
		return err
	})
	return r, err
}

// Roles implements [keys.RoleStore].
func (s *Store) Roles(ctx context.Context, workspaceID string, p keys.Page) (out []keys.Role, err error) {
	w := new(conditions)
	w.add("workspace_id = ?", workspaceID)
	err = s.view(ctx, func(q *session) error {
		err := q.eachOnce(`SELECT `+roleColumns+` FROM roles`+w.page("id", p), w.args, func(row scan) error {
			var r keys.Role
			err := row(roleTargets(&r)...)
			out = append(out, r)
			return err
		})
		if err != nil {
			return err
		}
		return q.completeRoles(out)
	})
	return out, err
}

// DeleteRole implements [keys.RoleStore].
func (s *Store) DeleteRole(ctx context.Context, workspaceID, ref string, check func(*keys.Role) error, ev keys.Event) error {
	return s.write(ctx, func(t *txn) error {
		r, err := t.role(workspaceID, ref, t.engine.forUpdate)
		if err != nil {
			return err
		}
		if err := check(&r); err != nil {
			return refusal{err}
		}
		if _, err := t.exec(`DELETE FROM roles WHERE id = $1`, r.ID); err != nil { // and, by cascade, what has it
			return err
		}
		t.changed(keys.AnyChanged, "")
		ev.Compare(keys.RoleMembers(&r), nil)
		return t.record(ev)
	})
}

func (q *session) role(workspaceID, ref, lock string) (keys.Role, error) {
	var r keys.Role
	err := q.row(`SELECT `+roleColumns+` FROM roles
		WHERE workspace_id = $1 AND (id = $2 OR name = $2) ORDER BY CASE WHEN id = $2 THEN 0 ELSE 1 END LIMIT 1`+lock,
		[]any{workspaceID, ref}, roleTargets(&r)...)
	if err != nil {
		return keys.Role{}, found(err, "role")
	}
	one := []keys.Role{r}
	err = q.completeRoles(one)
	return one[0], err
}

// roleIDs returns the ids of roles by name.
func (q *session) roleIDs(workspaceID string, names []string) ([]string, error) {
	ids, err := q.idsByName("roles", workspaceID, names)
	if err != nil {
		return nil, err
	}
	var out []string
	var faults keys.Faults
	for i, name := range names {
		id := ids[name]
		if id == "" {
			faults.Add("roles/"+strconv.Itoa(i), "there is no such role")
		}
		out = append(out, id)
	}
	return out, faults.Err()
}

// settleRoles returns the ids of a key's roles, and makes those that are not
// there where the key says so.
func (t *txn) settleRoles(k *keys.Key, ev keys.Event) ([]string, error) {
	if k.MakeRoles {
		ids, err := t.idsByName("roles", k.WorkspaceID, k.Roles)
		if err != nil {
			return nil, err
		}
		for _, name := range k.Roles {
			if ids[name] != "" {
				continue
			}
			if err := t.makeRole(k.WorkspaceID, name, ev); err != nil {
				return nil, err
			}
		}
	}
	return t.roleIDs(k.WorkspaceID, k.Roles)
}

func (t *txn) makeRole(workspaceID, name string, ev keys.Event) error {
	r := keys.Role{ID: token.NewID("role"), WorkspaceID: workspaceID, Name: name}
	n, err := t.exec(`INSERT INTO roles (`+roleColumns+`)
		VALUES ($1, $2, $3, '', '', 1, $4, $4) ON CONFLICT (workspace_id, name) DO NOTHING`, r.ID, workspaceID, name, millis(ev.At))
	if err != nil || n == 0 { // somebody else was faster
		return err
	}
	return t.record(ev.Also("role.create", keys.Ref{Type: "role", ID: r.ID}, keys.RoleMembers(&r)))
}

// permissionIDs returns the ids of permissions, and makes those that are not
// there.
func (t *txn) permissionIDs(workspaceID string, names []string, ev keys.Event) (map[string]string, error) {
	ids, err := t.idsByName("permissions", workspaceID, names)
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		if ids[name] != "" {
			continue
		}
		if ids[name], err = t.makePermission(workspaceID, name, ev); err != nil {
			return nil, err
		}
	}
	return ids, nil
}

func (t *txn) makePermission(workspaceID, name string, ev keys.Event) (string, error) {
	p := keys.Permission{ID: token.NewID("perm"), WorkspaceID: workspaceID, Name: name}
	n, err := t.exec(`INSERT INTO permissions (id, workspace_id, name, slug, description, version, created_at, updated_at)
		VALUES ($1, $2, $3, '', '', 1, $4, $4) ON CONFLICT (workspace_id, name) DO NOTHING`, p.ID, workspaceID, name, millis(ev.At))
	if err != nil {
		return "", err
	}
	if n == 0 { // somebody else was faster
		ids, err := t.idsByName("permissions", workspaceID, []string{name})
		return ids[name], err
	}
	return p.ID, t.record(ev.Also("permission.create", keys.Ref{Type: "permission", ID: p.ID}, keys.PermissionMembers(&p)))
}

// idsByName returns the ids of what has the names in one of two tables: name →
// id.
func (q *session) idsByName(table, workspaceID string, names []string) (map[string]string, error) {
	ids := map[string]string{}
	err := inChunks(names, func(chunk []any) error {
		args := append([]any{workspaceID}, chunk...)
		return q.each(`SELECT name, id FROM `+table+` WHERE workspace_id = $1 AND name IN `+list(2, len(chunk)), args, func(row scan) error {
			var name, id string
			err := row(text{&name}, text{&id})
			ids[name] = id
			return err
		})
	})
	return ids, err
}
