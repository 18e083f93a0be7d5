package httpapi

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"
)

// Bounds on every phase of a connection. They are no settings: a client that
// needs more than these is broken or hostile.
const (
	readHeaderTimeout = 5 * time.Second   // a TLS handshake too
	readTimeout       = 15 * time.Second  // header and body
	writeTimeout      = 30 * time.Second  // from the end of the header to the end of the answer
	idleTimeout       = 120 * time.Second // between two requests
	maxHeaderBytes    = 16 << 10          // net/http adds 4 KiB to it
)

// NewServer returns a server of HTTP/1.1, and of HTTP/2 over TLS, that bounds
// every phase of a connection. [Serve] uses one; it is exported for those who
// compare a handler with ours under equal terms.
func NewServer(h http.Handler) *http.Server {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(true)
	return &http.Server{
		Handler:           h,
		Protocols:         protocols,
		ReadHeaderTimeout: readHeaderTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          errorLog(slog.Default()),
	}
}

// Serve answers requests on l until ctx is done, and then ends it gracefully:
// it stops listening, answers every request whose header has been read, closes
// the connections that are idle, and after grace cuts what is left. It closes l
// and returns within grace and half a second more. With a tls config it speaks
// TLS. An error means that it could not serve.
func Serve(ctx context.Context, log *slog.Logger, l net.Listener, h http.Handler, tlsConfig *tls.Config, grace time.Duration) error {
	tracked := newListener(l)
	srv := NewServer(atTheDoor(tracked, h))
	srv.ErrorLog = errorLog(log)
	srv.ConnState = tracked.observe

	failed := make(chan error, 2)
	if tlsConfig != nil {
		srv.TLSConfig = tlsConfig.Clone()
		go func() { failed <- srv.ServeTLS(tracked, "", "") }()
	} else {
		rest := newRest(l.Addr())
		defer rest.Close()
		f := &front{listener: tracked, handler: srv.Handler, hot: hotPaths(h), rest: rest, log: log}
		go func() { failed <- f.run() }()
		go func() { failed <- srv.Serve(rest) }()
	}
	select {
	case err := <-failed:
		_ = srv.Close()
		return fmt.Errorf("serve on %s: %w", l.Addr(), err)
	case <-ctx.Done():
	}

	// http.Server.Shutdown is not used: it closes a connection that it takes
	// for idle although a request has just been read from it, and does not
	// answer a request whose header arrives while it runs.
	select {
	case <-tracked.drain(min(linger, grace)):
		return nil
	case <-time.After(grace):
	}
	log.Warn("requests did not end in time and were cut", "connections", tracked.open(), "grace", grace)
	err := srv.Close()
	tracked.cut()
	select {
	case <-tracked.empty:
	case <-time.After(cutTime):
	}
	if err != nil && !errors.Is(err, net.ErrClosed) {
		return fmt.Errorf("close the listener on %s: %w", l.Addr(), err)
	}
	return nil
}

// hotPaths returns what tells the hot routes of a handler.
func hotPaths(h http.Handler) func(path string) bool {
	if rt, ok := h.(interface{ hot(path string) bool }); ok {
		return rt.hot
	}
	return func(string) bool { return false }
}

// atTheDoor does what concerns the connection more than the request. While l
// drains, it tells the clients that still have a connection to make their next
// request elsewhere; on HTTP/2 net/http turns that into a GOAWAY. The preface
// of HTTP/2 on a connection that speaks HTTP/1, which net/http passes on, ends
// here.
//
// A body in chunks is the last of its connection. If it came with a length too,
// which net/http does not tell, a proxy in front may see a request where we see
// a part of the body, or the other way round, and RFC 9112 has the connection
// closed.
func atTheDoor(l *listener, h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if l.draining.Load() || r.TransferEncoding != nil {
			w.Header().Set("Connection", "close")
		}
		if r.Method == "PRI" {
			w.Header().Set("Connection", "close")
			http.Error(w, "HTTP/2 is spoken over TLS alone", http.StatusHTTPVersionNotSupported)
			return
		}
		h.ServeHTTP(w, r)
	})
}

// errorLog receives what net/http has to say about connections: handshakes that
// failed, requests that were none. It is for debugging alone, save a panic,
// which is a fault of ours; its value may hold anything, and is left out.
func errorLog(to *slog.Logger) *log.Logger {
	return log.New(errorWriter{to}, "", 0)
}

type errorWriter struct{ log *slog.Logger }

var _ io.Writer = errorWriter{}

func (w errorWriter) Write(p []byte) (int, error) {
	line, stack, _ := strings.Cut(strings.TrimSpace(string(p)), "\n")
	if strings.HasPrefix(line, "http: panic serving ") {
		w.log.Error("a handler panicked", "stack", stack)
	} else {
		w.log.Debug("connection", "detail", line)
	}
	return len(p), nil
}
