package store

import (
	"cmp"
	"slices"

	"latchkey/internal/keys"
)

// keyFields are the columns of a key's row, in the order of [keyValues] and
// [keyRow.columns].
const keyFields = `id, workspace_id, keyspace_id, root, owner_id, name, environment, enabled, expires_at, permissions,
	allowed_ips, limits, meta, form, created_by, extra, account_id, version, created_at, updated_at`

const keyFieldCount = 20

func keyValues(k *keys.Key) []any {
	return []any{
		k.ID, k.WorkspaceID, orNull(k.KeyspaceID), k.Root, orNull(k.Owner.ID), k.Name, k.Environment, k.Enabled, millis(k.ExpiresAt),
		encodeList(k.Permissions), encodeAddrs(k.AllowedIPs), encodeLimits(k.Limits), k.Meta, encodeForm(k.Form), encodeCreator(k.CreatedBy),
		encodeExtra(k.Extra), k.AccountID, k.Version, millis(k.CreatedAt), millis(k.UpdatedAt),
	}
}

// keyColumns are what is read of a key in one row, and keyJoins where it is
// found. What has rows of its own is only told to be there.
const (
	keyColumns = `k.id, k.workspace_id, k.keyspace_id, k.root, k.owner_id, k.name, k.environment, k.enabled, k.expires_at, k.permissions,
	k.allowed_ips, k.limits, k.meta, k.form, k.created_by, k.extra, k.account_id, k.version, k.created_at, k.updated_at,
	i.external_id, c.account_id, c.remaining, c.refill, c.refilled_at, m.account_id, m.budget, m.spent, m.held, u.at,
	EXISTS (SELECT 1 FROM key_roles r WHERE r.key_id = k.id), EXISTS (SELECT 1 FROM key_alias a WHERE a.key_id = k.id)`

	keyJoins = `
	FROM keys k
	LEFT JOIN identities i ON i.id = k.owner_id
	LEFT JOIN credits c ON c.account_id = k.account_id
	LEFT JOIN money m ON m.account_id = k.account_id
	LEFT JOIN uses u ON u.key_id = k.id AND u.secret_id = ''`
)

// A keyRow is a key and what is still to be read of it.
type keyRow struct {
	key     keys.Key
	account string // whose credits there are
	credits keys.Credits
	spender string // whose money there is
	money   keys.Money
	roles   bool // it has some
	aliases bool
}

func (r *keyRow) columns() []any {
	k := &r.key
	return []any{
		text{&k.ID}, text{&k.WorkspaceID}, text{&k.KeyspaceID}, flag{&k.Root}, text{&k.Owner.ID}, text{&k.Name}, text{&k.Environment},
		flag{&k.Enabled}, moment{&k.ExpiresAt}, document[[]string]{&k.Permissions}, addrsColumn{&k.AllowedIPs}, limitsColumn{&k.Limits},
		text{&k.Meta}, formColumn{&k.Form}, creatorColumn{&k.CreatedBy}, document[keys.Extra]{&k.Extra}, text{&k.AccountID},
		integer{&k.Version}, moment{&k.CreatedAt}, moment{&k.UpdatedAt},
		text{&k.Owner.ExternalID}, text{&r.account}, integer{&r.credits.Remaining}, refillColumn{&r.credits.Refill},
		moment{&r.credits.RefilledAt}, text{&r.spender}, budgetColumn{&r.money.Budget}, spentColumn{&r.money.Spent}, heldColumn{&r.money.Held}, moment{&k.LastUsedAt}, flag{&r.roles}, flag{&r.aliases},
	}
}

// completeKeys reads what has rows of its own, with a number of statements
// that does not grow with that of the keys (but every 256).
func (q *session) completeKeys(rows []keyRow) error {
	all, withRoles, withAliases := map[string]*keys.Key{}, []string{}, []string{} // key ID → key
	var ids []string
	for i := range rows {
		r := &rows[i]
		all[r.key.ID] = &r.key
		ids = append(ids, r.key.ID)
		if r.account != "" {
			r.key.Credits = &r.credits
		}
		if r.spender != "" {
			r.key.Money = &r.money
		}
		if q.balances != nil {
			// What is gone from memory, and not from what is read here, goes with a
			// change that is just being made: its key may go too, and must not be
			// taken for one that nothing bounds.
			a := q.balances.shown(r.key.AccountID)
			r.key.Credits, r.key.Money = cmp.Or(a.Credits, r.key.Credits), cmp.Or(a.Money, r.key.Money)
		}
		if r.roles {
			withRoles = append(withRoles, r.key.ID)
		}
		if r.aliases {
			withAliases = append(withAliases, r.key.ID)
		}
	}
	if err := inChunks(ids, func(chunk []any) error { return q.addSecrets(all, chunk) }); err != nil {
		return err
	}
	err := inChunks(withRoles, func(chunk []any) error {
		return q.each(`SELECT r.key_id, o.name FROM key_roles r JOIN roles o ON o.id = r.role_id
			WHERE r.key_id IN `+list(1, len(chunk))+` ORDER BY r.position`, chunk, func(row scan) error {
			var keyID, name string
			err := row(text{&keyID}, text{&name})
			if k := all[keyID]; err == nil {
				k.Roles = append(k.Roles, name)
			}
			return err
		})
	})
	if err != nil {
		return err
	}
	return inChunks(withAliases, func(chunk []any) error {
		return q.each(`SELECT key_id, scheme, name FROM key_alias WHERE key_id IN `+list(1, len(chunk))+` ORDER BY position`, chunk, func(row scan) error {
			var keyID string
			var a keys.Alias
			err := row(text{&keyID}, text{&a.Scheme}, text{&a.Name})
			if k := all[keyID]; err == nil {
				k.Aliases = append(k.Aliases, a)
			}
			return err
		})
	})
}

// setKeyRoles replaces the roles of a key.
func (t *txn) setKeyRoles(keyID string, roleIDs []string) error {
	if _, err := t.exec(`DELETE FROM key_roles WHERE key_id = $1`, keyID); err != nil {
		return err
	}
	for i, id := range slices.All(roleIDs) {
		_, err := t.exec(`INSERT INTO key_roles (key_id, role_id, position) VALUES ($1, $2, $3)`, keyID, id, int64(i))
		if err != nil {
			return err
		}
	}
	return nil
}
