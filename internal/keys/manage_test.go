package keys_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"latchkey/internal/keys"
	"latchkey/internal/ratelimit"
	"latchkey/internal/span"
	"latchkey/internal/token"
)

// A call is one operation on things of the root workspace, and what it needs.
type call struct {
	name, need string
	named      bool // it names a thing, which another workspace has not
	do         func(by keys.Actor) error
}

// agree lets any override be replaced.
func agree(*keys.Override) error { return nil }

// calls lists every operation of the manager on things that are there and may
// be changed again and again.
func calls(h *home) []call {
	ctx, m, none := context.Background(), h.manager, keys.Match{Given: true} // no version matches: nothing is changed
	k, _ := h.create(keys.KeySettings{Owner: owner("o"), Credits: credits(5)})
	rk, _, err := m.CreateRootKey(ctx, h.root, keys.KeySettings{})
	h.ok(err)
	role, err := m.CreateRole(ctx, h.root, keys.Role{Name: "reader"})
	h.ok(err)
	perm, err := m.CreatePermission(ctx, h.root, keys.Permission{Name: "p"})
	h.ok(err)
	ks, err := m.CreateKeyspace(ctx, h.root, keys.Keyspace{Slug: "api", Policy: keys.DefaultPolicy()})
	h.ok(err)
	_, _, err = m.ReplaceOverride(ctx, h.root, keys.Override{Namespace: "api", Pattern: "a*", Window: span.Of(time.Hour)}, agree, keys.Match{})
	h.ok(err)
	h.below("acme")
	secretID := token.NewID("sec") // which the key has not
	hold, _, _, err := m.Reserve(ctx, h.root, k.ID, 1, time.Hour)
	h.ok(err)
	other, _, _, err := m.Reserve(ctx, h.root, k.ID, 1, time.Hour)
	h.ok(err)
	in, root := "keys."+k.KeyspaceID+".", h.root.WorkspaceID
	return []call{
		{"CreateKey", in + "create", false, func(by keys.Actor) error { _, _, err := m.CreateKey(ctx, by, keys.NewKey{}); return err }},
		{"IssueCode", in + "create", false, func(by keys.Actor) error {
			_, _, err := m.IssueCode(ctx, by, keys.NewCode{Callback: "https://app.example"})
			return err
		}},
		{"Key", in + "read", true, func(by keys.Actor) error { _, err := m.Key(ctx, by, k.ID); return err }},
		{"Keys of a keyspace", in + "read", false, func(by keys.Actor) error {
			_, _, err := m.Keys(ctx, by, keys.KeyQuery{Keyspace: k.KeyspaceID, KeyFilter: keys.KeyFilter{Limit: 1}})
			return err
		}},
		{"UpdateKey", in + "update", true, func(by keys.Actor) error {
			_, err := m.UpdateKey(ctx, by, k.ID, keys.KeySettings{}, keys.Match{})
			return err
		}},
		{"RotateKey", in + "rotate", true, func(by keys.Actor) error { _, _, err := m.RotateKey(ctx, by, k.ID, 0); return err }},
		{"EndSecret", in + "rotate", true, func(by keys.Actor) error { return m.EndSecret(ctx, by, k.ID, secretID, none) }},
		{"ChangePermissions", in + "update", true, func(by keys.Actor) error { _, err := m.ChangePermissions(ctx, by, k.ID, keys.Delta{}); return err }},
		{"ChangeRoles", in + "update", true, func(by keys.Actor) error { _, err := m.ChangeRoles(ctx, by, k.ID, keys.Delta{}); return err }},
		{"Spend", in + "spend", true, func(by keys.Actor) error { _, err := m.Spend(ctx, by, k.ID, 1, keys.SpendOwn); return err }},
		{"Reserve", in + "spend", true, func(by keys.Actor) error { _, _, _, err := m.Reserve(ctx, by, k.ID, 1, time.Minute); return err }},
		{"Settle", in + "spend", true, func(by keys.Actor) error { _, err := m.Settle(ctx, by, hold.ID, 1, keys.SpendOwn); return err }},
		{"ReleaseReservation", in + "spend", true, func(by keys.Actor) error { return m.ReleaseReservation(ctx, by, other.ID) }},
		{"Refund", in + "spend", true, func(by keys.Actor) error { _, err := m.Refund(ctx, by, k.ID, 1, keys.SpendOwn); return err }},
		{"ChangeCredits", in + "update", true, func(by keys.Actor) error {
			_, err := m.ChangeCredits(ctx, by, k.ID, keys.CreditIncrement, 0)
			return err
		}},
		{"DrainCredits", in + "update", true, func(by keys.Actor) error { _, err := m.DrainCredits(ctx, by, k.ID, 0); return err }},
		{"KeyFor", in + "rotate", true, func(by keys.Actor) error { _, err := m.KeyFor(ctx, by, k.ID, "rotate"); return err }},
		{"Reveal", in + "reveal", true, func(by keys.Actor) error { _, err := m.Reveal(ctx, by, k.ID); return err }},
		{"DeleteKey", in + "delete", true, func(by keys.Actor) error { return m.DeleteKey(ctx, by, k.ID, none) }},

		{"CreateRootKey", "root_keys.*.create", false, func(by keys.Actor) error { _, _, err := m.CreateRootKey(ctx, by, keys.KeySettings{}); return err }},
		{"RootKey", "root_keys.*.read", true, func(by keys.Actor) error { _, err := m.RootKey(ctx, by, rk.ID); return err }},
		{"RootKeys", "root_keys.*.read", false, func(by keys.Actor) error { _, err := m.RootKeys(ctx, by, keys.KeyFilter{}); return err }},
		{"UpdateRootKey", "root_keys.*.update", true, func(by keys.Actor) error {
			_, err := m.UpdateRootKey(ctx, by, rk.ID, keys.KeySettings{}, none)
			return err
		}},
		{"RotateRootKey", "root_keys.*.update", true, func(by keys.Actor) error { _, _, err := m.RotateRootKey(ctx, by, rk.ID, 0); return err }},
		{"EndRootSecret", "root_keys.*.update", true, func(by keys.Actor) error { return m.EndRootSecret(ctx, by, rk.ID, secretID, none) }},
		{"DeleteRootKey", "root_keys.*.delete", true, func(by keys.Actor) error { return m.DeleteRootKey(ctx, by, rk.ID, none) }},

		{"CreateKeyspace", "keyspaces.*.create", false, func(by keys.Actor) error { _, err := m.CreateKeyspace(ctx, by, keys.Keyspace{}); return err }},
		{"Keyspace", "keyspaces.*.read", true, func(by keys.Actor) error { _, err := m.Keyspace(ctx, by, ks.ID); return err }},
		{"Keyspaces", "keyspaces.*.read", false, func(by keys.Actor) error { _, err := m.Keyspaces(ctx, by, keys.Page{}); return err }},
		{"UpdateKeyspace", "keyspaces.*.update", true, func(by keys.Actor) error { _, err := m.UpdateKeyspace(ctx, by, ks.ID, nil, none); return err }},
		{"DeleteKeyspace", "keyspaces.*.delete", true, func(by keys.Actor) error { return m.DeleteKeyspace(ctx, by, ks.ID, none) }},

		{"CreateIdentity", "identities.*.create", false, func(by keys.Actor) error { _, err := m.CreateIdentity(ctx, by, keys.Identity{}); return err }},
		{"Identity", "identities.*.read", true, func(by keys.Actor) error { _, err := m.Identity(ctx, by, k.Owner.ID); return err }},
		{"Identities", "identities.*.read", false, func(by keys.Actor) error { _, _, err := m.Identities(ctx, by, keys.IdentityFilter{}); return err }},
		{"UpdateIdentity", "identities.*.update", true, func(by keys.Actor) error { _, err := m.UpdateIdentity(ctx, by, k.Owner.ID, nil, none); return err }},
		{"DeleteIdentity", "identities.*.delete", true, func(by keys.Actor) error { return m.DeleteIdentity(ctx, by, k.Owner.ID, none) }},

		{"CreateRole", "roles.*.create", false, func(by keys.Actor) error { _, err := m.CreateRole(ctx, by, keys.Role{}); return err }},
		{"Role", "roles.*.read", true, func(by keys.Actor) error { _, err := m.Role(ctx, by, role.ID); return err }},
		{"Roles", "roles.*.read", false, func(by keys.Actor) error { _, err := m.Roles(ctx, by, keys.Page{}); return err }},
		{"UpdateRole", "roles.*.update", true, func(by keys.Actor) error { _, err := m.UpdateRole(ctx, by, role.ID, nil, none); return err }},
		{"DeleteRole", "roles.*.delete", true, func(by keys.Actor) error { return m.DeleteRole(ctx, by, role.ID, none) }},
		{"CreatePermission", "roles.*.create", false, func(by keys.Actor) error { _, err := m.CreatePermission(ctx, by, keys.Permission{}); return err }},
		{"Permission", "roles.*.read", true, func(by keys.Actor) error { _, err := m.Permission(ctx, by, perm.ID); return err }},
		{"Permissions", "roles.*.read", false, func(by keys.Actor) error { _, err := m.Permissions(ctx, by, keys.Page{}); return err }},
		{"UpdatePermission", "roles.*.update", true, func(by keys.Actor) error { _, err := m.UpdatePermission(ctx, by, perm.ID, nil, none); return err }},
		{"ReplaceOverride", "limits.*.update", false, func(by keys.Actor) error {
			_, _, err := m.ReplaceOverride(ctx, by, keys.Override{Namespace: "api", Pattern: "b", Max: 1, Window: span.Of(time.Hour)}, agree, keys.Match{})
			return err
		}},
		{"Override", "limits.*.update", true, func(by keys.Actor) error { _, err := m.Override(ctx, by, "api", "a*"); return err }},
		{"Overrides", "limits.*.update", false, func(by keys.Actor) error { _, err := m.Overrides(ctx, by, "api", keys.Page{}); return err }},
		{"DeleteOverride", "limits.*.update", true, func(by keys.Actor) error { return m.DeleteOverride(ctx, by, "api", "a*", none) }},
		{"DeletePermission", "roles.*.delete", true, func(by keys.Actor) error { return m.DeletePermission(ctx, by, perm.ID, none) }},

		{"CreateWorkspace", "workspaces.*.create", false, func(by keys.Actor) error { _, err := m.CreateWorkspace(ctx, by, keys.Workspace{}); return err }},
		{"Workspace", "workspaces.*.read", true, func(by keys.Actor) error { _, err := m.Workspace(ctx, by, root); return err }},
		{"Workspaces", "workspaces.*.read", false, func(by keys.Actor) error { _, err := m.Workspaces(ctx, by, keys.Page{}); return err }},
		{"UpdateWorkspace", "workspaces.*.update", true, func(by keys.Actor) error { _, err := m.UpdateWorkspace(ctx, by, root, nil, none); return err }},
		{"DeleteWorkspace", "workspaces.*.delete", true, func(by keys.Actor) error { return m.DeleteWorkspace(ctx, by, root, none) }},
		{"Events", "events.*.read", false, func(by keys.Actor) error { _, err := m.Events(ctx, by, keys.EventFilter{}); return err }},
		{"Usage", "usage.*.read", false, func(by keys.Actor) error { _, _, err := m.Usage(ctx, by, keys.UsageQuery{}); return err }},
	}
}

// TestEveryCallIsAuthorized makes every call by who holds what it needs alone,
// by who holds everything else, and from a workspace beside.
func TestEveryCallIsAuthorized(t *testing.T) {
	h := newHome(t)
	var everything []string
	for resource, actions := range keys.Actions {
		for _, a := range actions {
			everything = append(everything, resource+".*."+a)
		}
	}
	all := calls(h)
	acme := h.actor(h.secret, "acme")
	for _, c := range all {
		with := func(grants ...string) keys.Actor {
			by := h.root
			by.Grants = keys.ParseGrants(grants)
			return by
		}
		if err := c.do(with(c.need)); keys.Is(err, keys.Forbidden) || keys.Is(err, keys.NotFound) && c.name != "EndSecret" && c.name != "EndRootSecret" {
			t.Errorf("%s by who holds %s: %v", c.name, c.need, err)
		}
		parts := strings.Split(c.need, ".")
		wide := parts[0] + ".*." + parts[2]
		rest := slices.DeleteFunc(slices.Clone(everything), func(g string) bool { return g == wide })
		if e := keys.AsError(c.do(with(rest...))); e.Code != keys.Forbidden || e.Missing != c.need && e.Missing != wide {
			t.Errorf("%s by who holds everything but %s: %v, %q missing", c.name, c.need, e, e.Missing)
		}
		if parts[0] == keys.ResKeys {
			e := keys.AsError(c.do(with(append(rest, "keys.ks_0."+parts[2])...)))
			if e.Code != keys.Forbidden || e.Missing != c.need {
				t.Errorf("%s by who holds it for another keyspace: %v, %q missing", c.name, e, e.Missing)
			}
		}
		if err := c.do(acme); c.named && !keys.Is(err, keys.NotFound) {
			t.Errorf("%s from another workspace: %v", c.name, err)
		}
		for _, kind := range []keys.ActorKind{keys.Public, keys.Holder, keys.User} {
			if err := c.do(keys.Actor{Kind: kind, WorkspaceID: h.root.WorkspaceID}); !keys.Is(err, keys.Forbidden) {
				t.Errorf("%s by %s: %v", c.name, kind, err)
			}
		}
	}
}

// TestKeyLists lists keys by who may read some keyspaces alone.
func TestKeyLists(t *testing.T) {
	h := newHome(t)
	ctx := t.Context()
	ks, err := h.manager.CreateKeyspace(ctx, h.root, keys.Keyspace{Slug: "api", Policy: keys.DefaultPolicy()})
	h.ok(err)
	one, _ := h.create(keys.KeySettings{Owner: owner("o")})
	two, _, err := h.manager.CreateKey(ctx, h.root, keys.NewKey{Keyspace: "api"})
	h.ok(err)
	some := h.granted("keys.api.read")
	for _, tt := range []struct {
		name string
		by   keys.Actor
		q    keys.KeyQuery
		code keys.Code
		want []string
	}{
		{"all", h.root, keys.KeyQuery{}, "", []string{two.ID, one.ID}},
		{"one keyspace", h.root, keys.KeyQuery{Keyspace: "api"}, "", []string{two.ID}},
		{"a keyspace that is not there", h.root, keys.KeyQuery{Keyspace: "none"}, keys.Invalid, nil},
		{"an owner by external id", h.root, keys.KeyQuery{Identity: "o"}, "", []string{one.ID}},
		{"an owner by id", h.root, keys.KeyQuery{Identity: one.Owner.ID}, "", []string{one.ID}},
		{"an owner that is not there", h.root, keys.KeyQuery{Identity: "none"}, "", nil},
		{"what one may read", some, keys.KeyQuery{}, "", []string{two.ID}},
		{"what one may read, by id", some, keys.KeyQuery{Keyspace: ks.ID}, "", []string{two.ID}},
		{"what one may not read", some, keys.KeyQuery{Keyspace: "default"}, keys.Forbidden, nil},
		{"another's owner", some, keys.KeyQuery{Identity: "o"}, "", nil},
		{"root keys", h.root, keys.KeyQuery{KeyFilter: keys.KeyFilter{Root: true}}, "", []string{two.ID, one.ID}},
	} {
		tt.q.Limit = 10
		ks, n, err := h.manager.Keys(ctx, tt.by, tt.q)
		if tt.code != "" {
			h.refused(tt.name, err, tt.code)
			continue
		}
		var got []string
		for _, k := range ks {
			got = append(got, k.ID)
		}
		if err != nil || !slices.Equal(got, tt.want) || n != len(tt.want) {
			t.Errorf("%s: %q of %d, %v; want %q", tt.name, got, n, err, tt.want)
		}
	}
}

// TestWhatIsShown reads a key whose refill is due and whose secrets have ended.
func TestWhatIsShown(t *testing.T) {
	h := newHome(t)
	k, _ := h.create(keys.KeySettings{Credits: keys.Some(&keys.CreditSettings{Remaining: keys.Some[int64](0),
		Refill: refill(keys.RefillSettings{Amount: keys.Some[int64](5), Every: every(keys.Daily)})})})
	_, _, err := h.manager.RotateKey(t.Context(), h.root, k.ID, time.Hour)
	h.ok(err)
	h.pass(24 * time.Hour)
	got, err := h.manager.Key(t.Context(), h.root, k.ID)
	if err != nil || got.Credits.Remaining != 5 || len(got.Secrets) != 1 {
		t.Errorf("%d credits and %d secrets, %v", got.Credits.Remaining, len(got.Secrets), err)
	}
	list, _, err := h.manager.Keys(t.Context(), h.root, keys.KeyQuery{KeyFilter: keys.KeyFilter{Limit: 1}})
	if err != nil || list[0].Credits.Remaining != 5 || len(list[0].Secrets) != 1 {
		t.Errorf("in a list: %+v, %v", list, err)
	}
}

// TestPolicyFaults reports all that is wrong with keyspaces.
func TestPolicyFaults(t *testing.T) {
	hours := func(n int64) span.Span { return span.Span{N: n, Unit: span.Hour} }
	for name, tt := range map[string]struct {
		change func(*keys.Keyspace)
		want   []string
	}{
		"nothing":             {func(*keys.Keyspace) {}, nil},
		"a slug with capital": {func(ks *keys.Keyspace) { ks.Slug = "Api" }, []string{"slug"}},
		"a slug like an id":   {func(ks *keys.Keyspace) { ks.Slug = "ks_1" }, []string{"slug"}},
		"a name too long":     {func(ks *keys.Keyspace) { ks.Name = strings.Repeat("é", keys.MaxText+1) }, []string{"name"}},
		"weak secrets":        {func(ks *keys.Keyspace) { ks.Policy.Secret.Length = 15 }, []string{"policy/secret"}},
		"no environment":      {func(ks *keys.Keyspace) { ks.Policy.Environments = []string{} }, []string{"policy/environments"}},
		"an empty one":        {func(ks *keys.Keyspace) { ks.Policy.Environments = []string{"a", ""} }, []string{"policy/environments"}},
		"name bounds":         {func(ks *keys.Keyspace) { ks.Policy.Name.Min, ks.Policy.Name.Max = 3, 2 }, []string{"policy/name"}},
		"metadata bounds":     {func(ks *keys.Keyspace) { ks.Policy.Meta.MaxBytes = 1 }, []string{"policy/meta/max_bytes"}},
		"expiry bounds":       {func(ks *keys.Keyspace) { ks.Policy.Expiry.Min, ks.Policy.Expiry.Max = hours(3), hours(2) }, []string{"policy/expiry/min"}},
		"a default too low":   {func(ks *keys.Keyspace) { ks.Policy.Expiry.Min, ks.Policy.Expiry.Default = hours(3), hours(2) }, []string{"policy/expiry/default"}},
		"a default too high":  {func(ks *keys.Keyspace) { ks.Policy.Expiry.Max, ks.Policy.Expiry.Default = hours(3), hours(4) }, []string{"policy/expiry/default"}},
		"a default of 0":      {func(ks *keys.Keyspace) { ks.Policy.Expiry.Default = hours(0) }, []string{"policy/expiry/default"}},
		"required of nobody":  {func(ks *keys.Keyspace) { ks.Policy.Expiry = keys.ExpiryPolicy{Required: true} }, []string{"policy/expiry/required"}},
		"many at once": {func(ks *keys.Keyspace) {
			ks.Policy.Hint.Length, ks.Policy.Owner, ks.Policy.LimiterDown = 17, keys.Customer, "x"
			ks.Policy.Limits = []ratelimit.Limit{limit("a", 0)}
			ks.Policy.Permissions, ks.Policy.Grantable = []string{"a b"}, []string{"c", "d e"}
			ks.Policy.Credits = &keys.Credits{Remaining: -1}
		}, []string{"policy/hint/length", "policy/limits/0/max", "policy/permissions/0", "policy/grantable/1", "policy/credits/remaining", "policy/owner", "policy/limiter_down"}},
	} {
		ks := keys.Keyspace{Slug: "api", Policy: keys.DefaultPolicy()}
		tt.change(&ks)
		if got := fields(ks.Validate()); !slices.Equal(got, tt.want) {
			t.Errorf("%s: faults in %q, want %q", name, got, tt.want)
		}
	}
}

// TestTree changes a tree of workspaces in ways that it does not allow.
func TestTree(t *testing.T) {
	h := newHome(t)
	ctx, m := t.Context(), h.manager
	h.below("acme")
	acme := h.actor(h.secret, "acme")
	eu, err := m.CreateWorkspace(ctx, acme, keys.Workspace{Slug: "eu", Enabled: true})
	if err != nil || eu.Path != "default.acme.eu" || eu.Version != 1 {
		t.Fatalf("%+v %v", eu, err)
	}
	if _, err := m.Keyspace(ctx, h.actor(h.secret, "eu"), keys.DefaultKeyspace); err != nil {
		t.Errorf("it has no default keyspace: %v", err)
	}
	change := func(ref string, change func(*keys.Workspace)) error {
		_, err := m.UpdateWorkspace(ctx, h.root, ref, func(ws *keys.Workspace) error { change(ws); return nil }, keys.Match{})
		return err
	}
	keyspace := func(change func(*keys.Keyspace)) error {
		_, err := m.UpdateKeyspace(ctx, h.root, "default", func(ks *keys.Keyspace) error { change(ks); return nil }, keys.Match{})
		return err
	}
	_, again := m.CreateWorkspace(ctx, acme, keys.Workspace{Slug: "eu"})
	_, above := m.Workspace(ctx, acme, "default")
	for name, tt := range map[string]struct {
		err  error
		code keys.Code
	}{
		"a path that is taken":                   {again, keys.Conflict},
		"one above":                              {above, keys.NotFound},
		"the root is disabled":                   {change("default", func(ws *keys.Workspace) { ws.Enabled = false }), keys.Conflict},
		"another slug":                           {change("eu", func(ws *keys.Workspace) { ws.Slug = "us" }), keys.Invalid},
		"a name that is too long":                {change("eu", func(ws *keys.Workspace) { ws.Name = strings.Repeat("x", keys.MaxText+1) }), keys.Invalid},
		"one with others below it is deleted":    {m.DeleteWorkspace(ctx, h.root, "acme", keys.Match{}), keys.Conflict},
		"the root is deleted":                    {m.DeleteWorkspace(ctx, h.root, "default", keys.Match{}), keys.Conflict},
		"one is deleted from within":             {m.DeleteWorkspace(ctx, h.actor(h.secret, "eu"), "eu", keys.Match{}), keys.Conflict},
		"the default keyspace has another slug":  {keyspace(func(ks *keys.Keyspace) { ks.Slug = "other" }), keys.Conflict},
		"the default keyspace has a wrong form":  {keyspace(func(ks *keys.Keyspace) { ks.Policy.Secret.Length = 1 }), keys.Invalid},
		"the default keyspace is deleted by ref": {m.DeleteKeyspace(ctx, h.root, "default", keys.Match{}), keys.Conflict},
	} {
		h.refused(name, tt.err, tt.code)
	}
	if list, err := m.Workspaces(ctx, acme, keys.Page{}); err != nil || len(list) != 2 || list[0].ID != eu.ID {
		t.Errorf("from acme on: %+v %v", list, err)
	}
	if err := change("eu", func(ws *keys.Workspace) { ws.Name = "Europe" }); err != nil {
		t.Error(err)
	}
	h.ok(m.DeleteWorkspace(ctx, acme, "eu", keys.Match{}))
	h.ok(m.DeleteWorkspace(ctx, h.root, "acme", keys.Match{}))
}

// TestReplaceIdentity makes an identity by its external id, and changes it.
func TestReplaceIdentity(t *testing.T) {
	h := newHome(t)
	ctx, m := t.Context(), h.manager
	want := keys.Identity{ExternalID: "o", Kind: keys.Customer, Enabled: true, Meta: `{"a":1}`}
	_, _, err := m.ReplaceIdentity(ctx, h.root, want, keys.Match{Given: true, Any: true})
	h.refused("one that is not there, by its version", err, keys.Precondition)
	first, made, err := m.ReplaceIdentity(ctx, h.root, want, keys.Match{})
	if err != nil || !made || first.Version != 1 {
		t.Errorf("%+v %t %v", first, made, err)
	}
	want.Kind, want.Meta, want.Limits = keys.Organization, "", []ratelimit.Limit{limit("l", 1)}
	second, made, err := m.ReplaceIdentity(ctx, h.root, want, keys.Match{Given: true, Versions: []int64{1}})
	if err != nil || made || second.ID != first.ID || second.Kind != keys.Organization || second.Meta != "" || len(second.Limits) != 1 || second.Version != 2 {
		t.Errorf("%+v %t %v", second, made, err)
	}
	_, _, err = m.ReplaceIdentity(ctx, h.root, want, keys.Match{Given: true, Versions: []int64{1}})
	h.refused("another version", err, keys.Precondition)
	want.ExternalID, want.Kind = "idn_o", "robot"
	_, _, err = m.ReplaceIdentity(ctx, h.root, want, keys.Match{})
	if got := fields(err); !slices.Equal(got, []string{"external_id", "kind"}) {
		t.Errorf("%v", err)
	}
	_, _, err = m.ReplaceIdentity(ctx, h.granted("identities.*.create"), second, keys.Match{})
	h.refused("a change by who may only create", err, keys.Forbidden)
	_, _, err = m.ReplaceIdentity(ctx, h.granted("identities.*.update"), keys.Identity{ExternalID: "p", Kind: keys.Customer}, keys.Match{})
	h.refused("a new one by who may only change", err, keys.Forbidden)
}
