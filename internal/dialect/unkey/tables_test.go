package unkey

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"latchkey/internal/httpapi"
	"latchkey/internal/keys"
)

func TestTablesAreWhole(t *testing.T) {
	for _, code := range slices.Concat(httpapi.Codes, []keys.Code{disabledCaller, expiredCaller, lacksPermission, notDecrypted, protected}) {
		if p, ok := problems[code]; !ok || p.status < 400 || p.status == http.StatusUnauthorized || p.code == "" {
			t.Errorf("the code %s has no answer: %+v", code, p)
		}
	}
	for _, o := range keys.Outcomes {
		if outcomes[o] == "" || (outcomes[o] == "VALID") != (o == keys.Valid) {
			t.Errorf("the outcome %s has the code %q", o, outcomes[o])
		}
	}
}

// written returns an error as it is answered to a request with a header.
func written(e *keys.Error, authorization string) *httptest.ResponseRecorder {
	r := httptest.NewRequest("POST", "/v1/keys.createKey", nil)
	if authorization != "" {
		r.Header.Set("Authorization", authorization)
	}
	w := httptest.NewRecorder()
	w.Header().Set("X-Request-Id", "req_1")
	new(Dialect).WriteError(w, r, e)
	return w
}

func TestErrors(t *testing.T) {
	cause := errors.New("the disk said a secret thing")
	for _, code := range httpapi.Codes {
		w := written(&keys.Error{Code: code, Message: "what the caller may know", Err: cause}, "Bearer x")
		want := problems[code]
		body := w.Body.String()
		if w.Code != want.status || !strings.Contains(body, `"code":"`+want.code+`"`) || !strings.Contains(body, `/code/`+want.code+`"`) ||
			!strings.Contains(body, `"requestId":"req_1"`) || strings.Contains(body, "disk") {
			t.Errorf("%s: %d %s", code, w.Code, w.Body)
		}
		if w.Header().Get("Unkey-Request-Id") != "req_1" || w.Header().Get("Access-Control-Allow-Origin") != "*" {
			t.Errorf("%s: %v", code, w.Header())
		}
	}
	if w := written(keys.Errorf("unheard_of", "odd"), ""); w.Code != 500 || !strings.Contains(w.Body.String(), `"INTERNAL_SERVER_ERROR"`) {
		t.Errorf("an unknown code: %d %s", w.Code, w.Body)
	}
	for _, c := range []struct {
		code  keys.Code
		after time.Duration
		want  string
	}{
		{keys.Unavailable, 0, "1"},
		{keys.Unavailable, 1500 * time.Millisecond, "2"},
		{keys.Throttled, 12 * time.Second, "12"},
		{keys.Throttled, 0, ""},
		{keys.NotFound, 0, ""},
	} {
		if w := written(&keys.Error{Code: c.code, RetryAfter: c.after}, ""); w.Header().Get("Retry-After") != c.want {
			t.Errorf("%s after %s: Retry-After %q, want %q", c.code, c.after, w.Header().Get("Retry-After"), c.want)
		}
	}
}

// TestCallers shows how each outcome of a caller's own key is answered.
func TestCallers(t *testing.T) {
	for _, o := range keys.Outcomes {
		code, message := "UNAUTHORIZED", "root key required"
		switch o {
		case keys.KeyNotFound:
			message = "key not found"
		case keys.OwnerDisabled, keys.Disabled:
			code, message = "DISABLED", "the key is disabled"
		case keys.Expired:
			code, message = "EXPIRED", "the key has expired"
		case keys.WorkspaceDisabled:
			code, message = "FORBIDDEN", "workspace is disabled"
		case keys.AddressRefused:
			code, message = "FORBIDDEN", "the key may not be used from this address"
		}
		w := written(&keys.Error{Code: keys.Unauthenticated, Message: "native words", Refused: o}, "Bearer x")
		if w.Code != http.StatusForbidden || !strings.Contains(w.Body.String(), `"code":"`+code+`"`) || !strings.Contains(w.Body.String(), `"message":"`+message+`"`) {
			t.Errorf("%s: %d %s", o, w.Code, w.Body)
		}
	}
	for header, message := range map[string]string{
		"": "key required", "Bearer ": "key required", "Basic YTpi": "key required", "Bearer x": "root key required", "bearer x": "root key required", "x": "root key required",
	} {
		w := written(&keys.Error{Code: keys.Unauthenticated}, header)
		if w.Code != http.StatusForbidden || !strings.Contains(w.Body.String(), `"message":"`+message+`"`) {
			t.Errorf("%q: %d %s, want %s", header, w.Code, w.Body, message)
		}
	}
}

func TestFirstFault(t *testing.T) {
	for field, want := range map[string]string{
		"":                             "wrong",
		"key":                          "key: wrong",
		"ratelimits/0/name":            "ratelimits.0.name: wrong",
		"a~1b/c~0d":                    "a/b.c~d: wrong",
		"external_id":                  "externalId: wrong",
		"expires_at":                   "expires: wrong",
		"credits":                      "remaining: wrong",
		"credits/remaining":            "remaining: wrong",
		"credits/refill/amount":        "refill.amount: wrong",
		"credits/refill/every":         "refill.interval: wrong",
		"credits/refill/day":           "refill.refillDay: wrong",
		"cost":                         "remaining.cost: wrong",
		"costs":                        "costs: wrong",
		"keyspace":                     "apiId: wrong",
		"secret":                       "prefix: wrong",
		"authorization/permissions/or": "authorization.permissions.or: wrong",
	} {
		if got := firstFault(keys.Fault{Field: field, Detail: "wrong"}); got != want {
			t.Errorf("%q: %q, want %q", field, got, want)
		}
	}
	if got := firstFault(keys.Fault{Field: "name", Detail: "is required"}); got != "name: Required" {
		t.Errorf("a missing member: %q", got)
	}
}

func TestSlugs(t *testing.T) {
	for name, want := range map[string]string{
		"Payments": "payments", "My first API!": "my-first-api", "---": "api", "": "api", "Ünïcode": "n-code", "日本語": "api", "a_b.c": "a-b-c",
		strings.Repeat("ab ", 40): "ab-ab-ab-ab-ab-ab-ab-ab-ab-ab-ab-ab-ab-ab-ab-ab",
	} {
		got := slugOf(name)
		ks := keys.Keyspace{Slug: got, Policy: keys.DefaultPolicy()}
		if err := ks.Validate(); got != want || err != nil {
			t.Errorf("%q: %q, want %q; %v", name, got, want, err)
		}
	}
}
