package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"runtime"
	"slices"
	"text/tabwriter"
	"time"
)

// measurement is a pair measured once.
type measurement struct {
	hello, subject sample
}

// result is all that a run has measured.
type result struct {
	machine machine
	series  []series
	scale   *scale // nil: not measured
}

// series is one case at one number of connections, round by round.
type series struct {
	name   string
	conns  int
	rounds []measurement
}

func (r *result) add(name string, conns int, m measurement) {
	i := slices.IndexFunc(r.series, func(s series) bool { return s.name == name && s.conns == conns })
	if i < 0 {
		i = len(r.series)
		r.series = append(r.series, series{name: name, conns: conns})
	}
	r.series[i].rounds = append(r.series[i].rounds, m)
}

// row is one line of the report.
type row struct {
	Case     string  `json:"case"`
	Conns    int     `json:"conns"`
	RPS      float64 `json:"rps"`
	P50      float64 `json:"p50_us"`
	P99      float64 `json:"p99_us"`
	CPU      float64 `json:"cpu_us"`    // of the server, per request
	RatioRPS float64 `json:"ratio_rps"` // to hello; above 1 is faster
	RatioCPU float64 `json:"ratio_cpu"` // to hello; above 1 is dearer

	client float64 // CPU of the client, µs per request
}

// rows are hello's and then each case's, by number of connections.
func (r *result) rows() []row {
	var rows []row
	for _, conns := range r.conns() {
		rows = append(rows, r.helloRow(conns))
	}
	for _, c := range cases {
		for _, conns := range r.conns() {
			for _, s := range r.series {
				if s.name == c.name && s.conns == conns {
					rows = append(rows, s.row())
				}
			}
		}
	}
	return rows
}

func (r *result) conns() []int {
	var conns []int
	for _, s := range r.series {
		conns = append(conns, s.conns)
	}
	slices.Sort(conns)
	return slices.Compact(conns)
}

// helloRow is over hello's rounds with every case.
func (r *result) helloRow(conns int) row {
	var samples []sample
	for _, s := range r.series {
		if s.conns == conns {
			for _, m := range s.rounds {
				samples = append(samples, m.hello)
			}
		}
	}
	row := medianRow(samples)
	row.Case, row.Conns, row.RatioRPS, row.RatioCPU = helloName, conns, 1, 1
	return row
}

func (s *series) row() row {
	var samples []sample
	var ratioRPS, ratioCPU []float64
	for _, m := range s.rounds {
		samples = append(samples, m.subject)
		ratioRPS = append(ratioRPS, m.subject.rps()/m.hello.rps())
		ratioCPU = append(ratioCPU, m.subject.perRequest(m.subject.CPU)/m.hello.perRequest(m.hello.CPU))
	}
	row := medianRow(samples)
	row.Case, row.Conns = s.name, s.conns
	row.RatioRPS, row.RatioCPU = round(median(ratioRPS), 3), round(median(ratioCPU), 3)
	return row
}

// medianRow takes the median of each figure by itself.
func medianRow(samples []sample) row {
	of := func(figure func(sample) float64) float64 {
		var values []float64
		for _, s := range samples {
			values = append(values, figure(s))
		}
		return median(values)
	}
	return row{
		RPS:    round(of(sample.rps), 0),
		P50:    round(of(func(s sample) float64 { return micros(s.P50) }), 1),
		P99:    round(of(func(s sample) float64 { return micros(s.P99) }), 1),
		CPU:    round(of(func(s sample) float64 { return s.perRequest(s.CPU) }), 2),
		client: round(of(func(s sample) float64 { return s.perRequest(s.ClientCPU) }), 2),
	}
}

func (s sample) rps() float64 { return float64(s.Requests) / s.Elapsed.Seconds() }

// perRequest is in microseconds.
func (s sample) perRequest(total time.Duration) float64 {
	return micros(total) / float64(s.Requests)
}

func micros(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

// median is the middle value, or the mean of the middle two.
func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	middle := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[middle]
	}
	return (sorted[middle-1] + sorted[middle]) / 2
}

func round(v float64, digits int) float64 {
	scale := math.Pow10(digits)
	return math.Round(v*scale) / scale
}

func writeJSON(w io.Writer, r *result) error {
	var rows []any
	for _, row := range r.rows() {
		rows = append(rows, row)
	}
	if r.scale != nil {
		rows = append(rows, r.scale)
	}
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(rows); err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	return nil
}

func writeTable(w io.Writer, r *result) error {
	fmt.Fprintf(w, "%s %s/%s, %d cores; fdatasync p50 %.0f µs\n\n",
		runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), micros(r.machine.sync))
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "case\tconns\trequests/s\tp50 µs\tp99 µs\tCPU µs\tclient CPU µs\t× hello: requests/s\tCPU\t")
	for _, row := range r.rows() {
		fmt.Fprintf(table, "%s\t%d\t%.0f\t%.1f\t%.1f\t%.2f\t%.2f\t%.3f\t%.3f\t\n",
			row.Case, row.Conns, row.RPS, row.P50, row.P99, row.CPU, row.client, row.RatioRPS, row.RatioCPU)
	}
	if err := table.Flush(); err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	if r.scale != nil {
		fmt.Fprintf(w, "\n%s\n", r.scale)
	}
	return nil
}
