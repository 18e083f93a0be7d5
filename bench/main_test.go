package main

import (
	"io"
	"testing"
	"time"
)

func TestOptions(t *testing.T) {
	quick, err := parseOptions([]string{"--quick", "--json"}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	slots := time.Duration(quick.rounds * len(quick.conns) * 2 * len(quick.cases))
	if total := slots * (quick.time + quick.warmUp); total > 30*time.Second || total < 20*time.Second || !quick.json {
		t.Errorf("a quick run measures for %v, want 20 to 30 s (%+v)", total, quick)
	}
	full, err := parseOptions(nil, io.Discard)
	if err != nil || full.scale != fullScale || quick.scale != 0 {
		t.Errorf("a database of %d keys for a full run, %d for a quick one (%v)", full.scale, quick.scale, err)
	}
	for _, args := range [][]string{
		{"-cases", "none"}, {"-cases", "plain,plain"}, {"-cases", ""}, {"-conns", "0"}, {"-conns", "eight"},
		{"-rounds", "-1"}, {"-keys", "0"}, {"-scale", "-1"}, {"-time", "-1s"}, {"more"}, {"-unknown"},
	} {
		if _, err := parseOptions(args, io.Discard); err == nil {
			t.Errorf("%q is accepted", args)
		}
	}
}
