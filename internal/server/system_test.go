package server

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"latchkey/internal/keys"
	"latchkey/internal/token"
)

// testRoot is declared as the root key of servers under test.
const testRoot = "root-key-of-servers-under-test-0123456789"

// open puts a server together, which is closed with the test.
func open(t *testing.T, cfg Config) *Server {
	t.Helper()
	s, err := Open(t.Context(), cfg, Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// opened is open with the declared root key, over a directory of its own.
func opened(t *testing.T) (*Server, Config) {
	t.Helper()
	cfg := Defaults()
	cfg.DataDir, cfg.RootKey = filepath.Join(t.TempDir(), "data"), token.New(testRoot)
	return open(t, cfg), cfg
}

func get(s *Server, path, bearer string) *httptest.ResponseRecorder {
	return request(s, "GET", path, bearer, "")
}

func post(s *Server, path, bearer, body string) *httptest.ResponseRecorder {
	return request(s, "POST", path, bearer, body)
}

func request(s *Server, method, path, bearer, body string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	if bearer != "" {
		r.Header.Set("Authorization", "Bearer "+bearer)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	s.Handler.ServeHTTP(w, r)
	return w
}

// TestHealthAndReadiness closes the database under a server.
func TestHealthAndReadiness(t *testing.T) {
	s, _ := opened(t)
	for path, want := range map[string]string{"/healthz": "ok\n", "/readyz": "ready\n"} {
		if w := get(s, path, ""); w.Code != http.StatusOK || w.Body.String() != want {
			t.Errorf("%s: got %d %q, want 200 %q", path, w.Code, w.Body, want)
		}
		if w := post(s, path, "", ""); w.Code != http.StatusMethodNotAllowed || w.Header().Get("Allow") != "GET, HEAD" {
			t.Errorf("POST %s: got %d, Allow %q", path, w.Code, w.Header().Get("Allow"))
		}
	}
	if err := s.store.Close(); err != nil {
		t.Fatal(err)
	}
	if w := get(s, "/readyz", ""); w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" {
		t.Errorf("/readyz without a database: got %d, Retry-After %q; want 503", w.Code, w.Header().Get("Retry-After"))
	}
	if w := get(s, "/healthz", ""); w.Code != http.StatusOK {
		t.Errorf("/healthz without a database: got %d, want 200", w.Code)
	}
	for _, request := range [][2]string{
		{"/latchkey/v1/verify", `{"key":"lk_some"}`}, {"/latchkey/v1/keys", `{}`}, {"/latchkey/v1/verify/batch", `{"requests":[{"key":"lk_some"}]}`},
	} {
		w := post(s, request[0], testRoot, request[1])
		if !strings.Contains(w.Body.String(), `"unavailable"`) || strings.Contains(w.Body.String(), `"valid"`) {
			t.Errorf("%s without a database: got %d %s, want that it is unavailable", request[0], w.Code, w.Body)
		}
	}
}

// TestMetrics asks for the figures by root keys with the right and without.
func TestMetrics(t *testing.T) {
	s, cfg := opened(t)
	root, err := s.store.Workspace(t.Context(), keys.RootPath)
	if err != nil {
		t.Fatal(err)
	}
	rootKey := func(secret string, permissions ...string) string {
		k := keys.Key{
			ID: token.NewID("key"), WorkspaceID: root.ID, Root: true, Enabled: true, Permissions: permissions,
			Secrets:   []keys.Secret{{ID: token.NewID("sec"), Hash: token.New(secret).Sum(), CreatedAt: time.Now()}},
			CreatedBy: keys.Creator{Kind: keys.Operator}, CreatedAt: time.Now(), UpdatedAt: time.Now(),
		}
		k.AccountID = k.ID
		if err := s.store.InsertKey(t.Context(), &k, keys.Event{ID: token.NewID("evt"), WorkspaceID: root.ID, At: time.Now(), Action: "root_key.create"}); err != nil {
			t.Fatal(err)
		}
		return secret
	}
	post(s, "/latchkey/v1/verify", testRoot, `{"key":"lk_unknown"}`)
	for _, tt := range []struct {
		name, bearer string
		status       int
	}{
		{"nobody", "", http.StatusUnauthorized},
		{"a stranger", "lk_stranger", http.StatusUnauthorized},
		{"the declared root key", testRoot, http.StatusOK},
		{"a root key with the right", rootKey("root-key-that-may-read-metrics-01234567", "metrics.*.read"), http.StatusOK},
		{"a root key without", rootKey("root-key-that-may-not-read-metrics-0123", "keys.*.*"), http.StatusForbidden},
	} {
		w := get(s, "/metrics", tt.bearer)
		if w.Code != tt.status {
			t.Errorf("%s: got %d %.100q, want %d", tt.name, w.Code, w.Body, tt.status)
		}
		for _, line := range []string{
			`latchkey_http_requests_total{dialect="native",route="POST /latchkey/v1/verify",status="200"} 1`,
			`latchkey_verifications_total{door="native",outcome="not_found"} 1`, "latchkey_cache_", "go_goroutines",
		} {
			if got := strings.Contains(w.Body.String(), line); got != (tt.status == http.StatusOK) {
				t.Errorf("%s: that the figures have %s is %t", tt.name, line, got)
			}
		}
	}

	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	cfg.MetricsAddr = "127.0.0.1:0"
	s = open(t, cfg)
	if w := get(s, "/metrics", testRoot); w.Code != http.StatusNotFound {
		t.Errorf("with a listener of their own, /metrics on the main one is answered %d, want 404", w.Code)
	}
}

// TestTrustedProxies looks at the address that the audit log has.
func TestTrustedProxies(t *testing.T) {
	s, cfg := opened(t)
	last := func() string {
		_, rest, _ := strings.Cut(get(s, "/latchkey/v1/events?limit=1", testRoot).Body.String(), `"ip":"`)
		addr, _, _ := strings.Cut(rest, `"`)
		return addr
	}
	create := func() string {
		w := request(s, "POST", "/latchkey/v1/keys", testRoot, `{}`, "X-Forwarded-For", "198.51.100.1", "X-Forwarded-For", "203.0.113.9, 10.1.2.3")
		if w.Code != http.StatusCreated {
			t.Fatalf("make a key: %d %s", w.Code, w.Body)
		}
		return last()
	}
	if got := create(); got != "192.0.2.1" {
		t.Errorf("with no proxy trusted the address is %q, want the peer's", got)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	cfg.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("192.0.2.1/32"), netip.MustParsePrefix("10.0.0.0/8")}
	s = open(t, cfg)
	if got := create(); got != "203.0.113.9" {
		t.Errorf("through two proxies the address is %q, want 203.0.113.9", got)
	}
}

// TestDialectsAreChosen serves one API and not the other.
func TestDialectsAreChosen(t *testing.T) {
	_, cfg := opened(t)
	cfg.DataDir, cfg.Dialects = filepath.Join(t.TempDir(), "data"), []string{"tatry"}
	s := open(t, cfg)
	if w := get(s, "/v1/health", ""); w.Code != http.StatusOK {
		t.Errorf("the API that was named is answered %d", w.Code)
	}
	if w := get(s, "/latchkey/v1/server", ""); w.Code != http.StatusNotFound {
		t.Errorf("the API that was not named is answered %d %s, want 404", w.Code, w.Body)
	}
	if w := get(s, "/healthz", ""); w.Code != http.StatusOK {
		t.Errorf("/healthz is answered %d", w.Code)
	}
}
