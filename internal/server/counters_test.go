package server_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"latchkey/internal/server"
	"latchkey/internal/token"
)

// A counting is a server that has counted, over a directory, and the key that
// it has counted for.
type counting struct {
	testing.TB
	*server.Server
	dir, secret string
	now         time.Time
}

func (c *counting) open() {
	c.Helper()
	cfg := server.Defaults()
	cfg.DataDir, cfg.RootKey = c.dir, token.New(rootKey)
	var err error
	if c.Server, err = server.Open(c.Context(), cfg, server.Options{Clock: func() time.Time { return c.now }}); err != nil {
		c.Fatal(err)
	}
}

func (c *counting) close() {
	c.Helper()
	if err := c.Close(); err != nil {
		c.Fatal(err)
	}
}

func (c *counting) post(path, body string, to any) {
	c.Helper()
	w := httptest.NewRecorder()
	c.Handler.ServeHTTP(w, newRequest("POST", "/latchkey/v1"+path, "", rootKey, body))
	if w.Code != http.StatusOK && w.Code != http.StatusCreated && w.Code != http.StatusNoContent {
		c.Fatalf("POST %s: %d %s", path, w.Code, w.Body)
	}
	if to != nil {
		if err := json.Unmarshal(w.Body.Bytes(), to); err != nil {
			c.Fatal(err)
		}
	}
}

// figures tells what is left of a rate limit, a concurrency limit and a limit
// that belongs to no key.
func (c *counting) figures() string {
	c.Helper()
	var v struct{ Limits []struct{ Remaining int64 } }
	c.post("/verify", `{"key":"`+c.secret+`","limits":[{"name":"requests","cost":0},{"name":"inflight","cost":0}]}`, &v)
	var l struct{ Remaining int64 }
	c.post("/limits/check", `{"namespace":"n","identifier":"i","max":9,"window":"1h","algorithm":"gcra","cost":0}`, &l)
	return fmt.Sprint(v.Limits, l.Remaining)
}

// startCounting makes a key and counts: four uses, two of which hold places.
func startCounting(t *testing.T) (c *counting, lease string) {
	c = &counting{TB: t, dir: filepath.Join(t.TempDir(), "data"), now: time.Date(2026, 11, 21, 9, 30, 0, 0, time.UTC)}
	c.open()
	var key struct{ Secret string }
	c.post("/keys", `{"limits":[{"name":"requests","max":9,"window":"1h"},{"name":"inflight","concurrent":5}]}`, &key)
	c.secret = key.Secret
	var v struct{ Leases []struct{ ID string } }
	for i := range 4 {
		more := ""
		if i > 1 {
			more = `,"limits":[{"name":"inflight","cost":0}]`
		}
		c.post("/verify", `{"key":"`+key.Secret+`","lease_ttl":"1h"`+more+`}`, &v)
	}
	c.post("/verify", `{"key":"`+key.Secret+`","lease_ttl":"1h","limits":[{"name":"requests","cost":0}]}`, &v)
	c.post("/limits/check", `{"namespace":"n","identifier":"i","max":9,"window":"1h","algorithm":"gcra","cost":4}`, nil)
	if got := c.figures(); got != "[{5} {2}] 5" {
		t.Fatalf("before: %s", got)
	}
	return c, v.Leases[0].ID
}

func TestCountersOutliveAStop(t *testing.T) {
	c, lease := startCounting(t)
	c.close()
	if info, err := os.Stat(filepath.Join(c.dir, "counters")); err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("what was saved: %v, %v", info, err)
	}
	c.now = c.now.Add(time.Second)
	c.open()
	if got := c.figures(); got != "[{5} {2}] 5" {
		t.Errorf("after a stop and a start: %s", got)
	}
	c.post("/leases/"+lease+"/release", "", nil)
	if got := c.figures(); got != "[{5} {3}] 5" {
		t.Errorf("after a release: %s", got)
	}
	c.close()
	c.now = c.now.Add(3 * time.Hour)
	c.open()
	defer c.close()
	if got := c.figures(); got != "[{9} {5}] 9" {
		t.Errorf("when all windows have passed: %s", got)
	}
}

// TestCountersAreReadOnce takes the directory as a crash leaves it.
func TestCountersAreReadOnce(t *testing.T) {
	c, _ := startCounting(t)
	c.close()
	c.open()
	defer c.close()
	if got := c.figures(); got != "[{5} {2}] 5" {
		t.Fatalf("after a stop and a start: %s", got)
	}
	crashed := *c
	crashed.dir = filepath.Join(t.TempDir(), "crashed")
	if err := os.CopyFS(crashed.dir, os.DirFS(c.dir)); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(crashed.dir, 0o700); err != nil {
		t.Fatal(err)
	}
	crashed.open()
	defer crashed.close()
	if got := crashed.figures(); got != "[{9} {5}] 9" {
		t.Errorf("after a crash: %s", got)
	}
}

// TestCountersThatCannotBeRead begin anew, and nothing else fails.
func TestCountersThatCannotBeRead(t *testing.T) {
	c, _ := startCounting(t)
	c.close()
	path := filepath.Join(c.dir, "counters")
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var broken [][]byte
	if c.open(); c.figures() != "[{5} {2}] 5" {
		t.Fatalf("from all of it: %s", c.figures())
	}
	c.close()
	for _, at := range []int{len(whole) / 4, len(whole) / 2, len(whole) * 3 / 4, len(whole) - 1} { // what a disk may do
		one := bytes.Clone(whole)
		one[at] ^= 1
		broken = append(broken, one)
	}
	for _, b := range append(broken, nil, []byte("no counters"), whole[:len(whole)/2], whole[:len(whole)-1], bytes.Repeat([]byte{0xff}, 100)) {
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path+".part", []byte("left by a crash"), 0o600); err != nil {
			t.Fatal(err)
		}
		c.open()
		if got := c.figures(); got != "[{9} {5}] 9" {
			t.Errorf("from %d bytes: %s", len(b), got)
		}
		c.close()
	}
	names, err := os.ReadDir(c.dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range names {
		if strings.HasSuffix(n.Name(), ".part") {
			t.Errorf("%s is left", n.Name())
		}
	}
}

// TestCountersWaitForAStart keeps them where a start fails.
func TestCountersWaitForAStart(t *testing.T) {
	c, _ := startCounting(t)
	c.close()
	cfg := server.Defaults()
	cfg.DataDir, cfg.RootKey, cfg.Keyspaces = c.dir, token.New(rootKey), filepath.Join(c.dir, "none.json")
	if s, err := server.Open(t.Context(), cfg, server.Options{}); err == nil {
		s.Close()
		t.Fatal("a server starts with keyspaces that are not there")
	}
	c.open()
	defer c.close()
	if got := c.figures(); got != "[{5} {2}] 5" {
		t.Errorf("after a start that failed: %s", got)
	}
}
