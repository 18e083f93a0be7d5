package metrics

import (
	"database/sql"

	"github.com/prometheus/client_golang/prometheus"

	"latchkey/internal/keys"
)

// A figure is something that another part of the server counts, and that is
// read when it is scraped.
type figure struct {
	kind       prometheus.ValueType
	name, help string
}

const (
	counter = prometheus.CounterValue
	gauge   = prometheus.GaugeValue
)

// figures registers figures that are read together: read returns their values
// in the same order. It is called once at once.
func (m *Metrics) figures(labels prometheus.Labels, read func() []float64, figures ...figure) {
	descs := make([]*prometheus.Desc, len(figures))
	for i, f := range figures {
		descs[i] = prometheus.NewDesc(f.name, f.help, nil, labels)
	}
	m.registry.MustRegister(prometheus.CollectorFunc(func(ch chan<- prometheus.Metric) {
		for i, v := range read() {
			ch <- prometheus.MustNewConstMetric(descs[i], figures[i].kind, v)
		}
	}))
}

// Cache tells of the cache in front of verification.
func (m *Metrics) Cache(stats func() keys.CacheStats) {
	read := func() []float64 {
		s := stats()
		return []float64{float64(s.Hits), float64(s.Misses), float64(s.Records)}
	}
	m.figures(nil, read,
		figure{counter, "latchkey_cache_hits_total", "Look-ups of secrets that the cache answered."},
		figure{counter, "latchkey_cache_misses_total", "Look-ups of secrets that the cache could not answer."},
		figure{gauge, "latchkey_cache_records", "Records in the cache."})
}

// Pool tells of a pool of database connections, such as that of the readers.
func (m *Metrics) Pool(name string, stats func() sql.DBStats) {
	read := func() []float64 {
		s := stats()
		return []float64{float64(s.MaxOpenConnections), float64(s.OpenConnections), float64(s.InUse),
			float64(s.WaitCount), s.WaitDuration.Seconds()}
	}
	m.figures(prometheus.Labels{"pool": name}, read,
		figure{gauge, "latchkey_sql_max_connections", "Connections that the pool may have."},
		figure{gauge, "latchkey_sql_connections", "Connections that the pool has."},
		figure{gauge, "latchkey_sql_connections_in_use", "Connections that are in use."},
		figure{counter, "latchkey_sql_waits_total", "Requests that waited for a connection."},
		figure{counter, "latchkey_sql_wait_seconds_total", "Time spent waiting for a connection."})
}

// Limiter tells how many counters the limiter holds.
func (m *Metrics) Limiter(counters func() int) {
	m.figures(nil, func() []float64 { return []float64{float64(counters())} },
		figure{gauge, "latchkey_limiter_counters", "Rate limit counters in memory."})
}

// Usage tells of counts of verifications that wait to be written, those that
// were thrown away because too many waited, and the writes that failed.
func (m *Metrics) Usage(stats func() (waiting int, dropped, failures int64)) {
	read := func() []float64 {
		waiting, dropped, failures := stats()
		return []float64{float64(waiting), float64(dropped), float64(failures)}
	}
	m.figures(nil, read,
		figure{gauge, "latchkey_usage_waiting", "Counts and last uses that wait to be written."},
		figure{counter, "latchkey_usage_dropped_total", "Counts and last uses thrown away because too many waited."},
		figure{counter, "latchkey_usage_failures_total", "Writes of usage that failed."})
}

// Revision tells the number of the last committed change.
func (m *Metrics) Revision(revision func() int64) {
	m.figures(nil, func() []float64 { return []float64{float64(revision())} },
		figure{gauge, "latchkey_store_revision", "Number of the last committed change."})
}
