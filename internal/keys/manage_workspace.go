package keys

import (
	"context"

	"latchkey/internal/token"
)

// MaxPath bounds a workspace's path.
const MaxPath = 512

// Validate reports everything that is wrong with the workspace.
func (ws *Workspace) Validate() error {
	var faults Faults
	if !slugForm.MatchString(ws.Slug) {
		faults.Add("slug", "must be 1 to 64 of a-z, 0-9 and -")
	}
	if len([]rune(ws.Name)) > MaxText {
		faults.Add("name", "must be at most %d characters", MaxText)
	}
	if len(ws.Path) > MaxPath {
		faults.Add("slug", "the path would be longer than %d characters", MaxPath)
	}
	if ws.PrepaidMicros < 0 || ws.PrepaidMicros > MaxMicros {
		faults.Add("prepaid_micros", "must be an integer from 0 to %d", int64(MaxMicros))
	}
	return faults.Err()
}

// CreateWorkspace makes a workspace right below the one that the actor acts
// in, with a default keyspace.
func (m *Manager) CreateWorkspace(ctx context.Context, by Actor, ws Workspace) (Workspace, error) {
	if err := by.Need(ResWorkspaces, "*", "create"); err != nil {
		return Workspace{}, err
	}
	ws.Path = by.Path + "." + ws.Slug
	if err := ws.Validate(); err != nil {
		return Workspace{}, err
	}
	now := m.Clock()
	ws.ID, ws.UUID, ws.CreatedAt, ws.UpdatedAt = token.NewID("ws"), newUUID(), now, now
	ks := defaultKeyspace(ws, now)
	err := m.Store.InsertWorkspace(ctx, &ws, &ks, event(by, "workspace.create", Ref{"workspace", ws.ID}, now))
	return ws, err
}

// Workspace returns the actor's workspace or one below it, by id, path, UUID
// or slug.
func (m *Manager) Workspace(ctx context.Context, by Actor, ref string) (Workspace, error) {
	if err := by.Need(ResWorkspaces, "*", "read"); err != nil {
		return Workspace{}, err
	}
	return m.workspaceOf(ctx, by, ref)
}

func (m *Manager) workspaceOf(ctx context.Context, by Actor, ref string) (Workspace, error) {
	ws, err := m.Store.Workspace(ctx, ref)
	if err == nil && !Below(ws.Path, by.Path) {
		err = Errorf(NotFound, "no such workspace")
	}
	if err != nil {
		return Workspace{}, err
	}
	return ws, nil
}

// Workspaces lists the actor's workspace and those below it, newest first.
func (m *Manager) Workspaces(ctx context.Context, by Actor, p Page) ([]Workspace, error) {
	if err := by.Need(ResWorkspaces, "*", "read"); err != nil {
		return nil, err
	}
	return m.Store.Workspaces(ctx, by.Path, p)
}

// UpdateWorkspace changes a workspace as change says. Its place in the tree
// stays. The root cannot be disabled, since nobody could enable it again.
func (m *Manager) UpdateWorkspace(ctx context.Context, by Actor, ref string, change func(*Workspace) error, match Match) (Workspace, error) {
	if err := by.Need(ResWorkspaces, "*", "update"); err != nil {
		return Workspace{}, err
	}
	have, err := m.workspaceOf(ctx, by, ref)
	if err != nil {
		return Workspace{}, err
	}
	checked := func(ws *Workspace) error {
		if err := match.check(ws.Version); err != nil {
			return err
		}
		if err := change(ws); err != nil {
			return err
		}
		if ws.Slug != have.Slug {
			return Faults{{Field: "slug", Detail: "cannot be changed"}}.Err()
		}
		if ws.Path == RootPath && !ws.Enabled {
			return Errorf(Conflict, "the root workspace cannot be disabled: nobody could enable it again")
		}
		return ws.Validate()
	}
	return m.Store.UpdateWorkspace(ctx, have.ID, checked, event(by, "workspace.update", Ref{"workspace", have.ID}, m.Clock()))
}

// DeleteWorkspace deletes a workspace that has none below it, and ends all
// that is in it.
func (m *Manager) DeleteWorkspace(ctx context.Context, by Actor, ref string, match Match) error {
	if err := by.Need(ResWorkspaces, "*", "delete"); err != nil {
		return err
	}
	have, err := m.workspaceOf(ctx, by, ref)
	if err != nil {
		return err
	}
	if have.Path == RootPath {
		return Errorf(Conflict, "the root workspace cannot be deleted")
	}
	if have.ID == by.WorkspaceID {
		return Errorf(Conflict, "a workspace is deleted from above it")
	}
	check := func(ws *Workspace) error { return match.check(ws.Version) }
	return m.Store.DeleteWorkspace(ctx, have.ID, check, event(by, "workspace.delete", Ref{"workspace", have.ID}, m.Clock()))
}
