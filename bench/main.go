// Command bench measures what a verification costs over HTTP, as ratios to a
// bare net/http handler on the same machine in the same run.
//
// It builds latchkey and starts it on a new data directory, starts hello (the
// bare handler, with the server timeouts and runtime settings of latchkey) and
// one client, each a process of its own on 127.0.0.1. Each case of latchkey is
// paired with hello reading and writing as many bytes; the two are measured one
// after the other, the pairs in turn and rotated from round to round, so that a
// slow moment of the machine falls on both. A figure is the median over the
// rounds. A ratio is the median of the ratios of the pairs, which is steadier
// than the ratio of the medians; the row of hello is the median of all its
// rounds.
//
// Client and server share the cores. The client is therefore as cheap as it can
// be, costs the same for both servers (the column "client" shows it), and runs
// on one core at most. As its cost dilutes a ratio of throughputs, the server's
// CPU time per request stands beside it: that contains no client and is the
// steadiest figure. It is read from the process's CPU clock, which counts in
// nanoseconds and keeps what ended threads have used, where /proc/PID/stat
// counts in hundredths of a second. Latencies are those of a closed loop: a
// connection sends its next request when it has read the last answer, so p99
// tells of waiting at that number of connections, not at a given rate.
//
// Every answer is checked for its verdict, and one wrong answer fails the run.
//
// A full run ends with a database of a million plain keys: how long latchkey
// takes from its start on it to the first accepted verification, and how much
// live memory each key takes that it has verified since, as its garbage
// collector tells.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// A full run measures for about fullBudget, a quick one for quickBudget; the
// cases and rounds share it.
const (
	fullBudget  = 150 * time.Second
	quickBudget = 28 * time.Second
	fullRounds  = 9
	quickRounds = 5
	fullScale   = 1_000_000
)

func main() {
	if err := run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// run is main with its surroundings as arguments. The sub-commands are for the
// processes that bench starts of itself.
func run(args []string, stdin io.Reader, stdout, stderr io.Writer) error {
	if len(args) > 0 {
		switch args[0] {
		case "hello":
			return runHello(args[1:])
		case "drive":
			return runDrive(stdin, stdout)
		}
	}
	opts, err := parseOptions(args, stderr)
	if errors.Is(err, flag.ErrHelp) {
		return nil
	}
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	result, err := bench(ctx, opts, stderr)
	if ctx.Err() != nil {
		return errors.New("interrupted")
	}
	if err != nil {
		return err
	}
	if opts.json {
		return writeJSON(stdout, result)
	}
	if err := writeTable(stdout, result); err != nil {
		return err
	}
	return opts.keep(result, stderr)
}

// keep writes the page of results, unless the run was not a full one.
func (o *options) keep(r *result, progress io.Writer) error {
	if o.results == "" {
		return nil
	}
	if o.partial {
		fmt.Fprintf(progress, "%s is left as it is: it takes a full run\n", o.results)
		return nil
	}
	return keepResults(o.results, r, time.Now())
}

// options are the command line.
type options struct {
	json   bool
	rounds int
	warmUp time.Duration
	time   time.Duration // of one measurement, without its warm-up
	conns  []int
	cases  []benchCase // of latchkey; none: hello alone
	keys   int         // made for each case
	scale  int         // keys in the database of many; 0: none
	dir    string      // below which the data directory is made
	server string      // an executable to use in place of a built one

	results string // the page of results; "": none is written
	partial bool   // the run is not as it is by default
}

func parseOptions(args []string, stderr io.Writer) (options, error) {
	var opts options
	var quick bool
	var names, conns string
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.BoolVar(&opts.json, "json", false, "print one JSON array on standard output and nothing else")
	flags.BoolVar(&quick, "quick", false, "measure for less than 40 s instead of about 4 min")
	flags.IntVar(&opts.rounds, "rounds", 0, "rounds over which medians are taken (default 9, quick 5)")
	flags.DurationVar(&opts.time, "time", 0, "length of one measurement (default: what the rounds leave)")
	flags.StringVar(&names, "cases", caseNames(), "cases to measure; hello goes with each, and may stand alone")
	flags.StringVar(&conns, "conns", "8,64", "numbers of connections")
	flags.IntVar(&opts.keys, "keys", 1000, "keys made for each case")
	flags.IntVar(&opts.scale, "scale", 0, "keys in a database on which memory and start are measured (default 1000000, quick none)")
	flags.StringVar(&opts.dir, "dir", "", "where the data directory is made (default: the system's for temporary files)")
	flags.StringVar(&opts.server, "server", "", "a latchkey executable to use instead of building one")
	flags.StringVar(&opts.results, "results", "", "a page to write the results to, if no other flag but -dir is given")
	if err := flags.Parse(args); err != nil {
		return opts, err
	}
	flags.Visit(func(f *flag.Flag) {
		if f.Name != "results" && f.Name != "dir" {
			opts.partial = true
		}
	})
	if flags.NArg() > 0 {
		return opts, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	var err error
	if opts.cases, err = parseCases(names); err != nil {
		return opts, err
	}
	if opts.conns, err = parseConns(conns); err != nil {
		return opts, err
	}
	if opts.rounds < 0 || opts.time < 0 || opts.keys < 1 || opts.scale < 0 {
		return opts, errors.New("-rounds, -time and -scale must not be negative, -keys not below 1")
	}
	if opts.scale == 0 && !opts.partial {
		opts.scale = fullScale
	}
	opts.schedule(quick)
	return opts, nil
}

// schedule fills in the rounds and times that the command line left open.
func (o *options) schedule(quick bool) {
	budget, rounds := fullBudget, fullRounds
	if quick {
		budget, rounds = quickBudget, quickRounds
	}
	if o.rounds == 0 {
		o.rounds = rounds
	}
	slots := o.rounds * len(o.conns) * max(1, 2*len(o.cases))
	slot := budget / time.Duration(slots)
	o.warmUp = min(slot/5, 250*time.Millisecond)
	if o.time == 0 {
		o.time = slot - o.warmUp
	}
}

func parseConns(list string) ([]int, error) {
	var conns []int
	for text := range strings.SplitSeq(list, ",") {
		n, err := strconv.Atoi(strings.TrimSpace(text))
		if err != nil || n < 1 || n > 1024 {
			return nil, fmt.Errorf("-conns: %q is no number from 1 to 1024", text)
		}
		conns = append(conns, n)
	}
	return conns, nil
}

// bench starts all processes, measures, and stops them.
func bench(ctx context.Context, opts options, progress io.Writer) (*result, error) {
	// The kernel ends children with the thread that started them (see
	// endWithParent), so that thread must live as long as they may.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	dir, err := os.MkdirTemp(opts.dir, "latchkey-bench-")
	if err != nil {
		return nil, fmt.Errorf("make the data directory: %w", err)
	}
	defer os.RemoveAll(dir)
	stage := &stage{dir: dir, binary: opts.server, progress: progress, latchkeys: map[string]*latchkey{}}
	defer stage.stop()

	machine, err := machineOf(dir)
	if err != nil {
		return nil, err
	}
	pairs, err := stage.set(ctx, opts)
	if err != nil {
		return nil, err
	}
	result := &result{machine: machine}
	if err := stage.measure(ctx, opts, pairs, result); err != nil {
		return nil, err
	}
	if opts.scale > 0 {
		result.scale, err = stage.measureScale(ctx, opts.scale)
	}
	return result, err
}

// stage holds the processes of one run.
type stage struct {
	dir      string
	binary   string // of latchkey; "" until it is built
	progress io.Writer

	latchkeys map[string]*latchkey // setting → the server that has it
	servers   []*process
	driver    *driver
}

// pair is a case and hello at its size.
type pair struct {
	name    string
	hello   target
	subject *target // nil where hello stands alone
}

// set builds and starts what the options ask for.
func (s *stage) set(ctx context.Context, opts options) ([]pair, error) {
	var pairs []pair
	sizes := []helloSize{defaultHelloSize}
	requests := [][]string{{verifyRequest("/hello/"+defaultHelloSize.name, strings.Repeat("r", 40), strings.Repeat("k", 39))}}
	if len(opts.cases) > 0 {
		sizes, requests = nil, nil
		for _, c := range opts.cases {
			latchkey, err := s.startLatchkey(ctx, c.setting)
			if err != nil {
				return nil, err
			}
			fmt.Fprintf(s.progress, "making %d keys for %s\n", opts.keys, c.name)
			subject, size, err := latchkey.prepare(ctx, c, opts.keys)
			if err != nil {
				return nil, fmt.Errorf("prepare %s: %w%s", c.name, err, latchkey.tail())
			}
			pairs = append(pairs, pair{name: c.name, subject: subject})
			sizes = append(sizes, size)
			requests = append(requests, toHello(subject.Requests, c.name))
		}
	} else {
		pairs = []pair{{name: helloName}}
	}
	hello, err := s.startHello(ctx, sizes)
	if err != nil {
		return nil, err
	}
	for i := range pairs {
		pairs[i].hello = target{process: hello, Addr: hello.addr, PID: hello.pid(), Marker: helloMarker, Requests: requests[i]}
	}
	s.driver, err = startDriver(ctx, s.dir)
	return pairs, err
}

// measure runs the rounds. Each begins with another pair and, every second
// time, with the other half of it.
func (s *stage) measure(ctx context.Context, opts options, pairs []pair, result *result) error {
	for round := range opts.rounds {
		fmt.Fprintf(s.progress, "round %d of %d\n", round+1, opts.rounds)
		for _, conns := range opts.conns {
			for i := range pairs {
				p := pairs[(round+i)%len(pairs)]
				m, err := s.measurePair(ctx, opts, p, conns, round%2 == 1)
				if err != nil {
					return fmt.Errorf("%s at %d connections: %w", p.name, conns, err)
				}
				result.add(p.name, conns, m)
			}
		}
	}
	return nil
}

func (s *stage) measurePair(ctx context.Context, opts options, p pair, conns int, subjectFirst bool) (m measurement, err error) {
	drive := func(t *target) (sample, error) {
		return s.driver.do(ctx, job{target: *t, Conns: conns, WarmUp: opts.warmUp, Time: opts.time})
	}
	if p.subject != nil && subjectFirst {
		if m.subject, err = drive(p.subject); err != nil {
			return m, err
		}
	}
	if m.hello, err = drive(&p.hello); err != nil {
		return m, fmt.Errorf("hello: %w", err)
	}
	if p.subject != nil && !subjectFirst {
		m.subject, err = drive(p.subject)
	}
	return m, err
}

// stop ends all processes, in the reverse order of their start.
func (s *stage) stop() {
	if s.driver != nil {
		s.driver.stop()
	}
	for i := len(s.servers) - 1; i >= 0; i-- {
		s.servers[i].stop()
	}
}
