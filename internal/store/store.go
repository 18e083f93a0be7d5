// Package store keeps what the core stores in SQL, in SQLite or in PostgreSQL.
// It owns every statement and the schema, and decides nothing: what may be
// stored is for the core to say. The statements are written once, in the
// subset that both engines share; what differs is in [engine].
package store

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/pressly/goose/v3"

	"latchkey/internal/keys"
)

// Store implements [keys.Store] and [keys.Ledger].
type Store struct {
	engine *engine
	reads  readers
	writes writer

	balances *balances // nil where accounts are spent from in their rows

	revision atomic.Int64
	closed   atomic.Bool

	mu        sync.RWMutex
	observers []func(keys.Change)
}

var (
	_ keys.Store  = (*Store)(nil)
	_ keys.Ledger = (*Store)(nil)
)

// An engine is what one database does differently.
type engine struct {
	dialect    goose.Dialect
	beginRead  string // begins a transaction that reads as of one moment
	beginWrite string
	classify   func(error) failure

	// After a SELECT. What is kept from being deleted can be referred to by others,
	// and so can what is locked for its settings.
	forUpdate   string // locks what it finds
	forSettings string // locks it, and lets others refer to it
	keep        string // keeps it from being deleted
	keepK       string // keeps the rows of k from being deleted
}

// readers hand out sessions for reading.
type readers interface {
	// with calls fn with a session of its own.
	with(ctx context.Context, fn func(*session) error) error
	stats() sql.DBStats
	close() error
}

// A writer carries out jobs, each whole or not at all. When do returns, the
// job has reached the disk and its changes were observed, or nothing of it is
// there.
type writer interface {
	do(ctx context.Context, j *job) error
	close() error
}

// Open opens the database at url, which is sqlite:PATH or postgres://…, and
// brings its schema up to date. It refuses a database that a newer latchkey
// has changed so that this one may not run on it.
func Open(ctx context.Context, url string) (*Store, error) {
	scheme, _, _ := strings.Cut(url, ":")
	switch scheme {
	case "sqlite":
		return openSQLite(ctx, url)
	case "postgres", "postgresql":
		return openPostgres(ctx, url)
	}
	return nil, fmt.Errorf("open store: the URL begins with %q, want sqlite or postgres", scheme)
}

// start reads what the store holds in memory.
func (s *Store) start(ctx context.Context) error {
	return s.look(ctx, func(q *session) error {
		var n int64
		err := q.row(`SELECT revision FROM installation WHERE id = 1`, nil, integer{&n})
		s.revision.Store(n)
		return err
	})
}

// Close waits for the operations that are under way and closes the database.
func (s *Store) Close() error {
	if s.closed.Swap(true) {
		return nil
	}
	if s.balances != nil {
		s.balances.close()
	}
	err := s.writes.close()
	if e := s.reads.close(); err == nil {
		err = e
	}
	if err != nil {
		return fmt.Errorf("close store: %w", err)
	}
	return nil
}

// Ping implements [keys.VerifyStore].
func (s *Store) Ping(ctx context.Context) error {
	return s.look(ctx, func(q *session) error {
		var n int64
		return q.row(`SELECT id FROM installation WHERE id = 1`, nil, integer{&n})
	})
}

// Revision implements [keys.VerifyStore].
func (s *Store) Revision() int64 { return s.revision.Load() }

// Observe implements [keys.VerifyStore].
func (s *Store) Observe(fn func(keys.Change)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.observers = append(s.observers[:len(s.observers):len(s.observers)], fn)
}

// tell lets observers hear of changes, in their order.
func (s *Store) tell(changes []keys.Change) {
	s.mu.RLock()
	observers := s.observers
	s.mu.RUnlock()
	for _, c := range changes {
		for _, fn := range observers {
			fn(c)
		}
	}
}

// publish moves the revision to that of a commit, when observers have heard of
// what it changed: who finds a number here finds its change in force.
func (s *Store) publish(revision int64) {
	for old := s.revision.Load(); old < revision && !s.revision.CompareAndSwap(old, revision); old = s.revision.Load() {
	}
}

// look runs fn, which reads with one statement.
func (s *Store) look(ctx context.Context, fn func(*session) error) error {
	return s.failed(s.reads.with(ctx, fn))
}

// view runs fn, all of whose statements read as of one moment.
func (s *Store) view(ctx context.Context, fn func(*session) error) error {
	return s.failed(s.reads.with(ctx, func(q *session) error {
		return q.transact(s.engine.beginRead, func() error { return fn(q) })
	}))
}

// write runs fn in a transaction of its own, as far as fn can tell. An engine
// may call it again where the transaction did not come through.
func (s *Store) write(ctx context.Context, fn func(*txn) error) error {
	return s.failed(s.writes.do(ctx, &job{ctx: ctx, run: fn, done: make(chan error, 1)}))
}

// writeOne runs fn, which changes something with its last statement alone, so
// that nothing can be left half done.
func (s *Store) writeOne(ctx context.Context, fn func(*txn) error) error {
	return s.failed(s.writes.do(ctx, &job{ctx: ctx, run: fn, one: true, done: make(chan error, 1)}))
}
