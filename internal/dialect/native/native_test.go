package native_test

import (
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"

	"github.com/go-json-experiment/json"

	"latchkey"
	"latchkey/internal/conformance"
	"latchkey/internal/dialect/native"
	"latchkey/internal/httpapi"
	"latchkey/internal/keys"
	"latchkey/internal/server"
)

// A witness notes what the conversations have shown.
type witness struct {
	routes *http.ServeMux // for its patterns
	mu     sync.Mutex
	seen   map[string]bool // patterns of routes, codes and outcomes
}

func newWitness() *witness {
	wit := &witness{routes: http.NewServeMux(), seen: map[string]bool{}}
	for _, rt := range new(native.Dialect).Routes() {
		wit.routes.Handle(rt.Pattern(), http.NotFoundHandler())
	}
	return wit
}

func (wit *witness) watch(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, pattern := wit.routes.Handler(r)
		rec := httptest.NewRecorder()
		next.ServeHTTP(rec, r)
		var answer struct {
			Code    string `json:"code"`
			Outcome string `json:"outcome"`
		}
		_ = json.Unmarshal(rec.Body.Bytes(), &answer) // what is no such answer has neither
		wit.mu.Lock()
		defer wit.mu.Unlock()
		wit.seen[answer.Code], wit.seen[answer.Outcome] = true, true
		if rec.Code < 300 {
			wit.seen[pattern] = true
		}
		maps.Copy(w.Header(), rec.Header())
		w.WriteHeader(rec.Code)
		w.Write(rec.Body.Bytes())
	})
}

// TestTranscripts has the conversations with every endpoint, and every code and
// outcome that a caller can bring about.
func TestTranscripts(t *testing.T) {
	wit := newWitness()
	conformance.Transcripts(t, func(t *testing.T) (http.Handler, map[string]string) {
		s := start(t)
		return wit.watch(s), s.vars
	})
	if t.Failed() {
		return
	}
	var want []string
	for _, rt := range new(native.Dialect).Routes() {
		want = append(want, rt.Pattern())
	}
	for _, code := range httpapi.Codes {
		if code != keys.Internal {
			want = append(want, string(code))
		}
	}
	want = append(want, "idempotency_mismatch", latchkey.Valid, latchkey.NotFound, latchkey.Forbidden, latchkey.Disabled, latchkey.Expired,
		latchkey.InsufficientPermissions, latchkey.RateLimited, latchkey.UsageExceeded)
	for _, w := range want {
		if !wit.seen[w] {
			t.Errorf("no transcript shows %s", w)
		}
	}
}

// TestLastRootKey shows that an installation does not lose its last way in.
func TestLastRootKey(t *testing.T) {
	cfg := server.Defaults()
	cfg.DataDir = t.TempDir()
	s := &running{now: begin}
	var err error
	if s.Server, err = server.Open(t.Context(), cfg, server.Options{Clock: s.clock}); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	root := s.RootKey.Reveal()
	if w := s.call("DELETE", "/whoami", root, ""); w.Code != http.StatusConflict {
		t.Errorf("the last root key ends itself: %d %s", w.Code, w.Body)
	}
	if w := s.call("GET", "/whoami", root, ""); w.Code != http.StatusOK {
		t.Errorf("after that: %d %s", w.Code, w.Body)
	}
}

// TestSentBack sends what was answered back as a change: nothing changes.
func TestSentBack(t *testing.T) {
	s := start(t)
	for _, settings := range []string{
		`{}`,
		`{"keyspace":"payments"}`,
		`{"keyspace":"strict","name":"nightly","identity":"person"}`,
		`{"keyspace":"kept","external_id":"cust","meta":{"b":[1.50,null,"\u2028<\u00e9>"],"a":{"n":123456789012345678901234567890}}}`,
		`{"allowed_ips":["10.0.0.0/8","::1"],"expires_at":"2026-12-01T00:00:00.001+02:00","roles":["reader"],"permissions":["b","a"],"enabled":false}`,
		`{"limits":[{"name":"a","max":1,"window":"60s"},{"name":"b","max":2,"window":"1m","algorithm":"gcra","auto_apply":false}]}`,
		`{"credits":{"remaining":7,"refill":{"amount":3,"every":"monthly","day":31,"mode":"add"}}}`,
		`{"credits":{"remaining":7,"refill":{"amount":3,"every":"12h"}},"name":"x","environment":"live","identity":"team"}`,
	} {
		made := s.call("POST", "/keys", rootKey, settings)
		if made.Code != http.StatusCreated {
			t.Errorf("%s: %d %s", settings, made.Code, made.Body)
			continue
		}
		var k latchkey.KeyWithSecret
		if err := json.Unmarshal(made.Body.Bytes(), &k); err != nil {
			t.Errorf("%s: %v", settings, err)
			continue
		}
		path := "/keys/" + k.ID
		got := s.call("GET", path, rootKey, "")
		for _, body := range []string{made.Body.String(), got.Body.String()} {
			w := s.call("PATCH", path, rootKey, body)
			if w.Code != http.StatusOK || w.Body.String() != got.Body.String() || w.Header().Get("ETag") != `"v1"` {
				t.Errorf("%s sent back: %d %s %s", body, w.Code, w.Header().Get("ETag"), w.Body)
			}
		}
	}
}

// TestSentBackAfterUse does so with a key that was used and rotated, of a
// keyspace that now asks for what the key has not.
func TestSentBackAfterUse(t *testing.T) {
	s := start(t)
	k := s.makeKey(t, `{"keyspace":"payments","name":"n","environment":"test"}`)
	s.do(t, "POST", "/verify", `{"key":"`+k.Secret+`"}`, nil)
	s.do(t, "POST", "/keys/"+k.ID+"/rotate", `{"overlap":"1h"}`, &k)
	if err := s.Close(); err != nil { // which writes the last use
		t.Fatal(err)
	}
	s.redeclare(t, `[{"slug":"payments","policy":{"name":{"min":5},"environments":["live"],"expiry":{"max":"1d"},"meta":{"allowed":false},"owner":"user"}}]`)
	got := s.call("GET", "/keys/"+k.ID, rootKey, "")
	if err := json.Unmarshal(got.Body.Bytes(), &k.Key); err != nil || k.LastUsedAt == nil || len(k.Secrets) != 2 {
		t.Fatalf("after a use and a rotation: %v %s", err, got.Body)
	}
	w := s.call("PATCH", "/keys/"+k.ID, rootKey, got.Body.String())
	if w.Code != http.StatusOK || w.Body.String() != got.Body.String() {
		t.Errorf("sent back: %d %s, want %s", w.Code, w.Body, got.Body)
	}
	// What changes is held to what is asked for today.
	w = s.call("PATCH", "/keys/"+k.ID, rootKey, `{"name":"m","environment":"staging"}`)
	var p latchkey.Problem
	if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil || w.Code != http.StatusBadRequest || len(p.Errors) != 2 {
		t.Errorf("a change that the keyspace does not allow: %d %s", w.Code, w.Body)
	}
}

// TestOutage shows what is answered where the database is gone.
func TestOutage(t *testing.T) {
	s := start(t)
	known, fresh := s.makeKey(t, `{}`), s.makeKey(t, `{}`)
	s.do(t, "POST", "/verify", `{"key":"`+known.Secret+`"}`, nil)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	var p latchkey.Problem
	w := s.call("POST", "/verify", rootKey, `{"key":"`+fresh.Secret+`"}`)
	if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil || w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" {
		t.Errorf("a key that cannot be looked up: %d %v %s", w.Code, w.Header(), w.Body)
	}
	var batch struct {
		Results []struct {
			Outcome string            `json:"outcome"`
			Error   *latchkey.Problem `json:"error"`
		} `json:"results"`
	}
	w = s.call("POST", "/verify/batch", rootKey, `{"requests":[{"key":"`+known.Secret+`"},{"key":"`+fresh.Secret+`"}]}`)
	if err := json.Unmarshal(w.Body.Bytes(), &batch); err != nil || w.Code != http.StatusOK || len(batch.Results) != 2 {
		t.Fatalf("a batch: %d %v %s", w.Code, err, w.Body)
	}
	if first, second := batch.Results[0], batch.Results[1]; first.Outcome != latchkey.Valid || second.Error == nil || second.Error.Code != "unavailable" {
		t.Errorf("a batch with a key that cannot be looked up: %s", w.Body)
	}
	if w := s.call("GET", "/keys", rootKey, ""); w.Code != http.StatusServiceUnavailable {
		t.Errorf("a list: %d %s", w.Code, w.Body)
	}
}

// TestBatchBounds sends the most that a batch may have, and more.
func TestBatchBounds(t *testing.T) {
	s := start(t)
	batch := func(n int) string {
		b, err := json.Marshal(map[string]any{"requests": slices.Repeat([]any{map[string]any{"key": "unheard-of"}}, n)})
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	var got latchkey.VerifyBatch
	s.do(t, "POST", "/verify/batch", batch(100), &got)
	if len(got.Results) != 100 {
		t.Errorf("100 requests had %d answers", len(got.Results))
	}
	for _, n := range []int{101, 20_000} {
		if w := s.call("POST", "/verify/batch", rootKey, batch(n)); w.Code != http.StatusBadRequest {
			t.Errorf("%d requests: %d %.300s", n, w.Code, w.Body)
		}
	}
}
