package httpapi

import (
	"context"
	"errors"
	"io"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"latchkey/internal/keys"
)

// ReadBody reads a request's body, at most max bytes of it.
func ReadBody(r *http.Request, max int64) ([]byte, error) { return ReadBodyInto(r, max, nil) }

// ReadBodyInto is [ReadBody] into a buffer that may be used again, which it
// makes larger where it must.
func ReadBodyInto(r *http.Request, max int64, buf []byte) ([]byte, error) {
	if max == 0 {
		max = DefaultMaxBody
	}
	if r.ContentLength > max {
		return nil, tooLarge(max)
	}
	var in io.Reader = r.Body
	size := r.ContentLength
	if size < 0 { // not told; the server holds the others to what they told
		in, size = io.LimitReader(r.Body, max+1), max+1
	}
	body, err := readAll(in, buf, min(size, 4096))
	switch {
	case err != nil && isTooLong(err), int64(len(body)) > max:
		return nil, tooLarge(max)
	case err != nil:
		// The body was cut short or badly framed, which is the sender's doing.
		return nil, &keys.Error{Code: keys.Invalid, Message: "the body could not be read to its end", Err: err}
	}
	return body, nil
}

func isTooLong(err error) bool {
	_, ok := errors.AsType[*http.MaxBytesError](err)
	return ok
}

func tooLarge(max int64) error {
	return keys.Errorf(TooLarge, "the body is larger than %d bytes", max)
}

// readAll is [io.ReadAll] with a first guess at the size.
func readAll(r io.Reader, buf []byte, guess int64) ([]byte, error) {
	b := slices.Grow(buf[:0], int(guess)+1)
	for {
		n, err := r.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		if err == io.EOF {
			return b, nil
		}
		if err != nil {
			return b, err
		}
		if len(b) == cap(b) {
			b = append(b, 0)[:len(b)]
		}
	}
}

// MediaType returns the media type of a request's body without parameters, ""
// where none is named.
func MediaType(r *http.Request) string {
	lines := r.Header["Content-Type"]
	if len(lines) == 0 || lines[0] == "" {
		return ""
	}
	ct := lines[0]
	if ct == "application/json" {
		return ct
	}
	t, _, err := mime.ParseMediaType(ct)
	if err != nil {
		return "?"
	}
	return t
}

// JSON adapts a function from a request to a response. It decodes the body
// with [Decode] under opts and answers with the status.
func JSON[Req, Resp any](status int, opts Decoding, fn func(ctx context.Context, by keys.Actor, req Req) (Resp, error)) HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request, c *Call) error {
		var req Req
		body, err := ReadBody(r, opts.MaxBody)
		if err == nil {
			err = Decode(body, &req, opts)
		}
		if err != nil {
			return err
		}
		resp, err := fn(r.Context(), c.Actor, req)
		if err != nil {
			return err
		}
		return WriteJSON(w, status, "application/json", resp)
	}
}

// WriteJSON answers with v. Empty lists and maps are written as such, not as
// null, and bytes that are no UTF-8 as U+FFFD: an answer does not fail because
// it quotes what was sent.
func WriteJSON(w http.ResponseWriter, status int, contentType string, v any) error {
	body, err := json.Marshal(v, json.Deterministic(true), jsontext.AllowInvalidUTF8(true))
	if err != nil {
		return err
	}
	WriteBody(w, status, contentType, body)
	return nil
}

// jsonType is shared by all answers, which replace header values and never
// change them.
var jsonType = []string{"application/json"}

// WriteBody answers with a body that is ready. An answer that could not be
// sent is its reader's loss.
func WriteBody(w http.ResponseWriter, status int, contentType string, body []byte) {
	h := w.Header()
	h["Content-Type"] = jsonType
	if contentType != jsonType[0] {
		h["Content-Type"] = []string{contentType}
	}
	if c, ok := w.(*Call); ok {
		c.lengthLine[0] = strconv.Itoa(len(body))
		h["Content-Length"] = c.lengthLine[:]
	} else {
		h["Content-Length"] = []string{strconv.Itoa(len(body))}
	}
	w.WriteHeader(status)
	w.Write(body)
}

// SetErrorFields sets the header fields that go with an error of a status,
// whatever the form of its body: how to be let in, and when to try again.
func SetErrorFields(h http.Header, status int, e *keys.Error) {
	switch {
	case status == http.StatusUnauthorized:
		h.Set("WWW-Authenticate", "Bearer")
	case e.Code == keys.Unavailable, e.RetryAfter > 0:
		h.Set("Retry-After", RetryAfter(e.RetryAfter))
	}
}

// RetryAfter returns the value of a Retry-After field: whole seconds, one at
// least.
func RetryAfter(d time.Duration) string {
	return strconv.FormatInt(max(1, int64((d+time.Second-1)/time.Second)), 10)
}
