package pgtest

import (
	"bufio"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// holder makes this program, started by a test, start a server, print the
// server's process id and its directory, and wait to be killed.
const holder = "PGTEST_HOLD"

func TestMain(m *testing.M) {
	if os.Getenv(holder) != "" {
		hold()
	}
	Main(m)
}

func hold() {
	if ok, reason := Available(); !ok {
		panic(reason)
	}
	os.Stdout.WriteString(strconv.Itoa(running.server.Process.Pid) + " " + running.dir + "\n")
	select {}
}

func TestEachTestHasItsOwnDatabase(t *testing.T) {
	if ok, _ := Available(); !ok {
		return // on record by Main
	}
	first, second := open(t, URL(t)), open(t, URL(t))
	if _, err := first.Exec(t.Context(), `CREATE TABLE a (id BIGINT PRIMARY KEY)`); err != nil {
		t.Fatal(err)
	}
	if _, err := second.Exec(t.Context(), `SELECT * FROM a`); err == nil {
		t.Error("a table of one test's database is seen in another's")
	}
}

func TestDatabaseIsDropped(t *testing.T) {
	if ok, _ := Available(); !ok {
		return // on record by Main
	}
	var url string
	t.Run("inner", func(t *testing.T) {
		url = URL(t)
		open(t, url) // an open connection must not hinder it
	})
	if conn, err := pgx.Connect(t.Context(), url); err == nil {
		conn.Close(t.Context())
		t.Error("the database outlives its test")
	}
}

// TestServerEndsWithAKilledProgram leaves no server behind, and its files to the
// next program.
func TestServerEndsWithAKilledProgram(t *testing.T) {
	if ok, _ := Available(); !ok {
		return // on record by Main
	}
	program := exec.Command(os.Args[0])
	program.Env = append(os.Environ(), holder+"=1")
	out, err := program.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := program.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	id, dir, _ := strings.Cut(strings.TrimSpace(line), " ")
	pid, err := strconv.Atoi(id)
	if err != nil {
		t.Fatal(err)
	}
	if err := program.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, out)
	_ = program.Wait()
	for deadline := time.Now().Add(5 * time.Second); !gone(pid); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("the server %d lives on", pid)
		}
	}
	sweep()
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%s is left: %v", dir, err)
	}
}

// gone reports whether a process has ended; one that nobody has waited for yet
// has.
func gone(pid int) bool {
	if errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
		return true
	}
	stat, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return true
	}
	_, rest, _ := strings.Cut(string(stat), ") ")
	return strings.HasPrefix(rest, "Z")
}

func TestRecordAppends(t *testing.T) {
	path := filepath.Join(t.TempDir(), "left-out")
	t.Setenv(LeftOutFile, path)
	for _, line := range []string{"one\n", "two\n"} {
		if err := record(line); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := os.ReadFile(path); err != nil || string(got) != "one\ntwo\n" {
		t.Errorf("got %q, %v", got, err)
	}
}

func open(t *testing.T, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(t.Context()) })
	return conn
}

func TestLeaveOut(t *testing.T) {
	file := filepath.Join(t.TempDir(), "left-out")
	t.Setenv(LeftOutFile, file)
	for _, c := range []struct {
		ci   string
		want int
	}{{"", 0}, {"true", 1}} {
		t.Setenv("CI", c.ci)
		if got := LeaveOut("an engine", errors.New("there is none")); got != c.want {
			t.Errorf("with CI=%q the status is %d, want %d", c.ci, got, c.want)
		}
	}
	const line = "left out: an engine (there is none)\n"
	if text, err := os.ReadFile(file); err != nil || string(text) != line+line {
		t.Errorf("on record: %q, %v", text, err)
	}
	t.Setenv("CI", "")
	t.Setenv(LeftOutFile, filepath.Join(file, "no directory"))
	if got := LeaveOut("an engine", errors.New("there is none")); got != 1 {
		t.Errorf("where nothing can be put on record the status is %d, want 1", got)
	}
}
