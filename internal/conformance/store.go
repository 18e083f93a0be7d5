// Package conformance says what every implementation of the core's interfaces
// must do, as tests that each of them runs: every "must" of an interface's
// comment is a case. Only tests import it.
package conformance

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"latchkey/internal/keys"
	"latchkey/internal/ratelimit"
	"latchkey/internal/span"
	"latchkey/internal/token"
)

// Store tests the stores that open returns. Each call must return an empty
// one; Store closes it.
func Store(t *testing.T, open func(t *testing.T) keys.Store) {
	shared := open(t)
	defer shared.Close()
	for _, cases := range [][]storeCase{keyCases, updateCases, listCases, recordCases, changeCases, nounCases, eventCases, keepCases, usageCases, manageCases, referentCases, overrideCases, codeCases} {
		for _, c := range cases {
			t.Run(c.name, func(t *testing.T) {
				s := shared
				if c.alone || c.empty {
					s = open(t)
					defer s.Close()
				}
				if c.empty {
					c.run(&home{T: t, s: s})
				} else {
					c.run(newHome(t, s))
				}
			})
		}
	}
}

// A storeCase is one thing that stores must do. It runs in a workspace of its
// own.
type storeCase struct {
	name  string
	run   func(*home)
	alone bool // in a store of its own
	empty bool // in one that has not even a workspace
}

// now is the moment at which most cases play.
var now = time.UnixMilli(1_800_000_000_123).UTC()

// A home is where a case plays: a workspace with one keyspace.
type home struct {
	*testing.T
	s  keys.Store
	ws keys.Workspace
	ks keys.Keyspace
}

func newHome(t *testing.T, s keys.Store) *home {
	h := &home{T: t, s: s, ws: newWorkspace("home-" + token.NewID("x")[2:])}
	h.ok(s.InsertWorkspace(t.Context(), &h.ws, nil, h.event("workspace.create")))
	h.ks = h.newKeyspace("default")
	h.ok(s.InsertKeyspace(t.Context(), &h.ks, h.event("keyspace.create")))
	return h
}

func newWorkspace(path string) keys.Workspace {
	slug := path
	for i := range path {
		if path[i] == '.' {
			slug = path[i+1:]
		}
	}
	id := token.NewID("ws")
	return keys.Workspace{ID: id, UUID: "uuid of " + id, Slug: slug, Path: path, Name: "Nämé", Enabled: true, PrepaidMicros: 1_500_000, CreatedAt: now, UpdatedAt: now}
}

func (h *home) newKeyspace(slug string) keys.Keyspace {
	return keys.Keyspace{ID: token.NewID("ks"), WorkspaceID: h.ws.ID, Slug: slug, Name: "Keyspace", Policy: keys.DefaultPolicy(), CreatedAt: now, UpdatedAt: now}
}

// event returns a new event of an action.
func (h *home) event(action string) keys.Event {
	return keys.Event{
		ID: token.NewID("evt"), WorkspaceID: h.ws.ID, At: now, Action: action, Target: keys.Ref{Type: "thing", ID: "thing_1"},
		Actor: keys.Creator{Kind: keys.RootKey, ID: "key_actor", Name: "actor"}, RequestID: "request", Addr: netip.MustParseAddr("2001:db8::1"),
	}
}

// bareKey returns a key with as little as a key can have.
func (h *home) bareKey() keys.Key {
	id := token.NewID("key")
	return keys.Key{ID: id, WorkspaceID: h.ws.ID, KeyspaceID: h.ks.ID, AccountID: id, CreatedAt: now, UpdatedAt: now, Secrets: []keys.Secret{newSecret()}}
}

// newSecret returns what is kept of a secret that nobody else has.
func newSecret() keys.Secret {
	id := token.NewID("sec")
	return keys.Secret{ID: id, Hash: token.New(id).Sum(), CreatedAt: now}
}

// fullKey returns a key in which everything is set, so that what a store
// forgets is found out.
func (h *home) fullKey() keys.Key {
	k := h.bareKey()
	ending := newSecret()
	ending.Start, ending.End, ending.ExpiresAt = "lk_old", "wxyz", now.Add(time.Hour)
	ending.Sealed, ending.SealedBy = []byte{0, 1, 255}, "vault key 1"
	lasting := newSecret()
	lasting.Start, lasting.End = "lk_new", "abcd"
	k.Owner = keys.Owner{ExternalID: "customer of " + k.ID}
	k.Name, k.Environment, k.Enabled, k.ExpiresAt = "Schlüssel \"1\"\n", "live", true, now.Add(24*time.Hour)
	k.Permissions = []string{"doc.write", "doc.read"}
	k.Roles = []string{h.role("z-role").Name, h.role("a-role").Name}
	k.AllowedIPs = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8::/32")}
	k.Limits = []ratelimit.Limit{fullLimit("rpm"), {Name: "daily", Max: 5, Window: span.Span{N: 24, Unit: span.Hour}}}
	k.Meta = `{"a": 1, "ü": [true]}`
	k.Form = token.Form{Prefix: "lk", Format: token.Latchkey, Length: 30}
	k.Secrets = []keys.Secret{ending, lasting}
	k.CreatedBy = keys.Creator{Kind: keys.RootKey, ID: "key_maker", Name: "maker"}
	k.Aliases = []keys.Alias{{Scheme: "vendor", Name: "b of " + k.ID}, {Scheme: "vendor", Name: "a of " + k.ID}}
	k.Extra = keys.Extra{"dialect": `{"x": null}`, "other": `[]`}
	k.Credits = &keys.Credits{
		Remaining: 7, RefilledAt: now,
		Refill: &keys.Refill{Amount: 3, Every: keys.Monthly, Span: span.Span{N: 90, Unit: span.Minute}, Day: 31, Mode: keys.RefillAdd},
	}
	k.Money = &keys.Money{
		Budget: &keys.Budget{Limit: 5_000_000, Reset: keys.ResetWeekly, CountsBYOK: true},
		Held:   []keys.Hold{{ID: "rsv_1", Micros: 5, ExpiresAt: now.Add(time.Hour)}},
		Spent:  keys.Spending{Own: keys.Sums{Total: 8, Day: 1, Week: 2, Month: 3}, BYOK: keys.Sums{Total: 9, Day: 4, Week: 5, Month: 6}, At: now},
	}
	k.Version, k.UpdatedAt = 1, now.Add(time.Second)
	whole(h.T, k, "Root", "MakeRoles", "MakeKeyspace", "LastUsedAt", "Secrets.LastUsedAt", "Owner.ID")
	return k
}

func fullLimit(name string) ratelimit.Limit {
	return ratelimit.Limit{ID: "lim_1", Name: name, Max: 10, Window: span.Span{N: 60, Unit: span.Second}, Algorithm: ratelimit.GCRA, Auto: true, Disabled: true, Concurrent: true}
}

// role returns the role with a name, which it makes where it is not there.
func (h *home) role(name string, permissions ...string) keys.Role {
	r, err := h.s.Role(h.Context(), h.ws.ID, name)
	if keys.Is(err, keys.NotFound) {
		r = keys.Role{ID: token.NewID("role"), WorkspaceID: h.ws.ID, Name: name, Permissions: permissions, CreatedAt: now, UpdatedAt: now}
		err = h.s.InsertRole(h.Context(), &r, h.event("role.create"))
	}
	h.ok(err)
	return r
}

// identity returns a new identity of the workspace.
func (h *home) identity(externalID string) keys.Identity {
	i := keys.Identity{ID: token.NewID("idn"), WorkspaceID: h.ws.ID, ExternalID: externalID, Kind: keys.UserIdentity, Enabled: true, CreatedAt: now, UpdatedAt: now}
	h.ok(h.s.InsertIdentity(h.Context(), &i, h.event("identity.create")))
	return i
}

// insert adds a key and returns it as it was added.
func (h *home) insert(k keys.Key) keys.Key {
	h.Helper()
	h.ok(h.s.InsertKey(h.Context(), &k, h.event("key.create")))
	return k
}

// key reads a key that must be there.
func (h *home) key(id string) keys.Key {
	h.Helper()
	k, err := h.s.Key(h.Context(), h.ws.ID, id)
	h.ok(err)
	return k
}

// update changes a key.
func (h *home) update(id string, change func(*keys.Key)) keys.Key {
	h.Helper()
	k, err := h.s.UpdateKey(h.Context(), h.ws.ID, id, func(k *keys.Key) error { change(k); return nil }, h.event("key.update"))
	if err != nil {
		h.Error(err) // not Fatal: cases update from goroutines
	}
	return k
}

// actions lists the actions of the workspace's events, the oldest first.
func (h *home) actions() (out []string) {
	h.Helper()
	events, err := h.s.Events(h.Context(), h.ws.ID, keys.EventFilter{Limit: 1000})
	h.ok(err)
	for _, ev := range events {
		out = append([]string{ev.Action}, out...)
	}
	return out
}

// untouched runs what must fail, and checks that it left no trace: no event,
// no change of the key, nothing that observers hear.
func (h *home) untouched(keyID string, fail func()) {
	h.Helper()
	state := func() any {
		k, err := h.s.Key(h.Context(), h.ws.ID, keyID)
		return []any{k, err, h.actions(), h.s.Revision()}
	}
	before := state()
	heard := h.listen(fail)
	h.equal("what was there", state(), before)
	h.equal("what observers heard", heard, []keys.Change(nil))
}

// listen runs fn and returns the changes that observers heard until it
// returned.
func (h *home) listen(fn func()) (heard []keys.Change) {
	var mu sync.Mutex
	on := true
	h.s.Observe(func(c keys.Change) {
		mu.Lock()
		defer mu.Unlock()
		if on {
			heard = append(heard, c)
		}
	})
	fn()
	mu.Lock()
	defer mu.Unlock()
	on = false
	return heard
}

// ok ends the case if err is one.
func (h *home) ok(err error) {
	h.Helper()
	if err != nil {
		h.Fatal(err)
	}
}

// code checks that err has a code.
func (h *home) code(err error, want keys.Code) {
	h.Helper()
	if !keys.Is(err, want) {
		h.Errorf("err = %v, want code %s", err, want)
	}
}

// field checks that err is Invalid and blames one field.
func (h *home) field(err error, want string) {
	h.Helper()
	e, ok := errors.AsType[*keys.Error](err)
	if !ok || e.Code != keys.Invalid || len(e.Faults) != 1 || e.Faults[0].Field != want {
		h.Errorf("err = %v, want one fault in %s", err, want)
	}
}

// equal checks that two values are the same in every part.
func (h *home) equal(what string, got, want any) {
	h.Helper()
	if !reflect.DeepEqual(got, want) {
		h.Errorf("%s (-want +got):\n%s", what, cmp.Diff(want, got, plain...))
	}
}

var plain = []cmp.Option{
	cmpopts.EquateComparable(netip.Prefix{}, netip.Addr{}),
	cmpopts.IgnoreUnexported(keys.Record{}),
	cmp.Comparer(func(a, b token.Hash) bool { return a == b }),
	cmp.Comparer(func(a, b *keys.Error) bool { return fmt.Sprint(a) == fmt.Sprint(b) }),
}

// whole fails if a field of v is zero, at any depth, but for those named. Of a
// list it looks at the first.
func whole(t *testing.T, v any, except ...string) {
	t.Helper()
	var walk func(path string, v reflect.Value)
	walk = func(path string, v reflect.Value) {
		for _, e := range except {
			if path == e {
				return
			}
		}
		if v.IsZero() {
			t.Fatalf("conformance: %T has no %s set; set it, so that stores are tested with it", v.Interface(), path)
		}
		switch v.Kind() {
		case reflect.Pointer:
			walk(path, v.Elem())
		case reflect.Slice:
			if v.Type().Elem().Kind() == reflect.Struct {
				walk(path, v.Index(0))
			}
		case reflect.Struct:
			for i := range v.NumField() {
				if f := v.Type().Field(i); f.IsExported() {
					name := f.Name
					if path != "" {
						name = path + "." + name
					}
					walk(name, v.Field(i))
				}
			}
		}
	}
	walk("", reflect.ValueOf(v))
}

// atOnce runs fn n times at the same time and waits.
func atOnce(n int, fn func(i int)) {
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { fn(i) })
	}
	wg.Wait()
}

// gone returns a context that is over.
func gone(t *testing.T) context.Context {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return ctx
}
