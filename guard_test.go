package latchkey_test

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"latchkey"
)

// A guarded is a request to a guarded handler, and what came of it.
type guarded struct {
	*httptest.ResponseRecorder
	passed *http.Request // as the handler saw it; nil: it did not
}

// ask sends a request, with pairs of headers, to a handler behind a guard.
func ask(g latchkey.Guard, headers ...string) guarded {
	r := httptest.NewRequest("GET", "/docs", nil) // from 192.0.2.1
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	out := guarded{ResponseRecorder: httptest.NewRecorder()}
	g.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		out.passed = r
		w.WriteHeader(http.StatusNoContent)
	})).ServeHTTP(out, r)
	return out
}

// TestGuard has a real key for every outcome.
func TestGuard(t *testing.T) {
	client := start(t)
	ctx := t.Context()
	must(client.CreateKeyspace(ctx, latchkey.KeyspaceSettings{Slug: "payments"}))
	must(client.CreateIdentity(ctx, latchkey.IdentitySettings{ExternalID: latchkey.Some("frozen"), Enabled: latchkey.Some(false)}))
	acme := must(client.CreateWorkspace(ctx, latchkey.WorkspaceSettings{Slug: latchkey.Some("acme")}))
	make := func(s latchkey.KeySettings) latchkey.KeyWithSecret {
		return must(client.CreateKey(ctx, latchkey.CreateKeyRequest{KeySettings: s}))
	}
	hourly := func(algorithm string) latchkey.KeySettings {
		return latchkey.KeySettings{Limits: latchkey.Some([]latchkey.Limit{{Name: "requests", Max: 1, Window: "1h", Algorithm: algorithm}})}
	}
	credits := latchkey.KeySettings{Credits: latchkey.Some(latchkey.CreditSettings{Remaining: latchkey.Some(int64(4))})}

	good := make(latchkey.KeySettings{Permissions: latchkey.Some([]string{"docs.read"})})
	disabled := make(latchkey.KeySettings{Enabled: latchkey.Some(false)})
	frozen := make(latchkey.KeySettings{ExternalID: latchkey.Some("frozen")})
	expired := make(latchkey.KeySettings{})
	must(client.UpdateKey(ctx, expired.ID, latchkey.KeySettings{ExpiresAt: latchkey.Some(latchkey.Time{Time: time.Now().Add(-time.Hour)})}))
	elsewhere := make(latchkey.KeySettings{AllowedIPs: latchkey.Some([]string{"198.51.100.0/24"})})
	here := make(latchkey.KeySettings{AllowedIPs: latchkey.Some([]string{"192.0.2.0/24"})})
	limited, fixed := make(hourly("sliding")), make(hourly("fixed_from_first"))
	poor := make(credits)
	inAcme := &latchkey.Client{URL: client.URL, RootKey: client.RootKey, Workspace: acme.Path}
	abroad := must(inAcme.CreateKey(ctx, named("ci")))
	for _, k := range []latchkey.KeyWithSecret{limited, fixed} {
		if v := must(client.Verify(ctx, latchkey.VerifyRequest{Key: k.Secret})); !v.Valid {
			t.Fatal(v)
		}
	}
	guard := latchkey.Guard{Client: client}
	with := func(change func(*latchkey.Guard)) latchkey.Guard { g := guard; change(&g); return g }
	shut := with(func(g *latchkey.Guard) { g.Client = inAcme })

	tests := []struct {
		name   string
		guard  latchkey.Guard
		key    string
		status int
		code   string
		detail string
	}{
		{"valid", guard, good.Secret, 204, "", ""},
		{"valid with a permission", with(func(g *latchkey.Guard) { g.Permissions = "docs.read OR docs.write" }), good.Secret, 204, "", ""},
		{"valid in its keyspace", with(func(g *latchkey.Guard) { g.Keyspace = "default" }), good.Secret, 204, "", ""},
		{"valid from the peer's address", guard, here.Secret, 204, "", ""},
		{"valid from another address", with(func(g *latchkey.Guard) { g.Addr = func(*http.Request) string { return "198.51.100.7" } }), elsewhere.Secret, 204, "", ""},
		{"unknown", guard, "lk_guessed", 401, latchkey.NotFound, "no such key"},
		{"too long for a key", guard, strings.Repeat("k", 513), 401, latchkey.NotFound, "no such key"},
		{"no text", guard, "lk_\xff", 401, latchkey.NotFound, "no such key"},
		{"a root key", guard, rootKey, 401, latchkey.NotFound, "no such key"},
		{"of another workspace", guard, abroad.Secret, 401, latchkey.NotFound, "no such key"},
		{"disabled", guard, disabled.Secret, 401, latchkey.Disabled, "disabled"},
		{"owner disabled", guard, frozen.Secret, 401, latchkey.Disabled, "identity"},
		{"expired", guard, expired.Secret, 401, latchkey.Expired, "expired at"},
		{"of another keyspace", with(func(g *latchkey.Guard) { g.Keyspace = "payments" }), good.Secret, 403, latchkey.Forbidden, "keyspace"},
		{"from an address that is not listed", guard, elsewhere.Secret, 403, latchkey.Forbidden, "address"},
		{"without the permission", with(func(g *latchkey.Guard) { g.Permissions = "docs.write" }), good.Secret, 403, latchkey.InsufficientPermissions, "docs.write"},
		{"limit used up", guard, limited.Secret, 429, latchkey.RateLimited, "requests"},
		{"fixed limit used up", guard, fixed.Secret, 429, latchkey.RateLimited, "requests"},
		{"limit that never allows as much", with(func(g *latchkey.Guard) {
			g.Limits = []latchkey.LimitRequest{{Name: "requests", Cost: new(int64(2))}}
		}), fixed.Secret, 429, latchkey.RateLimited, "never"},
		{"a part of the credits", with(func(g *latchkey.Guard) { g.Cost = new(int64(3)) }), poor.Secret, 204, "", ""},
		{"too few credits", with(func(g *latchkey.Guard) { g.Cost = new(int64(3)) }), poor.Secret, 402, latchkey.UsageExceeded, "credits"},
		{"a look at credits", with(func(g *latchkey.Guard) { g.Cost = new(int64(0)) }), poor.Secret, 204, "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := ask(tt.guard, "Authorization", "bearer "+tt.key)
			if (got.passed != nil) != (tt.status == 204) || got.Code != tt.status {
				t.Fatalf("got %d %s, passed %v; want %d", got.Code, got.Body, got.passed != nil, tt.status)
			}
			if got.passed != nil {
				if v := latchkey.FromContext(got.passed.Context()); v == nil || !v.Valid || v.Key == nil {
					t.Errorf("the handler sees %+v", v)
				}
				return
			}
			p := checkRefusal(t, got, tt.key)
			if p.Code != tt.code || !strings.Contains(p.Detail, tt.detail) || p.RequestID == "" && tt.detail != "no such key" {
				t.Errorf("got %+v; want %s, …%s…", p, tt.code, tt.detail)
			}
		})
	}
	t.Run("workspace disabled", func(t *testing.T) {
		must(client.UpdateWorkspace(ctx, "acme", latchkey.WorkspaceSettings{Enabled: latchkey.Some(false)}))
		got := ask(shut, "Authorization", "Bearer "+abroad.Secret)
		if p := checkRefusal(t, got, abroad.Secret); p.Status != 403 || p.Code != latchkey.Forbidden {
			t.Errorf("got %+v", p)
		}
	})
	t.Run("Retry-After", func(t *testing.T) {
		steady := make(latchkey.KeySettings{Limits: latchkey.Some([]latchkey.Limit{{Name: "requests", Max: 2, Window: "1h", Algorithm: "gcra"}})})
		for range 2 {
			must(client.Verify(ctx, latchkey.VerifyRequest{Key: steady.Secret}))
		}
		for name, tt := range map[string]struct {
			key  string
			want int // seconds
		}{"one limit whole": {fixed.Secret, 3600}, "half of a limit": {steady.Secret, 1800}} {
			s, err := strconv.Atoi(ask(guard, "Authorization", "Bearer "+tt.key).Header().Get("Retry-After"))
			if err != nil || s < tt.want-60 || s > tt.want {
				t.Errorf("%s: %d s, %v; want %d", name, s, err, tt.want)
			}
		}
	})
}

// checkRefusal checks what all refusals have in common, and returns the
// problem.
func checkRefusal(t *testing.T, got guarded, key string) (p latchkey.Problem) {
	t.Helper()
	h := got.Header()
	if h.Get("Content-Type") != "application/problem+json" || h.Get("Cache-Control") != "no-store" {
		t.Errorf("headers %v", h)
	}
	if (got.Code == 401) != (h.Get("WWW-Authenticate") == "Bearer") {
		t.Errorf("%d with WWW-Authenticate %q", got.Code, h.Get("WWW-Authenticate"))
	}
	wait, _ := strconv.Atoi(h.Get("Retry-After"))
	if (got.Code == 429 || got.Code == 503) != (wait > 0) {
		t.Errorf("%d with Retry-After %q", got.Code, h.Get("Retry-After"))
	}
	text := got.Body.String()
	for name, lines := range h {
		text += name + strings.Join(lines, "")
	}
	if key != "" && strings.Contains(text, key) {
		t.Errorf("the answer repeats the key: %s", text)
	}
	if err := json.Unmarshal(got.Body.Bytes(), &p); err != nil {
		t.Fatalf("%v in %s", err, got.Body)
	}
	if p.Type != "about:blank" || p.Title != http.StatusText(got.Code) || p.Status != got.Code || p.Detail == "" {
		t.Errorf("got %+v", p)
	}
	return p
}

// TestGuardCredentials says where a key is read, and what the handler still
// sees of it.
func TestGuardCredentials(t *testing.T) {
	client := start(t)
	key := must(client.CreateKey(t.Context(), named("ci"))).Secret
	bearer := latchkey.Guard{Client: client}
	header := latchkey.Guard{Client: client, Header: "x-api-key"}
	for _, tt := range []struct {
		name    string
		guard   latchkey.Guard
		headers []string
		passes  bool
	}{
		{"bearer", bearer, []string{"Authorization", "Bearer " + key}, true},
		{"bearer with more space", bearer, []string{"Authorization", "BEARER  " + key + " "}, true},
		{"nothing", bearer, nil, false},
		{"another scheme", bearer, []string{"Authorization", "Basic " + key}, false},
		{"no scheme", bearer, []string{"Authorization", key}, false},
		{"an empty key", bearer, []string{"Authorization", "Bearer "}, false},
		{"two keys", bearer, []string{"Authorization", "Bearer " + key, "Authorization", "Bearer lk_other"}, false},
		{"another header", bearer, []string{"X-Api-Key", key}, false},
		{"a header of its own", header, []string{"X-API-Key", key}, true},
		{"that header twice", header, []string{"X-API-Key", key, "X-API-Key", key}, false},
		{"bearer in place of that header", header, []string{"Authorization", "Bearer " + key}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := ask(tt.guard, tt.headers...)
			if (got.passed != nil) != tt.passes {
				t.Fatalf("got %d %s", got.Code, got.Body)
			}
			if !tt.passes {
				if p := checkRefusal(t, got, key); p.Status != 401 || p.Code != latchkey.NotFound {
					t.Errorf("got %+v", p)
				}
				return
			}
			if kept := got.passed.Header.Get(tt.headers[0]); kept != tt.headers[1] {
				t.Errorf("the handler sees %q", kept)
			}
			tt.guard.Strip = true
			r := httptest.NewRequest("GET", "/docs", nil)
			r.Header.Set(tt.headers[0], tt.headers[1])
			r.Header.Set("X-Other", "stays")
			var seen http.Header
			tt.guard.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { seen = r.Header })).ServeHTTP(httptest.NewRecorder(), r)
			if seen.Get(tt.headers[0]) != "" || seen.Get("X-Other") != "stays" || r.Header.Get(tt.headers[0]) == "" {
				t.Errorf("stripped, the handler sees %v, and the request has %v", seen, r.Header)
			}
		})
	}
}

// TestGuardFails: where the server has no answer, nobody is let through, and
// the caller is not to blame.
func TestGuardFails(t *testing.T) {
	client := start(t)
	key := must(client.CreateKey(t.Context(), named("ci"))).Secret
	slow := &http.Client{Transport: through(func(r *http.Request) (*http.Response, error) {
		<-r.Context().Done()
		return nil, r.Context().Err()
	})}
	other := to(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, `{"status":"ok"}`) })
	for _, tt := range []struct {
		name  string
		guard latchkey.Guard
		wait  string
		cause string
	}{
		{"nobody listens", latchkey.Guard{Client: &latchkey.Client{URL: "http://127.0.0.1:1", RootKey: rootKey, Retries: -1}}, "1", "connection refused"},
		{"a wrong root key", latchkey.Guard{Client: &latchkey.Client{URL: client.URL, RootKey: "lk_root_wrong"}}, "1", "unauthenticated"},
		{"a wrong question", latchkey.Guard{Client: client, Permissions: "docs.read AND"}, "1", "permissions"},
		{"a wrong address", latchkey.Guard{Client: client, Addr: func(*http.Request) string { return "somewhere" }}, "1", "ip"},
		{"unavailable for long", latchkey.Guard{Client: &latchkey.Client{RootKey: rootKey, HTTP: to(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/problem+json")
			w.Header().Set("Retry-After", "77")
			w.WriteHeader(503)
			io.WriteString(w, `{"code":"unavailable","detail":"the disk of host-17 is full"}`)
		})}}, "77", "host-17"},
		{"somebody else's answer", latchkey.Guard{Client: &latchkey.Client{HTTP: other}}, "1", "not latchkey's own"},
		{"no answer in time", latchkey.Guard{Client: &latchkey.Client{RootKey: rootKey, HTTP: slow}, Timeout: 10 * time.Millisecond}, "1", "deadline"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var cause error
			tt.guard.Failed = func(_ *http.Request, err error) { cause = err }
			begin := time.Now()
			got := ask(tt.guard, "Authorization", "Bearer "+key)
			if got.passed != nil || got.Code != 503 || time.Since(begin) > 4*time.Second {
				t.Fatalf("got %d %s, passed %v", got.Code, got.Body, got.passed != nil)
			}
			p := checkRefusal(t, got, key)
			if p.Code != latchkey.CodeUnavailable || p.Detail != "the key could not be verified now" || got.Header().Get("Retry-After") != tt.wait {
				t.Errorf("got %+v, Retry-After %s; want %s", p, got.Header().Get("Retry-After"), tt.wait)
			}
			if cause == nil || !strings.Contains(cause.Error(), tt.cause) || strings.Contains(cause.Error(), key) {
				t.Errorf("told of %v; want …%s…", cause, tt.cause)
			}
		})
	}
}

// TestGuardLogs: without a Failed of its own, a guard does not fail in silence.
func TestGuardLogs(t *testing.T) {
	var log bytes.Buffer
	before := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(&log, nil)))
	defer slog.SetDefault(before)
	ask(latchkey.Guard{Client: &latchkey.Client{URL: "http://127.0.0.1:1", RootKey: rootKey, Retries: -1}}, "Authorization", "Bearer lk_of_somebody")
	if s := log.String(); !strings.Contains(s, "level=ERROR") || !strings.Contains(s, "connection refused") || strings.Contains(s, "lk_of_somebody") {
		t.Errorf("logged %q", s)
	}
}

// TestGuardOfOldServer: where a server does not say when to come back, the
// figures of the limits do.
func TestGuardOfOldServer(t *testing.T) {
	answer := `{"valid":false,"outcome":"rate_limited","detail":"used up","limits":[
		{"name":"a","exceeded":false,"reset_at":"2999-01-01T00:00:00Z"},{"name":"b","exceeded":true,"reset_at":"` +
		time.Now().Add(30*time.Second).UTC().Format(latchkey.TimeForm) + `"}]}`
	got := ask(latchkey.Guard{Client: &latchkey.Client{HTTP: to(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, answer) })}},
		"Authorization", "Bearer k")
	if s, _ := strconv.Atoi(got.Header().Get("Retry-After")); got.Code != 429 || s < 29 || s > 30 {
		t.Errorf("got %d, Retry-After %q", got.Code, got.Header().Get("Retry-After"))
	}
	unknown := ask(latchkey.Guard{Client: &latchkey.Client{HTTP: to(func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, `{"valid":false,"outcome":"of_tomorrow","detail":"so it is"}`)
	})}}, "Authorization", "Bearer k")
	if unknown.Code != 403 || unknown.passed != nil {
		t.Errorf("an outcome that is not known: %d", unknown.Code)
	}
}
