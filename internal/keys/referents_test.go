package keys_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"latchkey/internal/keys"
	"latchkey/internal/span"
	"latchkey/internal/token"
)

// TestMakeNames names roles and permissions that are not there, by who may make
// them and by who may not.
func TestMakeNames(t *testing.T) {
	h := newHome(t)
	ctx := t.Context()
	_, err := h.manager.CreateRole(ctx, h.root, keys.Role{Name: "there"})
	h.ok(err)
	_, err = h.manager.CreatePermission(ctx, h.root, keys.Permission{Name: "there"})
	h.ok(err)
	maker, user := h.granted("keys.*.*", "roles.*.create"), h.granted("keys.*.*", "roles.*.read")
	names := func(roles, permissions string) keys.KeySettings {
		return keys.KeySettings{Make: true, Roles: keys.Some(strings.Fields(roles)), Permissions: keys.Some(strings.Fields(permissions))}
	}
	create := func(by keys.Actor, s keys.KeySettings) (keys.Key, error) {
		k, _, err := h.manager.CreateKey(ctx, by, keys.NewKey{KeySettings: s})
		return k, err
	}
	k, _ := h.create(keys.KeySettings{})
	update := func(by keys.Actor, s keys.KeySettings) (keys.Key, error) {
		return h.manager.UpdateKey(ctx, by, k.ID, s, keys.Match{})
	}
	change := func(by keys.Actor, s keys.KeySettings) (keys.Key, error) {
		if _, err := h.manager.ChangePermissions(ctx, by, k.ID, keys.Delta{Add: s.Permissions.Value, Make: s.Make}); err != nil {
			return keys.Key{}, err
		}
		return h.manager.ChangeRoles(ctx, by, k.ID, keys.Delta{Add: s.Roles.Value, Make: s.Make})
	}
	for way, do := range map[string]func(keys.Actor, keys.KeySettings) (keys.Key, error){"create": create, "update": update, "change": change} {
		events := len(h.events(h.root))
		for _, s := range []keys.KeySettings{names("there "+way, "there"), names("there", "there "+way)} {
			if _, err := do(user, s); keys.AsError(err).Missing != "roles.*.create" {
				t.Errorf("%s of what is not there by who may not make it: %v", way, err)
			}
		}
		if now := len(h.events(h.root)); now != events && way != "change" {
			t.Errorf("%s: refused, it has left %d events", way, now-events)
		}
		if _, err := do(user, names("there", "there")); err != nil {
			t.Errorf("%s of what is there: %v", way, err)
		}
		if got, err := do(maker, names("there "+way, "there "+way)); err != nil || !slices.Contains(got.Roles, way) || !slices.Contains(got.Permissions, way) {
			t.Errorf("%s by who may make it: %q %q, %v", way, got.Roles, got.Permissions, err)
		}
		if _, err := do(maker, names("role_x", "")); !keys.Is(err, keys.Invalid) {
			t.Errorf("%s of a role that none can be called: %v", way, err)
		}
		without := names("none", "")
		without.Make = false
		if _, err := do(maker, without); !keys.Is(err, keys.Invalid) {
			t.Errorf("%s of a role that is not there and not to be made: %v", way, err)
		}
	}
}

// TestReferents tells what keys refer to whoever may do something with keys, in
// their own workspace.
func TestReferents(t *testing.T) {
	h := newHome(t)
	k, _ := h.create(keys.KeySettings{Owner: owner("o"), Permissions: keys.Some([]string{"p"})})
	acme := h.below("acme")
	refs := keys.Refs{Identities: []string{k.Owner.ID}, Permissions: []string{"p"}}
	for _, tt := range []struct {
		name  string
		by    keys.Actor
		code  keys.Code
		found int
	}{
		{"all", h.root, "", 1},
		{"one keyspace", h.granted("keys." + k.KeyspaceID + ".read"), "", 1},
		{"another action", h.granted("keys.*.create"), keys.Forbidden, 0},
		{"no keys", h.granted("roles.*.read", "identities.*.read"), keys.Forbidden, 0},
		{"the public", keys.Actor{Kind: keys.Public, WorkspaceID: h.root.WorkspaceID}, keys.Forbidden, 0},
		{"another workspace", acme, "", 0},
	} {
		got, err := h.manager.Referents(t.Context(), tt.by, "read", refs)
		if tt.code != "" {
			h.refused(tt.name, err, tt.code)
		} else if err != nil || len(got.Identities) != tt.found || len(got.Permissions) != tt.found {
			t.Errorf("%s: %+v, %v; want %d of each", tt.name, got, err, tt.found)
		}
	}
}

// TestKeyBySecret finds keys for who may read them.
func TestKeyBySecret(t *testing.T) {
	h := newHome(t)
	k, secret := h.create(keys.KeySettings{})
	h.below("acme")
	_, err := h.manager.CreateKeyspace(t.Context(), h.root, keys.Keyspace{Slug: "api", Policy: keys.DefaultPolicy()})
	h.ok(err)
	for _, tt := range []struct {
		name   string
		by     keys.Actor
		secret token.Secret
		code   keys.Code
	}{
		{"a key", h.root, secret, ""},
		{"by who may read its keyspace", h.granted("keys." + k.KeyspaceID + ".read"), secret, ""},
		{"by who may read another", h.granted("keys.api.read"), secret, keys.NotFound},
		{"by who may read none", h.granted("keys.*.create"), secret, keys.Forbidden},
		{"from another workspace", h.actor(h.secret, "acme"), secret, keys.NotFound},
		{"a root key", h.root, h.secret, keys.NotFound},
		{"a secret of none", h.root, token.New("nobody"), keys.NotFound},
	} {
		got, err := h.manager.KeyBySecret(t.Context(), tt.by, tt.secret)
		if tt.code != "" {
			h.refused(tt.name, err, tt.code)
		} else if err != nil || got.ID != k.ID {
			t.Errorf("%s: %s, %v", tt.name, got.ID, err)
		}
	}
}

// TestShapeOfNewKeys makes keys in another form than their keyspace's, and ones
// that are to be read again where none can be.
func TestShapeOfNewKeys(t *testing.T) {
	h := newHome(t)
	longer := func(f token.Form) token.Form { f.Length += 10; return f }
	k, _, err := h.manager.CreateKey(t.Context(), h.root, keys.NewKey{Shape: longer})
	if want := longer(keys.DefaultPolicy().Secret); err != nil || k.Form != want {
		t.Errorf("the form is %+v, %v; want %+v", k.Form, err, want)
	}
	_, _, err = h.manager.CreateKey(t.Context(), h.root, keys.NewKey{Recoverable: true})
	h.refused("a secret to be read again", err, keys.Precondition)
	h.policy(func(p *keys.Policy) { p.Recoverable = true })
	if _, _, err = h.manager.CreateKey(t.Context(), h.root, keys.NewKey{Recoverable: true}); err != nil {
		t.Error(err)
	}
}

// TestDrainCredits takes more than there is.
func TestDrainCredits(t *testing.T) {
	h := newHome(t)
	k, _ := h.create(keys.KeySettings{})
	_, err := h.manager.DrainCredits(t.Context(), h.root, k.ID, 1)
	h.refused("without credits", err, keys.Conflict)
	h.update(k.ID, keys.KeySettings{Credits: keys.Some(&keys.CreditSettings{Remaining: keys.Some[int64](3),
		Refill: refill(keys.RefillSettings{Amount: keys.Some[int64](10), Every: every(keys.Daily)})})})
	for _, step := range []struct{ amount, left int64 }{{1, 2}, {5, 0}, {5, 0}} {
		if c, err := h.manager.DrainCredits(t.Context(), h.root, k.ID, step.amount); err != nil || c.Remaining != step.left {
			t.Errorf("%d: %+v, %v; want %d left", step.amount, c, err, step.left)
		}
	}
	h.pass(24 * time.Hour)
	if c, err := h.manager.DrainCredits(t.Context(), h.root, k.ID, 4); err != nil || c.Remaining != 6 {
		t.Errorf("after a refill: %+v, %v; want 6 left", c, err)
	}
	_, err = h.manager.DrainCredits(t.Context(), h.root, k.ID, -1)
	h.refused("less than nothing", err, keys.Invalid)
}

// TestLastRefill tells when credits came back, and that they have not yet.
func TestLastRefill(t *testing.T) {
	set := time.Date(2030, 1, 15, 12, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		name   string
		refill *keys.Refill
		now    time.Time
		want   time.Time
	}{
		{"none", nil, set.AddDate(1, 0, 0), time.Time{}},
		{"daily, not yet", &keys.Refill{Every: keys.Daily, Amount: 1}, set.Add(time.Hour), time.Time{}},
		{"daily", &keys.Refill{Every: keys.Daily, Amount: 1}, set.Add(40 * time.Hour), time.Date(2030, 1, 17, 0, 0, 0, 0, time.UTC)},
		{"monthly, not yet", &keys.Refill{Every: keys.Monthly, Day: 31, Amount: 1}, set.AddDate(0, 0, 15), time.Time{}},
		{"monthly", &keys.Refill{Every: keys.Monthly, Day: 31, Amount: 1}, set.AddDate(0, 1, 15), time.Date(2030, 2, 28, 0, 0, 0, 0, time.UTC)},
		{"every six hours", &keys.Refill{Every: keys.EverySpan, Span: span.Of(6 * time.Hour), Amount: 1}, set.Add(12 * time.Hour), time.Time{}},
	} {
		c := keys.Credits{Refill: tt.refill, RefilledAt: set}.At(tt.now)
		if got := c.LastRefill(); !got.Equal(tt.want) {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
}
