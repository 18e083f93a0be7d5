package store

import (
	"context"
	"slices"
	"time"

	"latchkey/internal/keys"
	"latchkey/internal/token"
)

// factsQuery reads all that a verification needs in one row, but for what has
// rows of its own. A root key has no keyspace.
const factsQuery = `SELECT s.id, ` + keyColumns + `, ` + keyspaceColumns + `, ` + workspaceColumns + `, ` + identityColumns + keyJoins + `
	JOIN secrets s ON s.key_id = k.id
	JOIN workspaces w ON w.id = k.workspace_id
	LEFT JOIN keyspaces ks ON ks.id = k.keyspace_id
	WHERE s.hash = $1 AND (s.expires_at = 0 OR s.expires_at > $2)`

// FactsByHash implements [keys.VerifyStore].
func (s *Store) FactsByHash(ctx context.Context, hash token.Hash, now time.Time) (f *keys.Facts, err error) {
	err = s.view(ctx, func(q *session) error {
		f, err = q.facts(hash, now)
		return err
	})
	if err != nil {
		return nil, err
	}
	slices.Sort(f.Permissions)
	f.Permissions = slices.Compact(f.Permissions)
	return f, nil
}

func (q *session) facts(hash token.Hash, now time.Time) (*keys.Facts, error) {
	// 1. The key and what it belongs to.
	f := &keys.Facts{}
	var k keyRow
	var owner keys.Identity
	to := append([]any{text{&f.SecretID}}, k.columns()...)
	to = append(to, keyspaceTargets(&f.Keyspace)...)
	to = append(to, workspaceTargets(&f.Workspace)...)
	to = append(to, identityTargets(&owner)...)
	if err := q.row(factsQuery, []any{hash[:], millis(now)}, to...); err != nil {
		return nil, found(err, "key")
	}
	if owner.ID != "" {
		f.Owner = &owner
	}

	// 2. What has rows of its own.
	one := []keyRow{k}
	if err := q.completeKeys(one); err != nil {
		return nil, err
	}
	f.Key = one[0].key
	f.Key.Secrets = f.Key.LiveSecrets(now)
	f.Permissions = slices.Clone(f.Key.Permissions)
	if k.roles {
		if err := q.addRolePermissions(f); err != nil {
			return nil, err
		}
	}

	// 3. Whether all that is above it is enabled.
	live, err := q.pathEnabled(&f.Workspace)
	f.Live = live
	return f, err
}

func (q *session) addRolePermissions(f *keys.Facts) error {
	return q.each(`SELECT p.name FROM key_roles r
		JOIN role_permissions rp ON rp.role_id = r.role_id
		JOIN permissions p ON p.id = rp.permission_id
		WHERE r.key_id = $1`, []any{f.Key.ID}, func(row scan) error {
		var name string
		err := row(text{&name})
		f.Permissions = append(f.Permissions, name)
		return err
	})
}

// pathEnabled reports whether a workspace and all those above it are enabled.
func (q *session) pathEnabled(ws *keys.Workspace) (bool, error) {
	above := keys.Ancestors(ws.Path)
	above = above[:len(above)-1] // without ws itself
	enabled := ws.Enabled
	err := inChunks(above, func(chunk []any) error {
		return q.each(`SELECT enabled FROM workspaces WHERE path IN `+list(1, len(chunk)), chunk, func(row scan) error {
			var on bool
			err := row(flag{&on})
			enabled = enabled && on
			return err
		})
	})
	return enabled, err
}
