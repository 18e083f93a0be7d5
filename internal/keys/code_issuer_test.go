package keys_test

import (
	"errors"
	"sync"
	"testing"
	"time"

	"latchkey/internal/keys"
	"latchkey/internal/token"
)

// TestCodeOfIssuer redeems codes whose issuer may no longer make their keys.
func TestCodeOfIssuer(t *testing.T) {
	ctx, none := t.Context(), keys.Match{}
	for name, tt := range map[string]struct {
		change func(*home, keys.Actor)
		still  bool
	}{
		"nothing happens": {func(*home, keys.Actor) {}, true},
		"its key gets another secret": {func(h *home, by keys.Actor) {
			_, _, err := h.manager.RotateRootKey(ctx, h.root, by.ID, time.Hour)
			h.ok(err)
		}, true},
		"its secret ends": {func(h *home, by keys.Actor) {
			_, _, err := h.manager.RotateRootKey(ctx, h.root, by.ID, 0)
			h.ok(err)
		}, false},
		"its secret has ended by the clock": {func(h *home, by keys.Actor) {
			_, _, err := h.manager.RotateRootKey(ctx, h.root, by.ID, time.Minute)
			h.ok(err)
			h.pass(time.Minute)
		}, false},
		"its key is deleted": {func(h *home, by keys.Actor) { h.ok(h.manager.DeleteRootKey(ctx, h.root, by.ID, none)) }, false},
		"its key is disabled": {func(h *home, by keys.Actor) {
			_, err := h.manager.UpdateRootKey(ctx, h.root, by.ID, keys.KeySettings{Enabled: keys.Some(false)}, none)
			h.ok(err)
		}, false},
		"its key expires": {func(h *home, by keys.Actor) {
			_, err := h.manager.UpdateRootKey(ctx, h.root, by.ID, keys.KeySettings{ExpiresAt: keys.Some(h.clock().Add(time.Minute))}, none)
			h.ok(err)
			h.pass(time.Minute)
		}, false},
		"it may no longer create": {func(h *home, by keys.Actor) {
			_, err := h.manager.UpdateRootKey(ctx, h.root, by.ID, grants("keys.*.read", "workspaces.*.act"), none)
			h.ok(err)
		}, false},
		"it may no longer act there": {func(h *home, by keys.Actor) {
			_, err := h.manager.UpdateRootKey(ctx, h.root, by.ID, grants("keys.*.create"), none)
			h.ok(err)
		}, false},
		"the workspace is disabled": {func(h *home, by keys.Actor) { h.disable("acme") }, false},
		"one above it is disabled":  {func(h *home, by keys.Actor) { h.disable("default.acme") }, false},
		"the keyspace is deleted": {func(h *home, by keys.Actor) {
			h.ok(h.manager.DeleteKeyspace(ctx, h.actor(h.secret, "eu"), "api", none))
		}, false},
		"the workspace is deleted": {func(h *home, by keys.Actor) { h.ok(h.manager.DeleteWorkspace(ctx, h.root, "eu", none)) }, false},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHome(t)
			acme := h.below("acme")
			_, err := h.manager.CreateWorkspace(ctx, acme, keys.Workspace{Slug: "eu", Enabled: true})
			h.ok(err)
			_, err = h.manager.CreateKeyspace(ctx, h.actor(h.secret, "eu"), keys.Keyspace{Slug: "api", Policy: keys.DefaultPolicy()})
			h.ok(err)
			k, secret, err := h.manager.CreateRootKey(ctx, h.root, keys.KeySettings{Name: keys.Some(ptr("maker")), Permissions: keys.Some([]string{"keys.*.create", "workspaces.*.act"})})
			h.ok(err)
			nc := newCode()
			nc.Keyspace = "api"
			_, code := h.issueBy(h.actor(secret, "eu"), nc)
			tt.change(h, h.actorOf(k))
			made, _, err := h.redeem(code, verifier)
			if tt.still && (err != nil || made.CreatedBy != keys.Creator{Kind: keys.RootKey, ID: k.ID, Name: "maker"}) {
				t.Errorf("a key by %+v, %v", made.CreatedBy, err)
			}
			if !tt.still && !errors.Is(err, keys.ErrCode) {
				t.Errorf("%v, want %v", err, keys.ErrCode)
			}
		})
	}
}

// actorOf is a root key as an actor of which only the id counts.
func (h *home) actorOf(k keys.Key) keys.Actor { return keys.Actor{Kind: keys.RootKey, ID: k.ID} }

func (h *home) disable(workspace string) {
	h.Helper()
	_, err := h.manager.UpdateWorkspace(h.Context(), h.root, workspace, func(ws *keys.Workspace) error { ws.Enabled = false; return nil }, keys.Match{})
	h.ok(err)
}

// TestCodeOfDeclaredRoot issues a code by a root key that is stored nowhere, and
// redeems it while there is one and when there is none.
func TestCodeOfDeclaredRoot(t *testing.T) {
	h := newHome(t)
	ws, err := h.manager.Workspace(t.Context(), h.root, keys.RootPath)
	h.ok(err)
	secret := token.New("a declared root key of enough characters")
	h.verifier.Declared = keys.Declare(secret, ws)
	by := h.actor(secret, "")
	_, one := h.issueBy(by, newCode())
	_, two := h.issueBy(by, newCode())
	acme := h.below("acme")
	_, below := h.issueBy(h.actor(secret, "acme"), newCode())
	h.manager.DeclaredRoot = true
	for home, code := range map[string]token.Secret{ws.ID: one, acme.WorkspaceID: below} {
		if k, _, err := h.redeem(code, verifier); err != nil || k.WorkspaceID != home {
			t.Errorf("a key in %s, %v; want %s", k.WorkspaceID, err, home)
		}
	}
	h.manager.DeclaredRoot = false
	h.notRedeemed("without a declared root key", two, verifier, keys.ErrCode)

	_, own := h.issueBy(keys.OperatorIn(ws), newCode())
	if k, _, err := h.redeem(own, verifier); err != nil || k.CreatedBy.Kind != keys.Operator {
		t.Errorf("a code of the installation itself: %+v, %v", k.CreatedBy, err)
	}
	user := keys.Actor{Kind: keys.User, WorkspaceID: ws.ID, Grants: keys.ParseGrants([]string{"*"})}
	_, _, err = h.manager.IssueCode(t.Context(), user, newCode())
	h.refused("by whom nobody can ask again", err, keys.Forbidden)
}

// TestCodeCallbackIsNotTold shows of where a code goes to nothing that may be a
// secret.
func TestCodeCallbackIsNotTold(t *testing.T) {
	for callback, want := range map[string]any{
		"":                                     nil,
		"https://app.example:8443/cb":          "https://app.example:8443/cb",
		"https://app.example/cb?s=secret#more": "https://app.example/cb",
		"https://user:secret@app.example/cb":   "https://app.example/cb",
	} {
		for _, m := range keys.CodeMembers(&keys.OneTimeCode{Callback: callback}) {
			if m.Name == "callback" && m.Value != want {
				t.Errorf("of %q is told %v, want %v", callback, m.Value, want)
			}
		}
	}
}

// TestCodeOfStandingKeyspace issues at once the first codes for a keyspace that
// stands ready: one makes it, and all go there.
func TestCodeOfStandingKeyspace(t *testing.T) {
	h := newHome(t)
	nc := newCode()
	nc.Standing = &keys.Keyspace{Slug: "standing", Policy: keys.DefaultPolicy()}
	bad := nc
	bad.Callback = ""
	_, _, err := h.manager.IssueCode(t.Context(), h.root, bad)
	h.refused("a code with a fault", err, keys.Invalid)
	_, err = h.manager.Keyspace(t.Context(), h.root, "standing")
	h.refused("the keyspace of what was refused", err, keys.NotFound)

	codes := make([]token.Secret, 8)
	var wg sync.WaitGroup
	for i := range codes {
		wg.Go(func() {
			var err error
			if _, codes[i], err = h.manager.IssueCode(t.Context(), h.root, nc); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	ks, err := h.manager.Keyspace(t.Context(), h.root, "standing")
	h.ok(err)
	for _, code := range codes {
		if k, _, err := h.redeem(code, verifier); err != nil || k.KeyspaceID != ks.ID {
			t.Errorf("a key in %s, %v; want %s", k.KeyspaceID, err, ks.ID)
		}
	}
}
