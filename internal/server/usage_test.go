package server

import (
	"encoding/json"
	"net/http"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"latchkey/internal/token"
)

// TestUsageRetention counts a use, and starts again when it is older than what
// is kept, and when it is not.
func TestUsageRetention(t *testing.T) {
	var now atomic.Pointer[time.Time]
	begin := time.Date(2026, 11, 21, 9, 30, 0, 0, time.UTC)
	now.Store(&begin)
	cfg := Defaults()
	cfg.DataDir, cfg.RootKey, cfg.UsageRetention = filepath.Join(t.TempDir(), "data"), token.New(testRoot), 2*time.Hour
	start := func() *Server {
		t.Helper()
		s, err := Open(t.Context(), cfg, Options{Clock: func() time.Time { return *now.Load() }})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	counted := func(s *Server) bool {
		t.Helper()
		w := get(s, "/latchkey/v1/usage?from=2026-11-21T00:00:00Z&to=2026-11-22T00:00:00Z", testRoot)
		if w.Code != http.StatusOK {
			t.Fatalf("usage: %d %s", w.Code, w.Body)
		}
		return strings.Contains(w.Body.String(), `"start":"2026-11-21T09:00:00.000Z","count":1,`)
	}
	first := start()
	var made struct {
		Secret string `json:"secret"`
	}
	if err := json.Unmarshal(post(first, "/latchkey/v1/keys", testRoot, `{}`).Body.Bytes(), &made); err != nil {
		t.Fatal(err)
	}
	post(first, "/latchkey/v1/verify", testRoot, `{"key":"`+made.Secret+`","tags":["a"]}`)
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}

	later := begin.Add(2 * time.Hour) // at which the hour's end is not two hours ago
	now.Store(&later)
	second := start()
	if !counted(second) {
		t.Error("what is to be kept is gone")
	}
	if err := second.Close(); err != nil {
		t.Fatal(err)
	}
	later = begin.Add(3 * time.Hour)
	third := start()
	defer third.Close()
	for until := time.Now().Add(10 * time.Second); counted(third); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(until) {
			t.Fatal("what is past its time is still there")
		}
	}
}
