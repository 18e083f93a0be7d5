package latchkey_test

import (
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"
	"time"

	"latchkey"
)

func TestSetRateLimit(t *testing.T) {
	now := time.Unix(1_800_000_000, 500_000_000)
	at := func(d time.Duration) latchkey.Time { return latchkey.Time{Time: now.Add(d)} }
	for _, c := range []struct {
		name                                   string
		limits                                 []latchkey.LimitState
		wait                                   time.Duration
		policy, state, limit, remaining, reset string
	}{
		{"none", nil, time.Second, "", "", "", "", ""},
		{"a name that is not all ASCII", []latchkey.LimitState{{Name: "a\"b\\c é\n", Max: 1, Window: "1h", Remaining: 1, ResetAt: at(0)}}, 0,
			`"a\"b\\c %C3%A9%0A";q=1;w=3600`, `"a\"b\\c %C3%A9%0A";r=1`, "1", "1", ""},
		{"parts of seconds", []latchkey.LimitState{{Name: "a", Max: 5, Window: "1500ms", ResetAt: at(1100 * time.Millisecond), Exceeded: true}}, 0,
			`"a";q=5;w=2`, `"a";r=0;t=2`, "5", "0", "1800000002"},
		{"the first that is exceeded", []latchkey.LimitState{
			{Name: "a", Max: 5, Window: "30d", Remaining: 1, ResetAt: at(time.Minute)},
			{Name: "b", Max: 6, Window: "90s", ResetAt: at(time.Second), Exceeded: true},
			{Name: "c", Max: 7, Window: "15m", ResetAt: at(time.Hour), Exceeded: true}}, 0,
			`"a";q=5;w=2592000, "b";q=6;w=90, "c";q=7;w=900`, `"a";r=1;t=60, "b";r=0;t=1, "c";r=0;t=3600`, "6", "0", "1800000002"},
		{"a concurrency limit", []latchkey.LimitState{{Name: "a", Concurrent: 3, Exceeded: true}}, 2500 * time.Millisecond,
			`"a";q=3;qu="concurrent-requests"`, `"a";r=0;t=3`, "3", "0", "1800000003"},
		{"a window of a later version", []latchkey.LimitState{{Name: "a", Max: 3, Window: "2 fortnights", ResetAt: at(time.Second)}}, 0, `"a";q=3`, `"a";r=0;t=1`, "3", "0", "1800000002"},
	} {
		h := http.Header{}
		latchkey.SetRateLimit(h, c.limits, c.wait, now)
		got := [5]string{h.Get("RateLimit-Policy"), h.Get("RateLimit"), h.Get("X-RateLimit-Limit"), h.Get("X-RateLimit-Remaining"), h.Get("X-RateLimit-Reset")}
		if want := [5]string{c.policy, c.state, c.limit, c.remaining, c.reset}; got != want {
			t.Errorf("%s:\n got %q\nwant %q", c.name, got, want)
		}
	}
}

// TestGuardTellsLimits has a limit that is used up.
func TestGuardTellsLimits(t *testing.T) {
	client := start(t)
	req := named("ci")
	req.Limits = latchkey.Some([]latchkey.Limit{{Name: "requests", Max: 1, Window: "1h", Algorithm: "fixed_from_first"}})
	key := must(client.CreateKey(t.Context(), req))
	guard := latchkey.Guard{Client: client}
	if got := ask(guard, "Authorization", "Bearer "+key.Secret); got.Code != http.StatusNoContent || got.Header().Get("RateLimit") != "" {
		t.Fatalf("the first: %d %v", got.Code, got.Header())
	}
	got := ask(guard, "Authorization", "Bearer "+key.Secret)
	wait, err := strconv.Atoi(got.Header().Get("Retry-After"))
	if got.Code != http.StatusTooManyRequests || err != nil || wait < 3590 || wait > 3600 {
		t.Fatalf("the second: %d %v", got.Code, got.Header())
	}
	if h := got.Header(); h.Get("RateLimit-Policy") != `"requests";q=1;w=3600` || h.Get("X-RateLimit-Remaining") != "0" || h.Get("RateLimit") == "" || h.Get("X-RateLimit-Reset") == "" {
		t.Errorf("the second tells %v", h)
	}
}

// TestGuardReleases lets a request in when the one before is over, also where
// its handler panicked.
func TestGuardReleases(t *testing.T) {
	client := start(t)
	req := named("ci")
	req.Limits = latchkey.Some([]latchkey.Limit{{Name: "inflight", Concurrent: new(int64(1))}})
	key := must(client.CreateKey(t.Context(), req))
	within := make(chan int, 1)
	var guard http.Handler
	panics := false
	guard = latchkey.Guard{Client: client, LeaseTTL: "1h"}.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/within" {
			return
		}
		inner := httptest.NewRecorder()
		again := r.Clone(r.Context())
		again.URL.Path = "/within"
		guard.ServeHTTP(inner, again)
		within <- inner.Code
		if panics {
			panic(http.ErrAbortHandler)
		}
	}))
	for i := range 4 {
		panics = i == 2
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("Authorization", "Bearer "+key.Secret)
		w := httptest.NewRecorder()
		func() {
			defer func() { recover() }()
			guard.ServeHTTP(w, r)
		}()
		if w.Code != http.StatusOK {
			t.Fatalf("request %d: %d %s", i, w.Code, w.Body)
		}
		if code := <-within; code != http.StatusTooManyRequests {
			t.Errorf("another one during request %d is answered %d", i, code)
		}
	}
}

// TestReleaseRetried loses the answer to a release: the second finds nothing,
// which is what was wanted.
func TestReleaseRetried(t *testing.T) {
	client, met := faulty(t, "/leases/", cut)
	req := named("ci")
	req.Limits = latchkey.Some([]latchkey.Limit{{Name: "inflight", Concurrent: new(int64(1))}})
	key := must(client.CreateKey(t.Context(), req))
	v := must(client.Verify(t.Context(), latchkey.VerifyRequest{Key: key.Secret}))
	if err := client.ReleaseLease(t.Context(), v.Leases[0].ID); err != nil || met.Load() != 2 {
		t.Errorf("after %d calls: %v", met.Load(), err)
	}
	err := client.ReleaseLease(t.Context(), v.Leases[0].ID)
	if e, ok := err.(*latchkey.Error); !ok || e.Code != latchkey.CodeNotFound {
		t.Errorf("again: %v", err)
	}
}

func TestCheckLimitTellsWhen(t *testing.T) {
	client := start(t)
	req := latchkey.CheckLimitRequest{Namespace: "n", Identifier: "i", Max: 1, Window: "1h", Algorithm: "fixed_from_first"}
	if c := must(client.CheckLimit(t.Context(), req)); !c.Allowed || c.RetryAfter != 0 || c.Override != nil {
		t.Errorf("the first: %+v", c)
	}
	if c := must(client.CheckLimit(t.Context(), req)); c.Allowed || c.RetryAfter < 3590*time.Second || c.RetryAfter > time.Hour {
		t.Errorf("the second: %+v", c)
	}
}
