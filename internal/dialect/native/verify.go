package native

import (
	"context"
	"net/http"
	"sync"
	"time"

	"latchkey"
	"latchkey/internal/httpapi"
	"latchkey/internal/keys"
	"latchkey/internal/ratelimit"
)

// outcomes maps every outcome of the core to the word that this API has for
// it.
var outcomes = map[keys.Outcome]string{
	keys.Valid:                   latchkey.Valid,
	keys.KeyNotFound:             latchkey.NotFound,
	keys.WorkspaceDisabled:       latchkey.Forbidden,
	keys.OwnerDisabled:           latchkey.Disabled,
	keys.Disabled:                latchkey.Disabled,
	keys.WrongKeyspace:           latchkey.Forbidden,
	keys.Expired:                 latchkey.Expired,
	keys.AddressRefused:          latchkey.Forbidden,
	keys.InsufficientPermissions: latchkey.InsufficientPermissions,
	keys.RateLimited:             latchkey.RateLimited,
	keys.CreditsExhausted:        latchkey.UsageExceeded,
	keys.BudgetExhausted:         latchkey.UsageExceeded,
}

// A scratch is what one verification needs for a moment.
type scratch struct {
	wire      verifyBody
	req       keys.VerifyRequest
	decisions []ratelimit.Decision
	body, out []byte
}

var scratches = sync.Pool{New: func() any { return &scratch{out: make([]byte, 0, 1024)} }}

func (s *scratch) put() {
	s.wire, s.req = verifyBody{}, keys.VerifyRequest{}
	scratches.Put(s)
}

// verify serves POST /verify, the hot path.
func (d *Dialect) verify(w http.ResponseWriter, r *http.Request, c *httpapi.Call) error {
	if err := checkType(r); err != nil {
		return err
	}
	s := scratches.Get().(*scratch)
	defer s.put()
	body, err := httpapi.ReadBodyInto(r, 0, s.body)
	if err != nil {
		return err
	}
	s.body = body
	faults, err := decodeVerify(body, &s.wire)
	if err != nil {
		return err
	}
	s.wire.ask(&s.req, &faults)
	if len(faults) > 0 {
		return faults.Err()
	}
	if s.wire.MinRevision != nil {
		if err := d.await(r.Context(), *s.wire.MinRevision, time.Now().Add(awaitRevision)); err != nil {
			return err
		}
	}
	s.req.Buf = s.decisions[:0]
	v, err := d.verifier.Verify(r.Context(), &c.Actor, &s.req)
	if err != nil {
		return err
	}
	if v.Limits != nil {
		s.decisions = v.Limits
	}
	c.Verified(v.Outcome)
	if wait := freesIn(&v); wait > 0 {
		w.Header().Set("Retry-After", httpapi.RetryAfter(wait))
	}
	s.out = appendVerification(s.out[:0], &v, c.Origin.RequestID)
	httpapi.WriteBody(w, http.StatusOK, "application/json", s.out)
	return nil
}

// freesIn returns when the limits that refused a verification allow it, or 0
// where none did or one never will.
func freesIn(v *keys.Verification) (wait time.Duration) {
	if v.Outcome != keys.RateLimited {
		return 0
	}
	for _, d := range v.Limits {
		if !d.Allowed && d.RetryAt.IsZero() {
			return 0
		}
		if !d.Allowed {
			wait = max(wait, d.RetryAt.Sub(v.At))
		}
	}
	return wait
}

// awaitRevision is how long a verification waits for a revision that it asks
// for.
const awaitRevision = time.Second

// await returns when this server has seen a revision, or an error where it has
// not by a time.
func (d *Dialect) await(ctx context.Context, revision int64, until time.Time) error {
	const pause = 5 * time.Millisecond
	for d.manager.Revision() < revision {
		if !time.Now().Before(until) {
			return &keys.Error{Code: keys.Unavailable, Message: "this server has not seen that revision", RetryAfter: time.Second}
		}
		select {
		case <-ctx.Done():
			return &keys.Error{Code: keys.Unavailable, Message: "the request was given up", Err: ctx.Err()}
		case <-time.After(pause):
		}
	}
	return nil
}
