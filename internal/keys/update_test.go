package keys_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"latchkey/internal/keys"
	"latchkey/internal/token"
)

func TestRotate(t *testing.T) {
	h := newHome(t)
	ctx := t.Context()
	k, first := h.create(keys.KeySettings{})
	rotate := func(overlap time.Duration) (keys.Key, token.Secret) {
		t.Helper()
		k, secret, err := h.manager.RotateKey(ctx, h.root, k.ID, overlap)
		h.ok(err)
		return k, secret
	}
	ends := func(k keys.Key) (out []time.Duration) { // from now; 0: never
		for _, s := range k.Secrets {
			if s.ExpiresAt.IsZero() {
				out = append(out, 0)
			} else {
				out = append(out, s.ExpiresAt.Sub(h.clock()))
			}
		}
		return out
	}

	// 1. Old secrets work until the overlap ends, and no longer than they would
	// have before.
	got, second := rotate(time.Hour)
	if got.ID != k.ID || got.Version != k.Version+1 || !slices.Equal(ends(got), []time.Duration{time.Hour, 0}) {
		t.Errorf("after the first rotation: %+v", got)
	}
	h.pass(10 * time.Minute)
	got, third := rotate(2 * time.Hour)
	if want := []time.Duration{50 * time.Minute, 2 * time.Hour, 0}; !slices.Equal(ends(got), want) {
		t.Errorf("after the second rotation secrets end in %v, want %v", ends(got), want)
	}
	got, fourth := rotate(30 * time.Minute)
	if want := []time.Duration{30 * time.Minute, 30 * time.Minute, 30 * time.Minute, 0}; !slices.Equal(ends(got), want) {
		t.Errorf("after the third rotation secrets end in %v, want %v", ends(got), want)
	}
	for i, s := range []token.Secret{first, second, third, fourth} {
		if o := h.outcome(s); o != keys.Valid {
			t.Errorf("secret %d is %v", i, o)
		}
	}

	// 2. Without an overlap they end at once, and are gone.
	got, fifth := rotate(0)
	if !slices.Equal(ends(got), []time.Duration{0}) {
		t.Errorf("after a rotation without overlap secrets end in %v", ends(got))
	}
	for i, s := range []token.Secret{first, second, third, fourth} {
		if o := h.outcome(s); o != keys.KeyNotFound {
			t.Errorf("secret %d, which has ended, is %v", i, o)
		}
	}

	// 3. An overlap never goes beyond the key's own end.
	h.update(k.ID, keys.KeySettings{ExpiresAt: keys.Some(h.clock().Add(time.Minute))})
	if got, _ = rotate(time.Hour); !slices.Equal(ends(got), []time.Duration{time.Minute, 0}) {
		t.Errorf("a key that ends in a minute has secrets that end in %v", ends(got))
	}
	h.update(k.ID, keys.KeySettings{ExpiresAt: keys.Some(h.clock().Add(time.Hour)), Enabled: keys.Some(false)})
	h.pass(time.Minute)
	if o := h.outcome(fifth); o != keys.KeyNotFound {
		t.Errorf("a secret that was to end with the key is %v when the key lives longer", o)
	}
	if got, _ = rotate(time.Minute); len(got.Secrets) != 2 { // a disabled key, and one secret that has ended
		t.Errorf("a disabled key rotates to %v", ends(got))
	}

	// 4. What cannot be.
	h.pass(time.Hour)
	_, _, err := h.manager.RotateKey(ctx, h.root, k.ID, 0)
	h.refused("a key that has expired", err, keys.Conflict)
	for _, overlap := range []time.Duration{-1, keys.MaxOverlap + 1} {
		_, secret, err := h.manager.RotateKey(ctx, h.root, k.ID, overlap)
		if f := fields(err); !slices.Equal(f, []string{"overlap"}) || !secret.IsZero() {
			t.Errorf("an overlap of %v: %v", overlap, err)
		}
	}
	_, _, err = h.manager.RotateKey(ctx, h.granted("keys.*.update"), k.ID, 0)
	h.refused("without the grant", err, keys.Forbidden)
	_, _, err = h.manager.RotateKey(ctx, h.root, "key_0", 0)
	h.refused("a key that is not there", err, keys.NotFound)
	_, _, err = h.manager.RotateKey(ctx, h.root, h.root.ID, 0)
	h.refused("a root key as an ordinary one", err, keys.NotFound)
}

// TestManySecrets rotates a key until it has as many secrets as it may.
func TestManySecrets(t *testing.T) {
	h := newHome(t)
	k, _ := h.create(keys.KeySettings{})
	for n := 2; n <= keys.MaxSecrets+2; n++ {
		_, _, err := h.manager.RotateKey(t.Context(), h.root, k.ID, keys.MaxOverlap)
		if n <= keys.MaxSecrets {
			h.ok(err)
			continue
		}
		h.refused("one secret too many", err, keys.Conflict)
	}
	if k, _, err := h.manager.RotateKey(t.Context(), h.root, k.ID, 0); err != nil || len(k.Secrets) != 1 {
		t.Errorf("a rotation that ends them all at once: %d secrets, %v", len(k.Secrets), err)
	}
	_, _, err := h.manager.RotateKey(t.Context(), h.root, k.ID, keys.MaxOverlap)
	h.ok(err)
	h.pass(keys.MaxOverlap)
	k, _, err = h.manager.RotateKey(t.Context(), h.root, k.ID, time.Hour)
	if err != nil || len(k.Secrets) != 2 {
		t.Errorf("when they have ended: %d secrets, %v", len(k.Secrets), err)
	}
}

// TestRotationKeepsTheForm rotates a key after its keyspace has another form,
// and no hint any more.
func TestRotationKeepsTheForm(t *testing.T) {
	h := newHome(t)
	k, secret := h.create(keys.KeySettings{})
	if s := k.Newest(); s.Start != secret.Reveal()[:7] || s.End != secret.Reveal()[35:] {
		t.Errorf("the hint of the first secret is %s", s.Hint())
	}
	h.policy(func(p *keys.Policy) {
		p.Secret = token.Form{Prefix: "other", Format: token.Hex, Length: 64}
		p.Hint.Store = false
	})
	k, secret, err := h.manager.RotateKey(t.Context(), h.root, k.ID, 0)
	h.ok(err)
	if s := k.Newest(); !strings.HasPrefix(secret.Reveal(), "lk_") || s.Start != "" || s.End != "" {
		t.Errorf("a secret of %d characters with the hint %s", secret.Len(), s.Hint())
	}
}

func TestEndSecret(t *testing.T) {
	h := newHome(t)
	ctx := t.Context()
	k, old := h.create(keys.KeySettings{})
	k, fresh, err := h.manager.RotateKey(ctx, h.root, k.ID, time.Hour)
	h.ok(err)
	oldID, freshID := k.Secrets[0].ID, k.Secrets[1].ID
	stale := keys.Match{Given: true, Versions: []int64{k.Version - 1}}
	h.refused("another version", h.manager.EndSecret(ctx, h.root, k.ID, oldID, stale), keys.Precondition)
	h.refused("without the grant", h.manager.EndSecret(ctx, h.granted("keys.*.update"), k.ID, oldID, keys.Match{}), keys.Forbidden)
	h.refused("another's secret", h.manager.EndSecret(ctx, h.root, k.ID, h.root.Record.SecretID(), keys.Match{}), keys.NotFound)
	h.ok(h.manager.EndSecret(ctx, h.root, k.ID, freshID, keys.Match{}))
	if o, f := h.outcome(old), h.outcome(fresh); o != keys.Valid || f != keys.KeyNotFound {
		t.Errorf("the old secret is %v and the new one %v", o, f)
	}
	h.refused("one that was ended", h.manager.EndSecret(ctx, h.root, k.ID, freshID, keys.Match{}), keys.NotFound)
	h.refused("the last one", h.manager.EndSecret(ctx, h.root, k.ID, oldID, keys.Match{}), keys.Conflict)
	h.pass(time.Hour)
	h.refused("one that has ended", h.manager.EndSecret(ctx, h.root, k.ID, oldID, keys.Match{}), keys.NotFound)
}

// TestMatch changes and deletes a key by its version.
func TestMatch(t *testing.T) {
	h := newHome(t)
	ctx := t.Context()
	k, _ := h.create(keys.KeySettings{})
	name := keys.KeySettings{Name: keys.Some(ptr("x"))}
	for _, m := range []keys.Match{{Given: true}, {Given: true, Versions: []int64{0, k.Version + 1}}} {
		_, err := h.manager.UpdateKey(ctx, h.root, k.ID, name, m)
		h.refused("update", err, keys.Precondition)
		h.refused("delete", h.manager.DeleteKey(ctx, h.root, k.ID, m), keys.Precondition)
	}
	k, err := h.manager.UpdateKey(ctx, h.root, k.ID, name, keys.Match{Given: true, Versions: []int64{7, k.Version}})
	h.ok(err)
	if again, err := h.manager.UpdateKey(ctx, h.root, k.ID, name, keys.Match{Given: true, Any: true}); err != nil || again.Version != k.Version {
		t.Errorf("an update that changes nothing: version %d after %d, %v", again.Version, k.Version, err)
	}
	h.ok(h.manager.DeleteKey(ctx, h.root, k.ID, keys.Match{Given: true, Any: true}))
	h.refused("a key that is gone", h.manager.DeleteKey(ctx, h.root, k.ID, keys.Match{}), keys.NotFound)
	h.refused("a key that is gone, by its version", h.manager.DeleteKey(ctx, h.root, k.ID, keys.Match{Given: true, Any: true}), keys.NotFound)
}

// TestDelta adds permissions and roles to a key, and takes some away.
func TestDelta(t *testing.T) {
	h := newHome(t)
	ctx := t.Context()
	for _, name := range []string{"reader", "writer"} {
		_, err := h.manager.CreateRole(ctx, h.root, keys.Role{Name: name})
		h.ok(err)
	}
	k, _ := h.create(keys.KeySettings{Permissions: keys.Some([]string{"a", "b", "a"}), Roles: keys.Some([]string{"reader"})})
	got, err := h.manager.ChangePermissions(ctx, h.root, k.ID, keys.Delta{Add: []string{"c", "b", "c"}, Remove: []string{"a", "none"}})
	if err != nil || !slices.Equal(got.Permissions, []string{"b", "c"}) {
		t.Errorf("permissions: %q %v", got.Permissions, err)
	}
	got, err = h.manager.ChangeRoles(ctx, h.root, k.ID, keys.Delta{Add: []string{"writer"}, Remove: []string{"reader", "none"}})
	if err != nil || !slices.Equal(got.Roles, []string{"writer"}) {
		t.Errorf("roles: %q %v", got.Roles, err)
	}
	many := make([]string, keys.MaxPermissions)
	for i := range many {
		many[i] = "p" + itoa(i)
	}
	for _, tt := range []struct {
		name  string
		roles bool
		delta keys.Delta
		want  []string
	}{
		{"a permission in both lists", false, keys.Delta{Add: []string{"x", "y"}, Remove: []string{"y"}}, []string{"add/1"}},
		{"a permission with a blank", false, keys.Delta{Add: []string{"x", "y z"}}, []string{"add/1"}},
		{"too many permissions", false, keys.Delta{Add: append([]string{"more"}, many...)}, []string{"add"}},
		{"too many permissions with those that are there", false, keys.Delta{Add: many}, []string{"add"}},
		{"as many permissions as there may be", false, keys.Delta{Add: many, Remove: []string{"b", "c"}}, nil},
		{"a role in both lists", true, keys.Delta{Add: []string{"reader"}, Remove: []string{"reader"}}, []string{"add/0"}},
		{"roles that are not there", true, keys.Delta{Add: []string{"x", "reader", "y"}}, []string{"add/0", "add/2"}},
		{"too many roles", true, keys.Delta{Add: many[:keys.MaxRoles+1]}, []string{"add"}},
	} {
		change := h.manager.ChangePermissions
		if tt.roles {
			change = h.manager.ChangeRoles
		}
		if _, err := change(ctx, h.root, k.ID, tt.delta); !slices.Equal(fields(err), tt.want) {
			t.Errorf("%s: %v, want faults in %q", tt.name, err, tt.want)
		}
	}
	reader := h.granted("keys.*.read")
	_, err = h.manager.ChangePermissions(ctx, reader, k.ID, keys.Delta{})
	h.refused("permissions without the grant", err, keys.Forbidden)
	_, err = h.manager.ChangeRoles(ctx, reader, k.ID, keys.Delta{})
	h.refused("roles without the grant", err, keys.Forbidden)
}

// TestReveal reads the secret of a recoverable key under the installation
// secret that sealed it, the next one, and another.
func TestReveal(t *testing.T) {
	h := newHome(t)
	ctx := t.Context()
	installation := token.New("an installation secret of enough characters")
	next := token.New("the next installation secret of this place")
	vault := func(current token.Secret, previous ...token.Secret) *keys.Vault {
		v, err := keys.NewVault(current, previous...)
		h.ok(err)
		return v
	}
	plain, _ := h.create(keys.KeySettings{})
	_, err := h.manager.Reveal(ctx, h.root, plain.ID)
	h.refused("a key that is not recoverable", err, keys.Conflict)

	h.policy(func(p *keys.Policy) { p.Recoverable = true })
	k, first := h.create(keys.KeySettings{})
	reveals := func(when string, want token.Secret) {
		t.Helper()
		if got, err := h.manager.Reveal(ctx, h.root, k.ID); err != nil || !got.Equal(want) {
			t.Errorf("%s: a secret of %d characters, %v", when, got.Len(), err)
		}
	}
	reveals("at first", first)
	h.manager.Vault = vault(next, installation)
	reveals("with the installation secret before", first)
	_, second, err := h.manager.RotateKey(ctx, h.root, k.ID, time.Hour)
	h.ok(err)
	reveals("the newest", second)
	h.manager.Vault = vault(next)
	reveals("sealed under the present one", second)
	h.manager.Vault = vault(token.New("quite another secret, of quite another place"))
	got, err := h.manager.Reveal(ctx, h.root, k.ID)
	h.refused("with another installation secret", err, keys.Conflict)
	if !got.IsZero() {
		t.Error("a secret comes with an error")
	}

	// What was sealed for one secret opens for no other.
	h.manager.Vault = vault(next)
	_, err = h.store.UpdateKey(ctx, h.root.WorkspaceID, plain.ID, func(p *keys.Key) error {
		sealed, err := h.store.Key(ctx, h.root.WorkspaceID, k.ID)
		p.Newest().Sealed, p.Newest().SealedBy = sealed.Newest().Sealed, sealed.Newest().SealedBy
		return err
	}, keys.Event{ID: token.NewID("evt"), WorkspaceID: h.root.WorkspaceID, At: h.clock(), Action: "key.update"})
	h.ok(err)
	_, err = h.manager.Reveal(ctx, h.root, plain.ID)
	h.refused("what was sealed for another secret", err, keys.Internal)

	_, err = h.manager.Reveal(ctx, h.granted("keys.*.read", "keys.*.update"), k.ID)
	h.refused("without the grant", err, keys.Forbidden)
	h.manager.Vault = vault(token.Secret{})
	_, _, err = h.manager.CreateKey(ctx, h.root, keys.NewKey{})
	h.refused("a recoverable key without an installation secret", err, keys.Unavailable)
}

// TestPurge verifies keys that are past their use, where the keyspace says
// that they go, and where it does not.
func TestPurge(t *testing.T) {
	h := newHome(t)
	ctx := t.Context()
	h.verifier.Purge = h.manager.Purge
	usedUp := keys.KeySettings{Credits: credits(0)}
	comesBack := keys.KeySettings{Credits: keys.Some(&keys.CreditSettings{Remaining: keys.Some[int64](0),
		Refill: refill(keys.RefillSettings{Amount: keys.Some[int64](1), Every: every(keys.Daily)})})}
	for _, tt := range []struct {
		name     string
		policy   keys.PurgePolicy
		settings keys.KeySettings
		mode     keys.Mode
		want     keys.Outcome
		goes     bool
	}{
		{"expired, and stays", keys.PurgePolicy{UsedUp: true}, keys.KeySettings{}, keys.Use, keys.Expired, false},
		{"expired, and goes", keys.PurgePolicy{Expired: true}, keys.KeySettings{}, keys.Use, keys.Expired, true},
		{"expired, and only looked at", keys.PurgePolicy{Expired: true}, keys.KeySettings{}, keys.Inspection, keys.Expired, false},
		{"used up, and stays", keys.PurgePolicy{Expired: true}, usedUp, keys.Use, keys.CreditsExhausted, false},
		{"used up, and goes", keys.PurgePolicy{UsedUp: true}, usedUp, keys.Use, keys.CreditsExhausted, true},
		{"used up, and comes back", keys.PurgePolicy{UsedUp: true}, comesBack, keys.Use, keys.CreditsExhausted, false},
		{"good", keys.PurgePolicy{Expired: true, UsedUp: true}, keys.KeySettings{}, keys.Use, keys.Valid, false},
	} {
		h.policy(func(p *keys.Policy) { p.Purge = tt.policy })
		k, secret := h.create(tt.settings)
		if tt.want == keys.Expired {
			h.update(k.ID, keys.KeySettings{ExpiresAt: keys.Some(h.clock())})
		}
		if v := h.verify(keys.VerifyRequest{Secret: secret, Mode: tt.mode}); v.Outcome != tt.want {
			t.Errorf("%s: %v", tt.name, v.Outcome)
		}
		if _, err := h.manager.Key(ctx, h.root, k.ID); keys.Is(err, keys.NotFound) != tt.goes {
			t.Errorf("%s: it is there afterwards: %v", tt.name, err)
		}
		if ev := h.events(h.root)[0]; tt.goes && (ev.Action != "key.delete" || ev.Actor.Kind != keys.Operator || ev.KeyID != k.ID) {
			t.Errorf("%s: the event is %+v", tt.name, ev)
		}
	}

	// A key that has changed since it was found so stays.
	h.policy(func(p *keys.Policy) { p.Purge.Expired = true })
	k, secret := h.create(keys.KeySettings{})
	rec := h.verify(keys.VerifyRequest{Secret: secret}).Record
	for range 2 {
		h.ok(h.manager.Purge(ctx, rec))
		if _, err := h.manager.Key(ctx, h.root, k.ID); err != nil {
			t.Errorf("a key that is good is purged: %v", err)
		}
	}
	h.update(k.ID, keys.KeySettings{ExpiresAt: keys.Some(h.clock())})
	for range 2 { // again, though it is gone
		h.ok(h.manager.Purge(ctx, rec))
	}
}
