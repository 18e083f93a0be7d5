package openrouter_test

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
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
func start(t testing.TB) *running {
	t.Helper()
	cfg := server.Defaults()
	cfg.DataDir, cfg.RootKey = filepath.Join(t.TempDir(), "data"), token.New(rootKey)
	cfg.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
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

func (s *running) moveTo(at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now = at
}

// ServeHTTP moves the clock where the request says so, and passes it on.
func (s *running) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if at, err := time.Parse(time.RFC3339, r.Header.Get("Clock")); err == nil {
		s.moveTo(at)
	}
	s.Handler.ServeHTTP(w, r)
}

// call sends a request by a bearer or none.
func (s *running) call(method, path, bearer, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	if bearer != "" {
		r.Header.Set("Authorization", "Bearer "+bearer)
	}
	return s.send(r)
}

// send sends a request as it is.
func (s *running) send(r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w
}

// do is [running.call] by the root key for an answer that is to be a success,
// which it reads into to.
func (s *running) do(t testing.TB, method, path, body string, to any) {
	t.Helper()
	s.doAs(t, rootKey, method, path, body, to)
}

func (s *running) doAs(t testing.TB, bearer, method, path, body string, to any) {
	t.Helper()
	w := s.call(method, path, bearer, body)
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

// A keyView is what tests look at of a key.
type keyView struct {
	Hash             string   `json:"hash"`
	Name             string   `json:"name"`
	Label            string   `json:"label"`
	Disabled         bool     `json:"disabled"`
	Limit            *float64 `json:"limit"`
	LimitRemaining   *float64 `json:"limit_remaining"`
	LimitReset       *string  `json:"limit_reset"`
	IncludeBYOK      bool     `json:"include_byok_in_limit"`
	Usage            float64  `json:"usage"`
	UsageDaily       float64  `json:"usage_daily"`
	UsageWeekly      float64  `json:"usage_weekly"`
	UsageMonthly     float64  `json:"usage_monthly"`
	BYOKUsage        float64  `json:"byok_usage"`
	BYOKUsageDaily   float64  `json:"byok_usage_daily"`
	BYOKUsageWeekly  float64  `json:"byok_usage_weekly"`
	BYOKUsageMonthly float64  `json:"byok_usage_monthly"`
	UpdatedAt        *string  `json:"updated_at"`
	WorkspaceID      string   `json:"workspace_id"`
}

// makeKey makes a key, with further members of the request.
func (s *running) makeKey(t testing.TB, more string) (k keyView, secret string) {
	t.Helper()
	var made struct {
		Data keyView
		Key  string
	}
	s.do(t, "POST", "/api/v1/keys", `{"name":"made"`+more+`}`, &made)
	return made.Data, made.Key
}

// getKey reads a key by its hash.
func (s *running) getKey(t testing.TB, hash string) keyView {
	t.Helper()
	var got struct{ Data keyView }
	s.do(t, "GET", "/api/v1/keys/"+hash, "", &got)
	return got.Data
}

// idOf returns the id by which the native API has a key.
func (s *running) idOf(t testing.TB, secret string) string {
	t.Helper()
	var got struct{ ID string }
	s.doAs(t, secret, "GET", "/latchkey/v1/whoami", "", &got)
	return got.ID
}

// spend reports dollars that were spent with a key.
func (s *running) spend(t testing.TB, id, micros, kind string) {
	t.Helper()
	s.do(t, "POST", "/latchkey/v1/keys/"+id+"/spend", `{"amount_micros":`+micros+`,"kind":"`+kind+`"}`, nil)
}
