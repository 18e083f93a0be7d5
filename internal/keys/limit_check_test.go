package keys_test

import (
	"context"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"latchkey/internal/keys"
	"latchkey/internal/ratelimit"
	"latchkey/internal/span"
)

func (h *home) checker() *keys.LimitChecker {
	return &keys.LimitChecker{Limiter: &ratelimit.Local{Most: 64 * 100}, Overrides: keys.NewOverrideCache(h.store), Clock: h.clock}
}

// override sets what a pattern allows in the namespace api.
func (h *home) override(pattern string, most int64) {
	h.Helper()
	_, _, err := h.manager.ReplaceOverride(context.Background(), h.root,
		keys.Override{Namespace: "api", Pattern: pattern, Max: most, Window: span.Of(time.Hour)}, agree, keys.Match{})
	h.ok(err)
}

func check(identifier string) keys.LimitCheck {
	return keys.LimitCheck{Namespace: "api", Identifier: identifier, Max: 10, Window: span.Of(time.Hour), Algorithm: ratelimit.Fixed, Cost: 1}
}

func TestLimitCheck(t *testing.T) {
	h := newHome(t)
	acme := h.below("acme")
	lc := h.checker()
	long := strings.Repeat("é", keys.MaxIdentifier)
	for i, c := range []struct {
		by      *keys.Actor
		change  func(*keys.LimitCheck)
		allowed bool
		left    int64
	}{
		{&h.root, func(c *keys.LimitCheck) {}, true, 9},
		{&h.root, func(c *keys.LimitCheck) { c.Cost = 0 }, true, 9},
		{&h.root, func(c *keys.LimitCheck) { c.Cost = 10 }, false, 9},
		{&h.root, func(c *keys.LimitCheck) { c.Cost = 9 }, true, 0},
		{&h.root, func(c *keys.LimitCheck) {}, false, 0},
		{&h.root, func(c *keys.LimitCheck) { c.Cost = 0 }, true, 0},
		{&h.root, func(c *keys.LimitCheck) { c.Max = 12 }, true, 1},
		{&h.root, func(c *keys.LimitCheck) { c.Identifier = "B" }, true, 9},
		{&h.root, func(c *keys.LimitCheck) { c.Namespace = "API" }, true, 9},
		{&acme, func(c *keys.LimitCheck) {}, true, 9},
		{&h.root, func(c *keys.LimitCheck) { c.Identifier = long }, true, 9},
		{&h.root, func(c *keys.LimitCheck) { c.Identifier = long }, true, 8},
		{&h.root, func(c *keys.LimitCheck) { c.Identifier = "x" + long[2:] }, true, 9},
	} {
		q := check("a")
		c.change(&q)
		v, err := lc.Check(t.Context(), c.by, q)
		if err != nil || v.Allowed != c.allowed || v.Remaining != c.left || v.Override != nil || v.Max != q.Max {
			t.Errorf("%d: %+v, %v; want %t with %d left", i, v, err, c.allowed, c.left)
		}
	}
	h.pass(time.Hour)
	if v, err := lc.Check(t.Context(), &h.root, check("a")); err != nil || !v.Allowed || !v.FreeAt.Equal(h.clock().Add(time.Hour)) {
		t.Errorf("in the next window: %+v, %v", v, err)
	}
	by := h.granted("limits.*.update", "keys.*.*")
	_, err := lc.Check(t.Context(), &by, check("a"))
	h.refused("by who may not", err, keys.Forbidden)
}

func TestLimitCheckValidates(t *testing.T) {
	h := newHome(t)
	lc := h.checker()
	for _, c := range []struct {
		want   []string
		change func(*keys.LimitCheck)
	}{
		{[]string{"namespace"}, func(c *keys.LimitCheck) { c.Namespace = "" }},
		{[]string{"namespace"}, func(c *keys.LimitCheck) { c.Namespace = strings.Repeat("n", 129) }},
		{[]string{"namespace"}, func(c *keys.LimitCheck) { c.Namespace = "a\x00" }},
		{[]string{"identifier"}, func(c *keys.LimitCheck) { c.Identifier = "" }},
		{[]string{"identifier"}, func(c *keys.LimitCheck) { c.Identifier = strings.Repeat("é", 257) }},
		{[]string{"identifier"}, func(c *keys.LimitCheck) { c.Identifier = "a\xff" }},
		{[]string{"cost"}, func(c *keys.LimitCheck) { c.Cost = -1 }},
		{[]string{"cost"}, func(c *keys.LimitCheck) { c.Cost = keys.MaxCost + 1 }},
		{[]string{"max"}, func(c *keys.LimitCheck) { c.Max = 0 }},
		{[]string{"max"}, func(c *keys.LimitCheck) { c.Max = ratelimit.MaxMax + 1 }},
		{[]string{"window"}, func(c *keys.LimitCheck) { c.Window = span.Span{} }},
		{[]string{"window"}, func(c *keys.LimitCheck) { c.Window = span.Of(367 * 24 * time.Hour) }},
		{[]string{"algorithm"}, func(c *keys.LimitCheck) { c.Algorithm = "x" }},
		{[]string{"namespace", "identifier", "cost", "max", "window", "algorithm"}, func(c *keys.LimitCheck) {
			*c = keys.LimitCheck{Cost: -1, Algorithm: "x"}
		}},
	} {
		q := check("a")
		c.change(&q)
		if _, err := lc.Check(t.Context(), &h.root, q); !slices.Equal(fields(err), c.want) {
			t.Errorf("%+v: faults in %q, want %q", q, fields(err), c.want)
		}
	}
}

// TestInventedIdentifiers has one workspace fill the memory that there is for
// it, which is half of all, and shut out no other.
func TestInventedIdentifiers(t *testing.T) {
	h := newHome(t)
	acme := h.below("acme")
	lc := h.checker()
	full := 0
	for i := range 20_000 {
		_, err := lc.Check(t.Context(), &h.root, check(itoa(i)))
		if err != nil {
			h.refused("one too many", err, keys.Unavailable)
			full++
		}
	}
	if full != 20_000-3200 {
		t.Errorf("%d of 20,000 were refused, where there is room for 3,200", full)
	}
	for i := range 500 {
		if _, err := lc.Check(t.Context(), &acme, check(itoa(i))); err != nil {
			t.Fatalf("in another workspace: %v", err)
		}
	}
	h.pass(3 * time.Hour)
	for i := range 1000 {
		if _, err := lc.Check(t.Context(), &h.root, check("late "+itoa(i))); err != nil {
			t.Fatalf("when all have passed: %v", err)
		}
	}
}

func TestOverrides(t *testing.T) {
	h := newHome(t)
	lc := h.checker()
	for i, pattern := range []string{"*", "a*", "a*z", "*z", "abz", "*b*", "a*c*e*z", "**q**", "ab*bz", "*é", "a*b"} {
		h.override(pattern, int64(i+1))
	}
	h.override("x*", 0)
	for identifier, want := range map[string]string{
		"k": "*", "a": "a*", "az": "a*z", "abz": "abz", "acz": "a*z", "bz": "*z", "xq": "**q**", "zbz": "*z", "kbk": "*b*", "acez": "a*c*e*z", "a-c-e-z": "a*c*e*z",
		"aecz": "a*z", "q": "**q**", "abbz": "ab*bz", "é": "*é", "a*z": "a*z", "*": "*", "a*b": "a*b", "a*c*e*z": "a*c*e*z", "xx": "x*", "Az": "*z",
	} {
		v, err := lc.Check(t.Context(), &h.root, check(identifier))
		if err != nil || v.Override == nil || v.Override.Pattern != want || v.Max != v.Override.Max {
			t.Errorf("%s: %+v, %v; want the override %s", identifier, v, err, want)
		}
	}
	for _, cost := range []int64{0, 1} {
		q := check("x1")
		q.Cost = cost
		if v, err := lc.Check(t.Context(), &h.root, q); err != nil || v.Allowed || v.Max != 0 || v.Remaining != 0 || !v.RetryAt.IsZero() {
			t.Errorf("who is shut out, at a cost of %d: %+v, %v", cost, v, err)
		}
	}
	q := check("a")
	q.Namespace = "other"
	if v, err := lc.Check(t.Context(), &h.root, q); err != nil || v.Override != nil {
		t.Errorf("in another namespace: %+v, %v", v, err)
	}
	acme := h.below("acme")
	if v, err := lc.Check(t.Context(), &acme, check("a")); err != nil || v.Override != nil {
		t.Errorf("in another workspace: %+v, %v", v, err)
	}
}

// TestMatchingIsLinear matches patterns and identifiers that a matcher which
// tries again and again would take years for.
func TestMatchingIsLinear(t *testing.T) {
	h := newHome(t)
	lc := h.checker()
	h.override(strings.Repeat("a*", 127)+"b", 1)
	h.override("*"+strings.Repeat("a", 125)+"b*"+strings.Repeat("a", 125)+"c*", 1)
	h.override(strings.Repeat("*", 200)+"aaab", 1)
	if _, err := lc.Check(t.Context(), &h.root, check("warm")); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	for i := range 200 {
		v, err := lc.Check(t.Context(), &h.root, check(strings.Repeat("a", 250)+itoa(i)))
		if err != nil || v.Override != nil {
			t.Fatalf("%+v, %v", v, err)
		}
	}
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("200 identifiers took %v", took)
	}
}

// TestOverridesAreExact changes an override while it is asked for: what is in
// force is no older than the last change that was answered, and no newer than
// the last that had begun.
func TestOverridesAreExact(t *testing.T) {
	h := newHome(t)
	lc := h.checker()
	h.override("a*", 1)
	var begun, done atomic.Int64
	var over atomic.Bool
	begun.Store(1)
	done.Store(1)
	go func() {
		defer over.Store(true)
		for n := int64(2); n < 100; n++ {
			begun.Store(n)
			h.override("a*", n)
			done.Store(n)
		}
	}()
	for asked := 0; !over.Load() || asked < 100; asked++ {
		least := done.Load()
		q := check("ab")
		q.Cost = 0
		v, err := lc.Check(t.Context(), &h.root, q)
		if err != nil || v.Override == nil || v.Max < least || v.Max > begun.Load() {
			t.Fatalf("%+v, %v; the change that was done when it was asked for is %d", v, err, least)
		}
	}
	h.ok(h.manager.DeleteOverride(t.Context(), h.root, "api", "a*", keys.Match{}))
	if v, err := lc.Check(t.Context(), &h.root, check("ab")); err != nil || v.Override != nil {
		t.Errorf("when it was deleted: %+v, %v", v, err)
	}
}

// TestManyNamespaces asks in many namespaces that have no override.
func TestManyNamespaces(t *testing.T) {
	h := newHome(t)
	lc := h.checker()
	h.override("a*", 3)
	for i := range 4200 {
		q := check("ab")
		q.Namespace, q.Cost = "n"+itoa(i), 0
		if v, err := lc.Check(t.Context(), &h.root, q); err != nil || v.Override != nil {
			t.Fatalf("%+v, %v", v, err)
		}
	}
	if v, err := lc.Check(t.Context(), &h.root, check("ab")); err != nil || v.Override == nil {
		t.Errorf("%+v, %v", v, err)
	}
}

// A storeOfOverrides has in each namespace but "small" as many overrides as may
// be, and counts how often that one is read.
type storeOfOverrides struct {
	keys.Store
	many  []keys.Override
	reads int
}

func (s *storeOfOverrides) Overrides(_ context.Context, _, namespace string, _ keys.Page) ([]keys.Override, error) {
	if namespace == "small" {
		s.reads++
		return nil, nil
	}
	return s.many, nil
}

// TestNoWorkspaceForgetsForOthers has one workspace ask about more overrides
// than are held in memory.
func TestNoWorkspaceForgetsForOthers(t *testing.T) {
	store := &storeOfOverrides{Store: newHome(t).store}
	for i := range keys.MaxOverrides {
		store.many = append(store.many, keys.Override{ID: itoa(i), Pattern: strings.Repeat("x", 200) + itoa(i)})
	}
	cache := keys.NewOverrideCache(store)
	for i := range 30 {
		for _, of := range [][2]string{{"ws_modest", "small"}, {"ws_greedy", itoa(i)}} {
			if o, err := cache.Match(t.Context(), of[0], of[1], "x"); o != nil || err != nil {
				t.Fatal(o, err)
			}
		}
	}
	if store.reads != 1 {
		t.Errorf("what one workspace asks about was read %d times while another asked about much", store.reads)
	}
	if got := cache.Size(); got > 64<<20 {
		t.Errorf("%d bytes are held", got)
	}
}

func TestOverrideValidates(t *testing.T) {
	good := keys.Override{Namespace: "api", Pattern: "a*", Max: 0, Window: span.Of(time.Second)}
	h := newHome(t)
	for _, c := range []struct {
		want   string
		change func(*keys.Override)
	}{
		{"namespace", func(o *keys.Override) { o.Namespace = strings.Repeat("n", 129) }},
		{"pattern", func(o *keys.Override) { o.Pattern = "" }},
		{"pattern", func(o *keys.Override) { o.Pattern = strings.Repeat("*", 257) }},
		{"pattern", func(o *keys.Override) { o.Pattern = "a\n" }},
		{"max", func(o *keys.Override) { o.Max = -1 }},
		{"max", func(o *keys.Override) { o.Max = ratelimit.MaxMax + 1 }},
		{"window", func(o *keys.Override) { o.Window = span.Span{} }},
	} {
		o := good
		c.change(&o)
		if _, _, err := h.manager.ReplaceOverride(t.Context(), h.root, o, agree, keys.Match{}); !slices.Equal(fields(err), []string{c.want}) {
			t.Errorf("%+v: %v, want a fault in %s", o, err, c.want)
		}
	}
}

// TestReplaceOverride makes one and replaces it under conditions.
func TestReplaceOverride(t *testing.T) {
	h := newHome(t)
	want := keys.Override{Namespace: "api", Pattern: "a*", Max: 3, Window: span.Of(time.Second)}
	no := keys.Errorf(keys.Conflict, "no")
	replace := func(check func(*keys.Override) error, m keys.Match) (keys.Override, bool, error) {
		return h.manager.ReplaceOverride(t.Context(), h.root, want, check, m)
	}
	_, _, err := replace(agree, keys.Match{Given: true, Any: true})
	h.refused("one that is not there", err, keys.Precondition)
	_, _, err = replace(func(o *keys.Override) error {
		if o != nil {
			t.Errorf("it is asked about %+v", o)
		}
		return no
	}, keys.Match{})
	h.refused("one that the caller refuses", err, keys.Conflict)
	o, made, err := replace(agree, keys.Match{})
	if err != nil || !made || o.Version != 1 || !strings.HasPrefix(o.ID, "ovr_") {
		t.Errorf("the first: %+v, %t, %v", o, made, err)
	}
	want.Max = 4
	_, _, err = replace(agree, keys.Match{Given: true, Versions: []int64{2}})
	h.refused("another version", err, keys.Precondition)
	_, _, err = replace(func(o *keys.Override) error { return no }, keys.Match{})
	h.refused("what the caller refuses to replace", err, keys.Conflict)
	again, made, err := replace(agree, keys.Match{Given: true, Versions: []int64{1}})
	if err != nil || made || again.Version != 2 || again.ID != o.ID || again.Max != 4 {
		t.Errorf("the second: %+v, %t, %v", again, made, err)
	}
}

// BenchmarkLimitCheck checks an identifier that an override matches, and one
// that none does.
func BenchmarkLimitCheck(b *testing.B) {
	h := newHome(b)
	lc := h.checker()
	h.override("a*", ratelimit.MaxMax)
	for name, identifier := range map[string]string{"override": "abcdef", "none": "xyz"} {
		q := check(identifier)
		q.Max = ratelimit.MaxMax
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if v, err := lc.Check(b.Context(), &h.root, q); err != nil || !v.Allowed {
					b.Fatal(v, err)
				}
			}
		})
	}
}

// FuzzMatch has one pattern, and compares what matches with a plain reading of
// it.
func FuzzMatch(f *testing.F) {
	for _, s := range [][2]string{{"a*b", "axxb"}, {"*a*", "bab"}, {"ab*ab", "ab"}, {"*aab*", "aaab"}, {"**", "x"}} {
		f.Add(s[0], s[1])
	}
	f.Fuzz(func(t *testing.T, pattern, identifier string) {
		if len(pattern) > 20 || len(identifier) > 40 || pattern == identifier || !strings.Contains(pattern, "*") {
			return
		}
		if got, want := keys.Matches(pattern, identifier), matchPlainly(pattern, identifier); got != want {
			t.Errorf("%q matches %q: %t, want %t", pattern, identifier, got, want)
		}
	})
}

func matchPlainly(pattern, s string) bool {
	if pattern == "" {
		return s == ""
	}
	if pattern[0] == '*' {
		return matchPlainly(pattern[1:], s) || s != "" && matchPlainly(pattern, s[1:])
	}
	return s != "" && s[0] == pattern[0] && matchPlainly(pattern[1:], s[1:])
}
