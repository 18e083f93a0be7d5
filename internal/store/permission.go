package store

import (
	"context"
	"slices"
	"strings"

	"latchkey/internal/keys"
)

const permissionColumns = `id, workspace_id, name, slug, description, version, created_at, updated_at`

func permissionTargets(p *keys.Permission) []any {
	return []any{text{&p.ID}, text{&p.WorkspaceID}, text{&p.Name}, text{&p.Slug}, text{&p.Description},
		integer{&p.Version}, moment{&p.CreatedAt}, moment{&p.UpdatedAt}}
}

// InsertPermission implements [keys.PermissionStore].
func (s *Store) InsertPermission(ctx context.Context, p *keys.Permission, ev keys.Event) error {
	out := *p
	out.Version, out.CreatedAt, out.UpdatedAt = 1, kept(p.CreatedAt), kept(p.UpdatedAt)
	err := s.write(ctx, func(t *txn) error {
		err := t.insert("the workspace has a permission "+out.Name, `INSERT INTO permissions (`+permissionColumns+`) VALUES `+list(1, 8),
			out.ID, out.WorkspaceID, out.Name, out.Slug, out.Description, out.Version, millis(out.CreatedAt), millis(out.UpdatedAt))
		if err != nil {
			return err
		}
		t.changed(keys.AnyChanged, "")
		ev.Compare(nil, keys.PermissionMembers(&out))
		return t.record(ev)
	})
	if err == nil {
		*p = out
	}
	return err
}

// UpdatePermission implements [keys.PermissionStore].
func (s *Store) UpdatePermission(ctx context.Context, workspaceID, ref string, change func(*keys.Permission) error, ev keys.Event) (keys.Permission, error) {
	var p keys.Permission
	err := s.write(ctx, func(t *txn) error {
		old, err := t.permission(workspaceID, ref, t.engine.forUpdate)
		if err != nil {
			return err
		}
		p = old
		if err := change(&p); err != nil {
			return refusal{err}
		}
		p.ID, p.WorkspaceID, p.Name, p.Version, p.CreatedAt, p.UpdatedAt = old.ID, old.WorkspaceID, old.Name, old.Version, old.CreatedAt, old.UpdatedAt
		if p == old {
			return t.unchanged(ev, keys.PermissionMembers(&p))
		}
		p.Version, p.UpdatedAt = old.Version+1, kept(ev.At)
		_, err = t.exec(`UPDATE permissions SET slug = $2, description = $3, version = $4, updated_at = $5 WHERE id = $1`,
			p.ID, p.Slug, p.Description, p.Version, millis(p.UpdatedAt))
		if err != nil {
			return err
		}
		t.changed(keys.AnyChanged, "")
		ev.Compare(keys.PermissionMembers(&old), keys.PermissionMembers(&p))
		return t.record(ev)
	})
	if err != nil {
		return keys.Permission{}, err
	}
	return p, nil
}

// Permission implements [keys.PermissionStore].
func (s *Store) Permission(ctx context.Context, workspaceID, ref string) (p keys.Permission, err error) {
	err = s.look(ctx, func(q *session) error {
		p, err = q.permission(workspaceID, ref, "")
		return err
	})
	return p, err
}

func (q *session) permission(workspaceID, ref, lock string) (p keys.Permission, err error) {
	err = q.row(`SELECT `+permissionColumns+` FROM permissions
		WHERE workspace_id = $1 AND (id = $2 OR name = $2) ORDER BY CASE WHEN id = $2 THEN 0 ELSE 1 END LIMIT 1`+lock,
		[]any{workspaceID, ref}, permissionTargets(&p)...)
	return p, found(err, "permission")
}

// Permissions implements [keys.PermissionStore].
func (s *Store) Permissions(ctx context.Context, workspaceID string, p keys.Page) (out []keys.Permission, err error) {
	w := new(conditions)
	w.add("workspace_id = ?", workspaceID)
	err = s.look(ctx, func(q *session) error {
		return q.eachOnce(`SELECT `+permissionColumns+` FROM permissions`+w.page("id", p), w.args, func(row scan) error {
			var p keys.Permission
			err := row(permissionTargets(&p)...)
			out = append(out, p)
			return err
		})
	})
	return out, err
}

// DeletePermission implements [keys.PermissionStore].
func (s *Store) DeletePermission(ctx context.Context, workspaceID, ref string, check func(*keys.Permission) error, ev keys.Event) error {
	return s.write(ctx, func(t *txn) error {
		p, err := t.permission(workspaceID, ref, t.engine.forUpdate)
		if err != nil {
			return err
		}
		if err := check(&p); err != nil {
			return refusal{err}
		}
		if err := t.dropFromKeys(&p, ev); err != nil {
			return err
		}
		if _, err := t.exec(`DELETE FROM permissions WHERE id = $1`, p.ID); err != nil { // and, by cascade, from roles
			return err
		}
		t.changed(keys.AnyChanged, "")
		ev.Compare(keys.PermissionMembers(&p), nil)
		return t.record(ev)
	})
}

// dropFromKeys takes a permission from the keys that hold it themselves. They
// hold it by name, in a list that SQL only sees as text.
func (t *txn) dropFromKeys(p *keys.Permission, ev keys.Event) error {
	type holder struct {
		id    string
		names []string
	}
	var holders []holder
	err := t.each(`SELECT id, permissions FROM keys WHERE workspace_id = $1 AND NOT root AND permissions LIKE $2 ESCAPE '!'`,
		[]any{p.WorkspaceID, "%" + escapeLike(`"`+p.Name+`"`) + "%"}, func(row scan) error {
			var h holder
			err := row(text{&h.id}, document[[]string]{&h.names})
			holders = append(holders, h)
			return err
		})
	if err != nil {
		return err
	}
	for _, h := range holders {
		kept := slices.DeleteFunc(h.names, func(name string) bool { return name == p.Name })
		_, err := t.exec(`UPDATE keys SET permissions = $2, version = version + 1, updated_at = $3 WHERE id = $1`,
			h.id, encodeList(kept), millis(ev.At))
		if err != nil {
			return err
		}
	}
	return nil
}

var likeSpecial = strings.NewReplacer("!", "!!", "%", "!%", "_", "!_")

// escapeLike returns text that LIKE takes literally with ESCAPE '!'.
func escapeLike(s string) string { return likeSpecial.Replace(s) }
