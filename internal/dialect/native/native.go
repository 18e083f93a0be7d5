// Package native is latchkey's own API, under /latchkey/v1: all that the core
// can do, in one grammar. It maps the wire types of package latchkey to the
// core and back, and keeps the conventions of the API: problems, lists,
// conditions, and answers that can be asked for again.
package native

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"

	"latchkey"
	"latchkey/internal/httpapi"
	"latchkey/internal/keys"
	"latchkey/internal/token"
)

// A Dialect is the native API.
type Dialect struct {
	verifier *keys.Verifier
	manager  *keys.Manager
	limits   *keys.LimitChecker
	replies  *replies
	clock    keys.Clock
	server   func() latchkey.Server
}

var _ httpapi.Dialect = (*Dialect)(nil)

// New returns the native API over a verifier, a manager, and what limits that
// which belongs to no key. server tells what GET /server answers.
func New(v *keys.Verifier, m *keys.Manager, limits *keys.LimitChecker, clock keys.Clock, server func() latchkey.Server) *Dialect {
	return &Dialect{verifier: v, manager: m, limits: limits, clock: clock, server: server, replies: newReplies(m.Store, clock)}
}

// Name implements [httpapi.Dialect].
func (d *Dialect) Name() string { return "native" }

// Claims implements [httpapi.Dialect].
func (d *Dialect) Claims() []string { return []string{"/latchkey/"} }

// Credential implements [httpapi.Dialect].
func (d *Dialect) Credential(r *http.Request) token.Secret { return httpapi.BearerToken(r) }

// Routes implements [httpapi.Dialect].
func (d *Dialect) Routes() []httpapi.Route {
	routes := []httpapi.Route{
		{Method: "POST", Path: "/verify", Caller: httpapi.Optional, Quiet: true, Handle: d.replies.keep(0, d.verify), Doc: verifyDoc},
		{Method: "POST", Path: "/verify/batch", Caller: httpapi.Optional, Quiet: true, Handle: d.replies.keep(maxBatchBody, d.verifyBatch), Doc: batchDoc},

		{Method: "POST", Path: "/keys", Handle: d.replies.keep(0, d.createKey), Doc: createKeyDoc},
		{Method: "GET", Path: "/keys", Handle: d.listKeys, Doc: listKeysDoc},
		{Method: "GET", Path: "/keys/{id}", Handle: d.getKey, Doc: getKeyDoc},
		{Method: "PATCH", Path: "/keys/{id}", Handle: d.updateKey, Doc: updateKeyDoc},
		{Method: "DELETE", Path: "/keys/{id}", Handle: d.deleteKey, Doc: deleteKeyDoc},
		{Method: "POST", Path: "/keys/{id}/rotate", Handle: d.replies.keep(0, d.rotateKey), Doc: rotateKeyDoc},
		{Method: "DELETE", Path: "/keys/{id}/secrets/{secret}", Handle: d.endSecret, Doc: endSecretDoc},
		{Method: "POST", Path: "/keys/{id}/reveal", Handle: d.reveal, Doc: revealDoc},
		{Method: "POST", Path: "/keys/{id}/spend", Handle: d.replies.keep(0, d.spend), Doc: spendDoc},
		{Method: "POST", Path: "/keys/{id}/reservations", Handle: d.replies.keep(0, d.reserve), Doc: reserveDoc},
		{Method: "POST", Path: "/reservations/{id}/settle", Handle: d.replies.keep(0, d.settle), Doc: settleDoc},
		{Method: "POST", Path: "/reservations/{id}/release", Handle: d.releaseReservation, Doc: releaseReservationDoc},
		{Method: "POST", Path: "/keys/{id}/refund", Handle: d.replies.keep(0, d.refund), Doc: refundDoc},
		{Method: "POST", Path: "/keys/{id}/credits", Handle: d.replies.keep(0, d.changeCredits), Doc: changeCreditsDoc},
		{Method: "POST", Path: "/keys/{id}/permissions", Handle: d.replies.keep(0, d.changePermissions), Doc: changePermissionsDoc},
		{Method: "POST", Path: "/keys/{id}/roles", Handle: d.replies.keep(0, d.changeRoles), Doc: changeRolesDoc},

		{Method: "GET", Path: "/whoami", Caller: httpapi.Holder, Handle: d.whoami, Doc: whoamiDoc},
		{Method: "DELETE", Path: "/whoami", Caller: httpapi.Holder, Handle: d.endSelf, Doc: endSelfDoc},
		{Method: "GET", Path: "/events", Handle: d.listEvents, Doc: listEventsDoc},
		{Method: "GET", Path: "/usage", Handle: d.listUsage, Doc: listUsageDoc},

		{Method: "GET", Path: "/server", Caller: httpapi.Nobody, Handle: d.getServer, Doc: serverDoc},
		{Method: "GET", Path: "/openapi.yaml", Caller: httpapi.Nobody, Handle: getOpenAPI, Doc: openAPIDoc},
		{Method: "GET", Path: "/problems/{code}", Caller: httpapi.Nobody, Handle: getProblem, Doc: problemDoc},
	}
	routes = append(routes, d.manageRoutes()...)
	routes = append(routes, d.limitRoutes()...)
	for i := range routes {
		routes[i].Path = latchkey.BasePath + routes[i].Path
	}
	return routes
}

// A resource is an answer with a version, which becomes its ETag.
type resource struct {
	status  int
	version int64 // 0: none
	secret  bool  // it holds a secret
	body    any
}

// answer writes a resource. A write tells the revision that it is part of.
func (d *Dialect) answer(w http.ResponseWriter, r *http.Request, res resource) error {
	h := w.Header()
	if res.version != 0 {
		h.Set("ETag", etag(res.version))
	}
	if res.secret {
		h.Set("Cache-Control", "no-store")
	}
	d.wrote(w, r)
	return httpapi.WriteJSON(w, res.status, "application/json", res.body)
}

// wrote tells the revision in which a write is in force.
func (d *Dialect) wrote(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Latchkey-Revision", strconv.FormatInt(d.manager.Revision(), 10))
	}
}

func (d *Dialect) noContent(w http.ResponseWriter, r *http.Request) error {
	d.wrote(w, r)
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (d *Dialect) getServer(w http.ResponseWriter, r *http.Request, _ *httpapi.Call) error {
	return httpapi.WriteJSON(w, http.StatusOK, "application/json", d.server())
}

func getOpenAPI(w http.ResponseWriter, _ *http.Request, _ *httpapi.Call) error {
	httpapi.WriteBody(w, http.StatusOK, "application/yaml", []byte(latchkey.OpenAPI))
	return nil
}

// raw returns a JSON document as it is, or {} where there is none.
func raw(doc string) json.RawMessage {
	if doc == "" {
		return json.RawMessage("{}")
	}
	return json.RawMessage(doc)
}

// keyspaces names keyspaces by slug, each looked up once for an answer.
type keyspaces struct {
	d     *Dialect
	known map[string]string // id → slug
}

func (ks *keyspaces) slug(ctx context.Context, k *keys.Key) (string, error) {
	if s, ok := ks.known[k.KeyspaceID]; ok {
		return s, nil
	}
	found, err := ks.d.manager.Store.Keyspace(ctx, k.WorkspaceID, k.KeyspaceID)
	if err != nil {
		return "", err
	}
	if ks.known == nil {
		ks.known = map[string]string{}
	}
	ks.known[k.KeyspaceID] = found.Slug
	return found.Slug, nil
}
