package native_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"latchkey"
	"latchkey/internal/keys"
	"latchkey/internal/ratelimit"
	"latchkey/internal/server"
	"latchkey/internal/span"
	"latchkey/internal/store"
	"latchkey/internal/token"
)

// rootKey is declared.
const rootKey = "a-root-key-for-tests-that-nobody-else-has"

// keyspaces are declared.
const keyspaces = `[
	{"slug":"payments","policy":{
		"prefix":"pay","environments":["live","test"],"permissions":["charges.read"],
		"limits":[{"name":"requests","max":100,"window":"1m"}],
		"credits":{"remaining":50,"refill":{"amount":50,"every":"daily"}},
		"expiry":{"default":"30d","min":"1h","max":"90d"}}},
	{"slug":"open","policy":{"verify_without_root_key":true}},
	{"slug":"kept","policy":{"recoverable":true}},
	{"slug":"literal","policy":{"permission_wildcards":false}},
	{"slug":"strict","policy":{"name":{"required":true,"min":3,"max":10},"meta":{"allowed":false},
		"expiry":{"required":true,"custom":false,"default":"1d"},"owner":"user","hint":{"store":false}}}
]`

// begin is when every test begins: a Saturday.
var begin = time.Date(2026, 11, 21, 9, 30, 0, 0, time.UTC)

// rootKeys are stored: by name, where they are at home and what they may do.
var rootKeys = []struct {
	name, home  string
	permissions []string
	change      func(*keys.Key)
}{
	{"full", keys.RootPath, []string{"*"}, nil},
	{"nothing", keys.RootPath, nil, nil},
	{"verifier", keys.RootPath, []string{"keys.payments.verify"}, nil},
	{"reader", keys.RootPath, []string{"keys.payments.read"}, nil},
	{"writer", keys.RootPath, []string{"keys.*.read", "keys.*.create", "keys.*.update"}, nil},
	{"deputy", keys.RootPath, []string{"keys.*.*", "workspaces.*.act"}, nil},
	{"acme", "default.acme", []string{"*"}, nil},
	{"shut", "default.shut", []string{"*"}, nil},
	{"off", keys.RootPath, []string{"*"}, func(k *keys.Key) { k.Enabled = false }},
	{"past", keys.RootPath, []string{"*"}, func(k *keys.Key) { k.ExpiresAt = begin.Add(-time.Hour) }},
	{"elsewhere", keys.RootPath, []string{"*"}, func(k *keys.Key) { k.AllowedIPs = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")} }},
	{"twice", keys.RootPath, []string{"keys.*.verify"}, func(k *keys.Key) {
		k.Limits = []ratelimit.Limit{{Name: "calls", Max: 2, Window: span.Of(time.Hour), Algorithm: ratelimit.Fixed, Auto: true}}
	}},
}

func secretOf(name string) string { return "the-secret-of-the-stored-root-key-" + name }

// A running is a whole server with a clock of its own.
type running struct {
	*server.Server
	dir  string
	vars map[string]string // what transcripts know from the start
	mu   sync.Mutex
	now  time.Time
}

// world is the data directory that every test begins with a copy of.
var world = sync.OnceValues(func() (world struct {
	dir  string
	vars map[string]string
}, err error) {
	if world.dir, err = os.MkdirTemp("", "latchkey-native"); err != nil {
		return world, err
	}
	world.vars, err = furnish(world.dir)
	return world, err
})

func TestMain(m *testing.M) {
	code := m.Run()
	if w, err := world(); err == nil {
		os.RemoveAll(w.dir)
	}
	os.Exit(code)
}

// start puts a server together over a copy of the world. Its clock stands; a
// request with a Clock header moves it first.
func start(t testing.TB) *running {
	t.Helper()
	w, err := world()
	if err != nil {
		t.Fatal(err)
	}
	r := &running{dir: filepath.Join(t.TempDir(), "data"), vars: w.vars, now: begin}
	if err := os.CopyFS(r.dir, os.DirFS(w.dir)); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(r.dir, 0o700); err != nil {
		t.Fatal(err)
	}
	r.open(t)
	return r
}

func (s *running) open(t testing.TB) {
	t.Helper()
	var err error
	if s.Server, err = server.Open(t.Context(), config(s.dir), server.Options{Clock: s.clock}); err != nil {
		t.Fatal(err)
	}
	opened := s.Server
	t.Cleanup(func() { opened.Close() })
}

// redeclare opens a server that was closed again, with other keyspaces.
func (s *running) redeclare(t testing.TB, keyspaces string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(s.dir, "keyspaces.json"), []byte(keyspaces), 0o600); err != nil {
		t.Fatal(err)
	}
	s.open(t)
}

func config(dir string) server.Config {
	cfg := server.Defaults()
	cfg.DataDir, cfg.RootKey, cfg.Keyspaces = dir, token.New(rootKey), filepath.Join(dir, "keyspaces.json")
	return cfg
}

func (s *running) clock() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now
}

// ServeHTTP moves the clock where the request says so, and passes it on.
func (s *running) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if at, err := time.Parse(time.RFC3339, r.Header.Get("Clock")); err == nil {
		s.mu.Lock()
		s.now = at
		s.mu.Unlock()
	}
	s.Handler.ServeHTTP(w, r)
}

// call sends a request under the base path, by a root key or none.
func (s *running) call(method, path, bearer, body string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, latchkey.BasePath+path, strings.NewReader(body))
	if bearer != "" {
		r.Header.Set("Authorization", "Bearer "+bearer)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w
}

// do is [running.call] by the root key, for an answer that is to be a success,
// which it reads into to.
func (s *running) do(t testing.TB, method, path, body string, to any) {
	t.Helper()
	w := s.call(method, path, rootKey, body)
	if w.Code < 200 || w.Code > 299 {
		t.Fatalf("%s %s %s: %d %s", method, path, body, w.Code, w.Body)
	}
	if to == nil {
		return
	}
	if err := json.Unmarshal(w.Body.Bytes(), to); err != nil {
		t.Fatalf("%s %s: %v in %s", method, path, err, w.Body)
	}
}

// makeKey makes a key.
func (s *running) makeKey(t testing.TB, settings string) (k latchkey.KeyWithSecret) {
	t.Helper()
	s.do(t, "POST", "/keys", settings, &k)
	return k
}

// furnish makes what no route of the API makes yet: workspaces, identities,
// roles and root keys.
func furnish(dir string) (vars map[string]string, err error) {
	ctx := context.Background()
	if err := os.WriteFile(filepath.Join(dir, "keyspaces.json"), []byte(keyspaces), 0o600); err != nil {
		return nil, err
	}
	empty, err := server.Open(ctx, config(dir), server.Options{Clock: func() time.Time { return begin }})
	if err != nil {
		return nil, err
	}
	if err := empty.Close(); err != nil {
		return nil, err
	}
	st, err := store.Open(ctx, "sqlite:"+filepath.Join(dir, "latchkey.db"))
	if err != nil {
		return nil, err
	}
	defer st.Close()
	f := &furnisher{ctx: ctx, st: st, vars: map[string]string{"root": rootKey, "rootID": keys.DeclaredID}}
	f.workspaces()
	f.identities()
	f.rootKeys()
	return f.vars, f.err
}

type furnisher struct {
	ctx  context.Context
	st   *store.Store
	vars map[string]string
	err  error
}

func (f *furnisher) did(err error) {
	if f.err == nil {
		f.err = err
	}
}

func (f *furnisher) event(ws keys.Workspace, action, kind, id string) keys.Event {
	return keys.Event{ID: token.NewID("evt"), WorkspaceID: ws.ID, At: begin, Action: action,
		Actor: keys.Creator{Kind: keys.Operator, ID: "operator"}, Target: keys.Ref{Type: kind, ID: id}}
}

func (f *furnisher) workspace(ref string) keys.Workspace {
	ws, err := f.st.Workspace(f.ctx, ref)
	f.did(err)
	return ws
}

func (f *furnisher) workspaces() {
	for _, slug := range []string{"acme", "shut"} {
		ws := keys.Workspace{ID: token.NewID("ws"), UUID: "00000000-0000-4000-8000-0000000000" + slug[:2], Slug: slug, Path: "default." + slug,
			Name: slug, Enabled: slug != "shut", CreatedAt: begin, UpdatedAt: begin}
		f.did(f.st.InsertWorkspace(f.ctx, &ws, nil, f.event(ws, "workspace.create", "workspace", ws.ID)))
		ks := keys.Keyspace{ID: token.NewID("ks"), WorkspaceID: ws.ID, Slug: keys.DefaultKeyspace, Name: "Default",
			Policy: keys.DefaultPolicy(), CreatedAt: begin, UpdatedAt: begin}
		f.did(f.st.InsertKeyspace(f.ctx, &ks, f.event(ws, "keyspace.create", "keyspace", ks.ID)))
		f.vars[slug+"WorkspaceID"] = ws.ID
	}
}

func (f *furnisher) identities() {
	ws := f.workspace(keys.RootPath)
	limits := []ratelimit.Limit{{Name: "shared", Max: 3, Window: span.Of(time.Hour), Algorithm: ratelimit.Fixed, Auto: true}}
	for _, i := range []keys.Identity{
		{ExternalID: "frozen", Kind: keys.Customer},
		{ExternalID: "person", Kind: keys.UserIdentity, Enabled: true, Meta: `{"plan":"pro"}`},
		{ExternalID: "team", Kind: keys.Customer, Enabled: true, Limits: limits},
		{Kind: keys.Customer, Enabled: true}, // without an external id
	} {
		i.ID, i.WorkspaceID, i.CreatedAt, i.UpdatedAt = token.NewID("idn"), ws.ID, begin, begin
		f.did(f.st.InsertIdentity(f.ctx, &i, f.event(ws, "identity.create", "identity", i.ID)))
		f.vars[i.ExternalID+"ID"] = i.ID // the last is $ID
	}
	for name, permissions := range map[string][]string{"reader": {"docs.read", "docs.list"}, "editor": {"docs.*"}} {
		r := keys.Role{ID: token.NewID("role"), WorkspaceID: ws.ID, Name: name, Permissions: permissions, CreatedAt: begin, UpdatedAt: begin}
		f.did(f.st.InsertRole(f.ctx, &r, f.event(ws, "role.create", "role", r.ID)))
	}
}

func (f *furnisher) rootKeys() {
	payments, err := f.st.Keyspace(f.ctx, f.workspace(keys.RootPath).ID, "payments")
	f.did(err)
	for _, root := range rootKeys {
		secret := token.New(secretOf(root.name))
		ws := f.workspace(root.home)
		k := keys.Key{ID: token.NewID("key"), WorkspaceID: ws.ID, Root: true, Name: root.name, Enabled: true,
			Secrets:   []keys.Secret{{ID: token.NewID("sec"), Hash: secret.Sum(), CreatedAt: begin}},
			CreatedBy: keys.Creator{Kind: keys.Operator}, CreatedAt: begin, UpdatedAt: begin}
		k.AccountID = k.ID
		for _, p := range root.permissions {
			k.Permissions = append(k.Permissions, strings.Replace(p, "payments", payments.ID, 1))
		}
		if root.change != nil {
			root.change(&k)
		}
		f.did(f.st.InsertKey(f.ctx, &k, f.event(ws, "root_key.create", "root_key", k.ID)))
		f.vars[root.name], f.vars[root.name+"ID"] = secretOf(root.name), k.ID
	}
	f.vars["paymentsID"] = payments.ID
}
