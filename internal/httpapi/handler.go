package httpapi

import (
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"latchkey/internal/keys"
	"latchkey/internal/token"
)

// Handler serves all dialects on one mux. Nothing that it answers is a
// redirect.
func Handler(a API) http.Handler {
	mux := http.NewServeMux()
	fixed := map[string]map[string]http.Handler{} // path without wildcards → method → handler
	refused := newSampler(10)
	claims := []claim{{"", a.guard(a.Fallback, unrouted(), refused)}}
	for _, d := range append(slices.Clone(a.Dialects), a.Fallback) {
		methods := map[string][]string{} // path → methods
		for _, rt := range d.Routes() {
			h := a.guard(d, rt, refused)
			mux.Handle(rt.Pattern(), h)
			if !strings.Contains(rt.Path, "{") {
				if fixed[rt.Path] == nil {
					fixed[rt.Path] = map[string]http.Handler{}
				}
				fixed[rt.Path][rt.Method] = h
			}
			methods[rt.Path] = append(methods[rt.Path], rt.Method)
		}
		for path, ms := range methods {
			mux.Handle(path, a.guard(d, wrongMethod(ms), refused))
		}
		fallback := a.guard(d, unrouted(), refused)
		for _, prefix := range d.Claims() {
			claims = append(claims, claim{prefix, fallback})
		}
	}
	slices.SortFunc(claims, func(x, y claim) int { return len(y.prefix) - len(x.prefix) })
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { claimed(claims, r.URL.Path).ServeHTTP(w, r) })
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// The mux would find the same; this is the shorter way of the paths that are hot.
		if h := fixed[r.URL.Path][r.Method]; h != nil && r.URL.RawPath == "" {
			h.ServeHTTP(w, r)
			return
		}
		if !tidy(r) {
			claimed(claims, r.URL.Path).ServeHTTP(w, r)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// A claim is a path prefix and who answers for it.
type claim struct {
	prefix  string
	handler http.Handler
}

func claimed(claims []claim, path string) http.Handler {
	i := slices.IndexFunc(claims, func(c claim) bool { return strings.HasPrefix(path, c.prefix) })
	return claims[i].handler // the last claim is the empty prefix
}

// tidy collapses doubled slashes in the path, and reports whether the mux may
// see it: one with dots as a segment, or none at all, it would redirect.
func tidy(r *http.Request) bool {
	for strings.Contains(r.URL.Path, "//") {
		r.URL.Path = strings.ReplaceAll(r.URL.Path, "//", "/")
		r.URL.RawPath = strings.ReplaceAll(r.URL.RawPath, "//", "/")
	}
	path := r.URL.EscapedPath()
	if !strings.HasPrefix(path, "/") || strings.Contains(path, "//") {
		return false
	}
	if !strings.Contains(path, "/.") {
		return true
	}
	for segment := range strings.SplitSeq(path, "/") {
		if segment == "." || segment == ".." {
			return false
		}
	}
	return true
}

func unrouted() Route {
	return Route{Path: "(unrouted)", Caller: Nobody, Handle: func(http.ResponseWriter, *http.Request, *Call) error {
		return keys.Errorf(keys.NotFound, "there is nothing at this path")
	}}
}

func wrongMethod(methods []string) Route {
	if slices.Contains(methods, http.MethodGet) {
		methods = append(methods, http.MethodHead)
	}
	slices.Sort(methods)
	allow := strings.Join(methods, ", ")
	return Route{Path: "(unrouted)", Caller: Nobody, Handle: func(w http.ResponseWriter, r *http.Request, _ *Call) error {
		w.Header().Set("Allow", allow)
		return keys.Errorf(MethodNotAllowed, "this path takes %s", allow)
	}}
}

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
		c.Origin.RequestID = requestID(r)
		w.Header()["X-Request-Id"] = []string{c.Origin.RequestID}
		var err error
		defer func() {
			if p := recover(); p != nil {
				if p == http.ErrAbortHandler {
					panic(p)
				}
				// The value of a panic may hold what a caller sent: its type tells enough.
				err = fmt.Errorf("panic of type %T\n%s", p, debug.Stack())
				a.fail(d, c, r, err)
			}
			took := time.Since(start)
			observe(c.status, took)
			logLine(r, log, &rt, c, took, err, refused)
		}()
		c.Origin.Addr = clientAddr(r, a.TrustedProxies)
		if err = a.admit(d, &rt, r, c); err == nil {
			err = rt.Handle(c, r, c)
		}
		if err != nil {
			a.fail(d, c, r, err)
		}
	})
}

// fail answers with an error, unless an answer has begun.
func (a *API) fail(d Dialect, c *Call, r *http.Request, err error) {
	if c.status != 0 {
		return
	}
	d.WriteError(c, r, keys.AsError(err))
}

// admit finds out who calls.
func (a *API) admit(d Dialect, rt *Route, r *http.Request, c *Call) (err error) {
	c.Actor = keys.Actor{Kind: keys.Public, Origin: c.Origin}
	if rt.Caller == Nobody {
		return nil
	}
	c.Secret = d.Credential(r)
	switch rt.Caller {
	case Optional:
		if c.Secret.IsZero() && r.Header["Authorization"] == nil {
			return nil
		}
		c.Actor, err = a.Verifier.Authenticate(r.Context(), c.Secret, r.Header.Get("Latchkey-Workspace"), c.Origin)
	case RootKey:
		c.Actor, err = a.Verifier.Authenticate(r.Context(), c.Secret, r.Header.Get("Latchkey-Workspace"), c.Origin)
	case Holder:
		c.Actor, err = a.Verifier.Holder(r.Context(), c.Secret, c.Origin)
	}
	return err
}

// BearerToken returns the credential of an Authorization header with the word
// Bearer, in any case, or the zero Secret.
func BearerToken(r *http.Request) token.Secret {
	scheme, s, ok := strings.Cut(r.Header.Get("Authorization"), " ")
	if !ok || !strings.EqualFold(scheme, "Bearer") {
		return token.Secret{}
	}
	return token.New(strings.TrimSpace(s))
}
