package conformance

import (
	"fmt"
	"slices"
	"time"

	"latchkey/internal/keys"
)

var listCases = []storeCase{
	{name: "List/Filters", run: listFilters},
	{name: "List/Pages", run: listPages},
	{name: "List/WholeKeys", run: listWholeKeys},
	{name: "List/Many", run: listMany},
}

func listFilters(h *home) {
	other := h.newKeyspace("other")
	h.ok(h.s.InsertKeyspace(h.Context(), &other, h.event("keyspace.create")))
	add := func(name string, set func(*keys.Key)) string {
		k := h.bareKey()
		k.Name, k.Enabled = name, true
		set(&k)
		return h.insert(k).ID
	}
	plain := add("plain", func(k *keys.Key) { k.Environment = "live" })
	disabled := add("disabled", func(k *keys.Key) { k.Enabled, k.ExpiresAt = false, now.Add(-time.Hour) })
	expired := add("expired", func(k *keys.Key) { k.ExpiresAt = now })
	ending := add("ending", func(k *keys.Key) { k.ExpiresAt = now.Add(time.Millisecond) })
	owned := add("owned", func(k *keys.Key) { k.Owner, k.KeyspaceID = keys.Owner{ExternalID: "customer"}, other.ID })
	started := add("started", func(k *keys.Key) {
		k.Secrets[0].Start, k.Secrets[0].End = "lk_abcd", "wxyz"
		ended, ending := newSecret(), newSecret()
		ended.Start, ended.ExpiresAt = "lk_gone", now
		ending.Start, ending.ExpiresAt = "lk_soon", now.Add(time.Millisecond)
		k.Secrets = append(k.Secrets, ended, ending)
	})
	nameless := add("", func(k *keys.Key) {})
	root := add("root", func(k *keys.Key) { k.Root, k.KeyspaceID = true, "" })
	customer := h.key(owned).Owner.ID
	elsewhere := newHome(h.T, h.s)
	elsewhere.insert(elsewhere.bareKey())

	text := func(s string) *string { return &s }
	for _, c := range []struct {
		name   string
		filter keys.KeyFilter
		want   []string
	}{
		{"all", keys.KeyFilter{}, []string{nameless, started, owned, ending, expired, disabled, plain}},
		{"root", keys.KeyFilter{Root: true}, []string{root}},
		{"active", keys.KeyFilter{Status: keys.StatusActive}, []string{nameless, started, owned, ending, plain}},
		{"disabled", keys.KeyFilter{Status: keys.StatusDisabled}, []string{disabled}},
		{"expired", keys.KeyFilter{Status: keys.StatusExpired}, []string{expired}},
		{"enabled", keys.KeyFilter{Enabled: new(true)}, []string{nameless, started, owned, ending, expired, plain}},
		{"not enabled", keys.KeyFilter{Enabled: new(false)}, []string{disabled}},
		{"name", keys.KeyFilter{Name: text("plain")}, []string{plain}},
		{"no name", keys.KeyFilter{Name: text("")}, []string{nameless}},
		{"environment", keys.KeyFilter{Environment: text("live")}, []string{plain}},
		{"no environment", keys.KeyFilter{Environment: text(""), Name: text("plain")}, nil},
		{"one keyspace", keys.KeyFilter{KeyspaceIDs: []string{other.ID}}, []string{owned}},
		{"two keyspaces", keys.KeyFilter{KeyspaceIDs: []string{other.ID, h.ks.ID}, Status: keys.StatusActive}, []string{nameless, started, owned, ending, plain}},
		{"no keyspace", keys.KeyFilter{KeyspaceIDs: []string{}}, nil},
		{"owner", keys.KeyFilter{OwnerID: customer}, []string{owned}},
		{"unknown owner", keys.KeyFilter{OwnerID: "idn_unknown"}, nil},
		{"external id", keys.KeyFilter{ExternalID: "customer"}, []string{owned}},
		{"unknown external id", keys.KeyFilter{ExternalID: "nobody"}, nil},
		{"nobody's", keys.KeyFilter{NoOwner: true, Status: keys.StatusActive}, []string{nameless, started, ending, plain}},
		{"start", keys.KeyFilter{Start: "lk_abcd"}, []string{started}},
		{"hint", keys.KeyFilter{Start: "lk_abcd…wxyz"}, []string{started}},
		{"part of a start", keys.KeyFilter{Start: "lk_abc"}, nil},
		{"start of an ended secret", keys.KeyFilter{Start: "lk_gone"}, nil},
		{"start of an ending secret", keys.KeyFilter{Start: "lk_soon"}, []string{started}},
		{"several at once", keys.KeyFilter{ExternalID: "customer", KeyspaceIDs: []string{other.ID}, Name: text("owned"), Status: keys.StatusActive}, []string{owned}},
		{"several at odds", keys.KeyFilter{ExternalID: "customer", NoOwner: true}, nil},
	} {
		c.filter.Now, c.filter.Limit = now, 100
		got, n, err := h.s.Keys(h.Context(), h.ws.ID, c.filter)
		if ids := keyIDs(got); err != nil || !slices.Equal(ids, c.want) || n != len(c.want) {
			h.Errorf("%s: %v, %d, %v; want %v", c.name, ids, n, err, c.want)
		}
	}
}

func keyIDs(ks []keys.Key) (ids []string) {
	for _, k := range ks {
		ids = append(ids, k.ID)
	}
	return ids
}

func listPages(h *home) {
	var all []string
	for range 7 {
		all = append([]string{h.insert(h.bareKey()).ID}, all...)
	}
	rising := slices.Clone(all)
	slices.Reverse(rising)
	for _, c := range []struct {
		filter keys.KeyFilter
		want   []string
	}{
		{keys.KeyFilter{}, all},
		{keys.KeyFilter{Limit: 3}, all[:3]},
		{keys.KeyFilter{Limit: 3, Before: all[2]}, all[3:6]},
		{keys.KeyFilter{Limit: 3, Before: all[5]}, all[6:]},
		{keys.KeyFilter{Limit: 3, Before: all[6]}, nil},
		{keys.KeyFilter{Limit: 3, Offset: 5}, all[5:]},
		{keys.KeyFilter{Limit: 3, Offset: 7}, nil},
		{keys.KeyFilter{Limit: 2, Offset: 1, Before: all[1]}, all[3:5]},
		{keys.KeyFilter{Oldest: true}, rising},
		{keys.KeyFilter{Oldest: true, Limit: 3, Before: rising[2]}, rising[3:6]},
		{keys.KeyFilter{Oldest: true, Limit: 3, Before: rising[6]}, nil},
	} {
		got, n, err := h.s.Keys(h.Context(), h.ws.ID, c.filter)
		if ids := keyIDs(got); err != nil || !slices.Equal(ids, c.want) || n != len(all) {
			h.Errorf("%+v: %v of %d, %v; want %v of %d", c.filter, ids, n, err, c.want, len(all))
		}
	}
}

func listWholeKeys(h *home) {
	bare, full := h.insert(h.bareKey()), h.insert(h.fullKey())
	got, _, err := h.s.Keys(h.Context(), h.ws.ID, keys.KeyFilter{Now: now})
	h.ok(err)
	h.equal("the list", got, []keys.Key{full, bare})
}

// listMany lists more than stores may read at a time.
func listMany(h *home) {
	atOnce(10, func(i int) {
		for j := range 35 {
			k := h.bareKey()
			k.Name, k.Secrets = fmt.Sprint(i, "/", j), append(k.Secrets, newSecret())
			k.Secrets[1].Start = k.Name
			if err := h.s.InsertKey(h.Context(), &k, h.event("key.create")); err != nil {
				h.Error(err)
			}
		}
	})
	got, n, err := h.s.Keys(h.Context(), h.ws.ID, keys.KeyFilter{Now: now})
	h.ok(err)
	h.equal("how many there are", []int{n, len(got)}, []int{350, 350})
	for i, k := range got {
		if len(k.Secrets) != 2 || k.Secrets[1].Start != k.Name || i > 0 && k.ID >= got[i-1].ID {
			h.Fatalf("key %d of the list is %+v", i, k)
		}
	}
}
