package httpapi

import (
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"latchkey/internal/keys"
	"latchkey/internal/token"
)

// Handler serves all dialects on one mux. Nothing that it answers is a
// redirect. It panics where two dialects have a route in common.
func Handler(a API) http.Handler { return newRouter(&a) }

// guard wraps a route in all that every request gets.
func (a *API) guard(d Dialect, rt Route, refused *sampler) http.Handler {
	pattern := strings.TrimSpace(rt.Pattern())
	observe := func(int, time.Duration) {}
	if a.ObserveRoute != nil {
		observe = a.ObserveRoute(d.Name(), pattern)
	}
	var verify func(keys.Outcome)
	if a.ObserveDoor != nil {
		verify = a.ObserveDoor(d.Name())
	}
	log := a.Log.With(slog.String("dialect", d.Name()), slog.String("route", pattern))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		c := &Call{ResponseWriter: w, verify: verify}
		c.Origin = keys.Origin{RequestID: requestID(r), Addr: clientAddr(r, a.TrustedProxies)}
		c.idLine[0] = c.Origin.RequestID
		w.Header()["X-Request-Id"] = c.idLine[:]

		err := a.serve(d, &rt, r, c)
		half := err != nil && c.status != 0
		if err != nil && !half {
			d.WriteError(c, r, keys.AsError(err))
		}
		if c.status == 0 {
			c.status = http.StatusOK // as net/http answers where nobody does
		}
		took := time.Since(start)
		observe(c.status, took)
		logLine(r, log, &rt, c, took, err, refused)
		if half {
			// The connection is cut, so that nobody takes half an answer for one.
			panic(http.ErrAbortHandler)
		}
	})
}

// serve lets a route's handler answer. A panic becomes an error.
func (a *API) serve(d Dialect, rt *Route, r *http.Request, c *Call) (err error) {
	defer func() {
		p := recover()
		if p == nil {
			return
		}
		if p == http.ErrAbortHandler {
			panic(p)
		}
		// The value of a panic may hold what a caller sent: its type tells enough.
		err = &keys.Error{Code: keys.Internal, Message: "internal error", Err: fmt.Errorf("panic of type %T\n%s", p, debug.Stack())}
	}()
	if err := a.admit(d, rt, r, c); err != nil {
		return err
	}
	return rt.Handle(c, r, c)
}

// admit finds out who calls.
func (a *API) admit(d Dialect, rt *Route, r *http.Request, c *Call) (err error) {
	if rt.Caller != Nobody {
		c.Secret = d.Credential(r)
	}
	switch {
	case rt.Caller == RootKey, rt.Caller == Optional && (!c.Secret.IsZero() || r.Header["Authorization"] != nil):
		var workspace string
		if names := r.Header["Latchkey-Workspace"]; len(names) > 0 {
			workspace = names[0]
		}
		c.Actor, err = a.Verifier.Authenticate(r.Context(), c.Secret, workspace, c.Origin)
	case rt.Caller == Holder:
		c.Actor, err = a.Verifier.Holder(r.Context(), c.Secret, c.Origin)
	default:
		c.Actor = keys.Actor{Kind: keys.Public, Origin: c.Origin}
	}
	return err
}

// BearerToken returns the credential of an Authorization header with the word
// Bearer, in any case, or the zero Secret. Of two headers, proxies and servers
// may choose differently: they are no credential.
func BearerToken(r *http.Request) token.Secret {
	lines := r.Header["Authorization"]
	if len(lines) != 1 {
		return token.Secret{}
	}
	scheme, s, ok := strings.Cut(lines[0], " ")
	if !ok || !strings.EqualFold(scheme, "Bearer") {
		return token.Secret{}
	}
	return token.New(strings.TrimSpace(s))
}
