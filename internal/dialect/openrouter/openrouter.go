// Package openrouter is the API of OpenRouter for API keys: a key asks about
// itself, and management keys, which are root keys, make, list, change and delete
// the others. It maps the vendor's words to the core and back, and decides nothing.
package openrouter

import (
	"net/http"

	"latchkey/internal/httpapi"
	"latchkey/internal/keys"
	"latchkey/internal/token"
)

// dialectName is used in configuration, for what is kept for this dialect, and
// for its keyspace.
const dialectName = "openrouter"

// A Dialect is OpenRouter's API.
type Dialect struct {
	verifier *keys.Verifier
	manager  *keys.Manager
	clock    keys.Clock
}

var _ httpapi.Dialect = (*Dialect)(nil)

// New returns OpenRouter's API over a verifier and a manager.
func New(v *keys.Verifier, m *keys.Manager, clock keys.Clock) *Dialect {
	return &Dialect{verifier: v, manager: m, clock: clock}
}

// Name implements [httpapi.Dialect].
func (d *Dialect) Name() string { return dialectName }

// Claims implements [httpapi.Dialect].
func (d *Dialect) Claims() []string { return []string{"/api/v1"} }

// Credential implements [httpapi.Dialect].
func (d *Dialect) Credential(r *http.Request) token.Secret { return httpapi.BearerToken(r) }

// Routes implements [httpapi.Dialect]. The vendor's own samples end paths with a
// slash, so each is served with one and without.
func (d *Dialect) Routes() []httpapi.Route {
	routes := []httpapi.Route{
		{Method: "GET", Path: "key", Caller: httpapi.Bearer, Quiet: true, Handle: d.currentKey},
		{Method: "GET", Path: "auth/key", Caller: httpapi.Bearer, Quiet: true, Handle: d.currentKey},

		{Method: "GET", Path: "keys", Handle: d.listKeys},
		{Method: "POST", Path: "keys", Handle: d.createKey},
		{Method: "GET", Path: "keys/{hash}", Handle: d.getKey},
		{Method: "PATCH", Path: "keys/{hash}", Handle: d.updateKey},
		{Method: "DELETE", Path: "keys/{hash}", Handle: d.deleteKey},

		{Method: "GET", Path: "credits", Handle: d.credits},

		{Method: "POST", Path: "auth/keys/code", Handle: d.issueCode},
		{Method: "POST", Path: "auth/keys", Caller: httpapi.Nobody, Handle: d.redeemCode},
	}
	for i := range routes {
		routes[i].Path = "/api/v1/" + routes[i].Path
		slashed := routes[i]
		slashed.Path += "/{$}"
		routes = append(routes, slashed)
	}
	return routes
}

// keyspace is where the keys go that are made here: one in each workspace, made
// with the first of them.
func keyspace() *keys.Keyspace {
	p := keys.DefaultPolicy()
	p.Secret = token.Form{Prefix: "sk-or-v1-", Format: token.Hex, Length: 64}
	p.Hint.Length = shownChars
	p.PermissionWildcards = false
	return &keys.Keyspace{Slug: dialectName, Name: "OpenRouter", Policy: p}
}
