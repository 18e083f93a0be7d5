// Package unkey is the API of Unkey at its version 1: APIs with their keys,
// the verification of a key by whoever was shown it, permissions, roles and
// identities. An API is a keyspace. It maps the vendor's words to the core and
// back, and decides nothing.
package unkey

import (
	"net/http"
	"strings"

	"latchkey/internal/httpapi"
	"latchkey/internal/keys"
	"latchkey/internal/token"
)

// dialectName is used in configuration, and for what is kept for this dialect.
const dialectName = "unkey"

// A Dialect is Unkey's API.
type Dialect struct {
	verifier *keys.Verifier
	manager  *keys.Manager
	rooted   bool
}

var _ httpapi.Dialect = (*Dialect)(nil)

// New returns Unkey's API over a verifier and a manager. rooted says that a
// verification needs a root key, which the vendor's does not.
func New(v *keys.Verifier, m *keys.Manager, rooted bool) *Dialect {
	return &Dialect{verifier: v, manager: m, rooted: rooted}
}

// Name implements [httpapi.Dialect].
func (d *Dialect) Name() string { return dialectName }

// Claims implements [httpapi.Dialect].
func (d *Dialect) Claims() []string { return []string{"/v1/"} }

// Credential implements [httpapi.Dialect]. The vendor takes a header with or
// without the word Bearer.
func (d *Dialect) Credential(r *http.Request) token.Secret {
	if lines := r.Header["Authorization"]; len(lines) == 1 {
		if s := strings.TrimSpace(lines[0]); !strings.Contains(s, " ") && !strings.EqualFold(s, "Bearer") {
			return token.New(s)
		}
	}
	return httpapi.BearerToken(r)
}

// Routes implements [httpapi.Dialect]. Browsers ask about each path first.
func (d *Dialect) Routes() []httpapi.Route {
	verifier := httpapi.Bearer
	if d.rooted {
		verifier = httpapi.RootKey
	}
	routes := []httpapi.Route{
		{Method: "POST", Path: "keys.verifyKey", Caller: verifier, Quiet: true, Handle: d.verifyKey},
		{Method: "GET", Path: "liveness", Caller: httpapi.Nobody, Quiet: true, Handle: liveness},

		{Method: "POST", Path: "apis.createApi", Handle: post(d.createAPI)},
		{Method: "GET", Path: "apis.getApi", Handle: get(d.getAPI)},
		{Method: "GET", Path: "apis.listKeys", Handle: get(d.listKeys)},
		{Method: "POST", Path: "apis.deleteApi", Handle: post(d.deleteAPI)},

		{Method: "POST", Path: "keys.createKey", Handle: post(d.createKey)},
		{Method: "GET", Path: "keys.getKey", Handle: get(d.getKey)},
		{Method: "POST", Path: "keys.updateKey", Handle: post(d.updateKey)},
		{Method: "POST", Path: "keys.deleteKey", Handle: post(d.deleteKey)},
		{Method: "POST", Path: "keys.updateRemaining", Handle: post(d.updateRemaining)},
		{Method: "POST", Path: "keys.whoami", Handle: post(d.whoami)},
		{Method: "POST", Path: "keys.addPermissions", Handle: post(d.addPermissions)},
		{Method: "POST", Path: "keys.setPermissions", Handle: post(d.setPermissions)},
		{Method: "POST", Path: "keys.removePermissions", Handle: post(d.removePermissions)},
		{Method: "POST", Path: "keys.addRoles", Handle: post(d.addRoles)},
		{Method: "POST", Path: "keys.setRoles", Handle: post(d.setRoles)},
		{Method: "POST", Path: "keys.removeRoles", Handle: post(d.removeRoles)},

		{Method: "POST", Path: "permissions.createPermission", Handle: post(d.createPermission)},
		{Method: "GET", Path: "permissions.getPermission", Handle: get(d.getPermission)},
		{Method: "GET", Path: "permissions.listPermissions", Handle: get(d.listPermissions)},
		{Method: "POST", Path: "permissions.deletePermission", Handle: post(d.deletePermission)},
		{Method: "POST", Path: "permissions.createRole", Handle: post(d.createRole)},
		{Method: "GET", Path: "permissions.getRole", Handle: get(d.getRole)},
		{Method: "GET", Path: "permissions.listRoles", Handle: get(d.listRoles)},
		{Method: "POST", Path: "permissions.deleteRole", Handle: post(d.deleteRole)},

		{Method: "POST", Path: "identities.createIdentity", Handle: post(d.createIdentity)},
		{Method: "GET", Path: "identities.getIdentity", Handle: get(d.getIdentity)},
		{Method: "GET", Path: "identities.listIdentities", Handle: get(d.listIdentities)},
		{Method: "POST", Path: "identities.updateIdentity", Handle: post(d.updateIdentity)},
		{Method: "POST", Path: "identities.deleteIdentity", Handle: post(d.deleteIdentity)},
	}
	for i := range routes {
		routes[i].Path = "/v1/" + routes[i].Path
		routes = append(routes, httpapi.Route{
			Method: "OPTIONS", Path: routes[i].Path, Caller: httpapi.Nobody, Quiet: true, Handle: preflight,
		})
	}
	return routes
}

// preflight lets pages of any origin call.
func preflight(w http.ResponseWriter, _ *http.Request, _ *httpapi.Call) error {
	h := w.Header()
	common(h)
	h.Set("Access-Control-Allow-Methods", "GET, HEAD, POST")
	h.Set("Access-Control-Allow-Headers", "Authorization, Content-Type, Unkey-Telemetry-SDK, Unkey-Telemetry-Platform, Unkey-Telemetry-Runtime")
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// An alive tells that the process answers. The vendor names the makers of its
// parts; here they are all of one.
type alive struct {
	Status   string   `json:"status"`
	Services services `json:"services"`
}

type services struct {
	Metrics    string `json:"metrics"`
	Logger     string `json:"logger"`
	Ratelimit  string `json:"ratelimit"`
	Usagelimit string `json:"usagelimit"`
}

func liveness(w http.ResponseWriter, r *http.Request, _ *httpapi.Call) error {
	const maker = "latchkey"
	return answer(w, r, http.StatusOK, alive{"we're so back", services{maker, maker, maker, maker}})
}
