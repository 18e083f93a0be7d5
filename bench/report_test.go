package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestMedian(t *testing.T) {
	tests := []struct {
		values []float64
		want   float64
	}{
		{nil, 0},
		{[]float64{3}, 3},
		{[]float64{9, 1, 5}, 5},
		{[]float64{4, 1, 3, 2}, 2.5},
		{[]float64{1, 1, 1, 1000}, 1},
	}
	for _, test := range tests {
		given := slices.Clone(test.values)
		if got := median(test.values); got != test.want {
			t.Errorf("median(%v) = %v, want %v", test.values, got, test.want)
		}
		if !slices.Equal(given, test.values) {
			t.Errorf("median changed its argument from %v to %v", given, test.values)
		}
	}
}

// of is a sample of one second with the given requests and, per request, CPU.
func of(requests uint64, cpu time.Duration) sample {
	return sample{
		Requests: requests, Elapsed: time.Second, CPU: cpu * time.Duration(requests),
		P50: 100 * time.Microsecond, P99: 300 * time.Microsecond,
	}
}

// threeRounds has a machine that halves its speed in the second round, for both
// servers, so that only the ratios of the pairs tell the truth.
func threeRounds() *result {
	var r result
	for _, m := range []measurement{
		{hello: of(1000, 20*time.Microsecond), subject: of(900, 22*time.Microsecond)},
		{hello: of(500, 40*time.Microsecond), subject: of(450, 44*time.Microsecond)},
		{hello: of(800, 20*time.Microsecond), subject: of(400, 30*time.Microsecond)},
	} {
		r.add("limits", 64, m)
		r.add("plain", 64, m)
		r.add("plain", 8, m)
	}
	return &r
}

func TestRowsAreMediansAndRatiosOfPairs(t *testing.T) {
	var order []string
	for _, row := range threeRounds().rows() {
		order = append(order, fmt.Sprint(row.Case, row.Conns))
		if row.Case != "plain" || row.Conns != 64 {
			continue
		}
		want := row
		want.RPS, want.P50, want.P99, want.CPU = 450, 100, 300, 30
		want.RatioRPS, want.RatioCPU = 0.9, 1.1 // of 0.9, 0.9, 0.5 and 1.1, 1.1, 1.5
		if row != want {
			t.Errorf("got %+v, want %+v", row, want)
		}
	}
	if got, want := strings.Join(order, " "), "hello8 hello64 plain8 plain64 limits64"; got != want {
		t.Errorf("rows %s, want %s", got, want)
	}
}

func TestHelloRowIsOverAllItsRounds(t *testing.T) {
	var r result
	r.add("plain", 8, measurement{hello: of(100, time.Microsecond), subject: of(1, 1)})
	r.add("limits", 8, measurement{hello: of(300, 3*time.Microsecond), subject: of(1, 1)})
	r.add("limits", 64, measurement{hello: of(999, time.Second), subject: of(1, 1)})
	got := r.rows()[0]
	want := row{Case: "hello", Conns: 8, RPS: 200, P50: 100, P99: 300, CPU: 2, RatioRPS: 1, RatioCPU: 1}
	if got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestJSONHasTheNamedMembers(t *testing.T) {
	r := threeRounds()
	r.scale = &scale{Case: "scale", Keys: 9, Start: 1.5, Cached: 8, PerKey: 7}
	var out bytes.Buffer
	if err := writeJSON(&out, r); err != nil {
		t.Fatal(err)
	}
	var got []map[string]any
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if len(got) != 6 {
		t.Fatalf("got %s, want 6 objects", out.String())
	}
	for i, want := range map[int]map[string]any{
		3: {"case": "plain", "conns": 64.0, "rps": 450.0, "p50_us": 100.0, "p99_us": 300.0, "cpu_us": 30.0, "ratio_rps": 0.9, "ratio_cpu": 1.1},
		5: {"case": "scale", "keys": 9.0, "start_ms": 1.5, "cached": 8.0, "cached_key_bytes": 7.0},
	} {
		if !maps.Equal(got[i], want) {
			t.Errorf("object %d: %v, want %v", i, got[i], want)
		}
	}
}

func TestTableShowsEveryRow(t *testing.T) {
	r := threeRounds()
	r.machine.sync = 250 * time.Microsecond
	r.scale = &scale{Keys: 1234, Start: 56, Cached: 78, PerKey: 199}
	var out bytes.Buffer
	if err := writeTable(&out, r); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"fdatasync p50 250 µs", "0.900", "1.100", "1234 keys", "56 ms", "78 plain keys", "199 bytes"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
	if got, want := strings.Count(out.String(), "\n"), 3+5+3; got != want {
		t.Errorf("%d lines, want %d:\n%s", got, want, out.String())
	}
}

func TestRound(t *testing.T) {
	if got := round(0.93456, 3); got != 0.935 {
		t.Errorf("round(0.93456, 3) = %v, want 0.935", got)
	}
	if got := round(math.Pi, 0); got != 3 {
		t.Errorf("round(π, 0) = %v, want 3", got)
	}
}
