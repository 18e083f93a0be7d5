package conformance

import (
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"latchkey/internal/keys"
	"latchkey/internal/ratelimit"
	"latchkey/internal/span"
	"latchkey/internal/token"
)

var nounCases = []storeCase{
	{name: "Keyspace/ComesBack", run: keyspaceComesBack},
	{name: "Keyspace/Update", run: keyspaceUpdate},
	{name: "Keyspace/List", run: keyspaceList},
	{name: "Workspace/Initialize", run: initialize, empty: true},
	{name: "Workspace/InitializeAtOnce", run: initializeAtOnce, empty: true},
	{name: "Workspace/Find", run: workspaceFind},
	{name: "Workspace/Update", run: workspaceUpdate},
	{name: "Identity/ComesBack", run: identityComesBack},
	{name: "Identity/Update", run: identityUpdate},
	{name: "Role/ComesBack", run: roleComesBack},
	{name: "Role/Update", run: roleUpdate},
	{name: "Role/SamePermissionAtOnce", run: roleSamePermission},
}

// fullPolicy returns a policy in which everything is set.
func fullPolicy() keys.Policy {
	return keys.Policy{
		Secret:       token.Form{Prefix: "sk", Format: token.Base58Bytes, Length: 20},
		Hint:         keys.HintPolicy{Store: true, Length: 3},
		Environments: []string{"live", "test"},
		Name:         keys.NamePolicy{Required: true, Min: 2, Max: 20},
		Meta:         keys.MetaPolicy{Allowed: true, MaxBytes: 100},
		Expiry: keys.ExpiryPolicy{
			Required: true, Custom: true, Default: span.Span{N: 30, Unit: span.Day}, Min: span.Span{N: 24, Unit: span.Hour}, Max: span.Span{N: 1000, Unit: span.Day},
		},
		Limits:      []ratelimit.Limit{fullLimit("rpm")},
		Permissions: []string{"doc.read"},
		Credits: &keys.Credits{
			Remaining: 9, RefilledAt: now,
			Refill: &keys.Refill{Amount: 3, Every: keys.Monthly, Span: span.Span{N: 1, Unit: span.Day}, Day: 2, Mode: keys.RefillRaise},
		},
		Grantable: []string{"doc.*"}, PermissionWildcards: true, Owner: keys.UserIdentity,
		Session: keys.SessionPolicy{Enabled: true, Headers: []string{"x-api-key"}}, Purge: keys.PurgePolicy{Expired: true, UsedUp: true},
		LimiterDown: keys.LimitRefuse, Recoverable: true, SelfList: true, VerifyWithoutRootKey: true,
	}
}

func keyspaceComesBack(h *home) {
	full := h.newKeyspace("full")
	full.Policy = fullPolicy()
	given := full
	h.ok(h.s.InsertKeyspace(h.Context(), &given, h.event("keyspace.create")))
	full.Version = 1
	whole(h.T, full)
	h.equal("the keyspace that was inserted", given, full)
	for _, ref := range []string{full.ID, "full"} {
		got, err := h.s.Keyspace(h.Context(), h.ws.ID, ref)
		h.ok(err)
		h.equal("the keyspace by "+ref, got, full)
	}

	// No list and an empty one are two things in a policy.
	for slug, list := range map[string][]string{"nil": nil, "empty": {}} {
		ks := h.newKeyspace(slug)
		ks.Policy.Environments, ks.Policy.Grantable, ks.Policy.Session.Headers = list, list, list
		h.ok(h.s.InsertKeyspace(h.Context(), &ks, h.event("keyspace.create")))
		got, err := h.s.Keyspace(h.Context(), h.ws.ID, slug)
		h.ok(err)
		h.equal("the keyspace with lists that are "+slug, got, ks)
	}

	other := newHome(h.T, h.s)
	for _, ref := range []string{full.ID, "full", "unknown", ""} {
		_, err := h.s.Keyspace(h.Context(), other.ws.ID, ref)
		h.code(err, keys.NotFound)
	}
	taken := h.newKeyspace("full")
	h.code(h.s.InsertKeyspace(h.Context(), &taken, h.event("keyspace.create")), keys.Conflict)
	taken.ID, taken.Slug = full.ID, "fresh"
	h.code(h.s.InsertKeyspace(h.Context(), &taken, h.event("keyspace.create")), keys.Conflict)
}

func keyspaceUpdate(h *home) {
	update := func(ref string, change func(*keys.Keyspace) error) (keys.Keyspace, error) {
		ev := h.event("keyspace.update")
		ev.At = now.Add(time.Hour)
		return h.s.UpdateKeyspace(h.Context(), h.ws.ID, ref, change, ev)
	}
	want := h.ks
	want.Name, want.Policy, want.Version, want.UpdatedAt = "changed", fullPolicy(), 2, now.Add(time.Hour)
	got, err := update("default", func(ks *keys.Keyspace) error {
		ks.Name, ks.Policy, ks.ID, ks.Version = "changed", fullPolicy(), "ks_other", 9
		return nil
	})
	h.ok(err)
	h.equal("the keyspace that was returned", got, want)
	read := func() keys.Keyspace {
		ks, err := h.s.Keyspace(h.Context(), h.ws.ID, h.ks.ID)
		h.ok(err)
		return ks
	}
	h.equal("the keyspace that was read", read(), want)

	refused := errors.New("no")
	h.untouched("", func() {
		if _, err = update(h.ks.ID, func(ks *keys.Keyspace) error { ks.Policy.Environments[0] = "x"; return refused }); err != refused {
			h.Errorf("err = %v, want that of change", err)
		}
		_, err = update(h.ks.ID, func(ks *keys.Keyspace) error { ks.Policy = fullPolicy(); return nil })
		h.ok(err)
		_, err = update("unknown", func(ks *keys.Keyspace) error { return nil })
		h.code(err, keys.NotFound)
	})
	h.equal("the keyspace after what was refused", read(), want)

	got, err = update(h.ks.ID, func(ks *keys.Keyspace) error { ks.Policy.Environments[0] = "x"; return nil })
	h.ok(err)
	want.Policy.Environments[0], want.Version = "x", 3
	h.equal("the keyspace that was changed in place", got, want)
	h.equal("the keyspace that was read", read(), want)

	other := h.newKeyspace("other")
	h.ok(h.s.InsertKeyspace(h.Context(), &other, h.event("keyspace.create")))
	_, err = update(other.ID, func(ks *keys.Keyspace) error { ks.Slug = "default"; return nil })
	h.code(err, keys.Conflict)
}

func keyspaceList(h *home) {
	second, third := h.newKeyspace("second"), h.newKeyspace("a-third")
	for _, ks := range []*keys.Keyspace{&second, &third} {
		h.ok(h.s.InsertKeyspace(h.Context(), ks, h.event("keyspace.create")))
	}
	got, err := h.s.Keyspaces(h.Context(), h.ws.ID, keys.Page{})
	h.ok(err)
	h.equal("the list", got, []keys.Keyspace{third, second, h.ks})
}

// install returns what a new installation begins with, and an event for it.
func (h *home) install() (keys.Workspace, keys.Keyspace, keys.Key, keys.Event) {
	in := &home{T: h.T, s: h.s, ws: newWorkspace("default")}
	in.ks = in.newKeyspace("default")
	root := in.bareKey()
	root.Root, root.KeyspaceID, root.Permissions = true, "", []string{"*"}
	return in.ws, in.ks, root, in.event("workspace.create")
}

func initialize(h *home) {
	ws, ks, root, ev := h.install()
	made, err := h.s.Initialize(h.Context(), &ws, &ks, &root, ev)
	if !made || err != nil {
		h.Fatalf("Initialize = %v, %v; want true", made, err)
	}
	h.ws = ws
	gotWS, err := h.s.Workspace(h.Context(), "default")
	h.ok(err)
	h.equal("the workspace", gotWS, ws)
	gotKS, err := h.s.Keyspace(h.Context(), ws.ID, "default")
	h.ok(err)
	h.equal("the keyspace", gotKS, ks)
	h.equal("the root key", h.key(root.ID), root)
	h.equal("the versions", []int64{ws.Version, ks.Version, root.Version}, []int64{1, 1, 1})
	h.equal("the actions", h.actions(), []string{"workspace.create", "keyspace.create", "root_key.create"})
	events, err := h.s.Events(h.Context(), ws.ID, keys.EventFilter{KeyID: root.ID})
	h.ok(err)
	if len(events) != 1 || events[0].Target != (keys.Ref{Type: "root_key", ID: root.ID}) {
		h.Errorf("the root key's events are %+v", events)
	}

	again, ks2, root2, ev := h.install()
	again.Path = "another"
	h.untouched(root2.ID, func() {
		made, err := h.s.Initialize(h.Context(), &again, &ks2, &root2, ev)
		if made || err != nil {
			h.Errorf("Initialize for the second time = %v, %v; want false", made, err)
		}
	})
	_, err = h.s.Workspace(h.Context(), again.ID)
	h.code(err, keys.NotFound)
}

func initializeAtOnce(h *home) {
	var made, roots atomic.Int64
	atOnce(8, func(int) {
		ws, ks, root, ev := h.install()
		ok, err := h.s.Initialize(h.Context(), &ws, &ks, &root, ev)
		if err != nil {
			h.Error(err)
		}
		if ok {
			made.Add(1)
		}
		if _, err := h.s.FactsByHash(h.Context(), root.Secrets[0].Hash, now); err == nil {
			roots.Add(1)
		}
	})
	h.equal("how many of 8 at once made it, and their root keys", []int64{made.Load(), roots.Load()}, []int64{1, 1})
}

func workspaceFind(h *home) {
	a, b := newWorkspace(h.ws.Path+".a"), newWorkspace(h.ws.Path+".a.twin")
	c := newWorkspace(h.ws.Path + ".twin")
	for _, ws := range []*keys.Workspace{&a, &b, &c} {
		h.ok(h.s.InsertWorkspace(h.Context(), ws, nil, h.event("workspace.create")))
	}
	whole(h.T, a)
	odd := newWorkspace(h.ws.Path + ".odd")
	odd.Slug = a.ID // a slug that is another's id finds the other
	h.ok(h.s.InsertWorkspace(h.Context(), &odd, nil, h.event("workspace.create")))
	for ref, want := range map[string]keys.Workspace{
		a.ID: a, a.Path: a, b.Path: b, c.Path: c, h.ws.Slug: h.ws, odd.Path: odd,
	} {
		got, err := h.s.Workspace(h.Context(), ref)
		h.ok(err)
		h.equal("the workspace by "+ref, got, want)
	}
	for _, ref := range []string{"twin", "unknown", ""} {
		_, err := h.s.Workspace(h.Context(), ref)
		h.code(err, keys.NotFound)
	}
	taken := newWorkspace(a.Path)
	h.code(h.s.InsertWorkspace(h.Context(), &taken, nil, h.event("workspace.create")), keys.Conflict)
}

func workspaceUpdate(h *home) {
	ev := h.event("workspace.update")
	ev.At = now.Add(time.Hour)
	got, err := h.s.UpdateWorkspace(h.Context(), h.ws.ID, func(ws *keys.Workspace) error { ws.Name, ws.Enabled, ws.ID = "changed", false, "ws_other"; return nil }, ev)
	h.ok(err)
	want := h.ws
	want.Name, want.Enabled, want.Version, want.UpdatedAt = "changed", false, 2, now.Add(time.Hour)
	h.equal("the workspace that was returned", got, want)
	refused := errors.New("no")
	h.untouched("", func() {
		_, err = h.s.UpdateWorkspace(h.Context(), h.ws.ID, func(ws *keys.Workspace) error { ws.Name = "x"; return refused }, h.event("workspace.update"))
		if err != refused {
			h.Errorf("err = %v, want that of change", err)
		}
		_, err = h.s.UpdateWorkspace(h.Context(), h.ws.ID, func(ws *keys.Workspace) error { return nil }, h.event("workspace.update"))
		h.ok(err)
		_, err = h.s.UpdateWorkspace(h.Context(), "ws_unknown", func(ws *keys.Workspace) error { return nil }, h.event("workspace.update"))
		h.code(err, keys.NotFound)
	})
	got, err = h.s.Workspace(h.Context(), h.ws.ID)
	h.ok(err)
	h.equal("the workspace that was read", got, want)
}

func identityComesBack(h *home) {
	full := keys.Identity{
		ID: token.NewID("idn"), WorkspaceID: h.ws.ID, ExternalID: "customer@example.com", Kind: keys.Organization, Enabled: true,
		Meta: `{"a":1}`, Limits: []ratelimit.Limit{fullLimit("rpm")}, Extra: keys.Extra{"dialect": "{}"}, CreatedAt: now, UpdatedAt: now,
	}
	given := full
	h.ok(h.s.InsertIdentity(h.Context(), &given, h.event("identity.create")))
	full.Version = 1
	whole(h.T, full)
	h.equal("the identity that was inserted", given, full)
	for _, ref := range []string{full.ID, full.ExternalID} {
		got, err := h.s.Identity(h.Context(), h.ws.ID, ref)
		h.ok(err)
		h.equal("the identity by "+ref, got, full)
	}
	other := newHome(h.T, h.s)
	for _, ref := range []string{full.ID, full.ExternalID, "unknown", ""} {
		_, err := h.s.Identity(h.Context(), other.ws.ID, ref)
		h.code(err, keys.NotFound)
	}
	taken := full
	taken.ID = token.NewID("idn")
	h.untouched("", func() { h.code(h.s.InsertIdentity(h.Context(), &taken, h.event("identity.create")), keys.Conflict) })
	taken.WorkspaceID = other.ws.ID
	h.ok(h.s.InsertIdentity(h.Context(), &taken, other.event("identity.create")))
}

func identityUpdate(h *home) {
	i := h.identity("customer")
	update := func(change func(*keys.Identity) error) (keys.Identity, error) {
		ev := h.event("identity.update")
		ev.At = now.Add(time.Hour)
		return h.s.UpdateIdentity(h.Context(), h.ws.ID, "customer", change, ev)
	}
	got, err := update(func(i *keys.Identity) error {
		i.Enabled, i.Meta, i.Limits, i.Extra = false, `{}`, []ratelimit.Limit{fullLimit("rpm")}, keys.Extra{"dialect": "1"}
		i.ID, i.WorkspaceID = "idn_other", "ws_other"
		return nil
	})
	h.ok(err)
	want := i
	want.Enabled, want.Meta, want.Limits, want.Extra = false, `{}`, []ratelimit.Limit{fullLimit("rpm")}, keys.Extra{"dialect": "1"}
	want.Version, want.UpdatedAt = 2, now.Add(time.Hour)
	h.equal("the identity that was returned", got, want)
	refused := errors.New("no")
	h.untouched("", func() {
		if _, err = update(func(i *keys.Identity) error { i.Limits[0].Max, i.Extra["dialect"] = 9, "2"; return refused }); err != refused {
			h.Errorf("err = %v, want that of change", err)
		}
		_, err = update(func(i *keys.Identity) error { return nil })
		h.ok(err)
	})
	got, err = h.s.Identity(h.Context(), h.ws.ID, i.ID)
	h.ok(err)
	h.equal("the identity that was read", got, want)
	h.identity("other")
	_, err = update(func(i *keys.Identity) error { i.ExternalID = "other"; return nil })
	h.code(err, keys.Conflict)
}

func roleComesBack(h *home) {
	full := keys.Role{
		ID: token.NewID("role"), WorkspaceID: h.ws.ID, Name: "editor", Slug: "editor-slug", Description: "edits",
		Permissions: []string{"doc.write", "doc.read"}, CreatedAt: now, UpdatedAt: now,
	}
	given := full
	h.ok(h.s.InsertRole(h.Context(), &given, h.event("role.create")))
	full.Version = 1
	whole(h.T, full)
	h.equal("the role that was inserted", given, full)
	for _, ref := range []string{full.ID, "editor"} {
		got, err := h.s.Role(h.Context(), h.ws.ID, ref)
		h.ok(err)
		h.equal("the role by "+ref, got, full)
	}
	_, err := h.s.Permission(h.Context(), h.ws.ID, "doc.write")
	h.ok(err)
	other := newHome(h.T, h.s)
	for _, ref := range []string{full.ID, "editor", "unknown"} {
		_, err := h.s.Role(h.Context(), other.ws.ID, ref)
		h.code(err, keys.NotFound)
	}
	taken := full
	taken.ID = token.NewID("role")
	h.untouched("", func() { h.code(h.s.InsertRole(h.Context(), &taken, h.event("role.create")), keys.Conflict) })
}

func roleUpdate(h *home) {
	r := h.role("editor", "doc.write", "doc.read")
	h.role("other")
	update := func(change func(*keys.Role) error) (keys.Role, error) {
		ev := h.event("role.update")
		ev.At = now.Add(time.Hour)
		return h.s.UpdateRole(h.Context(), h.ws.ID, r.Name, change, ev)
	}
	refused := errors.New("no")
	h.untouched("", func() {
		if _, err := update(func(r *keys.Role) error { r.Permissions[0] = "x"; return refused }); err != refused {
			h.Errorf("err = %v, want that of change", err)
		}
		_, err := update(func(r *keys.Role) error { r.Name = "other"; return nil })
		h.code(err, keys.Conflict)
		_, err = update(func(r *keys.Role) error { return nil })
		h.ok(err)
	})
	got, err := update(func(r *keys.Role) error {
		r.Name, r.Slug, r.Description, r.Permissions = "author", "slug", "writes", []string{"doc.read", "doc.publish"}
		return nil
	})
	h.ok(err)
	want := r
	want.Name, want.Slug, want.Description, want.Permissions = "author", "slug", "writes", []string{"doc.read", "doc.publish"}
	want.Version, want.UpdatedAt = 2, now.Add(time.Hour)
	h.equal("the role that was returned", got, want)
	got, err = h.s.Role(h.Context(), h.ws.ID, r.ID)
	h.ok(err)
	h.equal("the role that was read", got, want)
	atOnce(10, func(int) {
		_, err := h.s.UpdateRole(h.Context(), h.ws.ID, r.ID, func(r *keys.Role) error { r.Description += "x"; return nil }, h.event("role.update"))
		if err != nil {
			h.Error(err)
		}
	})
	got, err = h.s.Role(h.Context(), h.ws.ID, r.ID)
	h.ok(err)
	h.equal("the version after 10 updates at once", got.Version, int64(12))
}

// roleSamePermission makes roles at once that name a permission which is not
// there yet.
func roleSamePermission(h *home) {
	atOnce(10, func(i int) {
		r := keys.Role{ID: token.NewID("role"), WorkspaceID: h.ws.ID, Name: fmt.Sprint(i), Permissions: []string{"the.same"}, CreatedAt: now, UpdatedAt: now}
		if err := h.s.InsertRole(h.Context(), &r, h.event("role.create")); err != nil {
			h.Error(err)
		}
	})
	for i := range 10 {
		r, err := h.s.Role(h.Context(), h.ws.ID, fmt.Sprint(i))
		h.ok(err)
		h.equal("the role's permissions", r.Permissions, []string{"the.same"})
	}
	events, err := h.s.Events(h.Context(), h.ws.ID, keys.EventFilter{Action: "permission.create"})
	h.ok(err)
	h.equal("how often the permission was made", len(events), 1)
}
