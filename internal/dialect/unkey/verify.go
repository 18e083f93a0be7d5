package unkey

import (
	"net/http"
	"strconv"
	"strings"
	"sync"

	"latchkey/internal/httpapi"
	"latchkey/internal/keys"
	"latchkey/internal/ratelimit"
)

// forbidden is what both a code of verification and one of an error is called.
const forbidden = "FORBIDDEN"

// outcomes maps every outcome of the core to the vendor's code. One of them is
// answered as an error.
var outcomes = map[keys.Outcome]string{
	keys.Valid:                   "VALID",
	keys.KeyNotFound:             "NOT_FOUND",
	keys.WorkspaceDisabled:       forbidden,
	keys.OwnerDisabled:           "DISABLED",
	keys.Disabled:                "DISABLED",
	keys.WrongKeyspace:           forbidden,
	keys.Expired:                 "EXPIRED",
	keys.AddressRefused:          forbidden,
	keys.InsufficientPermissions: "INSUFFICIENT_PERMISSIONS",
	keys.RateLimited:             "RATE_LIMITED",
	keys.CreditsExhausted:        "USAGE_EXCEEDED",
	keys.BudgetExhausted:         "USAGE_EXCEEDED",
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

// verifyKey serves POST /v1/keys.verifyKey, the hot path.
func (d *Dialect) verifyKey(w http.ResponseWriter, r *http.Request, c *httpapi.Call) error {
	s := scratches.Get().(*scratch)
	defer s.put()
	body, err := httpapi.ReadBodyInto(r, 0, s.body)
	if err != nil {
		return err
	}
	s.body = body
	if err := decodeVerify(body, &s.wire); err != nil {
		return err
	}
	var v keys.Verification
	if len(s.wire.Key) > longestKey {
		v.Outcome = keys.KeyNotFound
	} else {
		if err := s.wire.ask(&s.req); err != nil {
			return err
		}
		s.req.Addr, s.req.Buf = c.Origin.Addr, s.decisions[:0]
		if v, err = d.verify(r, c, &s.req); err != nil {
			return s.wire.fault(err)
		}
	}
	if v.Limits != nil {
		s.decisions = v.Limits
	}
	c.Verified(v.Outcome)
	if v.Outcome == keys.WorkspaceDisabled {
		// A refusal is what was asked for: it goes to the log as a verdict.
		d.WriteError(w, r, keys.Errorf(keys.Forbidden, "workspace is disabled"))
		return nil
	}
	s.out = appendVerification(s.out[:0], &v, &s.req, c.Origin.RequestID)
	return send(w, r, http.StatusOK, s.out)
}

// verify asks for whoever calls. A key that a root key may not verify is found
// yet where anybody may.
func (d *Dialect) verify(r *http.Request, c *httpapi.Call, req *keys.VerifyRequest) (keys.Verification, error) {
	if !d.rooted {
		if err := d.recognize(r, c); err != nil {
			return keys.Verification{}, err
		}
	}
	v, err := d.verifier.Verify(r.Context(), &c.Actor, req)
	if err != nil || v.Outcome != keys.KeyNotFound || d.rooted || c.Actor.Kind == keys.Public {
		return v, err
	}
	anybody := keys.Actor{Kind: keys.Public, Origin: c.Origin}
	return d.verifier.Verify(r.Context(), &anybody, req)
}

// nobody is the credential that the vendor's client sends where it has none.
const nobody = "public"

// recognize lets the call be that of a root key, if it was sent with a good one.
// Any other credential counts for nothing.
func (d *Dialect) recognize(r *http.Request, c *httpapi.Call) error {
	if c.Secret.IsZero() || c.Secret.Reveal() == nobody {
		return nil
	}
	by, err := d.verifier.Authenticate(r.Context(), c.Secret, r.Header.Get("Latchkey-Workspace"), c.Origin)
	switch {
	case err == nil:
		c.Actor = by
	case !keys.Is(err, keys.Unauthenticated):
		return err
	}
	return nil
}

// fault puts what the core finds wrong with limits in the vendor's words.
func (b *verifyBody) fault(err error) error {
	e := keys.AsError(err)
	if len(e.Faults) == 0 {
		return err
	}
	f := e.Faults[0]
	parts := strings.Split(f.Field, "/")
	if len(parts) != 3 || parts[0] != "limits" {
		return err
	}
	i, err := strconv.Atoi(parts[1])
	if err != nil {
		return err
	}
	f.Field = "ratelimits/" + strconv.Itoa(b.place(i)) + "/" + limitMembers[parts[2]]
	if parts[2] == "name" && strings.Contains(f.Detail, "no limit") {
		f.Detail = "the key has no ratelimit of this name; give limit and duration to bring one"
	}
	return keys.Faults{f}.Err()
}
