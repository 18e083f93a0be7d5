package keys_test

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"latchkey/internal/keys"
	"latchkey/internal/ratelimit"
	"latchkey/internal/token"
)

// atOnce is a limit of so many uses at the same time.
func atOnce(name string, most int64) ratelimit.Limit {
	return ratelimit.Limit{Name: name, Max: most, Concurrent: true, Auto: true}
}

// left tells what is left of the limits, in their order.
func left(v *keys.Verification) []int64 { return figuresOf(v).limits }

func (h *home) release(by keys.Actor, id string) error {
	return h.verifier.Release(context.Background(), &by, id)
}

func TestLeases(t *testing.T) {
	h := newHome(t)
	_, err := h.manager.CreateIdentity(t.Context(), h.root, keys.Identity{ExternalID: "o", Kind: keys.Customer, Enabled: true,
		Limits: []ratelimit.Limit{atOnce("shared", 3), atOnce("own", 1)}})
	h.ok(err)
	_, secret := h.create(keys.KeySettings{Owner: owner("o"), Credits: credits(3), Limits: limits(limit("calls", 4), atOnce("own", 2))})
	use := func(what string, req keys.VerifyRequest, want keys.Outcome, leases string, figures ...int64) keys.Verification {
		t.Helper()
		req.Secret = secret
		v := h.verify(req)
		var names []string
		for _, l := range v.Leases {
			names = append(names, l.Counter.Name)
			if !token.ValidID("lease", l.ID) {
				t.Errorf("%s: the id of a lease is %s", what, l.ID)
			}
		}
		if v.Outcome != want || strings.Join(names, " ") != leases || !(keysFigures(left(&v)).is(figures)) {
			t.Errorf("%s: %v with leases %q and %v left; want %v with %q and %v", what, v.Outcome, names, left(&v), want, leases, figures)
		}
		return v
	}
	free := func(name string) keys.VerifyRequest {
		return keys.VerifyRequest{Limits: []keys.LimitRequest{{Name: name, Cost: 0}}}
	}

	first := use("the first", keys.VerifyRequest{LeaseTTL: 10 * time.Second}, keys.Valid, "own shared", 3, 1, 2)
	if got := first.Leases[0].ExpiresAt; !got.Equal(h.clock().Add(10 * time.Second)) {
		t.Errorf("it expires at %v", got)
	}
	second := use("the second", keys.VerifyRequest{}, keys.Valid, "own shared", 2, 0, 1)
	if got := second.Leases[1].ExpiresAt; !got.Equal(h.clock().Add(keys.DefaultLease)) {
		t.Errorf("it expires at %v", got)
	}
	use("the third", keys.VerifyRequest{}, keys.RateLimited, "", 2, 0, 1)
	use("a look", free("own"), keys.Valid, "shared", 1, 0, 0)
	use("when the owner's are held", free("own"), keys.RateLimited, "", 1, 0, 0)
	h.pass(10*time.Second - time.Millisecond)
	use("just before the first expires", keys.VerifyRequest{}, keys.RateLimited, "", 1, 0, 0)
	h.pass(time.Millisecond)
	use("when it has, without credits", keys.VerifyRequest{}, keys.CreditsExhausted, "", 1, 1, 1)
	none := int64(0)
	third := use("nothing was held by what was refused", keys.VerifyRequest{Cost: &none}, keys.Valid, "own shared", 0, 0, 0)
	use("when the calls are used up", keys.VerifyRequest{Cost: &none}, keys.RateLimited, "", 0, 0, 0)

	h.refused("a first one that has expired", h.release(h.root, first.Leases[0].ID), keys.NotFound)
	h.refused("one that never was", h.release(h.root, "lease_0"), keys.NotFound)
	h.ok(h.release(h.root, third.Leases[0].ID))
	h.refused("one that was released", h.release(h.root, third.Leases[0].ID), keys.NotFound)
	use("of which one place is free", keys.VerifyRequest{Cost: &none, Limits: []keys.LimitRequest{{Name: "calls"}, {Name: "own"}, {Name: "shared"}}}, keys.Valid, "", 0, 1, 0)
	h.pass(keys.DefaultLease)
	use("when all have expired", keys.VerifyRequest{Cost: &none, Limits: []keys.LimitRequest{{Name: "calls"}}}, keys.Valid, "own shared", 0, 1, 2)

	for what, req := range map[string]keys.VerifyRequest{
		"limits/0/cost": {Secret: secret, Limits: []keys.LimitRequest{{Name: "own", Cost: 2}}},
	} {
		if _, err := h.verifier.Verify(t.Context(), &h.root, &req); len(fields(err)) != 1 || fields(err)[0] != what {
			t.Errorf("%v, want a fault in %s", err, what)
		}
	}
	for _, ttl := range []time.Duration{1, time.Second - 1, time.Hour + 1, -time.Second} {
		req := keys.VerifyRequest{Secret: secret, LeaseTTL: ttl}
		if got := fields(req.Validate()); len(got) != 1 || got[0] != "lease_ttl" {
			t.Errorf("a lease of %v: faults in %q", ttl, got)
		}
	}
}

// keysFigures are what is left of limits.
type keysFigures []int64

func (f keysFigures) is(want []int64) bool {
	return figures{limits: f}.equal(figures{limits: want})
}

// TestWhatHoldsNothing asks in ways that take nothing.
func TestWhatHoldsNothing(t *testing.T) {
	h := newHome(t)
	k, secret := h.create(keys.KeySettings{Limits: limits(atOnce("own", 1))})
	if v := h.verify(keys.VerifyRequest{Secret: secret, Mode: keys.Inspection}); v.Outcome != keys.Valid || v.Leases != nil {
		t.Errorf("an inspection: %v, %v", v.Outcome, v.Leases)
	}
	if v := h.verify(keys.VerifyRequest{Secret: secret, Query: query(t, "none")}); v.Outcome != keys.InsufficientPermissions || v.Leases != nil || left(&v)[0] != 1 {
		t.Errorf("a use that is refused before: %v, %v, %v left", v.Outcome, v.Leases, left(&v))
	}
	holder, err := h.verifier.Holder(t.Context(), secret, keys.Origin{})
	h.ok(err)
	if v, err := h.verifier.Figures(t.Context(), holder.Record); err != nil || left(&v)[0] != 1 {
		t.Errorf("its figures: %v, %v", v.Limits, err)
	}
	h.verify(keys.VerifyRequest{Secret: secret})
	if got := h.outcome(secret); got != keys.RateLimited {
		t.Errorf("the second use is %v", got)
	}
	off := atOnce("own", 1)
	off.Disabled = true
	h.update(k.ID, keys.KeySettings{Limits: limits(off)})
	if v := h.verify(keys.VerifyRequest{Secret: secret}); v.Outcome != keys.Valid || v.Leases != nil {
		t.Errorf("under a limit that is off: %v, %v", v.Outcome, v.Leases)
	}
	_, _, err = h.manager.CreateRootKey(t.Context(), h.root, keys.KeySettings{Limits: limits(limit("a", 1), atOnce("own", 1))})
	if got := fields(err); len(got) != 1 || got[0] != "limits/1/concurrent" {
		t.Errorf("a root key with a concurrency limit: faults in %q", got)
	}
}

// TestReleaseIsAuthorized releases by who may not verify the key's keyspace, and
// from elsewhere.
func TestReleaseIsAuthorized(t *testing.T) {
	h := newHome(t)
	acme := h.below("acme")
	_, err := h.manager.CreateKeyspace(t.Context(), h.root, keys.Keyspace{Slug: "api", Policy: keys.DefaultPolicy()})
	h.ok(err)
	_, secret := h.create(keys.KeySettings{Limits: limits(atOnce("own", 5))})
	id := h.verify(keys.VerifyRequest{Secret: secret}).Leases[0].ID
	h.refused("by who may do nothing", h.release(h.granted("keys.*.read"), id), keys.Forbidden)
	h.refused("by who may verify other keys", h.release(h.granted("keys.api.verify"), id), keys.Forbidden)
	h.refused("from another workspace", h.release(acme, id), keys.NotFound)
	h.refused("by the public", h.release(keys.Actor{Kind: keys.Public, WorkspaceID: h.root.WorkspaceID}, id), keys.Forbidden)
	h.ok(h.release(h.granted("keys.default.verify"), id))
}

// TestLeasesUnderLoad never has more at work than the limits of a key and its
// owner allow, and refuses nobody while there is room.
func TestLeasesUnderLoad(t *testing.T) {
	h := newHome(t)
	_, err := h.manager.CreateIdentity(t.Context(), h.root, keys.Identity{ExternalID: "o", Kind: keys.Customer, Enabled: true,
		Limits: []ratelimit.Limit{atOnce("shared", 4)}})
	h.ok(err)
	_, one := h.create(keys.KeySettings{Owner: owner("o"), Limits: limits(atOnce("own", 3))})
	_, two := h.create(keys.KeySettings{Owner: owner("o"), Limits: limits(atOnce("own", 3))})
	var all, passed atomic.Int64
	var each [2]atomic.Int64
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for range 200 {
				v := h.verify(keys.VerifyRequest{Secret: []token.Secret{one, two}[g%2]})
				if v.Outcome != keys.Valid {
					continue
				}
				passed.Add(1)
				if n, m := all.Add(1), each[g%2].Add(1); n > 4 || m > 3 {
					t.Errorf("%d are at work, %d of them by one key", n, m)
				}
				all.Add(-1)
				each[g%2].Add(-1)
				for _, l := range v.Leases {
					if err := h.release(h.root, l.ID); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	wg.Wait()
	if passed.Load() < 200 {
		t.Errorf("%d passed, want 200 at least", passed.Load())
	}
	if v := h.verify(keys.VerifyRequest{Secret: one}); v.Outcome != keys.Valid || left(&v)[0] != 2 || left(&v)[1] != 3 {
		t.Errorf("at the end: %v with %v left", v.Outcome, left(&v))
	}
}

// TestMostInline names more limits of requests' own than a key may have.
func TestMostInline(t *testing.T) {
	h := newHome(t)
	_, secret := h.create(keys.KeySettings{Limits: limits(limit("own", 1000))})
	_, another := h.create(keys.KeySettings{})
	ask := func(secret token.Secret, name string, cost int64) (keys.Verification, error) {
		l := limit(name, 2)
		req := keys.VerifyRequest{Secret: secret, Limits: []keys.LimitRequest{{Name: name, Cost: cost, Max: l.Max, Window: l.Window, Algorithm: l.Algorithm}}}
		return h.verifier.Verify(t.Context(), &h.root, &req)
	}
	for i := range keys.MaxInline {
		v, err := ask(secret, "inline "+itoa(i), 1)
		if err != nil || v.Outcome != keys.Valid {
			t.Fatalf("the %dth: %v, %v", i, v.Outcome, err)
		}
	}
	_, err := ask(secret, "one more", 1)
	h.refused("one more", err, keys.Conflict)
	for _, c := range []struct {
		name   string
		secret token.Secret
		cost   int64
		want   keys.Outcome
	}{{"one more", secret, 0, keys.Valid}, {"inline 7", secret, 1, keys.Valid}, {"inline 7", secret, 1, keys.RateLimited}, {"one more", another, 1, keys.Valid}} {
		if v, err := ask(c.secret, c.name, c.cost); err != nil || v.Outcome != c.want {
			t.Errorf("%s: %v, %v; want %v", c.name, v.Outcome, err, c.want)
		}
	}
	if v := h.verify(keys.VerifyRequest{Secret: secret}); left(&v)[0] != 1000-keys.MaxInline-3 {
		t.Errorf("%d are left of the key's own limit: what was refused has taken from it", left(&v)[0])
	}
	h.pass(2 * time.Hour)
	if v, err := ask(secret, "one more", 1); err != nil || v.Outcome != keys.Valid {
		t.Errorf("when the windows have passed: %v, %v", v.Outcome, err)
	}

}

// TestRefusedUsesCountNothing names new limits in uses that the credits refuse.
func TestRefusedUsesCountNothing(t *testing.T) {
	h := newHome(t)
	_, secret := h.create(keys.KeySettings{Credits: credits(0)})
	for i := range keys.MaxInline + 1 {
		l := limit("inline "+itoa(i), 2)
		v := h.verify(keys.VerifyRequest{Secret: secret, Limits: []keys.LimitRequest{{Name: l.Name, Cost: 1, Max: l.Max, Window: l.Window}}})
		if v.Outcome != keys.CreditsExhausted || left(&v)[0] != 2 {
			t.Fatalf("the %dth: %v with %v left", i, v.Outcome, left(&v))
		}
	}
}

// TestReleaseAfterItsKeyIsGone deletes a key while it holds places.
func TestReleaseAfterItsKeyIsGone(t *testing.T) {
	h := newHome(t)
	acme := h.below("acme")
	k, secret := h.create(keys.KeySettings{Limits: limits(atOnce("own", 5))})
	id := h.verify(keys.VerifyRequest{Secret: secret}).Leases[0].ID
	h.ok(h.manager.DeleteKey(t.Context(), h.root, k.ID, keys.Match{}))
	h.refused("from another workspace", h.release(acme, id), keys.NotFound)
	var wg sync.WaitGroup
	var released atomic.Int64
	for range 8 {
		wg.Go(func() {
			if err := h.release(h.root, id); err == nil {
				released.Add(1)
			} else if !keys.Is(err, keys.NotFound) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := released.Load(); n != 1 {
		t.Errorf("it was released %d times", n)
	}
}
