package native

import (
	"net/http"
	"slices"

	"latchkey"
	"latchkey/internal/httpapi"
	"latchkey/internal/keys"
)

type keyspaceBody struct {
	latchkey.KeyspaceSettings
	fixed
}

func wireKeyspace(ks *keys.Keyspace) latchkey.Keyspace {
	return latchkey.Keyspace{
		ID: ks.ID, Slug: ks.Slug, Name: ks.Name, Policy: wirePolicy(&ks.Policy),
		CreatedAt: latchkey.Time{Time: ks.CreatedAt}, UpdatedAt: latchkey.Time{Time: ks.UpdatedAt},
	}
}

func (d *Dialect) createKeyspace(w http.ResponseWriter, r *http.Request, c *httpapi.Call) error {
	var in keyspaceBody
	faults, err := body(r, &in)
	if err != nil {
		return err
	}
	if err := checkFixed(in.members(), nil, &faults); err != nil {
		return err
	}
	if in.Slug == "" {
		faults.Add("slug", "is required")
	}
	ks := newKeyspace(&in.KeyspaceSettings, &faults)
	if err := faults.Err(); err != nil {
		return err
	}
	ks, err = d.manager.CreateKeyspace(r.Context(), c.Actor, ks)
	if err != nil {
		return err
	}
	return d.answer(w, r, resource{http.StatusCreated, ks.Version, false, wireKeyspace(&ks)})
}

func (d *Dialect) listKeyspaces(w http.ResponseWriter, r *http.Request, c *httpapi.Call) error {
	return list(w, r, "ks", func(p keys.Page) ([]keys.Keyspace, error) {
		return d.manager.Keyspaces(r.Context(), c.Actor, p)
	}, wireKeyspace, func(ks *keys.Keyspace) string { return ks.ID })
}

func (d *Dialect) getKeyspace(w http.ResponseWriter, r *http.Request, c *httpapi.Call) error {
	if err := query(r).faults.Err(); err != nil {
		return err
	}
	ks, err := d.manager.Keyspace(r.Context(), c.Actor, r.PathValue("ref"))
	if err != nil {
		return err
	}
	return d.answer(w, r, resource{http.StatusOK, ks.Version, false, wireKeyspace(&ks)})
}

func (d *Dialect) updateKeyspace(w http.ResponseWriter, r *http.Request, c *httpapi.Call) error {
	var in keyspaceBody
	sent, err := patch(r, &in)
	if err != nil {
		return err
	}
	change := func(ks *keys.Keyspace) error {
		faults := slices.Clone(sent)
		if err := checkFixed(in.members(), wireKeyspace(ks), &faults); err != nil {
			return err
		}
		applyKeyspace(ks, &in.KeyspaceSettings, &faults)
		return faults.Err()
	}
	ks, err := d.manager.UpdateKeyspace(r.Context(), c.Actor, r.PathValue("ref"), change, match(r))
	if err != nil {
		return err
	}
	return d.answer(w, r, resource{http.StatusOK, ks.Version, false, wireKeyspace(&ks)})
}

func (d *Dialect) deleteKeyspace(w http.ResponseWriter, r *http.Request, c *httpapi.Call) error {
	if err := d.manager.DeleteKeyspace(r.Context(), c.Actor, r.PathValue("ref"), match(r)); err != nil {
		return err
	}
	return d.noContent(w, r)
}
