package httpapi

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"log"
	"maps"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// hotHandler is a handler whose route at /hot is for the front.
type hotHandler struct{ http.Handler }

func (hotHandler) hot(path string) bool { return path == "/hot" }

// echoing answers with what the handler is told of a request.
var echoing = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if r.Header.Get("X-Panic") != "" {
		panic(http.ErrAbortHandler)
	}
	w.Header().Set("X-Odd", "one\r\ntwo")
	w.Header().Set("Content-Type", "text/plain")
	w.Header().Add("X-Many", "a")
	w.Header().Add("X-Many", "b")
	if r.Header.Get("X-Leave") != "" {
		w.Header().Set("Connection", "close")
	}
	if strings.HasPrefix(r.Header.Get("X-Status"), "4") {
		w.WriteHeader(http.StatusTeapot)
	}
	fmt.Fprintf(w, "%s %s %s %s %d %v\n", r.Method, r.RequestURI, r.Proto, r.Host, r.ContentLength, err)
	for _, name := range []string{"Authorization", "Content-Type", "X-Twice", "X-Folded", "Content-Length", "Host", "Connection"} {
		fmt.Fprintf(w, "%s: %q\n", name, r.Header[name])
	}
	w.Write(body)
})

// said is what one connection is told, as far as it can be compared.
type said struct {
	Status int
	Header http.Header
	Body   string
}

// converse sends the parts of a conversation one by one, and reads answers until
// the server closes or n have come.
func converse(t *testing.T, addr string, parts []string, n int) (out []said, closed bool) {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(10 * time.Second))
	go func() {
		for i, part := range parts {
			if i > 0 {
				time.Sleep(2 * time.Millisecond) // a segment of its own
			}
			c.Write([]byte(part))
		}
	}()
	r := bufio.NewReader(c)
	for len(out) < n {
		resp, err := http.ReadResponse(r, &http.Request{Method: "POST"})
		if err != nil {
			return out, true
		}
		body, _ := io.ReadAll(resp.Body)
		if at, err := http.ParseTime(resp.Header.Get("Date")); err == nil && time.Since(at) < time.Minute {
			resp.Header.Set("Date", "now") // net/http has none where it takes no request
		}
		if resp.Close {
			resp.Header.Set("Connection", "close")
		}
		out = append(out, said{resp.StatusCode, resp.Header, string(body)})
	}
	c.SetDeadline(time.Now().Add(50 * time.Millisecond))
	_, err = r.ReadByte()
	return out, err == io.EOF
}

// hotPost is a request to the hot route.
func hotPost(body string, lines ...string) string {
	head := append([]string{"POST /hot HTTP/1.1", "Host: example", fmt.Sprintf("Content-Length: %d", len(body))}, lines...)
	return strings.Join(head, "\r\n") + "\r\n\r\n" + body
}

// TestFrontAnswersAsNetHTTP has conversations with a server whose front takes
// the hot route, and with one of net/http alone.
func TestFrontAnswersAsNetHTTP(t *testing.T) {
	withFront := start(t, hotHandler{echoing}, nil, time.Second)
	defer withFront.stop()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	alone := NewServer(atTheDoor(newListener(l), echoing))
	alone.ErrorLog = log.New(io.Discard, "", 0)
	go alone.Serve(l)
	defer alone.Close()
	plain := hotPost(`{"key":"x"}`, "Authorization: Bearer k", "Content-Type: application/json")
	large := hotPost(strings.Repeat("x", 10_000))
	for _, tt := range []struct {
		name    string
		parts   []string
		answers int
	}{
		{"a plain one", []string{plain}, 1},
		{"several, one after the other", []string{plain, hotPost("two"), hotPost(""), plain}, 4},
		{"headers in lower case and with spaces", []string{"POST /hot HTTP/1.1\r\nhost:  example \r\ncontent-length:\t2\r\nauthorization:Bearer k  \r\n\r\nab"}, 1},
		{"byte by byte", strings.Split(hotPost("ab"), ""), 1},
		{"header and body apart", []string{hotPost("")[:strings.Index(hotPost(""), "Content")] + "Content-Length: 3\r\n\r\n", "a", "bc"}, 1},
		{"two in one segment", []string{plain + hotPost("two")}, 2},
		{"one and a half", []string{plain + "POST /hot HT", "TP/1.1\r\nHost: e\r\nContent-Length: 0\r\n\r\n"}, 2},
		{"a large body, and then a small one", []string{large, plain}, 2},
		{"a large header", []string{hotPost("a", "X-Long: "+strings.Repeat("y", 6000)), plain}, 2},
		{"chunks", []string{"POST /hot HTTP/1.1\r\nHost: e\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"}, 1},
		{"chunks and a length", []string{"POST /hot HTTP/1.1\r\nHost: e\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"}, 1},
		{"two lengths that differ", []string{"POST /hot HTTP/1.1\r\nHost: e\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd"}, 1},
		{"two lengths alike", []string{"POST /hot HTTP/1.1\r\nHost: e\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc"}, 1},
		{"a length with a sign", []string{"POST /hot HTTP/1.1\r\nHost: e\r\nContent-Length: +3\r\n\r\nabc"}, 1},
		{"a length that is no number", []string{"POST /hot HTTP/1.1\r\nHost: e\r\nContent-Length: 0x3\r\n\r\nabc"}, 1},
		{"an empty length", []string{"POST /hot HTTP/1.1\r\nHost: e\r\nContent-Length:\r\n\r\n"}, 1},
		{"no length", []string{"POST /hot HTTP/1.1\r\nHost: e\r\n\r\n"}, 1},
		{"no host", []string{"POST /hot HTTP/1.1\r\nContent-Length: 0\r\n\r\n"}, 1},
		{"two hosts", []string{hotPost("", "Host: other")}, 1},
		{"an odd host", []string{"POST /hot HTTP/1.1\r\nHost: a b\r\nContent-Length: 0\r\n\r\n"}, 1},
		{"no header at all", []string{"POST /hot HTTP/1.1\r\n\r\n"}, 1},
		{"a header twice", []string{hotPost("a", "X-Twice: 1", "X-Twice: 2"), plain}, 2},
		{"a folded header", []string{hotPost("a", "X-Folded: 1\r\n 2")}, 1},
		{"a space before the colon", []string{hotPost("a", "X-Twice : 1")}, 1},
		{"a header without a colon", []string{hotPost("a", "X-Twice")}, 1},
		{"a control character", []string{hotPost("a", "X-Twice: a\x01b")}, 1},
		{"a bare newline", []string{hotPost("a", "X-Twice: a\nX-Folded: b")}, 1},
		{"newlines alone", []string{strings.ReplaceAll(hotPost("a"), "\r\n", "\n")}, 1},
		{"bytes beyond ASCII", []string{hotPost("a", "X-Twice: \xc3\xa9")}, 1},
		{"an expectation", []string{"POST /hot HTTP/1.1\r\nHost: e\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\na"}, 1},
		{"keep-alive", []string{hotPost("a", "Connection: keep-alive"), hotPost("b", "Connection: Keep-Alive")}, 2},
		{"close", []string{hotPost("a", "Connection: close")}, 1},
		{"the handler closes", []string{hotPost("a", "X-Leave: 1")}, 1},
		{"the handler panics", []string{hotPost("a", "X-Panic: 1")}, 1},
		{"another status", []string{hotPost("a", "X-Status: 418"), plain}, 2},
		{"HTTP/1.0", []string{strings.Replace(plain, "1.1", "1.0", 1)}, 1},
		{"HTTP/9", []string{strings.Replace(plain, "1.1", "9.9", 1)}, 1},
		{"another method", []string{strings.Replace(plain, "POST", "PUT", 1), plain}, 2},
		{"another path", []string{strings.Replace(plain, "/hot", "/cold", 1), plain}, 2},
		{"a query", []string{strings.Replace(plain, "/hot", "/hot?a=b", 1)}, 1},
		{"an absolute form", []string{strings.Replace(plain, "/hot", "http://example/hot", 1)}, 1},
		{"an escaped path", []string{strings.Replace(plain, "/hot", "/%68ot", 1)}, 1},
		{"two spaces", []string{strings.Replace(plain, " /hot", "  /hot", 1)}, 1},
		{"an upgrade", []string{hotPost("a", "Connection: upgrade", "Upgrade: h2c")}, 1},
		{"the preface of HTTP/2", []string{"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"}, 1},
		{"no HTTP", []string{"\x16\x03\x01\x02\r\n\r\n"}, 1},
		{"nothing", []string{""}, 0},
	} {
		got, gotClosed := converse(t, withFront.addr, tt.parts, tt.answers)
		want, wantClosed := converse(t, l.Addr().String(), tt.parts, tt.answers)
		if diff := cmp.Diff(want, got); diff != "" || gotClosed != wantClosed {
			t.Errorf("%s: closed %t, want %t; answers (-net/http +front):\n%s", tt.name, gotClosed, wantClosed, diff)
		}
	}
}

// TestFrontIsUsed shows that what a test of the front asks is not answered by
// net/http.
func TestFrontIsUsed(t *testing.T) {
	seen := make(chan bool, 1)
	r := start(t, hotHandler{http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, ours := w.(*exchange)
		seen <- ours
	})}, nil, time.Second)
	defer r.stop()
	for _, tt := range []struct {
		request string
		front   bool
	}{
		{hotPost("a"), true},
		{hotPost("a", "X-Twice: 1", "X-Twice: 2"), false},
	} {
		converse(t, r.addr, []string{tt.request}, 1)
		if got := <-seen; got != tt.front {
			t.Errorf("the front answers %q: %t", tt.request, got)
		}
	}
}

// FuzzFront compares what the front understands of a request with what net/http
// does.
func FuzzFront(f *testing.F) {
	f.Add([]byte(hotPost("body", "Authorization: Bearer x", "Connection: keep-alive")))
	f.Add([]byte(hotPost("", "X-A:", "x-b: c ")))
	f.Add([]byte("POST /hot HTTP/1.1\r\nHost: [::1]:80\r\nContent-Length: 00002\r\n\r\nab"))
	f.Add([]byte("POST /hot HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\na"))
	f.Fuzz(func(t *testing.T, b []byte) {
		x := newExchange(&conn{Conn: nowhere{}})
		switch x.parse(b, hotHandler{}.hot) {
		case foreign:
			return
		case partial, headed:
			// However it goes on, what was said so far stands at its beginning.
			if n := min(len(b), len(method)); string(b[:n]) != method[:n] {
				t.Errorf("%q may be a request", b)
			}
			return
		}
		r := bufio.NewReader(bytes.NewReader(b))
		want, err := http.ReadRequest(r)
		if err != nil {
			t.Fatalf("net/http does not take %q: %v", b, err)
		}
		wantBody, err := io.ReadAll(want.Body)
		if err != nil || r.Buffered() > 0 {
			t.Fatalf("net/http reads the body of %q with %v, and leaves %d bytes", b, err, r.Buffered())
		}
		x.begin()
		got := &x.request
		gotBody, _ := io.ReadAll(got.Body)
		if got.Method != want.Method || *got.URL != *want.URL || got.Host != want.Host || got.ContentLength != want.ContentLength ||
			got.RequestURI != want.RequestURI || got.Proto != want.Proto || want.Close || want.TransferEncoding != nil {
			t.Errorf("%q:\nfront    %+v\nnet/http %+v", b, got, want)
		}
		if !bytes.Equal(gotBody, wantBody) || !maps.EqualFunc(got.Header, want.Header, func(a, b []string) bool { return len(a) == 1 && len(b) == 1 && a[0] == b[0] }) {
			t.Errorf("%q:\nfront    %v %q\nnet/http %v %q", b, got.Header, gotBody, want.Header, wantBody)
		}
	})
}

// nowhere is a connection that has an address and no more.
type nowhere struct{ net.Conn }

func (nowhere) RemoteAddr() net.Addr { return &net.TCPAddr{} }
