package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/spf13/cobra"

	"latchkey/internal/server"
	"latchkey/internal/token"
)

const scripts = "testdata/script"

// TestScripts runs each script against a server of its own.
//
//	exit N latchkey …   runs the program, which must end with N, and must show no secret on stderr
//	json PATH REGEXP    what stdout has at a path, such as limits.0.max, must match
//	let NAME PATH       sets a variable to what stdout has at a path
//	lines N             stdout must have so many lines
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: scripts, RequireUniqueNames: true, RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			cfg := server.Defaults()
			cfg.DataDir = filepath.Join(env.WorkDir, ".data")
			var root token.Secret
			s, err := server.Open(t.Context(), cfg, server.Options{KeepRootKey: func(secret token.Secret) error { root = secret; return nil }})
			if err != nil {
				return err
			}
			srv := httptest.NewServer(s.Handler)
			env.Defer(func() { srv.Close(); s.Close() })
			env.Setenv("LATCHKEY_URL", srv.URL)
			env.Setenv("LATCHKEY_ROOT_KEY", root.Reveal())
			env.Setenv("GORACE", "atexit_sleep_ms=0")
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"exit": exit, "json": jsonAt, "let": let, "lines": lines},
	})
}

// secretForm is how the secrets of the scripts look.
var secretForm = regexp.MustCompile(`\b(lk|pay)_(root_)?[0-9A-Za-z]{20,}`)

func exit(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exit N program [args...]")
	}
	code := 0
	err := ts.Exec(args[1], args[2:]...)
	if e, ok := errors.AsType[*exec.ExitError](err); ok {
		code = e.ExitCode()
	} else if err != nil {
		ts.Fatalf("%v", err)
	}
	if strconv.Itoa(code) != args[0] {
		ts.Fatalf("it ended with %d", code)
	}
	stderr := ts.ReadFile("stderr")
	if secretForm.MatchString(stderr) || strings.Contains(stderr, ts.Getenv("LATCHKEY_ROOT_KEY")) && ts.Getenv("LATCHKEY_ROOT_KEY") != "" {
		ts.Fatalf("a secret is on stderr")
	}
}

// at returns what stdout has at a path; null is "null", and lists and objects
// are JSON.
func at(ts *testscript.TestScript, path string) string {
	d := json.NewDecoder(strings.NewReader(ts.ReadFile("stdout")))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		ts.Fatalf("stdout is no JSON: %v", err)
	}
	if _, err := d.Token(); err != io.EOF {
		ts.Fatalf("stdout has more than one document")
	}
	for name := range strings.SplitSeq(path, ".") {
		if path == "." {
			break
		}
		switch inner := v.(type) {
		case map[string]any:
			member, ok := inner[name]
			if !ok {
				ts.Fatalf("there is no member %s", path)
			}
			v = member
		case []any:
			i, err := strconv.Atoi(name)
			if err != nil || i >= len(inner) {
				ts.Fatalf("there is no element %s", path)
			}
			v = inner[i]
		default:
			ts.Fatalf("there is nothing at %s", path)
		}
	}
	if s, ok := v.(string); ok {
		return s
	}
	text, err := json.Marshal(v)
	ts.Check(err)
	return string(text)
}

func jsonAt(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: json path regexp")
	}
	if got := at(ts, args[0]); !regexp.MustCompile("^(?:" + args[1] + ")$").MatchString(got) {
		ts.Fatalf("%s is %s", args[0], got)
	}
}

func let(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: let NAME path")
	}
	ts.Setenv(args[0], at(ts, args[1]))
}

func lines(ts *testscript.TestScript, neg bool, args []string) {
	if got := strings.Count(ts.ReadFile("stdout"), "\n"); neg || len(args) != 1 || strconv.Itoa(got) != args[0] {
		ts.Fatalf("stdout has %d lines", got)
	}
}

// leaves returns all commands that do something.
func leaves() []*cobra.Command {
	var all []*cobra.Command
	var walk func(*cobra.Command)
	walk = func(cmd *cobra.Command) {
		if !cmd.HasSubCommands() {
			all = append(all, cmd)
		}
		for _, part := range cmd.Commands() {
			walk(part)
		}
	}
	walk(rootCommand(nil, strings.NewReader(""), io.Discard, io.Discard))
	return all
}

// TestEveryCommandIsScripted looks for a line with each command that succeeds.
func TestEveryCommandIsScripted(t *testing.T) {
	done := map[string]bool{}
	files, err := filepath.Glob(scripts + "/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			args, ok := strings.CutPrefix(line, "exit 0 latchkey ")
			if !ok {
				continue
			}
			root := rootCommand(nil, strings.NewReader(""), io.Discard, io.Discard)
			if cmd, _, err := root.Find(strings.Fields(args)); err == nil {
				done[cmd.CommandPath()] = true
			}
		}
	}
	all := leaves()
	if len(all) < 60 {
		t.Errorf("there are %d commands, too few to be all", len(all))
	}
	for _, cmd := range all {
		if path := cmd.CommandPath(); !done[path] && path != "latchkey serve" { // which has no end of its own
			t.Errorf("no script has the line: exit 0 %s", path)
		}
	}
}

// TestNoCommandTakesASecret gives each command a secret in every place where one
// might be put, and looks for it in what it says.
func TestNoCommandTakesASecret(t *testing.T) {
	const secret = "lk_0123456789abcdefghijklmnopqrstuvwxyz"
	elsewhere := httptest.NewServer(http.NotFoundHandler()) // some names may be any text, and are asked for
	defer elsewhere.Close()
	for _, cmd := range leaves() {
		name := strings.Fields(cmd.CommandPath())[1:]
		for _, extra := range [][]string{
			{secret}, {secret, secret, secret}, {"--key", secret}, {"--key=" + secret}, {"--root-key=" + secret}, {"--secret", secret},
			{"-k" + secret}, {"--=" + secret}, {"--max", secret}, {"--limit", secret}, {"--refill", secret}, {"--clear", secret},
			{"--data", "-", secret}, {"--json=" + secret}, {"--cost", secret}, {"--from", secret}, {"--enabled=" + secret}, {"--meta", secret},
		} {
			args := slices.Concat(name, extra)
			if strings.HasPrefix(strings.Join(args, " "), "serve "+secret) {
				args = append(args, "--addr=nowhere")
			}
			var stdout, stderr strings.Builder
			environ := []string{"LATCHKEY_ROOT_KEY=some-root-key", "LATCHKEY_URL=" + elsewhere.URL}
			code := run(t.Context(), args, environ, strings.NewReader(""), &stdout, &stderr)
			if code != exitBroken || strings.Contains(stdout.String()+stderr.String(), secret) {
				t.Errorf("latchkey %s: got %d, stdout %q, stderr %q", strings.Join(args, " "), code, &stdout, &stderr)
			}
		}
	}
	for _, args := range [][]string{{secret}, {"key", secret}, {"key", "credits", secret}, {"--" + secret}} {
		var stdout, stderr strings.Builder
		code := run(t.Context(), args, nil, strings.NewReader(""), &stdout, &stderr)
		if code != exitBroken || strings.Contains(stdout.String()+stderr.String(), secret) {
			t.Errorf("latchkey %s: got %d, stdout %q, stderr %q", fmt.Sprint(args), code, &stdout, &stderr)
		}
	}
}
