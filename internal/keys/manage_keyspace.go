package keys

import (
	"context"

	"latchkey/internal/token"
)

// CreateKeyspace makes a keyspace. Its slug, name and policy are the caller's.
func (m *Manager) CreateKeyspace(ctx context.Context, by Actor, ks Keyspace) (Keyspace, error) {
	if err := by.Need(ResKeyspaces, "*", "create"); err != nil {
		return Keyspace{}, err
	}
	if err := ks.Validate(); err != nil {
		return Keyspace{}, err
	}
	now := m.Clock()
	ks.ID, ks.WorkspaceID, ks.CreatedAt, ks.UpdatedAt = token.NewID("ks"), by.WorkspaceID, now, now
	err := m.Store.InsertKeyspace(ctx, &ks, event(by, "keyspace.create", Ref{"keyspace", ks.ID}, now))
	return ks, err
}

// Keyspace returns a keyspace by id or slug.
func (m *Manager) Keyspace(ctx context.Context, by Actor, ref string) (Keyspace, error) {
	if err := by.Need(ResKeyspaces, "*", "read"); err != nil {
		return Keyspace{}, err
	}
	return m.Store.Keyspace(ctx, by.WorkspaceID, ref)
}

// Keyspaces lists keyspaces, newest first.
func (m *Manager) Keyspaces(ctx context.Context, by Actor, p Page) ([]Keyspace, error) {
	if err := by.Need(ResKeyspaces, "*", "read"); err != nil {
		return nil, err
	}
	return m.Store.Keyspaces(ctx, by.WorkspaceID, p)
}

// UpdateKeyspace changes a keyspace as change says.
func (m *Manager) UpdateKeyspace(ctx context.Context, by Actor, ref string, change func(*Keyspace) error, match Match) (Keyspace, error) {
	if err := by.Need(ResKeyspaces, "*", "update"); err != nil {
		return Keyspace{}, err
	}
	have, err := m.Store.Keyspace(ctx, by.WorkspaceID, ref)
	if err != nil {
		return Keyspace{}, err
	}
	checked := func(ks *Keyspace) error {
		if err := match.check(ks.Version); err != nil {
			return err
		}
		if err := change(ks); err != nil {
			return err
		}
		if have.Slug == DefaultKeyspace && ks.Slug != DefaultKeyspace {
			return Errorf(Conflict, "the slug of the default keyspace cannot be changed")
		}
		return ks.Validate()
	}
	return m.Store.UpdateKeyspace(ctx, by.WorkspaceID, have.ID, checked, event(by, "keyspace.update", Ref{"keyspace", have.ID}, m.Clock()))
}

// DeleteKeyspace deletes a keyspace. All its keys are refused at once, and its
// slug is free.
func (m *Manager) DeleteKeyspace(ctx context.Context, by Actor, ref string, match Match) error {
	if err := by.Need(ResKeyspaces, "*", "delete"); err != nil {
		return err
	}
	have, err := m.Store.Keyspace(ctx, by.WorkspaceID, ref)
	if err != nil {
		return err
	}
	if have.Slug == DefaultKeyspace {
		return Errorf(Conflict, "the default keyspace of a workspace cannot be deleted")
	}
	check := func(ks *Keyspace) error { return match.check(ks.Version) }
	return m.Store.DeleteKeyspace(ctx, by.WorkspaceID, have.ID, check, event(by, "keyspace.delete", Ref{"keyspace", have.ID}, m.Clock()))
}
