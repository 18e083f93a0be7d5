// Package e2e_test runs the vendors' own clients against a started server.
package e2e_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"latchkey"
	"latchkey/internal/pgtest"
	"latchkey/internal/server"
	"latchkey/internal/token"
)

// rootKey is declared.
const rootKey = "a-root-key-for-tests-that-nobody-else-has"

// missing is why the clients could not be run.
var missing error

func TestMain(m *testing.M) {
	os.Unsetenv("OPENROUTER_API_KEY") // what a client without a key would take
	code := m.Run()
	if missing != nil {
		code = max(code, pgtest.LeaveOut("the vendors' JavaScript clients", missing))
	}
	os.Exit(code)
}

// install brings the JavaScript clients into this directory, as the lock file
// names them.
var install = sync.OnceValue(func() error {
	for _, program := range []string{"node", "npm"} {
		if _, err := exec.LookPath(program); err != nil {
			return err
		}
	}
	lock, err := os.Stat("package-lock.json")
	if err != nil {
		return err
	}
	if done, err := os.Stat(filepath.Join("node_modules", ".package-lock.json")); err == nil && !done.ModTime().Before(lock.ModTime()) {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	npm := exec.CommandContext(ctx, "npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts")
	if out, err := npm.CombinedOutput(); err != nil {
		return fmt.Errorf("npm ci: %w: %s", err, lastLine(out))
	}
	return nil
})

func lastLine(out []byte) []byte {
	out = bytes.TrimSpace(out)
	return out[bytes.LastIndexByte(out, '\n')+1:]
}

// A site is a server of a test's own.
type site struct {
	url   string
	dir   string       // where its data is
	asked atomic.Int64 // requests until now
	close func() error // the server's parts, but not its listener
}

// start starts a server that goes by a clock; nil is the real one.
func start(t *testing.T, clock func() time.Time) *site {
	t.Helper()
	cfg := server.Defaults()
	cfg.DataDir, cfg.RootKey = filepath.Join(t.TempDir(), "data"), token.New(rootKey)
	s, err := server.Open(t.Context(), cfg, server.Options{Clock: clock})
	if err != nil {
		t.Fatal(err)
	}
	at := &site{dir: cfg.DataDir, close: sync.OnceValue(s.Close)}
	listening := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		at.asked.Add(1)
		s.Handler.ServeHTTP(w, r)
	}))
	at.url = listening.URL
	t.Cleanup(func() {
		listening.Close()
		if err := at.close(); err != nil {
			t.Error(err)
		}
	})
	return at
}

// native returns a client of latchkey's own API.
func (s *site) native() *latchkey.Client {
	return &latchkey.Client{URL: s.url, RootKey: rootKey}
}

// TestJavaScript runs each program of this directory. One that cannot be run is
// put on record by TestMain.
func TestJavaScript(t *testing.T) {
	programs, err := filepath.Glob("*.mjs")
	if err != nil || len(programs) == 0 {
		t.Fatal("there are no programs", err)
	}
	if missing = install(); missing != nil {
		return
	}
	for _, program := range programs {
		t.Run(program, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			closed := start(t, nil)
			if err := closed.close(); err != nil {
				t.Fatal(err)
			}
			spoilt := damaged(t)
			node := exec.CommandContext(ctx, "node", program)
			node.Env = append(os.Environ(), "LATCHKEY_URL="+start(t, nil).url, "LATCHKEY_CLOSED_URL="+closed.url, "LATCHKEY_ROOT_KEY="+rootKey,
				"LATCHKEY_DAMAGED_URL="+spoilt.url, "LATCHKEY_DAMAGED_HASH="+spoilt.hash, "LATCHKEY_DAMAGED_KEY="+spoilt.key, "LATCHKEY_DAMAGED_CODE="+spoilt.code)
			out, err := node.CombinedOutput()
			if _, failed := errors.AsType[*exec.ExitError](err); failed {
				t.Fatalf("it ended with an error:\n%s", out)
			}
			if err != nil {
				t.Fatal(err)
			}
		})
	}
}
