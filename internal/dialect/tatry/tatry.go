// Package tatry is the authentication API of Tatry: a key is shown as bearer
// and asks about itself, about the other keys of its owner, and about its use.
// Nothing is made or changed here.
package tatry

import (
	"net/http"

	"latchkey/internal/httpapi"
	"latchkey/internal/keys"
	"latchkey/internal/permission"
	"latchkey/internal/token"
)

// A Dialect is Tatry's API.
type Dialect struct {
	verifier *keys.Verifier
	manager  *keys.Manager
	usage    keys.Usage
	clock    keys.Clock
	version  string
}

var _ httpapi.Dialect = (*Dialect)(nil)

// New returns Tatry's API over a verifier, a manager, and what was counted.
// version is what health tells.
func New(v *keys.Verifier, m *keys.Manager, u keys.Usage, clock keys.Clock, version string) *Dialect {
	return &Dialect{verifier: v, manager: m, usage: u, clock: clock, version: version}
}

// Name implements [httpapi.Dialect].
func (d *Dialect) Name() string { return "tatry" }

// Claims implements [httpapi.Dialect].
func (d *Dialect) Claims() []string {
	return []string{"/v1/auth/", "/v1/validate", "/v1/usage", "/v1/health"}
}

// Credential implements [httpapi.Dialect].
func (d *Dialect) Credential(r *http.Request) token.Secret { return httpapi.BearerToken(r) }

// Routes implements [httpapi.Dialect]. The vendor's documents validate by GET
// at two paths and its client by POST; all of them are the same door.
func (d *Dialect) Routes() []httpapi.Route {
	return []httpapi.Route{
		{Method: "GET", Path: "/v1/auth/validate", Caller: httpapi.Bearer, Quiet: true, Handle: d.validate},
		{Method: "POST", Path: "/v1/auth/validate", Caller: httpapi.Bearer, Quiet: true, Handle: d.validate},
		{Method: "GET", Path: "/v1/validate", Caller: httpapi.Bearer, Quiet: true, Handle: d.validate},
		{Method: "POST", Path: "/v1/validate", Caller: httpapi.Bearer, Quiet: true, Handle: d.validate},
		{Method: "GET", Path: "/v1/auth/keys", Caller: httpapi.Bearer, Handle: d.listKeys},
		{Method: "GET", Path: "/v1/usage", Caller: httpapi.Bearer, Handle: d.getUsage},
		{Method: "GET", Path: "/v1/health", Caller: httpapi.Nobody, Quiet: true, Handle: d.health},
	}
}

// needRead is what a key must hold to see the keys of its owner and its use.
var needRead = mustName("read")

func mustName(name string) permission.Query {
	q, err := permission.Name(name)
	if err != nil {
		panic(err)
	}
	return q
}

// validate tells the holder of a key that it is good and what it may do. The
// client sends no body; one that is sent is read and passed over.
func (d *Dialect) validate(w http.ResponseWriter, r *http.Request, c *httpapi.Call) error {
	if r.Method == http.MethodPost {
		if _, err := httpapi.ReadBody(r, 0); err != nil {
			return err
		}
	}
	v, _, err := d.verifier.Present(r.Context(), c.Secret, c.Origin, permission.Query{})
	if err != nil {
		return err
	}
	c.Verified(v.Outcome)
	if v.Outcome != keys.Valid {
		// A refusal is what was asked for: it goes to the log as a verdict.
		d.WriteError(w, r, refused(&v))
		return nil
	}
	return succeed(w, validity{
		Valid: true, Permissions: v.Record.Permissions, OrganizationID: organization(v.Record), RateLimits: ratesOf(v.Record),
	})
}

// present finds out who calls, and whether the key holds the permission to
// read.
func (d *Dialect) present(r *http.Request, c *httpapi.Call) error {
	v, by, err := d.verifier.Present(r.Context(), c.Secret, c.Origin, needRead)
	if err == nil && v.Outcome != keys.Valid {
		err = refused(&v)
	}
	if err != nil {
		return err
	}
	c.Actor = by
	return nil
}

// listKeys lists the keys of the caller's owner, the newest first.
func (d *Dialect) listKeys(w http.ResponseWriter, r *http.Request, c *httpapi.Call) error {
	if err := d.present(r, c); err != nil {
		return err
	}
	q, err := parseList(r.URL.RawQuery)
	if err != nil {
		return err
	}
	out := keyList{}
	if q.nothing {
		return succeed(w, out)
	}
	ks, total, err := d.manager.OwnKeys(r.Context(), c.Actor, q.filter)
	if keys.Is(err, keys.Forbidden) {
		return denied(nil, c.Actor.Record)
	}
	if err != nil {
		return err
	}
	out.Total = total
	now := d.clock()
	for i := range ks {
		out.Keys = append(out.Keys, keyOf(&ks[i], now))
	}
	return succeed(w, out)
}

// getUsage tells how many uses of the calling key were accepted in a month.
func (d *Dialect) getUsage(w http.ResponseWriter, r *http.Request, c *httpapi.Call) error {
	if err := d.present(r, c); err != nil {
		return err
	}
	month, err := parseMonth(r.URL.RawQuery, d.clock())
	if err != nil {
		return err
	}
	n, err := d.usage.Accepted(r.Context(), c.Actor.ID, month, month.AddDate(0, 1, 0))
	if err != nil {
		return err
	}
	var out usage
	out.TimeRange.Month = month.Format(monthForm)
	out.Usage.Queries.Total = n
	return succeed(w, out)
}

func (d *Dialect) health(w http.ResponseWriter, _ *http.Request, _ *httpapi.Call) error {
	return succeed(w, health{Status: "healthy", Version: d.version, Timestamp: stamp(d.clock())})
}
