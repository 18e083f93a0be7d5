package native_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"

	"latchkey"
	"latchkey/internal/conformance"
	"latchkey/internal/dialect/native"
	"latchkey/internal/httpapi"
	"latchkey/internal/keys"
)

// A grantCase is an operation on something, and all that a root key needs for
// it.
type grantCase struct {
	operation string   // its id; "" for what is no operation of this API
	needs     []string // a keyspace by slug
	status    int      // of a success; 0: that of the operation

	// prepare makes what the operation is about, and returns the request: a
	// path below the base path, a body, and headers in pairs.
	prepare preparation

	hidden  string // what is not there at all for who lacks this permission
	outcome string // what a refused verification is answered, which is no error
}

// later are permissions of operations that this version does not have.
var later = map[string]string{ // permission → what will need it
}

// Names of those who lack something; the second one goes on with what.
const (
	holdsNothing = "who holds nothing"
	allBut       = "who holds everything but "
)

// A granting is a server on which grants are tried.
type granting struct {
	testing.TB
	*running
	callers map[string]string // grants, joined → the secret of a root key that has them
	made    int
}

func newGranting(t testing.TB) *granting {
	return &granting{TB: t, running: start(t), callers: map[string]string{}}
}

// caller returns the secret of a root key that holds some grants alone.
func (f *granting) caller(grants ...string) string {
	f.Helper()
	list, err := json.Marshal(grants)
	if err != nil {
		f.Fatal(err)
	}
	if secret, ok := f.callers[string(list)]; ok {
		return secret
	}
	var made latchkey.RootKeyWithSecret
	f.do(f, "POST", "/root-keys", `{"permissions":`+string(list)+`}`, &made)
	if len(grants) > 0 { // one with nothing may end itself
		f.callers[string(list)] = made.Secret
	}
	return made.Secret
}

// send sends a request to a path below the base path, but for the metrics.
func (f *granting) send(method, path, bearer, body string, headers []string) *httptest.ResponseRecorder {
	if path != "/metrics" {
		return f.call(method, path, bearer, body, headers...)
	}
	r := httptest.NewRequest(method, path, nil)
	r.Header.Set("Authorization", "Bearer "+bearer)
	w := httptest.NewRecorder()
	f.ServeHTTP(w, r)
	return w
}

// state is what moves with every change: the revision, and the newest event.
func (f *granting) state() string {
	f.Helper()
	var server latchkey.Server
	f.do(f, "GET", "/server", "", &server)
	return fmt.Sprintf("%d %s", server.Revision, f.call("GET", "/events?limit=1", rootKey, "").Body)
}

// TestGrants tries every operation by root keys that hold all but one of what
// it needs, and by one that holds that alone.
func TestGrants(t *testing.T) {
	f := newGranting(t)
	operations := map[string]native.Operation{}
	for _, op := range native.Operations() {
		operations[op.ID] = op
	}
	needed := map[string]bool{}
	for _, c := range grantCases {
		op, ok := operations[c.operation]
		if !ok {
			op = native.Operation{ID: "GET " + strings.Join(c.needs, ","), Method: "GET", Status: http.StatusOK}
		}
		t.Run(op.ID, func(t *testing.T) { f.try(t, &op, &c) })
		for _, need := range c.needs {
			parts := strings.Split(need, ".")
			needed[parts[0]+".*."+parts[2]] = true
		}
	}
	for resource, actions := range keys.Actions {
		for _, action := range actions {
			p := resource + ".*." + action
			if _, waits := later[p]; waits == needed[p] {
				t.Errorf("%s: something needs it: %t; nothing will before later: %t", p, needed[p], waits)
			}
		}
	}
}

// try tries one operation.
func (f *granting) try(t *testing.T, op *native.Operation, c *grantCase) {
	path, body, headers := c.prepare(f)
	lacking := map[string]string{} // who → secret
	for _, need := range c.needs {
		lacking[holdsNothing] = f.caller()
		lacking[allBut+need] = f.caller(conformance.GrantsBut(need, "")...)
		if resource, _, _ := strings.Cut(need, "."); resource == keys.ResKeys {
			elsewhere := slices.DeleteFunc(conformance.GrantsBut(need, ""), func(g string) bool { return strings.HasPrefix(g, "keys.") })
			lacking["who holds all, but keys in another keyspace"] = f.caller(append(elsewhere, "keys.literal.*")...)
		}
	}
	only := f.caller(c.needs...)
	ordinary := f.makeKey(f, `{"permissions":["*","keys.*.*"]}`).Secret

	before := f.state()
	for who, secret := range lacking {
		f.mustRefuse(t, who, op, c, f.send(op.Method, path, secret, body, headers))
	}
	if op.Caller == httpapi.RootKey {
		for who, secret := range map[string]string{"an ordinary key": ordinary, "nobody": ""} {
			if w := f.send(op.Method, path, secret, body, headers); w.Code != http.StatusUnauthorized {
				t.Errorf("%s is answered %d %.300s", who, w.Code, w.Body)
			}
		}
	}
	if after := f.state(); after != before {
		t.Errorf("those who were refused changed something:\n%s\n%s", before, after)
	}

	w := f.send(op.Method, path, only, body, headers)
	want := op.Status
	if c.status != 0 {
		want = c.status
	}
	if w.Code != want || c.outcome != "" && !strings.Contains(w.Body.String(), `"outcome":"valid"`) {
		t.Errorf("who holds %q alone is answered %d %.300s", c.needs, w.Code, w.Body)
	}
}

// mustRefuse checks the answer to a root key that lacks something.
func (f *granting) mustRefuse(t *testing.T, who string, op *native.Operation, c *grantCase, w *httptest.ResponseRecorder) {
	if c.outcome != "" {
		if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), `"outcome":"`+c.outcome+`"`) || strings.Contains(w.Body.String(), "key_") {
			t.Errorf("%s is answered %d %.300s", who, w.Code, w.Body)
		}
		return
	}
	if c.hidden != "" && (!strings.HasPrefix(who, allBut) || who == allBut+c.hidden) {
		if w.Code != http.StatusNotFound {
			t.Errorf("%s is answered %d %.300s", who, w.Code, w.Body)
		}
		return
	}
	if strings.HasPrefix(w.Header().Get("Content-Type"), "text/plain") { // which has no codes
		if w.Code != http.StatusForbidden {
			t.Errorf("%s is answered %d %.300s", who, w.Code, w.Body)
		}
		return
	}
	var p latchkey.Problem
	if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil || w.Code != http.StatusForbidden || p.Code != "forbidden" {
		t.Errorf("%s is answered %d %.300s", who, w.Code, w.Body)
		return
	}
	// Whether there is something to replace is not told to who may do neither.
	if op.Replaces != "" && who == holdsNothing && p.MissingPermission == op.Permission {
		return
	}
	if !slices.ContainsFunc(c.needs, func(need string) bool { return f.sameGrant(need, p.MissingPermission) }) {
		t.Errorf("%s is told that %q is missing; needed is %q", who, p.MissingPermission, c.needs)
	}
}

// sameGrant reports whether what is told as missing is a permission that is
// needed, in its keyspace or in any.
func (f *granting) sameGrant(need, told string) bool {
	parts := strings.Split(need, ".")
	return told == parts[0]+".*."+parts[2] || told == parts[0]+"."+f.keyspaceID(parts[1])+"."+parts[2]
}

func (f *granting) keyspaceID(slug string) string {
	f.Helper()
	if slug == "*" {
		return slug
	}
	var ks latchkey.Keyspace
	f.do(f, "GET", "/keyspaces/"+slug, "", &ks)
	return ks.ID
}

// TestGrantsAreWhole finds operations that no case tries, and those that need
// another permission than the specification tells.
func TestGrantsAreWhole(t *testing.T) {
	for _, op := range native.Operations() {
		tried := map[string]bool{}
		for _, c := range grantCases {
			if c.operation == op.ID {
				tried[strings.Join(c.needs, ",")] = true
			}
		}
		if len(tried) == 0 {
			t.Errorf("no case tries %s: say in grantCases what it needs", op.ID)
		}
		if op.Caller != httpapi.RootKey {
			continue
		}
		for _, p := range []string{op.Permission, op.Replaces} {
			said := strings.Replace(p, "KEYSPACE", "payments", 1)
			kept := strings.Replace(p, "KEYSPACE", "kept", 1)
			if p != "" && !tried[said] && !tried[kept] {
				t.Errorf("%s is said to need %s, and no case tries that", op.ID, p)
			}
			delete(tried, said)
			delete(tried, kept)
		}
		if len(tried) > 0 {
			t.Errorf("%s needs %v, which it does not say", op.ID, tried)
		}
	}
}

// TestOneKeyspace lets a root key for one keyspace do all that there is to do
// with keys in it. Of the others it sees nothing.
func TestOneKeyspace(t *testing.T) {
	f := newGranting(t)
	theirs := f.makeKey(f, `{"keyspace":"payments"}`)
	scoped := f.caller("keys.literal.*")
	must := func(method, path, body string, want int, to any) {
		t.Helper()
		w := f.call(method, path, scoped, body)
		if w.Code != want {
			t.Fatalf("%s %s %s: %d %s, want %d", method, path, body, w.Code, w.Body, want)
		}
		if to == nil {
			return
		}
		if err := json.Unmarshal(w.Body.Bytes(), to); err != nil {
			t.Fatalf("%s %s: %v in %s", method, path, err, w.Body)
		}
	}
	var own latchkey.KeyWithSecret
	must("POST", "/keys", `{"keyspace":"literal","credits":{"remaining":5}}`, http.StatusCreated, &own)
	must("PATCH", "/keys/"+own.ID, `{"name":"own"}`, http.StatusOK, nil)
	must("POST", "/keys/"+own.ID+"/rotate", `{}`, http.StatusOK, &own)
	var v latchkey.Verification
	if must("POST", "/verify", `{"key":"`+own.Secret+`"}`, http.StatusOK, &v); v.Outcome != latchkey.Valid {
		t.Errorf("its own key is %s", v.Outcome)
	}
	if must("POST", "/verify", `{"key":"`+theirs.Secret+`"}`, http.StatusOK, &v); v.Outcome != latchkey.NotFound {
		t.Errorf("another keyspace's key is %s", v.Outcome)
	}
	var list latchkey.List[latchkey.Key]
	if must("GET", "/keys", "", http.StatusOK, &list); len(list.Data) != 1 || list.Data[0].ID != own.ID {
		t.Errorf("it sees the keys %+v", list.Data)
	}
	must("GET", "/keys?keyspace=payments", "", http.StatusForbidden, nil)
	must("POST", "/keys", `{}`, http.StatusForbidden, nil) // of the default keyspace
	must("PATCH", "/keys/"+own.ID, `{"keyspace":"payments"}`, http.StatusBadRequest, nil)
	must("DELETE", "/keys/"+own.ID, "", http.StatusNoContent, nil)
}
