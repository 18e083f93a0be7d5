package httpapi

import (
	"bytes"
	"net/http"
	"net/textproto"
	"strings"
)

// A verdict is what the first bytes of a request come to.
type verdict uint8

const (
	foreign verdict = iota // for net/http to deal with
	partial                // the beginning of a request that may be ours
	headed                 // the same, and its header is whole
	whole                  // a request, and nothing after it
)

// maxFrontHeaders is far more than clients of the hot routes send.
const maxFrontHeaders = 32

// parse reads a request that stands in b whole. It takes the plainest form of
// HTTP/1.1 alone, in which nobody along the way can disagree about where a
// request ends: one Content-Length, no Transfer-Encoding, no header twice,
// nothing folded, CRLF at every end of a line. All else is foreign. What it
// takes it understands as net/http does.
func (x *exchange) parse(b []byte, hot func(path string) bool) verdict {
	end := bytes.Index(b, []byte("\r\n\r\n"))
	if end < 0 {
		return begins(b, hot)
	}
	line, rest, _ := strings.Cut(string(b[:end]), "\r\n")
	path, ok := hotPath(line, hot)
	if !ok {
		return foreign
	}
	x.reset(path)
	for rest != "" {
		line, rest, _ = strings.Cut(rest, "\r\n")
		if !x.field(line) {
			return foreign
		}
	}
	body := b[end+len("\r\n\r\n"):]
	switch {
	case x.request.Host == "" || x.request.ContentLength < 0 || int64(len(body)) > x.request.ContentLength:
		return foreign
	case int64(len(body)) < x.request.ContentLength:
		return headed
	}
	x.body = body
	return whole
}

// begins reports whether b may be the beginning of a request of ours.
func begins(b []byte, hot func(path string) bool) verdict {
	for i, c := range b {
		if c == '\n' && (i == 0 || b[i-1] != '\r') {
			return foreign // net/http takes such an end of a line, and need not wait for ours
		}
	}
	line, _, ended := strings.Cut(string(b), "\r\n")
	if ended {
		if _, ok := hotPath(line, hot); !ok {
			return foreign
		}
	} else if n := min(len(line), len(method)); line[:n] != method[:n] {
		return foreign
	}
	return partial
}

const method = "POST "

// hotPath returns the path of a request line that is for a hot route.
func hotPath(line string, hot func(path string) bool) (path string, ok bool) {
	path, ok = strings.CutPrefix(line, method)
	if ok {
		path, ok = strings.CutSuffix(path, " HTTP/1.1")
	}
	return path, ok && hot(path)
}

// field takes one header, and reports whether it is of the plain form.
func (x *exchange) field(line string) bool {
	name, value, ok := strings.Cut(line, ":")
	value = strings.Trim(value, " \t")
	if !ok || !plainName(name) || !plainValue(value) || len(x.values) == maxFrontHeaders {
		return false
	}
	name = textproto.CanonicalMIMEHeaderKey(name)
	switch name {
	case "Host":
		if x.request.Host != "" || !plainHost(value) {
			return false
		}
		x.request.Host = value
		return true
	case "Content-Length":
		if x.request.ContentLength >= 0 || len(value) == 0 || len(value) > 5 {
			return false
		}
		n := int64(0)
		for i := range len(value) {
			if value[i] < '0' || value[i] > '9' {
				return false
			}
			n = 10*n + int64(value[i]-'0')
		}
		x.request.ContentLength = n
	case "Connection":
		if !strings.EqualFold(value, "keep-alive") {
			return false
		}
	case "Transfer-Encoding", "Trailer", "Te", "Expect", "Upgrade", "Proxy-Connection", "Pragma":
		return false
	}
	if x.request.Header[name] != nil {
		return false
	}
	x.values = append(x.values, value)
	n := len(x.values)
	x.request.Header[name] = x.values[n-1 : n : n]
	return true
}

func plainName(s string) bool {
	for i := range len(s) {
		c := s[i]
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-') {
			return false
		}
	}
	return s != ""
}

func plainValue(s string) bool {
	for i := range len(s) {
		if s[i] < 0x20 || s[i] > 0x7e {
			return false
		}
	}
	return true
}

func plainHost(s string) bool {
	for i := range len(s) {
		c := s[i]
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '.' || c == ':' || c == '[' || c == ']') {
			return false
		}
	}
	return s != ""
}

// reset makes the exchange ready for a request to a path.
func (x *exchange) reset(path string) {
	header := x.request.Header
	clear(header)
	x.values = x.values[:0]
	x.url.Path = path
	x.request = http.Request{
		Method: http.MethodPost, URL: &x.url, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: header,
		ContentLength: -1, RequestURI: path, RemoteAddr: x.remote,
	}
}
