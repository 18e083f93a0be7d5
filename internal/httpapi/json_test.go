package httpapi

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"latchkey/internal/keys"
)

// TestReadBody reads bodies of a length that is told, or not.
func TestReadBody(t *testing.T) {
	for _, tt := range []struct {
		name   string
		length int64 // -1: chunked
		body   io.Reader
		max    int64
		want   int // bytes, where there is no error
		code   keys.Code
	}{
		{"none", 0, http.NoBody, 10, 0, ""},
		{"short", 3, strings.NewReader("abc"), 10, 3, ""},
		{"as long as may be", 10, strings.NewReader("0123456789"), 10, 10, ""},
		{"as long as may be, chunked", -1, strings.NewReader("0123456789"), 10, 10, ""},
		{"too long by what it says", 11, iotest.ErrReader(errors.New("must not be read")), 10, 0, TooLarge},
		{"too long, chunked", -1, strings.NewReader("0123456789a"), 10, 0, TooLarge},
		{"endless", -1, iotest.OneByteReader(endless{}), 10_000, 0, TooLarge},
		{"longer than it says", 3, strings.NewReader("0123456789a"), 10, 0, TooLarge},
		{"in small pieces", -1, iotest.OneByteReader(strings.NewReader(strings.Repeat("a", 9000))), 10_000, 9000, ""},
		{"cut short", 9, iotest.TimeoutReader(io.MultiReader(strings.NewReader("abc"), iotest.ErrReader(io.ErrUnexpectedEOF))), 10, 0, keys.Invalid},
		{"broken by the connection", -1, iotest.ErrReader(errors.New("reset")), 10, 0, keys.Invalid},
		{"bounded by another reader", -1, http.MaxBytesReader(nil, io.NopCloser(strings.NewReader("0123456789")), 5), 100, 0, TooLarge},
		{"the default bound", DefaultMaxBody, bytes.NewReader(make([]byte, DefaultMaxBody)), 0, DefaultMaxBody, ""},
		{"beyond the default bound", -1, bytes.NewReader(make([]byte, DefaultMaxBody+1)), 0, 0, TooLarge},
	} {
		t.Run(tt.name, func(t *testing.T) {
			body, err := ReadBody(&http.Request{ContentLength: tt.length, Body: io.NopCloser(tt.body)}, tt.max)
			if tt.code == "" {
				if err != nil || len(body) != tt.want {
					t.Errorf("got %d bytes, %v; want %d", len(body), err, tt.want)
				}
				return
			}
			if !keys.Is(err, tt.code) {
				t.Errorf("got %d bytes, %v; want %s", len(body), err, tt.code)
			}
		})
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

// TestBodiesOverTheWire sends bodies that are not what they say. Whatever they
// are, the fault is the sender's.
func TestBodiesOverTheWire(t *testing.T) {
	a := apiOf(do("/x", func(w http.ResponseWriter, r *http.Request, _ *Call) error {
		body, err := ReadBody(r, 16)
		if err == nil {
			fmt.Fprintf(w, "%s", body)
		}
		return err
	}))
	log := new(lockedBuffer)
	a.Log = slog.New(slog.NewTextHandler(log, nil))
	r := start(t, Handler(a), nil, time.Second)
	defer func() { r.stop(); r.wait(t, 2*time.Second) }()
	for _, tt := range []struct{ name, head, body, want string }{
		{"whole", "Content-Length: 3", "abc", "200"},
		{"chunked", "Transfer-Encoding: chunked", "3\r\nabc\r\n0\r\n\r\n", "200"},
		{"too long", "Content-Length: 17", strings.Repeat("a", 17), "413"},
		{"too long by far, not sent", "Content-Length: 99999999999", "", "413"},
		{"too long, chunked", "Transfer-Encoding: chunked", "11\r\n" + strings.Repeat("a", 17) + "\r\n0\r\n\r\n", "413"},
		{"cut short", "Content-Length: 10", "abc", "400"},
		{"cut short, chunked", "Transfer-Encoding: chunked", "5\r\nabc", "400"},
		{"no chunk's length", "Transfer-Encoding: chunked", "zz\r\nabc\r\n0\r\n\r\n", "400"},
		{"a negative chunk", "Transfer-Encoding: chunked", "-1\r\nabc\r\n0\r\n\r\n", "400"},
		{"a huge chunk", "Transfer-Encoding: chunked", "fffffffffffffffff\r\nabc", "400"},
		{"no end of a chunk", "Transfer-Encoding: chunked", "3\r\nabcdef\r\n0\r\n\r\n", "400"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, in := dial(t, r.addr)
			fmt.Fprintf(c, "POST /x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n%s\r\n\r\n%s", tt.head, tt.body)
			_ = c.(*net.TCPConn).CloseWrite()
			line, err := in.ReadString('\n')
			if err != nil || !strings.HasPrefix(line, "HTTP/1.1 "+tt.want) {
				t.Errorf("got %q, %v; want %s", line, err, tt.want)
			}
		})
	}
	if strings.Contains(log.String(), "level=ERROR") || strings.Contains(log.String(), "level=WARN") {
		t.Errorf("a sender's fault was logged as one of ours: %s", log)
	}
}

func TestMediaType(t *testing.T) {
	for header, want := range map[string]string{
		"": "", "application/json": "application/json", "Application/JSON; charset=utf-8": "application/json",
		"application/merge-patch+json": "application/merge-patch+json", "text/plain;": "text/plain",
		"application/json; charset": "?", ";": "?", "\xff": "?", "application/json, text/plain": "?",
	} {
		r := &http.Request{Header: http.Header{}}
		if header != "" {
			r.Header.Set("Content-Type", header)
		}
		if got := MediaType(r); got != want {
			t.Errorf("%q: got %q, want %q", header, got, want)
		}
	}
}

type greeting struct {
	Name string `json:"name" required:"true"`
}

// TestJSON adapts a function.
func TestJSON(t *testing.T) {
	greet := func(_ context.Context, by keys.Actor, req greeting) (greeting, error) {
		if req.Name == "nobody" {
			return greeting{}, keys.Errorf(keys.NotFound, "nobody is not here")
		}
		return greeting{Name: "hello " + req.Name + " by " + string(by.Kind)}, nil
	}
	h := Handler(apiOf(
		do("/strict", JSON(http.StatusCreated, Decoding{MaxBody: 32}, greet)),
		do("/lenient", JSON(http.StatusOK, Decoding{Lenient: true}, greet)),
	))
	for _, tt := range []struct{ name, path, body, want string }{
		{"answer", "/strict", `{"name":"ann"}`, `201 {"name":"hello ann by public"}`},
		{"unknown member", "/strict", `{"name":"ann","x":1}`, `400 one: invalid`},
		{"unknown member, lenient", "/lenient", `{"name":"ann","x":1}`, `200 {"name":"hello ann by public"}`},
		{"too long", "/strict", `{"name":"` + strings.Repeat("n", 32) + `"}`, `413 one: too_large`},
		{"error", "/strict", `{"name":"nobody"}`, `404 one: not_found`},
		{"empty", "/lenient", ``, `400 one: invalid`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := httptest.NewRequest("POST", tt.path, strings.NewReader(tt.body))
			w := answer(h, r)
			if got := fmt.Sprint(w.Code, " ", w.Body); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

func TestWriteJSON(t *testing.T) {
	for _, tt := range []struct {
		name string
		v    any
		want string
	}{
		{"no list", struct {
			L []string `json:"l"`
		}{}, `{"l":[]}`},
		{"no map", struct {
			M map[string]int `json:"m"`
		}{}, `{"m":{}}`},
		{"no pointer", struct {
			P *int `json:"p"`
		}{}, `{"p":null}`},
		{"a map has an order", map[string]int{"c": 3, "a": 1, "b": 2}, `{"a":1,"b":2,"c":3}`},
		{"markup stays", "<a & b>", `"<a & b>"`},
		{"what is no UTF-8", "a\xffb", `"a` + "\ufffd" + `b"`},
		{"names that are no UTF-8", map[string]string{"\xff": "\xc3"}, `{"` + "\ufffd" + `":"` + "\ufffd" + `"}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := httptest.NewRecorder()
			if err := WriteJSON(w, http.StatusAccepted, "application/problem+json", tt.v); err != nil {
				t.Fatal(err)
			}
			if w.Body.String() != tt.want || w.Code != http.StatusAccepted {
				t.Errorf("got %d %s, want 202 %s", w.Code, w.Body, tt.want)
			}
			if w.Header().Get("Content-Type") != "application/problem+json" || w.Header().Get("Content-Length") != fmt.Sprint(len(tt.want)) {
				t.Errorf("the header is %v", w.Header())
			}
		})
	}
	w := httptest.NewRecorder()
	if err := WriteJSON(w, http.StatusOK, "application/json", func() {}); err == nil || w.Body.Len() > 0 || w.Header().Get("Content-Type") != "" {
		t.Errorf("a value that is no JSON: error %v, answer %q, header %v; want an error and nothing written", err, w.Body, w.Header())
	}
}

func TestMaybePointer(t *testing.T) {
	for what, tt := range map[string]struct {
		member Maybe[int]
		there  bool
	}{
		"absent": {Maybe[int]{}, false}, "null": {Maybe[int]{0, true, true}, false}, "zero": {Maybe[int]{0, true, false}, true},
	} {
		if p := tt.member.Pointer(); (p != nil) != tt.there || p != nil && *p != 0 {
			t.Errorf("%s: %v", what, p)
		}
	}
}

func TestRetryAfter(t *testing.T) {
	for d, want := range map[time.Duration]string{-time.Second: "1", 0: "1", 1: "1", time.Second: "1", time.Second + 1: "2", time.Hour: "3600"} {
		if got := RetryAfter(d); got != want {
			t.Errorf("%v: %s, want %s", d, got, want)
		}
	}
}
