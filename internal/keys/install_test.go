package keys_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"latchkey/internal/keys"
	"latchkey/internal/ratelimit"
	"latchkey/internal/token"
	"latchkey/internal/usage"
)

// An installation is a core that is not installed yet.
type installation struct {
	*home
	kept []token.Secret // the root keys that were made, the last one last
}

func newInstallation(t *testing.T) *installation {
	i := &installation{home: &home{TB: t, now: time.Date(2030, 1, 15, 12, 0, 0, 0, time.UTC)}}
	i.store = openStore(t)
	i.start(i.store)
	return i
}

// start begins anew on a store, as a process does.
func (i *installation) start(s keys.Store) {
	cache, err := keys.NewCache(context.Background(), i.store, 100, 4)
	i.ok(err)
	i.manager = &keys.Manager{Store: s, Ledger: i.store, Clock: i.clock}
	i.verifier = &keys.Verifier{Records: cache, Limiter: &ratelimit.Local{}, Ledger: i.store, Recorder: usage.New(i.store), Clock: i.clock}
}

func (i *installation) install() (keys.Workspace, error) {
	return i.manager.Install(context.Background(), func(s token.Secret) error { i.kept = append(i.kept, s); return nil })
}

// actions lists the actions on the audit log, the first one first.
func (i *installation) actions() (out []string) {
	ws, err := i.store.Workspace(context.Background(), keys.RootPath)
	i.ok(err)
	for _, ev := range i.events(keys.OperatorIn(ws)) {
		out = append(out, ev.Action)
	}
	slices.Reverse(out)
	return out
}

func TestFirstStartAndSecond(t *testing.T) {
	i := newInstallation(t)
	first, err := i.install()
	i.ok(err)
	i.start(i.store)
	second, err := i.install()
	i.ok(err)
	if first != second || first.Path != keys.RootPath || !first.Enabled || len(first.UUID) != 36 || first.Version != 1 {
		t.Errorf("the root workspace is %+v, and %+v at the second start", first, second)
	}
	if len(i.kept) != 1 {
		t.Fatalf("%d root keys were made", len(i.kept))
	}
	by := i.actor(i.kept[0], "")
	if by.Name != "first root key" || !by.May("anything", "*", "at all") {
		t.Errorf("the root key calls as %+v", by)
	}
	if want := []string{"workspace.create", "keyspace.create", "root_key.create"}; !slices.Equal(i.actions(), want) {
		t.Errorf("the log says %q, want %q", i.actions(), want)
	}
	k, secret, err := i.manager.CreateKey(t.Context(), by, keys.NewKey{})
	if err != nil || secret.Len() != len("lk_")+36 || k.WorkspaceID != first.ID {
		t.Errorf("a key in the default keyspace: %+v %v", k, err)
	}
}

// TestKeepFails cannot keep the root key: nothing is made.
func TestKeepFails(t *testing.T) {
	i := newInstallation(t)
	full := errors.New("the disk is full")
	if _, err := i.manager.Install(t.Context(), func(token.Secret) error { return full }); !errors.Is(err, full) {
		t.Errorf("%v", err)
	}
	_, err := i.store.Workspace(t.Context(), keys.RootPath)
	i.refused("a workspace of no installation", err, keys.NotFound)
	_, err = i.install()
	i.ok(err)
	i.actor(i.kept[0], "")
}

// A crashing store ends before it commits.
type crashing struct{ keys.Store }

var errCrash = errors.New("crash")

func (crashing) Initialize(context.Context, *keys.Workspace, *keys.Keyspace, *keys.Key, keys.Event) (bool, error) {
	return false, errCrash
}

func (crashing) InsertKey(context.Context, *keys.Key, keys.Event) error { return errCrash }

// TestCrashAfterKeep ends between the keeping of a root key and its commit: the
// next start makes another one, and the one that was kept last is good.
func TestCrashAfterKeep(t *testing.T) {
	i := newInstallation(t)
	i.start(crashing{i.store})
	if _, err := i.install(); !errors.Is(err, errCrash) {
		t.Fatal(err)
	}
	i.start(i.store)
	_, err := i.install()
	i.ok(err)
	if len(i.kept) != 2 {
		t.Fatalf("%d root keys were made", len(i.kept))
	}
	i.dead(i.kept[0])
	by := i.actor(i.kept[1], "")

	// The same where a root key is made because none is left.
	disable(i, by)
	i.start(crashing{i.store})
	if _, err := i.install(); !errors.Is(err, errCrash) {
		t.Fatal(err)
	}
	i.start(i.store)
	_, err = i.install()
	i.ok(err)
	i.dead(i.kept[2])
	i.actor(i.kept[3], "")
}

// dead fails the test if a secret is good for anything.
func (i *installation) dead(secret token.Secret) {
	i.Helper()
	_, err := i.verifier.Authenticate(context.Background(), secret, "", keys.Origin{})
	i.refused("a root key that was never committed", err, keys.Unauthenticated)
}

// disable makes the root key that by calls with useless, which the manager
// does not do with the last one.
func disable(i *installation, by keys.Actor) {
	i.Helper()
	_, err := i.store.UpdateKey(context.Background(), by.WorkspaceID, by.ID, func(k *keys.Key) error { k.Enabled = false; return nil },
		keys.Event{ID: token.NewID("evt"), WorkspaceID: by.WorkspaceID, At: i.clock(), Action: "root_key.update"})
	i.ok(err)
}

// TestNoRootKeyLeft starts where no root key can do everything any more.
func TestNoRootKeyLeft(t *testing.T) {
	for name, change := range map[string]func(i *installation, k *keys.Key){
		"disabled": func(_ *installation, k *keys.Key) { k.Enabled = false },
		"expired":  func(i *installation, k *keys.Key) { k.ExpiresAt = i.clock().Add(time.Hour) },
		"narrowed": func(_ *installation, k *keys.Key) { k.Permissions = []string{"keys.*.read", "*.*.read"} },
	} {
		t.Run(name, func(t *testing.T) {
			i := newInstallation(t)
			ws, err := i.install()
			i.ok(err)
			by := i.actor(i.kept[0], "")
			_, err = i.store.UpdateKey(t.Context(), ws.ID, by.ID, func(k *keys.Key) error { change(i, k); return nil },
				keys.Event{ID: token.NewID("evt"), WorkspaceID: ws.ID, At: i.clock(), Action: "root_key.update"})
			i.ok(err)
			i.pass(time.Hour)
			i.start(i.store)
			i.manager.DeclaredRoot = true
			_, err = i.install()
			if err != nil || len(i.kept) != 1 {
				t.Errorf("with a declared root key %d were made, %v", len(i.kept), err)
			}
			i.manager.DeclaredRoot = false
			for range 2 {
				_, err = i.install()
				i.ok(err)
			}
			if len(i.kept) != 2 {
				t.Fatalf("%d root keys were made, want one more", len(i.kept)-1)
			}
			if by := i.actor(i.kept[1], ""); !by.May("anything", "*", "at all") {
				t.Errorf("the new root key calls as %+v", by)
			}
		})
	}
}

// TestDeclaredRoot starts with a root key that the configuration gives, which
// is stored nowhere, and without it any more.
func TestDeclaredRoot(t *testing.T) {
	i := newInstallation(t)
	i.manager.DeclaredRoot = true
	ws, err := i.install()
	i.ok(err)
	if len(i.kept) != 0 {
		t.Errorf("%d root keys were made", len(i.kept))
	}
	secret := token.New("a declared root key of forty characters.")
	i.verifier.Declared = keys.Declare(secret, ws)
	by := i.actor(secret, "")
	_, _, err = i.manager.CreateKey(t.Context(), by, keys.NewKey{})
	i.ok(err)
	if ks, err := i.manager.RootKeys(t.Context(), by, keys.KeyFilter{}); err != nil || len(ks) != 0 {
		t.Errorf("root keys are stored: %+v %v", ks, err)
	}
	i.refused("ending it", i.manager.EndSelf(t.Context(), by, keys.Match{}), keys.Conflict)

	i.start(i.store)
	i.dead(secret)
	_, err = i.install()
	i.ok(err)
	if len(i.kept) != 1 {
		t.Errorf("%d root keys were made when none is declared any more", len(i.kept))
	}
}

// TestDeclaredKeyspaces applies a list of keyspaces at each start.
func TestDeclaredKeyspaces(t *testing.T) {
	i := newInstallation(t)
	ws, err := i.install()
	i.ok(err)
	by := keys.OperatorIn(ws)
	strict := keys.Keyspace{Slug: "strict", Name: "Strict", Policy: keys.DefaultPolicy()}
	strict.Policy.Name.Required = true
	strict.Policy.Limits = []ratelimit.Limit{limit("l", 1)}
	open := keys.Keyspace{Slug: "default", Name: "Default", Policy: keys.DefaultPolicy()}
	for _, step := range []struct {
		name   string
		change func()
		events []string
	}{
		{"first", func() {}, []string{"keyspace.create"}},
		{"again", func() {}, nil},
		{"with another id of a limit", func() { strict.Policy.Limits[0].ID = "another" }, nil},
		{"another name", func() { strict.Name = "Stricter" }, []string{"keyspace.update"}},
		{"another policy", func() { strict.Policy.SelfList, open.Policy.SelfList = false, false }, []string{"keyspace.update", "keyspace.update"}},
		{"a limit that is off", func() { strict.Policy.Limits[0].Disabled = true }, []string{"keyspace.update"}},
		{"a policy that cannot be", func() { open.Name, strict.Policy.Hint.Length = "x", 99 }, nil},
	} {
		step.change()
		before := len(i.actions())
		err := i.manager.DeclareKeyspaces(t.Context(), by, []keys.Keyspace{open, strict})
		if wrong := strict.Policy.Hint.Length == 99; wrong != keys.Is(err, keys.Invalid) {
			t.Errorf("%s: %v", step.name, err)
		}
		if got := i.actions()[before:]; !slices.Equal(got, step.events) {
			t.Errorf("%s: the log says %q, want %q", step.name, got, step.events)
		}
	}
	got, err := i.store.Keyspace(t.Context(), ws.ID, "strict")
	if err != nil || got.Name != "Stricter" || got.Policy.SelfList || !got.Policy.Name.Required {
		t.Errorf("%+v %v", got, err)
	}
}
