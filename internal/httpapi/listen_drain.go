package httpapi

import (
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// linger is how long a connection without a request is kept at shutdown:
	// a client may have sent one already.
	linger = 250 * time.Millisecond
	// cutTime is how long handlers may take to notice that they were cut.
	cutTime = 400 * time.Millisecond
)

// A listener knows its connections and which of them have a request under way,
// so that at shutdown those without one can be let go, and only those.
type listener struct {
	net.Listener
	draining atomic.Bool
	empty    chan struct{} // closed when draining and no connection is left

	mu    sync.Mutex
	conns map[*conn]struct{}
}

func newListener(l net.Listener) *listener {
	return &listener{Listener: l, empty: make(chan struct{}), conns: map[*conn]struct{}{}}
}

func (l *listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	tracked := &conn{Conn: c}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.draining.Load() {
		_ = c.Close()
		return nil, net.ErrClosed
	}
	l.conns[tracked] = struct{}{}
	return tracked, nil
}

// drain stops listening and lets go every connection that has no request after
// wait. The channel is closed when all connections are gone.
func (l *listener) drain(wait time.Duration) <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.draining.Store(true)
	_ = l.Close()
	for c := range l.conns {
		c.leaveAfter(wait)
	}
	if len(l.conns) == 0 {
		close(l.empty)
	}
	return l.empty
}

// open returns the number of connections.
func (l *listener) open() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.conns)
}

// cut closes every connection.
func (l *listener) cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for c := range l.conns {
		_ = c.Close()
	}
}

// observe is the server's ConnState hook.
func (l *listener) observe(nc net.Conn, state http.ConnState) {
	if over, ok := nc.(*tls.Conn); ok {
		nc = over.NetConn()
	}
	c := nc.(*conn)
	switch state {
	case http.StateActive:
		c.setBusy(true)
	case http.StateIdle:
		c.setBusy(false)
	case http.StateClosed, http.StateHijacked:
		l.remove(c)
	}
}

func (l *listener) remove(c *conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.conns, c)
	if l.draining.Load() && len(l.conns) == 0 {
		close(l.empty)
	}
}

// A conn can be told to leave unless a request comes. It does so by a deadline
// for reading, which ends a wait for a request but cannot take away one that
// has been read: the server then finds the connection at its end and closes it.
//
// net/http sets half a dozen deadlines a request, of which hardly one is ever
// waited for. A conn remembers them, and asks the runtime for a timer only where
// a call would otherwise wait for too long.
type conn struct {
	net.Conn
	ahead []byte // was read already, and is to be read again

	mu      sync.Mutex
	busy    bool      // a request has been read, and its answer is not at its end
	leaveAt time.Time // zero while nothing drains
	read    deadline
	write   deadline
}

// A deadline is one for reading or for writing.
type deadline struct {
	want    time.Time // what the server has set
	set     time.Time // what the connection beneath has
	waiting int       // calls that may be waiting beneath
}

func (c *conn) Read(p []byte) (int, error) {
	if len(c.ahead) > 0 {
		n := copy(p, c.ahead)
		c.ahead = c.ahead[n:]
		return n, nil
	}
	for {
		if err := c.begin(&c.read); err != nil {
			return 0, err
		}
		n, err := c.Conn.Read(p)
		if again, err := c.end(&c.read, err); !again || n > 0 {
			return n, err
		}
	}
}

func (c *conn) Write(p []byte) (int, error) {
	for done := 0; ; {
		if err := c.begin(&c.write); err != nil {
			return done, err
		}
		n, err := c.Conn.Write(p[done:])
		done += n
		if again, err := c.end(&c.write, err); !again {
			return done, err
		}
	}
}

// begin makes sure that a call does not wait beyond its deadline. One that is
// set too early is left, and wakes the call to begin again.
func (c *conn) begin(d *deadline) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !d.want.IsZero() && d.want.Before(started) { // net/http ends its own waiting by such a deadline, in every request
		return os.ErrDeadlineExceeded
	}
	if err := c.hasten(d); err != nil {
		return err
	}
	d.waiting++
	return nil
}

var started = time.Now()

// end reports whether a call that ended with err was woken before its time, and
// is to begin again.
func (c *conn) end(d *deadline, err error) (again bool, _ error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	d.waiting--
	if err == nil || !errors.Is(err, os.ErrDeadlineExceeded) {
		return false, err
	}
	if t := c.due(d); !t.IsZero() && !t.After(time.Now()) {
		return false, err
	}
	if err := c.apply(d); err != nil {
		return false, err
	}
	return true, nil
}

// due returns when a call must have ended; c.mu is held. Zero is never.
func (c *conn) due(d *deadline) time.Time {
	t := d.want
	if d == &c.read && !c.busy && !c.leaveAt.IsZero() && (t.IsZero() || c.leaveAt.Before(t)) {
		t = c.leaveAt
	}
	return t
}

// hasten applies a deadline that is earlier than what is set; c.mu is held.
func (c *conn) hasten(d *deadline) error {
	t := c.due(d)
	if t.IsZero() || !d.set.IsZero() && !t.Before(d.set) {
		return nil
	}
	return c.apply(d)
}

// apply sets a deadline beneath; c.mu is held.
func (c *conn) apply(d *deadline) error {
	d.set = c.due(d)
	if d == &c.read {
		return c.Conn.SetReadDeadline(d.set)
	}
	return c.Conn.SetWriteDeadline(d.set)
}

func (c *conn) SetReadDeadline(t time.Time) error  { return c.setDeadline(&c.read, t) }
func (c *conn) SetWriteDeadline(t time.Time) error { return c.setDeadline(&c.write, t) }

func (c *conn) setDeadline(d *deadline, t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	d.want = t
	if d.waiting == 0 {
		return nil
	}
	return c.hasten(d)
}

func (c *conn) SetDeadline(t time.Time) error {
	if err := c.SetWriteDeadline(t); err != nil {
		return err
	}
	return c.SetReadDeadline(t)
}

// CloseWrite tells the client that no more will come. net/http calls it before
// it waits for a client that may still be sending, so that the end of the
// answer is not lost with what is in the air.
func (c *conn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

// leaveAfter closes the connection in a while, unless it is busy then.
func (c *conn) leaveAfter(wait time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.leaveAt = time.Now().Add(wait)
	_ = c.hasten(&c.read) // fails on a connection that is closed, which is well
}

func (c *conn) setBusy(busy bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.busy = busy
	if c.leaveAt.IsZero() {
		return
	}
	if !busy { // its answer had begun when the draining did, and told the client nothing
		c.leaveAt = time.Now().Add(linger)
	}
	_ = c.hasten(&c.read)
}
