package openrouter_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/go-json-experiment/json"

	"latchkey/internal/conformance"
	"latchkey/internal/dialect/openrouter"
)

// A witness notes what the conversations have shown, and checks what every
// answer has.
type witness struct {
	mu     sync.Mutex
	asked  map[string]bool // pattern of a route, and its status
	status map[int]bool
	t      *testing.T
}

func (wit *witness) watch(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked := r.Method + " " + r.URL.Path
		rec := httptest.NewRecorder()
		next.ServeHTTP(rec, r)
		wit.note(asked, rec)
		for name, values := range rec.Header() {
			w.Header()[name] = values
		}
		w.WriteHeader(rec.Code)
		w.Write(rec.Body.Bytes())
	})
}

func (wit *witness) note(asked string, rec *httptest.ResponseRecorder) {
	method, path, _ := strings.Cut(asked, " ")
	if !strings.HasPrefix(path, "/api/v1") {
		return
	}
	wit.mu.Lock()
	defer wit.mu.Unlock()
	if rest, ok := strings.CutPrefix(path, "/api/v1/keys/"); ok && len(strings.TrimSuffix(rest, "/")) == 64 {
		path = strings.Replace(path, strings.TrimSuffix(rest, "/"), "{hash}", 1)
	}
	if strings.HasSuffix(path, "/") {
		path += "{$}"
	}
	if rec.Code < 300 {
		wit.asked[method+" "+path] = true
	}
	wit.status[rec.Code] = true
	checkAnswer(wit.t, asked, rec)
}

// checkAnswer checks what holds of every answer: JSON, and for an error the
// vendor's envelope with the status in it.
func checkAnswer(t *testing.T, asked string, rec *httptest.ResponseRecorder) {
	t.Helper()
	if ct := rec.Header().Get("Content-Type"); ct != "application/json" || rec.Header().Get("Location") != "" {
		t.Errorf("%s: the type is %q: %v", asked, ct, rec.Header())
	}
	var out struct {
		Error *struct {
			Code    int    `json:"code"`
			Message string `json:"message"`
		} `json:"error"`
	}
	if err := json.Unmarshal(rec.Body.Bytes(), &out); err != nil {
		t.Errorf("%s: %d %v in %s", asked, rec.Code, err, rec.Body)
	}
	if e := out.Error; (e != nil) != (rec.Code >= 300) || e != nil && (e.Code != rec.Code || e.Message == "") {
		t.Errorf("%s: %d %s", asked, rec.Code, rec.Body)
	}
}

func TestTranscripts(t *testing.T) {
	wit := &witness{asked: map[string]bool{}, status: map[int]bool{}, t: t}
	conformance.Transcripts(t, func(t *testing.T) (http.Handler, map[string]string) {
		return wit.watch(start(t)), map[string]string{"root": rootKey}
	})
	if t.Failed() {
		return
	}
	for _, rt := range new(openrouter.Dialect).Routes() {
		if !wit.asked[rt.Pattern()] {
			t.Errorf("no transcript has a success of %s", rt.Pattern())
		}
	}
	for _, status := range []int{200, 201, 400, 401, 403, 404, 405, 413, 429} {
		if !wit.status[status] {
			t.Errorf("no transcript is answered %d", status)
		}
	}
}
