package keys_test

import (
	"context"
	"net/netip"
	"slices"
	"testing"
	"time"

	"latchkey/internal/keys"
	"latchkey/internal/token"
)

// grants are settings of a root key that holds some.
func grants(all ...string) keys.KeySettings { return keys.KeySettings{Permissions: keys.Some(all)} }

// TestRootKeySettings makes root keys and changes them.
func TestRootKeySettings(t *testing.T) {
	h := newHome(t)
	ctx := t.Context()
	ks, err := h.manager.Keyspace(ctx, h.root, "default")
	h.ok(err)
	k, secret, err := h.manager.CreateRootKey(ctx, h.root, keys.KeySettings{
		Name:        keys.Some(ptr("ci")),
		Permissions: keys.Some([]string{"keys.default.read", "keys." + ks.ID + ".read", "keys.*.verify", "keys.*.verify", "*.*.read"}),
	})
	h.ok(err)
	want := []string{"keys." + ks.ID + ".read", "keys.*.verify", "*.*.read"}
	if !slices.Equal(k.Permissions, want) || !k.Root || !k.Enabled || k.KeyspaceID != "" || k.Name != "ci" || k.AccountID != k.ID {
		t.Errorf("made: %+v, want permissions %q", k, want)
	}
	if text := secret.Reveal(); text[:8] != "lk_root_" || len(text) != len("lk_root_")+46 {
		t.Errorf("its secret begins with %s and has %d characters", text[:8], len(text))
	}
	// A keyspace that is renamed keeps its grants, which are for its id.
	if by := h.actor(secret, ""); !by.May(keys.ResKeys, ks.ID, "verify") || by.May(keys.ResKeys, ks.ID, "update") {
		t.Errorf("it calls as %+v", by)
	}
	all, _, err := h.manager.CreateRootKey(ctx, h.root, grants("*.*.*"))
	if err != nil || !slices.Equal(all.Permissions, []string{"*"}) {
		t.Errorf("everything is kept as %q, %v", all.Permissions, err)
	}

	wrong := keys.KeySettings{
		Name: keys.Some(ptr("")), Environment: keys.Some("live"), Owner: owner("o"), Roles: keys.Some([]string{"r"}), Credits: credits(1),
		ExpiresAt: keys.Some(h.clock()), AllowedIPs: keys.Some(make([]netip.Prefix, keys.MaxAllowedIPs+1)),
		Permissions: keys.Some([]string{
			"keys.default.read", "keys.default.read", "keys", "keys.*.fly", "birds.*.read", "roles.default.read", "keys.none.read", "a b", "*.*.fly",
		}),
		Faults: keys.Faults{{Field: "unknown", Detail: "is no member"}},
	}
	faults := []string{
		"unknown", "environment", "identity", "roles", "credits", "name", "expires_at", "permissions/7", "allowed_ips",
		"permissions/2", "permissions/3", "permissions/4", "permissions/5", "permissions/6", "permissions/8",
	}
	_, secret, err = h.manager.CreateRootKey(ctx, h.root, wrong)
	if got := fields(err); !slices.Equal(got, faults) || !secret.IsZero() {
		t.Errorf("create: faults in\n%q, want\n%q", got, faults)
	}
	_, err = h.manager.UpdateRootKey(ctx, h.root, k.ID, wrong, keys.Match{})
	faults = slices.DeleteFunc(faults, func(f string) bool { return f == "expires_at" }) // it ends the key
	if got := fields(err); !slices.Equal(got, faults) {
		t.Errorf("update: faults in\n%q, want\n%q", got, faults)
	}
	many := slices.Repeat([]string{"keys.none.read"}, keys.MaxPermissions+1)
	if _, _, err := h.manager.CreateRootKey(ctx, h.root, grants(many...)); !slices.Equal(fields(err), []string{"permissions"}) {
		t.Errorf("too many grants: %v", err)
	}

	got, err := h.manager.UpdateRootKey(ctx, h.root, k.ID, keys.KeySettings{Name: keys.Some(ptr("cd")), Environment: keys.Some("")}, keys.Match{Given: true, Versions: []int64{k.Version}})
	if err != nil || got.Name != "cd" || !slices.Equal(got.Permissions, want) {
		t.Errorf("updated: %+v %v", got, err)
	}
	_, err = h.manager.UpdateRootKey(ctx, h.root, k.ID, keys.KeySettings{}, keys.Match{Given: true, Versions: []int64{k.Version}})
	h.refused("an update of a version that is gone", err, keys.Precondition)
	ordinary, _ := h.create(keys.KeySettings{})
	_, err = h.manager.RootKey(ctx, h.root, ordinary.ID)
	h.refused("an ordinary key as a root key", err, keys.NotFound)
	_, err = h.manager.Key(ctx, h.root, k.ID)
	h.refused("a root key as an ordinary one", err, keys.NotFound)
	if err := h.manager.DeleteKey(ctx, h.root, k.ID, keys.Match{}); !keys.Is(err, keys.NotFound) {
		t.Errorf("deleting a root key as an ordinary one: %v", err)
	}
}

// TestNobodyGivesMore makes and touches root keys by actors who hold less.
func TestNobodyGivesMore(t *testing.T) {
	h := newHome(t)
	ctx := t.Context()
	ks, err := h.manager.Keyspace(ctx, h.root, "default")
	h.ok(err)
	id := ks.ID
	for _, tt := range []struct {
		holds   []string
		asks    string
		missing string
	}{
		{[]string{"*"}, "*", ""},
		{[]string{"keys.*.read"}, "keys.*.read", ""},
		{[]string{"keys.*.read"}, "keys.default.read", ""},
		{[]string{"keys.*.*"}, "keys.*.reveal", ""},
		{[]string{"keys.*.*", "*.*.read"}, "usage.*.*", ""},
		{[]string{"limits.*.check", "limits.*.update"}, "limits.*.*", ""},
		{[]string{"*.*.read"}, "*.*.read", ""},
		{[]string{"limits.*.check"}, "limits.*.*", "limits.*.*"},
		{[]string{"keys.default.read"}, "keys.*.read", "keys.*.read"},
		{[]string{"keys.default.*"}, "keys.default.update", ""},
		{[]string{"keys.default.read"}, "keys.default.update", "keys." + id + ".update"},
		{[]string{"keys.*.read", "keyspaces.*.read"}, "*.*.read", "*.*.read"},
		{[]string{"keys.*.*", "keyspaces.*.*", "identities.*.*", "roles.*.*", "workspaces.*.*", "limits.*.*", "usage.*.*", "events.*.*", "metrics.*.*"}, "*", "*"},
	} {
		by := h.granted(append([]string{"root_keys.*.*"}, tt.holds...)...)
		_, _, err := h.manager.CreateRootKey(ctx, by, grants(tt.asks))
		if e := keys.AsError(err); (err == nil) != (tt.missing == "") || err != nil && (e.Code != keys.Forbidden || e.Missing != tt.missing) {
			t.Errorf("who holds %q gives %s: %v, want %q missing", tt.holds, tt.asks, err, tt.missing)
		}
	}

	strong, secret, err := h.manager.CreateRootKey(ctx, h.root, grants("keys.*.*"))
	h.ok(err)
	_, _, err = h.manager.RotateRootKey(ctx, h.root, strong.ID, time.Hour)
	h.ok(err)
	weak := h.granted("root_keys.*.*", "keys.*.read")
	for name, touch := range map[string]func(by keys.Actor) error{
		"update": func(by keys.Actor) error {
			_, err := h.manager.UpdateRootKey(ctx, by, strong.ID, grants("keys.*.read"), keys.Match{})
			return err
		},
		"rotate": func(by keys.Actor) error { _, _, err := h.manager.RotateRootKey(ctx, by, strong.ID, 0); return err },
		"end a secret": func(by keys.Actor) error {
			return h.manager.EndRootSecret(ctx, by, strong.ID, strong.Secrets[0].ID, keys.Match{})
		},
		"delete": func(by keys.Actor) error { return h.manager.DeleteRootKey(ctx, by, strong.ID, keys.Match{}) },
	} {
		err := touch(weak)
		if e := keys.AsError(err); e.Code != keys.Forbidden || e.Missing != "keys.*.*" {
			t.Errorf("%s by who holds less: %v", name, err)
		}
		if err := touch(h.granted("keys.*.*", "root_keys.*.read")); !keys.Is(err, keys.Forbidden) {
			t.Errorf("%s by who may not: %v", name, err)
		}
		h.actor(secret, "") // it is as it was
	}
	h.ok(h.manager.EndRootSecret(ctx, h.granted("root_keys.*.update", "keys.*.*"), strong.ID, strong.Secrets[0].ID, keys.Match{}))
	if _, err := h.verifier.Authenticate(ctx, secret, "", keys.Origin{}); !keys.Is(err, keys.Unauthenticated) {
		t.Errorf("the secret that was ended: %v", err)
	}
	if ks, err := h.manager.RootKeys(ctx, weak, keys.KeyFilter{}); err != nil || len(ks) < 2 {
		t.Errorf("who may read sees %d root keys, %v", len(ks), err)
	}
}

// TestLastRootKey tries to lose the last root key that can do everything, in
// every way in which that could be.
func TestLastRootKey(t *testing.T) {
	h := newHome(t)
	ctx := t.Context()
	update := func(s keys.KeySettings) func(keys.Actor, string) error {
		return func(by keys.Actor, id string) error {
			_, err := h.manager.UpdateRootKey(ctx, by, id, s, keys.Match{})
			return err
		}
	}
	ways := map[string]func(by keys.Actor, id string) error{
		"delete":   func(by keys.Actor, id string) error { return h.manager.DeleteRootKey(ctx, by, id, keys.Match{}) },
		"end":      func(by keys.Actor, _ string) error { return h.manager.EndSelf(ctx, by, keys.Match{}) },
		"disable":  update(keys.KeySettings{Enabled: keys.Some(false)}),
		"narrow":   update(grants("keys.*.*")),
		"expire":   update(keys.KeySettings{ExpiresAt: keys.Some(h.clock())}),
		"long ago": update(keys.KeySettings{ExpiresAt: keys.Some(h.clock().Add(-time.Hour))}),
	}
	for name, lose := range ways {
		h.refused(name+" the last one", lose(h.root, h.root.ID), keys.Conflict)
	}
	// Those that cannot do everything do not count, nor do those that cannot
	// any more, nor those of another workspace; and they may all go.
	in := h.below("acme")
	for _, s := range []struct {
		by       keys.Actor
		settings keys.KeySettings
	}{
		{h.root, grants("keys.*.*", "*.*.read")},
		{h.root, keys.KeySettings{Permissions: keys.Some([]string{"*"}), Enabled: keys.Some(false)}},
		{h.root, keys.KeySettings{Permissions: keys.Some([]string{"*"}), ExpiresAt: keys.Some(h.clock().Add(2*time.Minute + time.Second))}},
		{in, grants("*")},
	} {
		k, secret, err := h.manager.CreateRootKey(ctx, s.by, s.settings)
		h.ok(err)
		h.pass(time.Minute)
		h.refused("the last one, beside "+k.ID, h.manager.DeleteRootKey(ctx, h.root, h.root.ID, keys.Match{}), keys.Conflict)
		if s.settings.Enabled.Set || s.settings.ExpiresAt.Set {
			h.ok(h.manager.DeleteRootKey(ctx, s.by, k.ID, keys.Match{}))
			continue
		}
		h.refused("another version", h.manager.EndSelf(ctx, h.actor(secret, ""), keys.Match{Given: true}), keys.Precondition)
		h.ok(h.manager.EndSelf(ctx, h.actor(secret, ""), keys.Match{}))
	}
	// What it may lose is not what makes it the last.
	h.ok(update(keys.KeySettings{Name: keys.Some(ptr("renamed")), ExpiresAt: keys.Some(h.clock().Add(time.Hour))})(h.root, h.root.ID))
	h.ok(update(keys.KeySettings{ExpiresAt: keys.Some(time.Time{})})(h.root, h.root.ID))

	// With another one each way is open, and one key alone is lost.
	for name, lose := range ways {
		_, secret, err := h.manager.CreateRootKey(ctx, h.root, grants("*"))
		h.ok(err)
		by := h.actor(secret, "")
		h.ok(lose(by, by.ID))
		h.refused("after "+name+" of another one", h.manager.EndSelf(ctx, h.root, keys.Match{}), keys.Conflict)
	}
	h.manager.DeclaredRoot = true
	h.ok(h.manager.EndSelf(ctx, h.root, keys.Match{}))
}

// TestNotLastMayGo ends root keys that do not count where there is none that
// does: one that cannot do everything, and one of another workspace.
func TestNotLastMayGo(t *testing.T) {
	h := newHome(t)
	weak := h.granted("keys.*.read")
	_, secret, err := h.manager.CreateRootKey(t.Context(), h.below("acme"), grants("*"))
	h.ok(err)
	elsewhere := h.actor(secret, "")
	_, err = h.store.UpdateKey(t.Context(), h.root.WorkspaceID, h.root.ID, func(k *keys.Key) error { k.Enabled = false; return nil },
		keys.Event{ID: token.NewID("evt"), WorkspaceID: h.root.WorkspaceID, At: h.clock(), Action: "root_key.update"})
	h.ok(err)
	h.ok(h.manager.EndSelf(t.Context(), weak, keys.Match{}))
	h.ok(h.manager.EndSelf(t.Context(), elsewhere, keys.Match{}))
}

// TestLastRootKeyAtOnce lets two root keys end themselves at the same time,
// while the store is busy, so that both changes are in one commit if they may:
// one key is left.
func TestLastRootKeyAtOnce(t *testing.T) {
	h := newHome(t)
	other := h.granted("*")
	ordinary, _ := h.create(keys.KeySettings{})
	busy, let := make(chan struct{}), make(chan struct{})
	go h.store.UpdateKey(context.Background(), h.root.WorkspaceID, ordinary.ID, func(*keys.Key) error { close(busy); <-let; return nil },
		keys.Event{ID: token.NewID("evt"), WorkspaceID: h.root.WorkspaceID, At: h.clock(), Action: "key.update"})
	<-busy
	done := make(chan error)
	for _, by := range []keys.Actor{h.root, other} {
		go func() { done <- h.manager.EndSelf(context.Background(), by, keys.Match{}) }()
	}
	time.Sleep(50 * time.Millisecond) // both wait
	close(let)
	one, two := <-done, <-done
	if (one == nil) == (two == nil) {
		t.Fatalf("both may go, or none: %v, %v", one, two)
	}
	if one == nil {
		one = two
	}
	h.refused("the one that stays", one, keys.Conflict)
	left, err := h.manager.RootKeys(t.Context(), keys.OperatorIn(keys.Workspace{ID: h.root.WorkspaceID}), keys.KeyFilter{})
	if err != nil || len(left) != 1 {
		t.Errorf("%d root keys are left, %v", len(left), err)
	}
}
