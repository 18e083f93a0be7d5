package main

import (
	"io"
	"testing"
)

// TestScale measures on a small database of a real latchkey, and shows that
// every key of it is accepted: measureScale fails where one is not.
func TestScale(t *testing.T) {
	s := &stage{dir: t.TempDir(), progress: io.Discard, latchkeys: map[string]*latchkey{}}
	defer s.stop()
	got, err := s.measureScale(t.Context(), 3000)
	if err != nil {
		t.Fatal(err)
	}
	if got.Keys != 3000 || got.Cached != 3000 || got.Start <= 0 || got.Start > 10_000 {
		t.Errorf("measured %+v", got)
	}
}
