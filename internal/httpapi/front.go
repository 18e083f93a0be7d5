package httpapi

import (
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// A front answers requests to hot routes on connections without TLS, at half
// the price of net/http, which spends more on a request than a verification
// does. It takes requests of the plainest form; with the first one that is not,
// the connection is net/http's for good. Handlers see no difference, but that a
// client who goes away does not end the request's context: on hot routes nothing
// takes long enough for that.
type front struct {
	listener *listener
	handler  http.Handler
	hot      func(path string) bool
	rest     *rest
	log      *slog.Logger
}

// frontBuffer bounds a request that the front answers, header and body.
const frontBuffer = 4 << 10

// run accepts connections until the listener is closed.
func (f *front) run() error {
	pause := 5 * time.Millisecond
	for {
		c, err := f.listener.Accept()
		if err == nil {
			pause = 5 * time.Millisecond
			go f.serve(c.(*conn))
			continue
		}
		if errors.Is(err, net.ErrClosed) {
			return err
		}
		f.log.Warn("a connection could not be accepted", slog.String("err", err.Error())) // too many open files, say
		time.Sleep(pause)
		pause = min(2*pause, time.Second)
	}
}

// serve answers the requests of a connection, until it ends or is net/http's.
func (f *front) serve(c *conn) {
	x := newExchange(c)
	buf := make([]byte, frontBuffer)
	for {
		n, v := f.receive(c, x, buf)
		switch {
		case v == whole:
			if f.answer(x) {
				c.setBusy(false)
				continue
			}
		case n > 0:
			c.ahead = buf[:n]
			if f.rest.take(c) {
				return
			}
		}
		_ = c.Close()
		f.listener.remove(c)
		return
	}
}

// receive reads a request into buf. It returns what was read, and whether that
// is a whole request of ours; 0 where the connection is at its end.
func (f *front) receive(c *conn, x *exchange, buf []byte) (n int, v verdict) {
	begun := time.Now()
	_ = c.SetReadDeadline(begun.Add(idleTimeout))
	for {
		m, err := c.Read(buf[n:])
		if m > 0 && n == 0 {
			c.setBusy(true)
			begun = time.Now()
			_ = c.SetReadDeadline(begun.Add(readHeaderTimeout))
		}
		if n += m; m > 0 {
			switch v = x.parse(buf[:n], f.hot); {
			case v == foreign, v == whole, n == len(buf):
				return n, v
			case v == headed:
				_ = c.SetReadDeadline(begun.Add(readTimeout))
			}
		}
		if err != nil {
			return 0, foreign // as net/http does, which says nothing to half a request
		}
	}
}

// answer lets the handler answer, and reports whether the connection goes on.
func (f *front) answer(x *exchange) (keep bool) {
	defer func() {
		p := recover()
		if p == nil {
			return
		}
		keep = false
		if p != http.ErrAbortHandler {
			f.log.Error("a handler panicked", "stack", string(debug.Stack()))
		}
	}()
	x.begin()
	f.handler.ServeHTTP(x, &x.request)
	return x.send()
}

// An exchange is a request and its answer. It serves one after the other of a
// connection, so handlers keep nothing of it.
type exchange struct {
	conn    *conn
	remote  string
	request http.Request
	url     url.URL
	values  []string // of the request's header
	body    []byte   // of the request, as far as it has not been read

	header http.Header // of the answer
	status int
	out    []byte // the answer's body
	whole  []byte // the answer
}

func newExchange(c *conn) *exchange {
	x := &exchange{conn: c, remote: c.RemoteAddr().String(), values: make([]string, 0, maxFrontHeaders), header: http.Header{}}
	x.request.Header = http.Header{}
	return x
}

func (x *exchange) begin() {
	x.request.Body = x.reader()
	clear(x.header)
	x.status, x.out = 0, x.out[:0]
}

// A frontBody is the body of an exchange's request, as a reader.
type frontBody exchange

func (x *exchange) reader() io.ReadCloser { return (*frontBody)(x) }

// Read ends with the last byte, so that nobody has to ask once more.
func (b *frontBody) Read(p []byte) (int, error) {
	n := copy(p, b.body)
	if b.body = b.body[n:]; len(b.body) == 0 {
		return n, io.EOF
	}
	return n, nil
}

func (b *frontBody) Close() error { b.body = nil; return nil }

// Header implements [http.ResponseWriter].
func (x *exchange) Header() http.Header { return x.header }

// WriteHeader implements [http.ResponseWriter].
func (x *exchange) WriteHeader(status int) {
	if x.status == 0 && status >= 200 {
		x.status = status
	}
}

// Write implements [http.ResponseWriter].
func (x *exchange) Write(p []byte) (int, error) {
	x.WriteHeader(http.StatusOK)
	x.out = append(x.out, p...)
	return len(p), nil
}

// usual are the headers that hot routes answer with, in the order in which they
// are sent.
var usual = []string{"Connection", "Content-Type", "Retry-After", "X-Request-Id"}

// send sends the answer, and reports whether the connection goes on.
func (x *exchange) send() (keep bool) {
	x.WriteHeader(http.StatusOK)
	keep = true
	b := append(x.whole[:0], "HTTP/1.1 "...)
	b = strconv.AppendInt(b, int64(x.status), 10)
	b = append(append(append(b, ' '), http.StatusText(x.status)...), "\r\nDate: "...)
	b = append(append(b, date(time.Now())...), "\r\nContent-Length: "...)
	b = append(strconv.AppendInt(b, int64(len(x.out)), 10), "\r\n"...)
	delete(x.header, "Content-Length")
	delete(x.header, "Date")
	sent := 0
	for _, name := range usual {
		if lines := x.header[name]; lines != nil {
			sent++
			b = appendField(b, name, lines)
			keep = keep && (name != "Connection" || !slices.Contains(lines, "close"))
		}
	}
	if sent < len(x.header) {
		for name, lines := range x.header {
			if !slices.Contains(usual, name) {
				b = appendField(b, name, lines)
			}
		}
	}
	x.whole = append(append(b, "\r\n"...), x.out...)
	_ = x.conn.SetWriteDeadline(time.Now().Add(writeTimeout))
	_, err := x.conn.Write(x.whole)
	if cap(x.whole) > 4*frontBuffer { // one large answer is not kept for all that follow
		x.whole, x.out = nil, nil
	}
	return keep && err == nil
}

var oneLine = strings.NewReplacer("\r", " ", "\n", " ")

func appendField(b []byte, name string, lines []string) []byte {
	for _, line := range lines {
		if strings.ContainsAny(line, "\r\n") {
			line = oneLine.Replace(line)
		}
		b = append(append(append(append(b, name...), ": "...), line...), "\r\n"...)
	}
	return b
}

// A dated is a second as the Date header has it.
type dated struct {
	second int64
	text   string
}

var lastDate atomic.Pointer[dated]

func date(now time.Time) string {
	d := lastDate.Load()
	if second := now.Unix(); d == nil || d.second != second {
		d = &dated{second, now.UTC().Format(http.TimeFormat)}
		lastDate.Store(d)
	}
	return d.text
}

// rest is the listener over which net/http is given connections.
type rest struct {
	addr  net.Addr
	conns chan *conn
	done  chan struct{}
	once  sync.Once
}

func newRest(addr net.Addr) *rest {
	return &rest{addr: addr, conns: make(chan *conn), done: make(chan struct{})}
}

// take gives net/http a connection, and reports whether it took it.
func (r *rest) take(c *conn) bool {
	select {
	case r.conns <- c:
		return true
	case <-r.done:
		return false
	}
}

func (r *rest) Accept() (net.Conn, error) {
	select {
	case c := <-r.conns:
		return c, nil
	case <-r.done:
		return nil, net.ErrClosed
	}
}

func (r *rest) Close() error {
	r.once.Do(func() { close(r.done) })
	return nil
}

func (r *rest) Addr() net.Addr { return r.addr }

var (
	_ net.Listener        = (*rest)(nil)
	_ http.ResponseWriter = (*exchange)(nil)
)
