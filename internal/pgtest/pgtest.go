// Package pgtest gives tests a real PostgreSQL. One server is started for a
// test program when its first test asks for it, with a directory of its own and
// a Unix socket alone, and ends with the program; each test gets a database of
// its own. Only tests import it.
package pgtest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// LeftOutFile is the variable that names a file for lines about what tests
// could not run for want of an engine.
const LeftOutFile = "TEST_LEFT_OUT"

// the program's server; started once, by the first test that asks.
var (
	once    sync.Once
	running *engine
	missing error // why there is none
)

// Main runs a program's tests and ends it. A TestMain that calls it is needed in
// every package whose tests use this one. Where the tests asked for PostgreSQL
// and there is none, that is a failure with CI=true; else it is put on record.
func Main(m *testing.M) {
	code := m.Run()
	if running != nil {
		running.stop()
	}
	if missing != nil {
		code = max(code, LeaveOut("PostgreSQL", missing))
	}
	os.Exit(code)
}

// LeaveOut puts on record what tests could not run and why, and returns the
// status with which their program ends for that: 0, and 1 with CI=true or where
// nothing could be put on record.
func LeaveOut(what string, reason error) (code int) {
	line := fmt.Sprintf("left out: %s (%v)\n", what, reason)
	fmt.Fprint(os.Stderr, line)
	if err := record(line); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	if os.Getenv("CI") == "true" {
		fmt.Fprintln(os.Stderr, "with CI=true nothing may be left out")
		code = 1
	}
	return code
}

// record appends a line to the file of what was left out, where one is named.
func record(line string) error {
	path := os.Getenv(LeftOutFile)
	if path == "" {
		return nil
	}
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	_, err = f.WriteString(line)
	return errors.Join(err, f.Close())
}

// Available reports whether tests can use PostgreSQL, and if not, why. It starts
// the server.
func Available() (ok bool, reason string) {
	once.Do(func() { running, missing = start() })
	if missing != nil {
		return false, missing.Error()
	}
	return true, ""
}

// URL returns the address of a new, empty database, which is dropped when the
// test ends. It fails the test where PostgreSQL is not [Available].
func URL(t testing.TB) string {
	t.Helper()
	if ok, reason := Available(); !ok {
		t.Fatalf("PostgreSQL is not available: %s", reason)
	}
	name := "test_" + strings.ToLower(rand.Text()[:12])
	if err := running.exec(`CREATE DATABASE ` + name + ` TEMPLATE template0`); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := running.exec(`DROP DATABASE ` + name + ` WITH (FORCE)`); err != nil {
			t.Error(err)
		}
	})
	return running.url(name)
}

// exec runs one statement in the database that every server has.
func (e *engine) exec(statement string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, e.url("postgres"))
	if err != nil {
		return fmt.Errorf("connect to the test server: %w", err)
	}
	_, err = conn.Exec(ctx, statement)
	return errors.Join(err, conn.Close(ctx))
}

func (e *engine) url(database string) string {
	return fmt.Sprintf("postgres://postgres@/%s?host=%s", database, e.dir)
}
