package latchkey

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"time"
)

const (
	firstPause = 100 * time.Millisecond
	maxPause   = 5 * time.Second
)

// send makes a call, and makes it again where that is safe and can help.
func (c *Client) send(ctx context.Context, q *call) ([]byte, http.Header, error) {
	r, err := c.request(ctx, q)
	if err != nil {
		return nil, nil, fmt.Errorf("latchkey: %s %s: %w", q.method, q.path, err)
	}
	retries := cmp.Or(c.Retries, 3)
	until := time.Now().Add(cmp.Or(c.RetryFor, 15*time.Second))
	if deadline, ok := ctx.Deadline(); ok && deadline.Before(until) {
		until = deadline
	}
	doubtful := false // an earlier try may have been carried out, though its answer never came
	for try := 0; ; try++ {
		body, h, err := c.attempt(r)
		if err == nil || doubtful && q.done(err) {
			return body, h, nil
		}
		again, maybe := c.retryable(q, err)
		doubtful = doubtful || maybe
		pause := pauseOf(try, err)
		if !again || try >= retries || time.Now().Add(pause).After(until) || ctx.Err() != nil {
			return nil, nil, err
		}
		select {
		case <-ctx.Done():
			return nil, nil, fmt.Errorf("%w; gave up trying again: %w", err, ctx.Err())
		case <-time.After(pause):
		}
	}
}

// done reports whether an error says that an earlier try was carried out: what
// was to be deleted is gone, and with it perhaps the caller's own key.
func (q *call) done(err error) bool {
	e, ok := asError(err)
	if !ok || q.method != http.MethodDelete && !q.ends {
		return false
	}
	return e.Code == CodeNotFound || e.Code == CodeUnauthenticated && q.path == selfPath
}

// repeatable reports whether a call can be carried out twice and do what it
// does once. A condition holds only the first time.
func (c *Client) repeatable(q *call) bool {
	switch q.method {
	case http.MethodGet, http.MethodDelete:
		return true
	case http.MethodPut:
		return q.ifMatch == ""
	case http.MethodPost:
		return q.ends || q.idempotency != "" && c.RootKey != "" // the server keeps no answers for the public
	}
	return false
}

// retryable reports whether trying again is safe and can help, and whether the
// failed try may have been carried out.
func (c *Client) retryable(q *call, err error) (again, doubtful bool) {
	e, answered := asError(err)
	if !answered {
		if hopeless(err) {
			return false, false
		}
		op, ok := errors.AsType[*net.OpError](err)
		sent := !ok || op.Op != "dial"
		return !sent || c.repeatable(q), sent
	}
	switch e.Status {
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		// By these the server itself says that nothing was done.
		own := e.Code == CodeRateLimited || e.Code == CodeUnavailable
		return own || c.repeatable(q), !own
	case http.StatusBadGateway, http.StatusGatewayTimeout:
		return c.repeatable(q), true
	case http.StatusConflict:
		// The first of several calls with one idempotency key still runs.
		return q.idempotency != "" && e.RetryAfter > 0, false
	}
	return false, false
}

// hopeless reports whether a call that had no answer would have none again.
func hopeless(err error) bool {
	if errors.Is(err, context.Canceled) || errors.Is(err, http.ErrSchemeMismatch) {
		return true
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return true
	}
	dns, ok := errors.AsType[*net.DNSError](err)
	return ok && dns.IsNotFound
}

// pauseOf returns how long to wait after a try: as long as the server says, and
// at least a time that doubles, shortened at random so that many who failed
// together do not come back together.
func pauseOf(try int, err error) time.Duration {
	pause := min(firstPause<<min(try, 10), maxPause)
	pause -= rand.N(pause / 2)
	if e, ok := asError(err); ok && e.RetryAfter > 0 {
		pause += e.RetryAfter
	}
	return pause
}
