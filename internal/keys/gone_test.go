package keys_test

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"latchkey/internal/keys"
	"latchkey/internal/ratelimit"
	"latchkey/internal/token"
)

// A meddling ledger lets something happen between the look-up of a key and the
// spending of its credits.
type meddling struct {
	keys.Ledger
	before func()
}

func (m *meddling) Use(ctx context.Context, accountID string, c keys.Charge, also func(bool) (bool, error), now time.Time) (keys.Account, keys.Charged, keys.Outcome, error) {
	if before := m.before; before != nil {
		m.before = nil
		before()
	}
	return m.Ledger.Use(ctx, accountID, c, also, now)
}

// TestCreditsGoAfterTheLookUp takes a key, or its credits, away while a call is
// between looking it up and spending: the call is answered as if it had come
// after that, and never for nothing.
func TestCreditsGoAfterTheLookUp(t *testing.T) {
	h := newHome(t)
	ctx := t.Context()
	ledger := &meddling{Ledger: h.store}
	h.verifier.Ledger = ledger
	for _, c := range []struct {
		name string
		do   func(id string) error
		want keys.Outcome
		left []int64 // of the limit
	}{
		{"nothing happens", func(string) error { return nil }, keys.CreditsExhausted, []int64{5}},
		{"the key is deleted", func(id string) error { return h.manager.DeleteKey(ctx, h.root, id, keys.Match{}) }, keys.KeyNotFound, nil},
		{"the credits are taken away", func(id string) error {
			_, err := h.manager.UpdateKey(ctx, h.root, id, keys.KeySettings{Credits: keys.Some[*keys.CreditSettings](nil)}, keys.Match{})
			return err
		}, keys.Valid, []int64{4}},
	} {
		k, secret := h.create(keys.KeySettings{Credits: credits(0), Limits: limits(limit("l", 5))})
		h.outcome(secret) // the record is in the cache
		ledger.before = func() { h.ok(c.do(k.ID)) }
		v := h.verify(keys.VerifyRequest{Secret: secret})
		if got := figuresOf(&v); v.Outcome != c.want || !got.equal(figures{c.left, got.credits}) {
			t.Errorf("%s: %v with %+v left, want %v with %v", c.name, v.Outcome, got, c.want, c.left)
		}
	}
}

// TestPurgedKeyIsNeverFree uses up keys that are deleted when nothing is left of
// them, from many sides at once: no call is accepted beyond what there was.
func TestPurgedKeyIsNeverFree(t *testing.T) {
	h := newHome(t)
	h.policy(func(p *keys.Policy) { p.Purge.UsedUp = true })
	h.verifier.Purge = h.manager.Purge
	for range 10 {
		_, secret := h.create(keys.KeySettings{Credits: credits(40)})
		if n := acceptedAtOnce(h, secret, 16, 10); n != 40 {
			t.Errorf("of 40 credits %d calls were accepted", n)
		}
	}
}

// acceptedAtOnce verifies from many sides, each so many times, and counts the
// calls that are accepted.
func acceptedAtOnce(h *home, secret token.Secret, sides, each int) int64 {
	var accepted atomic.Int64
	var wg sync.WaitGroup
	for range sides {
		wg.Go(func() {
			buf := make([]ratelimit.Decision, 0, 4)
			for range each {
				v, err := h.verifier.Verify(context.Background(), &h.root, &keys.VerifyRequest{Secret: secret, Buf: buf})
				if err != nil {
					h.Error(err)
				} else if v.Outcome == keys.Valid {
					accepted.Add(1)
				}
			}
		})
	}
	wg.Wait()
	return accepted.Load()
}

// TestDeletedWhileSpending deletes keys, and a keyspace with all its keys, while
// they are spent from and changed: what was accepted is within what was given,
// and nothing is accepted after.
func TestDeletedWhileSpending(t *testing.T) {
	h := newHome(t)
	ctx := context.Background()
	for n := range 12 {
		slug := "api" + itoa(n)
		_, err := h.manager.CreateKeyspace(ctx, h.root, keys.Keyspace{Slug: slug, Policy: keys.DefaultPolicy()})
		h.ok(err)
		k, secret, err := h.manager.CreateKey(ctx, h.root, keys.NewKey{Keyspace: slug, KeySettings: keys.KeySettings{Credits: credits(60)}})
		h.ok(err)
		var wg sync.WaitGroup
		var accepted, gifts atomic.Int64
		wg.Go(func() { accepted.Store(acceptedAtOnce(h, secret, 12, 12)) })
		wg.Go(func() {
			for {
				_, err := h.manager.ChangeCredits(ctx, h.root, k.ID, keys.CreditIncrement, 1)
				if keys.Is(err, keys.NotFound) {
					return
				} else if err != nil {
					h.Error(err)
					return
				}
				gifts.Add(1)
			}
		})
		wg.Go(func() {
			for m := int64(1); ; m++ {
				_, err := h.manager.UpdateKey(ctx, h.root, k.ID, keys.KeySettings{Credits: keys.Some(&keys.CreditSettings{Refill: keys.Some(&keys.RefillSettings{
					Amount: keys.Some(m), Every: keys.Some(keys.Rhythm{Every: keys.Daily}), Mode: keys.Some(keys.RefillAdd)})})}, keys.Match{})
				if keys.Is(err, keys.NotFound) {
					return
				} else if err != nil {
					h.Error(err)
					return
				}
			}
		})
		for gifts.Load() < int64(n) { // let them begin
			runtime.Gosched()
		}
		if n%2 == 0 {
			err = h.manager.DeleteKey(ctx, h.root, k.ID, keys.Match{})
		} else {
			err = h.manager.DeleteKeyspace(ctx, h.root, slug, keys.Match{})
		}
		h.ok(err)
		if got := h.outcome(secret); got != keys.KeyNotFound {
			t.Errorf("after it was deleted, the key is %v", got)
		}
		wg.Wait()
		if most := 60 + gifts.Load(); accepted.Load() > most {
			t.Errorf("round %d: %d calls were accepted, of %d credits", n, accepted.Load(), most)
		}
	}
}

// TestBudgetGoesAfterTheLookUp is the same for a key with a budget alone.
func TestBudgetGoesAfterTheLookUp(t *testing.T) {
	h := newHome(t)
	ledger := &meddling{Ledger: h.store}
	h.verifier.Ledger = ledger
	budget := keys.Some(&keys.BudgetSettings{Limit: keys.Some[int64](0)})
	for name, c := range map[string]struct {
		do   func(id string) error
		want keys.Outcome
	}{
		"nothing happens":    {func(string) error { return nil }, keys.BudgetExhausted},
		"the key is deleted": {func(id string) error { return h.manager.DeleteKey(t.Context(), h.root, id, keys.Match{}) }, keys.KeyNotFound},
		"the budget is taken away": {func(id string) error {
			_, err := h.manager.UpdateKey(t.Context(), h.root, id, keys.KeySettings{Budget: keys.Some[*keys.BudgetSettings](nil)}, keys.Match{})
			return err
		}, keys.Valid},
	} {
		k, secret := h.create(keys.KeySettings{Budget: budget})
		h.outcome(secret) // the record is in the cache
		ledger.before = func() { h.ok(c.do(k.ID)) }
		if got := h.outcome(secret); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}
