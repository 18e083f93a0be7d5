package httpapi

import (
	"crypto/rand"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
)

// requestID returns the caller's own X-Request-Id where it is fit to be shown
// and kept, or a new one. A secret in its place is not.
func requestID(r *http.Request) string {
	if ids := r.Header["X-Request-Id"]; len(ids) == 1 && validRequestID(ids[0]) && !holdsSecret(ids[0]) {
		return ids[0]
	}
	return newRequestID()
}

// requestRun tells the requests of one run of the server from those of others.
var (
	requestRun   = "req_" + rand.Text()[:12] + "_"
	requestCount atomic.Uint64
)

// newRequestID returns an id that no other request has. It need not be hard to
// guess, and is made for every request.
func newRequestID() string {
	b := make([]byte, 0, 32)
	return string(strconv.AppendUint(append(b, requestRun...), requestCount.Add(1), 36))
}

func validRequestID(s string) bool {
	if s == "" || len(s) > 128 {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '.' || c == '_' || c == '-') {
			return false
		}
	}
	return true
}

// clientAddr returns the address that a request came from: the peer's, unless
// that is a trusted proxy. Then it is the rightmost of X-Forwarded-For that no
// trusted proxy has; what stands left of it anybody may have written. Where an
// entry cannot be read, the proxy that passed it on is as far as we can see.
func clientAddr(r *http.Request, trusted []netip.Prefix) netip.Addr {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	addr := peer.Addr().Unmap().WithZone("")
	if !isTrusted(addr, trusted) {
		return addr
	}
	hops := strings.Split(strings.Join(r.Header["X-Forwarded-For"], ","), ",")
	for _, hop := range slices.Backward(hops) {
		next, ok := parseHop(strings.TrimSpace(hop))
		if !ok {
			return addr
		}
		if addr = next; !isTrusted(addr, trusted) {
			return addr
		}
	}
	return addr
}

func isTrusted(a netip.Addr, trusted []netip.Prefix) bool {
	return slices.ContainsFunc(trusted, func(p netip.Prefix) bool { return p.Contains(a) })
}

// parseHop reads one entry of X-Forwarded-For, with or without a port, and an
// IPv6 address with or without brackets.
func parseHop(s string) (netip.Addr, bool) {
	if inner, ok := strings.CutPrefix(s, "["); ok {
		if inner, ok = strings.CutSuffix(inner, "]"); ok {
			s = inner
		}
	}
	if a, err := netip.ParseAddr(s); err == nil {
		return a.Unmap().WithZone(""), true
	}
	if ap, err := netip.ParseAddrPort(s); err == nil {
		return ap.Addr().Unmap().WithZone(""), true
	}
	return netip.Addr{}, false
}
