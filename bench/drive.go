package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// target is a server and the requests that it is to be sent.
type target struct {
	process  *process
	Addr     string   `json:"addr"`
	PID      int      `json:"pid"`
	Marker   string   `json:"marker"` // in the body of every right answer
	Requests []string `json:"requests"`
}

// job is one measurement, as the client process is told it.
type job struct {
	target
	Conns  int           `json:"conns"`
	WarmUp time.Duration `json:"warm_up"`
	Time   time.Duration `json:"time"`
}

// sample is what one measurement gave.
type sample struct {
	Requests  uint64        `json:"requests"`
	Elapsed   time.Duration `json:"elapsed"`
	CPU       time.Duration `json:"cpu"` // of the server
	ClientCPU time.Duration `json:"client_cpu"`
	P50       time.Duration `json:"p50"`
	P99       time.Duration `json:"p99"`
	Faults    uint64        `json:"faults"`
	Fault     string        `json:"fault,omitempty"` // the first one
}

// runDrive is the client process: it reads jobs and writes samples until its
// input ends.
//
// One P is enough for more requests than two cores can serve, and spares the
// spinning of idle ones, which would be taken from the server. Nothing is
// allocated per request, so collecting between the jobs is enough.
func runDrive(in io.Reader, out io.Writer) error {
	runtime.GOMAXPROCS(1)
	debug.SetGCPercent(-1)
	decoder, encoder := json.NewDecoder(bufio.NewReader(in)), json.NewEncoder(out)
	for {
		var j job
		if err := decoder.Decode(&j); err == io.EOF {
			return nil
		} else if err != nil {
			return fmt.Errorf("read a job: %w", err)
		}
		runtime.GC()
		s, err := j.drive()
		if err != nil {
			s.Faults, s.Fault = max(1, s.Faults), err.Error()
		}
		if err := encoder.Encode(s); err != nil {
			return fmt.Errorf("write a sample: %w", err)
		}
	}
}

// The phases of a measurement.
const (
	warmingUp = iota
	measuring
	finished
)

// crew is the connections of one measurement and what they share.
type crew struct {
	requests [][]byte
	marker   []byte
	phase    atomic.Int32
	faults   atomic.Uint64
	first    atomic.Pointer[error] // fault
}

// drive runs one measurement. CPU clocks are read where the phase changes, so
// that they and the count span the same time.
func (j *job) drive() (sample, error) {
	c := &crew{marker: []byte(j.Marker)}
	for _, r := range j.Requests {
		c.requests = append(c.requests, []byte(r))
	}
	conns, err := dialAll(j.Addr, j.Conns, time.Now().Add(j.WarmUp+j.Time+answerWithin))
	defer func() {
		for _, conn := range conns {
			conn.close()
		}
	}()
	if err != nil {
		return sample{}, err
	}
	histograms := make([]histogram, len(conns))
	var group sync.WaitGroup
	for i, conn := range conns {
		group.Go(func() { c.work(conn, i*len(c.requests)/len(conns), &histograms[i]) })
	}
	time.Sleep(j.WarmUp)
	before, err := readClocks(j.PID)
	c.phase.Store(measuring)
	time.Sleep(j.Time)
	after, err2 := readClocks(j.PID)
	c.phase.Store(finished)
	group.Wait()
	if err := errors.Join(err, err2); err != nil {
		return sample{}, err
	}
	s := c.sum(histograms)
	s.Elapsed = after.wall.Sub(before.wall)
	s.CPU, s.ClientCPU = after.server-before.server, after.client-before.client
	return s, nil
}

// work sends one request after another, beginning with the first'th.
func (c *crew) work(conn *clientConn, first int, h *histogram) {
	before := time.Now()
	for n := first; ; n++ {
		a, err := conn.do(c.requests[n%len(c.requests)])
		if err != nil {
			c.fault(err)
			return
		}
		if err := a.check(c.marker); err != nil {
			c.fault(err)
		}
		now := time.Now()
		switch c.phase.Load() {
		case measuring:
			h.add(now.Sub(before))
		case finished:
			return
		}
		before = now
	}
}

func (c *crew) fault(err error) {
	c.faults.Add(1)
	c.first.CompareAndSwap(nil, &err)
}

func (c *crew) sum(histograms []histogram) sample {
	var all histogram
	for i := range histograms {
		all.merge(&histograms[i])
	}
	s := sample{Requests: all.count(), P50: all.quantile(0.50), P99: all.quantile(0.99), Faults: c.faults.Load()}
	if first := c.first.Load(); first != nil {
		s.Fault = (*first).Error()
	}
	return s
}

// clocks are the times at one moment.
type clocks struct {
	wall           time.Time
	server, client time.Duration
}

func readClocks(pid int) (c clocks, err error) {
	c.wall = time.Now()
	if c.server, err = cpuTime(pid); err != nil {
		return c, fmt.Errorf("read the server's CPU clock: %w", err)
	}
	if c.client, err = cpuTime(os.Getpid()); err != nil {
		return c, fmt.Errorf("read the client's CPU clock: %w", err)
	}
	return c, nil
}

// clientConn is an HTTP/1.1 client of one connection that knows as much as is
// needed here. It allocates nothing per request.
type clientConn struct {
	conn net.Conn
	buf  []byte
}

const maxAnswer = 1 << 20

func dial(addr string, deadline time.Time) (*clientConn, error) {
	conn, err := net.DialTimeout("tcp", addr, answerWithin)
	if err != nil {
		return nil, err
	}
	if err := conn.SetDeadline(deadline); err != nil {
		conn.Close()
		return nil, err
	}
	return &clientConn{conn: conn, buf: make([]byte, 8<<10)}, nil
}

func dialAll(addr string, n int, deadline time.Time) ([]*clientConn, error) {
	var conns []*clientConn
	for range n {
		conn, err := dial(addr, deadline)
		if err != nil {
			return conns, err
		}
		conns = append(conns, conn)
	}
	return conns, nil
}

func (c *clientConn) close() { c.conn.Close() }

// answer is valid until the next request on the connection.
type answer struct {
	status int
	head   int // its length, with the blank line
	body   []byte
}

// check gives an error unless the answer is 200 with the marker in its body.
func (a answer) check(marker []byte) error {
	if a.status != 200 || !bytes.Contains(a.body, marker) {
		return fmt.Errorf("wrong answer: status %d: %.500s", a.status, a.body)
	}
	return nil
}

// do sends a request and reads its answer, which must have a Content-Length.
func (c *clientConn) do(request []byte) (answer, error) {
	if _, err := c.conn.Write(request); err != nil {
		return answer{}, fmt.Errorf("send: %w", err)
	}
	var a answer
	for n, total := 0, 0; total == 0 || n < total; {
		if n == len(c.buf) {
			c.buf = append(c.buf, make([]byte, len(c.buf))...)
		}
		m, err := c.conn.Read(c.buf[n:])
		if err != nil {
			return answer{}, fmt.Errorf("read the answer after %d bytes: %w", n, err)
		}
		n += m
		if total == 0 {
			i := bytes.Index(c.buf[:n], []byte("\r\n\r\n"))
			if i < 0 && n < maxAnswer {
				continue
			}
			var length int
			if a.status, length, err = parseHead(c.buf[:max(i, 0)]); err != nil {
				return answer{}, err
			}
			a.head = i + 4
			total = a.head + length
		}
		if n > total {
			return answer{}, fmt.Errorf("%d bytes follow the answer", n-total)
		}
		a.body = c.buf[a.head:n]
	}
	return a, nil
}

// parseHead reads the status and the Content-Length from an answer's head.
func parseHead(head []byte) (status, length int, err error) {
	line, rest, _ := bytes.Cut(head, []byte("\r\n"))
	code, found := bytes.CutPrefix(line, []byte("HTTP/1.1 "))
	if !found || len(code) < 3 {
		return 0, 0, fmt.Errorf("no status line: %.100q", line)
	}
	if status, err = strconv.Atoi(string(code[:3])); err != nil {
		return 0, 0, fmt.Errorf("no status line: %.100q", line)
	}
	const name = "Content-Length"
	for len(rest) > 0 {
		line, rest, _ = bytes.Cut(rest, []byte("\r\n"))
		if len(line) <= len(name) || line[len(name)] != ':' || !bytes.EqualFold(line[:len(name)], []byte(name)) {
			continue
		}
		length, err = strconv.Atoi(string(bytes.TrimSpace(line[len(name)+1:])))
		if err != nil || length < 0 || length > maxAnswer {
			return 0, 0, fmt.Errorf("bad header %.100q", line)
		}
		return status, length, nil
	}
	return 0, 0, fmt.Errorf("status %d without a Content-Length", status)
}
