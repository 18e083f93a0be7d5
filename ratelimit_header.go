package latchkey

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// SetRateLimit tells in the header of an answer that limits refused how they
// stand, in the two ways that clients know:
//
//	RateLimit-Policy: "requests";q=100;w=60
//	RateLimit: "requests";r=0;t=12
//	X-RateLimit-Limit: 100
//	X-RateLimit-Remaining: 0
//	X-RateLimit-Reset: 1795253412
//
// The first two are those of draft-ietf-httpapi-ratelimit-headers-11, and list
// every limit; t is when all of q is free again. The others are of one limit,
// the first that is exceeded, and their reset is in Unix seconds. wait is when
// the same call would be allowed, and 0 where nobody knows; it is what
// concurrency limits, which have no window, are told by.
func SetRateLimit(h http.Header, limits []LimitState, wait time.Duration, now time.Time) {
	if len(limits) == 0 {
		return
	}
	var policies, states []string
	shown := &limits[0]
	for i := range limits {
		l := &limits[i]
		policies = append(policies, l.policy())
		states = append(states, l.state(wait, now))
		if l.Exceeded && !shown.Exceeded {
			shown = l
		}
	}
	h.Set("RateLimit-Policy", strings.Join(policies, ", "))
	h.Set("RateLimit", strings.Join(states, ", "))
	h.Set("X-RateLimit-Limit", strconv.FormatInt(shown.Max+shown.Concurrent, 10))
	h.Set("X-RateLimit-Remaining", strconv.FormatInt(shown.Remaining, 10))
	if in := shown.resetsIn(wait, now); in > 0 {
		h.Set("X-RateLimit-Reset", strconv.FormatInt(now.Add(in+time.Second-1).Unix(), 10))
	}
}

// policy is the limit as RateLimit-Policy has it.
func (l *LimitState) policy() string {
	if l.Concurrent > 0 {
		return fmt.Sprintf(`%s;q=%d;qu="concurrent-requests"`, fieldString(l.Name), l.Concurrent)
	}
	p := fmt.Sprintf("%s;q=%d", fieldString(l.Name), l.Max)
	if w := windowSeconds(l.Window); w > 0 {
		p += fmt.Sprintf(";w=%d", w)
	}
	return p
}

// state is how the limit stands, as RateLimit has it.
func (l *LimitState) state(wait time.Duration, now time.Time) string {
	s := fmt.Sprintf("%s;r=%d", fieldString(l.Name), l.Remaining)
	if in := l.resetsIn(wait, now); in > 0 {
		s += ";t=" + seconds(in)
	}
	return s
}

// resetsIn returns when the limit is free again, or 0 where that is now or not
// known.
func (l *LimitState) resetsIn(wait time.Duration, now time.Time) time.Duration {
	switch {
	case l.Concurrent > 0 && l.Exceeded:
		return wait
	case l.Concurrent > 0:
		return 0
	}
	return l.ResetAt.Sub(now)
}

// fieldString writes a text as a string of a structured field, which has only
// the printable characters of ASCII: others are percent-encoded.
func fieldString(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for i := range len(s) {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			b.WriteString(`\` + string(c))
		case c < ' ' || c > '~':
			fmt.Fprintf(&b, "%%%02X", c)
		default:
			b.WriteByte(c)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// windowSeconds returns a window in seconds, rounded up, or 0 where it is none.
func windowSeconds(window string) int64 {
	unit := strings.TrimLeft(window, "0123456789")
	n, err := strconv.ParseInt(strings.TrimSuffix(window, unit), 10, 64)
	if err != nil || n < 0 || n > 1<<40 {
		return 0
	}
	switch unit {
	case "ms":
		return (n + 999) / 1000
	case "s":
		return n
	case "m":
		return n * 60
	case "h":
		return n * 3600
	case "d":
		return n * 86400
	}
	return 0
}
