package latchkey_test

import (
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
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
	text             bool // the answer is shown to people, not in JSON
}

// Each way of taking the tour leaves out the steps of the other; most others
// belong to both.
var ways = map[string]*regexp.Regexp{
	"curl":     regexp.MustCompile(`\blatchkey (key|usage|events) `),
	"latchkey": regexp.MustCompile(`(?m)^root `),
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
	for _, m := range regexp.MustCompile("(?s)```(sh|json|text)\n(.*?)```").FindAllStringSubmatch(part, -1) {
		if m[1] == "sh" {
			steps = append(steps, step{commands: m[2]})
			continue
		}
		last := &steps[len(steps)-1]
		last.answer, last.text = strings.TrimSpace(m[2]), m[1] == "text"
	}
	return steps
}

// TestTour takes the tour as it is printed, once with curl and once with the
// program, but for the root key that a person would paste and the address of
// the server.
func TestTour(t *testing.T) {
	if _, err := exec.LookPath("curl"); err != nil {
		if pgtest.LeaveOut("the tour of the README", err) != 0 {
			t.Fail()
		}
		return
	}
	bin := t.TempDir()
	goTool(t, "build", "-o", filepath.Join(bin, "latchkey"), "./cmd/latchkey")
	for way, others := range ways {
		t.Run(way, func(t *testing.T) {
			steps := slices.DeleteFunc(tour(t, "Five minutes"), func(st step) bool { return others.MatchString(st.commands) })
			takeTour(t, steps, bin)
		})
	}
}

// takeTour runs the steps against a server of their own, with a directory of
// programs.
func takeTour(t *testing.T, steps []step, bin string) {
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
	script := "set -eu\n"
	for _, st := range steps {
		script += st.commands + "\necho; echo '" + mark + "'\n"
	}
	const paste = "export LATCHKEY_ROOT_KEY="
	if !strings.Contains(script, paste+"lk_root_…\n") {
		t.Fatal("the tour does not say where to put the root key")
	}
	script = strings.Replace(script, paste+"lk_root_…", paste+root.Reveal(), 1)
	script = strings.ReplaceAll(script, "http://127.0.0.1:8080", srv.URL)

	cmd := exec.CommandContext(t.Context(), "bash", "-c", script)
	cmd.Dir = t.TempDir()
	cmd.Env = append(os.Environ(), "PATH="+bin+string(os.PathListSeparator)+os.Getenv("PATH"), "LATCHKEY_URL="+srv.URL)
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
		if !st.answeredBy(answers[i]) {
			t.Errorf("step %d:\n%s\n got %s\nwant %s", i, st.commands, answers[i], st.answer)
		}
	}
	if answered < 6 {
		t.Errorf("the tour shows %d answers, too few to be read right", answered)
	}
}

// answeredBy reports whether an output is what the step shows, where an ellipsis
// stands for anything: all of a text, with blanks as they come, or the last of
// the answers in JSON.
func (st step) answeredBy(out string) bool {
	got, want, end := strings.TrimSpace(out), st.answer, ""
	if st.text {
		end = "$"
		blanks := regexp.MustCompile(" +")
		got, want = blanks.ReplaceAllString(got, " "), blanks.ReplaceAllString(want, " ")
	} else {
		got = got[strings.LastIndexByte(got, '\n')+1:]
		if at := strings.LastIndex(got, "}{"); at >= 0 { // two answers in a row, without a line's end between them
			got = got[at+1:]
		}
	}
	return regexp.MustCompile("(?s)^" + strings.ReplaceAll(regexp.QuoteMeta(want), "…", ".*") + end).MatchString(got)
}
