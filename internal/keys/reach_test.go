package keys_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"latchkey/internal/keys"
	"latchkey/internal/token"
)

// TestKeyByHash finds keys by what their secrets hash to, as far as an actor
// reaches and while the secret lives.
func TestKeyByHash(t *testing.T) {
	h := newHome(t)
	ctx := t.Context()
	acme := h.below("acme")
	k, secret := h.create(keys.KeySettings{})
	lower, lowerSecret, err := h.manager.CreateKey(ctx, acme, keys.NewKey{})
	h.ok(err)
	find := func(by keys.Actor, s token.Secret, action string) (keys.Found, error) {
		return h.manager.KeyByHash(ctx, by, s.Sum(), action)
	}
	if f, err := find(h.root, secret, "read"); err != nil || f.Key.ID != k.ID || f.Actor.WorkspaceID != h.root.WorkspaceID || f.Workspace.ID != k.WorkspaceID {
		t.Errorf("its own: %+v, %v", f, err)
	}
	f, err := find(h.root, lowerSecret, "delete")
	if err != nil || f.Key.ID != lower.ID || f.Actor.WorkspaceID != acme.WorkspaceID || f.Actor.Path != acme.Path || f.Workspace.UUID == "" {
		t.Errorf("one below: %+v, %v", f, err)
	}

	for what, try := range map[string]struct {
		by     keys.Actor
		secret token.Secret
		action string
		want   keys.Code
	}{
		"one above":                         {acme, secret, "read", keys.NotFound},
		"a root key":                        {h.root, h.secret, "read", keys.NotFound},
		"nobody's":                          {h.root, token.New("no secret that was ever made"), "read", keys.NotFound},
		"one below, where it may not act":   {h.granted("keys.*.*"), lowerSecret, "read", keys.NotFound},
		"without the action":                {h.granted("keys.*.read"), secret, "update", keys.Forbidden},
		"without the action, and no secret": {h.granted("keys.*.read"), token.New("nobody's"), "update", keys.Forbidden},
		"without the action there":          {h.granted("keys."+k.KeyspaceID+".read", "workspaces.*.act"), lowerSecret, "read", keys.Forbidden},
	} {
		_, err := find(try.by, try.secret, try.action)
		h.refused(what, err, try.want)
	}

	// Any secret that lives addresses the key, and none that has ended.
	_, fresh, err := h.manager.RotateKey(ctx, h.root, k.ID, time.Hour)
	h.ok(err)
	for _, s := range []token.Secret{secret, fresh} {
		if f, err := find(h.root, s, "read"); err != nil || f.Key.ID != k.ID {
			t.Errorf("in the overlap: %+v, %v", f, err)
		}
	}
	h.pass(time.Hour)
	_, err = find(h.root, secret, "read")
	h.refused("after the overlap", err, keys.NotFound)
}

func TestActInByUUID(t *testing.T) {
	h := newHome(t)
	ctx := t.Context()
	acme := h.below("acme")
	ws, err := h.manager.Workspace(ctx, h.root, "acme")
	h.ok(err)
	root, err := h.manager.Workspace(ctx, h.root, keys.RootPath)
	h.ok(err)
	for _, try := range []struct {
		by   keys.Actor
		uuid string
		want keys.Workspace
	}{
		{h.root, "", root}, {h.root, root.UUID, root}, {h.root, ws.UUID, ws}, {acme, "", ws}, {acme, ws.UUID, ws},
	} {
		by, got, err := h.manager.ActIn(ctx, try.by, try.uuid)
		if err != nil || got.ID != try.want.ID || by.WorkspaceID != got.ID || by.Path != got.Path || by.ID != try.by.ID {
			t.Errorf("%q from %s: %+v in %s, %v; want %s", try.uuid, try.by.Path, by, got.Path, err, try.want.Path)
		}
	}
	for what, try := range map[string]struct {
		by   keys.Actor
		uuid string
	}{
		"above":                   {acme, root.UUID},
		"where it may not act":    {h.granted("keys.*.*"), ws.UUID},
		"nowhere":                 {h.root, "00000000-0000-4000-8000-000000000000"},
		"by a slug, not the UUID": {h.root, "acme"},
		"by an id, not the UUID":  {h.root, ws.ID},
		"by a path, not the UUID": {h.root, ws.Path},
	} {
		_, _, err := h.manager.ActIn(ctx, try.by, try.uuid)
		h.refused(what, err, keys.NotFound)
	}
}

// TestFunds adds up what was paid in and spent in an actor's workspace, and in
// those below where it may act.
func TestFunds(t *testing.T) {
	h := newHome(t)
	ctx := t.Context()
	acme := h.below("acme")
	spend := func(by keys.Actor, micros int64, kind keys.SpendKind) {
		k, _, err := h.manager.CreateKey(ctx, by, keys.NewKey{})
		h.ok(err)
		_, err = h.manager.Spend(ctx, by, k.ID, micros, kind)
		h.ok(err)
	}
	spend(h.root, 3, keys.SpendOwn)
	spend(h.root, 50, keys.SpendBYOK)
	spend(acme, 400, keys.SpendOwn)
	spend(acme, 6000, keys.SpendBYOK)
	pay := func(workspace string, micros int64) error {
		_, err := h.manager.UpdateWorkspace(ctx, h.root, workspace, func(ws *keys.Workspace) error { ws.PrepaidMicros = micros; return nil }, keys.Match{})
		return err
	}
	h.ok(pay(keys.RootPath, 10_000))
	h.ok(pay("acme", 20_000))
	h.refused("less than nothing", pay("acme", -1), keys.Invalid)
	h.refused("too much", pay("acme", keys.MaxMicros+1), keys.Invalid)
	for what, try := range map[string]struct {
		by   keys.Actor
		want keys.Funds
	}{
		"everything":         {h.root, keys.Funds{Prepaid: 30_000, Own: 403, BYOK: 6050}},
		"below":              {acme, keys.Funds{Prepaid: 20_000, Own: 400, BYOK: 6000}},
		"who may not act":    {h.granted("usage.*.read"), keys.Funds{Prepaid: 10_000, Own: 3, BYOK: 50}},
		"who may act, alone": {h.granted("usage.*.read", "workspaces.*.act"), keys.Funds{Prepaid: 30_000, Own: 403, BYOK: 6050}},
	} {
		if got, err := h.manager.Funds(ctx, try.by); err != nil || got != try.want {
			t.Errorf("%s: %+v, %v, want %+v", what, got, err, try.want)
		}
	}
	_, err := h.manager.Funds(ctx, h.granted("keys.*.*", "workspaces.*.act"))
	h.refused("without the grant", err, keys.Forbidden)
}

// TestStandingKeyspace makes the first keys of a keyspace that stands ready in
// every workspace, many at once: there is one such keyspace.
func TestStandingKeyspace(t *testing.T) {
	h := newHome(t)
	ctx := t.Context()
	acme := h.below("acme")
	p := keys.DefaultPolicy()
	p.Secret = token.Form{Prefix: "st-", Format: token.Hex, Length: 64}
	standing := &keys.Keyspace{Slug: "standing", Name: "Standing", Policy: p}

	_, _, err := h.manager.CreateKey(ctx, h.granted("keys.default.create"), keys.NewKey{Standing: standing})
	h.refused("by one who may make keys in another keyspace alone", err, keys.Forbidden)
	if all, err := h.store.Keyspaces(ctx, h.root.WorkspaceID, keys.Page{}); err != nil || len(all) != 1 {
		t.Errorf("who may not make keys has made a keyspace: %d, %v", len(all), err)
	}

	by := h.granted("keys.*.create")
	var mu sync.Mutex
	spaces := map[string]bool{} // id of a keyspace
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			k, secret, err := h.manager.CreateKey(context.Background(), by, keys.NewKey{Standing: standing})
			mu.Lock()
			defer mu.Unlock()
			if err != nil || len(secret.Reveal()) != 67 {
				t.Errorf("%+v, %v", k, err)
			}
			spaces[k.KeyspaceID] = true
		})
	}
	wg.Wait()
	k, _, err := h.manager.CreateKey(ctx, acme, keys.NewKey{Standing: standing})
	h.ok(err)
	if spaces[k.KeyspaceID] || len(spaces) != 1 {
		t.Errorf("the keyspaces are %v, and %s in another workspace", spaces, k.KeyspaceID)
	}
	made := slices.DeleteFunc(h.events(h.root), func(ev keys.Event) bool { return ev.Action != "keyspace.create" || ev.Actor.ID != by.ID })
	if len(made) != 1 {
		t.Errorf("%d events tell of the keyspace, want 1", len(made))
	}

	// A conflict about something else is told, and makes nothing.
	alias := []keys.Alias{{Scheme: "vendor", Name: "taken"}}
	_, _, err = h.manager.CreateKey(ctx, acme, keys.NewKey{Aliases: alias})
	h.ok(err)
	other := &keys.Keyspace{Slug: "other", Name: "Other", Policy: p}
	_, _, err = h.manager.CreateKey(ctx, acme, keys.NewKey{Standing: other, Aliases: alias})
	h.refused("a key with an alias that is taken", err, keys.Conflict)
	_, err = h.manager.Keyspace(ctx, acme, "other")
	h.refused("the keyspace of what was refused", err, keys.NotFound)

	// One that is changed stays so.
	_, err = h.manager.UpdateKeyspace(ctx, h.root, "standing", func(ks *keys.Keyspace) error { ks.Policy.Secret.Prefix = "other-"; return nil }, keys.Match{})
	h.ok(err)
	if _, secret, err := h.manager.CreateKey(ctx, h.root, keys.NewKey{Standing: standing}); err != nil || secret.Reveal()[:6] != "other-" {
		t.Errorf("after a change of the keyspace: %v", err)
	}
}

// TestInspect looks at keys of either sort, and leaves no trace.
func TestInspect(t *testing.T) {
	h := newHome(t)
	ctx := t.Context()
	k, secret := h.create(keys.KeySettings{Budget: keys.Some(&keys.BudgetSettings{Limit: keys.Some(int64(5))})})
	_, err := h.manager.Spend(ctx, h.root, k.ID, 7, keys.SpendOwn)
	h.ok(err)
	inspect := func(s token.Secret) (keys.Outcome, keys.Actor) {
		v, by, err := h.verifier.Inspect(ctx, s, keys.Origin{RequestID: "r"})
		h.ok(err)
		return v.Outcome, by
	}
	if o, by := inspect(secret); o != keys.Valid || by.Kind != keys.Holder || by.ID != k.ID || by.Origin.RequestID != "r" {
		t.Errorf("a key that has spent more than it may: %v, %+v", o, by)
	}
	if o, by := inspect(h.secret); o != keys.Valid || by.Kind != keys.RootKey {
		t.Errorf("a root key: %v, %+v", o, by)
	}
	h.ok(h.usage.Flush(ctx))
	if got, err := h.manager.Key(ctx, h.root, k.ID); err != nil || !got.LastUsedAt.IsZero() {
		t.Errorf("it was last used at %s, %v", got.LastUsedAt, err)
	}
	h.update(k.ID, keys.KeySettings{Enabled: keys.Some(false)})
	if o, by := inspect(secret); o != keys.Disabled || by.Kind != (keys.Actor{}).Kind || by.Record != nil {
		t.Errorf("a disabled key: %v, %+v", o, by)
	}
	for _, s := range []token.Secret{{}, token.New("nobody's")} {
		if o, by := inspect(s); o != keys.KeyNotFound || by.Record != nil {
			t.Errorf("no key: %v, %+v", o, by)
		}
	}
}

// TestComplete lets a change depend on what the key is, while others change it.
func TestComplete(t *testing.T) {
	h := newHome(t)
	k, _ := h.create(keys.KeySettings{Budget: keys.Some(&keys.BudgetSettings{Limit: keys.Some(int64(0))})})
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			_, err := h.manager.UpdateKey(context.Background(), h.root, k.ID, keys.KeySettings{Complete: func(k *keys.Key, s *keys.KeySettings) {
				s.Budget = keys.Some(&keys.BudgetSettings{Limit: keys.Some(k.Budget().Limit + 1)})
			}}, keys.Match{})
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if got, err := h.manager.Key(t.Context(), h.root, k.ID); err != nil || got.Budget().Limit != 20 {
		t.Errorf("20 changes make %+v, %v", got.Budget(), err)
	}
}
