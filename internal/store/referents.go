package store

import (
	"context"
	"slices"

	"latchkey/internal/keys"
)

// Referents implements [keys.ReferentStore].
func (s *Store) Referents(ctx context.Context, workspaceID string, refs keys.Refs) (out keys.Referents, err error) {
	err = s.view(ctx, func(q *session) error {
		identities := rowsOnce[keys.Identity]{identityTargets, func(i *keys.Identity) string { return i.ID }, nil}
		if err := identities.add(q, `SELECT `+identityFields+` FROM identities`, workspaceID, refs.Identities, "id"); err != nil {
			return err
		}
		permissions := rowsOnce[keys.Permission]{permissionTargets, func(p *keys.Permission) string { return p.ID }, nil}
		if err := permissions.add(q, `SELECT `+permissionColumns+` FROM permissions`, workspaceID, refs.Permissions, "id", "name"); err != nil {
			return err
		}
		if err := permissions.add(q, `SELECT `+permissionColumns+` FROM permissions`, workspaceID, refs.Slugs, "slug"); err != nil {
			return err
		}
		roles := rowsOnce[keys.Role]{roleTargets, func(r *keys.Role) string { return r.ID }, nil}
		if err := roles.add(q, `SELECT `+roleColumns+` FROM roles`, workspaceID, refs.Roles, "id", "name"); err != nil {
			return err
		}
		out = keys.Referents{Identities: identities.rows, Permissions: permissions.rows, Roles: roles.rows}
		return q.completeRoles(out.Roles)
	})
	return out, err
}

// rowsOnce collects rows of which several texts may be the name.
type rowsOnce[T any] struct {
	targets func(*T) []any
	id      func(*T) string
	rows    []T
}

// add reads what has one of the values in one of the columns.
func (r *rowsOnce[T]) add(q *session, from, workspaceID string, values []string, columns ...string) error {
	there := map[string]bool{} // id → true
	for i := range r.rows {
		there[r.id(&r.rows[i])] = true
	}
	values = slices.Compact(slices.Sorted(slices.Values(values)))
	for _, column := range columns {
		err := inChunks(values, func(chunk []any) error {
			args := append([]any{workspaceID}, chunk...)
			return q.each(from+` WHERE workspace_id = $1 AND `+column+` IN `+list(2, len(chunk)), args, func(row scan) error {
				var one T
				err := row(r.targets(&one)...)
				if id := r.id(&one); !there[id] {
					there[id] = true
					r.rows = append(r.rows, one)
				}
				return err
			})
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// completeRoles gives roles their permissions.
func (q *session) completeRoles(roles []keys.Role) error {
	places := map[string]int{} // id → place in roles
	var ids []string
	for i := range roles {
		places[roles[i].ID] = i
		ids = append(ids, roles[i].ID)
	}
	return inChunks(ids, func(chunk []any) error {
		return q.each(`SELECT rp.role_id, p.name FROM role_permissions rp JOIN permissions p ON p.id = rp.permission_id
			WHERE rp.role_id IN `+list(1, len(chunk))+` ORDER BY rp.position`, chunk, func(row scan) error {
			var id, name string
			err := row(text{&id}, text{&name})
			r := &roles[places[id]]
			r.Permissions = append(r.Permissions, name)
			return err
		})
	})
}
