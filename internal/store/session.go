package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"strconv"
	"strings"

	"latchkey/internal/keys"
)

// A session is one connection, for the length of one operation. The context
// is that of the operation.
type session struct {
	ctx    context.Context
	conn   *sql.Conn
	engine *engine

	// stmts holds the statements that are prepared: text → statement. It is
	// nil where the driver keeps them itself.
	stmts map[string]*sql.Stmt

	// balances are ahead of the rows; nil where the rows tell.
	balances *balances
}

// A txn is the session of an operation that changes something.
type txn struct {
	*session
	changes []keys.Change // for observers, once it is committed
	events  int           // recorded
	holds   []held        // accounts that the job may change
}

// changed notes a change for observers.
func (t *txn) changed(kind keys.ChangeKind, id string) {
	t.changes = append(t.changes, keys.Change{Kind: kind, ID: id})
}

// prepared returns the statement for a text, which must be one of a bounded
// number of texts.
func (q *session) prepared(text string) (*sql.Stmt, error) {
	if st := q.stmts[text]; st != nil {
		return st, nil
	}
	st, err := q.conn.PrepareContext(q.ctx, text)
	if err == nil {
		q.stmts[text] = st
	}
	return st, err
}

// exec runs a statement and returns how many rows it changed.
func (q *session) exec(text string, args ...any) (int64, error) {
	r, err := q.run(text, args)
	if err != nil {
		return 0, err
	}
	return r.RowsAffected()
}

func (q *session) run(text string, args []any) (sql.Result, error) {
	if q.stmts == nil {
		return q.conn.ExecContext(q.ctx, text, args...)
	}
	st, err := q.prepared(text)
	if err != nil {
		return nil, err
	}
	return st.ExecContext(q.ctx, args...)
}

// A scan reads the columns of one row.
type scan func(to ...any) error

// each calls fn for every row that a statement returns.
func (q *session) each(text string, args []any, fn func(scan) error) error {
	var rows *sql.Rows
	var err error
	if q.stmts == nil {
		rows, err = q.conn.QueryContext(q.ctx, text, args...)
	} else {
		var st *sql.Stmt
		if st, err = q.prepared(text); err == nil {
			rows, err = st.QueryContext(q.ctx, args...)
		}
	}
	return eachRow(rows, err, fn)
}

// eachOnce is [session.each] for a text that is put together for the occasion.
func (q *session) eachOnce(text string, args []any, fn func(scan) error) error {
	rows, err := q.conn.QueryContext(q.ctx, text, args...)
	return eachRow(rows, err, fn)
}

func eachRow(rows *sql.Rows, err error, fn func(scan) error) error {
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := fn(rows.Scan); err != nil {
			return err
		}
	}
	return rows.Err()
}

// row reads the one row that a statement returns, or returns [sql.ErrNoRows].
func (q *session) row(text string, args []any, to ...any) error {
	found := false
	err := q.each(text, args, func(row scan) error {
		if found {
			return nil
		}
		found = true
		return row(to...)
	})
	if err == nil && !found {
		err = sql.ErrNoRows
	}
	return err
}

// found says in the caller's words that a row was not there.
func found(err error, what string) error {
	if errors.Is(err, sql.ErrNoRows) {
		return keys.Errorf(keys.NotFound, "no such %s", what)
	}
	return err
}

// insert runs a statement, and says in the caller's words that a unique value
// is taken.
func (t *txn) insert(what, text string, args ...any) error {
	_, err := t.exec(text, args...)
	if err != nil && t.engine.classify(err) == taken {
		return &keys.Error{Code: keys.Conflict, Message: what, Err: err}
	}
	return err
}

// transact runs fn between begin and COMMIT, or ROLLBACK where it fails.
func (q *session) transact(begin string, fn func() error) error {
	if _, err := q.run(begin, nil); err != nil {
		return err
	}
	err := fn()
	if err == nil {
		_, err = q.run("COMMIT", nil)
	}
	if err != nil {
		q.run("ROLLBACK", nil) // what failed before tells more
	}
	return err
}

// drop closes the session's connection for good.
func (q *session) drop() {
	if q.conn == nil {
		return
	}
	q.conn.Raw(func(any) error { return driver.ErrBadConn })
	q.conn.Close()
	q.conn = nil
	clear(q.stmts)
}

// list returns n placeholders from $first on, in parentheses.
func list(first, n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(", $")
		b.WriteString(strconv.Itoa(first + i))
	}
	return "(" + b.String()[2:] + ")"
}

// inChunks calls fn with the values, at most 256 at a time and always a power
// of two of them (the last is repeated), so that the statements that fn makes
// with [list] are few.
func inChunks(values []string, fn func(chunk []any) error) error {
	const most = 256
	for len(values) > 0 {
		n := min(len(values), most)
		size := 1
		for size < n {
			size *= 2
		}
		chunk := make([]any, size)
		for i := range chunk {
			chunk[i] = values[min(i, n-1)]
		}
		if err := fn(chunk); err != nil {
			return err
		}
		values = values[n:]
	}
	return nil
}
