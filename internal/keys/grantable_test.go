package keys_test

import (
	"testing"

	"latchkey/internal/keys"
)

// TestGrantable gives keys permissions and roles by a session, in every way in
// which one can, under keyspaces that let it give some.
func TestGrantable(t *testing.T) {
	h := newHome(t)
	ctx, m := t.Context(), h.manager
	_, err := m.CreateRole(ctx, h.root, keys.Role{Name: "reader", Permissions: []string{"docs.read"}})
	h.ok(err)
	_, err = m.CreateRole(ctx, h.root, keys.Role{Name: "editor", Permissions: []string{"docs.read", "docs.write"}})
	h.ok(err)
	h.policy(func(p *keys.Policy) { p.Permissions = []string{"docs.read"} })
	session := h.root
	session.Kind = keys.User

	permissions := func(names ...string) keys.KeySettings { return keys.KeySettings{Permissions: keys.Some(names)} }
	roles := func(names ...string) keys.KeySettings { return keys.KeySettings{Roles: keys.Some(names)} }
	for _, tt := range []struct {
		name      string
		grantable []string
		wildcards bool
		gives     keys.KeySettings
		may       bool
	}{
		{"nothing", nil, true, keys.KeySettings{}, true},
		{"a default permission", nil, true, permissions("docs.read"), true},
		{"a default permission by a role", nil, true, roles("reader"), true},
		{"another permission", nil, true, permissions("docs.write"), false},
		{"another permission by a role", nil, true, roles("editor"), false},
		{"a default where another list is", []string{"docs.write"}, true, permissions("docs.read"), false},
		{"one of the list", []string{"docs.write"}, true, permissions("docs.write"), true},
		{"one of an empty list", []string{}, true, permissions("docs.read"), false},
		{"one that a pattern covers", []string{"docs.*"}, true, permissions("docs.write"), true},
		{"by a role that a pattern covers", []string{"docs.*"}, true, roles("editor"), true},
		{"one that a literal star does not cover", []string{"docs.*"}, false, permissions("docs.write"), false},
		{"a literal star", []string{"docs.*"}, false, permissions("docs.*"), true},
		{"more than a pattern covers", []string{"docs.*"}, true, permissions("*"), false},
		{"one too many", []string{"docs.*"}, true, permissions("docs.read", "files.read"), false},
	} {
		h.policy(func(p *keys.Policy) { p.Grantable, p.PermissionWildcards = tt.grantable, tt.wildcards })
		bare, _ := h.create(permissions())
		d := func(names []string) keys.Delta { return keys.Delta{Add: names} }
		for way, give := range map[string]func(by keys.Actor) error{
			"create": func(by keys.Actor) error {
				_, _, err := m.CreateKey(ctx, by, keys.NewKey{KeySettings: tt.gives})
				return err
			},
			"update": func(by keys.Actor) error { _, err := m.UpdateKey(ctx, by, bare.ID, tt.gives, keys.Match{}); return err },
			"add": func(by keys.Actor) error {
				if _, err := m.ChangePermissions(ctx, by, bare.ID, d(tt.gives.Permissions.Value)); err != nil {
					return err
				}
				_, err := m.ChangeRoles(ctx, by, bare.ID, d(tt.gives.Roles.Value))
				return err
			},
		} {
			h.update(bare.ID, keys.KeySettings{Permissions: keys.Some[[]string](nil), Roles: keys.Some[[]string](nil)})
			if err := give(session); (err == nil) != tt.may || err != nil && !keys.Is(err, keys.Forbidden) {
				t.Errorf("%s, %s: %v, want allowed %t", tt.name, way, err, tt.may)
			}
			h.ok(give(h.root)) // who may give anything
			if way == "create" {
				continue
			}
			if err := give(session); err != nil {
				t.Errorf("%s, %s: what the key has already cannot be said again: %v", tt.name, way, err)
			}
		}
	}
}
