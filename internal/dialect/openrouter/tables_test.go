package openrouter

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"latchkey/internal/httpapi"
	"latchkey/internal/keys"
)

func TestTablesAreWhole(t *testing.T) {
	for _, code := range slices.Concat(httpapi.Codes, []keys.Code{unknownCaller, notManaging, noResource, otherMethod}) {
		if p, ok := problems[code]; !ok || p.status < 400 {
			t.Errorf("the code %s has no answer: %+v", code, p)
		}
	}
	for _, o := range keys.Outcomes {
		code, ok := refusals[o]
		if ok == (o == keys.Valid) {
			t.Errorf("the outcome %s has a code: %v", o, ok)
		}
		if _, known := problems[code]; ok && !known {
			t.Errorf("the outcome %s has the code %s, which has no answer", o, code)
		}
	}
}

// written returns an error as it is answered to a request with a header.
func written(e *keys.Error, authorization string) *httptest.ResponseRecorder {
	r := httptest.NewRequest("GET", "/api/v1/keys", nil)
	if authorization != "" {
		r.Header.Set("Authorization", authorization)
	}
	w := httptest.NewRecorder()
	new(Dialect).WriteError(w, r, e)
	return w
}

func TestErrors(t *testing.T) {
	cause := errors.New("the disk said a secret thing")
	for _, code := range httpapi.Codes {
		w := written(&keys.Error{Code: code, Message: "what the caller may know", Err: cause}, "")
		body := w.Body.String()
		if w.Code != problems[code].status || !strings.HasPrefix(body, `{"error":{"code":`+strconv.Itoa(w.Code)+`,"message":"`) ||
			strings.Contains(body, "disk") || w.Header().Get("Content-Type") != "application/json" {
			t.Errorf("%s: %d %v %s", code, w.Code, w.Header(), body)
		}
		// The vendor's clients send again what failed by 5xx, for an hour.
		if transient := code == keys.Internal || code == keys.Unavailable; (w.Code >= 500) != transient {
			t.Errorf("%s is answered %d", code, w.Code)
		}
	}
	if w := written(&keys.Error{Code: keys.Internal, Message: "what went wrong"}, ""); strings.Contains(w.Body.String(), "wrong") {
		t.Errorf("a fault of ours is told: %s", w.Body)
	}
	if w := written(keys.Errorf("unheard_of", "odd"), ""); w.Code != 500 || !strings.Contains(w.Body.String(), `"Internal Server Error"`) {
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
		status, message := http.StatusUnauthorized, "User not found."
		switch o {
		case keys.Valid:
			status, message = http.StatusForbidden, "Only management keys can perform this operation"
		case keys.AddressRefused:
			status, message = http.StatusForbidden, "This key may not be used from this address"
		case keys.InsufficientPermissions, keys.CreditsExhausted, keys.BudgetExhausted:
			status, message = http.StatusForbidden, "the key was refused: "+o.String()
		case keys.RateLimited:
			status, message = http.StatusTooManyRequests, "Rate limit exceeded"
		}
		w := written(&keys.Error{Code: keys.Unauthenticated, Message: "native words", Refused: o}, "Bearer x")
		if w.Code != status || !strings.Contains(w.Body.String(), `"message":"`+message+`"`) {
			t.Errorf("%s: %d %s", o, w.Code, w.Body)
		}
	}
	for header, want := range map[string]int{"": 401, "Bearer ": 401, "Bearer": 401, "Basic YTpi": 401, "x": 401, "Bearer x": 403, "bearer x": 403} {
		if w := written(&keys.Error{Code: keys.Unauthenticated}, header); w.Code != want {
			t.Errorf("%q: %d %s, want %d", header, w.Code, w.Body, want)
		}
	}
}

func TestAmounts(t *testing.T) {
	for text, want := range map[string]struct {
		micros int64
		shown  string
	}{
		"0": {0, "0"}, "-0": {0, "0"}, "0.0": {0, "0"}, "-0e5": {0, "0"}, "0e999999999999": {0, "0"}, "75": {75_000_000, "75"}, "75.0": {75_000_000, "75"},
		"0.1": {100_000, "0.1"}, "25.75": {25_750_000, "25.75"}, "1e-6": {1, "0.000001"}, "1E+3": {1_000_000_000, "1000"}, "12.5e1": {125_000_000, "125"},
		"0.0000004": {0, "0"}, "0.0000005": {1, "0.000001"}, "0.00000049999999": {0, "0"}, "1.0000015": {1_000_002, "1.000002"},
		"18.856440098000007": {18_856_440, "18.85644"}, "9.9999999": {10_000_000, "10"}, "0.00000000000000000000000000001e29": {1_000_000, "1"},
		"1e-400": {0, "0"}, "1e-99999999999999999999": {0, "0"}, "1000000000": {keys.MaxMicros, "1000000000"}, "1e9": {keys.MaxMicros, "1000000000"},
		"1000000000.0000004": {keys.MaxMicros, "1000000000"}, "123456789.123456": {123_456_789_123_456, "123456789.123456"},
		"10000000000000000000000e-20": {100_000_000, "100"},
	} {
		var u usd
		err := u.UnmarshalJSON([]byte(text))
		shown, _ := u.MarshalJSON()
		if err != nil || int64(u) != want.micros || string(shown) != want.shown {
			t.Errorf("%s is %d, shown as %s, %v; want %d and %s", text, u, shown, err, want.micros, want.shown)
		}
		var back usd
		if err := back.UnmarshalJSON(shown); err != nil || back != u {
			t.Errorf("%s comes back as %d, %v; want %d", shown, back, err, u)
		}
	}
	for _, text := range []string{
		"-1", "-0.1", "-1e-9", "1000000000.000001", "1000000000.0000005", "1e10", "1e300", "1e99999999999999999999",
		strings.Repeat("9", 5000), "true", `"1"`, "{}", "[]", "NaN",
	} {
		u := usd(7)
		if err := u.UnmarshalJSON([]byte(text)); err == nil || u != 7 {
			t.Errorf("%.40s is taken for %d", text, u)
		}
	}
	if text, _ := usd(-1_500_000).MarshalJSON(); string(text) != "-1.5" {
		t.Errorf("an amount below 0 is shown as %s", text)
	}
}

func TestTimes(t *testing.T) {
	for text, want := range map[string]string{
		"2027-12-31T23:59:59Z":                    "2027-12-31T23:59:59Z",
		"2027-12-31T23:59:59.000Z":                "2027-12-31T23:59:59Z",
		"2027-12-31T23:59:59.123Z":                "2027-12-31T23:59:59.123Z",
		"2027-12-31T23:59:59.123456789012345Z":    "2027-12-31T23:59:59.123Z",
		"2027-12-31T23:59:59+00:00":               "2027-12-31T23:59:59Z",
		"2027-12-31T23:59:59.5+00:00":             "2027-12-31T23:59:59.5Z",
		"2028-02-29T00:00:00Z":                    "2028-02-29T00:00:00Z",
		"9999-12-31T23:59:59Z":                    "9999-12-31T23:59:59Z",
		"2027-12-31T23:59:59.000000000000000001Z": "2027-12-31T23:59:59Z",
	} {
		got, ok := parseTime(text)
		if !ok || *stamp(got) != want {
			t.Errorf("%s is %s, %v; want %s", text, got, ok, want)
		}
	}
	for _, text := range []string{
		"", "2027-12-31", "2027-12-31T23:59Z", "2027-12-31T23:59:59", "2027-12-31T23:59:59.123456789+02:00", "2027-12-31T23:59:59-00:00", "2027-12-31 23:59:59Z",
		"2027-12-31t23:59:59z", "2027-12-31T23:59:59,5Z", "2027-12-31T23:59:59.Z", "2027-13-01T00:00:00Z", "2027-02-29T00:00:00Z", "2027-12-31T24:00:00Z",
		"2027-12-31T23:59:60Z", " 2027-12-31T23:59:59Z", "2027-12-31T23:59:59Z\n", "1830297599", "+2027-12-31T23:59:59Z", "2027-12-31T23:59:59+0000",
	} {
		if got, ok := parseTime(text); ok {
			t.Errorf("%q is taken for %s", text, got)
		}
	}
	if stamp(time.Time{}) != nil {
		t.Error("no time is shown as one")
	}
}

// TestOneMoment shows a key that was read at the end of a Sunday, on the Monday:
// what was spent and what is left are of the same windows.
func TestOneMoment(t *testing.T) {
	read := time.Date(2026, 11, 22, 23, 59, 59, 999e6, time.UTC)
	sums := keys.Sums{Total: 10, Day: 10, Week: 10, Month: 10}
	k := keys.Key{Money: &keys.Money{Budget: &keys.Budget{Limit: 100, Reset: keys.ResetDaily}, Spent: keys.Spending{Own: sums, BYOK: sums, At: read}}}
	for now, want := range map[time.Time]usd{read: 10, read.Add(time.Millisecond): 0} {
		got := keyOf(&k, &keys.Workspace{}, now)
		if got.UsageDaily != want || got.UsageWeekly != want || got.BYOKUsageDaily != want || *got.LimitRemaining != 100-want || got.Usage != 10 || got.UsageMonthly != 10 {
			t.Errorf("at %s: %+v with %d left, want %d spent", now, got.figures, *got.LimitRemaining, want)
		}
	}
}

func TestParseList(t *testing.T) {
	for query, want := range map[string]struct {
		offset    int
		disabled  bool
		workspace string
	}{
		"":                       {},
		"include_disabled=false": {}, "include_disabled=False&x=y": {}, "include_disabled=0": {},
		"include_disabled=true": {disabled: true}, "include_disabled=TRUE&offset=0": {disabled: true}, "include_disabled=1": {disabled: true},
		"offset=100": {offset: 100}, "offset=0.0": {}, "offset=007.000": {offset: 7}, "offset=1&offset=x": {offset: 1}, "offset=99999999999999999999": {offset: maxOffset},
		"workspace_id=0DF9E665-d932-5740-b2c7-b52af166bc11": {workspace: "0df9e665-d932-5740-b2c7-b52af166bc11"},
	} {
		q, err := parseList(query)
		f := q.filter
		if err != nil || f.Limit != pageLimit || f.Offset != want.offset || (f.Enabled == nil) != want.disabled || q.workspace != want.workspace || f.Enabled != nil && !*f.Enabled {
			t.Errorf("%s: %+v, %v; want %+v", query, q, err, want)
		}
	}
	for _, query := range []string{
		"include_disabled=", "include_disabled", "include_disabled=yes", "offset=", "offset=-1", "offset=+1", "offset=1.5", "offset=1.", "offset=.0", "offset=1e2",
		"offset=null", "offset=%20", "offset=%zz", "workspace_id=", "workspace_id=default", "workspace_id=0df9e665d9325740b2c7b52af166bc11", "a;b",
	} {
		if q, err := parseList(query); !keys.Is(err, keys.Invalid) {
			t.Errorf("%s: %+v, %v; want an invalid request", query, q, err)
		}
	}
}

func TestWireNames(t *testing.T) {
	e := keys.Faults{{Field: "budget/limit_micros", Detail: "a"}, {Field: "external_id", Detail: "b"}, {Field: "name", Detail: "c"}, {Detail: "d"}}.Err()
	m := metadataOf(keys.AsError(e))
	if len(m.Faults) != 3 || m.Faults["limit"] != "a" || m.Faults["external/user"] != "b" || m.Faults["name"] != "c" || m.Detail != "" {
		t.Errorf("%+v", m)
	}
}
