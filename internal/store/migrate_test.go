package store

import (
	"bytes"
	"fmt"
	"io/fs"
	"log"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"latchkey/internal/pgtest"
)

// urls returns an empty database of each engine that this machine has.
func urls(t *testing.T) map[string]string {
	out := map[string]string{"SQLite": "sqlite:" + filepath.Join(t.TempDir(), "latchkey.db")}
	if ok, _ := pgtest.Available(); ok {
		out["PostgreSQL"] = pgtest.URL(t)
	}
	return out
}

// exec runs a statement behind the store's back.
func (s *Store) exec(t *testing.T, statement string) {
	t.Helper()
	err := s.write(t.Context(), func(t *txn) error { _, err := t.exec(statement); return err })
	if err != nil {
		t.Fatal(err)
	}
}

func TestOpenAgain(t *testing.T) {
	for name, url := range urls(t) {
		t.Run(name, func(t *testing.T) {
			revision := int64(0)
			for range 3 {
				s, err := Open(t.Context(), url)
				if err != nil {
					t.Fatal(err)
				}
				if s.Revision() != revision {
					t.Errorf("the revision is %d, want %d", s.Revision(), revision)
				}
				if revision == 0 {
					install(t, s)
				}
				revision = s.Revision()
				if err := s.Close(); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

func TestOpenAtOnce(t *testing.T) {
	for name, url := range urls(t) {
		t.Run(name, func(t *testing.T) {
			var wg sync.WaitGroup
			for range 5 {
				wg.Go(func() {
					s, err := Open(t.Context(), url)
					if err != nil {
						t.Error(err)
						return
					}
					install(t, s)
					if err := s.Close(); err != nil {
						t.Error(err)
					}
				})
			}
			wg.Wait()
		})
	}
}

func TestOpenNewerDatabase(t *testing.T) {
	for name, url := range urls(t) {
		t.Run(name, func(t *testing.T) {
			s, err := Open(t.Context(), url)
			if err != nil {
				t.Fatal(err)
			}
			s.exec(t, `INSERT INTO migrations (version_id, is_applied) VALUES (9999, TRUE)`)
			s.Close()
			if s, err = Open(t.Context(), url); err != nil {
				t.Fatalf("a newer schema that an older program may run on: %v", err)
			}
			s.exec(t, fmt.Sprintf(`UPDATE installation SET oldest_schema = %d`, SchemaVersion+1))
			s.Close()
			_, err = Open(t.Context(), url)
			if err == nil || !strings.Contains(err.Error(), "a newer latchkey has changed this database") {
				t.Errorf("Open = %v, want a refusal", err)
			}
		})
	}
}

func TestOpenRefuses(t *testing.T) {
	dir := t.TempDir()
	noDatabase := filepath.Join(dir, "text")
	if err := os.WriteFile(noDatabase, bytes.Repeat([]byte("no database "), 1000), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, url := range []string{
		"", "latchkey.db", "mysql://localhost/x", "sqlite:", "sqlite::memory:", "sqlite:" + dir, "sqlite:" + noDatabase,
		"sqlite:" + filepath.Join(dir, "no such directory", "x.db"),
		"postgres://user:hunter2@localhost:1/x?connect_timeout=1", "postgres://user:hunter2@localhost:port/x",
	} {
		s, err := Open(t.Context(), url)
		if err == nil {
			t.Errorf("Open(%q) = nil, want an error", url)
			s.Close()
		} else if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("Open(%q) tells the password: %v", url, err)
		}
	}
}

func TestSchemaVersionIsThatOfTheLastMigration(t *testing.T) {
	names, err := fs.Glob(migrations, "migrations/*.sql")
	if err != nil || len(names) == 0 {
		t.Fatal(names, err)
	}
	for i, name := range names {
		if want := fmt.Sprintf("migrations/%05d_", i+1); !strings.HasPrefix(name, want) {
			t.Errorf("migration %d is called %s, want %s…", i+1, name, want)
		}
		text, err := migrations.ReadFile(name)
		if err != nil || strings.Contains(string(text), "+goose Down") {
			t.Errorf("%s goes down, or %v", name, err)
		}
	}
	if len(names) != SchemaVersion {
		t.Errorf("there are %d migrations, and SchemaVersion is %d", len(names), SchemaVersion)
	}
}

func TestMigrationsAreSilent(t *testing.T) {
	out, err := os.Create(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	stdout, stderr, logged, logger := os.Stdout, os.Stderr, log.Writer(), slog.Default()
	os.Stdout, os.Stderr = out, out
	log.SetOutput(out)
	slog.SetDefault(slog.New(slog.NewTextHandler(out, nil)))
	s, openErr := Open(t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "latchkey.db"))
	os.Stdout, os.Stderr = stdout, stderr
	slog.SetDefault(logger)
	log.SetOutput(logged)
	if openErr != nil {
		t.Fatal(openErr)
	}
	s.Close()
	if text, err := os.ReadFile(out.Name()); err != nil || len(text) > 0 {
		t.Errorf("Open prints %q, %v", text, err)
	}
}

// TestPostgresSortsByBytes looks at what is sorted: the ids' order is that of
// their bytes, whatever the locale of the database.
func TestPostgresSortsByBytes(t *testing.T) {
	s := newPostgres(t)
	if s == nil {
		return
	}
	err := s.look(t.Context(), func(q *session) error {
		var n int64
		var before bool
		err := q.row(`SELECT count(*), 'a' < 'B' COLLATE "binary" FROM pg_attribute a JOIN pg_collation c ON c.oid = a.attcollation
			WHERE c.collname = 'binary' AND a.attname = 'id' AND a.attrelid IN ('keys'::regclass, 'keyspaces'::regclass, 'events'::regclass)`,
			nil, integer{&n}, flag{&before})
		if n != 3 || before {
			t.Errorf("%d ids are sorted by bytes, want 3; a is before B: %v", n, before)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
