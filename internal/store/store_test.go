package store_test

import (
	"path/filepath"
	"testing"

	"latchkey/internal/conformance"
	"latchkey/internal/keys"
	"latchkey/internal/pgtest"
	"latchkey/internal/store"
)

// engines runs a test on each engine that this machine has; pgtest puts on
// record that one was left out.
func engines(t *testing.T, test func(t *testing.T, url func(t *testing.T) string)) {
	t.Run("SQLite", func(t *testing.T) {
		test(t, func(t *testing.T) string { return "sqlite:" + filepath.Join(t.TempDir(), "latchkey.db") })
	})
	if ok, reason := pgtest.Available(); !ok {
		t.Logf("PostgreSQL is left out: %s", reason)
		return
	}
	t.Run("PostgreSQL", func(t *testing.T) { test(t, func(t *testing.T) string { return pgtest.URL(t) }) })
}

func open(t *testing.T, url string) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func TestStore(t *testing.T) {
	engines(t, func(t *testing.T, url func(t *testing.T) string) {
		conformance.Store(t, func(t *testing.T) keys.Store { return open(t, url(t)) })
	})
}

func TestLedger(t *testing.T) {
	engines(t, func(t *testing.T, url func(t *testing.T) string) {
		conformance.Ledger(t, func(t *testing.T) (keys.Store, keys.Ledger) {
			s := open(t, url(t))
			return s, s
		})
	})
}
