package keys_test

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"latchkey/internal/keys"
	"latchkey/internal/token"
)

// A facet is one thing that a verification depends on. Its n-th change begins
// and is done at moments that are noted, and an answer shows which change it
// is from: none before the last that was done when the question was asked, and
// none after the last that had begun when it was answered.
type facet struct {
	name        string
	begun, done atomic.Int64
	change      func(n int64) error
	shown       func(*keys.Verification) int64
}

// A watchman asks about a secret and holds the answers against facets.
type watchman struct {
	*home
	by     keys.Actor
	secret token.Secret
	facets []*facet
	asked  atomic.Int64
}

func (w *watchman) ask() {
	var done [16]int64
	for i, f := range w.facets {
		done[i] = f.done.Load()
	}
	v, err := w.verifier.Verify(context.Background(), &w.by, &keys.VerifyRequest{Secret: w.secret})
	if err != nil {
		w.Error(err)
		return
	}
	if v.Record == nil {
		w.Errorf("the key is %v", v.Outcome)
		return
	}
	for i, f := range w.facets {
		if n := f.shown(&v); n < done[i] || n > f.begun.Load() {
			w.Errorf("%s: the answer is from change %d; when it was asked for change %d was done, and now %d has begun", f.name, n, done[i], f.begun.Load())
		}
	}
	if want := outcomeOf(v.Record); v.Outcome != want {
		w.Errorf("the outcome is %v, and the record says %v", v.Outcome, want)
	}
	w.asked.Add(1)
}

func outcomeOf(rec *keys.Record) keys.Outcome {
	switch {
	case !rec.Live:
		return keys.WorkspaceDisabled
	case !rec.Owner.Enabled:
		return keys.OwnerDisabled
	case !rec.Enabled:
		return keys.Disabled
	}
	return keys.Valid
}

// stamp reads the number at the end of a text.
func stamp(text string) int64 {
	n, err := strconv.ParseInt(strings.TrimLeft(text, "abcdefghijklmnopqrstuvwxyz."), 10, 64)
	if err != nil {
		return -1
	}
	return n
}

// stampOf reads the number of the one permission that begins so.
func stampOf(permissions []string, prefix string) int64 {
	for _, p := range permissions {
		if n, ok := strings.CutPrefix(p, prefix); ok {
			return stamp(n)
		}
	}
	return -1
}

// facetsOf are all that a key in the workspace depends on and that changes
// can be told apart by.
func facetsOf(h *home, in keys.Actor, id string) []*facet {
	ctx := context.Background()
	text := func(n int64) string { return "n" + strconv.FormatInt(n, 10) }
	update := func(s keys.KeySettings) error {
		_, err := h.manager.UpdateKey(ctx, in, id, s, keys.Match{})
		return err
	}
	return []*facet{
		{name: "the key", shown: func(v *keys.Verification) int64 { return stamp(v.Record.Name()) }, change: func(n int64) error {
			return update(keys.KeySettings{Name: keys.Some(ptr(text(n))), Enabled: keys.Some(n%2 == 0)})
		}},
		{name: "its permissions", shown: func(v *keys.Verification) int64 { return stampOf(v.Record.Permissions, "own.") }, change: func(n int64) error {
			_, err := h.manager.ChangePermissions(ctx, in, id, keys.Delta{Add: []string{"own." + text(n)}, Remove: []string{"own." + text(n-1)}})
			return err
		}},
		{name: "its role", shown: func(v *keys.Verification) int64 { return stampOf(v.Record.Permissions, "role.") }, change: func(n int64) error {
			_, err := h.manager.UpdateRole(ctx, in, "role", func(r *keys.Role) error { r.Permissions = []string{"role." + text(n)}; return nil }, keys.Match{})
			return err
		}},
		{name: "its owner", shown: func(v *keys.Verification) int64 { return stamp(v.Record.Owner.Meta) }, change: func(n int64) error {
			_, err := h.manager.UpdateIdentity(ctx, in, "owner", func(i *keys.Identity) error { i.Meta, i.Enabled = text(n), n%2 == 0; return nil }, keys.Match{})
			return err
		}},
		{name: "its keyspace", shown: func(v *keys.Verification) int64 { return stamp(v.Record.Keyspace.Name) }, change: func(n int64) error {
			_, err := h.manager.UpdateKeyspace(ctx, in, "default", func(ks *keys.Keyspace) error { ks.Name = text(n); return nil }, keys.Match{})
			return err
		}},
		{name: "its workspace", shown: func(v *keys.Verification) int64 { return stamp(v.Record.Workspace.Name) }, change: func(n int64) error {
			_, err := h.manager.UpdateWorkspace(ctx, h.root, in.Path, func(ws *keys.Workspace) error { ws.Name, ws.Enabled = text(n), n%2 == 0; return nil }, keys.Match{})
			return err
		}},
		{name: "its credits", shown: func(v *keys.Verification) int64 { return v.Credits.Remaining - 1000 }, change: func(n int64) error {
			_, err := h.manager.ChangeCredits(ctx, in, id, keys.CreditSet, n+1000)
			return err
		}},
	}
}

// TestCacheIsExact changes all that a key depends on, each from a goroutine of
// its own, while others verify it.
func TestCacheIsExact(t *testing.T) {
	const changes, readers = 25, 2
	h := newHome(t)
	in := h.below("acme")
	ctx := t.Context()
	_, err := h.manager.CreateRole(ctx, in, keys.Role{Name: "role", Permissions: []string{"role.n0"}})
	h.ok(err)
	k, secret, err := h.manager.CreateKey(ctx, in, keys.NewKey{KeySettings: keys.KeySettings{
		Owner: owner("owner"), Permissions: keys.Some([]string{"own.n0"}), Roles: keys.Some([]string{"role"}), Credits: credits(1000)}})
	h.ok(err)
	w := &watchman{home: h, by: in, secret: secret, facets: facetsOf(h, in, k.ID)}
	// A use of the key would change its credits, which are a facet here.
	h.verifier.Ledger = looking{h.store}

	for _, f := range w.facets { // each says which change it is from
		h.ok(f.change(0))
	}
	var writing, reading sync.WaitGroup
	var over atomic.Bool
	for _, f := range w.facets {
		writing.Go(func() {
			for n := int64(1); n <= changes; n++ {
				f.begun.Store(n)
				if err := f.change(n); err != nil {
					t.Errorf("%s: %v", f.name, err)
				}
				f.done.Store(n)
				w.ask()
			}
		})
	}
	for range readers {
		reading.Go(func() {
			for !over.Load() {
				w.ask()
			}
		})
	}
	writing.Wait()
	over.Store(true)
	reading.Wait()
	if n, least := w.asked.Load(), int64(changes*len(w.facets)); n < least {
		t.Errorf("%d answers, want %d at least", n, least)
	}
	st := h.verifier.Records.Stats()
	t.Logf("%d answers, %+v", w.asked.Load(), st)
}

// A looking ledger takes nothing.
type looking struct{ keys.Ledger }

func (l looking) Use(ctx context.Context, accountID string, _ keys.Charge, also func(bool) (bool, error), now time.Time) (keys.Account, keys.Charged, keys.Outcome, error) {
	return l.Ledger.Use(ctx, accountID, keys.Charge{}, also, now)
}

// TestAtOnceInForce makes one change after another that an answer shows by its
// outcome alone, while others verify: the next question has the new answer.
func TestAtOnceInForce(t *testing.T) {
	h := newHome(t)
	var wg sync.WaitGroup
	for i := range 3 {
		wg.Go(func() { lives(h, i) })
	}
	wg.Wait()
}

// A life is that of one key, which others verify meanwhile by all the secrets
// that it ever had.
type life struct {
	*home
	id      string
	secrets []token.Secret
}

// lives lets keys come, change and go.
func lives(h *home, n int) {
	ctx := context.Background()
	external := fmt.Sprint("owner", n)
	for range 2 {
		k, secret, err := h.manager.CreateKey(ctx, h.root, keys.NewKey{KeySettings: keys.KeySettings{Owner: owner(external)}})
		if err != nil {
			h.Error(err)
			return
		}
		l := &life{home: h, id: k.ID, secrets: []token.Secret{secret}}
		l.run()
	}
}

func (l *life) run() {
	ctx := context.Background()
	// 1. It is rotated, and the old secret ends at once.
	for range 2 {
		l.crowd(l.newest(), func() {
			_, secret, err := l.manager.RotateKey(ctx, l.root, l.id, 0)
			l.add(secret, err)
		}, "rotate", keys.KeyNotFound)
		l.expect("rotate", l.newest(), keys.Valid)
	}
	// 2. It is rotated with an overlap, and the old secret is ended.
	old := l.newest()
	k, secret, err := l.manager.RotateKey(ctx, l.root, l.id, time.Hour)
	l.add(secret, err)
	l.crowd(old, func() {
		l.check(l.manager.EndSecret(ctx, l.root, l.id, k.Secrets[0].ID, keys.Match{}))
	}, "end secret", keys.KeyNotFound)
	// 3. It has another owner, who is disabled, and then none.
	if err := ensureDisabled(l.home, "nobody"); err != nil {
		l.Error(err)
	}
	set := func(s keys.KeySettings) func() {
		return func() {
			_, err := l.manager.UpdateKey(ctx, l.root, l.id, s, keys.Match{})
			l.check(err)
		}
	}
	l.crowd(l.newest(), set(keys.KeySettings{Owner: owner("nobody")}), "another owner", keys.OwnerDisabled)
	l.crowd(l.newest(), set(keys.KeySettings{Owner: keys.Some(keys.Owner{})}), "no owner", keys.Valid)
	// 4. It ends.
	l.crowd(l.newest(), set(keys.KeySettings{ExpiresAt: keys.Some(l.clock())}), "expire", keys.Expired)
	l.crowd(l.newest(), func() { l.check(l.manager.DeleteKey(ctx, l.root, l.id, keys.Match{})) }, "delete", keys.KeyNotFound)
	for _, s := range l.secrets {
		l.expect("delete", s, keys.KeyNotFound)
	}
}

func (l *life) newest() token.Secret { return l.secrets[len(l.secrets)-1] }

func (l *life) check(err error) {
	if err != nil {
		l.Error(err)
	}
}

func (l *life) add(secret token.Secret, err error) {
	l.check(err)
	l.secrets = append(l.secrets, secret)
}

func ensureDisabled(h *home, externalID string) error {
	_, _, err := h.manager.ReplaceIdentity(context.Background(), h.root, keys.Identity{ExternalID: externalID, Kind: keys.Customer}, keys.Match{})
	return err
}

// crowd makes a change while two others verify a secret, and then asks what
// has become of it.
func (l *life) crowd(secret token.Secret, change func(), what string, want keys.Outcome) {
	var over atomic.Bool
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for !over.Load() {
				if _, err := l.verifier.Verify(context.Background(), &l.root, &keys.VerifyRequest{Secret: secret}); err != nil {
					l.Error(err)
				}
			}
		})
	}
	change()
	for range 3 {
		l.expect(what, secret, want)
	}
	over.Store(true)
	wg.Wait()
	l.expect(what, secret, want)
}

func (l *life) expect(after string, secret token.Secret, want keys.Outcome) {
	v, err := l.verifier.Verify(context.Background(), &l.root, &keys.VerifyRequest{Secret: secret})
	if err != nil || v.Outcome != want {
		l.Errorf("after %s: %v %v, want %v", after, v.Outcome, err, want)
	}
}

// TestEveryChangeIsInForce makes each change that reaches further than one
// key, and asks about a key that was in the cache before.
func TestEveryChangeIsInForce(t *testing.T) {
	h := newHome(t)
	ctx := t.Context()
	h.below("acme")
	up := h.actor(h.secret, "acme")
	_, err := h.manager.CreateWorkspace(ctx, up, keys.Workspace{Slug: "eu", Enabled: true})
	h.ok(err)
	in := h.actor(h.secret, "eu")
	_, err = h.manager.CreateKeyspace(ctx, in, keys.Keyspace{Slug: "api", Policy: keys.DefaultPolicy()})
	h.ok(err)
	_, err = h.manager.CreateRole(ctx, in, keys.Role{Name: "reader", Permissions: []string{"docs.read", "docs.list"}})
	h.ok(err)
	_, secret, err := h.manager.CreateKey(ctx, in, keys.NewKey{Keyspace: "api", KeySettings: keys.KeySettings{
		Owner: owner("o"), Roles: keys.Some([]string{"reader"}), Permissions: keys.Some([]string{"files.*"})}})
	h.ok(err)
	none := keys.Match{}
	policy := func(change func(*keys.Policy)) error {
		_, err := h.manager.UpdateKeyspace(ctx, in, "api", func(ks *keys.Keyspace) error { change(&ks.Policy); return nil }, none)
		return err
	}
	identity := func(enabled bool) error {
		_, err := h.manager.UpdateIdentity(ctx, in, "o", func(i *keys.Identity) error { i.Enabled = enabled; return nil }, none)
		return err
	}
	public := keys.Actor{Kind: keys.Public}
	for _, step := range []struct {
		name  string
		do    func() error
		by    keys.Actor
		query string
		want  keys.Outcome
	}{
		{"nothing", func() error { return nil }, in, "files.read AND docs.read AND docs.list", keys.Valid},
		{"wildcards go", func() error { return policy(func(p *keys.Policy) { p.PermissionWildcards = false }) }, in, "files.read", keys.InsufficientPermissions},
		{"wildcards come", func() error { return policy(func(p *keys.Policy) { p.PermissionWildcards = true }) }, in, "files.read", keys.Valid},
		{"the door opens", func() error { return policy(func(p *keys.Policy) { p.VerifyWithoutRootKey = true }) }, public, "docs.read", keys.Valid},
		{"the door closes", func() error { return policy(func(p *keys.Policy) { p.VerifyWithoutRootKey = false }) }, public, "docs.read", keys.KeyNotFound},
		{"a permission is deleted", func() error { return h.manager.DeletePermission(ctx, in, "docs.list", none) }, in, "docs.list", keys.InsufficientPermissions},
		{"a role is deleted", func() error { return h.manager.DeleteRole(ctx, in, "reader", none) }, in, "docs.read", keys.InsufficientPermissions},
		{"the workspace above is disabled", func() error { return setWorkspace(h, "default.acme", false) }, in, "", keys.WorkspaceDisabled},
		{"the owner is disabled", func() error { return identity(false) }, in, "", keys.WorkspaceDisabled},
		{"the workspace above is enabled", func() error { return setWorkspace(h, "default.acme", true) }, in, "", keys.OwnerDisabled},
		{"the owner is deleted", func() error { return h.manager.DeleteIdentity(ctx, in, "o", none) }, in, "", keys.Valid},
		{"the keyspace is deleted", func() error { return h.manager.DeleteKeyspace(ctx, in, "api", none) }, in, "", keys.KeyNotFound},
	} {
		h.ok(step.do())
		req := keys.VerifyRequest{Secret: secret}
		if step.query != "" {
			req.Query = query(t, step.query)
		}
		if v, err := h.verifier.Verify(ctx, &step.by, &req); err != nil || v.Outcome != step.want {
			t.Errorf("%s: %v %v, want %v", step.name, v.Outcome, err, step.want)
		}
	}

	// A workspace goes with all that is in it.
	_, secret, err = h.manager.CreateKey(ctx, in, keys.NewKey{})
	h.ok(err)
	if v, err := h.verifier.Verify(ctx, &in, &keys.VerifyRequest{Secret: secret}); err != nil || v.Outcome != keys.Valid {
		t.Errorf("a new key: %v %v", v.Outcome, err)
	}
	h.ok(h.manager.DeleteWorkspace(ctx, up, "eu", none))
	if v, err := h.verifier.Verify(ctx, &in, &keys.VerifyRequest{Secret: secret}); err != nil || v.Outcome != keys.KeyNotFound {
		t.Errorf("a key of a workspace that is gone: %v %v", v.Outcome, err)
	}
}
