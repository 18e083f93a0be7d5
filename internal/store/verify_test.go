package store

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"latchkey/internal/keys"
	"latchkey/internal/pgtest"
	"latchkey/internal/token"
)

func TestMain(m *testing.M) {
	if path := os.Getenv(spendIn); path != "" {
		spendUntilKilled(path)
	}
	pgtest.Main(m)
}

// bench opens a SQLite store with n keys, each with 1,000,000,000 credits.
func bench(b testing.TB, n int) (*Store, []keys.Key) {
	s, err := Open(b.Context(), "sqlite:"+filepath.Join(b.TempDir(), "latchkey.db"))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { s.Close() })
	m := keys.Manager{Store: s, Ledger: s, Clock: time.Now}
	ws, err := m.Install(b.Context(), func(token.Secret) error { return nil })
	if err != nil {
		b.Fatal(err)
	}
	var all []keys.Key
	for i := range n {
		k, _, err := m.CreateKey(b.Context(), keys.OperatorIn(ws), keys.NewKey{KeySettings: keys.KeySettings{
			Permissions: keys.Some([]string{"documents.read", "documents.write"}),
			Owner:       keys.Some(keys.Owner{ExternalID: fmt.Sprint("customer ", i%10)}),
			Credits:     keys.Some(&keys.CreditSettings{Remaining: keys.Some(int64(1_000_000_000))}),
		}})
		if err != nil {
			b.Fatal(err)
		}
		all = append(all, k)
	}
	return s, all
}

func BenchmarkFactsByHash(b *testing.B) {
	s, all := bench(b, 100)
	now := time.Now()
	i := 0
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.FactsByHash(b.Context(), all[i%len(all)].Secrets[0].Hash, now); err != nil {
			b.Fatal(err)
		}
		i++
	}
}

// TestFactsByHashAllocates bounds what a look-up costs; it measures 302.
func TestFactsByHashAllocates(t *testing.T) {
	s, all := bench(t, 1)
	n := testing.AllocsPerRun(100, func() {
		if _, err := s.FactsByHash(context.Background(), all[0].Secrets[0].Hash, time.Now()); err != nil {
			t.Error(err)
		}
	})
	if n > 350 {
		t.Errorf("FactsByHash allocates %v times, want 350 at most", n)
	}
}

func BenchmarkRecordByUnknownHash(b *testing.B) {
	s, _ := bench(b, 1)
	now := time.Now()
	for b.Loop() {
		if _, err := s.FactsByHash(b.Context(), token.Hash{1}, now); !keys.Is(err, keys.NotFound) {
			b.Fatal(err)
		}
	}
}

// BenchmarkUse spends from 64 goroutines at once.
func BenchmarkUse(b *testing.B) {
	s, all := bench(b, 100)
	now := time.Now()
	var next atomic.Int64
	b.SetParallelism(32) // times GOMAXPROCS
	b.RunParallel(func(pb *testing.PB) {
		i := int(next.Add(1)) * 7
		for pb.Next() {
			if _, _, o, err := s.Use(b.Context(), all[i%len(all)].AccountID, keys.Charge{Credits: 1}, nil, now); o != keys.Valid || err != nil {
				b.Error(o, err)
				return
			}
			i++
		}
	})
}
