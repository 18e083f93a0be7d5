package tatry_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"latchkey/internal/conformance"
	"latchkey/internal/dialect/tatry"
	"latchkey/internal/server"
	"latchkey/internal/token"
)

// rootKey is declared, so that transcripts can make keys.
const rootKey = "a-root-key-for-tests-that-nobody-else-has"

// keyspaces declares one whose holders may not list keys.
const keyspaces = `[{"slug":"closed","name":"Closed","policy":{"self_list":false}}]`

// A running is a whole server with a clock of its own.
type running struct {
	*server.Server
	mu  sync.Mutex
	now time.Time
}

// start puts a server together. Its clock stands at noon of 12 February 2024;
// a request with a Clock header moves it first.
func start(t testing.TB) *running {
	t.Helper()
	dir := t.TempDir()
	r := &running{now: time.Date(2024, 2, 12, 12, 0, 0, 0, time.UTC)}
	cfg := server.Defaults()
	cfg.DataDir, cfg.RootKey = filepath.Join(dir, "data"), token.New(rootKey)
	cfg.Keyspaces = filepath.Join(dir, "keyspaces.json")
	if err := os.WriteFile(cfg.Keyspaces, []byte(keyspaces), 0o600); err != nil {
		t.Fatal(err)
	}
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

// get sends a request to a path and query by a key.
func (s *running) get(path, query, key string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.URL = &url.URL{Path: path, RawQuery: query}
	if key != "" {
		r.Header.Set("Authorization", "Bearer "+key)
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w
}

// makeKey makes a key by the native API.
func (s *running) makeKey(t testing.TB, settings string) (id, secret string) {
	t.Helper()
	r := httptest.NewRequest(http.MethodPost, "/latchkey/v1/keys", strings.NewReader(settings))
	r.Header.Set("Authorization", "Bearer "+rootKey)
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	var made struct{ ID, Secret string }
	if err := json.Unmarshal(w.Body.Bytes(), &made, json.MatchCaseInsensitiveNames(true)); err != nil || w.Code != http.StatusCreated {
		t.Fatalf("make a key: %d %s %v", w.Code, w.Body, err)
	}
	return made.ID, made.Secret
}

// A witness notes what the conversations have shown.
type witness struct {
	mu      sync.Mutex
	asked   map[string]bool // method and path
	refused map[string]bool // code
}

func (wit *witness) watch(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked := r.Method + " " + r.URL.Path
		rec := httptest.NewRecorder()
		next.ServeHTTP(rec, r)
		var failure struct{ Error struct{ Code string } }
		bad := json.Unmarshal(rec.Body.Bytes(), &failure, json.MatchCaseInsensitiveNames(true)) != nil
		wit.mu.Lock()
		wit.asked[asked] = true
		if !bad && failure.Error.Code != "" {
			wit.refused[failure.Error.Code] = true
		}
		wit.mu.Unlock()
		for name, values := range rec.Header() {
			w.Header()[name] = values
		}
		w.WriteHeader(rec.Code)
		w.Write(rec.Body.Bytes())
	})
}

func TestTranscripts(t *testing.T) {
	wit := &witness{asked: map[string]bool{}, refused: map[string]bool{}}
	conformance.Transcripts(t, func(t *testing.T) (http.Handler, map[string]string) {
		s := start(t)
		return wit.watch(s), map[string]string{"root": rootKey}
	})
	if t.Failed() {
		return
	}
	for _, rt := range new(tatry.Dialect).Routes() {
		if !wit.asked[rt.Pattern()] {
			t.Errorf("no transcript asks for %s", rt.Pattern())
		}
	}
	for _, code := range []string{
		"auth_invalid_key", "auth_expired_key", "auth_permission_denied",
		"invalid_request", "not_found", "method_not_allowed", "request_too_large",
	} {
		if !wit.refused[code] {
			t.Errorf("no transcript is refused with %s", code)
		}
	}
}

// TestOutage shows that a key is not called bad because it cannot be looked
// up.
func TestOutage(t *testing.T) {
	s := start(t)
	_, known := s.makeKey(t, `{"permissions":["read"]}`)
	_, fresh := s.makeKey(t, `{"permissions":["read"]}`)
	if w := s.get("/v1/auth/validate", "", known); w.Code != http.StatusOK {
		t.Fatalf("before the outage: %d %s", w.Code, w.Body)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for path, key := range map[string]string{
		"/v1/auth/validate": fresh, "/v1/validate": "a key that nobody knows", "/v1/auth/keys": known, "/v1/usage": known,
	} {
		w := s.get(path, "", key)
		if w.Code != http.StatusServiceUnavailable || !strings.Contains(w.Body.String(), `"code":"service_unavailable"`) {
			t.Errorf("%s: %d %s, want 503 service_unavailable", path, w.Code, w.Body)
		}
		if w.Header().Get("Retry-After") == "" {
			t.Errorf("%s: no Retry-After", path)
		}
	}
}

func TestNeverRedirects(t *testing.T) {
	s := start(t)
	_, key := s.makeKey(t, `{"permissions":["read"]}`)
	for path, status := range map[string]int{
		"//v1/auth/validate":          200,
		"/v1//auth///validate":        200,
		"//v1/validate":               200,
		"//v1/auth/keys":              200,
		"//v1//usage":                 200,
		"//v1/health":                 200,
		"/v1/auth/validate/":          404,
		"/v1/auth/":                   404,
		"/v1/auth/./validate":         404,
		"/v1/auth/../auth/validate":   404,
		"//v1/auth/keys/../validate":  404,
		"/v1/validate/..":             404,
		"/v1/health/":                 404,
		"/v1/AUTH/validate":           404,
		"/v1/auth/%2e%2e/validate":    404,
		"/v1/auth/keys/anything/else": 404,
	} {
		for _, method := range []string{"GET", "POST", "HEAD", "DELETE"} {
			r := httptest.NewRequest(method, "/", nil)
			target, err := url.Parse("http://latchkey.test" + path)
			if err != nil {
				t.Fatal(err)
			}
			r.URL.Path, r.URL.RawPath = target.Path, target.RawPath
			r.Header.Set("Authorization", "Bearer "+key)
			w := httptest.NewRecorder()
			s.ServeHTTP(w, r)
			if w.Code >= 300 && w.Code < 400 || w.Header().Get("Location") != "" {
				t.Errorf("%s %s: %d to %q", method, path, w.Code, w.Header().Get("Location"))
			}
			if method == "GET" && w.Code != status {
				t.Errorf("%s %s: %d %s, want %d", method, path, w.Code, w.Body, status)
			}
		}
	}
}

// TestPages reads a list page by page and finds each key once, the newest
// first.
func TestPages(t *testing.T) {
	s := start(t)
	var want []string
	var key string
	for range 7 {
		var id string
		id, key = s.makeKey(t, `{"permissions":["read"],"external_id":"org_123"}`)
		want = append([]string{id}, want...)
	}
	s.makeKey(t, `{"external_id":"org_124"}`)
	s.makeKey(t, `{}`)
	for _, size := range []string{"1", "3", "7", "100"} {
		var got []string
		for offset := 0; ; {
			w := s.get("/v1/auth/keys", url.Values{"limit": {size}, "offset": {strconv.Itoa(offset)}}.Encode(), key)
			page := keysOf(t, w)
			if page.Total != len(want) {
				t.Fatalf("limit %s, offset %d: total %d, want %d", size, offset, page.Total, len(want))
			}
			if len(page.Keys) == 0 {
				break
			}
			for _, k := range page.Keys {
				got = append(got, k.ID)
			}
			offset += len(page.Keys)
		}
		if !slices.Equal(got, want) {
			t.Errorf("limit %s: got %v, want %v", size, got, want)
		}
	}
}

// FuzzQuery states that no query of a list or of usage breaks anything, and
// that a page is never longer than it may be.
func FuzzQuery(f *testing.F) {
	for _, q := range []string{
		"", "status=active&limit=10&offset=20", "status=revoked", "status=%00", "limit=0", "limit=-1", "limit=1e3", "limit=+7",
		"limit=99999999999999999999", "offset=-99999999999999999999", "offset=9223372036854775807", "limit=--1", "offset=-", "limit=%zz", "a;b",
		"month=2024-02", "month=0000-01", "month=9999-12", "month=2024-13", "month=2024-2", "month=\xff", "month=2024-02&month=x",
	} {
		f.Add(q)
	}
	s := start(f)
	_, key := s.makeKey(f, `{"permissions":["read"]}`)
	s.makeKey(f, `{}`)
	f.Fuzz(func(t *testing.T, query string) {
		for _, path := range []string{"/v1/auth/keys", "/v1/usage", "/v1/validate", "/v1/health"} {
			w := s.get(path, query, key)
			if w.Code != http.StatusOK && w.Code != http.StatusBadRequest {
				t.Fatalf("%s?%q: %d %s", path, query, w.Code, w.Body)
			}
			if path == "/v1/auth/keys" && w.Code == http.StatusOK {
				if page := keysOf(t, w); len(page.Keys) > page.Total || page.Total > 2 {
					t.Fatalf("%s?%q: %s", path, query, w.Body)
				}
			}
		}
	})
}

type page struct {
	Keys  []struct{ ID string }
	Total int
}

func keysOf(t *testing.T, w *httptest.ResponseRecorder) page {
	t.Helper()
	var answer struct{ Data page }
	if err := json.Unmarshal(w.Body.Bytes(), &answer, json.MatchCaseInsensitiveNames(true)); err != nil || w.Code != http.StatusOK {
		t.Fatalf("list keys: %d %s %v", w.Code, w.Body, err)
	}
	return answer.Data
}
