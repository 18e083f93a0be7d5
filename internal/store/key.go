package store

import (
	"cmp"
	"context"
	"maps"
	"slices"

	"latchkey/internal/keys"
)

// InsertKey implements [keys.KeyStore].
func (s *Store) InsertKey(ctx context.Context, k *keys.Key, ev keys.Event) error {
	var out keys.Key
	err := s.write(ctx, func(t *txn) error {
		out = cloneKey(k)
		return t.insertKey(&out, ev)
	})
	if err == nil {
		*k = out
	}
	return err
}

func (t *txn) insertKey(k *keys.Key, ev keys.Event) error {
	k.Version = 1
	tidyKey(k)

	// 1. What it refers to.
	if err := t.makeKeyspace(&k.MakeKeyspace, ev); err != nil {
		return err
	}
	if err := t.settleOwner(k, keys.Owner{}, ev); err != nil {
		return err
	}
	if err := t.settlePermissions(k, nil, ev); err != nil {
		return err
	}
	roles, err := t.settleRoles(k, ev)
	if err != nil {
		return err
	}
	k.MakeRoles = false

	// 2. Its rows.
	if err := t.insert("a key with this id exists", `INSERT INTO keys (`+keyFields+`) VALUES `+list(1, keyFieldCount), keyValues(k)...); err != nil {
		return err
	}
	if err := t.changeSecrets(k, nil); err != nil {
		return err
	}
	if err := t.setAliases(k); err != nil {
		return err
	}
	if err := t.setKeyRoles(k.ID, roles); err != nil {
		return err
	}
	if err := t.openAccount(k); err != nil {
		return err
	}

	// 3. Who is told.
	t.changed(keys.KeyChanged, k.ID)
	ev.Compare(nil, keys.KeyMade(k))
	return t.record(ev)
}

// UpdateKey implements [keys.KeyStore].
func (s *Store) UpdateKey(ctx context.Context, workspaceID, keyID string, change func(*keys.Key) error, ev keys.Event) (keys.Key, error) {
	var k keys.Key
	err := s.write(ctx, func(t *txn) error {
		old, err := t.lockKey(workspaceID, keyID)
		if err != nil {
			return err
		}
		k = cloneKey(&old)
		if err := change(&k); err != nil {
			return refusal{err}
		}
		err = t.updateKey(&k, &old, ev)
		k.MakeRoles = false
		return err
	})
	if err != nil {
		return keys.Key{}, err
	}
	return k, nil
}

func (t *txn) updateKey(k, old *keys.Key, ev keys.Event) error {
	// 1. What an update cannot touch, and what it refers to.
	k.ID, k.WorkspaceID, k.AccountID, k.Version, k.LastUsedAt = old.ID, old.WorkspaceID, old.AccountID, old.Version, old.LastUsedAt
	tidyKey(k)
	if err := t.settleOwner(k, old.Owner, ev); err != nil {
		return err
	}
	if sameKey(k, old) {
		return t.unchanged(ev, keys.KeyMembers(k))
	}
	if err := t.settlePermissions(k, old.Permissions, ev); err != nil {
		return err
	}

	// 2. Its rows.
	k.Version, k.UpdatedAt = old.Version+1, kept(ev.At)
	if _, err := t.exec(`UPDATE keys SET (`+keyFields+`) = `+list(1, keyFieldCount)+` WHERE id = $1`, keyValues(k)...); err != nil {
		return err
	}
	if err := t.changeSecrets(k, old.Secrets); err != nil {
		return err
	}
	if !slices.Equal(k.Aliases, old.Aliases) {
		if err := t.setAliases(k); err != nil {
			return err
		}
	}
	if !slices.Equal(k.Roles, old.Roles) {
		roles, err := t.settleRoles(k, ev)
		if err == nil {
			err = t.setKeyRoles(k.ID, roles)
		}
		if err != nil {
			return err
		}
	}
	if !sameCredits(k.Credits, old.Credits) || !sameBudget(k.Money, old.Money) {
		if err := t.setAccount(k.AccountID, keys.Account{Credits: k.Credits, Money: k.Money}); err != nil {
			return err
		}
	}

	// 3. Who is told.
	t.changed(keys.KeyChanged, k.ID)
	ev.Compare(keys.KeyMembers(old), keys.KeyMembers(k))
	return t.record(ev)
}

// DeleteKey implements [keys.KeyStore].
func (s *Store) DeleteKey(ctx context.Context, workspaceID, keyID string, check func(*keys.Key) error, ev keys.Event) error {
	return s.write(ctx, func(t *txn) error {
		k, err := t.lockKey(workspaceID, keyID)
		if err != nil {
			return err
		}
		was := cloneKey(&k)
		if err := check(&k); err != nil {
			return refusal{err}
		}
		err = t.closeAccounts(workspaceID, `k.id = $1 AND NOT EXISTS (SELECT 1 FROM keys o WHERE o.account_id = k.account_id AND o.id <> $1)`, keyID)
		if err != nil {
			return err
		}
		if _, err := t.exec(`DELETE FROM keys WHERE id = $1`, keyID); err != nil {
			return err
		}
		t.changed(keys.KeyChanged, keyID)
		ev.Compare(keys.KeyMade(&was), nil)
		return t.record(ev)
	})
}

// Key implements [keys.KeyStore].
func (s *Store) Key(ctx context.Context, workspaceID, keyID string) (k keys.Key, err error) {
	err = s.view(ctx, func(q *session) error {
		k, err = q.key(workspaceID, keyID)
		return err
	})
	return k, err
}

// lockKey returns a key that nobody else can change until the transaction
// ends.
func (t *txn) lockKey(workspaceID, keyID string) (keys.Key, error) {
	if t.engine.forUpdate != "" {
		if err := t.keepWorkspace(workspaceID); err != nil {
			return keys.Key{}, err
		}
		// All keys of an account, in one order, since each stands for it.
		_, err := t.exec(`SELECT 1 FROM keys WHERE account_id = (SELECT account_id FROM keys WHERE workspace_id = $1 AND id = $2)
			ORDER BY id`+t.engine.forUpdate, workspaceID, keyID)
		if err != nil {
			return keys.Key{}, err
		}
	}
	k, err := t.key(workspaceID, keyID)
	if err != nil || t.balances == nil {
		return k, err
	}
	a, err := t.accountOf(k.AccountID) // held, though it may have nothing: somebody could spend meanwhile
	k.Credits, k.Money = a.Credits, a.Money
	return k, err
}

// key reads one key.
func (q *session) key(workspaceID, keyID string) (keys.Key, error) {
	var k keyRow
	err := q.row(`SELECT `+keyColumns+keyJoins+` WHERE k.workspace_id = $1 AND k.id = $2`, []any{workspaceID, keyID}, k.columns()...)
	if err != nil {
		return keys.Key{}, found(err, "key")
	}
	one := []keyRow{k}
	err = q.completeKeys(one)
	return one[0].key, err
}

// settleOwner gives k an owner that exists: the one of the id, or that of the
// external id, made where there is none.
func (t *txn) settleOwner(k *keys.Key, old keys.Owner, ev keys.Event) error {
	o := &k.Owner
	if o.IsZero() || *o == old {
		return nil
	}
	if o.ID != "" {
		i, err := t.identity(k.WorkspaceID, o.ID)
		if keys.Is(err, keys.NotFound) || err == nil && i.ID != o.ID {
			return keys.Faults{{Field: "identity", Detail: "there is no such identity"}}.Err()
		}
		o.ExternalID = i.ExternalID
		return err
	}
	id, err := t.customer(k.WorkspaceID, o.ExternalID, ev)
	o.ID = id
	return err
}

// settlePermissions makes the permissions that k names and did not have. Those
// of a root key are grants, which are no permissions of the workspace.
func (t *txn) settlePermissions(k *keys.Key, had []string, ev keys.Event) error {
	if k.Root {
		return nil
	}
	fresh := slices.DeleteFunc(slices.Clone(k.Permissions), func(name string) bool { return slices.Contains(had, name) })
	_, err := t.permissionIDs(k.WorkspaceID, fresh, ev)
	return err
}

// tidyKey brings k into the form in which it is read again.
func tidyKey(k *keys.Key) {
	k.ExpiresAt, k.CreatedAt, k.UpdatedAt = kept(k.ExpiresAt), kept(k.CreatedAt), kept(k.UpdatedAt)
	k.Permissions, k.Roles, k.AllowedIPs = orNil(k.Permissions), orNil(k.Roles), orNil(k.AllowedIPs)
	k.Limits, k.Secrets, k.Aliases = orNil(k.Limits), orNil(k.Secrets), orNil(k.Aliases)
	if len(k.Extra) == 0 {
		k.Extra = nil
	}
	for i := range k.Secrets {
		s := &k.Secrets[i]
		s.CreatedAt, s.ExpiresAt, s.Sealed = kept(s.CreatedAt), kept(s.ExpiresAt), orNil(s.Sealed)
	}
	if k.Credits != nil {
		k.Credits.RefilledAt = kept(k.Credits.RefilledAt)
	}
}

func orNil[T any](list []T) []T {
	if len(list) == 0 {
		return nil
	}
	return list
}

// cloneKey returns a copy that shares nothing that may be changed.
func cloneKey(k *keys.Key) keys.Key {
	c := *k
	c.Permissions, c.Roles, c.AllowedIPs = slices.Clone(k.Permissions), slices.Clone(k.Roles), slices.Clone(k.AllowedIPs)
	c.Limits, c.Secrets, c.Aliases = slices.Clone(k.Limits), slices.Clone(k.Secrets), slices.Clone(k.Aliases)
	c.Extra = maps.Clone(k.Extra)
	for i := range c.Secrets {
		c.Secrets[i].Sealed = slices.Clone(c.Secrets[i].Sealed)
	}
	c.Credits, c.Money = cloneCredits(k.Credits), cloneMoney(k.Money)
	return c
}

// sameKey reports whether two tidy keys are stored alike.
func sameKey(a, b *keys.Key) bool {
	return slices.Equal(keyValues(a), keyValues(b)) && slices.Equal(a.Roles, b.Roles) && slices.Equal(a.Aliases, b.Aliases) &&
		slices.EqualFunc(a.Secrets, b.Secrets, sameSecret) && sameCredits(a.Credits, b.Credits) && sameBudget(a.Money, b.Money)
}

// setAliases replaces the aliases of a key.
func (t *txn) setAliases(k *keys.Key) error {
	if k.Version > 1 {
		if _, err := t.exec(`DELETE FROM key_alias WHERE key_id = $1`, k.ID); err != nil {
			return err
		}
	}
	for i, a := range k.Aliases {
		err := t.insert("another key has the "+cmp.Or(a.Scheme, "alias")+" "+a.Name,
			`INSERT INTO key_alias (workspace_id, scheme, name, key_id, position) VALUES ($1, $2, $3, $4, $5)`,
			k.WorkspaceID, a.Scheme, a.Name, k.ID, int64(i))
		if err != nil {
			return err
		}
	}
	return nil
}
