package unkey_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/go-json-experiment/json"

	"latchkey/internal/conformance"
	"latchkey/internal/dialect/unkey"
	"latchkey/internal/server"
)

// A witness notes what the conversations have shown.
type witness struct {
	mu    sync.Mutex
	asked map[string]bool // method and path
	codes map[string]bool // of verdicts and errors
	t     *testing.T
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

// note remembers what was asked and with which code it was answered, and checks
// what every answer has.
func (wit *witness) note(asked string, rec *httptest.ResponseRecorder) {
	var out struct {
		Code  string `json:"code"`
		Error struct {
			Code, Docs, Message, RequestID string
		} `json:"error"`
	}
	bad := json.Unmarshal(rec.Body.Bytes(), &out, json.MatchCaseInsensitiveNames(true)) != nil
	wit.mu.Lock()
	defer wit.mu.Unlock()
	wit.asked[asked] = true
	if _, path, _ := strings.Cut(asked, " "); bad || !strings.HasPrefix(path, "/v1/") || strings.HasPrefix(path, "/v1/auth/") {
		return
	}
	if out.Code != "" {
		wit.codes["verdict "+out.Code] = true
	}
	id := rec.Header().Get("Unkey-Request-Id")
	if id == "" || id != rec.Header().Get("X-Request-Id") || rec.Header().Get("Access-Control-Allow-Origin") != "*" {
		wit.t.Errorf("%s: the headers that every answer has are missing: %v", asked, rec.Header())
	}
	if e := out.Error; e.Code != "" {
		wit.codes["error "+e.Code] = true
		if e.RequestID != id || e.Message == "" || !strings.HasSuffix(e.Docs, "/"+e.Code) {
			wit.t.Errorf("%s: the error lacks something: %s", asked, rec.Body)
		}
	}
}

// rooted are the transcripts that play where only root keys may verify.
var rooted = []string{"TestTranscripts/rooted"}

func TestTranscripts(t *testing.T) {
	wit := &witness{asked: map[string]bool{}, codes: map[string]bool{}, t: t}
	conformance.Transcripts(t, func(t *testing.T) (http.Handler, map[string]string) {
		s := start(t, func(cfg *server.Config) { cfg.UnkeyNeedsRoot = slices.Contains(rooted, t.Name()) })
		return wit.watch(s), map[string]string{"root": rootKey}
	})
	if t.Failed() {
		return
	}
	for _, rt := range new(unkey.Dialect).Routes() {
		if !wit.asked[rt.Pattern()] && rt.Method != http.MethodOptions {
			t.Errorf("no transcript asks for %s", rt.Pattern())
		}
	}
	for _, code := range []string{
		"verdict VALID", "verdict NOT_FOUND", "verdict FORBIDDEN", "verdict USAGE_EXCEEDED", "verdict RATE_LIMITED",
		"verdict DISABLED", "verdict INSUFFICIENT_PERMISSIONS", "verdict EXPIRED",
		"error BAD_REQUEST", "error UNAUTHORIZED", "error FORBIDDEN", "error DISABLED", "error EXPIRED", "error INSUFFICIENT_PERMISSIONS",
		"error NOT_FOUND", "error METHOD_NOT_ALLOWED", "error CONFLICT", "error PRECONDITION_FAILED", "error DELETE_PROTECTED", "error RATE_LIMITED",
	} {
		if !wit.codes[code] {
			t.Errorf("no transcript shows the %s", code)
		}
	}
}

// TestOutage shows that a key is not called bad because it cannot be looked up,
// and that a client is told to come again.
func TestOutage(t *testing.T) {
	s := start(t)
	api := s.makeAPI(t)
	id, secret := s.makeKey(t, api, "")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ method, path, bearer, body string }{
		{"POST", "/v1/keys.verifyKey", "", `{"key":"` + secret + `"}`},
		{"POST", "/v1/keys.verifyKey", "another", `{"key":"` + secret + `"}`},
		{"POST", "/v1/keys.createKey", rootKey, `{"apiId":"` + api + `"}`},
		{"POST", "/v1/keys.updateKey", rootKey, `{"keyId":"` + id + `"}`},
		{"GET", "/v1/keys.getKey?keyId=" + id, rootKey, ""},
		{"GET", "/v1/keys.getKey?keyId=" + id, "another", ""},
	} {
		w := s.call(c.method, c.path, c.bearer, c.body)
		if w.Code != http.StatusServiceUnavailable || !strings.Contains(w.Body.String(), `"code":"INTERNAL_SERVER_ERROR"`) || w.Header().Get("Retry-After") == "" {
			t.Errorf("%s by %q: %d %v %s", c.path, c.bearer, w.Code, w.Header(), w.Body)
		}
	}
}

// TestPreflight shows that a page of any origin may ask each route.
func TestPreflight(t *testing.T) {
	s := start(t)
	for _, rt := range new(unkey.Dialect).Routes() {
		w := s.call(http.MethodOptions, rt.Path, "", "")
		h := w.Header()
		if w.Code != http.StatusNoContent || h.Get("Access-Control-Allow-Origin") != "*" || !strings.Contains(h.Get("Access-Control-Allow-Headers"), "Authorization") {
			t.Errorf("OPTIONS %s: %d %v", rt.Path, w.Code, h)
		}
	}
}

// TestPages reads lists page by page and finds each row once, the oldest first.
func TestPages(t *testing.T) {
	s := start(t)
	api, other := s.makeAPI(t), s.makeAPI(t)
	s.makeKey(t, other, "")
	var keys, identities []string
	for i := range 7 {
		id, _ := s.makeKey(t, api, "")
		keys = append(keys, id)
		var made struct{ IdentityID string }
		s.do(t, "POST", "/v1/identities.createIdentity", fmt.Sprintf(`{"externalId":"user_%d"}`, i), &made)
		identities = append(identities, made.IdentityID)
	}
	for path, want := range map[string][]string{
		"/v1/apis.listKeys?apiId=" + api:                    keys,
		"/v1/identities.listIdentities?environment=default": identities,
	} {
		for _, size := range []int{1, 3, 7, 100} {
			if got := s.pages(t, path, size, len(want)); !slices.Equal(got, want) {
				t.Errorf("%s, %d at a time: %v, want %v", path, size, got, want)
			}
		}
	}
}

// pages reads a list to its end and returns the ids of its rows.
func (s *running) pages(t *testing.T, path string, size, total int) (ids []string) {
	t.Helper()
	for cursor := ""; ; {
		var page struct {
			Keys, Identities []struct{ ID string }
			Cursor           string
			Total            int
		}
		s.do(t, "GET", path+"&limit="+strconv.Itoa(size)+"&cursor="+url.QueryEscape(cursor), "", &page)
		rows := append(page.Keys, page.Identities...)
		if page.Total != total || len(rows) > size {
			t.Fatalf("%s: %d rows of %d, want %d at most of %d", path, len(rows), page.Total, size, total)
		}
		if len(rows) == 0 {
			return ids
		}
		for _, row := range rows {
			ids = append(ids, row.ID)
		}
		if cursor = page.Cursor; cursor != ids[len(ids)-1] {
			t.Fatalf("%s: the cursor is %q, want the id of the last row %s", path, cursor, ids[len(ids)-1])
		}
	}
}

// TestClampedConcurrently takes credits from many sides at a cost that does not
// divide the balance: what is there is taken to the last, once.
func TestClampedConcurrently(t *testing.T) {
	s := start(t)
	_, secret := s.makeKey(t, s.makeAPI(t), `,"remaining":50`)
	var mu sync.Mutex
	valid := 0
	var wg sync.WaitGroup
	for range 40 {
		wg.Go(func() {
			w := s.call("POST", "/v1/keys.verifyKey", "", `{"key":"`+secret+`","remaining":{"cost":3}}`)
			mu.Lock()
			defer mu.Unlock()
			if strings.Contains(w.Body.String(), `"valid":true`) {
				valid++
			}
		})
	}
	wg.Wait()
	// 16 calls take 48, one what is left; another one would take nothing.
	if valid != 17 {
		t.Errorf("%d calls were accepted, want 17", valid)
	}
	if v := s.verify(t, secret, ""); v.Code != "USAGE_EXCEEDED" || v.Remaining == nil || *v.Remaining != 0 {
		t.Errorf("afterwards: %+v", v)
	}
}

// TestRevokedAtOnce ends a key in every way between two verifications.
func TestRevokedAtOnce(t *testing.T) {
	s := start(t)
	api := s.makeAPI(t)
	for _, end := range []struct{ path, body, code string }{
		{"/v1/keys.deleteKey", `{"keyId":"ID"}`, "NOT_FOUND"},
		{"/v1/keys.updateKey", `{"keyId":"ID","enabled":false}`, "DISABLED"},
		{"/v1/keys.updateKey", `{"keyId":"ID","expires":1}`, "EXPIRED"},
		{"/v1/apis.deleteApi", `{"apiId":"` + api + `"}`, "NOT_FOUND"},
	} {
		id, secret := s.makeKey(t, api, "")
		if v := s.verify(t, secret, ""); v.Code != "VALID" || v.KeyID != id {
			t.Fatalf("before: %+v", v)
		}
		s.do(t, "POST", end.path, strings.ReplaceAll(end.body, "ID", id), nil)
		if v := s.verify(t, secret, ""); v.Code != end.code || v.Valid {
			t.Errorf("after %s: %+v, want %s", end.path, v, end.code)
		}
	}
}

// TestLargestMeta gives identities the largest metadata that one may have, and a
// byte more.
func TestLargestMeta(t *testing.T) {
	s := start(t)
	for n, want := range map[int]int{64_000: http.StatusOK, 64_001: http.StatusBadRequest} {
		meta := `{"a":"` + strings.Repeat("m", n-len(`{"a":""}`)) + `"}`
		w := s.call("POST", "/v1/identities.createIdentity", rootKey, fmt.Sprintf(`{"externalId":"user_%d","meta":%s}`, n, meta))
		if w.Code != want || want != http.StatusOK && !strings.Contains(w.Body.String(), `"meta: must be at most 64000 bytes of JSON"`) {
			t.Errorf("%d bytes: %d %s", n, w.Code, w.Body)
		}
		if want != http.StatusOK {
			continue
		}
		if got := s.call("GET", fmt.Sprintf("/v1/identities.getIdentity?externalId=user_%d", n), rootKey, ""); !strings.Contains(got.Body.String(), meta) {
			t.Errorf("what is shown of %d bytes has %d", n, got.Body.Len())
		}
	}
}
