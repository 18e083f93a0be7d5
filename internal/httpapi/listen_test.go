package httpapi

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// A running is a server under test and the way to end it.
type running struct {
	addr string
	stop context.CancelFunc
	done chan error
	log  *lockedBuffer
}

// start serves h on a loopback port until stop.
func start(t *testing.T, h http.Handler, tlsConfig *tls.Config, grace time.Duration) *running {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	r := &running{addr: l.Addr().String(), stop: stop, done: make(chan error, 1), log: new(lockedBuffer)}
	log := slog.New(slog.NewTextHandler(r.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	go func() { r.done <- Serve(ctx, log, l, h, tlsConfig, grace) }()
	return r
}

// wait returns how long the server took to end.
func (r *running) wait(t *testing.T, atMost time.Duration) time.Duration {
	t.Helper()
	begin := time.Now()
	select {
	case err := <-r.done:
		if err != nil {
			t.Errorf("Serve: %v", err)
		}
	case <-time.After(atMost):
		t.Fatalf("the server has not ended after %v", atMost)
	}
	return time.Since(begin)
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// TestDrainUnderLoad ends servers while clients hammer them over keep-alive
// connections: each request that reached the handler must be answered whole,
// and so must each that a client sent on a connection it had used before. Only
// a connection that is made while the port closes may go without.
func TestDrainUnderLoad(t *testing.T) {
	certs := httptest.NewUnstartedServer(nil)
	certs.EnableHTTP2 = true
	certs.StartTLS()
	t.Cleanup(certs.Close)
	overTLS := &tls.Config{Certificates: certs.TLS.Certificates}
	for _, tt := range []struct {
		name   string
		tls    *tls.Config
		http2  bool
		path   string
		rounds int
	}{
		{"http/1.1", nil, false, "/", 10},
		{"the front", nil, false, "/hot", 10},
		{"http/1.1 over tls", overTLS, false, "/", 3},
		{"http/2", overTLS, true, "/", 3},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for range tt.rounds {
				drainUnderLoad(t, tt.tls, tt.http2, tt.path)
			}
		})
	}
}

func drainUnderLoad(t *testing.T, tlsConfig *tls.Config, http2 bool, path string) {
	const clients = 32
	var entered, answered, fronted atomic.Int64
	r := start(t, hotHandler{http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		entered.Add(1)
		if _, ok := w.(*exchange); ok {
			fronted.Add(1)
		}
		body, _ := io.ReadAll(req.Body)
		_, _ = w.Write(body)
	})}, tlsConfig, 5*time.Second)
	scheme := "http"
	if tlsConfig != nil {
		scheme = "https"
	}
	body := strings.Repeat("k", 100)
	var wg sync.WaitGroup
	for range clients {
		wg.Go(func() {
			client := keepAliveClient(http2)
			defer client.CloseIdleConnections()
			for {
				reused, err := post(client, scheme+"://"+r.addr+path, body)
				if err == nil {
					answered.Add(1)
					continue
				}
				if reused {
					t.Errorf("a request on a connection in use was not answered: %v", err)
				}
				return
			}
		})
	}
	for answered.Load() < 20*clients {
		time.Sleep(time.Millisecond)
	}
	r.stop()
	if took := r.wait(t, 5*time.Second); took > 2*time.Second {
		t.Errorf("ending took %v with handlers that take no time", took)
	}
	wg.Wait()
	if entered.Load() != answered.Load() {
		t.Errorf("%d requests reached the handler, %d were answered", entered.Load(), answered.Load())
	}
	if hot := path == "/hot"; hot != (fronted.Load() == entered.Load()) || !hot && fronted.Load() > 0 {
		t.Errorf("the front answered %d requests of %d", fronted.Load(), entered.Load())
	}
}

// keepAliveClient has one connection and never repeats a request by itself.
func keepAliveClient(http2 bool) *http.Client {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(!http2)
	protocols.SetHTTP2(http2)
	return &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{
		Protocols:       protocols,
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
	}}
}

// post sends body, checks that it comes back, and tells whether it went over a
// connection that had been used before.
func post(client *http.Client, url, body string) (reused bool, err error) {
	ctx := httptrace.WithClientTrace(context.Background(), &httptrace.ClientTrace{
		GotConn: func(info httptrace.GotConnInfo) { reused = info.Reused },
	})
	// A reader that hides its type makes the transport unable to send it twice.
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, io.MultiReader(strings.NewReader(body)))
	if err != nil {
		return false, err
	}
	req.ContentLength = int64(len(body)) // or the connection would not be used again
	resp, err := client.Do(req)
	if err != nil {
		return reused, err
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	if err == nil && string(got) != body {
		err = fmt.Errorf("answered %q", got)
	}
	return reused, err
}

// TestDrainAnswersWhatWasRead stops a server while a request's body is still
// under way.
func TestDrainAnswersWhatWasRead(t *testing.T) {
	inHandler := make(chan struct{})
	r := start(t, http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		close(inHandler)
		body, err := io.ReadAll(req.Body)
		fmt.Fprintf(w, "%s %v", body, err)
	}), nil, 5*time.Second)
	c, in := dial(t, r.addr)
	fmt.Fprint(c, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nhe")
	<-inHandler
	r.stop()
	time.Sleep(2 * linger)
	fmt.Fprint(c, "re")
	if got := readAnswer(t, in); got != "here <nil>" {
		t.Errorf("got %q, want the whole body", got)
	}
	r.wait(t, 2*time.Second)
}

// TestDrainTellsToClose sends a request on an idle connection right after the
// draining began.
func TestDrainTellsToClose(t *testing.T) {
	r := start(t, http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		fmt.Fprint(w, "ok")
	}), nil, 5*time.Second)
	c, in := dial(t, r.addr)
	fmt.Fprint(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	readAnswer(t, in)
	r.stop()
	time.Sleep(linger / 3)
	fmt.Fprint(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	resp, err := http.ReadResponse(in, nil)
	if err != nil || !resp.Close {
		t.Fatalf("got %v, %v; want an answer with Connection: close", resp, err)
	}
	r.wait(t, 2*time.Second)
}

// TestDrainClosesIdle has one connection that was used and one that never was;
// neither may hold up the end.
func TestDrainClosesIdle(t *testing.T) {
	r := start(t, http.NotFoundHandler(), nil, 5*time.Second)
	dial(t, r.addr)
	used, in := dial(t, r.addr)
	fmt.Fprint(used, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	readAnswer(t, in)
	r.stop()
	if took := r.wait(t, 5*time.Second); took > 2*linger {
		t.Errorf("ending took %v, want about %v", took, linger)
	}
	if _, err := in.ReadByte(); err != io.EOF {
		t.Errorf("reading on: %v, want EOF", err)
	}
	if c, err := net.Dial("tcp", r.addr); err == nil {
		c.Close()
		t.Error("the port still listens")
	}
}

// TestDrainCuts has a handler that hangs until its connection is cut.
func TestDrainCuts(t *testing.T) {
	const grace = 300 * time.Millisecond
	entered, left := make(chan struct{}), make(chan struct{})
	r := start(t, http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		close(entered)
		<-req.Context().Done()
		close(left)
	}), nil, grace)
	c, in := dial(t, r.addr)
	fmt.Fprint(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	<-entered
	r.stop()
	if took := r.wait(t, 5*time.Second); took < grace || took > grace+cutTime {
		t.Errorf("ending took %v, want %v and a little", took, grace)
	}
	if _, err := in.ReadByte(); err == nil {
		t.Error("the connection was answered, want it cut")
	}
	select {
	case <-left:
	default:
		t.Error("the handler still runs after Serve has returned")
	}
	if !strings.Contains(r.log.String(), "were cut") {
		t.Errorf("the log says nothing of it: %q", r.log)
	}
}

// TestDrainEndsDespiteDeafHandler has one that never looks at its context.
func TestDrainEndsDespiteDeafHandler(t *testing.T) {
	entered, free := make(chan struct{}), make(chan struct{})
	t.Cleanup(func() { close(free) })
	r := start(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		close(entered)
		<-free
	}), nil, 50*time.Millisecond)
	c, _ := dial(t, r.addr)
	fmt.Fprint(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	<-entered
	r.stop()
	r.wait(t, 50*time.Millisecond+cutTime+500*time.Millisecond)
}

func TestServeFailsOnClosedListener(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	err = Serve(t.Context(), slog.New(slog.DiscardHandler), l, http.NotFoundHandler(), nil, time.Second)
	if !errors.Is(err, net.ErrClosed) {
		t.Errorf("got %v, want net.ErrClosed", err)
	}
}

// TestProtocolBounds sends what is refused before any handler.
func TestProtocolBounds(t *testing.T) {
	r := start(t, http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		fmt.Fprint(w, req.Proto)
	}), nil, time.Second)
	for _, tt := range []struct{ name, send, want string }{
		{"http/1.1", "GET / HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 200"},
		{"http/0.9", "GET /\r\n\r\n", "HTTP/1.1 400"},
		{"http/3.0", "GET / HTTP/3.0\r\nHost: x\r\n\r\n", "HTTP/1.1 505"},
		{"http/2 in clear", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "HTTP/1.1 505"},
		{"no host", "GET / HTTP/1.1\r\n\r\n", "HTTP/1.1 400"},
		{"long header", "GET / HTTP/1.1\r\nHost: x\r\nX: " + strings.Repeat("a", maxHeaderBytes+8<<10) + "\r\n\r\n", "HTTP/1.1 431"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, in := dial(t, r.addr)
			fmt.Fprint(c, tt.send)
			line, err := in.ReadString('\n')
			if err != nil || !strings.HasPrefix(line, tt.want) {
				t.Errorf("got %q, %v; want %s", line, err, tt.want)
			}
		})
	}
	r.stop()
	r.wait(t, 2*time.Second)
}

// TestNothingIsSmuggled hides a request in the body of another one that has
// both a length and chunks.
func TestNothingIsSmuggled(t *testing.T) {
	for _, tt := range []struct{ name, head, body string }{
		{"length and chunks", "Content-Length: 5\r\nTransfer-Encoding: chunked", "0\r\n\r\n"},
		{"chunks and length", "Transfer-Encoding: chunked\r\nContent-Length: 5", "0\r\n\r\n"},
		{"two lengths", "Content-Length: 0\r\nContent-Length: 5", ""},
		{"a length in one line", "Content-Length: 0, 5", ""},
		{"a space before the colon", "Transfer-Encoding : chunked\r\nContent-Length: 0", ""},
		{"chunks twice", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", "0\r\n\r\n"},
		{"another encoding", "Transfer-Encoding: xchunked\r\nContent-Length: 0", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var smuggled atomic.Bool
			r := start(t, http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) {
				if req.URL.Path == "/smuggled" {
					smuggled.Store(true)
				}
				_, _ = io.ReadAll(req.Body)
			}), nil, time.Second)
			c, in := dial(t, r.addr)
			fmt.Fprintf(c, "POST / HTTP/1.1\r\nHost: x\r\n%s\r\n\r\n%sGET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n", tt.head, tt.body)
			if answers, err := io.ReadAll(in); err != nil || bytes.Count(answers, []byte("HTTP/1.1 ")) != 1 {
				t.Errorf("got %q, %v; want one answer", answers, err)
			}
			if smuggled.Load() {
				t.Error("what was in the body reached a handler")
			}
			r.stop()
			r.wait(t, 2*time.Second)
		})
	}
}

// TestRefusedBodyEndsAtOnce sends the beginning of a body that nobody reads: the
// end of the answer must not wait for the half second that net/http gives the
// rest. A slow machine has three tries.
func TestRefusedBodyEndsAtOnce(t *testing.T) {
	r := start(t, http.NotFoundHandler(), nil, time.Second)
	fastest := time.Hour
	for range 3 {
		c, in := dial(t, r.addr)
		begin := time.Now()
		fmt.Fprint(c, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\nand so on")
		if answer, err := io.ReadAll(in); err != nil || !bytes.HasPrefix(answer, []byte("HTTP/1.1 404 ")) {
			t.Errorf("got %q, %v; want 404", answer, err)
		}
		fastest = min(fastest, time.Since(begin))
		c.Close()
	}
	if fastest > 400*time.Millisecond {
		t.Errorf("the answer ended after %v at best", fastest)
	}
	r.stop()
	r.wait(t, 2*time.Second)
}

// TestPanicIsLoggedWithoutItsValue has a handler that panics with a secret.
func TestPanicIsLoggedWithoutItsValue(t *testing.T) {
	r := start(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		panic("lk_verysecret")
	}), nil, time.Second)
	c, in := dial(t, r.addr)
	fmt.Fprint(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	if _, err := in.ReadByte(); err != io.EOF {
		t.Errorf("got %v, want a closed connection", err)
	}
	r.stop()
	r.wait(t, 2*time.Second)
	if log := r.log.String(); !strings.Contains(log, "level=ERROR") || !strings.Contains(log, "listen_test.go") {
		t.Errorf("the log has no error with a stack: %s", log)
	} else if strings.Contains(log, "lk_verysecret") {
		t.Errorf("the log has the panic's value: %s", log)
	}
}

// dial opens a connection that fails the test instead of hanging it.
func dial(t *testing.T, addr string) (net.Conn, *bufio.Reader) {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	_ = c.SetDeadline(time.Now().Add(5 * time.Second))
	return c, bufio.NewReader(c)
}

func readAnswer(t *testing.T, in *bufio.Reader) string {
	t.Helper()
	resp, err := http.ReadResponse(in, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}
