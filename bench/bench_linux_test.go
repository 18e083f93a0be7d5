package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// TestMain lets the test's executable stand for bench, its sub-commands and, as
// "serve", for latchkey.
func TestMain(m *testing.M) {
	args := os.Args[1:]
	if len(args) == 0 || strings.HasPrefix(args[0], "-test.") {
		os.Exit(m.Run())
	}
	if args[0] == "serve" {
		serveFake()
	}
	if args[0] == "bench" {
		args = args[1:]
	}
	if err := run(args, os.Stdin, os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// fakeMode names what the fake is to do wrong; fakePID is a file for its pid.
const (
	fakeMode = "BENCH_FAKE_MODE"
	fakePID  = "BENCH_FAKE_PID"
)

// serveFake is a latchkey that takes every key it has made up.
func serveFake() {
	mode := os.Getenv(fakeMode)
	if path := os.Getenv(fakePID); path != "" {
		os.WriteFile(path, []byte(strconv.Itoa(os.Getpid())), 0o600)
	}
	switch mode {
	case "mute":
		fmt.Fprintln(os.Stderr, "the fake says nothing")
		select {}
	case "ends":
		fmt.Fprintln(os.Stderr, "the fake ends")
		os.Exit(3)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+readyPath, func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("POST /latchkey/v1/keys", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer "+os.Getenv("LATCHKEY_ROOT_KEY") || len(os.Getenv("LATCHKEY_ROOT_KEY")) != 40 {
			http.Error(w, "who are you", http.StatusUnauthorized)
			return
		}
		w.WriteHeader(http.StatusCreated)
		fmt.Fprintf(w, `{"secret":"lk_%d"}`, time.Now().UnixNano())
	})
	var verified atomic.Int64
	mux.HandleFunc("POST /latchkey/v1/verify", func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		nth := verified.Add(1)
		valid := strings.HasPrefix(string(body), `{"key":"lk_`) && (mode != "refuses" || nth < 50)
		w.Header().Set("X-Request-Id", "0123456789abcdef")
		fmt.Fprintf(w, `{"valid":%v,"request_id":"0123456789abcdef"}`, valid)
	})
	panic(http.ListenAndServe(os.Getenv("LATCHKEY_ADDR"), mux))
}

// benchWith runs bench against the fake in this process. It checks that no file
// and no fake is left.
func benchWith(t *testing.T, mode string, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	t.Setenv(fakeMode, mode)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir, pidFile := t.TempDir(), filepath.Join(t.TempDir(), "pid")
	t.Setenv(fakePID, pidFile)
	var out, errOut bytes.Buffer
	err = run(append([]string{"-server", self, "-dir", dir, "-keys", "20"}, args...), nil, &out, &errOut)
	checkNothingLeft(t, dir, pidFile)
	return out.String(), errOut.String(), err
}

func TestBenchMeasuresEveryCase(t *testing.T) {
	stdout, _, err := benchWith(t, "", "-json", "-rounds", "2", "-time", "50ms", "-conns", "2,4")
	if err != nil {
		t.Fatal(err)
	}
	var rows []row
	if err := json.Unmarshal([]byte(stdout), &rows); err != nil {
		t.Fatalf("%v in %q", err, stdout)
	}
	var got []string
	for _, row := range rows {
		got = append(got, fmt.Sprint(row.Case, row.Conns))
		if row.RPS <= 0 || row.P50 <= 0 || row.P99 < row.P50 || row.CPU <= 0 || row.RatioRPS <= 0 || row.RatioCPU <= 0 {
			t.Errorf("row without a figure: %+v", row)
		}
	}
	if want := "hello2 hello4 plain2 plain4 limits2 limits4 credits-strict2 credits-strict4 credits-relaxed2 credits-relaxed4"; strings.Join(got, " ") != want {
		t.Errorf("rows %v, want %s", got, want)
	}
}

func TestBenchMeasuresHelloAlone(t *testing.T) {
	page := filepath.Join(t.TempDir(), "RESULTS.md")
	stdout, stderr, err := benchWith(t, "ends", "-cases", "hello", "-rounds", "1", "-time", "30ms", "-conns", "2", "-results", page)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(page); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(stderr, page+" is left as it is") {
		t.Errorf("the page of results: %v; it says %q", err, stderr)
	}
	if !strings.Contains(stdout, "hello") || strings.Contains(stdout, "plain") {
		t.Errorf("got %q, want a row of hello only", stdout)
	}
}

func TestBenchFailsOnARefusal(t *testing.T) {
	stdout, _, err := benchWith(t, "refuses", "-cases", "plain", "-rounds", "1", "-time", "50ms", "-conns", "2")
	if err == nil || !strings.Contains(err.Error(), `"valid":false`) {
		t.Errorf("error %v, want one that shows the refusal", err)
	}
	if stdout != "" {
		t.Errorf("printed %q", stdout)
	}
}

func TestBenchShowsWhatAServerThatEndsPrinted(t *testing.T) {
	_, _, err := benchWith(t, "ends")
	if err == nil || !strings.Contains(err.Error(), "exit status 3") || !strings.Contains(err.Error(), "the fake ends") {
		t.Errorf("error %v, want the status and the output", err)
	}
}

func TestBenchShowsWhatAMuteServerPrinted(t *testing.T) {
	t.Setenv(fakeMode, "mute")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	p, err := startProcess(t.Context(), t.TempDir(), "fake", []string{self, "serve"}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer p.stop()
	l, err := net.Listen("tcp", "127.0.0.1:0") // nobody answers here, nor comes to
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	p.addr = l.Addr().String()
	err = p.waitReady(t.Context(), 500*time.Millisecond)
	if err == nil || !strings.Contains(err.Error(), "not ready within 500ms") || !strings.Contains(err.Error(), "says nothing") {
		t.Errorf("error %v, want the time and the output", err)
	}
}

func TestBenchStopsAllOnInterrupt(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	pidFile := filepath.Join(t.TempDir(), "pid")
	cmd := exec.Command(self, "bench", "-server", self, "-dir", dir, "-keys", "5", "-time", "1m")
	cmd.Env = append(os.Environ(), fakePID+"="+pidFile)
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Process.Kill()
	awaitText(t, stderr, "round 1")
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	rest, _ := io.ReadAll(stderr)
	if err := cmd.Wait(); err == nil || !strings.Contains(string(rest), "interrupted") {
		t.Errorf("ended with %v and %q, want it to say that it was interrupted", err, rest)
	}
	checkNothingLeft(t, dir, pidFile)
}

// checkNothingLeft looks at the directory and for the process whose pid the
// file holds. There is no such file where no fake was started.
func checkNothingLeft(t *testing.T, dir, pidFile string) {
	t.Helper()
	if left, _ := os.ReadDir(dir); len(left) > 0 {
		t.Errorf("%v is left in the directory", left)
	}
	text, err := os.ReadFile(pidFile)
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	pid, err := strconv.Atoi(string(text))
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pid, 0); !errors.Is(err, syscall.ESRCH) {
		t.Errorf("the server's process %d: %v, want none", pid, err)
	}
}

func awaitText(t *testing.T, r io.Reader, want string) {
	t.Helper()
	var seen []byte
	buf := make([]byte, 256)
	for !bytes.Contains(seen, []byte(want)) {
		n, err := r.Read(buf)
		seen = append(seen, buf[:n]...)
		if err != nil {
			t.Fatalf("%v before %q; read %q", err, want, seen)
		}
	}
}
