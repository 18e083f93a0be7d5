package keys

import (
	"context"
	"time"

	"latchkey/internal/token"
)

// rootForm is how the secrets of root keys look.
var rootForm = token.Form{Prefix: "lk_root", Format: token.Latchkey, Length: 40}

// Install brings an installation to where it can be used, and returns its root
// workspace. Where it has none yet it makes the workspace, the default
// keyspace and, unless the configuration declares one, a root key; where it
// has no root key that can do everything, and none is declared, it makes one.
// keep is given the new root key before anything is written, so that a crash
// in between loses nothing.
func (m *Manager) Install(ctx context.Context, keep func(token.Secret) error) (Workspace, error) {
	now := m.Clock()
	ws, err := m.Store.Workspace(ctx, RootPath)
	if err == nil {
		return ws, m.ensureRoot(ctx, ws, keep, now)
	}
	if !Is(err, NotFound) {
		return ws, err
	}
	ws = Workspace{
		ID: token.NewID("ws"), UUID: newUUID(), Slug: RootPath, Path: RootPath, Name: "Default",
		Enabled: true, CreatedAt: now, UpdatedAt: now,
	}
	ks := defaultKeyspace(ws, now)
	var root *Key
	if !m.DeclaredRoot {
		if root, err = newRoot(ws, keep, now); err != nil {
			return ws, err
		}
	}
	by := OperatorIn(ws)
	if _, err = m.Store.Initialize(ctx, &ws, &ks, root, event(by, "workspace.create", Ref{"workspace", ws.ID}, now)); err != nil {
		return ws, err
	}
	return m.Store.Workspace(ctx, RootPath)
}

// defaultKeyspace is the keyspace that a workspace begins with.
func defaultKeyspace(ws Workspace, now time.Time) Keyspace {
	return Keyspace{
		ID: token.NewID("ks"), WorkspaceID: ws.ID, Slug: DefaultKeyspace, Name: "Default",
		Policy: DefaultPolicy(), CreatedAt: now, UpdatedAt: now,
	}
}

func (m *Manager) ensureRoot(ctx context.Context, ws Workspace, keep func(token.Secret) error, now time.Time) error {
	if m.DeclaredRoot {
		return nil
	}
	ok, err := m.hasFullRoot(ctx, ws.ID, "")
	if ok || err != nil {
		return err
	}
	root, err := newRoot(ws, keep, now)
	if err != nil {
		return err
	}
	return m.Store.InsertKey(ctx, root, event(OperatorIn(ws), "root_key.create", Ref{"root_key", root.ID}, now))
}

func newRoot(ws Workspace, keep func(token.Secret) error, now time.Time) (*Key, error) {
	secret, s := mintRoot(now)
	k := &Key{
		ID: token.NewID("key"), WorkspaceID: ws.ID, Root: true, Name: "first root key", Enabled: true,
		Permissions: []string{"*"}, Form: rootForm, Secrets: []Secret{s},
		CreatedBy: Creator{Kind: Operator}, CreatedAt: now, UpdatedAt: now,
	}
	k.AccountID = k.ID
	return k, keep(secret)
}

// OperatorIn returns the actor that is the installation itself.
func OperatorIn(ws Workspace) Actor {
	return Actor{Kind: Operator, ID: "operator", Name: "operator", WorkspaceID: ws.ID, Path: ws.Path}
}

// DeclareKeyspaces makes or changes keyspaces so that they are as declared.
// None is deleted.
func (m *Manager) DeclareKeyspaces(ctx context.Context, by Actor, declared []Keyspace) error {
	for _, action := range []string{"create", "update"} {
		if err := by.Need(ResKeyspaces, "*", action); err != nil {
			return err
		}
	}
	for _, want := range declared {
		if err := want.Validate(); err != nil {
			return err
		}
	}
	now := m.Clock()
	for _, want := range declared {
		have, err := m.Store.Keyspace(ctx, by.WorkspaceID, want.Slug)
		switch {
		case Is(err, NotFound):
			want.ID, want.WorkspaceID, want.CreatedAt, want.UpdatedAt = token.NewID("ks"), by.WorkspaceID, now, now
			err = m.Store.InsertKeyspace(ctx, &want, event(by, "keyspace.create", Ref{"keyspace", want.ID}, now))
		case err == nil && !sameKeyspace(&have, &want):
			change := func(ks *Keyspace) error {
				ks.Name, ks.Policy = want.Name, want.Policy
				return nil
			}
			_, err = m.Store.UpdateKeyspace(ctx, by.WorkspaceID, have.ID, change, event(by, "keyspace.update", Ref{"keyspace", have.ID}, now))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func sameKeyspace(a, b *Keyspace) bool {
	x, y := KeyspaceMembers(a), KeyspaceMembers(b)
	return equalValue(x, y)
}
