package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"strings"

	"github.com/pressly/goose/v3"
	driver "modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"
)

var sqlite = engine{
	dialect:    goose.DialectSQLite3,
	beginRead:  "BEGIN",
	beginWrite: "BEGIN IMMEDIATE",
	classify:   classifySQLite,
}

// sqliteReaders is how many reads go on at once.
const sqliteReaders = 8

// How long a statement waits for another program that uses the file, and an
// opener for another opener.
const (
	sqliteBusy = "_pragma=busy_timeout(2000)"
	sqliteTurn = "_pragma=busy_timeout(60000)"
)

// openSQLite opens a database file, which it makes, readable by its owner
// alone, where it is not there. Its directory must be.
func openSQLite(ctx context.Context, address string) (*Store, error) {
	path := strings.TrimPrefix(strings.TrimPrefix(address, "sqlite:"), "//")
	if path == "" || strings.HasPrefix(path, ":") {
		return nil, errors.New("open store: the URL names no file: sqlite:PATH")
	}
	fail := func(err error) (*Store, error) { return nil, fmt.Errorf("open %s: %w", path, err) }
	if err := createPrivate(path); err != nil {
		return fail(err)
	}
	unlock, err := lockFile(ctx, path+"-lock")
	if err != nil {
		return fail(err)
	}
	defer unlock()

	write, err := openFile(path, 1, sqliteBusy, "_txlock=immediate", "_pragma=journal_mode(wal)", "_pragma=synchronous(full)",
		"_pragma=foreign_keys(on)", "_pragma=cache_size(-16000)")
	if err != nil {
		return fail(err)
	}
	if err := migrate(ctx, &sqlite, write); err != nil {
		return fail(errors.Join(err, write.Close()))
	}
	read, err := openFile(path, sqliteReaders, sqliteBusy, "_query_only=1", "_pragma=cache_size(-8000)")
	if err != nil {
		return fail(errors.Join(err, write.Close()))
	}
	s := &Store{engine: &sqlite}
	s.balances = newBalances(s)
	s.reads = newFileReaders(read, s.balances)
	s.writes = newGroupWriter(s, write)
	if err := s.balances.recover(ctx); err != nil {
		return fail(errors.Join(err, s.Close()))
	}
	if err := s.start(ctx); err != nil {
		return fail(errors.Join(err, s.Close()))
	}
	return s, nil
}

// createPrivate makes an empty file where there is none. SQLite gives the
// files that it puts beside it the same mode.
func createPrivate(path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return f.Close()
}

// openFile returns a handle on a database file with at most n connections.
func openFile(path string, n int, settings ...string) (*sql.DB, error) {
	name := "file:" + (&url.URL{Path: path}).EscapedPath() + "?" + strings.Join(settings, "&")
	db, err := sql.Open("sqlite", name)
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(n)
	db.SetMaxIdleConns(n)
	return db, nil
}

// lockFile keeps other openers of a database out, in this program and in
// others, until unlock is called. The lock is a transaction on an empty
// database of its own, so that it ends with the program that holds it.
func lockFile(ctx context.Context, path string) (unlock func(), err error) {
	if err := createPrivate(path); err != nil {
		return nil, err
	}
	db, err := openFile(path, 1, sqliteTurn)
	if err != nil {
		return nil, err
	}
	conn, err := db.Conn(ctx)
	if err == nil {
		_, err = conn.ExecContext(ctx, "BEGIN EXCLUSIVE")
	}
	if err != nil {
		return nil, fmt.Errorf("wait for the lock %s: %w", path, errors.Join(err, db.Close()))
	}
	return func() {
		conn.Close()
		db.Close()
	}, nil
}

func classifySQLite(err error) failure {
	e, ok := errors.AsType[*driver.Error](err)
	if !ok {
		return unknown
	}
	switch e.Code() {
	case lib.SQLITE_CONSTRAINT_UNIQUE, lib.SQLITE_CONSTRAINT_PRIMARYKEY, lib.SQLITE_CONSTRAINT_ROWID:
		return taken
	case lib.SQLITE_CONSTRAINT_FOREIGNKEY:
		return missing
	}
	switch e.Code() & 0xff {
	case lib.SQLITE_BUSY, lib.SQLITE_LOCKED, lib.SQLITE_PROTOCOL, lib.SQLITE_INTERRUPT, lib.SQLITE_NOMEM,
		lib.SQLITE_FULL, lib.SQLITE_IOERR, lib.SQLITE_CANTOPEN, lib.SQLITE_READONLY, lib.SQLITE_PERM,
		lib.SQLITE_CORRUPT, lib.SQLITE_NOTADB:
		return down
	}
	return unknown
}

// fileReaders hands out a bounded number of sessions, each with a connection
// that it keeps. Only the wait for one obeys the context: a statement that has
// begun runs to its end, as all are short.
type fileReaders struct {
	db   *sql.DB
	idle chan *session
	gone chan struct{} // closed when there will be none any more
}

func newFileReaders(db *sql.DB, b *balances) *fileReaders {
	r := &fileReaders{db: db, idle: make(chan *session, sqliteReaders), gone: make(chan struct{})}
	for range sqliteReaders {
		r.idle <- newFileSession(b)
	}
	return r
}

func newFileSession(b *balances) *session {
	return &session{ctx: context.Background(), engine: &sqlite, stmts: map[string]*sql.Stmt{}, balances: b}
}

func (r *fileReaders) with(ctx context.Context, fn func(*session) error) error {
	var q *session
	select {
	case q = <-r.idle:
	case <-r.gone:
		return errClosed
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { r.idle <- q }()
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := q.connect(r.db); err != nil {
		return err
	}
	err := fn(q)
	if err != nil && classifySQLite(err) == down {
		q.drop()
	}
	return err
}

// connect gives the session a connection where it has none.
func (q *session) connect(db *sql.DB) (err error) {
	if q.conn == nil {
		q.conn, err = db.Conn(q.ctx)
	}
	return err
}

// close waits for the reads that are under way.
func (r *fileReaders) close() error {
	close(r.gone)
	for range sqliteReaders {
		q := <-r.idle
		if q.conn != nil {
			q.conn.Close()
		}
	}
	return r.db.Close()
}
