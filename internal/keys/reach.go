package keys

import (
	"context"
	"math"

	"latchkey/internal/token"
)

// reach moves an actor to its own workspace or to one below in which it may act.
// Another one is not found.
func (a Actor) reach(ws *Workspace) (Actor, error) {
	if ws.ID == a.WorkspaceID {
		return a, nil
	}
	if !Below(ws.Path, a.Path) || !a.May(ResWorkspaces, "*", "act") {
		return Actor{}, errNoWorkspace
	}
	a.WorkspaceID, a.Path = ws.ID, ws.Path
	return a, nil
}

var errNoWorkspace = Errorf(NotFound, "there is no such workspace")

// ActIn moves an actor to the workspace with a UUID, its own or one below in
// which it may act; "" is its own.
func (m *Manager) ActIn(ctx context.Context, by Actor, uuid string) (Actor, Workspace, error) {
	if uuid == "" {
		if rec := by.Record; rec != nil && rec.Workspace.ID == by.WorkspaceID {
			return by, rec.Workspace, nil
		}
		ws, err := m.Store.Workspace(ctx, by.WorkspaceID)
		return by, ws, err
	}
	ws, err := m.Store.Workspace(ctx, uuid)
	if Is(err, NotFound) || err == nil && ws.UUID != uuid { // an id, path or slug may look like one
		return Actor{}, Workspace{}, errNoWorkspace
	}
	if err != nil {
		return Actor{}, Workspace{}, err
	}
	by, err = by.reach(&ws)
	return by, ws, err
}

// A Found is a key that was looked for in several workspaces.
type Found struct {
	Key       Key
	Workspace Workspace
	Actor     Actor // who looked for it, as it acts in that workspace
}

// KeyByHash returns the ordinary key with a live secret of a hash, in the
// actor's workspace or one below in which it may act, if it may do the action
// there.
func (m *Manager) KeyByHash(ctx context.Context, by Actor, hash token.Hash, action string) (Found, error) {
	if err := by.Need(ResKeys, "", action); err != nil {
		return Found{}, err
	}
	facts, err := m.Store.FactsByHash(ctx, hash, m.Clock())
	if err != nil {
		return Found{}, err
	}
	f := Found{Workspace: facts.Workspace}
	if f.Actor, err = by.reach(&facts.Workspace); err != nil {
		return Found{}, Errorf(NotFound, "no such key")
	}
	f.Key, err = m.KeyFor(ctx, f.Actor, facts.Key.ID, action)
	return f, err
}

// Funds are what was paid in for keys, and what was ever spent with them.
type Funds struct{ Prepaid, Own, BYOK int64 }

// Funds adds up those of the actor's workspace, and of the ones below in which
// it may act.
func (m *Manager) Funds(ctx context.Context, by Actor) (sum Funds, err error) {
	if err := by.Need(ResUsage, "*", "read"); err != nil {
		return Funds{}, err
	}
	var all []Workspace
	if by.May(ResWorkspaces, "*", "act") {
		all, err = m.Store.Workspaces(ctx, by.Path, Page{})
	} else {
		all = make([]Workspace, 1)
		all[0], err = m.Store.Workspace(ctx, by.WorkspaceID)
	}
	if err != nil {
		return Funds{}, err
	}
	add := func(to *int64, n int64) { *to += min(n, math.MaxInt64-*to) }
	for i := range all {
		own, byok, err := m.Store.Spent(ctx, all[i].ID)
		if Is(err, NotFound) {
			continue // gone since
		}
		if err != nil {
			return Funds{}, err
		}
		add(&sum.Prepaid, all[i].PrepaidMicros)
		add(&sum.Own, own)
		add(&sum.BYOK, byok)
	}
	return sum, nil
}
