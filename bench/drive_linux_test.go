package main

import (
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestDriveCountsWhatIsRight(t *testing.T) {
	addr := raw(t, func(int) []byte { return good })
	j := job{
		target: target{Addr: addr, PID: os.Getpid(), Marker: "good", Requests: []string{"a", "b", "c"}},
		Conns:  3, WarmUp: 20 * time.Millisecond, Time: 100 * time.Millisecond,
	}
	s, err := j.drive()
	if err != nil {
		t.Fatal(err)
	}
	if s.Requests == 0 || s.Faults != 0 || s.P50 <= 0 || s.P99 < s.P50 || s.CPU <= 0 || s.Elapsed < j.Time {
		t.Errorf("got %+v, want requests, times and no faults", s)
	}
}

func TestDriveCountsFaults(t *testing.T) {
	addr := raw(t, func(n int) []byte {
		if n == 5 {
			return bad
		}
		return good
	})
	j := job{
		target: target{Addr: addr, PID: os.Getpid(), Marker: "good", Requests: []string{"a"}},
		Conns:  2, WarmUp: 10 * time.Millisecond, Time: 50 * time.Millisecond,
	}
	s, err := j.drive()
	if err != nil {
		t.Fatal(err)
	}
	if s.Faults != 2 || !strings.Contains(s.Fault, "bad") {
		t.Errorf("got %d faults, the first %q; want one on each of 2 connections", s.Faults, s.Fault)
	}
}

func TestCPUTimeIsThatOfTheProcess(t *testing.T) {
	used := func() time.Duration {
		var usage syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
			t.Fatal(err)
		}
		return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
	}
	before, err := cpuTime(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	usedBefore := used()
	for start := time.Now(); time.Since(start) < 50*time.Millisecond; {
	}
	after, err := cpuTime(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	got, want := after-before, used()-usedBefore
	if (got-want).Abs() > 20*time.Millisecond || got <= 0 {
		t.Errorf("cpuTime grew by %v, getrusage by %v", got, want)
	}
	// No process has a pid as high as this.
	if _, err := cpuTime(1 << 22); err == nil {
		t.Error("cpuTime of a process that is not there gave no error")
	}
}
