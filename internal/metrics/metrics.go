// Package metrics counts and times what the server does, for Prometheus. What
// is counted on every request has its child resolved when the server starts.
// Labels take their values from sets that are known then (routes, outcomes,
// operations, codes, status codes), never from what a client sent.
package metrics

import (
	"net/http"
	"runtime"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"latchkey/internal/keys"
)

// buckets are the upper bounds of durations, in seconds: from an answer out of
// the cache to a client that has long given up.
var buckets = []float64{25e-6, 100e-6, 250e-6, 1e-3, 2.5e-3, 10e-3, 25e-3, 100e-3, 250e-3, 1, 2.5, 10}

// Metrics are the metrics of one server, in a registry of their own.
type Metrics struct {
	registry      *prometheus.Registry
	requests      *prometheus.CounterVec
	requestTime   *prometheus.HistogramVec
	verifications *prometheus.CounterVec
	operationTime *prometheus.HistogramVec
	failures      *prometheus.CounterVec
}

// New returns metrics that tell the version of the program, and figures of the
// Go runtime and the process.
func New(version string) *Metrics {
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "latchkey_http_requests_total",
			Help: "HTTP requests answered, by dialect, route and status.",
		}, []string{"dialect", "route", "status"}),
		requestTime: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "latchkey_http_request_seconds",
			Help:    "Time from a request's header to the end of its answer.",
			Buckets: buckets,
		}, []string{"dialect", "route"}),
		verifications: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "latchkey_verifications_total",
			Help: "Verifications, by outcome and the dialect through which they came.",
		}, []string{"outcome", "door"}),
		operationTime: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "latchkey_store_operation_seconds",
			Help:    "Time that operations of the store and the ledger took.",
			Buckets: buckets,
		}, []string{"operation"}),
		failures: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "latchkey_store_errors_total",
			Help: "Operations of the store and the ledger that returned an error, by its code.",
		}, []string{"operation", "code"}),
	}
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Name:        "latchkey_build_info",
		Help:        "1, with the version of the program and of Go.",
		ConstLabels: prometheus.Labels{"version": version, "goversion": runtime.Version()},
	})
	build.Set(1)
	m.registry.MustRegister(m.requests, m.requestTime, m.verifications, m.operationTime, m.failures, build,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// maxScrapes is how many scrapes are answered at once; more are told to come
// back.
const maxScrapes = 4

// Handler returns the handler that Prometheus scrapes. What goes wrong in one
// figure is counted and leaves the others as they are.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{
		Registry:            m.registry,
		ErrorHandling:       promhttp.ContinueOnError,
		EnableOpenMetrics:   true,
		MaxRequestsInFlight: maxScrapes,
	})
}

// A Route counts and times the requests of one route.
type Route struct {
	took   prometheus.Observer
	counts [600]atomic.Pointer[prometheus.Counter] // by status; resolved when first seen
	child  func(status string) prometheus.Counter
}

// Route returns the counters of a route, which is named by its pattern. A
// request that no route takes has the pattern "", and where no dialect answers
// it either, the dialect "".
func (m *Metrics) Route(dialect, pattern string) *Route {
	if dialect == "" {
		dialect = "none"
	}
	if pattern == "" {
		pattern = "unrouted"
	}
	return &Route{
		took: m.requestTime.WithLabelValues(dialect, pattern),
		child: func(status string) prometheus.Counter {
			return m.requests.WithLabelValues(dialect, pattern, status)
		},
	}
}

// Observe counts a request that was answered with status and took a time.
func (r *Route) Observe(status int, took time.Duration) {
	r.took.Observe(took.Seconds())
	if status < 100 || status >= len(r.counts) {
		status = 0
	}
	c := r.counts[status].Load()
	if c == nil {
		c = r.resolve(status)
	}
	(*c).Inc()
}

// resolve fills in a place of the table. Two that do so at once find the same
// counter.
func (r *Route) resolve(status int) *prometheus.Counter {
	text := "other"
	if status != 0 {
		text = strconv.Itoa(status)
	}
	c := r.child(text)
	r.counts[status].Store(&c)
	return &c
}

// A Door counts the verifications that come through one dialect.
type Door struct {
	counts []prometheus.Counter // by outcome
}

// Door returns the counters of a dialect.
func (m *Metrics) Door(dialect string) *Door {
	d := &Door{counts: make([]prometheus.Counter, len(keys.Outcomes))}
	for _, o := range keys.Outcomes {
		d.counts[o] = m.verifications.WithLabelValues(o.String(), dialect)
	}
	return d
}

// Verified counts a verification.
func (d *Door) Verified(o keys.Outcome) { d.counts[o].Inc() }
