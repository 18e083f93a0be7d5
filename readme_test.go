package latchkey_test

import (
	"net/http/httptest"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"latchkey/internal/pgtest"
	"latchkey/internal/server"
	"latchkey/internal/token"
)

// A step of the README's tour is a block of commands, and the answer that is
// shown under it, if any.
type step struct {
	commands, answer string
}

// tour reads the steps between one heading and the next.
func tour(t *testing.T, heading string) []step {
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, part, ok := strings.Cut(string(text), "\n## "+heading+"\n")
	if !ok {
		t.Fatalf("README.md has no part %q", heading)
	}
	part, _, _ = strings.Cut(part, "\n## ")
	var steps []step
	for _, m := range regexp.MustCompile("(?s)```(sh|json)\n(.*?)```").FindAllStringSubmatch(part, -1) {
		if m[1] == "sh" {
			steps = append(steps, step{commands: m[2]})
		} else {
			steps[len(steps)-1].answer = strings.TrimSpace(m[2])
		}
	}
	return steps
}

// TestTour runs the tour as it is printed, but for the root key that a person
// would paste and the address of the server. A shown answer must be what came
// last, where an ellipsis stands for anything.
func TestTour(t *testing.T) {
	if _, err := exec.LookPath("curl"); err != nil {
		if pgtest.LeaveOut("the tour of the README", err) != 0 {
			t.Fail()
		}
		return
	}
	cfg := server.Defaults()
	cfg.DataDir = t.TempDir()
	var root token.Secret
	s, err := server.Open(t.Context(), cfg, server.Options{KeepRootKey: func(secret token.Secret) error { root = secret; return nil }})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	srv := httptest.NewServer(s.Handler)
	defer srv.Close()

	const mark = "--- end of step ---"
	steps := tour(t, "Five minutes")
	script := "set -eu\n"
	for _, st := range steps {
		script += st.commands + "\necho; echo '" + mark + "'\n"
	}
	if !strings.Contains(script, "export ROOT_KEY=lk_root_…\n") {
		t.Fatal("the tour does not say where to put the root key")
	}
	script = strings.Replace(script, "export ROOT_KEY=lk_root_…", "export ROOT_KEY="+root.Reveal(), 1)
	script = strings.ReplaceAll(script, "http://127.0.0.1:8080", srv.URL)

	cmd := exec.CommandContext(t.Context(), "bash", "-c", script)
	cmd.Dir = t.TempDir()
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("the tour fails: %v\n%s", err, out)
	}
	answers := strings.Split(string(out), mark)
	answered := 0
	for i, st := range steps {
		if st.answer == "" {
			continue
		}
		answered++
		lines := strings.Split(strings.TrimSpace(answers[i]), "\n")
		got := lines[len(lines)-1]
		if at := strings.LastIndex(got, "}{"); at >= 0 { // two answers in a row, without a line's end between them
			got = got[at+1:]
		}
		want := "^" + strings.ReplaceAll(regexp.QuoteMeta(st.answer), "…", ".*")
		if !regexp.MustCompile(want).MatchString(got) {
			t.Errorf("step %d:\n%s\n got %s\nwant %s", i, st.commands, got, st.answer)
		}
	}
	if answered < 6 {
		t.Errorf("the tour shows %d answers, too few to be read right", answered)
	}
}
