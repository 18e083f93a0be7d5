package keys_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"latchkey/internal/keys"
	"latchkey/internal/token"
)

// A watched store tells what the cache reads from a real one.
type watched struct {
	keys.Store

	reads, now, most atomic.Int64
	pause            func() // after a reading, before it is handed on; nil: none
}

func (s *watched) FactsByHash(ctx context.Context, hash token.Hash, now time.Time) (*keys.Facts, error) {
	s.reads.Add(1)
	n := s.now.Add(1)
	defer s.now.Add(-1)
	for old := s.most.Load(); n > old && !s.most.CompareAndSwap(old, n); old = s.most.Load() {
	}
	rec, err := s.Store.FactsByHash(ctx, hash, now)
	if s.pause != nil {
		s.pause()
	}
	return rec, err
}

// watch gives h's verifier a cache of a size over a watched store.
func watch(h *home, size, loads int) *watched {
	h.Helper()
	s := &watched{Store: h.store}
	cache, err := keys.NewCache(context.Background(), s, size, loads)
	h.ok(err)
	h.verifier.Records = cache
	return s
}

func TestExpiryAndOverlapEndOnTime(t *testing.T) {
	h := newHome(t)
	k, old := h.create(keys.KeySettings{ExpiresAt: keys.Some(h.clock().Add(time.Hour))})
	_, fresh, err := h.manager.RotateKey(t.Context(), h.root, k.ID, time.Minute)
	h.ok(err)
	check := func(when string, wantOld, wantFresh keys.Outcome) {
		t.Helper()
		if o, f := h.outcome(old), h.outcome(fresh); o != wantOld || f != wantFresh {
			t.Errorf("%s: the old secret is %v and the new one %v, want %v and %v", when, o, f, wantOld, wantFresh)
		}
	}
	check("at once", keys.Valid, keys.Valid)
	h.pass(time.Minute - time.Nanosecond)
	check("just before the overlap ends", keys.Valid, keys.Valid)
	h.pass(time.Nanosecond)
	check("when it ends", keys.KeyNotFound, keys.Valid)
	h.pass(-time.Nanosecond)
	check("when the clock steps back", keys.Valid, keys.Valid)
	h.pass(time.Nanosecond + 59*time.Minute - time.Nanosecond)
	check("just before the key expires", keys.KeyNotFound, keys.Valid)
	h.pass(time.Nanosecond)
	check("when it expires", keys.KeyNotFound, keys.Expired)
	h.update(k.ID, keys.KeySettings{ExpiresAt: keys.Some(time.Time{})})
	check("when it never expires any more", keys.KeyNotFound, keys.Valid)
}

// TestReadingDuringChange changes a key after it was read and before the cache
// has what was read: that is used once and not again.
func TestReadingDuringChange(t *testing.T) {
	h := newHome(t)
	s := watch(h, 1000, 8)
	k, secret := h.create(keys.KeySettings{Owner: owner("o")})
	for _, change := range []struct {
		name string
		do   func() error
		want keys.Outcome
	}{
		{"the key", func() error {
			_, err := h.manager.UpdateKey(t.Context(), h.root, k.ID, keys.KeySettings{Enabled: keys.Some(false)}, keys.Match{})
			return err
		}, keys.Disabled},
		{"its owner", func() error {
			_, err := h.manager.UpdateIdentity(t.Context(), h.root, "o", func(i *keys.Identity) error { i.Enabled = false; return nil }, keys.Match{})
			return err
		}, keys.OwnerDisabled},
		{"that it is there", func() error { return h.manager.DeleteKey(t.Context(), h.root, k.ID, keys.Match{}) }, keys.KeyNotFound},
	} {
		h.policy(func(p *keys.Policy) { p.SelfList = !p.SelfList }) // nothing is cached
		before := h.outcome(secret)
		h.policy(func(p *keys.Policy) { p.SelfList = !p.SelfList })
		s.pause = func() { s.pause = nil; h.ok(change.do()) }
		if o := h.outcome(secret); o != before {
			t.Errorf("%s changes after it was read, and the reading says %v, want %v", change.name, o, before)
		}
		if o := h.outcome(secret); o != change.want {
			t.Errorf("%s has changed while it was read, and verifications go on saying %v, want %v", change.name, o, change.want)
		}
	}
}

// TestGuessesLeaveNothing floods the cache with guesses of every kind: none is
// kept, and those that no checksum can have do not reach the store.
func TestGuessesLeaveNothing(t *testing.T) {
	h := newHome(t)
	s := watch(h, 1000, 8)
	_, secret := h.create(keys.KeySettings{})
	h.outcome(secret)
	before := h.verifier.Records.Stats()
	for _, kind := range []struct {
		form    string
		reaches bool
	}{{"lk_%040d", false}, {"lk_root_%040d", false}, {"lk_%d", false}, {"other_%040d", true}, {"%050d", true}} {
		s.reads.Store(0)
		for i := range 500 {
			if o := h.outcome(token.New(fmt.Sprintf(kind.form, i))); o != keys.KeyNotFound {
				t.Fatalf("a guess is %v", o)
			}
		}
		if n := s.reads.Load(); n > 0 != kind.reaches {
			t.Errorf("500 guesses of the form %s read the store %d times", kind.form, n)
		}
	}
	after := h.verifier.Records.Stats()
	if after.Records != before.Records || after.Hits != before.Hits || after.Misses != before.Misses+2500 {
		t.Errorf("after guesses: %+v, before: %+v", after, before)
	}
}

// TestPrefixes adds a secret without checksum under a prefix whose secrets all
// had one: it is found at once, by this cache and by one that begins later.
func TestPrefixes(t *testing.T) {
	h := newHome(t)
	s := watch(h, 1000, 8)
	guess := func() int64 {
		s.reads.Store(0)
		h.outcome(token.New(fmt.Sprintf("lk_%040d", 7)))
		return s.reads.Load()
	}
	_, secret := h.create(keys.KeySettings{})
	if n := guess(); n != 0 {
		t.Errorf("a guess reads the store %d times", n)
	}
	_, imported, err := h.manager.CreateKey(t.Context(), h.root, keys.NewKey{Form: token.Form{Prefix: "lk_", Format: token.Base62, Length: 30}})
	h.ok(err)
	for range 2 {
		if o := h.outcome(imported); o != keys.Valid {
			t.Errorf("a secret without checksum is %v", o)
		}
		if o := h.outcome(secret); o != keys.Valid {
			t.Errorf("a secret with checksum is %v", o)
		}
		if n := guess(); n != 1 {
			t.Errorf("a guess under a prefix with such secrets reads the store %d times, want 1", n)
		}
		h.create(keys.KeySettings{}) // another one with a checksum changes nothing
		s = watch(h, 1000, 8)
	}
}

// TestMixedPrefix adds a secret with a checksum under a prefix whose secrets
// had none: those are still found.
func TestMixedPrefix(t *testing.T) {
	h := newHome(t)
	_, imported, err := h.manager.CreateKey(t.Context(), h.root, keys.NewKey{Form: token.Form{Prefix: "mix_", Format: token.Hex, Length: 64}})
	h.ok(err)
	_, minted, err := h.manager.CreateKey(t.Context(), h.root, keys.NewKey{Form: token.Form{Prefix: "mix", Format: token.Latchkey, Length: 30}})
	h.ok(err)
	for range 2 {
		if a, b := h.outcome(imported), h.outcome(minted); a != keys.Valid || b != keys.Valid {
			t.Errorf("the secret without checksum is %v, the one with %v", a, b)
		}
		watch(h, 1000, 8)
	}
}

// TestLoadsAreBounded looks for keys that are not cached from many goroutines.
func TestLoadsAreBounded(t *testing.T) {
	h := newHome(t)
	const loads, callers = 3, 12
	s := watch(h, 1000, loads)
	full := make(chan struct{}, callers)
	let := make(chan struct{})
	s.pause = func() { full <- struct{}{}; <-let }
	var wg sync.WaitGroup
	for i := range callers {
		wg.Go(func() {
			_, err := h.verifier.Verify(context.Background(), &h.root, &keys.VerifyRequest{Secret: token.New(fmt.Sprintf("guess_%040d", i))})
			if err != nil {
				t.Error(err)
			}
		})
	}
	for range loads {
		<-full
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := h.verifier.Verify(ctx, &h.root, &keys.VerifyRequest{Secret: token.New("guess_")})
	h.refused("a caller who gives up while all slots are taken", err, keys.Unavailable)
	if n := s.reads.Load(); n != loads {
		t.Errorf("%d look-ups are under way, want %d", n, loads)
	}
	close(let)
	wg.Wait()
	if n := s.most.Load(); n != loads {
		t.Errorf("%d look-ups at once, want %d", n, loads)
	}
	if n := s.reads.Load(); n != callers {
		t.Errorf("%d look-ups in all, want %d", n, callers)
	}
}

// TestGenerations verifies more keys than the cache may hold, and one of them
// all the time: that one is read once, and memory stays bounded.
func TestGenerations(t *testing.T) {
	h := newHome(t)
	const size = 256
	s := watch(h, size, 4)
	_, hot := h.create(keys.KeySettings{})
	cold := h.createMany(2 * size)
	h.outcome(hot)
	s.reads.Store(0)
	for i, secret := range cold {
		if o := h.outcome(secret); o != keys.Valid {
			t.Fatalf("key %d is %v", i, o)
		}
		h.outcome(hot)
	}
	if n := s.reads.Load(); n != 2*size {
		t.Errorf("%d readings of %d cold keys and a hot one, which had been read before", n, 2*size)
	}
	if n := h.verifier.Records.Stats().Records; n > size || n < size/4 {
		t.Errorf("the cache holds %d records, want at most %d", n, size)
	}
	s.reads.Store(0)
	for _, secret := range cold[len(cold)-size/8:] {
		h.outcome(secret)
	}
	if n := s.reads.Load(); n > size/16 {
		t.Errorf("of the last %d keys %d are read again", size/8, n)
	}
}

// TestDeletedSecretsCostAReading verifies the secret of a key that is gone: it
// is asked for in the store, and takes no other place than it had.
func TestDeletedSecretsCostAReading(t *testing.T) {
	h := newHome(t)
	k, secret := h.create(keys.KeySettings{})
	h.outcome(secret)
	before := h.verifier.Records.Stats().Records
	h.ok(h.manager.DeleteKey(t.Context(), h.root, k.ID, keys.Match{}))
	for range 3 {
		if o := h.outcome(secret); o != keys.KeyNotFound {
			t.Errorf("the secret of a deleted key is %v", o)
		}
	}
	if n := h.verifier.Records.Stats().Records; n > before {
		t.Errorf("%d records, %d before", n, before)
	}
}

// TestWorkspacesAreExact acts in a workspace that comes, goes and comes again.
func TestWorkspacesAreExact(t *testing.T) {
	h := newHome(t)
	for range 3 {
		_, err := h.verifier.Authenticate(t.Context(), h.secret, "acme", keys.Origin{})
		h.refused("a workspace that is not there", err, keys.NotFound)
		ws, err := h.manager.CreateWorkspace(t.Context(), h.root, keys.Workspace{Slug: "acme", Enabled: true})
		h.ok(err)
		for _, ref := range []string{ws.ID, ws.Path, ws.UUID, ws.Slug} {
			for range 2 {
				if by := h.actor(h.secret, ref); by.WorkspaceID != ws.ID || by.Path != "default.acme" {
					t.Errorf("by %s: %s %s, want %s", ref, by.WorkspaceID, by.Path, ws.ID)
				}
			}
		}
		h.ok(h.manager.DeleteWorkspace(t.Context(), h.root, ws.ID, keys.Match{}))
		_, err = h.verifier.Authenticate(t.Context(), h.secret, ws.ID, keys.Origin{})
		h.refused("a workspace that is gone", err, keys.NotFound)
	}
}
