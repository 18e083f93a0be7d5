package conformance

import (
	"fmt"
	"time"

	"latchkey/internal/keys"
	"latchkey/internal/span"
	"latchkey/internal/token"
)

var overrideCases = []storeCase{
	{name: "Override/ComesBack", run: overrideComesBack},
	{name: "Override/Update", run: overrideUpdate},
	{name: "Override/List", run: overrideList},
	{name: "Override/Most", run: overrideMost},
	{name: "Override/Delete", run: overrideDelete},
	{name: "Override/InForceAtOnce", run: overrideInForceAtOnce},
}

// newOverride returns an override in which everything is set.
func (h *home) newOverride(namespace, pattern string) keys.Override {
	return keys.Override{
		ID: token.NewID("ovr"), WorkspaceID: h.ws.ID, Namespace: namespace, Pattern: pattern, Max: 5,
		Window: span.Span{N: 90, Unit: span.Second}, CreatedAt: now, UpdatedAt: now.Add(time.Second),
	}
}

// override adds an override.
func (h *home) override(namespace, pattern string) keys.Override {
	h.Helper()
	o := h.newOverride(namespace, pattern)
	h.ok(h.s.InsertOverride(h.Context(), &o, 100, h.event("override.create")))
	return o
}

// heardOf are the changes that tell of a namespace.
func (h *home) heardOf(namespace string) []keys.Change {
	return []keys.Change{{Kind: keys.OverrideChanged, ID: keys.OverrideScope(h.ws.ID, namespace)}}
}

func overrideComesBack(h *home) {
	full := h.newOverride("Näme/space", "a*é%_")
	given := full
	heard := h.listen(func() { h.ok(h.s.InsertOverride(h.Context(), &given, 1, h.event("override.create"))) })
	h.equal("what was heard", heard, h.heardOf(full.Namespace))
	full.Version = 1
	whole(h.T, full)
	h.equal("the override that was inserted", given, full)
	got, err := h.s.Override(h.Context(), h.ws.ID, full.Namespace, full.Pattern)
	h.ok(err)
	h.equal("the override that was read", got, full)
	ev := h.lastEvent()
	h.equal("what the event tells", ev.After, keys.OverrideMembers(&full))

	other := newHome(h.T, h.s)
	for _, c := range [][3]string{{other.ws.ID, full.Namespace, full.Pattern}, {h.ws.ID, "other", full.Pattern}, {h.ws.ID, full.Namespace, "a*É%_"}, {h.ws.ID, full.Namespace, "ab*é%_"}} {
		_, err := h.s.Override(h.Context(), c[0], c[1], c[2])
		h.code(err, keys.NotFound)
	}
	taken := h.newOverride(full.Namespace, full.Pattern)
	h.untouched("", func() { h.code(h.s.InsertOverride(h.Context(), &taken, 9, h.event("override.create")), keys.Conflict) })
	h.override("other", full.Pattern)
}

func overrideUpdate(h *home) {
	o := h.override("api", "a*")
	update := func(change func(*keys.Override) error) (keys.Override, error) {
		ev := h.event("override.update")
		ev.At = now.Add(time.Hour)
		return h.s.UpdateOverride(h.Context(), h.ws.ID, "api", "a*", change, ev)
	}
	h.untouched("", func() {
		if _, err := update(func(o *keys.Override) error { o.Max = 9; return errNo }); err != errNo {
			h.Errorf("err = %v, want that of change", err)
		}
		got, err := update(func(o *keys.Override) error { return nil })
		h.ok(err)
		h.equal("what nothing changed", got, o)
	})
	var got keys.Override
	var err error
	heard := h.listen(func() {
		got, err = update(func(o *keys.Override) error {
			o.ID, o.Namespace, o.Pattern, o.CreatedAt = "ovr_x", "x", "x", time.Time{} // which stay
			o.Max, o.Window = 0, span.Span{N: 2, Unit: span.Day}
			return nil
		})
	})
	h.ok(err)
	h.equal("what was heard", heard, h.heardOf("api"))
	want := o
	want.Max, want.Window, want.Version, want.UpdatedAt = 0, span.Span{N: 2, Unit: span.Day}, 2, now.Add(time.Hour)
	h.equal("the override that was returned", got, want)
	got, err = h.s.Override(h.Context(), h.ws.ID, "api", "a*")
	h.ok(err)
	h.equal("the override that was read", got, want)
	ev := h.lastEvent()
	h.equal("what it was", ev.Before, []keys.Member{{Name: "max", Value: int64(5)}, {Name: "window", Value: "90s"}})
	h.equal("what it is", ev.After, []keys.Member{{Name: "max", Value: int64(0)}, {Name: "window", Value: "2d"}})
	atOnce(10, func(int) {
		_, err := h.s.UpdateOverride(h.Context(), h.ws.ID, "api", "a*", func(o *keys.Override) error { o.Max++; return nil }, h.event("override.update"))
		if err != nil {
			h.Error(err)
		}
	})
	got, err = h.s.Override(h.Context(), h.ws.ID, "api", "a*")
	h.ok(err)
	h.equal("the max after 10 updates at once", got.Max, int64(10))
	_, err = h.s.UpdateOverride(h.Context(), h.ws.ID, "api", "b*", func(*keys.Override) error { return nil }, h.event("override.update"))
	h.code(err, keys.NotFound)
}

func overrideList(h *home) {
	a, b, c := h.override("api", "a"), h.override("api", "b*"), h.override("api", "c")
	h.override("other", "d")
	for _, tt := range []struct {
		p    keys.Page
		want []keys.Override
	}{
		{keys.Page{}, []keys.Override{c, b, a}},
		{keys.Page{Limit: 2}, []keys.Override{c, b}},
		{keys.Page{Limit: 2, Before: b.ID}, []keys.Override{a}},
	} {
		got, err := h.s.Overrides(h.Context(), h.ws.ID, "api", tt.p)
		h.ok(err)
		h.equal(fmt.Sprintf("the page %+v", tt.p), got, tt.want)
	}
	got, err := h.s.Overrides(h.Context(), h.ws.ID, "none", keys.Page{})
	h.ok(err)
	h.equal("how many a namespace has that is not there", len(got), 0)
}

// overrideMost adds at once more than a namespace may have.
func overrideMost(h *home) {
	added := make([]bool, 12)
	atOnce(len(added), func(i int) {
		o := h.newOverride("api", fmt.Sprint("a*", i))
		err := h.s.InsertOverride(h.Context(), &o, 4, h.event("override.create"))
		if added[i] = err == nil; err != nil {
			h.code(err, keys.Conflict)
		}
	})
	n := 0
	for _, ok := range added {
		if ok {
			n++
		}
	}
	list, err := h.s.Overrides(h.Context(), h.ws.ID, "api", keys.Page{})
	h.ok(err)
	h.equal("how many were added, and are there", []int{n, len(list)}, []int{4, 4})
	exact := h.newOverride("api", "exact")
	h.ok(h.s.InsertOverride(h.Context(), &exact, 1, h.event("override.create")))
	more := h.newOverride("api", "more")
	h.untouched("", func() { h.code(h.s.InsertOverride(h.Context(), &more, 1, h.event("override.create")), keys.Conflict) })
}

func overrideDelete(h *home) {
	o := h.override("api", "a*")
	h.override("api", "b*")
	remove := func(yes error) error {
		return h.s.DeleteOverride(h.Context(), h.ws.ID, "api", "a*", func(*keys.Override) error { return yes }, h.event("override.delete"))
	}
	h.refuses(remove)
	heard := h.listen(func() { h.ok(remove(nil)) })
	h.equal("what was heard", heard, h.heardOf("api"))
	ev := h.lastEvent()
	h.equal("what the event tells", ev.Before, keys.OverrideMembers(&o))
	h.code(remove(nil), keys.NotFound)
	list, err := h.s.Overrides(h.Context(), h.ws.ID, "api", keys.Page{})
	h.ok(err)
	h.equal("how many are left", len(list), 1)
}

// overrideInForceAtOnce reads from within an observer: what it hears of is there.
func overrideInForceAtOnce(h *home) {
	o := h.override("api", "a*")
	var seen []int64
	on := true
	h.s.Observe(func(c keys.Change) {
		if !on || c.ID != keys.OverrideScope(h.ws.ID, "api") {
			return
		}
		got, err := h.s.Override(h.Context(), h.ws.ID, "api", "a*")
		if err != nil {
			h.Error(err)
		}
		seen = append(seen, got.Max)
	})
	for i := range int64(3) {
		_, err := h.s.UpdateOverride(h.Context(), h.ws.ID, "api", o.Pattern, func(o *keys.Override) error { o.Max = 100 + i; return nil }, h.event("override.update"))
		h.ok(err)
	}
	on = false
	h.equal("what the observer read", seen, []int64{100, 101, 102})
}
