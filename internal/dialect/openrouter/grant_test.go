package openrouter_test

import (
	"fmt"
	"maps"
	"net/http"
	"strings"
	"testing"

	"latchkey/internal/conformance"
	"latchkey/internal/dialect/openrouter"
	"latchkey/internal/keys"
)

// A granting is a server on which grants are tried, with the keyspace of the
// keys that are managed and another one, and a workspace below.
type granting struct {
	testing.TB
	*running
	keyspace, other string
	below           string            // its UUID
	callers         map[string]string // grants, joined → the secret of a root key that has them
}

func newGranting(t testing.TB) *granting {
	f := &granting{TB: t, running: start(t), callers: map[string]string{}}
	f.makeKey(t, "") // with which its keyspace comes
	var ks struct{ ID string }
	f.do(t, "GET", "/latchkey/v1/keyspaces/openrouter", "", &ks)
	f.keyspace = ks.ID
	f.do(t, "GET", "/latchkey/v1/keyspaces/default", "", &ks)
	f.other = ks.ID
	f.do(t, "POST", "/latchkey/v1/workspaces", `{"slug":"below"}`, nil)
	r, err := http.NewRequest("POST", "/api/v1/keys", strings.NewReader(`{"name":"below"}`))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+rootKey)
	r.Header.Set("Latchkey-Workspace", "below")
	made := f.send(r)
	_, rest, _ := strings.Cut(made.Body.String(), `"workspace_id":"`)
	f.below, _, _ = strings.Cut(rest, `"`)
	return f
}

// caller returns the secret of a root key that holds some grants alone.
func (f *granting) caller(grants ...string) string {
	f.Helper()
	list := `["` + strings.Join(grants, `","`) + `"]`
	if len(grants) == 0 {
		list = `[]`
	}
	if f.callers[list] == "" {
		var made struct{ Secret string }
		f.do(f, "POST", "/latchkey/v1/root-keys", `{"permissions":`+list+`}`, &made)
		f.callers[list] = made.Secret
	}
	return f.callers[list]
}

// state is what moves with every change: the revision, and the newest event.
func (f *granting) state() string {
	f.Helper()
	var server struct{ Revision int64 }
	f.do(f, "GET", "/latchkey/v1/server", "", &server)
	return fmt.Sprintf("%d %s", server.Revision, f.call("GET", "/latchkey/v1/events?limit=1", rootKey, "").Body)
}

// A grantCase is an operation, and all that a root key needs for it.
type grantCase struct {
	route string // as in Routes, without the slash
	needs []string

	// ask makes what the operation is about, and returns its path and body.
	ask func(f *granting) (path, body string)

	lacking int // how who lacks a grant is answered; 0: 403
}

// inBelow makes a key in the workspace below.
func inBelow(f *granting) (hash string) {
	k, _ := f.makeKey(f, `,"workspace_id":"`+f.below+`"`)
	return k.Hash
}

func aKey(f *granting) (path, body string) {
	k, _ := f.makeKey(f, "")
	return "/api/v1/keys/" + k.Hash, `{"name":"other"}`
}

func aKeyBelow(f *granting) (path, body string) {
	return "/api/v1/keys/" + inBelow(f), `{"name":"other"}`
}

func asIs(path, body string) func(*granting) (string, string) {
	return func(*granting) (string, string) { return path, body }
}

// grantCases has a case for every operation that not anybody may call. $ks is
// the keyspace of the keys that are managed.
var grantCases = []grantCase{
	{"GET /api/v1/keys", []string{"keys.$ks.read"}, asIs("/api/v1/keys", ""), 0},
	{"POST /api/v1/keys", []string{"keys.$ks.create"}, asIs("/api/v1/keys", `{"name":"n","external":{"user":"u"}}`), 0},
	{"POST /api/v1/keys", []string{"keys.*.create", "workspaces.*.act"}, func(f *granting) (string, string) {
		return "/api/v1/keys", `{"name":"n","workspace_id":"` + f.below + `"}`
	}, http.StatusBadRequest},
	{"GET /api/v1/keys/{hash}", []string{"keys.$ks.read"}, aKey, 0},
	{"GET /api/v1/keys/{hash}", []string{"keys.*.read", "workspaces.*.act"}, aKeyBelow, http.StatusNotFound},
	{"PATCH /api/v1/keys/{hash}", []string{"keys.$ks.update"}, aKey, 0},
	{"PATCH /api/v1/keys/{hash}", []string{"keys.*.update", "workspaces.*.act"}, aKeyBelow, http.StatusNotFound},
	{"DELETE /api/v1/keys/{hash}", []string{"keys.$ks.delete"}, aKey, 0},
	{"DELETE /api/v1/keys/{hash}", []string{"keys.*.delete", "workspaces.*.act"}, aKeyBelow, http.StatusNotFound},
	{"POST /api/v1/auth/keys/code", []string{"keys.$ks.create"}, asIs("/api/v1/auth/keys/code", `{"callback_url":"https://app.example"}`), 0},
	{"POST /api/v1/auth/keys/code", []string{"keys.*.create", "workspaces.*.act"}, func(f *granting) (string, string) {
		return "/api/v1/auth/keys/code", `{"callback_url":"https://app.example","workspace_id":"` + f.below + `"}`
	}, http.StatusBadRequest},
	{"GET /api/v1/credits", []string{"usage.*.read"}, asIs("/api/v1/credits", ""), 0},
}

// needsNothing are the operations for the holder of any key.
var needsNothing = []string{"GET /api/v1/key", "GET /api/v1/auth/key"}

// TestGrants tries every operation by root keys that hold all but one of what it
// needs, and by one that holds that alone.
func TestGrants(t *testing.T) {
	f := newGranting(t)
	routes := map[string]bool{}
	for _, rt := range new(openrouter.Dialect).Routes() {
		routes[strings.TrimSuffix(rt.Pattern(), "/{$}")] = true
	}
	untried := maps.Clone(routes)
	for _, c := range grantCases {
		if !routes[c.route] {
			t.Errorf("there is no route %s", c.route)
		}
		delete(untried, c.route)
		t.Run(c.route, func(t *testing.T) { f.try(t, &c) })
	}
	for _, route := range needsNothing {
		delete(untried, route)
		path := strings.TrimPrefix(route, "GET ")
		if w := f.call("GET", path, f.caller(), ""); w.Code != http.StatusOK {
			t.Errorf("%s, by who holds nothing: %d %s", route, w.Code, w.Body)
		}
	}
	delete(untried, "POST /api/v1/auth/keys") // for whoever has a code
	for route := range untried {
		t.Errorf("no case tries %s: say in grantCases what it needs", route)
	}
}

func (f *granting) try(t *testing.T, c *grantCase) {
	path, body := c.ask(f)
	method, _, _ := strings.Cut(c.route, " ")
	var needs []string
	refusals := map[string]int{f.caller(): http.StatusForbidden} // secret of a caller → how it is answered
	for _, need := range c.needs {
		needs = append(needs, strings.Replace(need, "$ks", f.keyspace, 1))
		status := http.StatusForbidden
		if c.lacking != 0 && strings.HasPrefix(need, "workspaces") {
			status = c.lacking
		}
		refusals[f.caller(conformance.GrantsBut(need, "")...)] = status
		if strings.Contains(need, "$ks") && path+method != "/api/v1/keysGET" { // where a list would be another one
			refusals[f.caller(append(conformance.GrantsBut(need, keys.ResKeys), "keys."+f.other+".*")...)] = http.StatusForbidden
		}
	}
	before := f.state()
	for secret, want := range refusals {
		if w := f.call(method, path, secret, body); w.Code != want {
			t.Errorf("one who lacks a grant is answered %d %s, want %d", w.Code, w.Body, want)
		}
	}
	if after := f.state(); after != before {
		t.Errorf("those who were refused changed something:\n%s\n%s", before, after)
	}
	if w := f.call(method, path, f.caller(needs...), body); w.Code != http.StatusOK && w.Code != http.StatusCreated {
		t.Errorf("who holds %q alone is answered %d %s", needs, w.Code, w.Body)
	}
}

// TestScopedList lists keys by who may read those of one keyspace alone.
func TestScopedList(t *testing.T) {
	f := newGranting(t)
	var native struct{ ID string }
	f.do(t, "POST", "/latchkey/v1/keys", `{"name":"native"}`, &native)
	for scope, want := range map[string]string{f.keyspace: "made", f.other: "native"} {
		var got struct{ Data []keyView }
		f.doAs(t, f.caller("keys."+scope+".read"), "GET", "/api/v1/keys", "", &got)
		if len(got.Data) != 1 || got.Data[0].Name != want {
			t.Errorf("%+v, want the key %s", got.Data, want)
		}
	}
}
