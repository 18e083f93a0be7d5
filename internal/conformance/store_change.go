package conformance

import (
	"sync/atomic"

	"latchkey/internal/keys"
)

var changeCases = []storeCase{
	{name: "Change/WhatIsHeard", run: whatIsHeard},
	{name: "Change/HeardWhenCommitted", run: heardWhenCommitted},
	{name: "Change/Revision", run: revisionGrows},
	{name: "Change/InForceAtOnce", run: inForceAtOnce},
}

func whatIsHeard(h *home) {
	ctx := h.Context()
	k := h.bareKey()
	i := keys.Identity{ID: "idn_" + k.ID, WorkspaceID: h.ws.ID, ExternalID: "customer", Kind: keys.Customer, CreatedAt: now, UpdatedAt: now}
	r := keys.Role{ID: "role_" + k.ID, WorkspaceID: h.ws.ID, Name: "editor", CreatedAt: now, UpdatedAt: now}
	ks := h.newKeyspace("other")
	ws := newWorkspace(h.ws.Path + ".below")
	key, identity, any := []keys.Change{{Kind: keys.KeyChanged, ID: k.ID}}, []keys.Change{{Kind: keys.IdentityChanged, ID: i.ID}}, []keys.Change{{Kind: keys.AnyChanged}}
	for _, c := range []struct {
		name string
		do   func() error
		want []keys.Change
	}{
		{"insert key", func() error { return h.s.InsertKey(ctx, &k, h.event("key.create")) }, key},
		{"update key", func() error {
			_, err := h.s.UpdateKey(ctx, h.ws.ID, k.ID, func(k *keys.Key) error { k.Name = "x"; return nil }, h.event("key.update"))
			return err
		}, key},
		{"reveal key", func() error {
			_, err := h.s.UpdateKey(ctx, h.ws.ID, k.ID, func(k *keys.Key) error { return nil }, h.event("key.reveal"))
			return err
		}, nil},
		{"insert identity", func() error { return h.s.InsertIdentity(ctx, &i, h.event("identity.create")) }, identity},
		{"update identity", func() error {
			_, err := h.s.UpdateIdentity(ctx, h.ws.ID, i.ID, func(i *keys.Identity) error { i.Enabled = true; return nil }, h.event("identity.update"))
			return err
		}, identity},
		{"insert role", func() error { return h.s.InsertRole(ctx, &r, h.event("role.create")) }, any},
		{"update role", func() error {
			_, err := h.s.UpdateRole(ctx, h.ws.ID, r.ID, func(r *keys.Role) error { r.Permissions = []string{"p"}; return nil }, h.event("role.update"))
			return err
		}, any},
		{"insert keyspace", func() error { return h.s.InsertKeyspace(ctx, &ks, h.event("keyspace.create")) }, any},
		{"update keyspace", func() error {
			_, err := h.s.UpdateKeyspace(ctx, h.ws.ID, ks.ID, func(ks *keys.Keyspace) error { ks.Name = "x"; return nil }, h.event("keyspace.update"))
			return err
		}, any},
		{"insert workspace", func() error { return h.s.InsertWorkspace(ctx, &ws, nil, h.event("workspace.create")) }, any},
		{"update workspace", func() error {
			_, err := h.s.UpdateWorkspace(ctx, ws.ID, func(ws *keys.Workspace) error { ws.Name = "x"; return nil }, h.event("workspace.update"))
			return err
		}, any},
		{"delete key", func() error {
			return h.s.DeleteKey(ctx, h.ws.ID, k.ID, func(*keys.Key) error { return nil }, h.event("key.delete"))
		}, key},
	} {
		var heard []keys.Change
		for _, change := range h.listen(func() { h.ok(c.do()) }) {
			if change.Kind != keys.SecretAdded {
				heard = append(heard, change)
			}
		}
		h.equal("what was heard of "+c.name, heard, c.want)
	}
}

// heardWhenCommitted looks from within an observer: what it hears of is there,
// and the one who did it has no answer yet.
func heardWhenCommitted(h *home) {
	k := h.insert(h.bareKey())
	var answered, on atomic.Bool
	var seen string
	on.Store(true)
	h.s.Observe(func(c keys.Change) {
		if !on.Load() || c.ID != k.ID {
			return
		}
		if answered.Load() {
			h.Error("an observer hears of a change that was answered already")
		}
		k, err := h.s.Key(h.Context(), h.ws.ID, k.ID)
		if err != nil {
			h.Error(err)
		}
		seen = k.Name
	})
	h.update(k.ID, func(k *keys.Key) { k.Name = "changed" })
	answered.Store(true)
	on.Store(false)
	h.equal("what the observer read", seen, "changed")
}

func revisionGrows(h *home) {
	k := h.insert(h.bareKey())
	last := h.s.Revision()
	for range 5 {
		h.update(k.ID, func(k *keys.Key) { k.Name += "x" })
		if got := h.s.Revision(); got <= last {
			h.Errorf("the revision went from %d to %d", last, got)
		}
		last = h.s.Revision()
	}

	// Each of those that change at once moves it, by the time it is answered.
	atOnce(20, func(int) {
		was := h.s.Revision()
		h.update(k.ID, func(k *keys.Key) { k.Name += "x" })
		if is := h.s.Revision(); is <= was {
			h.Errorf("a change began at revision %d and ended at %d", was, is)
		}
	})
	if got := h.s.Revision(); got < last+20 {
		h.Errorf("after 20 changes at once the revision went from %d to %d", last, got)
	}
}

// inForceAtOnce disables a key and reads it as a cache would: a reading that
// began when the change had been heard of sees it.
func inForceAtOnce(h *home) {
	k := h.insert(h.bareKey())
	var heard atomic.Int64 // the version of which observers have heard
	h.s.Observe(func(c keys.Change) {
		if c.ID != k.ID {
			return
		}
		if k, err := h.s.Key(h.Context(), h.ws.ID, k.ID); err == nil {
			for old := heard.Load(); old < k.Version && !heard.CompareAndSwap(old, k.Version); old = heard.Load() {
			}
		}
	})
	var done atomic.Bool
	atOnce(2, func(i int) {
		if i == 0 {
			defer done.Store(true)
			for range 40 {
				got := h.update(k.ID, func(k *keys.Key) { k.Enabled = !k.Enabled })
				if n := heard.Load(); n < got.Version {
					h.Errorf("the update to version %d was answered when version %d had been heard of", got.Version, n)
				}
			}
			return
		}
		for !done.Load() {
			want := heard.Load()
			if rec := h.record(k.Secrets[0], now); rec.Key.Version < want {
				h.Errorf("read version %d when %d had been heard of", rec.Key.Version, want)
				return
			}
		}
	})
}
