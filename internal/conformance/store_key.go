package conformance

import (
	"errors"
	"slices"
	"time"

	"latchkey/internal/keys"
)

var keyCases = []storeCase{
	{name: "Key/FullOneComesBack", run: fullKeyComesBack},
	{name: "Key/BareOneComesBack", run: bareKeyComesBack},
	{name: "Key/RootOneComesBack", run: rootKeyComesBack},
	{name: "Key/OtherWorkspace", run: keyOfOtherWorkspace},
	{name: "Insert/Taken", run: insertTaken},
	{name: "Insert/Nowhere", run: insertNowhere},
	{name: "Insert/OwnerByExternalID", run: insertOwnerByExternalID},
	{name: "Insert/OwnerByID", run: insertOwnerByID},
	{name: "Insert/OwnerAtOnce", run: insertOwnerAtOnce},
	{name: "Insert/Permissions", run: insertPermissions},
	{name: "Insert/UnknownRole", run: insertUnknownRole},
	{name: "Insert/SameAccount", run: insertSameAccount},
	{name: "Delete/All", run: deleteAll},
	{name: "Delete/Refused", run: deleteRefused},
	{name: "Delete/SharedAccount", run: deleteSharedAccount},
}

func fullKeyComesBack(h *home) {
	want := h.fullKey()
	given := want
	given.Version = 99
	h.ok(h.s.InsertKey(h.Context(), &given, h.event("key.create")))
	if given.Owner.ID == "" || given.Version != 1 {
		h.Errorf("InsertKey left owner %+v and version %d, want an id and 1", given.Owner, given.Version)
	}
	want.Owner.ID = given.Owner.ID
	h.equal("the key that was inserted", given, want)
	h.equal("the key that was read", h.key(want.ID), want)

	used := now.Add(time.Minute)
	h.ok(h.s.AddUsage(h.Context(), nil, []keys.LastUse{
		{KeyID: want.ID, SecretID: want.Secrets[0].ID, At: used},
		{KeyID: want.ID, SecretID: want.Secrets[1].ID, At: used.Add(time.Second)},
	}))
	want.LastUsedAt, want.Secrets[0].LastUsedAt, want.Secrets[1].LastUsedAt = used.Add(time.Second), used, used.Add(time.Second)
	whole(h.T, want, "Root", "MakeRoles", "MakeKeyspace")
	h.equal("the key after it was used", h.key(want.ID), want)
}

func bareKeyComesBack(h *home) {
	k := h.insert(h.bareKey())
	h.equal("the key that was read", h.key(k.ID), k)
}

func rootKeyComesBack(h *home) {
	k := h.bareKey()
	k.Root, k.KeyspaceID, k.Permissions = true, "", []string{"keys.*.read"}
	k = h.insert(k)
	h.equal("the key that was read", h.key(k.ID), k)
	_, err := h.s.Permission(h.Context(), h.ws.ID, "keys.*.read")
	h.code(err, keys.NotFound) // a grant is no permission of the workspace
}

func keyOfOtherWorkspace(h *home) {
	other := newHome(h.T, h.s)
	k := h.insert(h.bareKey())
	for _, id := range []string{k.ID, "key_unknown", ""} {
		_, err := h.s.Key(h.Context(), other.ws.ID, id)
		h.code(err, keys.NotFound)
		_, err = h.s.UpdateKey(h.Context(), other.ws.ID, id, func(k *keys.Key) error { k.Name = "taken over"; return nil }, other.event("key.update"))
		h.code(err, keys.NotFound)
		h.code(h.s.DeleteKey(h.Context(), other.ws.ID, id, func(*keys.Key) error { return nil }, other.event("key.delete")), keys.NotFound)
	}
	h.equal("the key", h.key(k.ID), k)
	h.equal("the other workspace's events", other.actions(), []string{"workspace.create", "keyspace.create"})
}

func insertTaken(h *home) {
	had := h.insert(h.fullKey())
	for name, spoil := range map[string]func(*keys.Key){
		"id":        func(k *keys.Key) { k.ID = had.ID },
		"hash":      func(k *keys.Key) { k.Secrets[0].Hash = had.Secrets[1].Hash },
		"secret id": func(k *keys.Key) { k.Secrets[0].ID = had.Secrets[1].ID },
		"alias":     func(k *keys.Key) { k.Aliases = append(k.Aliases, had.Aliases[0]) },
	} {
		k := h.bareKey()
		k.Permissions, k.Owner = []string{"fresh " + name}, keys.Owner{ExternalID: "fresh " + name}
		spoil(&k)
		before := k.Version
		h.untouched(had.ID, func() {
			if err := h.s.InsertKey(h.Context(), &k, h.event("key.create")); !keys.Is(err, keys.Conflict) {
				h.Errorf("a taken %s: %v, want a conflict", name, err)
			}
		})
		h.equal("the version of what was not inserted", k.Version, before)
		_, err := h.s.Permission(h.Context(), h.ws.ID, "fresh "+name)
		h.code(err, keys.NotFound)
		_, err = h.s.Identity(h.Context(), h.ws.ID, "fresh "+name)
		h.code(err, keys.NotFound)
	}

	// Another workspace has aliases of its own.
	other := newHome(h.T, h.s)
	k := other.bareKey()
	k.Aliases = had.Aliases
	other.insert(k)
}

func insertNowhere(h *home) {
	k := h.bareKey()
	k.KeyspaceID = "ks_unknown"
	h.code(h.s.InsertKey(h.Context(), &k, h.event("key.create")), keys.NotFound)
	k = h.bareKey()
	k.WorkspaceID = "ws_unknown"
	h.code(h.s.InsertKey(h.Context(), &k, h.event("key.create")), keys.NotFound)
	_, err := h.s.Key(h.Context(), h.ws.ID, k.ID)
	h.code(err, keys.NotFound)
}

func insertOwnerByExternalID(h *home) {
	k := h.bareKey()
	k.Owner = keys.Owner{ExternalID: "customer 1"}
	k = h.insert(k)
	i, err := h.s.Identity(h.Context(), h.ws.ID, "customer 1")
	h.ok(err)
	want := keys.Identity{ID: k.Owner.ID, WorkspaceID: h.ws.ID, ExternalID: "customer 1", Kind: keys.Customer, Enabled: true, Version: 1, CreatedAt: now, UpdatedAt: now}
	h.equal("the identity that was made", i, want)
	h.equal("the actions", h.actions()[2:], []string{"key.create", "identity.create"})
	events, err := h.s.Events(h.Context(), h.ws.ID, keys.EventFilter{Action: "identity.create"})
	h.ok(err)
	if len(events) != 1 || events[0].Target != (keys.Ref{Type: "identity", ID: i.ID}) || len(events[0].After) == 0 || events[0].Before != nil {
		h.Errorf("the identity's event is %+v", events)
	}

	k2 := h.bareKey()
	k2.Owner = keys.Owner{ExternalID: "customer 1"}
	k2 = h.insert(k2)
	h.equal("the second key's owner", k2.Owner, k.Owner)

	// Workspaces have identities of their own.
	other := newHome(h.T, h.s)
	k3 := other.bareKey()
	k3.Owner = keys.Owner{ExternalID: "customer 1"}
	if k3 = other.insert(k3); k3.Owner.ID == k.Owner.ID {
		h.Error("two workspaces share an identity")
	}
}

func insertOwnerByID(h *home) {
	i := h.identity("user 1")
	k := h.bareKey()
	k.Owner = keys.Owner{ID: i.ID}
	k = h.insert(k)
	h.equal("the owner", k.Owner, keys.Owner{ID: i.ID, ExternalID: "user 1"})
	h.equal("the owner that was read", h.key(k.ID).Owner, k.Owner)

	other := newHome(h.T, h.s)
	for _, id := range []string{"idn_unknown", "user 1", other.identity("user 2").ID} {
		k := h.bareKey()
		k.Owner = keys.Owner{ID: id}
		h.untouched(k.ID, func() { h.field(h.s.InsertKey(h.Context(), &k, h.event("key.create")), "identity") })
	}
}

func insertOwnerAtOnce(h *home) {
	owners := make([]keys.Owner, 10)
	atOnce(len(owners), func(i int) {
		k := h.bareKey()
		k.Owner, k.Permissions = keys.Owner{ExternalID: "the same"}, []string{"the.same"}
		if err := h.s.InsertKey(h.Context(), &k, h.event("key.create")); err != nil {
			h.Error(err)
		}
		owners[i] = k.Owner
	})
	for _, o := range owners {
		h.equal("an owner", o, owners[0])
	}
	made := slices.DeleteFunc(h.actions(), func(a string) bool { return a == "key.create" })
	slices.Sort(made)
	h.equal("what else was made", made, []string{"identity.create", "keyspace.create", "permission.create", "workspace.create"})
}

func insertPermissions(h *home) {
	k := h.bareKey()
	k.Permissions = []string{"doc.write", "doc.read"}
	k = h.insert(k)
	p, err := h.s.Permission(h.Context(), h.ws.ID, "doc.read")
	h.ok(err)
	h.equal("the permission that was made", p, keys.Permission{ID: p.ID, WorkspaceID: h.ws.ID, Name: "doc.read", Version: 1, CreatedAt: now, UpdatedAt: now})
	byID, err := h.s.Permission(h.Context(), h.ws.ID, p.ID)
	h.ok(err)
	h.equal("the permission by id", byID, p)
	h.equal("the actions", h.actions()[2:], []string{"key.create", "permission.create", "permission.create"})

	h.update(k.ID, func(k *keys.Key) { k.Permissions = append(k.Permissions, "doc.delete") })
	_, err = h.s.Permission(h.Context(), h.ws.ID, "doc.delete")
	h.ok(err)
	h.equal("the actions of the update", h.actions()[5:], []string{"key.update", "permission.create"})

	other := newHome(h.T, h.s)
	for _, ref := range []string{"doc.read", p.ID, "doc.unknown"} {
		_, err = h.s.Permission(h.Context(), other.ws.ID, ref)
		h.code(err, keys.NotFound)
	}
}

func insertUnknownRole(h *home) {
	k := h.bareKey()
	k.Roles = []string{h.role("editor").Name, "unknown"}
	h.untouched(k.ID, func() { h.field(h.s.InsertKey(h.Context(), &k, h.event("key.create")), "roles/1") })

	had := h.insert(h.bareKey())
	h.untouched(had.ID, func() {
		_, err := h.s.UpdateKey(h.Context(), h.ws.ID, had.ID, func(k *keys.Key) error { k.Roles = []string{"unknown"}; return nil }, h.event("key.update"))
		h.field(err, "roles/0")
	})
}

func insertSameAccount(h *home) {
	first := h.bareKey()
	first.Credits = &keys.Credits{Remaining: 3, RefilledAt: now}
	first = h.insert(first)
	next := h.bareKey()
	next.AccountID, next.Credits = first.AccountID, &keys.Credits{Remaining: 100, RefilledAt: now}
	next = h.insert(next)
	h.equal("the credits that were inserted", next.Credits, first.Credits)
	h.equal("the credits that were read", h.key(next.ID).Credits, first.Credits)
}

func deleteAll(h *home) {
	k := h.insert(h.fullKey())
	kept := h.insert(h.bareKey())
	h.ok(h.s.AddUsage(h.Context(), []keys.Count{{WorkspaceID: h.ws.ID, KeyID: k.ID, Hour: now.Truncate(time.Hour), N: 4}},
		[]keys.LastUse{{KeyID: k.ID, SecretID: k.Secrets[0].ID, At: now}}))
	var checked keys.Key
	h.ok(h.s.DeleteKey(h.Context(), h.ws.ID, k.ID, func(k *keys.Key) error { checked = *k; return nil }, h.event("key.delete")))
	h.equal("the key that was checked", checked.Name, k.Name)

	_, err := h.s.Key(h.Context(), h.ws.ID, k.ID)
	h.code(err, keys.NotFound)
	for _, s := range k.Secrets {
		_, err = h.s.FactsByHash(h.Context(), s.Hash, now)
		h.code(err, keys.NotFound)
	}
	_, n, err := h.s.Keys(h.Context(), h.ws.ID, keys.KeyFilter{Now: now})
	h.ok(err)
	h.equal("how many keys are left", n, 1)
	h.equal("the other key", h.key(kept.ID), kept)

	// What was its own is free again, and what tells of it stays.
	again := h.fullKey()
	again.ID, again.AccountID, again.Secrets, again.Aliases, again.Credits = k.ID, k.AccountID, k.Secrets, k.Aliases, nil
	if again = h.insert(again); again.Credits != nil {
		h.Errorf("the deleted key's credits are still there: %+v", again.Credits)
	}
	if got := h.key(k.ID).LastUsedAt; !got.IsZero() {
		h.Errorf("the deleted key's last use is still there: %v", got)
	}
	used, err := h.s.CountUsage(h.Context(), k.ID, keys.Valid, now.Add(-time.Hour), now.Add(time.Hour))
	h.ok(err)
	h.equal("the deleted key's usage", used, int64(4))
	if got := h.actions(); !slices.Contains(got, "key.delete") || slices.Index(got, "key.create") > slices.Index(got, "key.delete") {
		h.Errorf("the actions are %v, want a create before the delete", got)
	}
}

func deleteRefused(h *home) {
	k := h.insert(h.fullKey())
	refused := errors.New("no")
	h.untouched(k.ID, func() {
		err := h.s.DeleteKey(h.Context(), h.ws.ID, k.ID, func(k *keys.Key) error { k.Name = "x"; return refused }, h.event("key.delete"))
		if err != refused {
			h.Errorf("err = %v, want the one of check, unwrapped", err)
		}
	})
}

func deleteSharedAccount(h *home) {
	first := h.bareKey()
	first.Credits = &keys.Credits{Remaining: 3, RefilledAt: now}
	first = h.insert(first)
	next := h.bareKey()
	next.AccountID = first.AccountID
	next = h.insert(next)
	h.ok(h.s.DeleteKey(h.Context(), h.ws.ID, first.ID, func(*keys.Key) error { return nil }, h.event("key.delete")))
	h.equal("the credits that two keys had", h.key(next.ID).Credits, first.Credits)
}
