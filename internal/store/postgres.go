package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
)

var postgres = engine{
	dialect:     goose.DialectPostgres,
	beginRead:   "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
	beginWrite:  "BEGIN",
	forUpdate:   " FOR UPDATE",
	forSettings: " FOR NO KEY UPDATE",
	keep:        " FOR KEY SHARE",
	keepK:       " FOR KEY SHARE OF k",
	classify:    classifyPostgres,
}

const (
	postgresConns = 20 // where the URL does not say pool_max_conns
	postgresTries = 8  // of a transaction that others got in the way of
)

// openPostgres connects to a PostgreSQL database.
func openPostgres(ctx context.Context, url string) (*Store, error) {
	fail := func(err error) (*Store, error) { return nil, fmt.Errorf("open the PostgreSQL database: %w", err) }
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		return fail(err) // without the password
	}
	if !strings.Contains(url, "pool_max_conns") {
		config.MaxConns = postgresConns
	}
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return fail(err)
	}
	db := stdlib.OpenDBFromPool(pool)
	if err := preparePostgres(ctx, db); err != nil {
		db.Close()
		pool.Close()
		return fail(err)
	}
	s := &Store{engine: &postgres}
	s.reads = &pooledReaders{db: db, pool: pool}
	s.writes = &eachWriter{store: s, db: db, slots: make(chan struct{}, max(1, int(config.MaxConns)/2)), gone: make(chan struct{})}
	if err := s.start(ctx); err != nil {
		return fail(errors.Join(err, s.Close()))
	}
	return s, nil
}

// migrationLock is the advisory lock that openers of a database take in turn.
const migrationLock = 7_161_993_014

// preparePostgres brings the schema up to date, alone.
func preparePostgres(ctx context.Context, db *sql.DB) error {
	conn, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	if _, err := conn.ExecContext(ctx, `SELECT pg_advisory_lock($1)`, int64(migrationLock)); err != nil {
		return err
	}
	defer conn.ExecContext(context.WithoutCancel(ctx), `SELECT pg_advisory_unlock($1)`, int64(migrationLock))
	// The collation that SQLite has by this name: the order of bytes.
	if _, err := conn.ExecContext(ctx, `CREATE COLLATION IF NOT EXISTS "binary" (provider = libc, locale = 'C')`); err != nil {
		return err
	}
	return migrate(ctx, &postgres, db)
}

func classifyPostgres(err error) failure {
	e, ok := errors.AsType[*pgconn.PgError](err)
	if !ok {
		if _, ok := errors.AsType[*pgconn.ConnectError](err); ok || pgconn.SafeToRetry(err) || errors.Is(err, pgconn.ErrConnClosed) {
			return down
		}
		return unknown
	}
	switch e.Code {
	case "23505": // unique_violation
		return taken
	case "23503": // foreign_key_violation
		return missing
	case "22021", "22P05": // character_not_in_repertoire, untranslatable_character
		return unfit
	case "40001", "40P01": // serialization_failure, deadlock_detected
		return again
	case "25006", "55P03": // read_only_sql_transaction, lock_not_available
		return down
	}
	switch e.Code[:min(2, len(e.Code))] {
	case "08", "53", "57", "58": // connection, resources, operator, system
		return down
	}
	return unknown
}

// pooledReaders hands out sessions on connections of a pool.
type pooledReaders struct {
	db   *sql.DB
	pool *pgxpool.Pool
}

func (r *pooledReaders) with(ctx context.Context, fn func(*session) error) error {
	conn, err := r.db.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	return fn(&session{ctx: ctx, conn: conn, engine: &postgres})
}

func (r *pooledReaders) close() error {
	err := r.db.Close()
	r.pool.Close()
	return err
}

// An eachWriter gives each job a transaction of its own. It leaves half of the
// pool to readers, since a change function may read.
type eachWriter struct {
	store *Store
	db    *sql.DB
	slots chan struct{}
	gone  chan struct{} // closed when there will be none any more
}

func (w *eachWriter) do(ctx context.Context, j *job) error {
	select {
	case w.slots <- struct{}{}:
		defer func() { <-w.slots }()
	case <-w.gone:
		return errClosed
	case <-ctx.Done():
		return ctx.Err()
	}
	for try := 1; ; try++ {
		err := w.try(ctx, j)
		if classifyPostgres(err) != again || try == postgresTries {
			return err
		}
		pause := time.Duration(rand.Int64N(int64(try)*int64(4*time.Millisecond))) + time.Millisecond
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// try carries out a job once.
func (w *eachWriter) try(ctx context.Context, j *job) error {
	conn, err := w.db.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	q := &session{ctx: ctx, conn: conn, engine: &postgres}
	t := &txn{session: q}
	if j.one {
		return protect(j.run, t)
	}
	// Once the commit begins the caller is not heard: what is done has to be known.
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
	defer cancel()
	var revision int64
	err = q.transact(postgres.beginWrite, func() error {
		if err := protect(j.run, t); err != nil {
			t.changes = nil
			return err
		}
		if revision, err = q.bump(int64(min(t.events, 1))); err != nil {
			return err
		}
		q.ctx = last
		return nil
	})
	// Told after a failed commit too: it may have come through.
	w.store.tell(t.changes)
	if err == nil {
		w.store.publish(revision)
	}
	return err
}

func (w *eachWriter) close() error {
	close(w.gone)
	for range cap(w.slots) {
		w.slots <- struct{}{} // waits for the jobs that are under way
	}
	return nil
}
