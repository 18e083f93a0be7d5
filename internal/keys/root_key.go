package keys

import (
	"context"
	"slices"
	"strings"
	"time"

	"latchkey/internal/token"
)

// CreateRootKey makes a root key in the workspace that the actor acts in. Its
// permissions are grants, and nobody gives more than they hold.
func (m *Manager) CreateRootKey(ctx context.Context, by Actor, s KeySettings) (Key, token.Secret, error) {
	now := m.Clock()
	if err := by.Need(ResRootKeys, "*", "create"); err != nil {
		return Key{}, token.Secret{}, err
	}
	if !s.Enabled.Set {
		s.Enabled = Some(true)
	}
	k := Key{
		ID: token.NewID("key"), WorkspaceID: by.WorkspaceID, Root: true, Form: rootForm,
		CreatedBy: Creator{Kind: by.Kind, ID: by.ID, Name: by.Name}, CreatedAt: now, UpdatedAt: now,
	}
	k.AccountID = k.ID
	if err := m.settleRoot(ctx, by, &k, &s, true, now); err != nil {
		return Key{}, token.Secret{}, err
	}
	secret, sec := mintRoot(now)
	k.Secrets = []Secret{sec}
	err := m.Store.InsertKey(ctx, &k, event(by, "root_key.create", Ref{"root_key", k.ID}, now))
	return k, secret, err
}

// settleRoot gives a root key its settings.
func (m *Manager) settleRoot(ctx context.Context, by Actor, k *Key, s *KeySettings, creating bool, now time.Time) error {
	var faults Faults
	for _, member := range []struct {
		name  string
		given bool
	}{
		{"environment", s.Environment.Set && s.Environment.Value != ""}, {"identity", s.Owner.Set && !s.Owner.Value.IsZero()},
		{"roles", len(s.Roles.Value) > 0}, {"credits", s.Credits.Value != nil},
	} {
		if member.given {
			faults.Add(member.name, "a root key has none")
		}
	}
	for i, l := range s.Limits.Value {
		if l.Concurrent {
			faults.Add("limits/"+itoa(i)+"/concurrent", "a root key has no concurrency limits: its calls hold nothing")
		}
	}
	s.changes(k)
	p := DefaultPolicy()
	p.check(s, s.ExpiresAt.Set, creating, now, &faults)
	if s.Permissions.Set {
		fixed, own, err := m.grants(ctx, by, s.Permissions.Value)
		if err != nil {
			return err
		}
		s.Permissions.Value = fixed
		faults.Merge(own)
	}
	s.apply(k, now, &faults)
	all := slices.Clone(s.Faults)
	all.Merge(faults)
	if err := all.Err(); err != nil {
		return err
	}
	return by.holdsAll(k.Permissions)
}

// grants checks the permissions of a root key, and fixes keyspaces that are
// named by slug to their ids.
func (m *Manager) grants(ctx context.Context, by Actor, names []string) (out []string, faults Faults, err error) {
	if len(names) > MaxPermissions {
		return nil, nil, nil // which is reported anyway
	}
	for i, name := range names {
		at := "permissions/" + itoa(i)
		if name == "*" {
			out = append(out, name)
			continue
		}
		parts := strings.Split(name, ".")
		if len(parts) != 3 {
			faults.Add(at, "must be RESOURCE.SCOPE.ACTION or *")
			continue
		}
		g := Grant{parts[0], parts[1], parts[2]}
		if !g.known() {
			faults.Add(at, "there is no such resource or action; see the API's table of permissions")
			continue
		}
		if g.Scope != "*" && g.Resource != ResKeys {
			faults.Add(at, "the scope of %s must be *", g.Resource)
			continue
		}
		if g.Scope != "*" {
			ks, err := m.Store.Keyspace(ctx, by.WorkspaceID, g.Scope)
			if Is(err, NotFound) {
				faults.Add(at, "there is no such keyspace")
				continue
			}
			if err != nil {
				return nil, nil, err
			}
			g.Scope = ks.ID
		}
		out = append(out, g.String())
	}
	return out, faults, nil
}

// known reports whether the grant speaks of a resource and action that there
// are.
func (g Grant) known() bool {
	if g.Resource == "*" {
		return g.Action == "*" || slices.ContainsFunc(allActions(), func(a string) bool { return a == g.Action })
	}
	actions, ok := Actions[g.Resource]
	return ok && (g.Action == "*" || slices.Contains(actions, g.Action))
}

func allActions() []string {
	var out []string
	for _, actions := range Actions {
		out = append(out, actions...)
	}
	return out
}

func (g Grant) String() string {
	if g == (Grant{"*", "*", "*"}) {
		return "*"
	}
	return g.Resource + "." + g.Scope + "." + g.Action
}

// holdsAll refuses an actor who lacks one of the grants: what is asked for may
// be held in parts, action by action.
func (a *Actor) holdsAll(permissions []string) error {
	for _, g := range ParseGrants(permissions) {
		if a.holds(g) {
			continue
		}
		return &Error{Code: Forbidden, Message: "the permission " + g.String() + " is missing, and nobody gives more than they hold", Missing: g.String()}
	}
	return nil
}

func (a *Actor) holds(g Grant) bool {
	if g.Resource == "*" && g.Action == "*" && g.Scope == "*" {
		// Everything, and what later versions add to it.
		return a.Kind == Operator || slices.Contains(a.Grants, Grant{"*", "*", "*"})
	}
	for resource, actions := range Actions {
		if g.Resource != "*" && g.Resource != resource {
			continue
		}
		for _, action := range actions {
			if (g.Action == "*" || g.Action == action) && !a.May(resource, g.Scope, action) {
				return false
			}
		}
	}
	return true
}

// RootKey returns a root key.
func (m *Manager) RootKey(ctx context.Context, by Actor, id string) (Key, error) {
	return m.rootKey(ctx, by, id, "read")
}

func (m *Manager) rootKey(ctx context.Context, by Actor, id, action string) (Key, error) {
	if err := by.Need(ResRootKeys, "*", action); err != nil {
		return Key{}, err
	}
	k, err := m.Store.Key(ctx, by.WorkspaceID, id)
	if err == nil && !k.Root {
		err = Errorf(NotFound, "no such root key")
	}
	if err != nil {
		return Key{}, err
	}
	if action != "read" {
		// Whoever may change a key could otherwise become it.
		if err := by.holdsAll(k.Permissions); err != nil {
			return Key{}, err
		}
	}
	return m.asOf(k, m.Clock()), nil
}

// RootKeys lists root keys, newest first.
func (m *Manager) RootKeys(ctx context.Context, by Actor, f KeyFilter) ([]Key, error) {
	if err := by.Need(ResRootKeys, "*", "read"); err != nil {
		return nil, err
	}
	f.Root, f.KeyspaceIDs, f.Now = true, nil, m.Clock()
	ks, _, err := m.list(ctx, by.WorkspaceID, f)
	return ks, err
}

// UpdateRootKey changes what is given of a root key's settings.
func (m *Manager) UpdateRootKey(ctx context.Context, by Actor, id string, s KeySettings, match Match) (Key, error) {
	if _, err := m.rootKey(ctx, by, id, "update"); err != nil {
		return Key{}, err
	}
	m.roots.Lock()
	defer m.roots.Unlock()
	now := m.Clock()
	return m.update(ctx, by, id, "root_key.update", now, func(k *Key) error {
		if err := match.check(k.Version); err != nil {
			return err
		}
		if err := by.holdsAll(k.Permissions); err != nil {
			return err
		}
		was := k.full(now)
		s := s // change may be called again
		if err := m.settleRoot(ctx, by, k, &s, false, now); err != nil {
			return err
		}
		if was && !k.full(now) {
			return m.keepOneRoot(ctx, k)
		}
		return nil
	})
}

// full reports whether the key can do everything at now.
func (k *Key) full(now time.Time) bool {
	return k.Root && k.Enabled && !k.Expired(now) && slices.Contains(k.Permissions, "*")
}

// DeleteRootKey deletes a root key.
func (m *Manager) DeleteRootKey(ctx context.Context, by Actor, id string, match Match) error {
	if _, err := m.rootKey(ctx, by, id, "delete"); err != nil {
		return err
	}
	return m.deleteRoot(ctx, by, by.WorkspaceID, id, func(k *Key) error {
		if err := match.check(k.Version); err != nil {
			return err
		}
		return by.holdsAll(k.Permissions)
	})
}

// deleteRoot deletes a root key, if check agrees and it is not the last one
// that can do everything.
func (m *Manager) deleteRoot(ctx context.Context, by Actor, workspaceID, id string, check func(*Key) error) error {
	m.roots.Lock()
	defer m.roots.Unlock()
	now := m.Clock()
	return m.Store.DeleteKey(ctx, workspaceID, id, func(k *Key) error {
		if err := check(k); err != nil || !k.full(now) {
			return err
		}
		return m.keepOneRoot(ctx, k)
	}, event(by, "root_key.delete", Ref{"root_key", id}, now))
}

// RotateRootKey gives a root key a new secret, as [Manager.RotateKey] does.
func (m *Manager) RotateRootKey(ctx context.Context, by Actor, id string, overlap time.Duration) (Key, token.Secret, error) {
	if err := CheckOverlap(overlap).Err(); err != nil {
		return Key{}, token.Secret{}, err
	}
	if _, err := m.rootKey(ctx, by, id, "update"); err != nil {
		return Key{}, token.Secret{}, err
	}
	now := m.Clock()
	secret, s := mintRoot(now)
	k, err := m.update(ctx, by, id, "root_key.rotate", now, func(k *Key) error {
		if err := by.holdsAll(k.Permissions); err != nil {
			return err
		}
		return k.rotate(s, overlap, now)
	})
	return k, secret, err
}

// EndRootSecret ends one of a root key's secrets, as [Manager.EndSecret] does.
func (m *Manager) EndRootSecret(ctx context.Context, by Actor, id, secretID string, match Match) error {
	if _, err := m.rootKey(ctx, by, id, "update"); err != nil {
		return err
	}
	now := m.Clock()
	_, err := m.update(ctx, by, id, "root_key.end_secret", now, func(k *Key) error {
		if err := by.holdsAll(k.Permissions); err != nil {
			return err
		}
		return k.endSecret(secretID, match, now)
	})
	return err
}

// mintRoot makes a root key's secret and what is kept of it.
func mintRoot(now time.Time) (token.Secret, Secret) {
	secret := rootForm.Mint()
	s := Secret{ID: token.NewID("sec"), Hash: secret.Sum(), CreatedAt: now}
	s.Start, s.End = rootForm.Hint(secret, 4)
	return secret, s
}
