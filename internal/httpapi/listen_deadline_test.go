package httpapi

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"
)

// connected returns the two ends of a connection, of which ours is a conn.
func connected(t *testing.T) (ours *conn, theirs net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if theirs, err = net.Dial("tcp", l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	beneath, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { theirs.Close(); beneath.Close() })
	return &conn{Conn: beneath}, theirs
}

// times calls a function that must wait for its deadline, and checks when it
// ended.
func times(t *testing.T, call func() error, atLeast time.Duration) {
	t.Helper()
	begin := time.Now()
	err := call()
	if took := time.Since(begin); took < atLeast || took > atLeast+5*time.Second {
		t.Errorf("ended after %v, want %v", took, atLeast)
	}
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("ended with %v", err)
	}
}

func TestReadDeadline(t *testing.T) {
	c, theirs := connected(t)
	b := make([]byte, 8)
	read := func() error { _, err := c.Read(b); return err }
	in := func(d time.Duration) { c.SetReadDeadline(time.Now().Add(d)) }

	in(20 * time.Millisecond)
	times(t, read, 20*time.Millisecond)
	times(t, read, 0) // it holds until another is set

	in(20 * time.Millisecond) // a second one, later than what the connection beneath has by then
	in(200 * time.Millisecond)
	times(t, read, 195*time.Millisecond)

	// One that is set while a call waits: an earlier one, and a later one.
	in(time.Hour)
	time.AfterFunc(50*time.Millisecond, func() { c.SetReadDeadline(time.Unix(1, 0)) })
	times(t, read, 45*time.Millisecond)
	in(50 * time.Millisecond)
	time.AfterFunc(10*time.Millisecond, func() { in(200 * time.Millisecond) })
	times(t, read, 195*time.Millisecond)

	// None any more.
	in(-time.Second)
	times(t, read, 0)
	c.SetReadDeadline(time.Time{})
	time.AfterFunc(50*time.Millisecond, func() { theirs.Write([]byte("late")) })
	if n, err := c.Read(b); string(b[:n]) != "late" || err != nil {
		t.Errorf("read %q, %v", b[:n], err)
	}
	theirs.Close()
	in(time.Hour)
	if err := read(); err != io.EOF {
		t.Errorf("at its end: %v", err)
	}
}

// TestWriteDeadline writes to a reader that does not keep up: what was written
// before the connection beneath woke is not written again.
func TestWriteDeadline(t *testing.T) {
	c, theirs := connected(t)
	sent := bytes.Repeat([]byte("0123456789abcde\n"), 1<<20)
	var n int
	write := func() (err error) { n, err = c.Write(sent); return err }

	c.SetWriteDeadline(time.Now().Add(30 * time.Millisecond))
	times(t, write, 30*time.Millisecond)
	first := n

	c.SetWriteDeadline(time.Now().Add(time.Hour)) // beneath, the old one still holds
	got := make(chan []byte)
	go func() {
		time.Sleep(50 * time.Millisecond)
		all, _ := io.ReadAll(theirs)
		got <- all
	}()
	if err := write(); err != nil || n != len(sent) {
		t.Errorf("wrote %d of %d: %v", n, len(sent), err)
	}
	c.Close()
	if all := <-got; !bytes.Equal(all, append(sent[:first:first], sent...)) {
		t.Errorf("%d bytes arrived of %d and %d", len(all), first, len(sent))
	}
}
