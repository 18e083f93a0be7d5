package store

import (
	"context"
	"maps"
	"time"

	"latchkey/internal/keys"
	"latchkey/internal/token"
)

const codeColumns = `id, hash, workspace_id, keyspace_id, issuer, template, method, challenge, callback, misses, created_at, expires_at`

func codeTargets(c *keys.OneTimeCode, misses *int64) []any {
	return []any{text{&c.ID}, digest{&c.Hash}, text{&c.WorkspaceID}, text{&c.KeyspaceID}, issuerColumn{&c.Issuer}, templateColumn{&c.Template},
		text{(*string)(&c.Method)}, challengeColumn{&c.Challenge}, text{&c.Callback}, integer{misses}, moment{&c.CreatedAt}, moment{&c.ExpiresAt}}
}

// The columns' own forms of what belongs to a code.
type (
	issuerForm struct {
		creatorForm
		WorkspaceID string `json:"workspace_id"`
		SecretID    string `json:"secret_id"`
	}
	templateForm struct {
		Name      string            `json:"name,omitzero"`
		ExpiresAt int64             `json:"expires_at,omitzero"`
		Budget    *budgetForm       `json:"budget,omitzero"`
		Owner     ownerForm         `json:"owner,omitzero"`
		Extra     map[string]string `json:"extra,omitzero"`
	}
	ownerForm struct {
		ID         string `json:"id,omitzero"`
		ExternalID string `json:"external_id,omitzero"`
	}
)

func encodeIssuer(i keys.Issuer) string {
	return encode(issuerForm{creatorForm(i.Creator), i.WorkspaceID, i.SecretID})
}

func encodeTemplate(t *keys.Template) string {
	return encode(templateForm{t.Name, millis(t.ExpiresAt), (*budgetForm)(t.Budget), ownerForm(t.Owner), t.Extra})
}

type (
	issuerColumn    struct{ to *keys.Issuer }
	templateColumn  struct{ to *keys.Template }
	challengeColumn struct{ to *token.Hash }
)

func (c issuerColumn) Scan(src any) error {
	var f issuerForm
	err := document[issuerForm]{&f}.Scan(src)
	*c.to = keys.Issuer{Creator: keys.Creator(f.creatorForm), WorkspaceID: f.WorkspaceID, SecretID: f.SecretID}
	return err
}

func (c templateColumn) Scan(src any) error {
	var f templateForm
	err := document[templateForm]{&f}.Scan(src)
	*c.to = keys.Template{Name: f.Name, ExpiresAt: fromMillis(f.ExpiresAt), Budget: (*keys.Budget)(f.Budget), Owner: keys.Owner(f.Owner), Extra: f.Extra}
	return err
}

// Scan reads a hash, the zero one where there is none.
func (c challengeColumn) Scan(src any) error {
	if src == nil {
		*c.to = token.Hash{}
		return nil
	}
	return digest(c).Scan(src)
}

// InsertCode implements [keys.CodeStore].
func (s *Store) InsertCode(ctx context.Context, c *keys.OneTimeCode, most int, ev keys.Event) error {
	out := *c
	out.CreatedAt, out.ExpiresAt, out.Template.ExpiresAt = kept(c.CreatedAt), kept(c.ExpiresAt), kept(c.Template.ExpiresAt)
	out.Template.Extra = maps.Clone(c.Template.Extra)
	if len(out.Template.Extra) == 0 {
		out.Template.Extra = nil
	}
	var challenge []byte
	if !out.Challenge.IsZero() {
		challenge = out.Challenge[:]
	}
	err := s.write(ctx, func(t *txn) error {
		out.MakeKeyspace = c.MakeKeyspace
		if err := t.roomForCode(out.WorkspaceID, int64(most), ev.At); err != nil {
			return err
		}
		if err := t.makeKeyspace(&out.MakeKeyspace, ev); err != nil {
			return err
		}
		err := t.insert("there is such a code", `INSERT INTO codes (`+codeColumns+`) VALUES `+list(1, 12),
			out.ID, out.Hash[:], out.WorkspaceID, out.KeyspaceID, encodeIssuer(out.Issuer), encodeTemplate(&out.Template),
			string(out.Method), blob(challenge), out.Callback, int64(out.Misses), millis(out.CreatedAt), millis(out.ExpiresAt))
		if err != nil {
			return err
		}
		ev := ev
		ev.Compare(nil, keys.CodeMembers(&out))
		return t.record(ev)
	})
	if err == nil {
		*c = out
	}
	return err
}

// roomForCode refuses one code more than may wait. The row of the workspace
// lets one in at a time.
func (t *txn) roomForCode(workspaceID string, most int64, now time.Time) error {
	var id string
	err := t.row(`SELECT id FROM workspaces WHERE id = $1`+t.engine.forUpdate, []any{workspaceID}, text{&id})
	if err != nil {
		return found(err, "workspace")
	}
	var n int64
	err = t.row(`SELECT count(*) FROM codes WHERE workspace_id = $1 AND expires_at > $2`, []any{workspaceID, millis(now)}, integer{&n})
	if err == nil && n >= most {
		err = keys.Errorf(keys.Conflict, "%d codes wait, which is the most", n)
	}
	return err
}

// Code implements [keys.CodeStore].
func (s *Store) Code(ctx context.Context, hash token.Hash) (c keys.OneTimeCode, err error) {
	err = s.look(ctx, func(q *session) error {
		c, err = q.code(`hash = $1`, hash[:])
		return err
	})
	return c, err
}

func (q *session) code(where string, args ...any) (keys.OneTimeCode, error) {
	var c keys.OneTimeCode
	var misses int64
	err := q.row(`SELECT `+codeColumns+` FROM codes WHERE `+where, args, codeTargets(&c, &misses)...)
	c.Misses = int(misses)
	return c, found(err, "code")
}

// RedeemCode implements [keys.CodeStore].
func (s *Store) RedeemCode(ctx context.Context, workspaceID, id string, redeem func(*keys.OneTimeCode) (*keys.Key, error), ev keys.Event) error {
	var k, out *keys.Key
	err := s.write(ctx, func(t *txn) error {
		// 1. The code, which nobody else can have any more, in the order in which
		// all that it belongs to would be deleted.
		if err := t.keepHome(workspaceID, id); err != nil {
			return err
		}
		c, err := t.code(`workspace_id = $1 AND id = $2`+t.engine.forUpdate, workspaceID, id)
		if err != nil {
			return err
		}
		if _, err := t.exec(`DELETE FROM codes WHERE id = $1`, id); err != nil {
			return err
		}

		// 2. The key.
		if k, err = redeem(&c); err != nil {
			return refusal{err}
		}
		made := cloneKey(k)
		out = &made
		ev := ev
		ev.Compare(nil, []keys.Member{{Name: "key", Value: k.ID}})
		if err := t.record(ev); err != nil {
			return err
		}
		return t.insertKey(out, ev.Also("key.create", keys.Ref{Type: "key", ID: k.ID}, nil))
	})
	if err == nil {
		*k = *out
	}
	return err
}

// keepHome keeps the workspace and the keyspace of a code from being deleted.
func (t *txn) keepHome(workspaceID, id string) error {
	if t.engine.keep == "" {
		return nil
	}
	if err := t.keepWorkspace(workspaceID); err != nil {
		return err
	}
	_, err := t.exec(`SELECT 1 FROM keyspaces WHERE id = (SELECT keyspace_id FROM codes WHERE workspace_id = $1 AND id = $2)`+t.engine.keep, workspaceID, id)
	return err
}

// MissCode implements [keys.CodeStore].
func (s *Store) MissCode(ctx context.Context, workspaceID, id string, most int) error {
	return s.write(ctx, func(t *txn) error {
		n, err := t.exec(`UPDATE codes SET misses = misses + 1 WHERE workspace_id = $1 AND id = $2`, workspaceID, id)
		if err == nil && n > 0 {
			_, err = t.exec(`DELETE FROM codes WHERE id = $1 AND misses >= $2`, id, int64(most))
		}
		return err
	})
}

// PruneCodes implements [keys.CodeStore].
func (s *Store) PruneCodes(ctx context.Context, before time.Time, limit int) (int, error) {
	return s.prune(ctx, `DELETE FROM codes WHERE id IN (SELECT id FROM codes WHERE expires_at < $1 ORDER BY expires_at LIMIT $2)`, before, limit)
}
