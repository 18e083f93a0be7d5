package keys_test

import (
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"latchkey/internal/keys"
	"latchkey/internal/span"
	"latchkey/internal/token"
)

// A mutation is a call of the manager and the actions of the events that it
// writes, each with the type of its target.
type mutation struct {
	name string
	do   func() error
	want []string
}

// A log is a home whose mutations are watched.
type log struct {
	*home
	by      keys.Actor
	tried   map[string]bool // names of methods
	secrets []token.Secret  // what no event may hold
}

// run makes a mutation, and looks for its events and no others.
func (l *log) run(m mutation) {
	l.Helper()
	method, _, _ := strings.Cut(m.name, " ")
	l.tried[method] = true
	before := len(l.events(l.by))
	if err := m.do(); (err != nil) != (m.want == nil) && !strings.Contains(m.name, "nothing") {
		l.Errorf("%s: %v", m.name, err)
	}
	all := l.events(l.by)
	var got []string
	for _, ev := range all[:len(all)-before] {
		got = append(got, ev.Action)
		if ev.Actor.ID != l.by.ID || ev.RequestID != "request" || ev.Addr != l.by.Origin.Addr || !ev.At.Equal(l.clock()) || ev.WorkspaceID != l.by.WorkspaceID {
			l.Errorf("%s: the event is %+v", m.name, ev)
		}
		kind, _, _ := strings.Cut(ev.Action, ".")
		if ev.Target.Type != kind || (ev.KeyID != "") != (kind == "key" || kind == "root_key") || ev.KeyID != "" && ev.KeyID != ev.Target.ID {
			l.Errorf("%s: the target of %s is %+v, the key %q", m.name, ev.Action, ev.Target, ev.KeyID)
		}
		l.silent(m.name, ev)
	}
	slices.Sort(got)
	slices.Sort(m.want)
	if !slices.Equal(got, m.want) {
		l.Errorf("%s: the log has %q, want %q", m.name, got, m.want)
	}
}

// silent fails the test where an event tells what it must not.
func (l *log) silent(name string, ev keys.Event) {
	text := fmt.Sprintf("%#v", ev)
	for _, hidden := range []string{"content", "someone@example.com", "else@example.com"} {
		if strings.Contains(text, hidden) {
			l.Errorf("%s: the event tells %q: %s", name, hidden, text)
		}
	}
	for _, s := range l.secrets {
		if strings.Contains(text, s.Reveal()) || strings.Contains(text, s.Sum().Hex()) {
			l.Errorf("%s: the event tells a secret or its hash", name)
		}
	}
}

// TestMutationsWriteTheirEvents calls every method of the manager that changes
// something.
func TestMutationsWriteTheirEvents(t *testing.T) {
	h := newHome(t)
	l := &log{home: h, by: h.root, tried: map[string]bool{}}
	l.by.Origin = keys.Origin{RequestID: "request", Addr: netip.MustParseAddr("10.0.0.1")}
	h.policy(func(p *keys.Policy) { p.Recoverable = true })
	for _, m := range slices.Concat(l.keyMutations(), l.rootMutations(), l.otherMutations()) {
		l.run(m)
	}

	// Reads, what starts an installation, and what has tests of its own.
	others := []string{"Install", "DeclareKeyspaces", "RedeemCode", "Purge", "EndSelf", "Revision", "Events", "OwnKey", "OwnKeys", "Key", "KeyFor", "KeyBySecret", "KeyByHash", "Keys", "ActIn", "Funds", "Referents", "RootKey", "RootKeys",
		"Keyspace", "Keyspaces", "Identity", "Identities", "Role", "Roles", "Override", "Overrides", "Permission", "Permissions", "Workspace", "Workspaces", "Usage", "Spend", "Refund", "Reserve", "Settle", "ReleaseReservation"}
	typ := reflect.TypeFor[*keys.Manager]()
	for i := range typ.NumMethod() {
		if name := typ.Method(i).Name; !l.tried[name] && !slices.Contains(others, name) {
			t.Errorf("%s is not tried", name)
		}
	}
}

func (l *log) keyMutations() []mutation {
	ctx, m := l.Context(), l.manager
	var k keys.Key
	var old string // a secret's id
	standing := &keys.Keyspace{Slug: "standing", Policy: keys.DefaultPolicy()}
	add := func(s token.Secret) { l.secrets = append(l.secrets, s) }
	update := func(s keys.KeySettings) func() error {
		return func() error { _, err := m.UpdateKey(ctx, l.by, k.ID, s, keys.Match{}); return err }
	}
	return []mutation{
		{"CreateRole", func() error { _, err := m.CreateRole(ctx, l.by, keys.Role{Name: "reader"}); return err }, []string{"role.create"}},
		{"CreateKey", func() error {
			var s token.Secret
			var err error
			k, s, err = m.CreateKey(ctx, l.by, keys.NewKey{KeySettings: keys.KeySettings{
				Owner: owner("someone@example.com"), Meta: keys.Some(`{"a":"content"}`), Permissions: keys.Some([]string{"a", "b"}),
				Roles: keys.Some([]string{"reader"}), Extra: keys.Extra{"d": "content"}, Limits: limits(limit("l", 5)),
			}})
			add(s)
			return err
		}, []string{"identity.create", "key.create", "permission.create", "permission.create"}},
		{"CreateKey with a fault", func() error {
			_, _, err := m.CreateKey(ctx, l.by, keys.NewKey{KeySettings: keys.KeySettings{Owner: owner("never"), Roles: keys.Some([]string{"none"}), Permissions: keys.Some([]string{"never"})}})
			return err
		}, nil},
		{"CreateKey in a keyspace that stands ready, with a fault", func() error {
			_, _, err := m.CreateKey(ctx, l.by, keys.NewKey{Standing: standing, KeySettings: keys.KeySettings{Name: keys.Some(ptr(""))}})
			return err
		}, nil},
		{"CreateKey in a keyspace that stands ready", func() error {
			_, s, err := m.CreateKey(ctx, l.by, keys.NewKey{Standing: standing})
			add(s)
			return err
		}, []string{"key.create", "keyspace.create"}},
		{"UpdateKey", update(keys.KeySettings{Name: keys.Some(ptr("x")), Meta: keys.Some(`{"a":"other content"}`)}), []string{"key.update"}},
		{"UpdateKey with nothing new", update(keys.KeySettings{Name: keys.Some(ptr("x"))}), nil},
		{"UpdateKey with a fault", update(keys.KeySettings{Name: keys.Some(ptr("")), Enabled: keys.Some(false)}), nil},
		{"UpdateKey with a permission and an owner that are new", update(keys.KeySettings{Permissions: keys.Some([]string{"a", "c"}), Owner: owner("else@example.com")}),
			[]string{"identity.create", "key.update", "permission.create"}},
		{"ChangePermissions", func() error {
			_, err := m.ChangePermissions(ctx, l.by, k.ID, keys.Delta{Add: []string{"d"}, Remove: []string{"a"}})
			return err
		}, []string{"key.update", "permission.create"}},
		{"ChangePermissions with nothing new", func() error {
			_, err := m.ChangePermissions(ctx, l.by, k.ID, keys.Delta{Add: []string{"d"}, Remove: []string{"a"}})
			return err
		}, nil},
		{"ChangeRoles", func() error {
			_, err := m.ChangeRoles(ctx, l.by, k.ID, keys.Delta{Remove: []string{"reader"}})
			return err
		}, []string{"key.update"}},
		{"ChangeCredits", func() error { _, err := m.ChangeCredits(ctx, l.by, k.ID, keys.CreditSet, 5); return err }, []string{"key.credits"}},
		{"ChangeCredits below 0", func() error { _, err := m.ChangeCredits(ctx, l.by, k.ID, keys.CreditDecrement, 6); return err }, nil},
		{"DrainCredits", func() error { _, err := m.DrainCredits(ctx, l.by, k.ID, 6); return err }, []string{"key.credits"}},
		{"DrainCredits below nothing", func() error { _, err := m.DrainCredits(ctx, l.by, k.ID, -1); return err }, nil},
		{"ChangeRoles to one that is made", func() error {
			_, err := m.ChangeRoles(ctx, l.by, k.ID, keys.Delta{Add: []string{"made"}, Make: true})
			return err
		}, []string{"key.update", "role.create"}},
		{"IssueCode", func() error {
			_, s, err := m.IssueCode(ctx, l.by, keys.NewCode{Template: keys.Template{Name: "x", Extra: keys.Extra{"d": "content"}}, Callback: "https://app.example/cb?state=content"})
			add(s)
			return err
		}, []string{"code.create"}},
		{"IssueCode with a fault", func() error {
			_, _, err := m.IssueCode(ctx, l.by, keys.NewCode{Template: keys.Template{Owner: keys.Owner{ExternalID: "never"}}, Callback: "app.example"})
			return err
		}, nil},
		{"RotateKey", func() error {
			old = k.Secrets[0].ID
			_, s, err := m.RotateKey(ctx, l.by, k.ID, time.Hour)
			add(s)
			return err
		}, []string{"key.rotate"}},
		{"EndSecret", func() error { return m.EndSecret(ctx, l.by, k.ID, old, keys.Match{}) }, []string{"key.end_secret"}},
		{"EndSecret that is the last", func() error { return m.EndSecret(ctx, l.by, k.ID, old, keys.Match{}) }, nil},
		{"Reveal", func() error { _, err := m.Reveal(ctx, l.by, k.ID); return err }, []string{"key.reveal"}},
		{"DeleteKey of another version", func() error { return m.DeleteKey(ctx, l.by, k.ID, keys.Match{Given: true}) }, nil},
		{"DeleteKey", func() error { return m.DeleteKey(ctx, l.by, k.ID, keys.Match{}) }, []string{"key.delete"}},
		{"DeleteKey again", func() error { return m.DeleteKey(ctx, l.by, k.ID, keys.Match{}) }, nil},
	}
}

func (l *log) rootMutations() []mutation {
	ctx, m := l.Context(), l.manager
	var k keys.Key
	return []mutation{
		{"CreateRootKey", func() error {
			var s token.Secret
			var err error
			k, s, err = m.CreateRootKey(ctx, l.by, keys.KeySettings{Permissions: keys.Some([]string{"keys.*.read"}), Meta: keys.Some(`{"a":"content"}`)})
			l.secrets = append(l.secrets, s)
			return err
		}, []string{"root_key.create"}},
		{"UpdateRootKey", func() error { _, err := m.UpdateRootKey(ctx, l.by, k.ID, grants("*.*.read"), keys.Match{}); return err }, []string{"root_key.update"}},
		{"UpdateRootKey with nothing new", func() error { _, err := m.UpdateRootKey(ctx, l.by, k.ID, grants("*.*.read"), keys.Match{}); return err }, nil},
		{"RotateRootKey", func() error {
			_, s, err := m.RotateRootKey(ctx, l.by, k.ID, time.Hour)
			l.secrets = append(l.secrets, s)
			return err
		}, []string{"root_key.rotate"}},
		{"EndRootSecret", func() error { return m.EndRootSecret(ctx, l.by, k.ID, k.Secrets[0].ID, keys.Match{}) }, []string{"root_key.end_secret"}},
		{"DeleteRootKey", func() error { return m.DeleteRootKey(ctx, l.by, k.ID, keys.Match{}) }, []string{"root_key.delete"}},
		{"DeleteRootKey that is the last", func() error { return m.DeleteRootKey(ctx, l.by, l.root.ID, keys.Match{}) }, nil},
	}
}

func (l *log) otherMutations() []mutation {
	ctx, m, none := l.Context(), l.manager, keys.Match{}
	person := keys.Identity{ExternalID: "someone@example.com", Kind: keys.UserIdentity, Enabled: true, Meta: `{"a":"content"}`}
	replace := func() error { _, _, err := m.ReplaceIdentity(ctx, l.by, person, none); return err }
	override := func(most int64) func() error {
		return func() error {
			_, _, err := m.ReplaceOverride(ctx, l.by, keys.Override{Namespace: "api", Pattern: "someone@example.com*", Max: most, Window: span.Of(time.Hour)}, agree, none)
			return err
		}
	}
	return []mutation{
		{"CreateKeyspace", func() error {
			_, err := m.CreateKeyspace(ctx, l.by, keys.Keyspace{Slug: "api", Policy: keys.DefaultPolicy()})
			return err
		}, []string{"keyspace.create"}},
		{"CreateKeyspace again", func() error {
			_, err := m.CreateKeyspace(ctx, l.by, keys.Keyspace{Slug: "api", Policy: keys.DefaultPolicy()})
			return err
		}, nil},
		{"UpdateKeyspace", func() error {
			_, err := m.UpdateKeyspace(ctx, l.by, "api", func(ks *keys.Keyspace) error { ks.Policy.Expiry.Max = span.Of(time.Hour); return nil }, none)
			return err
		}, []string{"keyspace.update"}},
		{"UpdateKeyspace with nothing new", func() error {
			_, err := m.UpdateKeyspace(ctx, l.by, "api", func(*keys.Keyspace) error { return nil }, none)
			return err
		}, nil},
		{"DeleteKeyspace", func() error { return m.DeleteKeyspace(ctx, l.by, "api", none) }, []string{"keyspace.delete"}},
		{"DeleteKeyspace that is the default", func() error { return m.DeleteKeyspace(ctx, l.by, "default", none) }, nil},

		{"ReplaceIdentity", replace, []string{"identity.update"}}, // which a key has made
		{"ReplaceIdentity with nothing new", replace, nil},
		{"UpdateIdentity", func() error {
			_, err := m.UpdateIdentity(ctx, l.by, person.ExternalID, func(i *keys.Identity) error { i.ExternalID = "else@example.com2"; return nil }, none)
			return err
		}, []string{"identity.update"}},
		{"DeleteIdentity", func() error { return m.DeleteIdentity(ctx, l.by, "else@example.com2", none) }, []string{"identity.delete"}},
		{"CreateIdentity", func() error { _, err := m.CreateIdentity(ctx, l.by, person); return err }, []string{"identity.create"}},
		{"CreateIdentity again", func() error { _, err := m.CreateIdentity(ctx, l.by, person); return err }, nil},

		{"CreatePermission", func() error { _, err := m.CreatePermission(ctx, l.by, keys.Permission{Name: "new"}); return err }, []string{"permission.create"}},
		{"UpdatePermission", func() error {
			_, err := m.UpdatePermission(ctx, l.by, "new", func(p *keys.Permission) error { p.Description = "x"; return nil }, none)
			return err
		}, []string{"permission.update"}},
		{"UpdatePermission by name", func() error {
			_, err := m.UpdatePermission(ctx, l.by, "new", func(p *keys.Permission) error { p.Name = "newer"; return nil }, none)
			return err
		}, nil},
		{"UpdateRole", func() error {
			_, err := m.UpdateRole(ctx, l.by, "reader", func(r *keys.Role) error { r.Permissions = []string{"new", "newer", "new"}; return nil }, none)
			return err
		}, []string{"permission.create", "role.update"}},
		{"DeleteRole", func() error { return m.DeleteRole(ctx, l.by, "reader", none) }, []string{"role.delete"}},
		{"DeletePermission", func() error { return m.DeletePermission(ctx, l.by, "new", none) }, []string{"permission.delete"}},

		{"ReplaceOverride", override(5), []string{"override.create"}},
		{"ReplaceOverride with nothing new", override(5), nil},
		{"ReplaceOverride with another max", override(6), []string{"override.update"}},
		{"ReplaceOverride with a fault", override(-1), nil},
		{"DeleteOverride", func() error { return m.DeleteOverride(ctx, l.by, "api", "someone@example.com*", none) }, []string{"override.delete"}},
		{"DeleteOverride again", func() error { return m.DeleteOverride(ctx, l.by, "api", "someone@example.com*", none) }, nil},

		{"CreateWorkspace", func() error {
			_, err := m.CreateWorkspace(ctx, l.by, keys.Workspace{Slug: "acme", Enabled: true})
			return err
		}, []string{"workspace.create"}},
		{"UpdateWorkspace", func() error {
			_, err := m.UpdateWorkspace(ctx, l.by, "acme", func(ws *keys.Workspace) error { ws.Name = "Acme"; return nil }, none)
			return err
		}, []string{"workspace.update"}},
		{"UpdateWorkspace that is the root", func() error {
			_, err := m.UpdateWorkspace(ctx, l.by, "default", func(ws *keys.Workspace) error { ws.Enabled = false; return nil }, none)
			return err
		}, nil},
		{"DeleteWorkspace", func() error { return m.DeleteWorkspace(ctx, l.by, "acme", none) }, []string{"workspace.delete"}},
		{"DeleteWorkspace that is the root", func() error { return m.DeleteWorkspace(ctx, l.by, "default", none) }, nil},
	}
}
