package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

const (
	readyPath    = "/readyz"
	answerWithin = 10 * time.Second
	stopWithin   = 15 * time.Second
)

// process is one that bench has started. What it prints goes to a file, as
// reading it would take time from the cores that are measured.
type process struct {
	name string
	addr string // empty where it is no server
	cmd  *exec.Cmd
	log  string        // path
	done chan struct{} // closed when it has ended
	err  error         // of its end
}

// startProcess starts a program that is ended with the context at the latest.
// Settings of latchkey in bench's own environment are not handed on.
func startProcess(ctx context.Context, dir, name string, args, env []string, configure func(*exec.Cmd) error) (*process, error) {
	p := &process{name: name, log: filepath.Join(dir, name+".log"), done: make(chan struct{})}
	log, err := os.Create(p.log)
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	defer log.Close()
	p.cmd = exec.CommandContext(ctx, args[0], args[1:]...)
	p.cmd.Stdout, p.cmd.Stderr = log, log
	p.cmd.Cancel = func() error { return p.cmd.Process.Signal(syscall.SIGTERM) }
	p.cmd.WaitDelay = stopWithin
	for _, setting := range os.Environ() {
		if !strings.HasPrefix(setting, "LATCHKEY_") {
			p.cmd.Env = append(p.cmd.Env, setting)
		}
	}
	p.cmd.Env = append(p.cmd.Env, env...)
	endWithParent(p.cmd)
	if configure != nil {
		if err := configure(p.cmd); err != nil {
			return nil, fmt.Errorf("start %s: %w", name, err)
		}
	}
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.done)
	}()
	return p, nil
}

// startServer starts a server and waits until it is ready. The process is given
// back with an error too, as it may run.
func startServer(ctx context.Context, dir, name, addr string, args []string, env ...string) (*process, error) {
	p, err := startProcess(ctx, dir, name, args, env, nil)
	if err != nil {
		return nil, err
	}
	p.addr = addr
	return p, p.waitReady(ctx, answerWithin)
}

func (p *process) waitReady(ctx context.Context, within time.Duration) error {
	client := &http.Client{Timeout: time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	deadline := time.After(within)
	for {
		last := p.askReady(client)
		if last == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-p.done:
			return fmt.Errorf("%s ended at once: %w%s", p.name, endOf(p.err), p.tail())
		case <-deadline:
			return fmt.Errorf("%s was not ready within %s: %w%s", p.name, within, last, p.tail())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func (p *process) askReady(client *http.Client) error {
	resp, err := client.Get("http://" + p.addr + readyPath)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %s", readyPath, resp.Status)
	}
	return nil
}

// endOf stands in for the missing error of a process that ended well.
func endOf(err error) error {
	if err == nil {
		return errors.New("exit status 0")
	}
	return err
}

func (p *process) pid() int { return p.cmd.Process.Pid }

// tail is the end of what the process has printed, to follow an error.
func (p *process) tail() string {
	text, err := os.ReadFile(p.log)
	if err != nil || len(text) == 0 {
		return ""
	}
	return "\n" + p.name + " printed:\n" + strings.TrimSpace(string(text[max(0, len(text)-4096):]))
}

// stop asks the process to end, makes it, and waits until it has.
func (p *process) stop() {
	p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.done:
	case <-time.After(stopWithin):
		p.cmd.Process.Kill()
		<-p.done
	}
}

func (s *stage) startHello(ctx context.Context, sizes []helloSize) (*process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("start hello: %w", err)
	}
	addr, err := freeAddr()
	if err != nil {
		return nil, err
	}
	args := []string{self, "hello", "-addr", addr}
	for _, size := range sizes {
		args = append(args, "-answer", fmt.Sprintf("%s=%d,%d", size.name, size.head, size.body))
	}
	p, err := startServer(ctx, s.dir, helloName, addr, args)
	if p != nil {
		s.servers = append(s.servers, p)
	}
	return p, err
}

// driver is the client process.
type driver struct {
	*process
	in      *json.Encoder
	samples io.Closer
	out     *json.Decoder
}

func startDriver(ctx context.Context, dir string) (*driver, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("start the client: %w", err)
	}
	read, write, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("start the client: %w", err)
	}
	defer write.Close()
	var in io.Writer
	p, err := startProcess(ctx, dir, "client", []string{self, "drive"}, nil, func(cmd *exec.Cmd) (err error) {
		cmd.Stdout = write
		in, err = cmd.StdinPipe()
		return err
	})
	if err != nil {
		read.Close()
		return nil, err
	}
	return &driver{process: p, in: json.NewEncoder(in), samples: read, out: json.NewDecoder(read)}, nil
}

// stop ends the client.
func (d *driver) stop() {
	d.process.stop()
	d.samples.Close()
}

// do has the client make one measurement.
func (d *driver) do(ctx context.Context, j job) (sample, error) {
	var s sample
	if err := d.in.Encode(j); err != nil {
		return s, fmt.Errorf("send the client its job: %w%s", err, d.tail())
	}
	if err := d.out.Decode(&s); err != nil {
		return s, fmt.Errorf("read the client's sample: %w%s", err, d.tail())
	}
	switch {
	case s.Faults > 0:
		return s, fmt.Errorf("%d faults, the first: %s%s", s.Faults, s.Fault, j.process.tail())
	case s.Requests == 0:
		return s, fmt.Errorf("no answer in %s%s", j.Time, j.process.tail())
	}
	return s, ctx.Err()
}

// buildLatchkey gives the path of a new executable.
func buildLatchkey(ctx context.Context, dir string) (string, error) {
	path := filepath.Join(dir, "latchkey")
	out, err := exec.CommandContext(ctx, "go", "build", "-o", path, "latchkey/cmd/latchkey").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build latchkey: %w\n%s", err, out)
	}
	return path, nil
}

func freeAddr() (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("find a free port: %w", err)
	}
	defer listener.Close()
	return listener.Addr().String(), nil
}

// syncLatency is the p50 of making 4 KiB more of a file durable.
func syncLatency(dir string) (time.Duration, error) {
	file, err := os.Create(filepath.Join(dir, "sync"))
	if err != nil {
		return 0, fmt.Errorf("measure fdatasync: %w", err)
	}
	defer os.Remove(file.Name())
	defer file.Close()
	var h histogram
	block := make([]byte, 4<<10)
	for range 200 {
		if _, err := file.Write(block); err != nil {
			return 0, fmt.Errorf("measure fdatasync: %w", err)
		}
		before := time.Now()
		if err := dataSync(file); err != nil {
			return 0, fmt.Errorf("measure fdatasync: %w", err)
		}
		h.add(time.Since(before))
	}
	return h.quantile(0.5), nil
}
