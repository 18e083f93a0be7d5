package conformance

import (
	"slices"
	"strconv"
	"strings"

	"latchkey/internal/keys"
)

var referentCases = []storeCase{
	{name: "Referents/Named", run: referentsNamed},
	{name: "Referents/Many", run: referentsMany},
	{name: "Key/MakeRoles", run: keyMakesRoles},
	{name: "Key/MakeKeyspace", run: keyMakesKeyspace},
	{name: "Key/MakeKeyspaceAtOnce", run: keyMakesKeyspaceAtOnce},
}

// sorted puts referents in the order of their ids.
func sorted(r keys.Referents) keys.Referents {
	slices.SortFunc(r.Identities, func(a, b keys.Identity) int { return strings.Compare(a.ID, b.ID) })
	slices.SortFunc(r.Roles, func(a, b keys.Role) int { return strings.Compare(a.ID, b.ID) })
	slices.SortFunc(r.Permissions, func(a, b keys.Permission) int { return strings.Compare(a.ID, b.ID) })
	return r
}

func referentsNamed(h *home) {
	i, _ := h.identity("one"), h.identity("two")
	reader, writer := h.role("reader", "b", "a"), h.role("writer")
	h.role("other", "c")
	p, q := h.permission("p"), h.permission("q") // both with the slug s
	for _, tt := range []struct {
		name string
		refs keys.Refs
		want keys.Referents
	}{
		{"nothing", keys.Refs{}, keys.Referents{}},
		{"an identity", keys.Refs{Identities: []string{i.ID, "two", "none"}}, keys.Referents{Identities: []keys.Identity{i}}},
		{"roles", keys.Refs{Roles: []string{"writer", reader.ID, "reader", "none"}}, keys.Referents{Roles: []keys.Role{reader, writer}}},
		{"permissions", keys.Refs{Permissions: []string{"q", p.ID, "p", "q", "s"}}, keys.Referents{Permissions: []keys.Permission{p, q}}},
		{"by slug", keys.Refs{Permissions: []string{"p"}, Slugs: []string{"s", "none"}}, keys.Referents{Permissions: []keys.Permission{p, q}}},
	} {
		got, err := h.s.Referents(h.Context(), h.ws.ID, tt.refs)
		h.ok(err)
		h.equal(tt.name, sorted(got), tt.want)
		if got, err = h.s.Referents(h.Context(), "ws_other", tt.refs); err != nil || len(got.Identities)+len(got.Roles)+len(got.Permissions) > 0 {
			h.Errorf("%s, in another workspace: %+v, %v", tt.name, got, err)
		}
	}
}

// referentsMany names more than one statement asks for.
func referentsMany(h *home) {
	var names []string
	for n := range 600 {
		names = append(names, "p"+strconv.Itoa(n))
	}
	h.role("first", names[:300]...)
	h.role("second", names[200:]...)
	got, err := h.s.Referents(h.Context(), h.ws.ID, keys.Refs{Permissions: names, Roles: []string{"first", "second"}})
	h.ok(err)
	if len(got.Permissions) != 600 {
		h.Errorf("%d permissions are found, want 600", len(got.Permissions))
	}
	for _, r := range got.Roles {
		if want := map[string][]string{"first": names[:300], "second": names[200:]}[r.Name]; !slices.Equal(r.Permissions, want) {
			h.Errorf("the role %s has %d permissions, want %d in their order", r.Name, len(r.Permissions), len(want))
		}
	}
}

// keyMakesRoles makes roles with a key, and with a change of it.
func keyMakesRoles(h *home) {
	there := h.role("there", "a")
	k := h.bareKey()
	k.Roles = []string{"new", "there"}
	refused := k
	h.field(h.s.InsertKey(h.Context(), &refused, h.event("key.create")), "roles/0")

	k.MakeRoles = true
	k = h.insert(k)
	if k.MakeRoles {
		h.Errorf("what was made is still to be made")
	}
	if made, err := h.s.Role(h.Context(), h.ws.ID, "new"); err != nil || len(made.Permissions) > 0 || made.Version != 1 {
		h.Errorf("the role is %+v, %v", made, err)
	}
	if got, err := h.s.Role(h.Context(), h.ws.ID, "there"); err != nil {
		h.Error(err)
	} else {
		h.equal("the role that was there", got, there)
	}
	got := h.update(k.ID, func(k *keys.Key) { k.MakeRoles, k.Roles = true, []string{"newer", "new"} })
	if got.MakeRoles {
		h.Errorf("what was made with a change is still to be made")
	}
	h.equal("the roles", h.key(k.ID).Roles, []string{"newer", "new"})
	events, err := h.s.Events(h.Context(), h.ws.ID, keys.EventFilter{Action: "role.create", Limit: 10})
	h.ok(err)
	if len(events) != 3 { // of there, new and newer
		h.Errorf("%d events tell of roles, want 3", len(events))
	}
	h.untouched(k.ID, func() {
		_, err := h.s.UpdateKey(h.Context(), h.ws.ID, k.ID, func(k *keys.Key) error {
			k.MakeRoles, k.Roles = true, []string{"never"}
			return errNo
		}, h.event("key.update"))
		if err != errNo {
			h.Errorf("err = %v, want that of change", err)
		}
	})
}

// keyMakesKeyspace makes a keyspace with the first key of it: both or neither.
func keyMakesKeyspace(h *home) {
	first := func() keys.Key {
		ks := h.newKeyspace("standing")
		k := h.bareKey()
		k.KeyspaceID, k.MakeKeyspace = ks.ID, &ks
		return k
	}
	none := func(what string) {
		h.Helper()
		if _, err := h.s.Keyspace(h.Context(), h.ws.ID, "standing"); !keys.Is(err, keys.NotFound) {
			h.Errorf("%s: the keyspace is there, %v", what, err)
		}
	}
	k := first()
	k.Roles = []string{"none"}
	h.field(h.s.InsertKey(h.Context(), &k, h.event("key.create")), "roles/0")
	none("a key that cannot be made")
	k = first()
	k.ID = h.insert(h.bareKey()).ID
	h.code(h.s.InsertKey(h.Context(), &k, h.event("key.create")), keys.Conflict)
	none("a key with an id that is taken")

	k = first()
	ks := *k.MakeKeyspace
	k = h.insert(k)
	if k.MakeKeyspace != nil {
		h.Error("what was made is still to be made")
	}
	h.equal("the key", h.key(k.ID), k)
	made, err := h.s.Keyspace(h.Context(), h.ws.ID, "standing")
	h.ok(err)
	ks.Version = 1
	h.equal("the keyspace", made, ks)
	events, err := h.s.Events(h.Context(), h.ws.ID, keys.EventFilter{Limit: 2})
	h.ok(err)
	if len(events) != 2 || events[0].Action != "keyspace.create" || events[0].Target.ID != ks.ID || events[1].Action != "key.create" {
		h.Errorf("the events are %+v", events)
	}

	k = first()
	h.code(h.s.InsertKey(h.Context(), &k, h.event("key.create")), keys.Conflict)
	if _, err := h.s.Key(h.Context(), h.ws.ID, k.ID); !keys.Is(err, keys.NotFound) {
		h.Errorf("the key of a keyspace that is taken: %v", err)
	}
}

// keyMakesKeyspaceAtOnce makes the first key of a keyspace many times at once: one
// does, and the others find the keyspace when they are told that it is taken.
func keyMakesKeyspaceAtOnce(h *home) {
	made := make([]string, 8)
	atOnce(len(made), func(i int) {
		ks := h.newKeyspace("standing")
		k := h.bareKey()
		k.KeyspaceID, k.MakeKeyspace = ks.ID, &ks
		k.Owner.ExternalID = "owner of all"
		err := h.s.InsertKey(h.Context(), &k, h.event("key.create"))
		if err == nil {
			made[i] = ks.ID
			return
		}
		h.code(err, keys.Conflict)
		if k.MakeKeyspace != &ks {
			h.Error("what was not made is no longer to be made")
		}
		if _, err := h.s.Keyspace(h.Context(), h.ws.ID, "standing"); err != nil {
			h.Error(err)
		}
	})
	ks, err := h.s.Keyspace(h.Context(), h.ws.ID, "standing")
	h.ok(err)
	_, n, err := h.s.Keys(h.Context(), h.ws.ID, keys.KeyFilter{KeyspaceIDs: []string{ks.ID}, Limit: 10})
	h.ok(err)
	if was := slices.DeleteFunc(made, func(id string) bool { return id == "" }); len(was) != 1 || was[0] != ks.ID || n != 1 {
		h.Errorf("made are %v with %d keys, want %s with one", was, n, ks.ID)
	}
}
