package server

import (
	"context"
	"net/http"
	"time"

	"latchkey/internal/httpapi"
	"latchkey/internal/keys"
	"latchkey/internal/token"
)

// system has the routes that are no dialect's: health and metrics. It also
// answers what no dialect claims.
type system struct {
	s       *Server
	figures http.Handler // nil where /metrics has a listener of its own
}

var _ httpapi.Dialect = (*system)(nil)

func (d *system) Name() string { return "server" }

func (d *system) Claims() []string { return nil }

func (d *system) Credential(r *http.Request) token.Secret { return httpapi.BearerToken(r) }

func (d *system) Routes() []httpapi.Route {
	routes := []httpapi.Route{
		{Method: "GET", Path: "/healthz", Caller: httpapi.Nobody, Quiet: true, Handle: d.health},
		{Method: "GET", Path: "/readyz", Caller: httpapi.Nobody, Quiet: true, Handle: d.ready},
	}
	if d.figures != nil {
		routes = append(routes, httpapi.Route{Method: "GET", Path: "/metrics", Quiet: true, Handle: d.metrics})
	}
	return routes
}

// health tells that the process runs.
func (d *system) health(w http.ResponseWriter, _ *http.Request, _ *httpapi.Call) error {
	httpapi.WriteBody(w, http.StatusOK, "text/plain; charset=utf-8", []byte("ok\n"))
	return nil
}

// ready tells that requests can be answered: the database answers.
func (d *system) ready(w http.ResponseWriter, r *http.Request, _ *httpapi.Call) error {
	ctx, cancel := context.WithTimeout(r.Context(), 2*time.Second)
	defer cancel()
	if err := d.s.store.Ping(ctx); err != nil {
		return &keys.Error{Code: keys.Unavailable, Message: "the database does not answer", Err: err}
	}
	httpapi.WriteBody(w, http.StatusOK, "text/plain; charset=utf-8", []byte("ready\n"))
	return nil
}

// metrics is for root keys with the right alone.
func (d *system) metrics(w http.ResponseWriter, r *http.Request, c *httpapi.Call) error {
	if err := c.Actor.Need(keys.ResMetrics, "*", "read"); err != nil {
		return err
	}
	d.figures.ServeHTTP(w, r)
	return nil
}

var systemStatus = map[keys.Code]int{
	keys.Invalid:             http.StatusBadRequest,
	keys.Unauthenticated:     http.StatusUnauthorized,
	keys.Forbidden:           http.StatusForbidden,
	keys.NotFound:            http.StatusNotFound,
	keys.Conflict:            http.StatusConflict,
	keys.Precondition:        http.StatusPreconditionFailed,
	keys.Throttled:           http.StatusTooManyRequests,
	keys.Unavailable:         http.StatusServiceUnavailable,
	keys.Internal:            http.StatusInternalServerError,
	httpapi.TooLarge:         http.StatusRequestEntityTooLarge,
	httpapi.MethodNotAllowed: http.StatusMethodNotAllowed,
	httpapi.UnsupportedMedia: http.StatusUnsupportedMediaType,
}

func (d *system) WriteError(w http.ResponseWriter, _ *http.Request, e *keys.Error) {
	httpapi.SetErrorFields(w.Header(), systemStatus[e.Code], e)
	httpapi.WriteBody(w, systemStatus[e.Code], "text/plain; charset=utf-8", []byte(e.Message+"\n"))
}
