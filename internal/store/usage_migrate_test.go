package store

import (
	"path/filepath"
	"testing"
	"testing/fstest"
	"time"

	"github.com/pressly/goose/v3"

	"latchkey/internal/keys"
)

// TestUsageFromBefore opens a database that the first version has counted in:
// the counts are found by every question.
func TestUsageFromBefore(t *testing.T) {
	path := filepath.Join(t.TempDir(), "latchkey.db")
	db, err := openFile(path, 1)
	if err != nil {
		t.Fatal(err)
	}
	first, err := migrations.ReadFile("migrations/00001_keys.sql")
	if err != nil {
		t.Fatal(err)
	}
	provider, err := goose.NewProvider(sqlite.dialect, db, fstest.MapFS{"00001_keys.sql": {Data: first}},
		goose.WithTableName("migrations"), goose.WithDisableGlobalRegistry(true), goose.WithLogger(goose.NopLogger()))
	if err == nil {
		_, err = provider.Up(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	hour := time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC)
	for i, key := range []string{"a", "a", "b"} {
		_, err := db.Exec(`INSERT INTO usage_hours (key_id, outcome, hour, workspace_id, keyspace_id, owner_id, n) VALUES ($1, 'valid', $2, 'ws', 'ks', $3, $4)`,
			key, hour.UnixMilli(), []string{"", "idn", ""}[i], 1<<i)
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}

	s, err := Open(t.Context(), "sqlite:"+path)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for _, tt := range []struct {
		name string
		f    keys.UsageFilter
		want int64
	}{
		{"all", keys.UsageFilter{}, 7}, {"one keyspace", keys.UsageFilter{KeyspaceID: "ks"}, 7},
		{"one key", keys.UsageFilter{KeyID: "a"}, 3}, {"one owner", keys.UsageFilter{OwnerID: "idn"}, 2},
	} {
		tt.f.From, tt.f.To, tt.f.Bucket = hour, hour.Add(time.Hour), keys.HourBucket
		if got, err := s.SumUsage(t.Context(), "ws", tt.f); err != nil || len(got) != 1 || got[0].N != tt.want || got[0].Charged != (keys.Charged{}) {
			t.Errorf("%s: %+v, %v, want %d", tt.name, got, err, tt.want)
		}
	}
}
