package main

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"latchkey"
)

// TestEveryMemberHasAFlag compares the settings that the library has with the
// flags of the commands that send them.
func TestEveryMemberHasAFlag(t *testing.T) {
	for _, tt := range []struct {
		command  string
		settings reflect.Type
		without  string // what no flag sets
	}{
		{"key create", reflect.TypeFor[latchkey.CreateKeyRequest](), "credits.refills_at budget.remaining_micros budget.spent_micros budget.byok_spent_micros budget.overdrawn_micros budget.resets_at"},
		{"key update", reflect.TypeFor[latchkey.KeySettings](), "credits.refills_at budget.remaining_micros budget.spent_micros budget.byok_spent_micros budget.overdrawn_micros budget.resets_at"},
		{"key rotate", reflect.TypeFor[latchkey.RotateRequest](), ""},
		{"key verify", reflect.TypeFor[latchkey.VerifyRequest](), "key"},
		{"keyspace create", reflect.TypeFor[latchkey.KeyspaceSettings](), "policy.credits.refills_at"},
		{"keyspace update", reflect.TypeFor[latchkey.KeyspaceSettings](), "policy.credits.refills_at"},
		{"identity create", reflect.TypeFor[latchkey.IdentitySettings](), ""},
		{"identity update", reflect.TypeFor[latchkey.IdentitySettings](), ""},
		{"identity replace", reflect.TypeFor[latchkey.ReplaceIdentitySettings](), ""},
		{"role create", reflect.TypeFor[latchkey.RoleSettings](), ""},
		{"role update", reflect.TypeFor[latchkey.RoleSettings](), ""},
		{"permission create", reflect.TypeFor[latchkey.PermissionSettings](), ""},
		{"permission update", reflect.TypeFor[latchkey.PermissionSettings](), "name"},
		{"root-key create", reflect.TypeFor[latchkey.RootKeySettings](), ""},
		{"root-key update", reflect.TypeFor[latchkey.RootKeySettings](), ""},
		{"root-key rotate", reflect.TypeFor[latchkey.RotateRequest](), ""},
		{"workspace create", reflect.TypeFor[latchkey.WorkspaceSettings](), ""},
		{"workspace update", reflect.TypeFor[latchkey.WorkspaceSettings](), "slug"},
		{"limit check", reflect.TypeFor[latchkey.CheckLimitRequest](), ""},
		{"limit override set", reflect.TypeFor[latchkey.OverrideSettings](), ""},
	} {
		t.Run(tt.command, func(t *testing.T) {
			var flags []string
			for _, m := range tableOf(t, tt.command).flags {
				flags = append(flags, m.path)
			}
			paths := memberPaths("", tt.settings, flags)
			for _, path := range paths {
				if !slices.Contains(flags, path) && !slices.Contains(strings.Fields(tt.without), path) {
					t.Errorf("no flag sets %s", path)
				}
			}
			for _, path := range flags {
				if !slices.Contains(paths, path) {
					t.Errorf("a flag sets %s, which is no member", path)
				}
			}
		})
	}
}

// tableOf returns a command of the tables.
func tableOf(t *testing.T, name string) command {
	at := command{parts: []command{keyCommand, keyspaceCommand, identityCommand, roleCommand, permissionCommand, rootKeyCommand, workspaceCommand, limitCommand}}
	for word := range strings.FieldsSeq(name) {
		i := slices.IndexFunc(at.parts, func(c command) bool { return c.use == word || strings.HasPrefix(c.use, word+" ") })
		if i < 0 {
			t.Fatalf("there is no command %s", name)
		}
		at = at.parts[i]
	}
	return at
}

// memberPaths returns the paths of a type's members, down to those that have a
// flag of their own, or nothing below them.
func memberPaths(at string, typ reflect.Type, flags []string) (paths []string) {
	for f := range typ.Fields() {
		if f.Anonymous {
			paths = append(paths, memberPaths(at, f.Type, flags)...)
			continue
		}
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		path := strings.TrimPrefix(at+"."+name, ".")
		inner := f.Type
		if _, optional := inner.MethodByName("IsNull"); optional {
			value, _ := inner.FieldByName("Value")
			inner = value.Type
		}
		settings := inner.Kind() == reflect.Struct && strings.HasSuffix(inner.Name(), "Settings")
		if settings && !slices.Contains(flags, path) {
			paths = append(paths, memberPaths(path, inner, flags)...)
			continue
		}
		paths = append(paths, path)
	}
	return paths
}

// TestPartsAreWhole compares flags that are written in parts with the objects
// that they stand for.
func TestPartsAreWhole(t *testing.T) {
	for _, tt := range []struct {
		kind kind
		typ  reflect.Type
	}{
		{limit, reflect.TypeFor[latchkey.Limit]()},
		{use, reflect.TypeFor[latchkey.LimitRequest]()},
		{refill, reflect.TypeFor[latchkey.RefillSettings]()},
	} {
		for f := range tt.typ.Fields() {
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			_, asNumber := tt.kind.read(name + "=1")
			_, asToggle := tt.kind.read(name + "=true")
			if asNumber != nil && asToggle != nil {
				t.Errorf("%s: nothing sets %s", tt.typ, name)
			}
		}
	}
}

// TestFlagsReadAlike has each command's flags once, and no two for one thing.
func TestFlagsReadAlike(t *testing.T) {
	var walk func(c command, path string)
	walk = func(c command, path string) {
		seen := map[string]bool{}
		for _, m := range c.flags {
			if seen[m.flag] {
				t.Errorf("%s has --%s twice", path, m.flag)
			}
			seen[m.flag] = true
			if c.body != (m.path != "") {
				t.Errorf("%s: --%s is neither a member nor a filter", path, m.flag)
			}
		}
		for _, part := range c.parts {
			walk(part, path+" "+part.use)
		}
	}
	walk(command{parts: []command{keyCommand, keyspaceCommand, identityCommand, roleCommand, permissionCommand, rootKeyCommand, workspaceCommand, limitCommand, leaseCommand, usageCommand, eventsCommand}}, "latchkey")
}
