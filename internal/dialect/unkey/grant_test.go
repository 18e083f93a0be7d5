package unkey_test

import (
	"fmt"
	"maps"
	"net/http"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"

	"latchkey/internal/conformance"
	"latchkey/internal/dialect/unkey"
	"latchkey/internal/keys"
)

// A granting is a server on which grants are tried, with an API whose keys are
// managed and another one.
type granting struct {
	testing.TB
	*running
	api, other string
	callers    map[string]string // grants, joined → the secret of a root key that has them
	made       int
}

func newGranting(t testing.TB) *granting {
	f := &granting{TB: t, running: start(t), callers: map[string]string{}}
	f.other = f.makeAPI(t)
	var kept struct{ ID string }
	f.do(t, "GET", "/latchkey/v1/keyspaces/kept", "", &kept)
	f.api = kept.ID
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

// fresh calls a method that makes something, and returns the member of the
// answer that is its id. In the body %d stands for a number that nothing else
// has.
func (f *granting) fresh(method, body, member string) string {
	f.Helper()
	f.made++
	var made map[string]string
	f.do(f, "POST", "/v1/"+method, fmt.Sprintf(body, f.made), &made)
	return made[member]
}

// A grantCase is a method of the API, and all that a root key needs for it.
type grantCase struct {
	method string
	needs  []string // $api is the API that it is about

	// ask makes what the method is about, and returns its body, or its query
	// where it is called by GET.
	ask func(f *granting) string

	hidden bool // keys of another API are not found
}

// TestGrants tries every method by root keys that hold all but one of what it
// needs, and by one that holds that alone.
func TestGrants(t *testing.T) {
	f := newGranting(t)
	verbs := map[string]string{} // method → GET or POST
	for _, rt := range new(unkey.Dialect).Routes() {
		if rt.Method != "OPTIONS" {
			verbs[strings.TrimPrefix(rt.Path, "/v1/")] = rt.Method
		}
	}
	untried := maps.Clone(verbs)
	for _, c := range grantCases {
		verb, ok := verbs[c.method]
		if !ok {
			t.Errorf("there is no method %s", c.method)
		}
		delete(untried, c.method)
		t.Run(c.method, func(t *testing.T) { f.try(t, verb, &c) })
	}
	for _, method := range needsNothing {
		delete(untried, method)
	}
	for method := range untried {
		t.Errorf("no case tries %s: say in grantCases what it needs", method)
	}
}

// needsNothing are the methods for anybody.
var needsNothing = []string{"keys.verifyKey", "liveness"}

func (f *granting) try(t *testing.T, verb string, c *grantCase) {
	ask := c.ask(f)
	send := func(secret string) (status int, code, answer string) {
		path, body := "/v1/"+c.method, ask
		if verb == "GET" {
			path, body = path+"?"+ask, ""
		}
		w := f.call(verb, path, secret, body)
		var failure struct {
			Error struct {
				Code string `json:"code"`
			} `json:"error"`
		}
		if w.Code != http.StatusOK {
			if err := json.Unmarshal(w.Body.Bytes(), &failure); err != nil {
				t.Errorf("%d %.300s: %v", w.Code, w.Body, err)
			}
		}
		return w.Code, failure.Error.Code, w.Body.String()
	}
	var needs []string
	lacking, elsewhere := map[string]string{"who holds nothing": f.caller()}, ""
	for _, need := range c.needs {
		needs = append(needs, strings.Replace(need, "$api", f.api, 1))
		lacking["who holds everything but "+need] = f.caller(conformance.GrantsBut(need, "")...)
		if strings.HasPrefix(need, keys.ResKeys) {
			elsewhere = f.caller(append(conformance.GrantsBut(need, keys.ResKeys), "keys."+f.other+".*")...)
		}
	}

	before := f.state()
	for who, secret := range lacking {
		status, code, answer := send(secret)
		if status != http.StatusForbidden || code != "INSUFFICIENT_PERMISSIONS" && code != "UNAUTHORIZED" {
			t.Errorf("%s is answered %d %.300s", who, status, answer)
		}
	}
	if elsewhere != "" {
		status, _, answer := send(elsewhere)
		if want := map[bool]int{false: http.StatusForbidden, true: http.StatusNotFound}[c.hidden]; status != want {
			t.Errorf("who holds all, but keys in another API, is answered %d %.300s", status, answer)
		}
	}
	if status, code, answer := send("public"); status != http.StatusForbidden || code != "UNAUTHORIZED" {
		t.Errorf("nobody is answered %d %.300s", status, answer)
	}
	if after := f.state(); after != before {
		t.Errorf("those who were refused changed something:\n%.300s\n%.300s", before, after)
	}
	if status, _, answer := send(f.caller(needs...)); status != http.StatusOK {
		t.Errorf("who holds %q alone is answered %d %.300s", needs, status, answer)
	}
}
