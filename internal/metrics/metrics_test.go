package metrics_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"latchkey/internal/keys"
	"latchkey/internal/metrics"
)

// scrape returns what the handler answers.
func scrape(t *testing.T, m *metrics.Metrics, accept string) string {
	t.Helper()
	req := httptest.NewRequest("GET", "/metrics", nil)
	req.Header.Set("Accept", accept)
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, req)
	if w.Code != http.StatusOK {
		t.Fatalf("scrape: status %d: %s", w.Code, w.Body)
	}
	return w.Body.String()
}

// wantLines checks that each line is in a scrape.
func wantLines(t *testing.T, m *metrics.Metrics, lines ...string) {
	t.Helper()
	text := "\n" + scrape(t, m, "text/plain")
	for _, line := range lines {
		if !strings.Contains(text, "\n"+line+"\n") {
			t.Errorf("the scrape lacks %s", line)
		}
	}
	if t.Failed() {
		for line := range strings.Lines(text) {
			if strings.HasPrefix(line, "latchkey_") && !strings.Contains(line, "_bucket") {
				t.Log(strings.TrimSpace(line))
			}
		}
	}
}

func TestRoute(t *testing.T) {
	m := metrics.New("v1.2.3")
	verify, unrouted := m.Route("native", "POST /latchkey/v1/verify"), m.Route("", "")
	verify.Observe(200, 20*time.Microsecond)
	verify.Observe(200, 2*time.Millisecond)
	verify.Observe(429, time.Millisecond)
	m.Route("native", "POST /latchkey/v1/verify").Observe(429, time.Millisecond)
	unrouted.Observe(404, time.Second)
	for _, odd := range []int{-1, 0, 99, 600, 1 << 30} {
		unrouted.Observe(odd, 0)
	}
	wantLines(t, m,
		`latchkey_http_requests_total{dialect="native",route="POST /latchkey/v1/verify",status="200"} 2`,
		`latchkey_http_requests_total{dialect="native",route="POST /latchkey/v1/verify",status="429"} 2`,
		`latchkey_http_requests_total{dialect="none",route="unrouted",status="404"} 1`,
		`latchkey_http_requests_total{dialect="none",route="unrouted",status="other"} 5`,
		`latchkey_http_request_seconds_bucket{dialect="native",route="POST /latchkey/v1/verify",le="2.5e-05"} 1`,
		`latchkey_http_request_seconds_count{dialect="native",route="POST /latchkey/v1/verify"} 4`,
	)
}

func TestRouteInParallel(t *testing.T) {
	m := metrics.New("v1.2.3")
	route := m.Route("native", "GET /latchkey/v1/keys")
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for i := range 300 {
				route.Observe(200+i%3, time.Millisecond)
			}
		})
	}
	wg.Wait()
	wantLines(t, m,
		`latchkey_http_requests_total{dialect="native",route="GET /latchkey/v1/keys",status="200"} 800`,
		`latchkey_http_requests_total{dialect="native",route="GET /latchkey/v1/keys",status="202"} 800`)
}

func TestDoorCountsEveryOutcome(t *testing.T) {
	m := metrics.New("v1.2.3")
	door := m.Door("native")
	var want []string
	for i, o := range keys.Outcomes {
		for range i {
			door.Verified(o)
		}
		// An outcome that never came stands there with 0.
		want = append(want, fmt.Sprintf(`latchkey_verifications_total{door="native",outcome="%s"} %d`, o, i))
	}
	wantLines(t, m, want...)
}

func TestFigures(t *testing.T) {
	m := metrics.New("v1.2.3")
	m.Cache(func() keys.CacheStats { return keys.CacheStats{Hits: 1, Misses: 2, Records: 3} })
	m.Pool("reads", func() sql.DBStats {
		return sql.DBStats{MaxOpenConnections: 4, OpenConnections: 3, InUse: 2, WaitCount: 1, WaitDuration: 1500 * time.Millisecond}
	})
	m.Pool("writes", func() sql.DBStats { return sql.DBStats{MaxOpenConnections: 1} })
	counters := 5
	m.Limiter(func() int { return counters })
	m.Usage(func() (int, int64, int64) { return 6, 7, 8 })
	m.Revision(func() int64 { return 9 })
	counters = 10
	wantLines(t, m,
		`latchkey_cache_hits_total 1`,
		`latchkey_cache_misses_total 2`,
		`latchkey_cache_records 3`,
		`latchkey_sql_max_connections{pool="reads"} 4`,
		`latchkey_sql_connections{pool="reads"} 3`,
		`latchkey_sql_connections_in_use{pool="reads"} 2`,
		`latchkey_sql_waits_total{pool="reads"} 1`,
		`latchkey_sql_wait_seconds_total{pool="reads"} 1.5`,
		`latchkey_sql_max_connections{pool="writes"} 1`,
		`latchkey_limiter_counters 10`,
		`latchkey_usage_waiting 6`,
		`latchkey_usage_dropped_total 7`,
		`latchkey_usage_failures_total 8`,
		`latchkey_store_revision 9`,
	)
	if text := scrape(t, m, ""); !strings.Contains(text, `latchkey_build_info{goversion="go`) ||
		!strings.Contains(text, `version="v1.2.3"} 1`) || !strings.Contains(text, "\ngo_goroutines ") {
		t.Errorf("the scrape lacks the version or the figures of the Go runtime:\n%s", text)
	}
}

// answers is a store and a ledger whose operations end with a given error.
type answers struct {
	keys.Store
	keys.Ledger
	err error
}

func (a *answers) InsertKey(context.Context, *keys.Key, keys.Event) error { return a.err }

func (a *answers) UpdateKey(context.Context, string, string, func(*keys.Key) error, keys.Event) (keys.Key, error) {
	return keys.Key{ID: "key_1"}, a.err
}

func (a *answers) DeleteKey(context.Context, string, string, func(*keys.Key) error, keys.Event) error {
	return a.err
}

func (a *answers) AddUsage(context.Context, []keys.Count, []keys.LastUse) error { return a.err }

func (a *answers) Revision() int64 { return 7 }

func (a *answers) Use(context.Context, string, keys.Charge, func(bool) (bool, error), time.Time) (keys.Account, keys.Charged, keys.Outcome, error) {
	return keys.Account{Credits: &keys.Credits{Remaining: 5}}, keys.Charged{Credits: 2}, keys.RateLimited, a.err
}

func (a *answers) Spend(context.Context, string, int64, keys.SpendKind, time.Time) (keys.Account, int64, error) {
	return keys.Account{Credits: &keys.Credits{Remaining: 4}}, 3, a.err
}

func (a *answers) ChangeCredits(context.Context, string, string, func(*keys.Credits) (*keys.Credits, error), keys.Event) (*keys.Credits, error) {
	return &keys.Credits{Remaining: 6}, a.err
}

func TestSeamsAreTimed(t *testing.T) {
	m, a, ctx := metrics.New("v1.2.3"), &answers{}, t.Context()
	store, ledger := m.Store(a), m.Ledger(a)
	errs := []error{
		nil, nil,
		keys.Errorf(keys.NotFound, "no such key"),
		fmt.Errorf("insert: %w", keys.Errorf(keys.Unavailable, "no database")),
		errors.New("disk full: lk_secret"),
		context.Canceled,
	}
	for _, a.err = range errs {
		if err := store.InsertKey(ctx, nil, keys.Event{}); err != a.err {
			t.Errorf("InsertKey = %v, want %v", err, a.err)
		}
		if k, err := store.UpdateKey(ctx, "", "", nil, keys.Event{}); err != a.err || k.ID != "key_1" {
			t.Errorf("UpdateKey = %v, %v, want key_1, %v", k.ID, err, a.err)
		}
		if err := store.DeleteKey(ctx, "", "", nil, keys.Event{}); err != a.err {
			t.Errorf("DeleteKey = %v, want %v", err, a.err)
		}
		if err := store.AddUsage(ctx, nil, nil); err != a.err {
			t.Errorf("AddUsage = %v, want %v", err, a.err)
		}
		if c, took, o, err := ledger.Use(ctx, "", keys.Charge{}, nil, time.Time{}); err != a.err || took.Credits != 2 || o != keys.RateLimited || c.Credits.Remaining != 5 {
			t.Errorf("Use = %v, %v, %v, %v, want 5, 2, rate_limited, %v", c, took, o, err, a.err)
		}
		if c, moved, err := ledger.Spend(ctx, "", 1, keys.SpendOwn, time.Time{}); err != a.err || moved != 3 || c.Credits.Remaining != 4 {
			t.Errorf("Spend = %v, %d, %v, want 4, 3, %v", c, moved, err, a.err)
		}
		if c, err := ledger.ChangeCredits(ctx, "", "", nil, keys.Event{}); err != a.err || c.Remaining != 6 {
			t.Errorf("ChangeCredits = %v, %v, want 6, %v", c, err, a.err)
		}
	}
	if store.Revision() != 7 {
		t.Errorf("Revision = %d, want that of the store, 7", store.Revision())
	}
	var want []string
	for _, op := range []string{"insert_key", "update_key", "delete_key", "add_usage", "use_account", "spend_money", "change_credits"} {
		want = append(want, fmt.Sprintf(`latchkey_store_operation_seconds_count{operation="%s"} 6`, op))
		for _, code := range []string{"not_found", "unavailable", "internal", "canceled"} {
			want = append(want, fmt.Sprintf(`latchkey_store_errors_total{code="%s",operation="%s"} 1`, code, op))
		}
	}
	wantLines(t, m, want...)
}

func TestHandlerTellsNoError(t *testing.T) {
	m := metrics.New("v1.2.3")
	broken := false
	m.Limiter(func() int {
		if broken {
			panic("lk_secret in a panic")
		}
		return 1
	})
	broken = true
	if text := scrape(t, m, ""); strings.Contains(text, "lk_secret") {
		t.Errorf("the scrape shows the error:\n%s", text)
	}
	// The other figures are there, and the next scrape tells that this one was not whole.
	wantLines(t, m, `promhttp_metric_handler_errors_total{cause="gathering"} 1`)
}

func TestHandlerSpeaksOpenMetrics(t *testing.T) {
	m := metrics.New("v1.2.3")
	m.Route("native", "GET /healthz").Observe(200, time.Millisecond)
	if text := scrape(t, m, "application/openmetrics-text; version=1.0.0"); !strings.HasSuffix(text, "# EOF\n") {
		t.Errorf("the scrape does not end as OpenMetrics does: …%q", text[max(0, len(text)-80):])
	}
}

func TestNamesFollowTheConventions(t *testing.T) {
	m := metrics.New("v1.2.3")
	m.Route("native", "GET /healthz").Observe(200, time.Millisecond)
	m.Door("native")
	m.Cache(func() keys.CacheStats { return keys.CacheStats{} })
	m.Pool("reads", func() sql.DBStats { return sql.DBStats{} })
	m.Limiter(func() int { return 0 })
	m.Usage(func() (int, int64, int64) { return 0, 0, 0 })
	m.Revision(func() int64 { return 0 })
	m.Store(&answers{})
	problems, err := promlint.New(strings.NewReader(scrape(t, m, ""))).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		if strings.HasPrefix(p.Metric, "latchkey_") {
			t.Errorf("%s: %s", p.Metric, p.Text)
		}
	}
}

func TestCountingAllocatesNothing(t *testing.T) {
	m := metrics.New("v1.2.3")
	route, door := m.Route("native", "POST /latchkey/v1/verify"), m.Door("native")
	route.Observe(200, time.Millisecond)
	if n := testing.AllocsPerRun(100, func() {
		route.Observe(200, time.Millisecond)
		door.Verified(keys.Valid)
	}); n > 0 {
		t.Errorf("Observe and Verified: %v allocations, want 0", n)
	}
}

func BenchmarkRoute(b *testing.B) {
	route := metrics.New("").Route("native", "POST /latchkey/v1/verify")
	b.ReportAllocs()
	for b.Loop() {
		route.Observe(200, 20*time.Microsecond)
	}
}

func BenchmarkDoor(b *testing.B) {
	door := metrics.New("").Door("native")
	b.ReportAllocs()
	for b.Loop() {
		door.Verified(keys.Valid)
	}
}
