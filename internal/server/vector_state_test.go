package server_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"latchkey/internal/server"
	"latchkey/internal/token"
)

// rootKey is declared.
const rootKey = "a-root-key-for-tests-that-nobody-else-has"

// begin is when everything is made, and aging how much later it is asked about.
var begin = time.Date(2026, 11, 21, 9, 30, 0, 0, time.UTC)

const aging = 2 * time.Hour

// A site is a whole server with a clock that stands until it is moved.
type site struct {
	testing.TB
	*server.Server
	mu  sync.Mutex
	now time.Time
}

func newSite(t testing.TB) *site {
	t.Helper()
	s := &site{TB: t, now: begin}
	cfg := server.Defaults()
	cfg.DataDir, cfg.RootKey = filepath.Join(t.TempDir(), "data"), token.New(rootKey)
	var err error
	if s.Server, err = server.Open(t.Context(), cfg, server.Options{Clock: s.clock}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func (s *site) clock() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now
}

func (s *site) age(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now = s.now.Add(d)
}

// ServeHTTP implements [http.Handler].
func (s *site) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.Handler.ServeHTTP(w, r) }

// manage calls the native API by the root key in a workspace ("": the root
// one), for a success that it reads into to.
func (s *site) manage(workspace, method, path, body string, to any) {
	s.Helper()
	r := newRequest(method, "/latchkey/v1"+path, "", rootKey, body)
	r.Header.Set("Latchkey-Workspace", workspace)
	status, answer := s.do(r)
	if status < 200 || status > 299 {
		s.Fatalf("%s %s %s: %d %s", method, path, body, status, answer)
	}
	if to == nil {
		return
	}
	if err := json.Unmarshal(answer, to); err != nil {
		s.Fatalf("%s %s: %v in %s", method, path, err, answer)
	}
}

// A subject is a key that is asked about, by one of its secrets.
type subject struct {
	id        string
	secret    string          // which is presented
	live      string          // one that is good, for looking at figures
	workspace string          // "": the root one
	limits    map[string]bool // the key's and its owner's: name → it applies by itself
	before    func()          // what each question is preceded by; nil: nothing
}

// creditsLeft is the name of the credits among figures.
const creditsLeft = "(credits)"

// figures looks at what is left of a subject's credits and limits, which takes
// nothing. There are none of a key that is not found.
func (s *site) figures(of *subject) map[string]int64 {
	s.Helper()
	left := map[string]int64{}
	call := func(method, path, body string) ([]byte, bool) {
		r := newRequest(method, "/latchkey/v1"+path, "", rootKey, body)
		r.Header.Set("Latchkey-Workspace", of.workspace)
		status, answer := s.do(r)
		return answer, status == http.StatusOK
	}
	if answer, ok := call("GET", "/keys/"+of.id, ""); ok && of.id != "" {
		var key struct{ Credits *struct{ Remaining int64 } }
		if err := json.Unmarshal(answer, &key); err != nil {
			s.Fatal(err)
		}
		if key.Credits != nil {
			left[creditsLeft] = key.Credits.Remaining
		}
	}
	if len(of.limits) == 0 {
		return left
	}
	var free []string
	for name := range of.limits {
		free = append(free, fmt.Sprintf(`{"name":%q,"cost":0}`, name))
	}
	answer, ok := call("POST", "/verify", fmt.Sprintf(`{"key":%q,"cost":0,"limits":[%s]}`, of.live, strings.Join(free, ",")))
	var v struct {
		Limits []struct {
			Name      string
			Remaining int64
		}
	}
	if err := json.Unmarshal(answer, &v); err != nil || !ok || len(v.Limits) != len(of.limits) {
		s.Fatalf("the limits %v are shown as %s", of.limits, answer)
	}
	for _, l := range v.Limits {
		left[l.Name] = l.Remaining
	}
	return left
}

// makeKey makes a key and tells which limits it has.
func (s *site) makeKey(workspace, settings string, limits map[string]bool) *subject {
	s.Helper()
	var made struct{ ID, Secret string }
	s.manage(workspace, "POST", "/keys", settings, &made)
	return &subject{id: made.ID, secret: made.Secret, live: made.Secret, workspace: workspace, limits: limits}
}

// key makes a key of the keyspace open, with further settings.
func (s *site) key(more string) *subject {
	s.Helper()
	return s.makeKey("", `{"keyspace":"open"`+more+`}`, nil)
}

// patch changes a key.
func (s *site) patch(of *subject, settings string) *subject {
	s.Helper()
	s.manage(of.workspace, "PATCH", "/keys/"+of.id, settings, nil)
	return of
}

// use verifies a key, with further members of the request, which is to be
// accepted.
func (s *site) use(of *subject, more string) *subject {
	s.Helper()
	var v struct{ Valid bool }
	if s.manage(of.workspace, "POST", "/verify", fmt.Sprintf(`{"key":%q%s}`, of.live, more), &v); !v.Valid {
		s.Fatalf("a use with %s is refused", more)
	}
	return of
}

// rotate rotates a key and returns it by its new secret.
func (s *site) rotate(of *subject, overlap string) *subject {
	s.Helper()
	var made struct{ Secret string }
	s.manage("", "POST", "/keys/"+of.id+"/rotate", `{"overlap":"`+overlap+`"}`, &made)
	return &subject{id: of.id, secret: made.Secret, live: made.Secret}
}

// identity makes an identity, with further settings.
func (s *site) identity(workspace, externalID, more string) {
	s.Helper()
	s.manage(workspace, "POST", "/identities", fmt.Sprintf(`{"external_id":%q%s}`, externalID, more), nil)
}

// workspaceOf makes a workspace with a keyspace open.
func (s *site) workspaceOf(above, slug string) {
	s.Helper()
	s.manage(above, "POST", "/workspaces", `{"slug":"`+slug+`"}`, nil)
	s.manage(slug, "POST", "/keyspaces", openKeyspace, nil)
}

const openKeyspace = `{"slug":"open","policy":{"verify_without_root_key":true}}`

// furnish makes a key in every state, and lets them age.
func (s *site) furnish() map[string]*subject { // state → key
	s.Helper()
	s.manage("", "POST", "/keyspaces", openKeyspace, nil)
	s.manage("", "POST", "/keyspaces", `{"slug":"literal","policy":{"verify_without_root_key":true,"permission_wildcards":false}}`, nil)
	s.manage("", "POST", "/keyspaces", `{"slug":"other","policy":{"verify_without_root_key":true}}`, nil)
	s.manage("", "POST", "/roles", `{"name":"reader","permissions":["docs.read"]}`, nil)
	out := map[string]*subject{}
	for _, st := range keyStates() {
		out[st.name] = st.make(s)
	}
	s.age(aging)
	return out
}
