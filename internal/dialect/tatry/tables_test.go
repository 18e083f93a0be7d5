package tatry

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"latchkey/internal/httpapi"
	"latchkey/internal/keys"
	"latchkey/internal/permission"
	"latchkey/internal/ratelimit"
	"latchkey/internal/span"
)

func TestTablesAreWhole(t *testing.T) {
	for _, code := range httpapi.Codes {
		if p, ok := problems[code]; !ok || p.status < 400 || p.code == "" {
			t.Errorf("the code %s has no answer: %+v", code, p)
		}
	}
	for _, o := range keys.Outcomes {
		code, ok := verdicts[o]
		if ok == (o == keys.Valid) {
			t.Errorf("the outcome %s has a code: %v", o, ok)
		}
		if _, known := problems[code]; ok && !known {
			t.Errorf("the outcome %s has the code %s, which has no answer", o, code)
		}
	}
	for _, s := range []keys.Status{keys.StatusActive, keys.StatusDisabled, keys.StatusExpired} {
		if back := statuses[statusWords[s]]; back != s {
			t.Errorf("the status %s is shown as %q, which selects %q", s, statusWords[s], back)
		}
	}
}

// written returns the status and the body of an error as it is answered.
func written(e *keys.Error) (int, http.Header, string) {
	w := httptest.NewRecorder()
	new(Dialect).WriteError(w, nil, e)
	return w.Code, w.Header(), w.Body.String()
}

func TestRefusals(t *testing.T) {
	write, err := permission.Name("write")
	if err != nil {
		t.Fatal(err)
	}
	rec := keys.NewRecord(&keys.Facts{
		Key: keys.Key{ExpiresAt: time.Date(2024, 1, 1, 1, 0, 0, 999e6, time.FixedZone("", 3600))}, Permissions: []string{"read"},
	})
	const (
		invalid = `{"status":"error","error":{"code":"auth_invalid_key","message":"Invalid API key provided","details":{"key_status":"invalid"}}}`
		expired = `{"status":"error","error":{"code":"auth_expired_key","message":"API key has expired","details":{"expired_at":"2024-01-01T00:00:00Z"}}}`
		denied  = `{"status":"error","error":{"code":"auth_permission_denied","message":"Insufficient permissions","details":{"required_permissions":["write"],"current_permissions":["read"]}}}`
		barred  = `{"status":"error","error":{"code":"auth_permission_denied","message":"Insufficient permissions","details":{"required_permissions":[],"current_permissions":["read"]}}}`
	)
	for outcome, want := range map[keys.Outcome]struct {
		status int
		body   string
	}{
		keys.KeyNotFound:             {401, invalid},
		keys.WorkspaceDisabled:       {401, invalid},
		keys.OwnerDisabled:           {401, invalid},
		keys.Disabled:                {401, invalid},
		keys.WrongKeyspace:           {401, invalid},
		keys.Expired:                 {401, expired},
		keys.AddressRefused:          {403, barred},
		keys.InsufficientPermissions: {403, denied},
	} {
		v := keys.Verification{Outcome: outcome, Record: rec}
		switch outcome {
		case keys.KeyNotFound:
			v.Record = nil
		case keys.InsufficientPermissions:
			v.Missing = write
		}
		if status, _, body := written(refused(&v)); status != want.status || body != want.body {
			t.Errorf("%s: %d %s\nwant %d %s", outcome, status, body, want.status, want.body)
		}
	}
}

func TestErrors(t *testing.T) {
	cause := errors.New("the disk said a secret thing")
	for _, code := range httpapi.Codes {
		status, _, body := written(&keys.Error{Code: code, Message: "what the caller may know", Err: cause})
		if status != problems[code].status || !strings.Contains(body, `"code":"`+problems[code].code+`"`) || strings.Contains(body, "disk") {
			t.Errorf("%s: %d %s", code, status, body)
		}
	}
	if status, _, body := written(keys.Errorf("unheard_of", "odd")); status != 500 || !strings.Contains(body, `"internal_error"`) {
		t.Errorf("an unknown code: %d %s", status, body)
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
		if _, h, _ := written(&keys.Error{Code: c.code, RetryAfter: c.after}); h.Get("Retry-After") != c.want {
			t.Errorf("%s after %s: Retry-After %q, want %q", c.code, c.after, h.Get("Retry-After"), c.want)
		}
	}
}

func TestRates(t *testing.T) {
	limit := func(text string, max int64) ratelimit.Limit {
		w, err := span.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		return ratelimit.Limit{Name: text, Max: max, Window: w, Auto: true}
	}
	off, named := limit("60s", 1), limit("60s", 2)
	off.Disabled, named.Auto = true, false
	for _, c := range []struct {
		name         string
		key, owner   []ratelimit.Limit
		minute, hour int64
	}{
		{"none", nil, nil, unlimited, unlimited},
		{"of the key", []ratelimit.Limit{limit("1h", 1000), limit("60s", 100)}, nil, 100, 1000},
		{"in other units", []ratelimit.Limit{limit("60m", 1000), limit("60000ms", 100)}, nil, 100, 1000},
		{"of other windows", []ratelimit.Limit{limit("1s", 5), limit("1d", 7)}, nil, unlimited, unlimited},
		{"of the owner", nil, []ratelimit.Limit{limit("1m", 50), limit("3600s", 500)}, 50, 500},
		{"of both", []ratelimit.Limit{limit("1m", 100)}, []ratelimit.Limit{limit("60s", 50), limit("1h", 500)}, 100, 500},
		{"that do not hold", []ratelimit.Limit{off, named}, nil, unlimited, unlimited},
	} {
		f := keys.Facts{Key: keys.Key{Limits: c.key}}
		if c.owner != nil {
			f.Owner = &keys.Identity{Limits: c.owner}
		}
		if got := ratesOf(keys.NewRecord(&f)); got != (rates{c.minute, c.hour}) {
			t.Errorf("limits %s: %+v, want %d and %d", c.name, got, c.minute, c.hour)
		}
	}
}

func TestParseList(t *testing.T) {
	for query, want := range map[string]struct {
		limit, offset int
		status        keys.Status
		nothing       bool
	}{
		"":                                      {100, 0, "", false},
		"status=active&limit=10&offset=20":      {10, 20, keys.StatusActive, false},
		"status=expired":                        {100, 0, keys.StatusExpired, false},
		"status=inactive":                       {100, 0, keys.StatusDisabled, false},
		"status=disabled":                       {100, 0, "", true},
		"status=ACTIVE":                         {100, 0, "", true},
		"status=&limit=&offset=":                {100, 0, "", false},
		"limit=0&offset=-3":                     {1, 0, "", false},
		"limit=-9223372036854775809":            {1, 0, "", false},
		"limit=101":                             {100, 0, "", false},
		"limit=99999999999999999999&offset=007": {100, 7, "", false},
		"offset=99999999999999999999":           {100, maxOffset, "", false},
		"page=2&limit=5&limit=6":                {5, 0, "", false},
		"offset=%31":                            {100, 1, "", false},
	} {
		q, err := parseList(query)
		f := q.filter
		if err != nil || f.Limit != want.limit || f.Offset != want.offset || f.Status != want.status || q.nothing != want.nothing {
			t.Errorf("%s: %+v, %v; want %+v", query, q, err, want)
		}
	}
	for _, query := range []string{"limit=ten", "limit=1.5", "limit=+1", "limit=1e2", "offset=-", "offset=--1", "limit=%20", "limit=%zz", "limit=1;offset=2"} {
		if q, err := parseList(query); !keys.Is(err, keys.Invalid) {
			t.Errorf("%s: %+v, %v; want an invalid request", query, q, err)
		}
	}
}

func TestParseMonth(t *testing.T) {
	// It is March in Tokyo already, and still February in UTC.
	now := time.Date(2024, 3, 1, 8, 59, 0, 0, time.FixedZone("JST", 9*3600))
	for query, want := range map[string]string{
		"": "2024-02", "month=": "2024-02", "month=2023-12": "2023-12", "month=0001-01": "0001-01", "month=2024-02&month=x": "2024-02",
	} {
		if got, err := parseMonth(query, now); err != nil || got.Format(time.RFC3339) != want+"-01T00:00:00Z" {
			t.Errorf("%s: %v, %v; want %s", query, got, err, want)
		}
	}
	for _, query := range []string{"month=2024-13", "month=2024-00", "month=2024-2", "month=2024", "month=2024-02-01", "month=february", "month=%zz"} {
		if got, err := parseMonth(query, now); !keys.Is(err, keys.Invalid) {
			t.Errorf("%s: %v, %v; want an invalid request", query, got, err)
		}
	}
}

func TestKeysAsListed(t *testing.T) {
	made, used := time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2024, 2, 12, 0, 0, 0, 1e6, time.UTC)
	k := &keys.Key{ID: "key_1", Name: "Production API Key", Enabled: true, CreatedAt: made, ExpiresAt: used}
	want := key{ID: "key_1", Name: "Production API Key", Status: "active", CreatedAt: "2024-01-01T00:00:00Z", LastUsedAt: "2024-01-01T00:00:00Z"}
	if got := keyOf(k, made); got != want {
		t.Errorf("never used: %+v, want %+v", got, want)
	}
	k.LastUsedAt = used
	want.LastUsedAt, want.Status = "2024-02-12T00:00:00Z", "expired"
	if got := keyOf(k, used); got != want {
		t.Errorf("used and expired: %+v, want %+v", got, want)
	}
	k.Enabled = false
	want.Status = "inactive"
	if got := keyOf(k, used); got != want {
		t.Errorf("disabled: %+v, want %+v", got, want)
	}
}
