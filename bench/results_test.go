package main

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestCPUModel(t *testing.T) {
	const info = "processor\t: 0\nmodel\t\t: 17\nmodel name\t: Some CPU @ 2.00GHz\n\nprocessor\t: 1\nmodel name\t: Other\n"
	if got := cpuModel(info); got != "Some CPU @ 2.00GHz" {
		t.Errorf("got %q", got)
	}
	if got := cpuModel("processor\t: 0\n"); got != "" {
		t.Errorf("of a CPU without a name: got %q", got)
	}
}

func TestFileSystem(t *testing.T) {
	const mounts = `24 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
25 24 0:23 / /dev/shm rw - tmpfs tmpfs rw
26 24 0:24 / /data rw - xfs /dev/vdb rw
27 26 0:25 / /data/with\040blank rw master:1 - btrfs /dev/vdc rw
28 26 0:26 / /data rw - zfs pool rw
no mount at all
`
	for dir, want := range map[string]string{
		"/tmp/x": "ext4", "/dev/shm": "tmpfs", "/dev/shmx": "ext4", "/data/x": "zfs", "/data/with blank/x": "btrfs", "/": "ext4",
	} {
		if got := fileSystem(mounts, dir); got != want {
			t.Errorf("%s: got %s, want %s", dir, got, want)
		}
	}
	if got := fileSystem("", "/tmp"); got != "" {
		t.Errorf("without mounts: got %q", got)
	}
}

// TestResultsAreOfFullRuns has a page before each run.
func TestResultsAreOfFullRuns(t *testing.T) {
	for _, tt := range []struct {
		args    []string
		written bool
	}{
		{nil, true},
		{[]string{"-dir", "/tmp"}, true},
		{[]string{"-quick"}, false},
		{[]string{"-json"}, false},
		{[]string{"-cases", "plain"}, false},
		{[]string{"-conns", "8"}, false},
		{[]string{"-rounds", "1"}, false},
		{[]string{"-time", "1s"}, false},
		{[]string{"-keys", "1"}, false},
		{[]string{"-server", "latchkey"}, false},
	} {
		path := filepath.Join(t.TempDir(), "RESULTS.md")
		if err := os.WriteFile(path, []byte("of before"), 0o600); err != nil {
			t.Fatal(err)
		}
		opts, err := parseOptions(append([]string{"-results", path}, tt.args...), io.Discard)
		if err != nil {
			t.Fatal(err)
		}
		var said strings.Builder
		if err := opts.keep(threeRounds(), &said); err != nil {
			t.Fatal(err)
		}
		page, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if written := string(page) != "of before"; written != tt.written || (said.Len() > 0) == written {
			t.Errorf("%q: written is %v, want %v; it says %q", tt.args, written, tt.written, said.String())
		}
	}
}

func TestResultsTellTheMachineAndTheDate(t *testing.T) {
	r := threeRounds()
	r.machine = machine{cpu: "Some CPU", kernel: "6.1", fileSystem: "ext4", sync: 250 * time.Microsecond}
	dir := t.TempDir()
	path := filepath.Join(dir, "RESULTS.md")
	if err := keepResults(path, r, time.Date(2026, 11, 21, 23, 0, 0, 0, time.FixedZone("", -7200))); err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"| date | 2026-11-22 |", "| CPU | Some CPU, ", "| kernel | ", " 6.1, ", "| Go | go", "| file system | ext4; fdatasync p50 250 µs |",
		"\n| hello | 64 | ", "\n| plain | 64 | 450 | 100.0 | 300.0 | 30.00 | 0.00 | 0.900 | 1.100 |\n",
	} {
		if !strings.Contains(string(page), want) {
			t.Errorf("no %q in\n%s", want, page)
		}
	}
	if files, _ := os.ReadDir(dir); len(files) != 1 {
		t.Errorf("%v is left beside it", files)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o644 {
		t.Errorf("got %v, %v", info, err)
	}
}

func TestResultsThatCannotBeWritten(t *testing.T) {
	if err := keepResults(filepath.Join(t.TempDir(), "none", "RESULTS.md"), threeRounds(), time.Now()); err == nil {
		t.Error("no error")
	}
}
