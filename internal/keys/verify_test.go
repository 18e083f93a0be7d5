package keys_test

import (
	"context"
	"fmt"
	"net/netip"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"latchkey/internal/keys"
	"latchkey/internal/permission"
	"latchkey/internal/ratelimit"
	"latchkey/internal/span"
	"latchkey/internal/store"
	"latchkey/internal/token"
	"latchkey/internal/usage"
)

// A home is a core over a real store, with a clock that the test sets.
type home struct {
	testing.TB

	store    *store.Store
	manager  *keys.Manager
	verifier *keys.Verifier
	limiter  *ratelimit.Local
	root     keys.Actor
	secret   token.Secret // of the root key

	mu  sync.Mutex
	now time.Time
}

func (h *home) clock() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.now
}

func (h *home) pass(d time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.now = h.now.Add(d)
}

func newHome(t testing.TB) *home {
	ctx := context.Background()
	h := &home{TB: t, now: time.Date(2030, 1, 15, 12, 0, 0, 0, time.UTC), limiter: &ratelimit.Local{}}
	s, err := store.Open(ctx, "sqlite:"+filepath.Join(t.TempDir(), "latchkey.db"))
	h.ok(err)
	t.Cleanup(func() { s.Close() })
	h.store = s
	vault, err := keys.NewVault(token.New("an installation secret of enough characters"))
	h.ok(err)
	h.manager = &keys.Manager{Store: s, Ledger: s, Vault: vault, Clock: h.clock}
	cache, err := keys.NewCache(ctx, s, 1000, 8)
	h.ok(err)
	h.verifier = &keys.Verifier{Records: cache, Limiter: h.limiter, Ledger: s, Recorder: usage.New(s), Clock: h.clock}
	_, err = h.manager.Install(ctx, func(secret token.Secret) error { h.secret = secret; return nil })
	h.ok(err)
	h.root, err = h.verifier.Authenticate(ctx, h.secret, "", keys.Origin{})
	h.ok(err)
	return h
}

func (h *home) ok(err error) {
	h.Helper()
	if err != nil {
		h.Fatal(err)
	}
}

func (h *home) create(nk keys.NewKey) (keys.Key, token.Secret) {
	h.Helper()
	k, secret, err := h.manager.CreateKey(context.Background(), h.root, nk)
	h.ok(err)
	return k, secret
}

func (h *home) verify(req keys.VerifyRequest) keys.Verification {
	h.Helper()
	v, err := h.verifier.Verify(context.Background(), &h.root, &req)
	h.ok(err)
	return v
}

func limit(name string, most int64) ratelimit.Limit {
	return ratelimit.Limit{Name: name, Max: most, Window: span.Of(time.Hour), Algorithm: ratelimit.Fixed, Auto: true}
}

func query(t testing.TB, text string) permission.Query {
	q, err := permission.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return q
}

// TestOrder makes a call fail in one more way after another, from the last
// check to the first: the one that comes first names the outcome.
func TestOrder(t *testing.T) {
	h := newHome(t)
	ctx := t.Context()
	k, secret := h.create(keys.NewKey{KeySettings: keys.KeySettings{
		Owner: keys.Some(keys.Owner{ExternalID: "o"}), Permissions: keys.Some([]string{"a"}),
		Limits:  keys.Some([]ratelimit.Limit{limit("l", 1)}),
		Credits: keys.Some(&keys.CreditSettings{Remaining: keys.Some[int64](1)}),
	}})
	req := keys.VerifyRequest{Secret: secret}
	update := func(s keys.KeySettings) {
		_, err := h.manager.UpdateKey(ctx, h.root, k.ID, s, keys.Match{})
		h.ok(err)
	}
	for _, step := range []struct {
		want keys.Outcome
		make func()
	}{
		{keys.Valid, func() {}}, // takes the credit and the limit
		{keys.RateLimited, func() {}},
		{keys.InsufficientPermissions, func() { req.Query = query(t, "a AND b") }},
		{keys.AddressRefused, func() {
			update(keys.KeySettings{AllowedIPs: keys.Some([]netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")})})
			req.Addr = netip.MustParseAddr("11.0.0.1")
		}},
		{keys.Expired, func() { update(keys.KeySettings{ExpiresAt: keys.Some(h.clock())}) }},
		{keys.WrongKeyspace, func() { req.Keyspace = "another" }},
		{keys.Disabled, func() { update(keys.KeySettings{Enabled: keys.Some(false)}) }},
		{keys.OwnerDisabled, func() {
			_, err := h.store.UpdateIdentity(ctx, h.root.WorkspaceID, "o", func(i *keys.Identity) error { i.Enabled = false; return nil },
				keys.Event{ID: token.NewID("evt"), WorkspaceID: h.root.WorkspaceID, At: h.clock(), Action: "identity.update"})
			h.ok(err)
		}},
		{keys.WorkspaceDisabled, func() {
			_, err := h.store.UpdateWorkspace(ctx, h.root.WorkspaceID, func(ws *keys.Workspace) error { ws.Enabled = false; return nil },
				keys.Event{ID: token.NewID("evt"), WorkspaceID: h.root.WorkspaceID, At: h.clock(), Action: "workspace.update"})
			h.ok(err)
		}},
		{keys.KeyNotFound, func() { h.root.Grants = keys.ParseGrants([]string{"keys.*.read"}) }},
	} {
		step.make()
		v := h.verify(req)
		if v.Outcome != step.want {
			t.Fatalf("outcome %v, want %v", v.Outcome, step.want)
		}
		if v.Outcome != keys.KeyNotFound && (v.Credits == nil || v.Credits.Remaining != 0 || len(v.Limits) != 1 || v.Limits[0].Remaining != 0) {
			t.Errorf("%v shows %+v %+v, want the live figures", v.Outcome, v.Credits, v.Limits)
		}
	}
}

func TestAllOrNothing(t *testing.T) {
	h := newHome(t)
	_, secret := h.create(keys.NewKey{KeySettings: keys.KeySettings{
		Limits:  keys.Some([]ratelimit.Limit{limit("l", 5)}),
		Credits: keys.Some(&keys.CreditSettings{Remaining: keys.Some[int64](10)}),
	}})
	cost := func(n int64) *int64 { return &n }

	v := h.verify(keys.VerifyRequest{Secret: secret, Cost: cost(11)})
	if v.Outcome != keys.CreditsExhausted || v.Limits[0].Remaining != 5 || v.Credits.Remaining != 10 {
		t.Errorf("refused by credits: %v, limit %d, credits %d; want nothing taken", v.Outcome, v.Limits[0].Remaining, v.Credits.Remaining)
	}
	v = h.verify(keys.VerifyRequest{Secret: secret, Limits: []keys.LimitRequest{{Name: "l", Cost: 6}}})
	if v.Outcome != keys.RateLimited || v.Limits[0].Remaining != 5 || v.Credits.Remaining != 10 {
		t.Errorf("refused by the limit: %v, limit %d, credits %d; want nothing taken", v.Outcome, v.Limits[0].Remaining, v.Credits.Remaining)
	}
	v = h.verify(keys.VerifyRequest{Secret: secret, Cost: cost(0)})
	if v.Outcome != keys.Valid || v.Limits[0].Remaining != 4 || v.Credits.Remaining != 10 {
		t.Errorf("a cost of 0: %v, limit %d, credits %d", v.Outcome, v.Limits[0].Remaining, v.Credits.Remaining)
	}
	inline := keys.LimitRequest{Name: "own", Cost: 1, Max: 1, Window: span.Of(time.Minute)}
	v = h.verify(keys.VerifyRequest{Secret: secret, Limits: []keys.LimitRequest{inline}})
	if v.Outcome != keys.Valid || len(v.Limits) != 2 || v.Credits.Remaining != 9 {
		t.Errorf("an inline limit: %v %+v", v.Outcome, v.Limits)
	}
	if v = h.verify(keys.VerifyRequest{Secret: secret, Limits: []keys.LimitRequest{inline}}); v.Outcome != keys.RateLimited || v.Credits.Remaining != 9 {
		t.Errorf("an inline limit that is used up: %v, credits %d", v.Outcome, v.Credits.Remaining)
	}
	_, err := h.verifier.Verify(t.Context(), &h.root, &keys.VerifyRequest{Secret: secret, Limits: []keys.LimitRequest{{Name: "none", Cost: 1}}})
	if !keys.Is(err, keys.Invalid) {
		t.Errorf("a limit that the key has not: %v, want invalid", err)
	}
	if v = h.verify(keys.VerifyRequest{Secret: secret, Mode: keys.Inspection}); v.Outcome != keys.Valid || v.Limits != nil || v.Credits != nil {
		t.Errorf("an inspection: %+v, want nothing looked at or taken", v)
	}
}

func TestSharedLimits(t *testing.T) {
	h := newHome(t)
	ctx := t.Context()
	_, one := h.create(keys.NewKey{KeySettings: keys.KeySettings{Owner: keys.Some(keys.Owner{ExternalID: "o"})}})
	_, two := h.create(keys.NewKey{KeySettings: keys.KeySettings{Owner: keys.Some(keys.Owner{ExternalID: "o"}),
		Limits: keys.Some([]ratelimit.Limit{limit("own", 100)})}})
	_, err := h.store.UpdateIdentity(ctx, h.root.WorkspaceID, "o", func(i *keys.Identity) error {
		i.Limits = []ratelimit.Limit{limit("shared", 2), limit("own", 1)}
		return nil
	}, keys.Event{ID: token.NewID("evt"), WorkspaceID: h.root.WorkspaceID, At: h.clock(), Action: "identity.update"})
	h.ok(err)
	for i, step := range []struct {
		secret token.Secret
		want   keys.Outcome
	}{{two, keys.Valid}, {two, keys.Valid}, {one, keys.RateLimited}, {two, keys.RateLimited}} {
		if v := h.verify(keys.VerifyRequest{Secret: step.secret}); v.Outcome != step.want {
			t.Errorf("call %d: %v, want %v (%+v)", i, v.Outcome, step.want, v.Limits)
		}
	}
}

func TestVisibility(t *testing.T) {
	h := newHome(t)
	k, secret := h.create(keys.NewKey{})
	public := keys.Actor{Kind: keys.Public}
	other := h.root
	other.WorkspaceID = token.NewID("ws")
	one := h.root
	one.Grants = keys.ParseGrants([]string{"keys." + k.KeyspaceID + ".verify"})
	holder, err := h.verifier.Holder(t.Context(), secret, keys.Origin{})
	h.ok(err)
	for _, tt := range []struct {
		name   string
		by     keys.Actor
		secret token.Secret
		want   keys.Outcome
	}{
		{"a root key", h.root, secret, keys.Valid},
		{"a root key for the keyspace", one, secret, keys.Valid},
		{"a root key of another workspace", other, secret, keys.KeyNotFound},
		{"the public", public, secret, keys.KeyNotFound},
		{"the holder", holder, secret, keys.Valid},
		{"a root key about itself", h.root, h.secret, keys.KeyNotFound},
		{"a guess", h.root, token.New("lk_0000000000000000000000000000000000000"), keys.KeyNotFound},
	} {
		v, err := h.verifier.Verify(t.Context(), &tt.by, &keys.VerifyRequest{Secret: tt.secret})
		if err != nil || v.Outcome != tt.want {
			t.Errorf("%s: %v %v, want %v", tt.name, v.Outcome, err, tt.want)
		}
	}
	_, err = h.store.UpdateKeyspace(t.Context(), h.root.WorkspaceID, "default", func(ks *keys.Keyspace) error {
		ks.Policy.VerifyWithoutRootKey = true
		return nil
	}, keys.Event{ID: token.NewID("evt"), WorkspaceID: h.root.WorkspaceID, At: h.clock(), Action: "keyspace.update"})
	h.ok(err)
	if v, err := h.verifier.Verify(t.Context(), &public, &keys.VerifyRequest{Secret: secret}); err != nil || v.Outcome != keys.Valid {
		t.Errorf("the public, where the keyspace allows it: %v %v", v.Outcome, err)
	}
}

func TestExpiryAndOverlapEndOnTime(t *testing.T) {
	h := newHome(t)
	k, old := h.create(keys.NewKey{KeySettings: keys.KeySettings{ExpiresAt: keys.Some(h.clock().Add(time.Hour))}})
	_, fresh, err := h.manager.RotateKey(t.Context(), h.root, k.ID, time.Minute)
	h.ok(err)
	check := func(when string, wantOld, wantFresh keys.Outcome) {
		t.Helper()
		o, f := h.verify(keys.VerifyRequest{Secret: old}).Outcome, h.verify(keys.VerifyRequest{Secret: fresh}).Outcome
		if o != wantOld || f != wantFresh {
			t.Errorf("%s: the old secret is %v and the new one %v, want %v and %v", when, o, f, wantOld, wantFresh)
		}
	}
	check("at once", keys.Valid, keys.Valid)
	h.pass(time.Minute - time.Nanosecond)
	check("just before the overlap ends", keys.Valid, keys.Valid)
	h.pass(time.Nanosecond)
	check("when it ends", keys.KeyNotFound, keys.Valid)
	h.pass(59*time.Minute - time.Nanosecond)
	check("just before the key expires", keys.KeyNotFound, keys.Valid)
	h.pass(time.Nanosecond)
	check("when it expires", keys.KeyNotFound, keys.Expired)
}

func TestVerifyAllocatesNothing(t *testing.T) {
	h := newHome(t)
	_, plain := h.create(keys.NewKey{KeySettings: keys.KeySettings{Permissions: keys.Some([]string{"a.b"})}})
	_, limited := h.create(keys.NewKey{KeySettings: keys.KeySettings{Limits: keys.Some([]ratelimit.Limit{limit("x", 1e12), limit("y", 1e12)})}})
	buf := make([]ratelimit.Decision, 0, 4)
	for _, tt := range []struct {
		name string
		req  keys.VerifyRequest
	}{
		{"plain", keys.VerifyRequest{Secret: plain}},
		{"plain, with a query and a keyspace", keys.VerifyRequest{Secret: plain, Query: query(t, "a.b"), Keyspace: "default"}},
		{"two limits", keys.VerifyRequest{Secret: limited, Buf: buf}},
	} {
		n := testing.AllocsPerRun(1000, func() {
			if v, err := h.verifier.Verify(context.Background(), &h.root, &tt.req); err != nil || v.Outcome != keys.Valid {
				t.Fatal(v.Outcome, err)
			}
		})
		if n != 0 {
			t.Errorf("%s: %v allocations, want none", tt.name, n)
		}
	}
}

func BenchmarkVerify(b *testing.B) {
	h := newHome(b)
	_, plain := h.create(keys.NewKey{})
	_, limited := h.create(keys.NewKey{KeySettings: keys.KeySettings{Limits: keys.Some([]ratelimit.Limit{limit("x", 1e12), limit("y", 1e12)})}})
	h.verifier.Clock = time.Now
	for name, secret := range map[string]token.Secret{"plain": plain, "limits": limited, "unknown": token.New("lk_0000000000000000000000000000000000000")} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			req := keys.VerifyRequest{Secret: secret, Buf: make([]ratelimit.Decision, 0, 4)}
			for b.Loop() {
				if _, err := h.verifier.Verify(context.Background(), &h.root, &req); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// TestCacheIsExact verifies keys from many goroutines while they are changed:
// what a change says holds for every verification that begins after the change
// has returned.
func TestCacheIsExact(t *testing.T) {
	h := newHome(t)
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() { exactOne(t, h, i) })
	}
	wg.Wait()
}

func exactOne(t *testing.T, h *home, n int) {
	ctx := t.Context()
	k, secret, err := h.manager.CreateKey(ctx, h.root, keys.NewKey{KeySettings: keys.KeySettings{Owner: keys.Some(keys.Owner{ExternalID: fmt.Sprint("o", n)})}})
	if err != nil {
		t.Error(err)
		return
	}
	stop := make(chan struct{})
	var readers sync.WaitGroup
	defer readers.Wait()
	defer close(stop)
	for range 3 { // they keep the record in the cache, and race with the changes
		readers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					h.verifier.Verify(ctx, &h.root, &keys.VerifyRequest{Secret: secret})
				}
			}
		})
	}
	want := func(what string, outcome keys.Outcome) {
		v, err := h.verifier.Verify(ctx, &h.root, &keys.VerifyRequest{Secret: secret})
		if err != nil || v.Outcome != outcome {
			t.Errorf("after %s: %v %v, want %v", what, v.Outcome, err, outcome)
		}
	}
	event := func(action string) keys.Event {
		return keys.Event{ID: token.NewID("evt"), WorkspaceID: h.root.WorkspaceID, At: h.clock(), Action: action}
	}
	for range 60 {
		for _, on := range []bool{false, true} {
			_, err := h.manager.UpdateKey(ctx, h.root, k.ID, keys.KeySettings{Enabled: keys.Some(on)}, keys.Match{})
			if err != nil {
				t.Error(err)
				return
			}
			want(fmt.Sprintf("enabled=%t", on), map[bool]keys.Outcome{true: keys.Valid, false: keys.Disabled}[on])
			_, err = h.store.UpdateIdentity(ctx, h.root.WorkspaceID, k.Owner.ID, func(i *keys.Identity) error { i.Enabled = !on; return nil }, event("identity.update"))
			if err != nil {
				t.Error(err)
				return
			}
			want(fmt.Sprintf("owner enabled=%t", !on), map[bool]keys.Outcome{true: keys.OwnerDisabled, false: keys.Disabled}[on])
			if _, err = h.store.UpdateIdentity(ctx, h.root.WorkspaceID, k.Owner.ID, func(i *keys.Identity) error { i.Enabled = true; return nil }, event("identity.update")); err != nil {
				t.Error(err)
				return
			}
		}
	}
	if err := h.manager.DeleteKey(ctx, h.root, k.ID, keys.Match{}); err != nil {
		t.Error(err)
	}
	want("delete", keys.KeyNotFound)
}

// TestGuessesLeaveNothing floods the cache with guesses: none is kept, and
// those that no checksum can have do not reach the store.
func TestGuessesLeaveNothing(t *testing.T) {
	h := newHome(t)
	_, secret := h.create(keys.NewKey{})
	h.verify(keys.VerifyRequest{Secret: secret})
	before := h.verifier.Records.Stats().Records
	for i := range 5000 {
		for _, form := range []string{"lk_%040d", "other_%040d", "%050d"} {
			if v := h.verify(keys.VerifyRequest{Secret: token.New(fmt.Sprintf(form, i))}); v.Outcome != keys.KeyNotFound {
				t.Fatalf("a guess is %v", v.Outcome)
			}
		}
	}
	if after := h.verifier.Records.Stats().Records; after != before {
		t.Errorf("the cache holds %d records after guesses, %d before", after, before)
	}
}

// TestCacheStaysBounded verifies more keys than the cache may hold.
func TestCacheStaysBounded(t *testing.T) {
	h := newHome(t)
	cache, err := keys.NewCache(t.Context(), h.store, 256, 4)
	h.ok(err)
	h.verifier.Records = cache
	var secrets []token.Secret
	for range 1500 {
		_, s := h.create(keys.NewKey{})
		secrets = append(secrets, s)
	}
	for range 2 {
		for _, s := range secrets {
			if v := h.verify(keys.VerifyRequest{Secret: s}); v.Outcome != keys.Valid {
				t.Fatal(v.Outcome)
			}
		}
	}
	if n := cache.Stats().Records; n > 300 {
		t.Errorf("the cache holds %d records, want about 256", n)
	}
}

// BenchmarkVerifyMany verifies many keys in turn, so that each has to be
// fetched from memory.
func BenchmarkVerifyMany(b *testing.B) {
	h := newHome(b)
	cache, err := keys.NewCache(context.Background(), h.store, 100_000, 8)
	h.ok(err)
	h.verifier.Records = cache
	h.verifier.Clock = time.Now
	var reqs []keys.VerifyRequest
	for range 5000 {
		_, s := h.create(keys.NewKey{})
		reqs = append(reqs, keys.VerifyRequest{Secret: s})
		h.verify(reqs[len(reqs)-1])
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if _, err := h.verifier.Verify(context.Background(), &h.root, &reqs[i%len(reqs)]); err != nil {
			b.Fatal(err)
		}
	}
}
