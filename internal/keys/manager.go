package keys

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"latchkey/internal/token"
)

// A Manager makes, reads and changes what a [Verifier] verifies. Each method
// takes the actor that asks and refuses what it may not do.
type Manager struct {
	Store    Store
	Ledger   Ledger
	Recorder Recorder
	Counts   Usage
	Vault    *Vault
	Clock    Clock

	// DeclaredRoot says that the configuration gives a root key, so that the
	// last stored one may go.
	DeclaredRoot bool

	roots sync.Mutex // held while a root key may be lost
}

// Revision returns a number that is at least that of every change which has
// been acknowledged.
func (m *Manager) Revision() int64 { return m.Store.Revision() }

// Key returns an ordinary key.
func (m *Manager) Key(ctx context.Context, by Actor, id string) (Key, error) {
	return m.KeyFor(ctx, by, id, "read")
}

// KeyFor returns an ordinary key on which the actor may act.
func (m *Manager) KeyFor(ctx context.Context, by Actor, id, action string) (Key, error) {
	if err := by.Need(ResKeys, "", action); err != nil {
		return Key{}, err
	}
	k, err := m.Store.Key(ctx, by.WorkspaceID, id)
	if err == nil && k.Root {
		err = Errorf(NotFound, "no such key")
	}
	if err == nil {
		err = by.Need(ResKeys, k.KeyspaceID, action)
	}
	if err != nil {
		return Key{}, err
	}
	return m.asOf(k, m.Clock()), nil
}

// KeyBySecret returns the ordinary key of a secret. One that the actor may not
// read is not there.
func (m *Manager) KeyBySecret(ctx context.Context, by Actor, secret token.Secret) (Key, error) {
	if err := by.Need(ResKeys, "", "read"); err != nil {
		return Key{}, err
	}
	facts, err := m.Store.FactsByHash(ctx, secret.Sum(), m.Clock())
	if err != nil {
		return Key{}, err
	}
	k, err := m.Key(ctx, by, facts.Key.ID)
	if Is(err, Forbidden) {
		err = Errorf(NotFound, "no such key")
	}
	return k, err
}

// asOf gives a key the refills that are due, and leaves out the secrets that
// have ended.
func (m *Manager) asOf(k Key, now time.Time) Key {
	if k.Credits != nil {
		c := k.Credits.At(now)
		k.Credits = &c
	}
	if k.Money != nil {
		k.Money = k.Money.AsOf(now)
	}
	k.Secrets = k.LiveSecrets(now)
	return k
}

// A KeyQuery selects keys for a list.
type KeyQuery struct {
	KeyFilter
	Keyspace string // id or slug
	Identity string // id or external id
}

// Keys lists ordinary keys that the actor may read, newest first, and counts
// all that the query selects.
func (m *Manager) Keys(ctx context.Context, by Actor, q KeyQuery) ([]Key, int, error) {
	if err := by.Need(ResKeys, "", "read"); err != nil {
		return nil, 0, err
	}
	f := q.KeyFilter
	f.Root, f.Now = false, m.Clock()
	if q.Keyspace != "" {
		ks, err := m.Store.Keyspace(ctx, by.WorkspaceID, q.Keyspace)
		if Is(err, NotFound) {
			return nil, 0, Faults{{Field: "keyspace", Detail: "there is no such keyspace"}}.Err()
		}
		if err == nil {
			err = by.Need(ResKeys, ks.ID, "read")
		}
		if err != nil {
			return nil, 0, err
		}
		f.KeyspaceIDs = []string{ks.ID}
	} else if ids, everywhere := by.scopes(ResKeys, "read"); !everywhere {
		f.KeyspaceIDs = ids
	}
	if q.Identity != "" {
		i, err := m.Store.Identity(ctx, by.WorkspaceID, q.Identity)
		if Is(err, NotFound) {
			return []Key{}, 0, nil
		}
		if err != nil {
			return nil, 0, err
		}
		f.OwnerID = i.ID
	}
	return m.list(ctx, by.WorkspaceID, f)
}

// OwnKey returns the key by which the actor calls.
func (m *Manager) OwnKey(ctx context.Context, by Actor) (Key, error) {
	if by.Record == nil {
		return Key{}, Errorf(Unauthenticated, "a key is needed")
	}
	if by.ID == DeclaredID {
		return declaredKey(by.Record.Workspace.ID), nil
	}
	k, err := m.Store.Key(ctx, by.Record.Workspace.ID, by.ID)
	if Is(err, NotFound) { // gone since it was presented
		err = noCaller(KeyNotFound, "this key is not known")
	}
	if err != nil {
		return Key{}, err
	}
	return m.asOf(k, m.Clock()), nil
}

// OwnKeys lists the keys of the owner whose key the actor holds: those without
// owner where it has none. The keyspace of that key may forbid it.
func (m *Manager) OwnKeys(ctx context.Context, by Actor, f KeyFilter) ([]Key, int, error) {
	rec := by.Record
	if rec == nil || rec.root { // a root key has no owner and lists by its grants
		return nil, 0, Errorf(Unauthenticated, "an ordinary key is needed")
	}
	if !rec.Keyspace.Policy.SelfList {
		return nil, 0, Errorf(Forbidden, "the keyspace of this key does not let its holders list keys")
	}
	f.Root, f.KeyspaceIDs, f.OwnerID, f.NoOwner = false, nil, rec.OwnerID(), rec.Owner == nil
	f.Now = m.Clock()
	return m.list(ctx, rec.Workspace.ID, f)
}

func (m *Manager) list(ctx context.Context, workspaceID string, f KeyFilter) ([]Key, int, error) {
	ks, n, err := m.Store.Keys(ctx, workspaceID, f)
	for i := range ks {
		ks[i] = m.asOf(ks[i], f.Now)
	}
	return ks, n, err
}

// A Match is a condition on the version of a thing that is to be changed. The
// zero Match holds always.
type Match struct {
	Given    bool
	Any      bool    // any version, as long as it is there
	Versions []int64 // one of these
}

func (c Match) check(version int64) error {
	if c.Given && !c.Any && !slices.Contains(c.Versions, version) {
		return Errorf(Precondition, "it has changed since it was read")
	}
	return nil
}

// DeleteKey deletes an ordinary key. It is refused at once, everywhere.
func (m *Manager) DeleteKey(ctx context.Context, by Actor, id string, match Match) error {
	if _, err := m.KeyFor(ctx, by, id, "delete"); err != nil {
		return err
	}
	check := func(k *Key) error { return match.check(k.Version) }
	return m.Store.DeleteKey(ctx, by.WorkspaceID, id, check, event(by, "key.delete", Ref{"key", id}, m.Clock()))
}

// Purge deletes a key that a verification has found expired or used up, if it
// still is. One that is gone already is no fault.
func (m *Manager) Purge(ctx context.Context, rec *Record) error {
	now := m.Clock()
	ev := event(OperatorIn(rec.Workspace), "key.delete", Ref{"key", rec.ID()}, now)
	err := m.Store.DeleteKey(ctx, rec.Workspace.ID, rec.ID(), func(k *Key) error {
		if !rec.Keyspace.Policy.Purge.due(k.Expired(now), k.Credits) {
			return errStays
		}
		return nil
	}, ev)
	if Is(err, NotFound) || errors.Is(err, errStays) {
		return nil
	}
	return err
}

var errStays = errors.New("the key has changed and stays")

// EndSelf deletes the key by which the actor calls: who finds a leaked key can
// kill it.
func (m *Manager) EndSelf(ctx context.Context, by Actor, match Match) error {
	if by.Record == nil {
		return Errorf(Unauthenticated, "a key is needed")
	}
	if by.ID == DeclaredID {
		return Errorf(Conflict, "this root key is given by the configuration (LATCHKEY_ROOT_KEY) and ends when that changes")
	}
	home, id := by.Record.Workspace.ID, by.Record.ID()
	check := func(k *Key) error { return match.check(k.Version) }
	if !by.Record.root {
		return m.Store.DeleteKey(ctx, home, id, check, event(by, "key.delete", Ref{"key", id}, m.Clock()))
	}
	return m.deleteRoot(ctx, by, home, id, check)
}

// keepOneRoot refuses to lose the last root key that can do everything.
func (m *Manager) keepOneRoot(ctx context.Context, lost *Key) error {
	if m.DeclaredRoot {
		return nil
	}
	root, err := m.Store.Workspace(ctx, RootPath)
	if err != nil || root.ID != lost.WorkspaceID {
		return err
	}
	ok, err := m.hasFullRoot(ctx, root.ID, lost.ID)
	if err == nil && !ok {
		err = Errorf(Conflict, "this is the last enabled root key that may do everything; make another one first")
	}
	return err
}

// hasFullRoot reports whether a workspace has an enabled root key that may do
// everything, other than one.
func (m *Manager) hasFullRoot(ctx context.Context, workspaceID, otherThan string) (bool, error) {
	f := KeyFilter{Root: true, Now: m.Clock(), Status: StatusActive, Limit: 200}
	for {
		ks, _, err := m.Store.Keys(ctx, workspaceID, f)
		if err != nil {
			return false, err
		}
		for i := range ks {
			if ks[i].ID != otherThan && slices.Contains(ks[i].Permissions, "*") {
				return true, nil
			}
		}
		if len(ks) < f.Limit {
			return false, nil
		}
		f.Before = ks[len(ks)-1].ID
	}
}

// Events lists the audit log, newest first.
func (m *Manager) Events(ctx context.Context, by Actor, f EventFilter) ([]Event, error) {
	if err := by.Need(ResEvents, "*", "read"); err != nil {
		return nil, err
	}
	return m.Store.Events(ctx, by.WorkspaceID, f)
}

// Reveal returns the newest secret of a key, where its keyspace keeps secrets
// so that they can be read again. The reading is on the audit log.
func (m *Manager) Reveal(ctx context.Context, by Actor, id string) (token.Secret, error) {
	k, err := m.KeyFor(ctx, by, id, "reveal")
	if err != nil {
		return token.Secret{}, err
	}
	s := k.Newest()
	if s == nil || len(s.Sealed) == 0 {
		return token.Secret{}, Errorf(Conflict, "the keyspace of this key does not keep secrets so that they can be read again")
	}
	secret, err := m.Vault.open(s)
	if err != nil {
		return token.Secret{}, err
	}
	agree := func(*Key) error { return nil }
	if _, err := m.Store.UpdateKey(ctx, by.WorkspaceID, id, agree, event(by, "key.reveal", Ref{"key", id}, m.Clock())); err != nil {
		return token.Secret{}, err
	}
	return secret, nil
}
