package latchkey

import (
	"encoding/json"
	"errors"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Codes of an [Error].
const (
	CodeInvalid              = "invalid"
	CodeUnauthenticated      = "unauthenticated"
	CodeForbidden            = "forbidden"
	CodeNotFound             = "not_found"
	CodeMethodNotAllowed     = "method_not_allowed"
	CodeConflict             = "conflict"
	CodePreconditionFailed   = "precondition_failed"
	CodeTooLarge             = "too_large"
	CodeUnsupportedMediaType = "unsupported_media_type"
	CodeIdempotencyMismatch  = "idempotency_mismatch"
	CodeRateLimited          = "rate_limited"
	CodeInternal             = "internal"
	CodeUnavailable          = "unavailable"
)

// An Error is a call that the server refused. Find it in the error of any
// method:
//
//	if e, ok := errors.AsType[*latchkey.Error](err); ok && e.Code == latchkey.CodeConflict {
//		…
//	}
//
// Errors of other types say that there was no answer.
type Error struct {
	// Problem is the server's answer. Its Code is "" where something before the
	// server has answered in its place.
	Problem

	// RetryAfter is when trying again makes sense; 0 where the server did not
	// say.
	RetryAfter time.Duration
}

// Error tells the code, all that was wrong, and the id of the request.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString("latchkey: ")
	if e.Code != "" {
		b.WriteString(e.Code + ": ")
	}
	if len(e.Errors) == 0 {
		b.WriteString(e.Detail)
	}
	for i, f := range e.Errors {
		if i > 0 {
			b.WriteString("; ")
		}
		b.WriteString(f.String())
	}
	if e.MissingPermission != "" && !strings.Contains(e.Detail, e.MissingPermission) {
		b.WriteString(", which takes " + e.MissingPermission)
	}
	if e.RequestID != "" {
		b.WriteString(" (request " + e.RequestID + ")")
	}
	return b.String()
}

// String tells where the fault is, and what.
func (f Fault) String() string {
	switch {
	case f.Parameter != "":
		return f.Parameter + ": " + f.Detail
	case f.Pointer != nil && *f.Pointer != "":
		return strings.TrimPrefix(*f.Pointer, "/") + ": " + f.Detail
	}
	return f.Detail
}

// problem returns the error that an answer is. Only what the server itself
// wrote is repeated.
func problem(resp *http.Response, body []byte) *Error {
	e := &Error{RetryAfter: retryAfter(resp.Header.Get("Retry-After"), time.Now())}
	if t, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type")); t == "application/problem+json" {
		if json.Unmarshal(body, &e.Problem) == nil && e.Code != "" {
			e.Status = resp.StatusCode
			return e
		}
	}
	title := http.StatusText(resp.StatusCode)
	e.Problem = Problem{Status: resp.StatusCode, Title: title, RequestID: resp.Header.Get("X-Request-Id")}
	e.Detail = strings.TrimSpace(strconv.Itoa(resp.StatusCode)+" "+title) + ", and the answer is not latchkey's own"
	return e
}

// retryAfter reads the header: seconds, or a date.
func retryAfter(s string, now time.Time) time.Duration {
	if n, err := strconv.ParseUint(s, 10, 31); err == nil {
		return time.Duration(n) * time.Second
	}
	if at, err := http.ParseTime(s); err == nil {
		return max(0, at.Sub(now))
	}
	return 0
}

func asError(err error) (*Error, bool) { return errors.AsType[*Error](err) }
