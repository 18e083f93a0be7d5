package keys_test

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"testing"
	"time"

	"latchkey/internal/keys"
	"latchkey/internal/permission"
	"latchkey/internal/token"
)

// TestCallersRefused calls by every key that must not: each is
// Unauthenticated, for a root key's door and for that of a key's holder.
func TestCallersRefused(t *testing.T) {
	h := newHome(t)
	ctx := t.Context()
	in := h.below("acme")
	root := func(by keys.Actor, s keys.KeySettings) (keys.Key, token.Secret) {
		t.Helper()
		s.Permissions = keys.Some([]string{"keys.*.read"})
		k, secret, err := h.manager.CreateRootKey(ctx, by, s)
		h.ok(err)
		return k, secret
	}
	ordinary, plain := h.create(keys.KeySettings{Owner: owner("o")})
	_, disabled := root(h.root, keys.KeySettings{Enabled: keys.Some(false)})
	_, expires := root(h.root, keys.KeySettings{ExpiresAt: keys.Some(h.clock().Add(time.Hour))})
	_, bound := root(h.root, keys.KeySettings{AllowedIPs: keys.Some([]netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")})})
	_, inDisabled := root(in, keys.KeySettings{})
	gone, deleted := root(h.root, keys.KeySettings{})
	turned, rotated := root(h.root, keys.KeySettings{})

	h.ok(setWorkspace(h, "acme", false))
	h.ok(h.manager.DeleteRootKey(ctx, h.root, gone.ID, keys.Match{}))
	_, _, err := h.manager.RotateRootKey(ctx, h.root, turned.ID, 0)
	h.ok(err)
	h.pass(time.Hour)
	from := keys.Origin{Addr: netip.MustParseAddr("11.0.0.1")}
	for _, tt := range []struct {
		name    string
		secret  token.Secret
		outcome keys.Outcome // of the key, Valid where it is not to blame
		message string
		holds   bool // the holder's door lets it in
	}{
		{"nothing", token.Secret{}, keys.Valid, "no key was sent: Authorization: Bearer KEY", false},
		{"a guess", token.New("lk_root_0000000000"), keys.KeyNotFound, "this key is not known", false},
		{"a guess elsewhere", token.New("guess_0000000000"), keys.KeyNotFound, "this key is not known", false},
		{"a key that was deleted", deleted, keys.KeyNotFound, "this key is not known", false},
		{"a secret that was rotated", rotated, keys.KeyNotFound, "this key is not known", false},
		{"a disabled key", disabled, keys.Disabled, "this key is disabled", false},
		{"an expired key", expires, keys.Expired, "this key has expired", false},
		{"a key from another address", bound, keys.AddressRefused, "this key may not be used from this address", false},
		{"a key of a disabled workspace", inDisabled, keys.WorkspaceDisabled, "the workspace of this key is disabled", false},
		{"an ordinary key", plain, keys.Valid, "this key is not a root key", true},
	} {
		_, err := h.verifier.Authenticate(ctx, tt.secret, "", from)
		if e := keys.AsError(err); e.Code != keys.Unauthenticated || e.Message != tt.message || e.Refused != tt.outcome {
			t.Errorf("%s: %v (%v), want %q (%v)", tt.name, err, e.Refused, tt.message, tt.outcome)
		}
		if _, err := h.verifier.Holder(ctx, tt.secret, from); keys.Is(err, keys.Unauthenticated) == tt.holds {
			t.Errorf("%s, as holder: %v", tt.name, err)
		}
	}
	_, err = h.manager.UpdateIdentity(ctx, h.root, ordinary.Owner.ID, func(i *keys.Identity) error { i.Enabled = false; return nil }, keys.Match{})
	h.ok(err)
	_, err = h.verifier.Holder(ctx, plain, from)
	h.refused("the holder of a key of a disabled owner", err, keys.Unauthenticated)
	if _, err := h.verifier.Authenticate(ctx, bound, "", keys.Origin{Addr: netip.MustParseAddr("10.1.2.3")}); err != nil {
		t.Errorf("from an address on its list: %v", err)
	}
	// From above one may act in a workspace that is disabled.
	h.actor(h.secret, "acme")
}

// A downed store cannot answer.
type downed struct{ keys.Store }

func (downed) FactsByHash(context.Context, token.Hash, time.Time) (*keys.Facts, error) {
	return nil, &keys.Error{Code: keys.Unavailable, Message: "the database cannot answer now", Err: errors.New("down")}
}

func (downed) Workspace(context.Context, string) (keys.Workspace, error) {
	return keys.Workspace{}, &keys.Error{Code: keys.Unavailable, Message: "the database cannot answer now", Err: errors.New("down")}
}

// TestOutageIsNoRefusal calls while the store cannot answer.
func TestOutageIsNoRefusal(t *testing.T) {
	h := newHome(t)
	ctx := t.Context()
	_, secret := h.create(keys.KeySettings{})
	cache, err := keys.NewCache(ctx, downed{h.store}, 100, 4)
	h.ok(err)
	warm := h.verifier.Records
	h.verifier.Records = cache
	_, err = h.verifier.Authenticate(ctx, h.secret, "", keys.Origin{})
	h.refused("a root key", err, keys.Unavailable)
	_, err = h.verifier.Holder(ctx, secret, keys.Origin{})
	h.refused("a holder", err, keys.Unavailable)
	v, _, err := h.verifier.Present(ctx, secret, keys.Origin{}, permission.Query{})
	h.refused("a key that is presented", err, keys.Unavailable)
	if v.Record != nil {
		t.Errorf("it is answered: %+v", v)
	}
	_, err = h.verifier.Verify(ctx, &h.root, &keys.VerifyRequest{Secret: secret})
	h.refused("a verification", err, keys.Unavailable)

	ws, err := h.store.Workspace(ctx, keys.RootPath)
	h.ok(err)
	declared := token.New("a declared root key of forty characters.")
	h.verifier.Declared = keys.Declare(declared, ws)
	_, err = h.verifier.Authenticate(ctx, declared, "acme", keys.Origin{})
	h.refused("acting in a workspace", err, keys.Unavailable)
	h.verifier.Records = warm
	h.actor(h.secret, "")
}

// TestActIn acts in workspaces of a tree, by root keys of several of them.
func TestActIn(t *testing.T) {
	h := newHome(t)
	ctx := t.Context()
	for _, path := range []string{"acme", "acme.eu", "acme.us", "acme2"} {
		slug, in := path, h.root
		if above, below, ok := cut(path); ok {
			slug, in = below, h.actor(h.secret, "default."+above)
		}
		_, err := h.manager.CreateWorkspace(ctx, in, keys.Workspace{Slug: slug, Enabled: true})
		h.ok(err)
	}
	make := func(workspace string, g ...string) token.Secret {
		t.Helper()
		_, secret, err := h.manager.CreateRootKey(ctx, h.actor(h.secret, workspace), grants(g...))
		h.ok(err)
		return secret
	}
	acme, confined, us := make("default.acme", "*"), make("default.acme", "keys.*.*"), make("default.acme.us", "*")
	for _, tt := range []struct {
		name   string
		secret token.Secret
		ref    string
		want   string // "": not found
	}{
		{"its own", acme, "", "default.acme"}, {"its own by path", acme, "default.acme", "default.acme"}, {"its own by slug", acme, "acme", "default.acme"},
		{"one below", acme, "default.acme.eu", "default.acme.eu"}, {"one below by slug", acme, "eu", "default.acme.eu"},
		{"one above", acme, "default", ""}, {"one above the one below", us, "default.acme", ""},
		{"one beside", us, "default.acme.eu", ""}, {"one whose name begins so", acme, "default.acme2", ""},
		{"one that is not there", acme, "default.acme.asia", ""}, {"no path at all", acme, "*", ""},
		{"its own, without the grant", confined, "acme", "default.acme"}, {"one below, without the grant", confined, "eu", ""},
		{"two below", h.secret, "us", "default.acme.us"}, {"the root", h.secret, "default", "default"},
	} {
		by, err := h.verifier.Authenticate(ctx, tt.secret, tt.ref, keys.Origin{RequestID: "r"})
		if tt.want == "" {
			if e := keys.AsError(err); e.Code != keys.NotFound || e.Message != "there is no such workspace" {
				t.Errorf("%s: %v", tt.name, err)
			}
			continue
		}
		if err != nil || by.Path != tt.want || by.Kind != keys.RootKey || by.Origin.RequestID != "r" {
			t.Errorf("%s: %+v %v, want %s", tt.name, by, err, tt.want)
			continue
		}
		if ws, err := h.store.Workspace(ctx, tt.want); err != nil || ws.ID != by.WorkspaceID {
			t.Errorf("%s: acts in %s, want %s (%v)", tt.name, by.WorkspaceID, ws.ID, err)
		}
	}
}

func cut(path string) (above, below string, ok bool) {
	for i := range path {
		if path[i] == '.' {
			return path[:i], path[i+1:], true
		}
	}
	return "", path, false
}

// TestThrottle calls by a root key that has limits of its own.
func TestThrottle(t *testing.T) {
	h := newHome(t)
	quiet := limit("quiet", 1)
	quiet.Auto = false
	_, secret, err := h.manager.CreateRootKey(t.Context(), h.root, keys.KeySettings{
		Permissions: keys.Some([]string{"*"}), Limits: limits(limit("calls", 2), limit("many", 100), quiet)})
	h.ok(err)
	h.pass(10 * time.Minute)
	for n := range 4 {
		_, err := h.verifier.Authenticate(t.Context(), secret, "", keys.Origin{})
		if n < 2 {
			h.ok(err)
			continue
		}
		if e := keys.AsError(err); e.Code != keys.Throttled || e.RetryAfter != 50*time.Minute {
			t.Errorf("call %d: %v, again in %v; want in 50m", n, err, e.RetryAfter)
		}
	}
	if _, err := h.verifier.Holder(t.Context(), secret, keys.Origin{}); err != nil {
		t.Errorf("its holder asks about it: %v", err)
	}
	h.pass(50 * time.Minute)
	h.actor(secret, "")
}

// TestHolder tells who holds ordinary keys and root keys.
func TestHolder(t *testing.T) {
	h := newHome(t)
	k, secret := h.create(keys.KeySettings{Permissions: keys.Some([]string{"keys.*.read"})})
	by, err := h.verifier.Holder(t.Context(), secret, keys.Origin{RequestID: "r"})
	if err != nil || by.Kind != keys.Holder || by.ID != k.ID || by.Record.ID() != k.ID || by.Origin.RequestID != "r" {
		t.Errorf("an ordinary key: %+v %v", by, err)
	}
	if by.May(keys.ResKeys, "*", "read") {
		t.Error("the permissions of an ordinary key are grants")
	}
	if _, err := h.manager.Key(t.Context(), by, k.ID); !keys.Is(err, keys.Forbidden) {
		t.Errorf("its holder reads it as a manager: %v", err)
	}
	if by, err := h.verifier.Holder(t.Context(), h.secret, keys.Origin{}); err != nil || by.Kind != keys.RootKey || !by.May(keys.ResKeys, "*", "read") {
		t.Errorf("a root key: %+v %v", by, err)
	}
	h.ok(h.manager.EndSelf(t.Context(), by, keys.Match{}))
	if _, err := h.verifier.Holder(t.Context(), secret, keys.Origin{}); !keys.Is(err, keys.Unauthenticated) {
		t.Errorf("who has ended his key: %v", err)
	}
	h.refused("an operator ends himself", h.manager.EndSelf(t.Context(), keys.Actor{Kind: keys.Operator}, keys.Match{}), keys.Unauthenticated)
}

// TestPresentKey shows a key and asks about it.
func TestPresentKey(t *testing.T) {
	h := newHome(t)
	k, secret := h.create(keys.KeySettings{Permissions: keys.Some([]string{"a"}), Limits: limits(limit("l", 1)), Credits: credits(1)})
	for range 3 { // it takes nothing
		v, by, err := h.verifier.Present(t.Context(), secret, keys.Origin{}, query(t, "a"))
		if err != nil || v.Outcome != keys.Valid || by.ID != k.ID || by.Kind != keys.Holder {
			t.Errorf("%v, %+v, %v", v.Outcome, by, err)
		}
	}
	v, by, err := h.verifier.Present(t.Context(), secret, keys.Origin{}, query(t, "a AND b"))
	if err != nil || v.Outcome != keys.InsufficientPermissions || v.Missing.String() != "a AND b" || by.Kind != "" {
		t.Errorf("without the permission: %v, %+v, %v", v.Outcome, by, err)
	}
	for _, s := range []token.Secret{{}, h.secret, token.New("guess")} {
		if v, by, err := h.verifier.Present(t.Context(), s, keys.Origin{}, permission.Query{}); err != nil || v.Outcome != keys.KeyNotFound || v.Record != nil || by.Kind != "" {
			t.Errorf("no ordinary key: %v, %+v, %v", v.Outcome, by, err)
		}
	}
	h.ok(h.usage.Flush(t.Context()))
	if k, err := h.manager.Key(t.Context(), h.root, k.ID); err != nil || !k.LastUsedAt.Equal(h.clock()) {
		t.Errorf("it was last used at %v, %v", k.LastUsedAt, err)
	}
	if n, err := h.usage.Accepted(t.Context(), k.ID, time.Time{}, h.clock().AddDate(1, 0, 0)); err != nil || n != 0 {
		t.Errorf("%d uses are counted, %v", n, err)
	}
}

// TestOwnKeys lists the keys of the owner whose key it is asked by.
func TestOwnKeys(t *testing.T) {
	h := newHome(t)
	ids := func(secret token.Secret) (out []string, err error) {
		by, err := h.verifier.Holder(t.Context(), secret, keys.Origin{})
		h.ok(err)
		ks, n, err := h.manager.OwnKeys(t.Context(), by, keys.KeyFilter{Limit: 10})
		for _, k := range ks {
			out = append(out, k.ID)
		}
		if n != len(ks) {
			t.Errorf("%d keys of %d", len(ks), n)
		}
		return out, err
	}
	one, mine := h.create(keys.KeySettings{Owner: owner("o")})
	two, _ := h.create(keys.KeySettings{Owner: owner("o")})
	h.create(keys.KeySettings{Owner: owner("p")})
	three, nobodys := h.create(keys.KeySettings{})
	if got, err := ids(mine); err != nil || !slices.Equal(got, []string{two.ID, one.ID}) {
		t.Errorf("an owner's: %q %v", got, err)
	}
	if got, err := ids(nobodys); err != nil || !slices.Equal(got, []string{three.ID}) {
		t.Errorf("nobody's: %q %v", got, err)
	}
	_, err := ids(h.secret)
	h.refused("by a root key", err, keys.Unauthenticated)
	h.policy(func(p *keys.Policy) { p.SelfList = false })
	_, err = ids(mine)
	h.refused("where the keyspace forbids it", err, keys.Forbidden)
}

// TestOwnKey reads the key that an actor calls by: an ordinary one, a root key,
// one that the configuration gives, and one that is gone.
func TestOwnKey(t *testing.T) {
	h := newHome(t)
	k, secret := h.create(keys.KeySettings{Name: keys.Some(ptr("mine"))})
	by, err := h.verifier.Holder(t.Context(), secret, keys.Origin{})
	h.ok(err)
	got, err := h.manager.OwnKey(t.Context(), by)
	if err != nil || got.ID != k.ID || got.Name != "mine" || len(got.Secrets) != 1 {
		t.Errorf("an ordinary key: %+v, %v", got, err)
	}
	// It is told as of now: refilled, and without the secret that has ended.
	h.update(k.ID, keys.KeySettings{Credits: keys.Some(&keys.CreditSettings{Remaining: keys.Some(int64(1)), Refill: keys.Some(&keys.RefillSettings{Amount: keys.Some(int64(9)), Every: keys.Some(keys.Rhythm{Every: keys.Daily})})})})
	_, _, err = h.manager.RotateKey(t.Context(), h.root, k.ID, time.Hour)
	h.ok(err)
	h.pass(25 * time.Hour)
	if got, err = h.manager.OwnKey(t.Context(), by); err != nil || len(got.Secrets) != 1 || got.Credits.Remaining != 9 {
		t.Errorf("a day later: %d secrets, %+v, %v", len(got.Secrets), got.Credits, err)
	}
	if got, err = h.manager.OwnKey(t.Context(), h.root); err != nil || got.ID != h.root.ID || !got.Root {
		t.Errorf("a root key: %+v, %v", got, err)
	}
	ws, err := h.store.Workspace(t.Context(), keys.RootPath)
	h.ok(err)
	declared := token.New("a secret of at least 32 characters")
	h.verifier.Declared = keys.Declare(declared, ws)
	root, err := h.verifier.Authenticate(t.Context(), declared, "", keys.Origin{})
	h.ok(err)
	if got, err = h.manager.OwnKey(t.Context(), root); err != nil || got.ID != keys.DeclaredID || !got.Root || got.Version != 1 {
		t.Errorf("a declared key: %+v, %v", got, err)
	}
	h.ok(h.manager.DeleteKey(t.Context(), h.root, k.ID, keys.Match{}))
	_, err = h.manager.OwnKey(t.Context(), by)
	h.refused("a key that is gone", err, keys.Unauthenticated)
	_, err = h.manager.OwnKey(t.Context(), keys.Actor{})
	h.refused("no key", err, keys.Unauthenticated)
}
