package server

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"latchkey/internal/pgtest"
)

// asServer makes this test program be the server that its environment
// configures; the value "terminal" makes it believe that a person reads.
const asServer = "RUN_AS_SERVER"

func TestMain(m *testing.M) {
	if how := os.Getenv(asServer); how != "" {
		os.Exit(serveAs(how))
	}
	code := m.Run()
	if noTracer != nil {
		code = max(code, pgtest.LeaveOut("the proof that a sync comes before every answer", noTracer))
	}
	os.Exit(code)
}

// noTracer is why no test can watch what the server asks of the kernel.
var noTracer error

func serveAs(how string) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	cfg, err := Load(Sources{Environ: os.Environ(), Dialects: Dialects()})
	if err == nil {
		err = Run(ctx, cfg, os.Stdout, how == "terminal")
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "latchkey:", err)
		return 1
	}
	return 0
}

// A lockedBuffer is written to while it is read.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// A process is the server as a program of its own.
type process struct {
	cmd            *exec.Cmd
	url            string // of the main listener, once it is ready
	stdout, stderr lockedBuffer
	ended          chan struct{}
	err            error // how it ended
}

// launch starts the server over a data directory, on a port that is free. how
// is the value of [asServer], settings are variables.
func launch(t *testing.T, how, dir string, settings ...string) *process {
	t.Helper()
	return launchBy(t, nil, how, dir, settings...)
}

// launchBy is [launch] by another program, which is given the server's name as
// its last argument and must become the server.
func launchBy(t *testing.T, by []string, how, dir string, settings ...string) *process {
	t.Helper()
	argv := append(slices.Clone(by), os.Args[0])
	p := &process{cmd: exec.Command(argv[0], argv[1:]...), ended: make(chan struct{})}
	p.cmd.Env = append(os.Environ(), asServer+"="+how, "LATCHKEY_DATA_DIR="+dir, "LATCHKEY_ADDR=127.0.0.1:0", "LATCHKEY_LOG_FORMAT=json")
	p.cmd.Env = append(p.cmd.Env, settings...)
	p.cmd.Stdout, p.cmd.Stderr = &p.stdout, &p.stderr
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.ended)
	}()
	t.Cleanup(p.kill)
	return p
}

// kill ends the process as a loss of power would.
func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	<-p.ended
}

// terminate ends the process by SIGTERM.
func (p *process) terminate(t *testing.T) {
	t.Helper()
	begin := time.Now()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	select {
	case <-p.ended:
	case <-time.After(16 * time.Second):
		t.Fatal("the process has not ended 16 s after SIGTERM")
	}
	if p.err != nil {
		t.Errorf("after %v it ended with %v\n%s", time.Since(begin), p.err, &p.stderr)
	}
}

// ready waits until the server answers, and returns p.
func (p *process) ready(t *testing.T) *process {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for {
		if addr := p.listening("requests"); addr != "" {
			p.url = "http://" + addr
			if resp, err := http.Get(p.url + "/readyz"); err == nil {
				resp.Body.Close()
				if resp.StatusCode == http.StatusOK {
					return p
				}
			}
		}
		select {
		case <-p.ended:
			t.Fatalf("the server ended before it was ready: %v\n%s", p.err, &p.stderr)
		default:
		}
		if time.Now().After(deadline) {
			t.Fatalf("the server is not ready after 20 s\n%s", &p.stderr)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// listening returns the address that the log tells for one of the listeners, ""
// if it does not listen yet.
func (p *process) listening(what string) string {
	for line := range strings.Lines(p.stderr.String()) {
		var entry struct{ Msg, For, Addr string }
		if json.Unmarshal([]byte(line), &entry) == nil && entry.Msg == "listening" && entry.For == what {
			return entry.Addr
		}
	}
	return ""
}

// call sends a request with a bearer credential ("" for none) and returns the
// answer's status and body.
func call(t *testing.T, method, url, bearer, body string) (status int, answer string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if bearer != "" {
		r.Header.Set("Authorization", "Bearer "+bearer)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatalf("%s %s: %v", method, url, err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("%s %s: %v", method, url, err)
	}
	return resp.StatusCode, string(b)
}
