package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime/debug"

	"latchkey/internal/keys"
)

// A failure is what an engine's error comes to.
type failure uint8

const (
	unknown failure = iota // a fault of ours
	taken                  // by a unique constraint
	missing                // what a row refers to
	unfit                  // a text that the engine cannot hold
	again                  // it may pass if the transaction is run again
	down                   // the engine cannot answer now
)

// A refusal is an error that a change function returned. It goes back to the
// caller as it is.
type refusal struct{ error }

// failed returns the error that a caller is given for err.
func (s *Store) failed(err error) error {
	if err == nil {
		return nil
	}
	if r, ok := err.(refusal); ok {
		return r.error
	}
	if _, ok := errors.AsType[*keys.Error](err); ok {
		return err
	}
	switch s.classify(err) {
	case taken:
		return &keys.Error{Code: keys.Conflict, Message: "it is there already", Err: err}
	case missing:
		return &keys.Error{Code: keys.NotFound, Message: "what it belongs to does not exist", Err: err}
	case unfit:
		return &keys.Error{Code: keys.Invalid, Message: "a text holds a character that cannot be stored", Err: err}
	case again, down:
		return &keys.Error{Code: keys.Unavailable, Message: "the database cannot answer now", Err: err}
	}
	return fmt.Errorf("store: %w", err)
}

func (s *Store) classify(err error) failure {
	switch {
	case err == nil:
		return unknown
	case s.closed.Load(), errors.Is(err, errClosed),
		errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded),
		errors.Is(err, driver.ErrBadConn), errors.Is(err, sql.ErrConnDone),
		errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return down
	}
	if _, ok := errors.AsType[net.Error](err); ok {
		return down
	}
	return s.engine.classify(err)
}

var errClosed = errors.New("the store is closed")

// protect calls a job's function and turns a panic into an error, so that no
// change function can end the writer.
func protect(run func(*txn) error, t *txn) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	return run(t)
}
