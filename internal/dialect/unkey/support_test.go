package unkey_test

import (
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

	"latchkey/internal/server"
	"latchkey/internal/token"
)

// rootKey is declared.
const rootKey = "a-root-key-for-tests-that-nobody-else-has"

// keyspaces are declared: one whose keys only root keys may verify, and one that
// keeps its secrets.
const keyspaces = `[
	{"slug":"closed","name":"Closed"},
	{"slug":"kept","name":"Kept","policy":{"recoverable":true,"verify_without_root_key":true,
		"secret":{"format":"base58-bytes","length":24}}}
]`

// begin is when every test begins: a Saturday.
var begin = time.Date(2026, 11, 21, 9, 30, 0, 0, time.UTC)

// A running is a whole server with a clock of its own.
type running struct {
	*server.Server
	mu  sync.Mutex
	now time.Time
}

// start puts a server together. Its clock stands; a request with a Clock header
// moves it first.
func start(t testing.TB, change ...func(*server.Config)) *running {
	t.Helper()
	dir := t.TempDir()
	cfg := server.Defaults()
	cfg.DataDir, cfg.RootKey = filepath.Join(dir, "data"), token.New(rootKey)
	cfg.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	cfg.Keyspaces = filepath.Join(dir, "keyspaces.json")
	if err := os.WriteFile(cfg.Keyspaces, []byte(keyspaces), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range change {
		c(&cfg)
	}
	r := &running{now: begin}
	var err error
	if r.Server, err = server.Open(t.Context(), cfg, server.Options{Clock: r.clock}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
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

// call sends a request by a bearer or none.
func (s *running) call(method, path, bearer, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	if bearer != "" {
		r.Header.Set("Authorization", "Bearer "+bearer)
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w
}

// do is [running.call] by the root key for an answer that is to be a success,
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
	if err := json.Unmarshal(w.Body.Bytes(), to, json.MatchCaseInsensitiveNames(true)); err != nil {
		t.Fatalf("%s %s: %v in %s", method, path, err, w.Body)
	}
}

// makeAPI makes an API and returns its id.
func (s *running) makeAPI(t testing.TB) string {
	t.Helper()
	var made struct{ APIID string }
	s.do(t, "POST", "/v1/apis.createApi", `{"name":"Payments"}`, &made)
	return made.APIID
}

// makeKey makes a key of an API, with further members of the request.
func (s *running) makeKey(t testing.TB, apiID, more string) (id, secret string) {
	t.Helper()
	var made struct{ KeyID, Key string }
	s.do(t, "POST", "/v1/keys.createKey", `{"apiId":"`+apiID+`"`+more+`}`, &made)
	return made.KeyID, made.Key
}

// A verdict is what a verification answers.
type verdict struct {
	Valid     bool   `json:"valid"`
	Code      string `json:"code"`
	KeyID     string `json:"keyId"`
	Remaining *int64 `json:"remaining"`
	RequestID string `json:"requestId"`
}

// verify asks about a key, with further members of the request, as anybody.
func (s *running) verify(t testing.TB, secret, more string) (v verdict) {
	t.Helper()
	w := s.call("POST", "/v1/keys.verifyKey", "", `{"key":"`+secret+`"`+more+`}`)
	if err := json.Unmarshal(w.Body.Bytes(), &v); err != nil || w.Code != http.StatusOK {
		t.Fatalf("verify %s: %d %s", more, w.Code, w.Body)
	}
	return v
}
