package native

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"latchkey/internal/httpapi"
	"latchkey/internal/keys"
	"latchkey/internal/store"
	"latchkey/internal/token"
)

// A kitchen makes answers that are kept, by a handler that a test decides.
type kitchen struct {
	t       *testing.T
	replies *replies
	now     time.Time
	runs    atomic.Int64
	next    httpapi.HandlerFunc
}

func newKitchen(t *testing.T) *kitchen {
	st, err := store.Open(t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "latchkey.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close() })
	k := &kitchen{t: t, now: time.Now()}
	k.replies = newReplies(st, func() time.Time { return k.now })
	k.next = func(w http.ResponseWriter, r *http.Request, c *httpapi.Call) error {
		httpapi.WriteBody(w, http.StatusCreated, "text/plain", []byte("made"))
		return nil
	}
	return k
}

// send sends a request with an Idempotency-Key.
func (k *kitchen) send(ctx context.Context, secret, body string) (*httptest.ResponseRecorder, error) {
	h := k.replies.keep(0, func(w http.ResponseWriter, r *http.Request, c *httpapi.Call) error {
		k.runs.Add(1)
		return k.next(w, r, c)
	})
	r := httptest.NewRequest("POST", "/keys", strings.NewReader(body)).WithContext(ctx)
	r.Header.Set("Idempotency-Key", "one")
	w := httptest.NewRecorder()
	return w, h(w, r, &httpapi.Call{Secret: token.New(secret), Actor: keys.Actor{ID: "key_1"}})
}

func TestWhileItRuns(t *testing.T) {
	k := newKitchen(t)
	begun, end := make(chan struct{}), make(chan struct{})
	plain := k.next
	k.next = func(w http.ResponseWriter, r *http.Request, c *httpapi.Call) error {
		close(begun)
		<-end
		return plain(w, r, c)
	}
	done := make(chan error)
	go func() {
		_, err := k.send(t.Context(), "secret", `{}`)
		done <- err
	}()
	<-begun
	for _, body := range []string{`{}`, `{"another":1}`} {
		if _, err := k.send(t.Context(), "secret", body); !keys.Is(err, keys.Conflict) {
			t.Errorf("%s while the first runs: %v", body, err)
		}
	}
	close(end)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	w, err := k.send(t.Context(), "secret", ` {} `)
	if err != nil || w.Code != http.StatusCreated || w.Body.String() != "made" || w.Header().Get("Idempotent-Replayed") != "true" {
		t.Errorf("after it: %v %d %s %v", err, w.Code, w.Body, w.Header())
	}
	if n := k.runs.Load(); n != 1 {
		t.Errorf("it ran %d times", n)
	}
}

// TestGivenUp shows that who gives up waiting and asks again does not have it
// done twice.
func TestGivenUp(t *testing.T) {
	k := newKitchen(t)
	ctx, cancel := context.WithCancel(t.Context())
	plain := k.next
	k.next = func(w http.ResponseWriter, r *http.Request, c *httpapi.Call) error {
		cancel()
		if err := r.Context().Err(); err != nil {
			t.Errorf("what was begun is given up: %v", err)
		}
		return plain(w, r, c)
	}
	if _, err := k.send(ctx, "secret", `{}`); err != nil {
		t.Fatal(err)
	}
	w, err := k.send(t.Context(), "secret", `{}`)
	if err != nil || w.Header().Get("Idempotent-Replayed") != "true" || k.runs.Load() != 1 {
		t.Errorf("asked again: %v %v, and it ran %d times", err, w.Header(), k.runs.Load())
	}
}

func TestAnotherSecretOfTheCaller(t *testing.T) {
	k := newKitchen(t)
	if _, err := k.send(t.Context(), "secret", `{}`); err != nil {
		t.Fatal(err)
	}
	if _, err := k.send(t.Context(), "rotated", `{}`); !keys.Is(err, codeMismatch) {
		t.Errorf("by another secret: %v", err)
	}
	if n := k.runs.Load(); n != 1 {
		t.Errorf("it ran %d times", n)
	}
}

func TestFailuresAreForgotten(t *testing.T) {
	k := newKitchen(t)
	plain := k.next
	failures := []error{keys.Errorf(keys.Conflict, "no"), errors.New("a fault"), nil}
	k.next = func(w http.ResponseWriter, r *http.Request, c *httpapi.Call) error {
		if err := failures[k.runs.Load()-1]; err != nil {
			return err
		}
		return plain(w, r, c)
	}
	for _, want := range failures {
		if _, err := k.send(t.Context(), "secret", `{}`); !errors.Is(err, want) {
			t.Errorf("got %v, want %v", err, want)
		}
	}
	k.now = k.now.Add(keepReplies)
	failures = append(failures, nil)
	if w, err := k.send(t.Context(), "secret", `{"another":1}`); err != nil || w.Header().Get("Idempotent-Replayed") != "" {
		t.Errorf("a day later: %v %v", err, w.Header())
	}
}

// TestCanonical compares JSON values in other forms.
func TestCanonical(t *testing.T) {
	for _, same := range [][2]string{
		{`{"a":1,"b":[true,null]}`, ` { "b" : [ true , null ] , "a" : 1 } `},
		{`{"a":"é\/"}`, `{"\u0061":"\u00e9/"}`},
		{`[1.0,1e2,-0.5]`, `[1,100,-5e-1]`},
		{`9007199254740993`, `9007199254740993`},
	} {
		if canonical([]byte(same[0])) != canonical([]byte(same[1])) {
			t.Errorf("%s and %s are told apart: %s, %s", same[0], same[1], canonical([]byte(same[0])), canonical([]byte(same[1])))
		}
	}
	for _, other := range [][2]string{
		{`9007199254740993`, `9007199254740992`},
		{`{"a":1}`, `{"a":"1"}`},
		{`[1,2]`, `[2,1]`},
		{`{"a":null}`, `{}`},
		{`{"a":1,"a":2}`, `{"a":2}`},
		{``, `{}`},
	} {
		if canonical([]byte(other[0])) == canonical([]byte(other[1])) {
			t.Errorf("%s and %s are not told apart", other[0], other[1])
		}
	}
}
