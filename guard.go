package latchkey

import (
	"cmp"
	"context"
	"encoding/json"
	"log/slog"
	"math"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// A Guard lets only holders of good keys through to a handler. It verifies the
// key of each request, and takes what the request costs. Who is refused gets an
// application/problem+json whose code is the outcome:
//
//	not_found, disabled, expired        401 with WWW-Authenticate
//	usage_exceeded                      402
//	forbidden, insufficient_permissions 403
//	rate_limited                        429 with Retry-After, RateLimit and X-RateLimit-…
//
// The places that the request holds under concurrency limits are free again
// when the handler returns, or when the leases expire.
//
// Where the server could not answer, it is 503 with Retry-After. The key is
// never repeated.
type Guard struct {
	// Client asks the server.
	Client *Client

	// Keyspace is where keys must be from, by id or slug; "" is anywhere.
	Keyspace string

	// Permissions is what a key must be allowed to do, such as
	// "docs.read AND (docs.write OR admin)"; "" is nothing.
	Permissions string

	// Cost is the credits that a request takes; nil is 1.
	Cost *int64

	// Limits are those of the key's limits that a request takes from beside
	// those that every verification does, and others than 1 that it takes.
	Limits []LimitRequest

	// LeaseTTL is how long a request holds its places under concurrency limits
	// where the handler does not return before, such as "90s"; "" is 1m.
	LeaseTTL string

	// Tags are for usage.
	Tags []string

	// Header names the header that the key is in; "" is Authorization, after
	// the word Bearer.
	Header string

	// Strip keeps that header from the handler.
	Strip bool

	// Addr returns the end user's address, for the key's list of addresses; nil
	// is the peer's, which behind a proxy is the proxy's.
	Addr func(*http.Request) string

	// Timeout is how long the server may take to answer, with all retries; 0 is
	// 5 s.
	Timeout time.Duration

	// Failed is told why a request was answered with 503; nil logs it by
	// [slog.Default].
	Failed func(r *http.Request, err error)
}

type verificationKey struct{}

// FromContext returns the verification by which a [Guard] let a request
// through, or nil where there was none.
func FromContext(ctx context.Context) *Verification {
	v, _ := ctx.Value(verificationKey{}).(*Verification)
	return v
}

// Handler returns next behind the guard, as the guard is now. The context of a
// request that is let through has the verification, for [FromContext].
func (g Guard) Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		key := g.key(r)
		if key == "" {
			g.refuse(w, &Verification{Outcome: NotFound, Detail: "the request has no key: send it as " + g.place()})
			return
		}
		v, err := g.verify(r, key)
		if err != nil {
			g.fail(w, r, err)
			return
		}
		if !v.Valid {
			g.refuse(w, &v)
			return
		}
		if len(v.Leases) > 0 {
			defer g.release(r.Context(), v.Leases)
		}
		passed := r.WithContext(context.WithValue(r.Context(), verificationKey{}, &v))
		if g.Strip {
			passed.Header = r.Header.Clone()
			passed.Header.Del(cmp.Or(g.Header, "Authorization"))
		}
		next.ServeHTTP(w, passed)
	})
}

// place says where a key belongs.
func (g *Guard) place() string {
	if g.Header != "" {
		return g.Header + ": KEY"
	}
	return "Authorization: Bearer KEY"
}

// key returns the key in a request, or "" where there is none. Of two, others
// on the request's way may choose differently: they are none.
func (g *Guard) key(r *http.Request) string {
	lines := r.Header.Values(cmp.Or(g.Header, "Authorization"))
	if len(lines) != 1 {
		return ""
	}
	if g.Header != "" {
		return strings.TrimSpace(lines[0])
	}
	scheme, key, _ := strings.Cut(lines[0], " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return strings.TrimSpace(key)
}

func (g *Guard) verify(r *http.Request, key string) (Verification, error) {
	if utf8.RuneCountInString(key) > maxKey {
		return Verification{Outcome: NotFound, Detail: "there is no such key"}, nil // nothing that the server could be asked
	}
	req := VerifyRequest{Key: key, Keyspace: g.Keyspace, Cost: g.Cost, Limits: g.Limits, LeaseTTL: g.LeaseTTL, Tags: g.Tags}
	if g.Permissions != "" {
		req.Permissions = &g.Permissions
	}
	if g.Addr != nil {
		req.IP = g.Addr(r)
	} else if peer, err := netip.ParseAddrPort(r.RemoteAddr); err == nil {
		req.IP = peer.Addr().Unmap().WithZone("").String()
	}
	ctx, cancel := context.WithTimeout(r.Context(), cmp.Or(g.Timeout, 5*time.Second))
	defer cancel()
	return g.Client.Verify(ctx, req)
}

// release gives back the places of a request that is done. Where that fails, or
// nobody's root key is there to do it by, the leases expire by themselves.
func (g *Guard) release(ctx context.Context, leases []Lease) {
	if g.Client.RootKey == "" {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cmp.Or(g.Timeout, 5*time.Second))
	defer cancel()
	for _, l := range leases {
		if err := g.Client.ReleaseLease(ctx, l.ID); err != nil {
			slog.WarnContext(ctx, "a lease could not be released, and will expire", slog.String("lease", l.ID), slog.String("err", err.Error()))
		}
	}
}

// maxKey is how many characters a key has at most.
const maxKey = 512

// refusals maps each outcome to the status of its refusal.
var refusals = map[string]int{
	NotFound:                http.StatusUnauthorized,
	Disabled:                http.StatusUnauthorized,
	Expired:                 http.StatusUnauthorized,
	Forbidden:               http.StatusForbidden,
	InsufficientPermissions: http.StatusForbidden,
	RateLimited:             http.StatusTooManyRequests,
	UsageExceeded:           http.StatusPaymentRequired,
}

// refuse answers a request whose key is not good for it.
func (g *Guard) refuse(w http.ResponseWriter, v *Verification) {
	status, ok := refusals[v.Outcome]
	if !ok {
		status = http.StatusForbidden // an outcome that is newer than this package
	}
	switch status {
	case http.StatusUnauthorized:
		w.Header().Set("WWW-Authenticate", "Bearer")
	case http.StatusTooManyRequests:
		now := time.Now()
		wait := v.retryAfter(now)
		w.Header().Set("Retry-After", seconds(wait))
		SetRateLimit(w.Header(), v.Limits, wait, now)
	}
	writeProblem(w, Problem{Status: status, Code: v.Outcome, Detail: v.Detail, RequestID: v.RequestID})
}

// fail answers a request about whose key the server could not be asked.
func (g *Guard) fail(w http.ResponseWriter, r *http.Request, err error) {
	if g.Failed != nil {
		g.Failed(r, err)
	} else {
		slog.ErrorContext(r.Context(), "a key could not be verified", slog.String("err", err.Error()))
	}
	p := Problem{Status: http.StatusServiceUnavailable, Code: CodeUnavailable, Detail: "the key could not be verified now"}
	var wait time.Duration
	if e, ok := asError(err); ok {
		p.RequestID, wait = e.RequestID, e.RetryAfter
	}
	w.Header().Set("Retry-After", seconds(wait))
	writeProblem(w, p)
}

// writeProblem answers with a problem. Its type is the one that says no more
// than its status: those of latchkey's own are pages of another server.
func writeProblem(w http.ResponseWriter, p Problem) {
	p.Type, p.Title = "about:blank", http.StatusText(p.Status)
	body, err := json.Marshal(p)
	if err != nil { // texts and numbers are always JSON
		w.WriteHeader(p.Status)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "application/problem+json")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(p.Status)
	w.Write(body)
}

// seconds writes a time as Retry-After has it: whole, at least one.
func seconds(d time.Duration) string {
	return strconv.FormatInt(int64(max(1, math.Ceil(d.Seconds()))), 10)
}
