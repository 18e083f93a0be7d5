package conformance

import (
	"net/netip"
	"slices"
	"time"

	"latchkey/internal/keys"
	"latchkey/internal/ratelimit"
)

var eventCases = []storeCase{
	{name: "Event/ComesBack", run: eventComesBack},
	{name: "Event/WhatChanged", run: eventWhatChanged},
	{name: "Event/Filters", run: eventFilters},
	{name: "Event/Prune", run: eventPrune, alone: true},
}

// lastEvent returns the newest event of the workspace.
func (h *home) lastEvent() keys.Event {
	h.Helper()
	events, err := h.s.Events(h.Context(), h.ws.ID, keys.EventFilter{Limit: 1})
	h.ok(err)
	if len(events) != 1 {
		h.Fatalf("%d events, want 1", len(events))
	}
	return events[0]
}

func eventComesBack(h *home) {
	k := h.insert(h.fullKey())
	ev := h.event("key.update")
	ev.KeyID = k.ID
	_, err := h.s.UpdateKey(h.Context(), h.ws.ID, k.ID, func(k *keys.Key) error {
		k.Name, k.Enabled, k.Permissions, k.Limits, k.Credits, k.Meta = "x", false, nil, k.Limits[1:], nil, `{"secret":1}`
		return nil
	}, ev)
	h.ok(err)
	ev.Before = []keys.Member{
		{Name: "name", Value: k.Name}, {Name: "enabled", Value: true}, {Name: "meta", Value: "(changed)"},
		{Name: "permissions", Value: []string{"doc.write", "doc.read"}}, {Name: "limits", Value: limitsAsLogged(k.Limits)},
		{Name: "credits", Value: keys.CreditMembers(k.Credits)},
	}
	ev.After = []keys.Member{
		{Name: "name", Value: "x"}, {Name: "enabled", Value: false}, {Name: "meta", Value: "(changed)"},
		{Name: "permissions", Value: []string{}}, {Name: "limits", Value: limitsAsLogged(k.Limits[1:])}, {Name: "credits"},
	}
	whole(h.T, ev, "Before.Value", "After.Value")
	h.equal("the event", h.lastEvent(), ev)

	bare := keys.Event{ID: ev.ID + "0", WorkspaceID: h.ws.ID, At: now, Action: "key.delete"}
	h.ok(h.s.DeleteKey(h.Context(), h.ws.ID, k.ID, func(*keys.Key) error { return nil }, bare))
	got := h.lastEvent()
	got.Before = nil
	h.equal("the bare event", got, bare)
}

func limitsAsLogged(limits []ratelimit.Limit) (out [][]keys.Member) {
	for _, l := range limits {
		m := []keys.Member{
			{Name: "name", Value: l.Name}, {Name: "max", Value: l.Max}, {Name: "window", Value: l.Window.String()},
			{Name: "algorithm", Value: string(l.Algorithm)}, {Name: "auto_apply", Value: l.Auto},
		}
		if l.Concurrent {
			m = []keys.Member{{Name: "name", Value: l.Name}, {Name: "concurrent", Value: l.Max}}
		}
		if l.Disabled {
			m = append(m, keys.Member{Name: "enabled", Value: false})
		}
		out = append(out, m)
	}
	return out
}

// eventWhatChanged looks at every kind of change: the event of a thing that
// was made has no before, that of a deleted one no after, and that of an
// update the members that changed and no others.
func eventWhatChanged(h *home) {
	ctx := h.Context()
	check := func(what string, before, after []string) {
		h.Helper()
		ev := h.lastEvent()
		h.equal("the event before "+what, names(ev.Before), before)
		h.equal("the event after "+what, names(ev.After), after)
	}
	keyNames := names(keys.KeyMembers(&keys.Key{}))
	k := h.insert(h.bareKey())
	check("a key was made", nil, keyNames)
	h.update(k.ID, func(k *keys.Key) { k.Name, k.Enabled = "x", true })
	check("a key was updated", []string{"name", "enabled"}, []string{"name", "enabled"})
	h.update(k.ID, func(k *keys.Key) { k.Extra = keys.Extra{"dialect": "1"} })
	check("what is not on the log was updated", []string{}, []string{})
	h.ok(h.s.DeleteKey(ctx, h.ws.ID, k.ID, func(*keys.Key) error { return nil }, h.event("key.delete")))
	check("a key was deleted", keyNames, nil)

	ks := h.newKeyspace("other")
	h.ok(h.s.InsertKeyspace(ctx, &ks, h.event("keyspace.create")))
	check("a keyspace was made", nil, []string{"slug", "name", "policy"})
	_, err := h.s.UpdateKeyspace(ctx, h.ws.ID, ks.ID, func(ks *keys.Keyspace) error { ks.Policy.SelfList = false; return nil }, h.event("keyspace.update"))
	h.ok(err)
	check("a keyspace was updated", []string{"policy"}, []string{"policy"})

	ws := newWorkspace(h.ws.Path + ".below")
	h.ok(h.s.InsertWorkspace(ctx, &ws, nil, h.event("workspace.create")))
	check("a workspace was made", nil, []string{"slug", "path", "name", "enabled", "prepaid_micros"})
	_, err = h.s.UpdateWorkspace(ctx, ws.ID, func(ws *keys.Workspace) error { ws.Enabled = false; return nil }, h.event("workspace.update"))
	h.ok(err)
	check("a workspace was updated", []string{"enabled"}, []string{"enabled"})

	i := h.identity("someone@example.com")
	check("an identity was made", nil, names(keys.IdentityMembers(&i)))
	h.equal("the address on the log", h.lastEvent().After[0].Value, any("(changed)"))
	_, err = h.s.UpdateIdentity(ctx, h.ws.ID, i.ID, func(i *keys.Identity) error { i.Enabled = false; return nil }, h.event("identity.update"))
	h.ok(err)
	check("an identity was updated", []string{"enabled"}, []string{"enabled"})

	r := h.role("editor")
	check("a role was made", nil, names(keys.RoleMembers(&r)))
	_, err = h.s.UpdateRole(ctx, h.ws.ID, r.ID, func(r *keys.Role) error { r.Permissions = []string{"p"}; return nil }, h.event("role.update"))
	h.ok(err)
	events, err := h.s.Events(ctx, h.ws.ID, keys.EventFilter{Action: "role.update"})
	h.ok(err)
	h.equal("the event after a role was updated", names(events[0].After), []string{"permissions"})
}

func names(members []keys.Member) []string {
	if members == nil {
		return nil
	}
	out := []string{}
	for _, m := range members {
		out = append(out, m.Name)
	}
	return out
}

func eventFilters(h *home) {
	k := h.insert(h.bareKey())
	var all []string
	for n := range 6 {
		ev := h.event("key.update")
		ev.At = now.Add(time.Duration(n) * time.Minute)
		if n%2 == 0 {
			ev.Actor.ID, ev.KeyID, ev.Action = "key_even", k.ID, "key.reveal"
		}
		_, err := h.s.UpdateKey(h.Context(), h.ws.ID, k.ID, func(k *keys.Key) error { k.Name += "x"; return nil }, ev)
		h.ok(err)
		all = append([]string{ev.ID}, all...)
	}
	from := now.Add(time.Millisecond) // after what the home began with
	even := []string{all[1], all[3], all[5]}
	for _, c := range []struct {
		name   string
		filter keys.EventFilter
		want   []string
	}{
		{"actor", keys.EventFilter{ActorID: "key_even"}, even},
		{"key", keys.EventFilter{KeyID: k.ID}, even},
		{"action", keys.EventFilter{Action: "key.reveal"}, even},
		{"limit", keys.EventFilter{Limit: 2}, all[:2]},
		{"before", keys.EventFilter{Before: all[1], Limit: 2}, all[2:4]},
		{"from is inclusive", keys.EventFilter{From: now.Add(4 * time.Minute)}, all[:2]},
		{"to is exclusive", keys.EventFilter{From: from, To: now.Add(2 * time.Minute)}, all[4:5]},
		{"all at once", keys.EventFilter{ActorID: "key_even", KeyID: k.ID, Action: "key.reveal", From: from, To: now.Add(time.Hour), Before: all[1], Limit: 1}, all[3:4]},
		{"none", keys.EventFilter{ActorID: "key_even", Action: "key.update"}, nil},
	} {
		got, err := h.s.Events(h.Context(), h.ws.ID, c.filter)
		var ids []string
		for _, ev := range got {
			ids = append(ids, ev.ID)
		}
		if err != nil || !slices.Equal(ids, c.want) {
			h.Errorf("%s: %v, %v; want %v", c.name, ids, err, c.want)
		}
	}
	other := newHome(h.T, h.s)
	got, err := h.s.Events(h.Context(), other.ws.ID, keys.EventFilter{KeyID: k.ID})
	if err != nil || len(got) != 0 {
		h.Errorf("another workspace sees %v, %v", got, err)
	}
}

func eventPrune(h *home) {
	k := h.insert(h.bareKey())
	for n := range 10 {
		ev := h.event("key.update")
		ev.At, ev.Addr = now.Add(time.Duration(n-20)*time.Hour), netip.Addr{}
		_, err := h.s.UpdateKey(h.Context(), h.ws.ID, k.ID, func(k *keys.Key) error { k.Name += "x"; return nil }, ev)
		h.ok(err)
	}
	before := now.Add(-13 * time.Hour) // 7 are older, one is not
	for _, want := range []int{3, 3, 1, 0} {
		n, err := h.s.PruneEvents(h.Context(), before, 3)
		if n != want || err != nil {
			h.Errorf("PruneEvents = %d, %v; want %d", n, err, want)
		}
	}
	h.equal("how many are left", len(h.actions()), 3+3)
}
