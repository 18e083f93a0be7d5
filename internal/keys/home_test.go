package keys_test

import (
	"context"
	"path/filepath"
	"strconv"
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
	usage    *usage.Recorder
	root     keys.Actor
	secret   token.Secret // of the root key

	mu  sync.Mutex
	now time.Time
}

func newHome(t testing.TB) *home {
	ctx := context.Background()
	h := &home{TB: t, now: time.Date(2030, 1, 15, 12, 0, 0, 0, time.UTC)}
	h.store = openStore(t)
	vault, err := keys.NewVault(token.New("an installation secret of enough characters"))
	h.ok(err)
	h.usage = usage.New(h.store)
	h.manager = &keys.Manager{Store: h.store, Ledger: h.store, Recorder: h.usage, Counts: h.usage, Vault: vault, Clock: h.clock}
	cache, err := keys.NewCache(ctx, h.store, 1000, 8)
	h.ok(err)
	h.verifier = &keys.Verifier{Records: cache, Limiter: &ratelimit.Local{}, Ledger: h.store, Recorder: h.usage, Clock: h.clock}
	_, err = h.manager.Install(ctx, func(secret token.Secret) error { h.secret = secret; return nil })
	h.ok(err)
	h.root = h.actor(h.secret, "")
	return h
}

func openStore(t testing.TB) *store.Store {
	t.Helper()
	s, err := store.Open(context.Background(), "sqlite:"+filepath.Join(t.TempDir(), "latchkey.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
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

func (h *home) ok(err error) {
	h.Helper()
	if err != nil {
		h.Fatal(err)
	}
}

// refused fails the test unless err has the code.
func (h *home) refused(what string, err error, code keys.Code) {
	h.Helper()
	if !keys.Is(err, code) {
		h.Errorf("%s: %v, want %s", what, err, code)
	}
}

// actor is the root key with a secret, in a workspace.
func (h *home) actor(secret token.Secret, workspace string) keys.Actor {
	h.Helper()
	by, err := h.verifier.Authenticate(context.Background(), secret, workspace, keys.Origin{})
	h.ok(err)
	return by
}

// granted is a new root key that holds some grants alone.
func (h *home) granted(grants ...string) keys.Actor {
	h.Helper()
	_, secret, err := h.manager.CreateRootKey(context.Background(), h.root, keys.KeySettings{Permissions: keys.Some(grants)})
	h.ok(err)
	return h.actor(secret, "")
}

// below makes a workspace under the root one, and returns an actor in it.
func (h *home) below(slug string) keys.Actor {
	h.Helper()
	_, err := h.manager.CreateWorkspace(context.Background(), h.root, keys.Workspace{Slug: slug, Enabled: true})
	h.ok(err)
	return h.actor(h.secret, slug)
}

func (h *home) create(s keys.KeySettings) (keys.Key, token.Secret) {
	h.Helper()
	k, secret, err := h.manager.CreateKey(context.Background(), h.root, keys.NewKey{KeySettings: s})
	h.ok(err)
	return k, secret
}

// createMany makes n keys, many at once so that they share commits.
func (h *home) createMany(n int) []token.Secret {
	h.Helper()
	secrets := make([]token.Secret, n)
	const makers = 32
	var wg sync.WaitGroup
	for first := range makers {
		wg.Go(func() {
			for i := first; i < n; i += makers {
				var err error
				if _, secrets[i], err = h.manager.CreateKey(context.Background(), h.root, keys.NewKey{}); err != nil {
					h.Error(err)
				}
			}
		})
	}
	wg.Wait()
	return secrets
}

func (h *home) update(id string, s keys.KeySettings) keys.Key {
	h.Helper()
	k, err := h.manager.UpdateKey(context.Background(), h.root, id, s, keys.Match{})
	h.ok(err)
	return k
}

// policy changes the policy of the default keyspace.
func (h *home) policy(change func(*keys.Policy)) {
	h.Helper()
	_, err := h.manager.UpdateKeyspace(context.Background(), h.root, keys.DefaultKeyspace,
		func(ks *keys.Keyspace) error { change(&ks.Policy); return nil }, keys.Match{})
	h.ok(err)
}

func (h *home) verify(req keys.VerifyRequest) keys.Verification {
	h.Helper()
	v, err := h.verifier.Verify(context.Background(), &h.root, &req)
	h.ok(err)
	return v
}

// outcome verifies a secret and asks nothing more.
func (h *home) outcome(secret token.Secret) keys.Outcome {
	h.Helper()
	return h.verify(keys.VerifyRequest{Secret: secret}).Outcome
}

// events lists the events of an actor's workspace, newest first.
func (h *home) events(by keys.Actor) []keys.Event {
	h.Helper()
	all, err := h.store.Events(context.Background(), by.WorkspaceID, keys.EventFilter{Limit: 1000})
	h.ok(err)
	return all
}

// a limit of so many calls in an hour, which applies by itself.
func limit(name string, most int64) ratelimit.Limit {
	return ratelimit.Limit{Name: name, Max: most, Window: span.Of(time.Hour), Algorithm: ratelimit.Fixed, Auto: true}
}

func limits(all ...ratelimit.Limit) keys.Maybe[[]ratelimit.Limit] { return keys.Some(all) }

// credits that do not come back.
func credits(remaining int64) keys.Maybe[*keys.CreditSettings] {
	return keys.Some(&keys.CreditSettings{Remaining: keys.Some(remaining)})
}

func owner(externalID string) keys.Maybe[keys.Owner] {
	return keys.Some(keys.Owner{ExternalID: externalID})
}

func query(t testing.TB, text string) permission.Query {
	t.Helper()
	q, err := permission.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return q
}

func ptr[T any](v T) *T { return &v }

func itoa(i int) string { return strconv.Itoa(i) }

// fields lists the members of which an error tells that something is wrong.
func fields(err error) (out []string) {
	if err == nil {
		return nil
	}
	for _, f := range keys.AsError(err).Faults {
		out = append(out, f.Field)
	}
	return out
}
