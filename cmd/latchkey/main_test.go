package main

import (
	"bytes"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// asProgram makes this test program be latchkey.
const asProgram = "RUN_AS_LATCHKEY"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
	}
	testscript.Main(m, map[string]func(){"latchkey": main})
}

func TestExitCodes(t *testing.T) {
	for _, tt := range []struct {
		name    string
		args    []string
		environ []string
		code    int
		stdout  string
		stderr  string
	}{
		{"help", nil, nil, 0, "serve", ""},
		{"version", []string{"version"}, nil, 0, "latchkey ", ""},
		{"help of serve", []string{"serve", "-h"}, nil, 0, "LATCHKEY_DATA_DIR  (latchkey-data)", ""},
		{"unknown command", []string{"severe"}, nil, 2, "", `unknown command "severe"`},
		{"unknown flag", []string{"serve", "--colour"}, nil, 2, "", "unknown flag: --colour"},
		{"a secret as a flag", []string{"serve", "--root-key=" + strings.Repeat("s", 32)}, nil, 2, "", "unknown flag: --root-key\n"},
		{"all faults at once", []string{"serve", "--addr", "nowhere"}, []string{"LATCHKEY_LOG_LEVEL=loud", "LATCHKEY_COLOUR=red"}, 2, "",
			"latchkey: the configuration has faults:\n  LATCHKEY_LOG_LEVEL: "},
		{"a contradiction", []string{"serve", "--tls-cert", "tls.crt"}, nil, 2, "", "--tls-cert: needs tls_key"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			code := run(t.Context(), tt.args, tt.environ, strings.NewReader(""), &stdout, &stderr)
			if code != tt.code || !strings.Contains(stdout.String(), tt.stdout) || !strings.Contains(stderr.String(), tt.stderr) {
				t.Errorf("got %d, stdout %q, stderr %q; want %d, %q, %q", code, &stdout, &stderr, tt.code, tt.stdout, tt.stderr)
			}
			if tt.code != 0 && strings.Count(stderr.String(), "latchkey: ") != 1 {
				t.Errorf("the error is not printed once: %q", &stderr)
			}
		})
	}
}

// TestServeEndsBySignal runs the program itself.
func TestServeEndsBySignal(t *testing.T) {
	addr := freeAddr(t)
	program := exec.Command(os.Args[0], "serve", "--addr", addr, "--data-dir", t.TempDir())
	program.Env = append(os.Environ(), asProgram+"=1")
	output := new(bytes.Buffer)
	program.Stdout, program.Stderr = output, output
	if err := program.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = program.Process.Kill() })
	deadline := time.Now().Add(20 * time.Second)
	for !answers("http://" + addr + "/healthz") {
		if time.Now().After(deadline) {
			t.Fatal("the server does not answer")
		}
		time.Sleep(20 * time.Millisecond)
	}
	if err := program.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := program.Wait(); err != nil {
		t.Errorf("ended by SIGTERM: %v\n%s", err, output)
	}
}

func answers(url string) bool {
	resp, err := http.Get(url)
	if err != nil {
		return false
	}
	resp.Body.Close()
	return true
}

// freeAddr returns an address that nobody listens on.
func freeAddr(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func TestServeFails(t *testing.T) {
	var stdout, stderr bytes.Buffer
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	code := run(t.Context(), []string{"serve", "--addr", "127.0.0.1:0", "--data-dir", filepath.Join(file, "data")}, nil, strings.NewReader(""), &stdout, &stderr)
	if code != 1 || strings.Count(stderr.String(), "latchkey: ") != 1 {
		t.Errorf("got %d, %q; want 1 and one error", code, &stderr)
	}
}
