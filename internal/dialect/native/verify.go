package native

import (
	"context"
	"net/http"
	"net/netip"
	"strconv"
	"sync"
	"time"

	"github.com/go-json-experiment/json"

	"latchkey"
	"latchkey/internal/httpapi"
	"latchkey/internal/keys"
	"latchkey/internal/permission"
	"latchkey/internal/ratelimit"
	"latchkey/internal/span"
	"latchkey/internal/token"
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
	wire      latchkey.VerifyRequest
	req       keys.VerifyRequest
	decisions []ratelimit.Decision
	out       []byte
}

var scratches = sync.Pool{New: func() any { return &scratch{out: make([]byte, 0, 1024)} }}

// verify serves POST /verify, the hot path.
func (d *Dialect) verify(w http.ResponseWriter, r *http.Request, c *httpapi.Call) error {
	if err := checkType(r); err != nil {
		return err
	}
	body, err := httpapi.ReadBody(r, 0)
	if err != nil {
		return err
	}
	s := scratches.Get().(*scratch)
	defer s.put()
	if err := decodeVerify(body, &s.wire); err != nil {
		return err
	}
	if err := d.ask(&s.wire, &s.req); err != nil {
		return err
	}
	s.req.Buf = s.decisions
	v, err := d.verifier.Verify(r.Context(), &c.Actor, &s.req)
	if err != nil {
		return err
	}
	if v.Limits != nil {
		s.decisions = v.Limits
	}
	c.Verified(v.Outcome)
	s.out = appendVerification(s.out[:0], &v, c.Origin.RequestID)
	httpapi.WriteBody(w, http.StatusOK, "application/json", s.out)
	return nil
}

func (s *scratch) put() {
	s.wire, s.req = latchkey.VerifyRequest{}, keys.VerifyRequest{}
	s.decisions = s.decisions[:0]
	scratches.Put(s)
}

// decodeVerify reads the body fast, and again with patience if that fails: the
// slow decoder finds every fault at once.
func decodeVerify(body []byte, wire *latchkey.VerifyRequest) error {
	err := json.Unmarshal(body, wire, json.RejectUnknownMembers(true))
	if err == nil && wire.Key != "" {
		return nil
	}
	*wire = latchkey.VerifyRequest{}
	return httpapi.Decode(body, wire, httpapi.Decoding{})
}

// verifyBatch serves POST /verify/batch.
func (d *Dialect) verifyBatch(w http.ResponseWriter, r *http.Request, c *httpapi.Call) error {
	if err := checkType(r); err != nil {
		return err
	}
	body, err := httpapi.ReadBody(r, maxBatch)
	if err != nil {
		return err
	}
	var batch latchkey.VerifyBatchRequest
	if err := httpapi.Decode(body, &batch, httpapi.Decoding{}); err != nil {
		return err
	}
	if n := len(batch.Requests); n < 1 || n > 100 {
		return keys.Faults{{Field: "requests", Detail: "must be 1 to 100 requests"}}.Err()
	}
	out := append(make([]byte, 0, 512*len(batch.Requests)), `{"results":[`...)
	for i := range batch.Requests {
		if i > 0 {
			out = append(out, ',')
		}
		if out, err = d.one(r.Context(), c, &batch.Requests[i], i, out); err != nil {
			return err
		}
	}
	httpapi.WriteBody(w, http.StatusOK, "application/json", append(out, "]}"...))
	return nil
}

// one answers one request of a batch. An error is that request's own, and
// names its place in the batch.
func (d *Dialect) one(ctx context.Context, c *httpapi.Call, wire *latchkey.VerifyRequest, i int, out []byte) ([]byte, error) {
	var req keys.VerifyRequest
	err := d.ask(wire, &req)
	var v keys.Verification
	if err == nil {
		v, err = d.verifier.Verify(ctx, &c.Actor, &req)
	}
	if err == nil {
		c.Verified(v.Outcome)
		return appendVerification(out, &v, c.Origin.RequestID), nil
	}
	e := *keys.AsError(err)
	e.Faults = nil
	for _, f := range keys.AsError(err).Faults {
		f.Field = "requests/" + strconv.Itoa(i) + "/" + f.Field
		e.Faults = append(e.Faults, f)
	}
	b, err := json.Marshal(map[string]any{"error": problem(&e, c.Origin.RequestID)})
	return append(out, b...), err
}

// ask maps a request to the core's.
func (d *Dialect) ask(wire *latchkey.VerifyRequest, req *keys.VerifyRequest) error {
	var faults keys.Faults
	*req = keys.VerifyRequest{
		Secret: token.New(wire.Key), Keyspace: wire.Keyspace, Cost: wire.Cost, Tags: wire.Tags,
	}
	if wire.Permissions != nil {
		q, err := permission.Parse(*wire.Permissions)
		if err != nil {
			faults = append(faults, queryFault(err))
		}
		req.Query = q
	}
	if wire.IP != "" {
		addr, err := netip.ParseAddr(wire.IP)
		if err != nil {
			faults.Add("ip", "must be an IPv4 or IPv6 address")
		}
		req.Addr = addr.Unmap().WithZone("")
	}
	if wire.MinRevision != nil && *wire.MinRevision < 0 {
		faults.Add("min_revision", "must be a revision that a write has answered")
	}
	for i := range wire.Limits {
		req.Limits = append(req.Limits, limitRequest(&wire.Limits[i], "limits/"+strconv.Itoa(i), &faults))
	}
	if err := req.Validate(); err != nil {
		faults = append(faults, keys.AsError(err).Faults...)
	}
	if err := faults.Err(); err != nil {
		return err
	}
	if wire.MinRevision != nil && *wire.MinRevision > d.manager.Revision() {
		return &keys.Error{Code: keys.Unavailable, Message: "this server has not seen that revision", RetryAfter: time.Second}
	}
	return nil
}

func queryFault(err error) keys.Fault {
	f := keys.Fault{Field: "permissions", Detail: err.Error()}
	if e, ok := err.(*permission.SyntaxError); ok {
		f.Position = &e.Position
	}
	return f
}

func limitRequest(l *latchkey.LimitRequest, at string, faults *keys.Faults) keys.LimitRequest {
	out := keys.LimitRequest{Name: l.Name, Cost: 1, Algorithm: ratelimit.Algorithm(l.Algorithm)}
	if l.Cost != nil {
		out.Cost = *l.Cost
	}
	if (l.Max == nil) != (l.Window == "") {
		faults.Add(at, "max and window go together")
		return out
	}
	if l.Max == nil {
		if l.Algorithm != "" {
			faults.Add(at+"/algorithm", "goes with max and window")
		}
		return out
	}
	out.Max = *l.Max
	var err error
	if out.Window, err = span.Parse(l.Window); err != nil {
		faults.Add(at+"/window", "%v", err)
		out.Window = span.Of(time.Second) // so that nothing else is said of it
	}
	if out.Max < 1 {
		faults.Add(at+"/max", "must be an integer from 1")
		out.Max = 1
	}
	return out
}
