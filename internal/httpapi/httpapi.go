// Package httpapi is the HTTP side that all dialects share: routes as data,
// the caller's credential and address, bodies and JSON, one line in the access
// log, and a listener that can be closed without losing a request. It knows
// nothing of any dialect's wire format.
package httpapi

import (
	"log/slog"
	"net/http"
	"net/netip"
	"time"

	"latchkey/internal/keys"
	"latchkey/internal/token"
)

// A Dialect serves one wire API over the core.
type Dialect interface {
	// Name must be the name used in configuration, metrics and logs.
	Name() string

	// Routes must list the endpoints. No two dialects may have one in common.
	Routes() []Route

	// Claims must list the path prefixes for which the dialect answers what no
	// route takes; of several that fit, the longest holds.
	Claims() []string

	// Credential must return the caller's secret in a request, or the zero
	// Secret if there is none.
	Credential(*http.Request) token.Secret

	// WriteError must answer with e in the dialect's own form, for every code
	// of [Codes].
	WriteError(http.ResponseWriter, *http.Request, *keys.Error)
}

// A Caller says who may call a route.
type Caller uint8

const (
	RootKey  Caller = iota // the holder of a root key
	Optional               // the same, or the public where no credential is sent
	Holder                 // the holder of any live key
	Nobody                 // anybody; a credential is not looked at
	Bearer                 // anybody with a credential, which the handler looks at itself
)

// A Route is one endpoint, as data.
type Route struct {
	Method  string // "GET" serves HEAD too
	Path    string // as for [http.ServeMux]
	Caller  Caller
	MaxBody int64 // bytes; 0: [DefaultMaxBody]
	Handle  HandlerFunc

	// Quiet routes write no line for what is well: verification and health. A
	// POST without wildcards in its path is served by the front where it can.
	Quiet bool

	// Doc is the dialect's own description of the route.
	Doc any
}

// DefaultMaxBody bounds a request's body where the route says nothing.
const DefaultMaxBody = 64 << 10

// Pattern returns the route's name in logs and metrics.
func (rt *Route) Pattern() string { return rt.Method + " " + rt.Path }

// A HandlerFunc answers a request, or returns an error for WriteError.
type HandlerFunc func(w http.ResponseWriter, r *http.Request, c *Call) error

// A Call is one request on its way through.
type Call struct {
	Actor  keys.Actor
	Secret token.Secret // the caller's credential
	Origin keys.Origin

	outcome  keys.Outcome
	verified bool

	http.ResponseWriter
	status int
	verify func(keys.Outcome)

	// Header values, which are lists, without an allocation of their own.
	idLine, lengthLine [1]string
}

// Verified tells that the request was a verification, and how it went, for
// metrics and the log. A batch calls it for each; the log names the first that
// it has something to say of.
func (c *Call) Verified(o keys.Outcome) {
	if !c.verified || quiet(c.outcome) {
		c.outcome, c.verified = o, true
	}
	if c.verify != nil {
		c.verify(o)
	}
}

// WriteHeader notes the status for metrics and the log.
func (c *Call) WriteHeader(status int) {
	if c.status == 0 && status >= 200 {
		c.status = status
	}
	c.ResponseWriter.WriteHeader(status)
}

// Write notes that a status was sent, if none was before.
func (c *Call) Write(p []byte) (int, error) {
	if c.status == 0 {
		c.status = http.StatusOK
	}
	return c.ResponseWriter.Write(p)
}

// Unwrap gives [http.ResponseController] the writer beneath.
func (c *Call) Unwrap() http.ResponseWriter { return c.ResponseWriter }

// Codes that only HTTP has, beside those of the core.
const (
	TooLarge         keys.Code = "too_large"
	MethodNotAllowed keys.Code = "method_not_allowed"
	UnsupportedMedia keys.Code = "unsupported_media_type"
)

// Codes lists every code that a dialect must map.
var Codes = append(append([]keys.Code{}, keys.Codes...), TooLarge, MethodNotAllowed, UnsupportedMedia)

// An API is what [Handler] serves.
type API struct {
	Log      *slog.Logger
	Verifier *keys.Verifier
	Dialects []Dialect

	// Fallback answers what no dialect claims. Its routes are served too.
	Fallback Dialect

	// TrustedProxies are the peers whose X-Forwarded-For is believed.
	TrustedProxies []netip.Prefix

	// ObserveRoute and ObserveDoor are asked once for each route and dialect,
	// and what they return is called for each request and verification; nil
	// observes nothing.
	ObserveRoute func(dialect, pattern string) func(status int, took time.Duration)
	ObserveDoor  func(dialect string) func(keys.Outcome)
}
