package keys_test

import (
	"slices"
	"sync"
	"testing"
	"time"

	"latchkey/internal/keys"
	"latchkey/internal/ratelimit"
	"latchkey/internal/token"
)

// TestClamp lets a cost that is above the balance take what is left, and no
// more, whoever else takes at the same time.
func TestClamp(t *testing.T) {
	h := newHome(t)
	_, secret := h.create(keys.KeySettings{Credits: credits(10)})
	ask := func(cost int64, clamp bool) keys.Verification {
		return h.verify(keys.VerifyRequest{Secret: secret, Cost: &cost, Clamp: clamp})
	}
	for _, c := range []struct {
		cost  int64
		clamp bool
		want  keys.Outcome
		left  int64
	}{
		{4, true, keys.Valid, 6},
		{7, false, keys.CreditsExhausted, 6},
		{0, true, keys.Valid, 6},
		{7, true, keys.Valid, 0},
		{7, true, keys.CreditsExhausted, 0},
		{0, true, keys.Valid, 0},
	} {
		if v := ask(c.cost, c.clamp); v.Outcome != c.want || v.Credits.Remaining != c.left {
			t.Errorf("cost %d, clamp %v: %s with %d left, want %s with %d", c.cost, c.clamp, v.Outcome, v.Credits.Remaining, c.want, c.left)
		}
	}
}

func TestClampConcurrently(t *testing.T) {
	h := newHome(t)
	_, secret := h.create(keys.KeySettings{Credits: credits(100)})
	cost := int64(7)
	var mu sync.Mutex
	valid := 0
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			v, err := h.verifier.Verify(t.Context(), &h.root, &keys.VerifyRequest{Secret: secret, Cost: &cost, Clamp: true})
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				t.Error(err)
			}
			if v.Outcome == keys.Valid {
				valid++
			}
		})
	}
	wg.Wait()
	if valid != 15 { // 14 times 7, and the 2 that are left
		t.Errorf("%d calls were accepted, want 15", valid)
	}
}

// TestLimitIfAny names a limit that keys may have or not.
func TestLimitIfAny(t *testing.T) {
	h := newHome(t)
	_, with := h.create(keys.KeySettings{Limits: keys.Some([]ratelimit.Limit{limit("l", 3)})})
	_, without := h.create(keys.KeySettings{})
	named := []keys.LimitRequest{{Name: "l", Cost: 2, IfAny: true}}
	if v := h.verify(keys.VerifyRequest{Secret: with, Limits: named}); v.Outcome != keys.Valid || v.Limits[0].Remaining != 1 {
		t.Errorf("a key that has it: %s %+v", v.Outcome, v.Limits)
	}
	if v := h.verify(keys.VerifyRequest{Secret: without, Limits: named}); v.Outcome != keys.Valid || len(v.Limits) != 0 {
		t.Errorf("a key that has it not: %s %+v", v.Outcome, v.Limits)
	}
	named[0].IfAny = false
	if _, err := h.verifier.Verify(t.Context(), &h.root, &keys.VerifyRequest{Secret: without, Limits: named}); !keys.Is(err, keys.Invalid) {
		t.Errorf("where it must be there: %v", err)
	}
}

// TestRefusedCaller shows what is told of a caller's key that was not taken.
func TestRefusedCaller(t *testing.T) {
	h := newHome(t)
	_, ordinary := h.create(keys.KeySettings{})
	root, secret, err := h.manager.CreateRootKey(t.Context(), h.root, keys.KeySettings{})
	h.ok(err)
	refused := func(s token.Secret) keys.Outcome {
		t.Helper()
		_, err := h.verifier.Authenticate(t.Context(), s, "", keys.Origin{})
		if !keys.Is(err, keys.Unauthenticated) {
			t.Fatalf("the caller is taken: %v", err)
		}
		return keys.AsError(err).Refused
	}
	change := func(s keys.KeySettings) {
		t.Helper()
		_, err := h.manager.UpdateRootKey(t.Context(), h.root, root.ID, s, keys.Match{})
		h.ok(err)
	}
	got := []keys.Outcome{refused(token.Secret{}), refused(token.New("nobody")), refused(ordinary)}
	change(keys.KeySettings{ExpiresAt: keys.Some(h.clock().Add(time.Minute))})
	h.pass(time.Minute)
	got = append(got, refused(secret))
	change(keys.KeySettings{Enabled: keys.Some(false)})
	got = append(got, refused(secret))
	if want := []keys.Outcome{keys.Valid, keys.KeyNotFound, keys.Valid, keys.Expired, keys.Disabled}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// TestMergeLimits changes some of a key's limits by what they are at the moment
// of the change.
func TestMergeLimits(t *testing.T) {
	h := newHome(t)
	k, _ := h.create(keys.KeySettings{Limits: keys.Some([]ratelimit.Limit{limit("a", 1), limit("b", 2)})})
	k, err := h.manager.UpdateKey(t.Context(), h.root, k.ID, keys.KeySettings{
		Limits: keys.Some([]ratelimit.Limit{limit("c", 3)}),
		MergeLimits: func(present, limits []ratelimit.Limit) []ratelimit.Limit {
			return append(slices.Clone(limits), present[1:]...)
		},
	}, keys.Match{})
	h.ok(err)
	if want := []ratelimit.Limit{limit("c", 3), limit("b", 2)}; !slices.Equal(k.Limits, want) {
		t.Errorf("got %+v, want %+v", k.Limits, want)
	}
}
