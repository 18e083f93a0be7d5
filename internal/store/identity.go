package store

import (
	"context"
	"database/sql"
	"errors"
	"maps"
	"slices"

	"latchkey/internal/keys"
	"latchkey/internal/token"
)

const identityFields = `id, workspace_id, external_id, kind, enabled, meta, limits, extra, version, created_at, updated_at`

const identityColumns = `i.id, i.workspace_id, i.external_id, i.kind, i.enabled, i.meta, i.limits, i.extra, i.version, i.created_at, i.updated_at`

func identityTargets(i *keys.Identity) []any {
	return []any{text{&i.ID}, text{&i.WorkspaceID}, text{&i.ExternalID}, text{(*string)(&i.Kind)}, flag{&i.Enabled}, text{&i.Meta},
		limitsColumn{&i.Limits}, document[keys.Extra]{&i.Extra}, integer{&i.Version}, moment{&i.CreatedAt}, moment{&i.UpdatedAt}}
}

func identityValues(i *keys.Identity) []any {
	return []any{i.ID, i.WorkspaceID, orNull(i.ExternalID), string(i.Kind), i.Enabled, i.Meta,
		encodeLimits(i.Limits), encodeExtra(i.Extra), i.Version, millis(i.CreatedAt), millis(i.UpdatedAt)}
}

const insertIdentity = `INSERT INTO identities (` + identityFields + `) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`

// InsertIdentity implements [keys.IdentityStore].
func (s *Store) InsertIdentity(ctx context.Context, i *keys.Identity, ev keys.Event) error {
	out := *i
	tidyIdentity(&out)
	out.Version = 1
	err := s.write(ctx, func(t *txn) error {
		err := t.insert("the workspace has an identity "+out.ExternalID, insertIdentity, identityValues(&out)...)
		if err != nil {
			return err
		}
		t.changed(keys.IdentityChanged, out.ID)
		ev.Compare(nil, keys.IdentityMade(&out))
		return t.record(ev)
	})
	if err == nil {
		*i = out
	}
	return err
}

// UpdateIdentity implements [keys.IdentityStore].
func (s *Store) UpdateIdentity(ctx context.Context, workspaceID, ref string, change func(*keys.Identity) error, ev keys.Event) (keys.Identity, error) {
	var i keys.Identity
	err := s.write(ctx, func(t *txn) error {
		old, err := t.identityLocked(workspaceID, ref, t.engine.forUpdate)
		if err != nil {
			return err
		}
		i = old
		i.Limits, i.Extra = slices.Clone(old.Limits), maps.Clone(old.Extra)
		if err := change(&i); err != nil {
			return refusal{err}
		}
		return t.updateIdentity(&i, &old, ev)
	})
	if err != nil {
		return keys.Identity{}, err
	}
	return i, nil
}

func (t *txn) updateIdentity(i, old *keys.Identity, ev keys.Event) error {
	i.ID, i.WorkspaceID, i.Version, i.CreatedAt, i.UpdatedAt = old.ID, old.WorkspaceID, old.Version, old.CreatedAt, old.UpdatedAt
	tidyIdentity(i)
	if slices.Equal(identityValues(i), identityValues(old)) {
		return t.unchanged(ev, keys.IdentityMembers(i))
	}
	i.Version, i.UpdatedAt = old.Version+1, kept(ev.At)
	err := t.insert("the workspace has an identity "+i.ExternalID,
		`UPDATE identities SET (`+identityFields+`) = `+list(1, 11)+` WHERE id = $1`, identityValues(i)...)
	if err != nil {
		return err
	}
	t.changed(keys.IdentityChanged, i.ID)
	ev.Compare(keys.IdentityMembers(old), keys.IdentityMembers(i))
	return t.record(ev)
}

// Identity implements [keys.IdentityStore].
func (s *Store) Identity(ctx context.Context, workspaceID, ref string) (i keys.Identity, err error) {
	err = s.look(ctx, func(q *session) error {
		i, err = q.identity(workspaceID, ref)
		return err
	})
	return i, err
}

// Identities implements [keys.IdentityStore].
func (s *Store) Identities(ctx context.Context, workspaceID string, f keys.IdentityFilter) (out []keys.Identity, count int, err error) {
	w := new(conditions)
	w.add("i.workspace_id = ?", workspaceID)
	if f.ExternalID != "" {
		w.add("i.external_id = ?", f.ExternalID)
	}
	if f.Kind != "" {
		w.add("i.kind = ?", string(f.Kind))
	}
	if f.Enabled != nil {
		w.add("i.enabled = ?", *f.Enabled)
	}
	err = s.view(ctx, func(q *session) error {
		var n int64
		err := q.eachOnce(`SELECT count(*) FROM identities i WHERE `+w.String(), w.args, func(row scan) error { return row(integer{&n}) })
		if err != nil {
			return err
		}
		count = int(n)
		return q.eachOnce(`SELECT `+identityColumns+` FROM identities i`+w.ordered("i.id", f.Page, f.Oldest), w.args, func(row scan) error {
			var i keys.Identity
			err := row(identityTargets(&i)...)
			out = append(out, i)
			return err
		})
	})
	return out, count, err
}

// DeleteIdentity implements [keys.IdentityStore].
func (s *Store) DeleteIdentity(ctx context.Context, workspaceID, ref string, check func(*keys.Identity) error, ev keys.Event) error {
	return s.write(ctx, func(t *txn) error {
		i, err := t.identityLocked(workspaceID, ref, t.engine.forUpdate)
		if err != nil {
			return err
		}
		if err := check(&i); err != nil {
			return refusal{err}
		}
		_, err = t.exec(`UPDATE keys SET owner_id = NULL, version = version + 1, updated_at = $2 WHERE owner_id = $1`, i.ID, millis(ev.At))
		if err != nil {
			return err
		}
		if _, err := t.exec(`DELETE FROM identities WHERE id = $1`, i.ID); err != nil {
			return err
		}
		t.changed(keys.IdentityChanged, i.ID)
		ev.Compare(keys.IdentityMade(&i), nil)
		return t.record(ev)
	})
}

func (q *session) identity(workspaceID, ref string) (keys.Identity, error) {
	return q.identityLocked(workspaceID, ref, "")
}

func (q *session) identityLocked(workspaceID, ref, lock string) (i keys.Identity, err error) {
	err = q.row(`SELECT `+identityColumns+` FROM identities i WHERE i.workspace_id = $1 AND (i.id = $2 OR i.external_id = $2)
		ORDER BY CASE WHEN i.id = $2 THEN 0 ELSE 1 END LIMIT 1`+lock, []any{workspaceID, ref}, identityTargets(&i)...)
	return i, found(err, "identity")
}

// customer returns the id of the identity with an external id, and makes one
// where there is none.
func (t *txn) customer(workspaceID, externalID string, ev keys.Event) (string, error) {
	i := keys.Identity{
		ID: token.NewID("idn"), WorkspaceID: workspaceID, ExternalID: externalID, Kind: keys.Customer, Enabled: true,
		Version: 1, CreatedAt: kept(ev.At), UpdatedAt: kept(ev.At),
	}
	for {
		var id string
		err := t.row(`SELECT id FROM identities WHERE workspace_id = $1 AND external_id = $2`, []any{workspaceID, externalID}, text{&id})
		if !errors.Is(err, sql.ErrNoRows) {
			return id, err
		}
		n, err := t.exec(insertIdentity+` ON CONFLICT (workspace_id, external_id) DO NOTHING`, identityValues(&i)...)
		if err != nil {
			return "", err
		}
		if n > 0 {
			return i.ID, t.record(ev.Also("identity.create", keys.Ref{Type: "identity", ID: i.ID}, keys.IdentityMade(&i)))
		}
	}
}

func tidyIdentity(i *keys.Identity) {
	i.CreatedAt, i.UpdatedAt, i.Limits = kept(i.CreatedAt), kept(i.UpdatedAt), orNil(i.Limits)
	if len(i.Extra) == 0 {
		i.Extra = nil
	}
}
