package server_test

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"
)

// A door is one way to ask about a secret. A dialect joins the table of vectors
// by a door for each of its ways, with the column of what it answers.
type door interface {
	name() string

	// request puts a question about a subject, or is nil where the door has no
	// words for it.
	request(of *subject, q *question) *http.Request

	// verdict reads an answer: whether the secret was accepted, and status and
	// code in short.
	verdict(status int, body []byte) (accepted bool, short string)

	// takes reports whether an acceptance takes from credits and limits. A door
	// that only looks takes nothing.
	takes() bool

	// answers is the door's column: the name of a vector → what verdict tells
	// in short, or cannotAsk.
	answers() map[string]string
}

// cannotAsk stands in a column where the door has no words for the question.
const cannotAsk = "-"

// doors lists every door. A new one is a line here.
var doors = slices.Concat(nativeDoors, openrouterDoors, tatryDoors, unkeyDoors)

// A question is what is asked beside whether the secret is good, in no
// dialect's words.
type question struct {
	permissions any // a name, or all and some of such; nil for none
	keyspace    string
	cost        *int64
	limits      []limitAsked
	from        string // the end user's address
	elsewhere   bool   // the caller acts in another workspace than the key's
}

// all and some nest names of permissions.
type (
	all  []any
	some []any
)

// A limitAsked names a limit, or with most and window brings one.
type limitAsked struct {
	name   string
	cost   int64
	most   int64
	window time.Duration
}

// A vector is one question about a key in one state.
type vector struct {
	name     string
	state    string
	question question
}

// backend is the address of whoever asks for end users.
const backend = "198.51.100.1"

// do sends a request as it is.
func (s *site) do(r *http.Request) (status int, body []byte) {
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w.Code, w.Body.Bytes()
}

// newRequest makes a request from an address by a bearer; "" stands for the
// backend's and for none.
func newRequest(method, path, from, bearer, body string) *http.Request {
	var sent io.Reader
	if body != "" {
		sent = strings.NewReader(body)
	}
	r := httptest.NewRequest(method, path, sent)
	if from == "" {
		from = backend
	}
	r.RemoteAddr = from + ":5000"
	if bearer != "" {
		r.Header.Set("Authorization", "Bearer "+bearer)
	}
	return r
}

// TestVectors asks every question of the table at every door. A key is made
// once, and all doors are asked about that one.
func TestVectors(t *testing.T) {
	s := newSite(t)
	subjects := s.furnish()
	for _, v := range vectors {
		of, ok := subjects[v.state]
		if !ok {
			t.Fatalf("%s: there is no state %q", v.name, v.state)
		}
		for _, d := range doors {
			s.ask(d, &v, of)
		}
	}
}

// ask asks one question at one door and compares what it answers with its
// column, and what it takes with what it may.
func (s *site) ask(d door, v *vector, of *subject) {
	s.Helper()
	at := v.name + ", at " + d.name()
	if of.before != nil {
		of.before()
	}
	want := d.answers()[v.name]
	r := d.request(of, &v.question)
	if r == nil {
		if want != cannotAsk {
			s.Errorf("%s: there are no words for it; want %q", at, want)
		}
		return
	}
	before := s.figures(of)
	status, body := s.do(r)
	accepted, short := d.verdict(status, body)
	if short != want {
		s.Errorf("%s: %q, want %q\n%s", at, short, want, body)
	}
	after := s.figures(of)
	if expected := taken(before, of, v, accepted && d.takes()); !maps.Equal(after, expected) {
		s.Errorf("%s: %q leaves %v of %v, want %v", at, short, after, before, expected)
	}
	if len(of.secret) > 16 && strings.Contains(string(body), of.secret) {
		s.Errorf("%s: the answer has the secret\n%s", at, body)
	}
}

// taken returns what is to be left of a subject's figures after a verification.
func taken(before map[string]int64, of *subject, v *vector, takes bool) map[string]int64 {
	left := maps.Clone(before)
	if !takes {
		return left
	}
	if have, ok := left[creditsLeft]; ok {
		cost := int64(1)
		if v.question.cost != nil {
			cost = *v.question.cost
		}
		left[creditsLeft] = have - min(cost, have)
	}
	costs := map[string]int64{} // limit → what is taken from it
	for name, auto := range of.limits {
		if auto {
			costs[name] = 1
		}
	}
	for _, l := range v.question.limits { // of two by one name the last counts
		if costs[l.name] = l.cost; l.most != 0 {
			costs[l.name] = 0 // it is the question's own
		}
	}
	for name := range of.limits {
		left[name] -= costs[name]
	}
	return left
}

// TestVectorsAreWhole finds cells that no vector has, and vectors without a
// cell.
func TestVectorsAreWhole(t *testing.T) {
	names := map[string]bool{}
	for _, v := range vectors {
		if names[v.name] {
			t.Errorf("two vectors are called %q", v.name)
		}
		names[v.name] = true
	}
	used := map[string]bool{}
	for _, d := range doors {
		if used[d.name()] {
			t.Errorf("two doors are called %s", d.name())
		}
		used[d.name()] = true
		for name := range d.answers() {
			if !names[name] {
				t.Errorf("%s answers %q, which is no vector", d.name(), name)
			}
		}
		for name := range names {
			if d.answers()[name] == "" {
				t.Errorf("%s has no answer to %q", d.name(), name)
			}
		}
	}
	states := map[string]bool{}
	for _, st := range keyStates() {
		states[st.name] = true
	}
	for _, v := range vectors {
		delete(states, v.state)
	}
	if len(states) > 0 {
		t.Errorf("nothing is asked about keys that are: %q", slices.Sorted(maps.Keys(states)))
	}
}

func short(status int, code string) string { return fmt.Sprintf("%d %s", status, code) }
