package native

import (
	"net/http"
	"slices"

	"github.com/go-json-experiment/json/jsontext"

	"latchkey"
	"latchkey/internal/httpapi"
	"latchkey/internal/keys"
)

type identityBody struct {
	latchkey.IdentitySettings
	fixed
}

type replaceIdentityBody struct {
	latchkey.ReplaceIdentitySettings
	fixed
}

func wireIdentity(i *keys.Identity) latchkey.Identity {
	return latchkey.Identity{
		ID: i.ID, ExternalID: i.ExternalID, Kind: string(i.Kind), Enabled: i.Enabled, Meta: raw(i.Meta), Limits: wireLimits(i.Limits),
		CreatedAt: latchkey.Time{Time: i.CreatedAt}, UpdatedAt: latchkey.Time{Time: i.UpdatedAt},
	}
}

// applyIdentity sets on i what is given.
func applyIdentity(i *keys.Identity, in *latchkey.IdentitySettings, faults *keys.Faults) {
	if in.ExternalID.Given() {
		i.ExternalID = in.ExternalID.Value
	}
	assign((*string)(&i.Kind), in.Kind, string(keys.Customer))
	if in.Enabled.IsNull() {
		faults.Add("enabled", "must be true or false")
	}
	assign(&i.Enabled, in.Enabled, true)
	if in.Meta.Given() {
		i.Meta = mergeMeta(i.Meta, metadata(in.Meta.Value, faults))
	}
	if in.Limits.Given() {
		i.Limits = limits(in.Limits.Value, "limits", faults)
	}
}

func newIdentity() keys.Identity { return keys.Identity{Kind: keys.Customer, Enabled: true} }

func (d *Dialect) createIdentity(w http.ResponseWriter, r *http.Request, c *httpapi.Call) error {
	var in identityBody
	faults, err := body(r, &in)
	if err != nil {
		return err
	}
	if err := checkFixed(in.members(), nil, &faults); err != nil {
		return err
	}
	if !in.ExternalID.Given() {
		faults.Add("external_id", "is required")
	}
	i := newIdentity()
	applyIdentity(&i, &in.IdentitySettings, &faults)
	if err := faults.Err(); err != nil {
		return err
	}
	i, err = d.manager.CreateIdentity(r.Context(), c.Actor, i)
	if err != nil {
		return err
	}
	return d.answer(w, r, resource{http.StatusCreated, i.Version, false, wireIdentity(&i)})
}

func (d *Dialect) listIdentities(w http.ResponseWriter, r *http.Request, c *httpapi.Call) error {
	p := query(r, "limit", "cursor", "external_id", "kind", "enabled")
	limit := p.limit()
	f := keys.IdentityFilter{
		ExternalID: p.text("external_id"), Kind: keys.IdentityKind(p.oneOf("kind", "customer", "user", "organization")),
		Page: keys.Page{Before: p.cursor("idn"), Limit: limit + 1},
	}
	if on := p.oneOf("enabled", "true", "false"); on != "" {
		enabled := on == "true"
		f.Enabled = &enabled
	}
	if err := p.faults.Err(); err != nil {
		return err
	}
	found, _, err := d.manager.Identities(r.Context(), c.Actor, f)
	if err != nil {
		return err
	}
	return writeList(w, found, limit, wireIdentity, func(i *keys.Identity) string { return i.ID })
}

func (d *Dialect) getIdentity(w http.ResponseWriter, r *http.Request, c *httpapi.Call) error {
	if err := query(r).faults.Err(); err != nil {
		return err
	}
	i, err := d.manager.Identity(r.Context(), c.Actor, r.PathValue("ref"))
	if err != nil {
		return err
	}
	return d.answer(w, r, resource{http.StatusOK, i.Version, false, wireIdentity(&i)})
}

func (d *Dialect) updateIdentity(w http.ResponseWriter, r *http.Request, c *httpapi.Call) error {
	var in identityBody
	sent, err := patch(r, &in)
	if err != nil {
		return err
	}
	change := func(i *keys.Identity) error {
		faults := slices.Clone(sent)
		if err := checkFixed(in.members(), wireIdentity(i), &faults); err != nil {
			return err
		}
		applyIdentity(i, &in.IdentitySettings, &faults)
		return faults.Err()
	}
	i, err := d.manager.UpdateIdentity(r.Context(), c.Actor, r.PathValue("ref"), change, match(r))
	if err != nil {
		return err
	}
	return d.answer(w, r, resource{http.StatusOK, i.Version, false, wireIdentity(&i)})
}

// replaceIdentity serves PUT /identities/by-external-id/{external_id}.
func (d *Dialect) replaceIdentity(w http.ResponseWriter, r *http.Request, c *httpapi.Call) error {
	var in replaceIdentityBody
	faults, err := body(r, &in)
	if err != nil {
		return err
	}
	want := newIdentity()
	want.ExternalID = r.PathValue("external_id")
	applyIdentity(&want, &latchkey.IdentitySettings{Kind: in.Kind, Enabled: in.Enabled, Meta: in.Meta, Limits: in.Limits}, &faults)
	if err := d.checkReplaced(r, c, in.members(), want.ExternalID, &faults); err != nil {
		return err
	}
	if err := faults.Err(); err != nil {
		return err
	}
	i, made, err := d.manager.ReplaceIdentity(r.Context(), c.Actor, want, match(r))
	if err != nil {
		return err
	}
	status := http.StatusOK
	if made {
		status = http.StatusCreated
	}
	return d.answer(w, r, resource{status, i.Version, false, wireIdentity(&i)})
}

// checkReplaced checks members that cannot be set against the identity that is
// to be replaced.
func (d *Dialect) checkReplaced(r *http.Request, c *httpapi.Call, sent map[string]jsontext.Value, externalID string, faults *keys.Faults) error {
	if !anySent(sent) {
		return nil
	}
	i, err := d.manager.Identity(r.Context(), c.Actor, externalID)
	if keys.Is(err, keys.NotFound) {
		return checkFixed(sent, nil, faults)
	}
	if err != nil {
		return err
	}
	return checkFixed(sent, wireIdentity(&i), faults)
}

func (d *Dialect) deleteIdentity(w http.ResponseWriter, r *http.Request, c *httpapi.Call) error {
	if err := d.manager.DeleteIdentity(r.Context(), c.Actor, r.PathValue("ref"), match(r)); err != nil {
		return err
	}
	return d.noContent(w, r)
}
