package main

import (
	"bytes"
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// A machine is what the figures depend on beside the program.
type machine struct {
	cpu, kernel, fileSystem string
	sync                    time.Duration // p50 of fdatasync
}

// machineOf describes this machine, with the file system of a directory. What
// cannot be told stays empty.
func machineOf(dir string) (machine, error) {
	sync, err := syncLatency(dir)
	if err != nil {
		return machine{}, err
	}
	read := func(path string) string {
		text, _ := os.ReadFile(path) // where there is none, nothing can be told
		return string(text)
	}
	if abs, err := filepath.Abs(dir); err == nil {
		dir = abs
	}
	return machine{
		cpu:        cpuModel(read("/proc/cpuinfo")),
		kernel:     strings.TrimSpace(read("/proc/sys/kernel/osrelease")),
		fileSystem: fileSystem(read("/proc/self/mountinfo"), dir),
		sync:       sync,
	}, nil
}

// cpuModel finds the name of the first CPU in /proc/cpuinfo.
func cpuModel(info string) string {
	for line := range strings.Lines(info) {
		if name, value, _ := strings.Cut(line, ":"); strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// fileSystem finds in /proc/self/mountinfo what kind is mounted where a
// directory is. Of two mounts at one place, the later covers the other.
func fileSystem(mounts, dir string) (kind string) {
	longest := 0
	for line := range strings.Lines(mounts) {
		place, rest, ok := strings.Cut(line, " - ")
		fields := strings.Fields(place)
		if !ok || len(fields) < 5 {
			continue
		}
		at := strings.TrimSuffix(strings.ReplaceAll(fields[4], `\040`, " "), "/") + "/"
		if strings.HasPrefix(dir+"/", at) && len(at) >= longest {
			longest = len(at)
			kind, _, _ = strings.Cut(rest, " ")
		}
	}
	return kind
}

// keepResults writes the page of results, whole or not at all. It has a full
// run's figures alone, so that each can be compared with those before it.
func keepResults(path string, r *result, at time.Time) error {
	var page bytes.Buffer
	writePage(&page, r, at)
	f, err := os.CreateTemp(filepath.Dir(path), ".results-")
	if err != nil {
		return fmt.Errorf("keep the results: %w", err)
	}
	defer os.Remove(f.Name()) // which is gone once it has its name
	_, err = f.Write(page.Bytes())
	if err = cmp.Or(err, f.Chmod(0o644), f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("keep the results: %w", err)
	}
	return nil
}

func writePage(page *bytes.Buffer, r *result, at time.Time) {
	known := func(s string) string { return cmp.Or(s, "unknown") }
	fmt.Fprintf(page, `# Results

<!-- Written by make bench, from a full run of all cases. -->

| | |
|---|---|
| date | %s |
| CPU | %s, %d cores |
| kernel | %s %s, %s |
| Go | %s |
| file system | %s; fdatasync p50 %.0f µs |

`, at.UTC().Format(time.DateOnly), known(r.machine.cpu), runtime.NumCPU(), runtime.GOOS, known(r.machine.kernel), runtime.GOARCH,
		runtime.Version(), known(r.machine.fileSystem), micros(r.machine.sync))
	page.WriteString(`Each case stands beside hello, a bare net/http handler that reads and writes as many bytes, measured in turn
with it. The last two columns are ratios to hello: of requests a second, where above 1 is faster, and of the
server's CPU time for each request, where above 1 is dearer. Client and server share the cores.

| case | connections | requests/s | p50 µs | p99 µs | CPU µs | client CPU µs | × requests/s | × CPU |
|---|--:|--:|--:|--:|--:|--:|--:|--:|
`)
	for _, row := range r.rows() {
		fmt.Fprintf(page, "| %s | %d | %.0f | %.1f | %.1f | %.2f | %.2f | %.3f | %.3f |\n",
			row.Case, row.Conns, row.RPS, row.P50, row.P99, row.CPU, row.client, row.RatioRPS, row.RatioCPU)
	}
	if r.scale != nil {
		fmt.Fprintf(page, "\n%s\n", r.scale)
	}
}
