package latchkey

import (
	"context"
	"errors"
	"net/http"
	"time"
)

// Verify asks whether a key is good for a use, and takes what the use costs. A
// key that is not is an answer, not an error: its Outcome says why.
//
// It is tried again only where the server surely did nothing: it could not be
// reached, or said so. With an [IdempotencyKey] it is tried again after any
// failure that can pass.
func (c *Client) Verify(ctx context.Context, req VerifyRequest) (Verification, error) {
	v, err := exchange[Verification](ctx, c, call{method: "POST", path: "/verify", in: req, single: true})
	if err == nil && v.Outcome == "" {
		err = errors.New("latchkey: the answer to a verification is not latchkey's own")
	}
	return v, err
}

// VerifyBatch asks about 1 to 100 keys at once, and answers in order; requests
// for one key are taken in order. Each result is a verification, or holds an
// Error of its own. It is tried again as [Client.Verify] is.
func (c *Client) VerifyBatch(ctx context.Context, reqs []VerifyRequest) ([]VerifyResult, error) {
	out, err := exchange[VerifyBatch](ctx, c, call{method: "POST", path: "/verify/batch", in: VerifyBatchRequest{Requests: reqs}, single: true})
	return out.Results, err
}

func (v *Verification) readHeader(h http.Header) {
	v.RetryAfter = retryAfter(h.Get("Retry-After"), time.Now())
}

// retryAfter returns when a key whose limits are used up may be good again:
// what the server said, or when all that is exceeded is free.
func (v *Verification) retryAfter(now time.Time) time.Duration {
	wait := v.RetryAfter
	for _, l := range v.Limits {
		if v.RetryAfter == 0 && l.Exceeded {
			wait = max(wait, l.ResetAt.Sub(now))
		}
	}
	return wait
}
