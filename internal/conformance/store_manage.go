package conformance

import (
	"errors"

	"latchkey/internal/keys"
	"latchkey/internal/token"
)

var manageCases = []storeCase{
	{name: "Keyspace/Delete", run: keyspaceDelete},
	{name: "Keyspace/Pages", run: keyspacePages},
	{name: "Identity/List", run: identityList},
	{name: "Identity/Delete", run: identityDelete},
	{name: "Role/ListAndDelete", run: roleDelete},
	{name: "Permission/InsertAndUpdate", run: permissionUpdate},
	{name: "Permission/Delete", run: permissionDelete},
	{name: "Workspace/Tree", run: workspaceTree},
	{name: "Workspace/Delete", run: workspaceDelete},
}

var errNo = errors.New("no")

// refuses makes sure that a deletion whose check says no leaves all as it was.
func (h *home) refuses(remove func(yes error) error) {
	h.Helper()
	h.untouched("", func() {
		if err := remove(errNo); err != errNo {
			h.Errorf("err = %v, want that of check", err)
		}
	})
}

func keyspaceDelete(h *home) {
	ks := h.newKeyspace("goes")
	h.ok(h.s.InsertKeyspace(h.Context(), &ks, h.event("keyspace.create")))
	k := h.fullKey()
	k.KeyspaceID = ks.ID
	k = h.insert(k)
	stays := h.insert(h.bareKey())
	remove := func(yes error) error {
		return h.s.DeleteKeyspace(h.Context(), h.ws.ID, "goes", func(*keys.Keyspace) error { return yes }, h.event("keyspace.delete"))
	}
	h.refuses(remove)
	heard := h.listen(func() { h.ok(remove(nil)) })
	h.equal("what was heard", heard, []keys.Change{{Kind: keys.AnyChanged}})
	_, err := h.s.Key(h.Context(), h.ws.ID, k.ID)
	h.code(err, keys.NotFound)
	_, err = h.s.FactsByHash(h.Context(), k.Secrets[1].Hash, now)
	h.code(err, keys.NotFound)
	h.key(stays.ID)
	if ev := h.lastEvent(); ev.Action != "keyspace.delete" || ev.After != nil || len(ev.Before) == 0 {
		h.Errorf("the event is %+v", ev)
	}
	h.code(remove(nil), keys.NotFound)

	again := h.newKeyspace("goes")
	h.ok(h.s.InsertKeyspace(h.Context(), &again, h.event("keyspace.create")))
	back := h.bareKey()
	back.AccountID = k.AccountID // the credits went with the keys
	if got := h.insert(back); got.Credits != nil {
		h.Errorf("the account still has %+v", got.Credits)
	}
}

func keyspacePages(h *home) {
	var want []keys.Keyspace
	for _, slug := range []string{"a", "b", "c"} {
		ks := h.newKeyspace(slug)
		h.ok(h.s.InsertKeyspace(h.Context(), &ks, h.event("keyspace.create")))
		want = append([]keys.Keyspace{ks}, want...)
	}
	first, err := h.s.Keyspaces(h.Context(), h.ws.ID, keys.Page{Limit: 2})
	h.ok(err)
	h.equal("the first page", first, want[:2])
	second, err := h.s.Keyspaces(h.Context(), h.ws.ID, keys.Page{Before: first[1].ID, Limit: 2})
	h.ok(err)
	h.equal("the second page", second, []keys.Keyspace{want[2], h.ks})
}

func identityList(h *home) {
	on := true
	one, two := h.identity("one"), h.identity("two")
	_, err := h.s.UpdateIdentity(h.Context(), h.ws.ID, one.ID, func(i *keys.Identity) error {
		i.Enabled, i.Kind = false, keys.Organization
		return nil
	}, h.event("identity.update"))
	h.ok(err)
	for _, tt := range []struct {
		name string
		f    keys.IdentityFilter
		want []string
	}{
		{"all", keys.IdentityFilter{}, []string{two.ID, one.ID}},
		{"a page", keys.IdentityFilter{Page: keys.Page{Limit: 1}}, []string{two.ID}},
		{"the next", keys.IdentityFilter{Page: keys.Page{Before: two.ID, Limit: 1}}, []string{one.ID}},
		{"by external id", keys.IdentityFilter{ExternalID: "one"}, []string{one.ID}},
		{"by kind", keys.IdentityFilter{Kind: keys.Organization}, []string{one.ID}},
		{"enabled", keys.IdentityFilter{Enabled: &on}, []string{two.ID}},
		{"the oldest first", keys.IdentityFilter{Oldest: true}, []string{one.ID, two.ID}},
		{"the oldest", keys.IdentityFilter{Oldest: true, Page: keys.Page{Limit: 1}}, []string{one.ID}},
		{"after the oldest", keys.IdentityFilter{Oldest: true, Page: keys.Page{Before: one.ID, Limit: 1}}, []string{two.ID}},
		{"after the newest", keys.IdentityFilter{Oldest: true, Page: keys.Page{Before: two.ID}}, nil},
		{"by a kind that none is of", keys.IdentityFilter{Kind: keys.Customer}, nil},
	} {
		list, n, err := h.s.Identities(h.Context(), h.ws.ID, tt.f)
		h.ok(err)
		whole := tt.f
		whole.Page = keys.Page{}
		if all, _, err := h.s.Identities(h.Context(), h.ws.ID, whole); err != nil || n != len(all) {
			h.Errorf("%s: %d are counted, want %d (%v)", tt.name, n, len(all), err)
		}
		var got []string
		for _, i := range list {
			got = append(got, i.ID)
		}
		h.equal(tt.name, got, tt.want)
	}
}

func identityDelete(h *home) {
	i := h.identity("goes")
	k := h.bareKey()
	k.Owner = keys.Owner{ID: i.ID}
	k = h.insert(k)
	remove := func(yes error) error {
		return h.s.DeleteIdentity(h.Context(), h.ws.ID, "goes", func(*keys.Identity) error { return yes }, h.event("identity.delete"))
	}
	h.refuses(remove)
	heard := h.listen(func() { h.ok(remove(nil)) })
	h.equal("what was heard", heard, []keys.Change{{Kind: keys.IdentityChanged, ID: i.ID}})
	if got := h.key(k.ID); !got.Owner.IsZero() || got.Version != k.Version+1 {
		h.Errorf("its key is %+v", got)
	}
	if rec := h.record(k.Secrets[0], now); rec.Owner != nil {
		h.Errorf("its key is still owned by %+v", rec.Owner)
	}
	_, err := h.s.Identity(h.Context(), h.ws.ID, i.ID)
	h.code(err, keys.NotFound)
	h.code(remove(nil), keys.NotFound)
}

func roleDelete(h *home) {
	one, two := h.role("one", "p.q"), h.role("two")
	list, err := h.s.Roles(h.Context(), h.ws.ID, keys.Page{})
	h.ok(err)
	h.equal("the list", list, []keys.Role{two, one})
	list, err = h.s.Roles(h.Context(), h.ws.ID, keys.Page{Before: two.ID, Limit: 1})
	h.ok(err)
	h.equal("the second page", list, []keys.Role{one})

	k := h.bareKey()
	k.Roles = []string{"one", "two"}
	k = h.insert(k)
	remove := func(yes error) error {
		return h.s.DeleteRole(h.Context(), h.ws.ID, "one", func(*keys.Role) error { return yes }, h.event("role.delete"))
	}
	h.refuses(remove)
	heard := h.listen(func() { h.ok(remove(nil)) })
	h.equal("what was heard", heard, []keys.Change{{Kind: keys.AnyChanged}})
	h.equal("the roles that the key has left", h.key(k.ID).Roles, []string{"two"})
	if rec := h.record(k.Secrets[0], now); len(rec.Permissions) != 0 {
		h.Errorf("the key still holds %q", rec.Permissions)
	}
	h.code(remove(nil), keys.NotFound)
}

func (h *home) permission(name string) keys.Permission {
	p := keys.Permission{ID: token.NewID("perm"), WorkspaceID: h.ws.ID, Name: name, Slug: "s", Description: "d", CreatedAt: now, UpdatedAt: now}
	h.ok(h.s.InsertPermission(h.Context(), &p, h.event("permission.create")))
	return p
}

func permissionUpdate(h *home) {
	p := h.permission("a.b")
	got, err := h.s.Permission(h.Context(), h.ws.ID, "a.b")
	h.ok(err)
	h.equal("the permission that was read", got, p)
	twin := p
	twin.ID = token.NewID("perm")
	h.code(h.s.InsertPermission(h.Context(), &twin, h.event("permission.create")), keys.Conflict)

	ev := h.event("permission.update")
	ev.At = now.Add(1e9)
	got, err = h.s.UpdatePermission(h.Context(), h.ws.ID, p.ID, func(p *keys.Permission) error {
		p.Slug, p.Description, p.Name = "", "new", "not changed"
		return nil
	}, ev)
	h.ok(err)
	p.Slug, p.Description, p.Version, p.UpdatedAt = "", "new", 2, ev.At
	h.equal("the permission that was changed", got, p)
	h.untouched("", func() {
		_, err := h.s.UpdatePermission(h.Context(), h.ws.ID, p.ID, func(*keys.Permission) error { return errNo }, h.event("permission.update"))
		if err != errNo {
			h.Errorf("err = %v, want that of change", err)
		}
	})
}

func permissionDelete(h *home) {
	// Names in which LIKE would see a pattern, and one that begins alike.
	for _, name := range []string{"a_b", "axb", "a_b.c"} {
		h.permission(name)
	}
	k := h.bareKey()
	k.Permissions = []string{"axb", "a_b", "a_b.c"}
	k = h.insert(k)
	h.role("holder", "a_b", "axb")
	list, err := h.s.Permissions(h.Context(), h.ws.ID, keys.Page{Limit: 1})
	h.ok(err)
	if len(list) != 1 || list[0].Name != "a_b.c" {
		h.Errorf("the first page is %+v", list)
	}
	remove := func(yes error) error {
		return h.s.DeletePermission(h.Context(), h.ws.ID, "a_b", func(*keys.Permission) error { return yes }, h.event("permission.delete"))
	}
	h.refuses(remove)
	heard := h.listen(func() { h.ok(remove(nil)) })
	h.equal("what was heard", heard, []keys.Change{{Kind: keys.AnyChanged}})
	h.equal("the permissions that the key has left", h.key(k.ID).Permissions, []string{"axb", "a_b.c"})
	r, err := h.s.Role(h.Context(), h.ws.ID, "holder")
	h.ok(err)
	h.equal("the permissions that the role has left", r.Permissions, []string{"axb"})
	h.code(remove(nil), keys.NotFound)
}

func workspaceTree(h *home) {
	child, sibling := newWorkspace(h.ws.Path+".child"), newWorkspace(h.ws.Path+"-sibling")
	ks := keys.Keyspace{ID: token.NewID("ks"), WorkspaceID: child.ID, Slug: "default", Name: "Default", Policy: keys.DefaultPolicy(), CreatedAt: now, UpdatedAt: now}
	h.ok(h.s.InsertWorkspace(h.Context(), &child, &ks, h.event("workspace.create")))
	h.ok(h.s.InsertWorkspace(h.Context(), &sibling, nil, h.event("workspace.create")))
	got, err := h.s.Keyspace(h.Context(), child.ID, "default")
	h.ok(err)
	h.equal("the keyspace that came with it", got, ks)

	list, err := h.s.Workspaces(h.Context(), h.ws.Path, keys.Page{})
	h.ok(err)
	h.equal("the workspace and those below it", list, []keys.Workspace{child, h.ws})
	byUUID, err := h.s.Workspace(h.Context(), child.UUID)
	h.ok(err)
	h.equal("the workspace by UUID", byUUID, child)

	orphan := newWorkspace(h.ws.Path + ".none.below")
	h.code(h.s.InsertWorkspace(h.Context(), &orphan, nil, h.event("workspace.create")), keys.Invalid)
}

func workspaceDelete(h *home) {
	child := newWorkspace(h.ws.Path + ".child")
	h.ok(h.s.InsertWorkspace(h.Context(), &child, nil, h.event("workspace.create")))
	k := h.insert(h.fullKey())
	h.override("api", "a*")
	remove := func(id string, yes error) error {
		ev := h.event("workspace.delete")
		ev.WorkspaceID = "ws_above"
		return h.s.DeleteWorkspace(h.Context(), id, func(*keys.Workspace) error { return yes }, ev)
	}
	h.untouched("", func() { h.code(remove(h.ws.ID, nil), keys.Conflict) }) // there is one below it
	h.refuses(func(yes error) error { return remove(child.ID, yes) })
	h.ok(remove(child.ID, nil))
	heard := h.listen(func() { h.ok(remove(h.ws.ID, nil)) })
	h.equal("what was heard", heard, []keys.Change{{Kind: keys.AnyChanged}})
	_, err := h.s.FactsByHash(h.Context(), k.Secrets[1].Hash, now)
	h.code(err, keys.NotFound)
	_, err = h.s.Workspace(h.Context(), h.ws.ID)
	h.code(err, keys.NotFound)
	h.code(remove(h.ws.ID, nil), keys.NotFound)
	events, err := h.s.Events(h.Context(), "ws_above", keys.EventFilter{Action: "workspace.delete", Limit: 2})
	h.ok(err)
	if len(events) != 2 {
		h.Errorf("%d events tell of it, want 2", len(events))
	}
}
