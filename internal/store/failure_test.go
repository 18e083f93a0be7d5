package store

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"latchkey/internal/keys"
	"latchkey/internal/pgtest"
)

func TestFailures(t *testing.T) {
	for name, url := range urls(t) {
		t.Run(name, func(t *testing.T) {
			s, err := Open(t.Context(), url)
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			ws := install(t, s)
			run := func(text string, args ...any) error {
				return s.write(t.Context(), func(t *txn) error { _, err := t.exec(text, args...); return err })
			}
			for _, c := range []struct {
				what string
				err  error
				want keys.Code
			}{
				{"a primary key", run(`INSERT INTO installation (id, revision, oldest_schema) VALUES (1, 0, 0)`), keys.Conflict},
				{"a unique column", run(`INSERT INTO workspaces (id, uuid, path, slug, name, enabled, version, created_at, updated_at)
					SELECT 'ws_x', 'uuid', path, slug, name, enabled, version, created_at, updated_at FROM workspaces`), keys.Conflict},
				{"a foreign key", run(`INSERT INTO keyspaces (id, workspace_id, slug, name, policy, version, created_at, updated_at) VALUES ('ks_x', 'ws_x', '', '', '', 1, 0, 0)`), keys.NotFound},
				{"a check", run(`INSERT INTO installation (id, revision, oldest_schema) VALUES (2, 0, 0)`), keys.Internal},
				{"no null", run(`UPDATE workspaces SET name = NULL`), keys.Internal},
				{"no SQL", run(`SELECT FROM WHERE`), keys.Internal},
				{"an error of the core", s.write(t.Context(), func(*txn) error { return keys.Errorf(keys.Forbidden, "no") }), keys.Forbidden},
				{"the end of the context", s.write(t.Context(), func(*txn) error { return fmt.Errorf("x: %w", context.DeadlineExceeded) }), keys.Unavailable},
				{"a lost connection", s.write(t.Context(), func(*txn) error { return fmt.Errorf("x: %w", driver.ErrBadConn) }), keys.Unavailable},
				{"a broken connection", s.write(t.Context(), func(*txn) error { return fmt.Errorf("x: %w", io.ErrUnexpectedEOF) }), keys.Unavailable},
				{"the network", s.write(t.Context(), func(*txn) error { return &net.OpError{Op: "read", Err: errors.New("reset")} }), keys.Unavailable},
				{"anything else", s.write(t.Context(), func(*txn) error { return errors.New("x") }), keys.Internal},
			} {
				if c.err == nil || keys.AsError(c.err).Code != c.want {
					t.Errorf("%s: %v, want code %s", c.what, c.err, c.want)
				}
			}
			if got, err := s.Workspace(t.Context(), ws.ID); err != nil || got != ws {
				t.Errorf("after all that the workspace is %+v, %v", got, err)
			}
			for _, doc := range []string{"{", "[", `{"a":1`, "x"} { // some end too early, as connections do
				if err := run(`UPDATE keyspaces SET policy = $1`, doc); err != nil {
					t.Fatal(err)
				}
				if _, err := s.Keyspace(t.Context(), ws.ID, keys.DefaultKeyspace); err == nil || keys.AsError(err).Code != keys.Internal {
					t.Errorf("a keyspace whose policy is %q: %v, want code %s", doc, err, keys.Internal)
				}
			}
		})
	}
}

func TestPostgresCodes(t *testing.T) {
	for code, want := range map[string]failure{
		"23505": taken, "23503": missing, "22021": unfit, "22P05": unfit, "40001": again, "40P01": again,
		"08006": down, "53300": down, "57P01": down, "58030": down, "25006": down, "55P03": down,
		"42601": unknown, "23502": unknown, "XX000": unknown, "": unknown,
	} {
		if got := classifyPostgres(fmt.Errorf("x: %w", &pgconn.PgError{Code: code})); got != want {
			t.Errorf("%s is %d, want %d", code, got, want)
		}
	}
	if got := classifyPostgres(fmt.Errorf("x: %w", &pgconn.ConnectError{})); got != down {
		t.Errorf("a failed connection is %d, want %d", got, down)
	}
}

// newPostgres opens a store in PostgreSQL; nil where there is none, which
// pgtest puts on record.
func newPostgres(t *testing.T) *Store {
	t.Helper()
	if ok, _ := pgtest.Available(); !ok {
		return nil
	}
	s, err := Open(t.Context(), pgtest.URL(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// TestPostgresTriesAgain has others get in the way of a transaction.
func TestPostgresTriesAgain(t *testing.T) {
	s := newPostgres(t)
	if s == nil {
		return
	}
	ws := install(t, s)
	var heard atomic.Int64
	s.Observe(func(keys.Change) { heard.Add(1) })
	tries, times := 0, 2
	job := func(t *txn) error {
		if err := rename(ws, "x")(t); err != nil {
			return err
		}
		if tries++; tries <= times {
			return fmt.Errorf("x: %w", &pgconn.PgError{Code: "40P01"})
		}
		return nil
	}
	if err := s.write(t.Context(), job); err != nil || tries != 3 || heard.Load() != 1 {
		t.Errorf("err = %v after %d tries, %d changes heard; want nil, 3, 1", err, tries, heard.Load())
	}
	tries, times = 0, 1000
	if err := s.write(t.Context(), job); !keys.Is(err, keys.Unavailable) || tries != postgresTries || heard.Load() != 1 {
		t.Errorf("err = %v after %d tries, %d changes heard; want unavailable, %d, 1", err, tries, heard.Load(), postgresTries)
	}
}

// TestPostgresRestarts cuts all connections, as a server does that stops.
func TestPostgresRestarts(t *testing.T) {
	s := newPostgres(t)
	if s == nil {
		return
	}
	ws := install(t, s)
	cut := func(t *txn) error {
		_, err := t.exec(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()`)
		return err
	}
	if err := s.write(t.Context(), cut); !keys.Is(err, keys.Unavailable) {
		t.Errorf("in the midst of a change: %v, want unavailable", err)
	}
	// The pool may hold on to connections that were cut; each is found out once.
	for n := 0; ; n++ {
		err := s.write(t.Context(), rename(ws, "x"))
		if err == nil {
			break
		}
		if !keys.Is(err, keys.Unavailable) || n > postgresConns {
			t.Fatalf("after %d tries: %v", n, err)
		}
	}
	if got, err := s.Workspace(t.Context(), ws.ID); err != nil || got.Name != "x" {
		t.Errorf("the workspace is %+v, %v", got, err)
	}
}

// TestPostgresText refuses what PostgreSQL cannot hold as the caller's fault.
func TestPostgresText(t *testing.T) {
	s := newPostgres(t)
	if s == nil {
		return
	}
	ws := install(t, s)
	for _, name := range []string{"a\x00b", "a\xffb"} {
		if err := s.write(t.Context(), rename(ws, name)); !keys.Is(err, keys.Invalid) {
			t.Errorf("%q: %v, want invalid", name, err)
		}
	}
}

// TestPostgresUseOfWhatGoes counts a use while its key is being deleted.
func TestPostgresUseOfWhatGoes(t *testing.T) {
	s := newPostgres(t)
	if s == nil {
		return
	}
	m := keys.Manager{Store: s, Ledger: s, Clock: time.Now}
	k, _, err := m.CreateKey(t.Context(), keys.OperatorIn(install(t, s)), keys.NewKey{})
	if err != nil {
		t.Fatal(err)
	}
	counted := make(chan error, 1)
	err = s.write(t.Context(), func(tx *txn) error {
		go func() {
			counted <- s.AddUsage(context.Background(), nil, []keys.LastUse{{KeyID: k.ID, SecretID: k.Secrets[0].ID, At: time.Now()}})
		}()
		_, err := tx.exec(`DELETE FROM keys WHERE id = $1`, k.ID)
		time.Sleep(100 * time.Millisecond) // the other waits for this one
		return err
	})
	if err := errors.Join(err, <-counted); err != nil {
		t.Error(err)
	}
}
