package store

import (
	"bytes"
	"context"
	"slices"

	"latchkey/internal/keys"
	"latchkey/internal/token"
)

const secretColumns = `s.id, s.hash, s.shown_start, s.shown_end, s.created_at, s.expires_at, s.sealed, s.sealed_by, u.at`

func secretTargets(s *keys.Secret) []any {
	return []any{text{&s.ID}, digest{&s.Hash}, text{&s.Start}, text{&s.End}, moment{&s.CreatedAt}, moment{&s.ExpiresAt},
		binary{&s.Sealed}, text{&s.SealedBy}, moment{&s.LastUsedAt}}
}

// addSecrets reads the secrets of some keys, the newest last.
func (q *session) addSecrets(all map[string]*keys.Key, ids []any) error {
	return q.each(`SELECT s.key_id, `+secretColumns+` FROM secrets s
		LEFT JOIN uses u ON u.key_id = s.key_id AND u.secret_id = s.id
		WHERE s.key_id IN `+list(1, len(ids))+` ORDER BY s.key_id, s.position`, ids, func(row scan) error {
		var keyID string
		var s keys.Secret
		if err := row(append([]any{text{&keyID}}, secretTargets(&s)...)...); err != nil {
			return err
		}
		k := all[keyID]
		k.Secrets = append(k.Secrets, s)
		return nil
	})
}

// sameSecret reports whether two secrets are stored alike.
func sameSecret(a, b keys.Secret) bool {
	return a.ID == b.ID && a.Hash == b.Hash && a.Start == b.Start && a.End == b.End &&
		a.CreatedAt.Equal(b.CreatedAt) && a.ExpiresAt.Equal(b.ExpiresAt) &&
		bytes.Equal(a.Sealed, b.Sealed) && a.SealedBy == b.SealedBy
}

// changeSecrets makes the secrets of a key, which were old, those that k has.
func (t *txn) changeSecrets(k *keys.Key, old []keys.Secret) error {
	index := func(list []keys.Secret, id string) int {
		return slices.IndexFunc(list, func(s keys.Secret) bool { return s.ID == id })
	}
	for i := range old {
		if index(k.Secrets, old[i].ID) >= 0 {
			continue
		}
		if _, err := t.exec(`DELETE FROM secrets WHERE id = $1`, old[i].ID); err != nil {
			return err
		}
		if _, err := t.exec(`DELETE FROM uses WHERE key_id = $1 AND secret_id = $2`, k.ID, old[i].ID); err != nil {
			return err
		}
	}
	for i := range k.Secrets {
		s := &k.Secrets[i]
		was := index(old, s.ID)
		switch {
		case was < 0:
			if err := t.insertSecret(k, s, i); err != nil {
				return err
			}
		case was != i || !sameSecret(*s, old[was]):
			_, err := t.exec(`UPDATE secrets SET position = $2, hash = $3, shown_start = $4, shown_end = $5, sealed = $6, sealed_by = $7,
				created_at = $8, expires_at = $9 WHERE id = $1`,
				s.ID, int64(i), s.Hash[:], s.Start, s.End, blob(s.Sealed), s.SealedBy, millis(s.CreatedAt), millis(s.ExpiresAt))
			if err != nil {
				return err
			}
		}
	}
	return nil
}

func (t *txn) insertSecret(k *keys.Key, s *keys.Secret, position int) error {
	err := t.insert("this secret is there already", `INSERT INTO secrets
		(id, hash, key_id, position, shown_start, shown_end, sealed, sealed_by, created_at, expires_at) VALUES `+list(1, 10),
		s.ID, s.Hash[:], k.ID, int64(position), s.Start, s.End, blob(s.Sealed), s.SealedBy, millis(s.CreatedAt), millis(s.ExpiresAt))
	if err != nil {
		return err
	}
	prefix, checked := apparent(k.Form), k.Form.Checksummed()
	n, err := t.exec(`INSERT INTO prefixes (prefix, checked) VALUES ($1, $2) ON CONFLICT (prefix, checked) DO NOTHING`, prefix, checked)
	if n > 0 {
		t.changes = append(t.changes, keys.Change{Kind: keys.SecretAdded, Prefix: prefix, Checked: checked})
	}
	return err
}

// apparent returns the prefix that [token.Apparent] finds in every secret of
// the form. Where the form puts a "_" of its own behind its prefix that is the
// prefix; elsewhere it ends at the last "_" of the prefix, since no random
// part has any.
func apparent(f token.Form) string {
	if f.Format == token.Latchkey || f.Format == token.Base58Bytes {
		return f.Prefix
	}
	return token.Apparent(f.Prefix)
}

// Prefixes implements [keys.VerifyStore].
func (s *Store) Prefixes(ctx context.Context) (checked, unchecked []string, err error) {
	err = s.look(ctx, func(q *session) error {
		return q.each(`SELECT prefix, checked FROM prefixes ORDER BY prefix`, nil, func(row scan) error {
			var prefix string
			var sum bool
			err := row(text{&prefix}, flag{&sum})
			if sum {
				checked = append(checked, prefix)
			} else {
				unchecked = append(unchecked, prefix)
			}
			return err
		})
	})
	return checked, unchecked, err
}
