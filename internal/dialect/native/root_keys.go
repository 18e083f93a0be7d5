package native

import (
	"net/http"

	"github.com/go-json-experiment/json/jsontext"

	"latchkey"
	"latchkey/internal/httpapi"
	"latchkey/internal/keys"
)

type rootKeyBody struct {
	latchkey.RootKeySettings
	readOnly
}

// fixedMembers are those that cannot be set, but for the secret.
func (b *rootKeyBody) fixedMembers() map[string]jsontext.Value {
	return map[string]jsontext.Value{
		"id": b.ID, "hint": b.Hint, "status": b.Status, "secrets": b.Secrets,
		"last_used_at": b.LastUsedAt, "created_at": b.CreatedAt, "updated_at": b.UpdatedAt,
	}
}

func (d *Dialect) wireRootKey(k *keys.Key) latchkey.RootKey {
	out := latchkey.RootKey{
		ID: k.ID, Name: textOrNull(k.Name), Status: string(k.Status(d.clock())), Enabled: k.Enabled, Meta: raw(k.Meta),
		Permissions: k.Permissions, AllowedIPs: wireAddresses(k.AllowedIPs), ExpiresAt: wireTime(k.ExpiresAt), Limits: wireLimits(k.Limits),
		Secrets: wireSecrets(k.Secrets), LastUsedAt: wireTime(k.LastUsedAt),
		CreatedAt: latchkey.Time{Time: k.CreatedAt}, UpdatedAt: latchkey.Time{Time: k.UpdatedAt},
	}
	if s := k.Newest(); s != nil {
		out.Hint = hint(s)
	}
	return out
}

func rootSettings(in *latchkey.RootKeySettings, faults *keys.Faults) keys.KeySettings {
	return settings(&latchkey.KeySettings{
		Name: in.Name, Enabled: in.Enabled, Meta: in.Meta, Permissions: in.Permissions,
		AllowedIPs: in.AllowedIPs, ExpiresAt: in.ExpiresAt, Limits: in.Limits,
	}, nil, faults)
}

func (d *Dialect) createRootKey(w http.ResponseWriter, r *http.Request, c *httpapi.Call) error {
	var in rootKeyBody
	faults, err := body(r, &in)
	if err != nil {
		return err
	}
	if err := checkFixed(in.fixedMembers(), nil, &faults); err != nil {
		return err
	}
	s := rootSettings(&in.RootKeySettings, &faults)
	s.Meta.Value = keptMeta(s.Meta.Value)
	s.Faults = faults
	k, secret, err := d.manager.CreateRootKey(r.Context(), c.Actor, s)
	if err != nil {
		return err
	}
	return d.answer(w, r, resource{http.StatusCreated, k.Version, true, latchkey.RootKeyWithSecret{RootKey: d.wireRootKey(&k), Secret: secret.Reveal()}})
}

func (d *Dialect) listRootKeys(w http.ResponseWriter, r *http.Request, c *httpapi.Call) error {
	p := query(r, "limit", "cursor", "status", "name", "start")
	limit := p.limit()
	f := keys.KeyFilter{
		Status: keys.Status(p.oneOf("status", "active", "disabled", "expired")), Name: p.optional("name"), Start: p.text("start"),
		Before: p.cursor("key"), Limit: limit + 1,
	}
	if err := p.faults.Err(); err != nil {
		return err
	}
	found, err := d.manager.RootKeys(r.Context(), c.Actor, f)
	if err != nil {
		return err
	}
	return writeList(w, found, limit, d.wireRootKey, func(k *keys.Key) string { return k.ID })
}

func (d *Dialect) getRootKey(w http.ResponseWriter, r *http.Request, c *httpapi.Call) error {
	if err := query(r).faults.Err(); err != nil {
		return err
	}
	k, err := d.manager.RootKey(r.Context(), c.Actor, r.PathValue("id"))
	if err != nil {
		return err
	}
	return d.answer(w, r, resource{http.StatusOK, k.Version, false, d.wireRootKey(&k)})
}

func (d *Dialect) updateRootKey(w http.ResponseWriter, r *http.Request, c *httpapi.Call) error {
	var in rootKeyBody
	faults, err := patch(r, &in)
	if err != nil {
		return err
	}
	s := rootSettings(&in.RootKeySettings, &faults)
	s.MergeMeta = mergeMeta
	if anySent(in.fixedMembers()) {
		k, err := d.manager.RootKey(r.Context(), c.Actor, r.PathValue("id"))
		if err != nil {
			return err
		}
		if err := checkFixed(in.fixedMembers(), d.wireRootKey(&k), &faults); err != nil {
			return err
		}
	}
	s.Faults = faults
	k, err := d.manager.UpdateRootKey(r.Context(), c.Actor, r.PathValue("id"), s, match(r))
	if err != nil {
		return err
	}
	return d.answer(w, r, resource{http.StatusOK, k.Version, false, d.wireRootKey(&k)})
}

func (d *Dialect) deleteRootKey(w http.ResponseWriter, r *http.Request, c *httpapi.Call) error {
	if err := d.manager.DeleteRootKey(r.Context(), c.Actor, r.PathValue("id"), match(r)); err != nil {
		return err
	}
	return d.noContent(w, r)
}

func (d *Dialect) rotateRootKey(w http.ResponseWriter, r *http.Request, c *httpapi.Call) error {
	overlap, err := overlapOf(r)
	if err != nil {
		return err
	}
	k, secret, err := d.manager.RotateRootKey(r.Context(), c.Actor, r.PathValue("id"), overlap)
	if err != nil {
		return err
	}
	return d.answer(w, r, resource{http.StatusOK, k.Version, true, latchkey.RootKeyWithSecret{RootKey: d.wireRootKey(&k), Secret: secret.Reveal()}})
}

func (d *Dialect) endRootSecret(w http.ResponseWriter, r *http.Request, c *httpapi.Call) error {
	if err := d.manager.EndRootSecret(r.Context(), c.Actor, r.PathValue("id"), r.PathValue("secret"), match(r)); err != nil {
		return err
	}
	return d.noContent(w, r)
}
