package native

import (
	"fmt"
	"net/http"
	"strconv"
	"time"

	"latchkey"
	"latchkey/internal/httpapi"
	"latchkey/internal/keys"
	"latchkey/internal/ratelimit"
	"latchkey/internal/span"
)

// leaseTTL reads how long a use holds its places.
func leaseTTL(text string, faults *keys.Faults) time.Duration {
	ttl, err := span.Parse(text)
	if err != nil {
		faults.Add("lease_ttl", "%v", err)
		return 0
	}
	if ttl.Duration() == 0 { // which would stand for the default
		faults.Add("lease_ttl", "must be from 1s to 1h")
	}
	return ttl.Duration()
}

// appendConcurrent goes on with how a concurrency limit stands, after its name.
func appendConcurrent(b []byte, d *ratelimit.Decision) []byte {
	b = strconv.AppendInt(append(b, `,"concurrent":`...), d.Max, 10)
	b = strconv.AppendInt(append(b, `,"remaining":`...), d.Remaining, 10)
	return append(strconv.AppendBool(append(b, `,"exceeded":`...), !d.Allowed), '}')
}

func appendLeases(b []byte, leases []ratelimit.Lease) []byte {
	b = append(b, '[')
	for i, l := range leases {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendText(append(b, `{"id":`...), l.ID)
		b = appendText(append(b, `,"name":`...), l.Counter.Name)
		b = append(appendTime(append(b, `,"expires_at":`...), l.ExpiresAt), '}')
	}
	return append(b, ']')
}

// concurrentDetail says how a concurrency limit refused.
func concurrentDetail(d *ratelimit.Decision, now time.Time) string {
	wait := d.RetryAt.Sub(now)
	seconds := max(1, int64((wait+time.Second-1)/time.Second))
	return fmt.Sprintf("limit %q, %d at a time, is used up; the next frees in %d s at the latest", d.Name, d.Max, seconds)
}

// limitState returns how a limit stands.
func limitState(d *ratelimit.Decision) latchkey.LimitState {
	if d.Concurrent {
		return latchkey.LimitState{Name: d.Name, Concurrent: d.Max, Remaining: d.Remaining, Exceeded: !d.Allowed}
	}
	return latchkey.LimitState{
		Name: d.Name, Max: d.Max, Window: d.Window.String(), Remaining: d.Remaining,
		ResetAt: latchkey.Time{Time: d.FreeAt}, Exceeded: !d.Allowed,
	}
}

func limitStates(ds []ratelimit.Decision) (out []latchkey.LimitState) {
	for i := range ds {
		out = append(out, limitState(&ds[i]))
	}
	return out
}

// releaseLease serves POST /leases/{id}/release.
func (d *Dialect) releaseLease(w http.ResponseWriter, r *http.Request, c *httpapi.Call) error {
	if err := noBody(r); err != nil {
		return err
	}
	if err := d.verifier.Release(r.Context(), &c.Actor, r.PathValue("id")); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
