package store

import (
	"context"
	"database/sql"
	"errors"
	"strings"

	"latchkey/internal/keys"
)

const workspaceColumns = `w.id, w.uuid, w.slug, w.path, w.name, w.enabled, w.prepaid, w.version, w.created_at, w.updated_at`

func workspaceTargets(ws *keys.Workspace) []any {
	return []any{text{&ws.ID}, text{&ws.UUID}, text{&ws.Slug}, text{&ws.Path}, text{&ws.Name}, flag{&ws.Enabled},
		integer{&ws.PrepaidMicros}, integer{&ws.Version}, moment{&ws.CreatedAt}, moment{&ws.UpdatedAt}}
}

// Initialize implements [keys.WorkspaceStore].
func (s *Store) Initialize(ctx context.Context, ws *keys.Workspace, ks *keys.Keyspace, root *keys.Key, ev keys.Event) (made bool, err error) {
	err = s.write(ctx, func(t *txn) error {
		made = false
		// The row of the installation lets one in at a time.
		var n int64
		if err := t.row(`SELECT revision FROM installation WHERE id = 1`+t.engine.forUpdate, nil, integer{&n}); err != nil {
			return err
		}
		if err := t.row(`SELECT count(*) FROM workspaces`, nil, integer{&n}); err != nil || n > 0 {
			return err
		}
		made = true
		return t.initialize(ws, ks, root, ev)
	})
	return made && err == nil, err
}

func (t *txn) initialize(ws *keys.Workspace, ks *keys.Keyspace, root *keys.Key, ev keys.Event) error {
	if err := t.insertWorkspace(ws, ev); err != nil {
		return err
	}
	if err := t.insertKeyspace(ks, ev.Also("keyspace.create", keys.Ref{Type: "keyspace", ID: ks.ID}, nil)); err != nil {
		return err
	}
	if root == nil {
		return nil
	}
	ev = ev.Also("root_key.create", keys.Ref{Type: "root_key", ID: root.ID}, nil)
	ev.KeyID = root.ID
	return t.insertKey(root, ev)
}

// InsertWorkspace implements [keys.WorkspaceStore].
func (s *Store) InsertWorkspace(ctx context.Context, ws *keys.Workspace, ks *keys.Keyspace, ev keys.Event) error {
	out := *ws
	err := s.write(ctx, func(t *txn) error {
		if i := strings.LastIndexByte(out.Path, '.'); i > 0 {
			// Held, so that it is not deleted meanwhile.
			var id string
			err := t.row(`SELECT id FROM workspaces WHERE path = $1`+t.engine.forUpdate, []any{out.Path[:i]}, text{&id})
			if errors.Is(err, sql.ErrNoRows) {
				return keys.Faults{{Field: "slug", Detail: "there is no workspace " + out.Path[:i]}}.Err()
			}
			if err != nil {
				return err
			}
		}
		if err := t.insertWorkspace(&out, ev); err != nil {
			return err
		}
		if ks == nil {
			return nil
		}
		made := ev.Also("keyspace.create", keys.Ref{Type: "keyspace", ID: ks.ID}, nil)
		made.WorkspaceID = out.ID
		return t.insertKeyspace(ks, made)
	})
	if err == nil {
		*ws = out
	}
	return err
}

func (t *txn) insertWorkspace(ws *keys.Workspace, ev keys.Event) error {
	ws.Version, ws.CreatedAt, ws.UpdatedAt = 1, kept(ws.CreatedAt), kept(ws.UpdatedAt)
	err := t.insert("there is a workspace "+ws.Path, `INSERT INTO workspaces
		(id, uuid, slug, path, name, enabled, prepaid, version, created_at, updated_at) VALUES `+list(1, 10),
		ws.ID, ws.UUID, ws.Slug, ws.Path, ws.Name, ws.Enabled, ws.PrepaidMicros, ws.Version, millis(ws.CreatedAt), millis(ws.UpdatedAt))
	if err != nil {
		return err
	}
	t.changed(keys.AnyChanged, "")
	ev.Compare(nil, keys.WorkspaceMembers(ws))
	return t.record(ev)
}

// UpdateWorkspace implements [keys.WorkspaceStore].
func (s *Store) UpdateWorkspace(ctx context.Context, id string, change func(*keys.Workspace) error, ev keys.Event) (keys.Workspace, error) {
	var ws keys.Workspace
	err := s.write(ctx, func(t *txn) error {
		err := t.row(`SELECT `+workspaceColumns+` FROM workspaces w WHERE w.id = $1`+t.engine.forUpdate, []any{id}, workspaceTargets(&ws)...)
		if err != nil {
			return found(err, "workspace")
		}
		old := ws
		if err := change(&ws); err != nil {
			return refusal{err}
		}
		return t.updateWorkspace(&ws, &old, ev)
	})
	if err != nil {
		return keys.Workspace{}, err
	}
	return ws, nil
}

func (t *txn) updateWorkspace(ws, old *keys.Workspace, ev keys.Event) error {
	ws.ID, ws.Version, ws.CreatedAt, ws.UpdatedAt = old.ID, old.Version, old.CreatedAt, old.UpdatedAt
	if *ws == *old {
		return t.unchanged(ev, keys.WorkspaceMembers(ws))
	}
	ws.Version, ws.UpdatedAt = old.Version+1, kept(ev.At)
	err := t.insert("there is a workspace "+ws.Path, `UPDATE workspaces
		SET uuid = $2, slug = $3, path = $4, name = $5, enabled = $6, prepaid = $7, version = $8, updated_at = $9 WHERE id = $1`,
		ws.ID, ws.UUID, ws.Slug, ws.Path, ws.Name, ws.Enabled, ws.PrepaidMicros, ws.Version, millis(ws.UpdatedAt))
	if err != nil {
		return err
	}
	t.changed(keys.AnyChanged, "")
	ev.Compare(keys.WorkspaceMembers(old), keys.WorkspaceMembers(ws))
	return t.record(ev)
}

// Workspace implements [keys.WorkspaceStore].
func (s *Store) Workspace(ctx context.Context, ref string) (keys.Workspace, error) {
	var all []keys.Workspace
	err := s.look(ctx, func(q *session) error {
		return q.each(`SELECT `+workspaceColumns+` FROM workspaces w WHERE w.id = $1 OR w.path = $1 OR w.uuid = $1 OR w.slug = $1
			ORDER BY CASE WHEN w.id = $1 THEN 0 WHEN w.path = $1 THEN 1 WHEN w.uuid = $1 THEN 2 ELSE 3 END LIMIT 2`, []any{ref}, func(row scan) error {
			var ws keys.Workspace
			err := row(workspaceTargets(&ws)...)
			all = append(all, ws)
			return err
		})
	})
	switch {
	case err != nil:
		return keys.Workspace{}, err
	case len(all) == 1, len(all) == 2 && (all[0].ID == ref || all[0].Path == ref || all[0].UUID == ref):
		return all[0], nil
	}
	return keys.Workspace{}, keys.Errorf(keys.NotFound, "no such workspace")
}

// Workspaces implements [keys.WorkspaceTree].
func (s *Store) Workspaces(ctx context.Context, path string, p keys.Page) (out []keys.Workspace, err error) {
	w := new(conditions)
	// Paths hold no character that comes between '.' and '/'.
	w.add("(w.path = ? OR w.path > ? AND w.path < ?)", path, path+".", path+"/")
	err = s.look(ctx, func(q *session) error {
		return q.eachOnce(`SELECT `+workspaceColumns+` FROM workspaces w`+w.page("w.id", p), w.args, func(row scan) error {
			var ws keys.Workspace
			err := row(workspaceTargets(&ws)...)
			out = append(out, ws)
			return err
		})
	})
	return out, err
}

// keepWorkspace keeps a workspace from being deleted. Whoever locks what it holds
// and then needs the workspace, be it to refer to it, asks for that first: that is
// the order in which a deletion of it goes.
func (t *txn) keepWorkspace(id string) error {
	if t.engine.keep == "" {
		return nil
	}
	_, err := t.exec(`SELECT 1 FROM workspaces WHERE id = $1`+t.engine.keep, id)
	return err
}

// DeleteWorkspace implements [keys.WorkspaceTree].
func (s *Store) DeleteWorkspace(ctx context.Context, id string, check func(*keys.Workspace) error, ev keys.Event) error {
	return s.write(ctx, func(t *txn) error {
		var ws keys.Workspace
		err := t.row(`SELECT `+workspaceColumns+` FROM workspaces w WHERE w.id = $1`+t.engine.forUpdate, []any{id}, workspaceTargets(&ws)...)
		if err != nil {
			return found(err, "workspace")
		}
		if err := check(&ws); err != nil {
			return refusal{err}
		}
		var below int64
		err = t.row(`SELECT count(*) FROM workspaces WHERE path > $1 AND path < $2`, []any{ws.Path + ".", ws.Path + "/"}, integer{&below})
		if err != nil {
			return err
		}
		if below > 0 {
			return keys.Errorf(keys.Conflict, "there are %d workspaces below it; delete them first", below)
		}
		return t.deleteWorkspace(&ws, ev)
	})
}

func (t *txn) deleteWorkspace(ws *keys.Workspace, ev keys.Event) error {
	if err := t.deleteKeys(ws.ID, "workspace_id", ws.ID); err != nil {
		return err
	}
	for _, table := range []string{"roles", "permissions", "identities", "keyspaces", "overrides"} {
		if _, err := t.exec(`DELETE FROM `+table+` WHERE workspace_id = $1`, ws.ID); err != nil {
			return err
		}
	}
	if _, err := t.exec(`DELETE FROM workspaces WHERE id = $1`, ws.ID); err != nil {
		return err
	}
	t.changed(keys.AnyChanged, "")
	ev.Compare(keys.WorkspaceMembers(ws), nil)
	return t.record(ev)
}
