package store

import (
	"context"

	"latchkey/internal/keys"
)

const keyspaceColumns = `ks.id, ks.workspace_id, ks.slug, ks.name, ks.policy, ks.version, ks.created_at, ks.updated_at`

func keyspaceTargets(ks *keys.Keyspace) []any {
	return []any{text{&ks.ID}, text{&ks.WorkspaceID}, text{&ks.Slug}, text{&ks.Name}, policyColumn{&ks.Policy},
		integer{&ks.Version}, moment{&ks.CreatedAt}, moment{&ks.UpdatedAt}}
}

// InsertKeyspace implements [keys.KeyspaceStore].
func (s *Store) InsertKeyspace(ctx context.Context, ks *keys.Keyspace, ev keys.Event) error {
	out := *ks
	err := s.write(ctx, func(t *txn) error { return t.insertKeyspace(&out, ev) })
	if err == nil {
		*ks = out
	}
	return err
}

func (t *txn) insertKeyspace(ks *keys.Keyspace, ev keys.Event) error {
	ks.Version, ks.CreatedAt, ks.UpdatedAt = 1, kept(ks.CreatedAt), kept(ks.UpdatedAt)
	err := t.insert("the workspace has a keyspace "+ks.Slug, `INSERT INTO keyspaces
		(id, workspace_id, slug, name, policy, version, created_at, updated_at) VALUES `+list(1, 8),
		ks.ID, ks.WorkspaceID, ks.Slug, ks.Name, encodePolicy(&ks.Policy), ks.Version, millis(ks.CreatedAt), millis(ks.UpdatedAt))
	if err != nil {
		return err
	}
	t.changed(keys.AnyChanged, "")
	ev.Compare(nil, keys.KeyspaceMembers(ks))
	return t.record(ev)
}

// makeKeyspace makes the keyspace of what is the first to go there, if there is
// one to be made.
func (t *txn) makeKeyspace(ks **keys.Keyspace, ev keys.Event) error {
	if *ks == nil {
		return nil
	}
	made := **ks
	*ks = nil
	return t.insertKeyspace(&made, ev.Also("keyspace.create", keys.Ref{Type: "keyspace", ID: made.ID}, nil))
}

// UpdateKeyspace implements [keys.KeyspaceStore].
func (s *Store) UpdateKeyspace(ctx context.Context, workspaceID, ref string, change func(*keys.Keyspace) error, ev keys.Event) (keys.Keyspace, error) {
	var ks keys.Keyspace
	err := s.write(ctx, func(t *txn) error {
		old, err := t.keyspace(workspaceID, ref, t.engine.forUpdate)
		if err != nil {
			return err
		}
		// The two share no list, since each has its policy from its own text.
		ks = old
		if err := (policyColumn{&ks.Policy}).Scan(encodePolicy(&old.Policy)); err != nil {
			return err
		}
		if err := change(&ks); err != nil {
			return refusal{err}
		}
		return t.updateKeyspace(&ks, &old, ev)
	})
	if err != nil {
		return keys.Keyspace{}, err
	}
	return ks, nil
}

func (t *txn) updateKeyspace(ks, old *keys.Keyspace, ev keys.Event) error {
	ks.ID, ks.WorkspaceID, ks.Version, ks.CreatedAt, ks.UpdatedAt = old.ID, old.WorkspaceID, old.Version, old.CreatedAt, old.UpdatedAt
	policy := encodePolicy(&ks.Policy)
	if ks.Slug == old.Slug && ks.Name == old.Name && policy == encodePolicy(&old.Policy) {
		return t.unchanged(ev, keys.KeyspaceMembers(ks))
	}
	ks.Version, ks.UpdatedAt = old.Version+1, kept(ev.At)
	err := t.insert("the workspace has a keyspace "+ks.Slug, `UPDATE keyspaces
		SET slug = $2, name = $3, policy = $4, version = $5, updated_at = $6 WHERE id = $1`,
		ks.ID, ks.Slug, ks.Name, policy, ks.Version, millis(ks.UpdatedAt))
	if err != nil {
		return err
	}
	t.changed(keys.AnyChanged, "")
	ev.Compare(keys.KeyspaceMembers(old), keys.KeyspaceMembers(ks))
	return t.record(ev)
}

// Keyspace implements [keys.KeyspaceStore].
func (s *Store) Keyspace(ctx context.Context, workspaceID, ref string) (ks keys.Keyspace, err error) {
	err = s.look(ctx, func(q *session) error {
		ks, err = q.keyspace(workspaceID, ref, "")
		return err
	})
	return ks, err
}

func (q *session) keyspace(workspaceID, ref, lock string) (ks keys.Keyspace, err error) {
	err = q.row(`SELECT `+keyspaceColumns+` FROM keyspaces ks WHERE ks.workspace_id = $1 AND (ks.id = $2 OR ks.slug = $2)
		ORDER BY CASE WHEN ks.id = $2 THEN 0 ELSE 1 END LIMIT 1`+lock, []any{workspaceID, ref}, keyspaceTargets(&ks)...)
	return ks, found(err, "keyspace")
}

// Keyspaces implements [keys.KeyspaceStore].
func (s *Store) Keyspaces(ctx context.Context, workspaceID string, p keys.Page) (out []keys.Keyspace, err error) {
	w := new(conditions)
	w.add("ks.workspace_id = ?", workspaceID)
	err = s.look(ctx, func(q *session) error {
		return q.eachOnce(`SELECT `+keyspaceColumns+` FROM keyspaces ks`+w.page("ks.id", p), w.args, func(row scan) error {
			var ks keys.Keyspace
			err := row(keyspaceTargets(&ks)...)
			out = append(out, ks)
			return err
		})
	})
	return out, err
}

// DeleteKeyspace implements [keys.KeyspaceStore].
func (s *Store) DeleteKeyspace(ctx context.Context, workspaceID, ref string, check func(*keys.Keyspace) error, ev keys.Event) error {
	return s.write(ctx, func(t *txn) error {
		if err := t.keepWorkspace(workspaceID); err != nil {
			return err
		}
		ks, err := t.keyspace(workspaceID, ref, t.engine.forUpdate)
		if err != nil {
			return err
		}
		if err := check(&ks); err != nil {
			return refusal{err}
		}
		if err := t.deleteKeys(workspaceID, "keyspace_id", ks.ID); err != nil {
			return err
		}
		if _, err := t.exec(`DELETE FROM keyspaces WHERE id = $1`, ks.ID); err != nil {
			return err
		}
		t.changed(keys.AnyChanged, "")
		ev.Compare(keys.KeyspaceMembers(&ks), nil)
		return t.record(ev)
	})
}

// deleteKeys deletes all keys that a column of theirs selects, with the credits
// that no other key has.
func (t *txn) deleteKeys(workspaceID, column, value string) error {
	if t.engine.forUpdate != "" { // so that nobody spends with them meanwhile
		if _, err := t.exec(`SELECT 1 FROM keys WHERE `+column+` = $1 ORDER BY id`+t.engine.forUpdate, value); err != nil {
			return err
		}
	}
	err := t.closeAccounts(workspaceID, `k.`+column+` = $1
		AND NOT EXISTS (SELECT 1 FROM keys o WHERE o.account_id = k.account_id AND (o.`+column+` IS NULL OR o.`+column+` <> $1))`, value)
	if err == nil {
		_, err = t.exec(`DELETE FROM keys WHERE `+column+` = $1`, value)
	}
	return err
}
