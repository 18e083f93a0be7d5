package native

import (
	"net/http"
	"slices"

	"github.com/go-json-experiment/json/jsontext"

	"latchkey"
	"latchkey/internal/httpapi"
	"latchkey/internal/keys"
)

type workspaceBody struct {
	latchkey.WorkspaceSettings
	UUID jsontext.Value `json:"uuid"`
	Path jsontext.Value `json:"path"`
	fixed
}

func (b *workspaceBody) members() map[string]jsontext.Value {
	m := b.fixed.members()
	m["uuid"], m["path"] = b.UUID, b.Path
	return m
}

func wireWorkspace(ws *keys.Workspace) latchkey.Workspace {
	return latchkey.Workspace{
		ID: ws.ID, UUID: ws.UUID, Slug: ws.Slug, Path: ws.Path, Name: ws.Name, Enabled: ws.Enabled, PrepaidMicros: ws.PrepaidMicros,
		CreatedAt: latchkey.Time{Time: ws.CreatedAt}, UpdatedAt: latchkey.Time{Time: ws.UpdatedAt},
	}
}

func applyWorkspace(ws *keys.Workspace, in *latchkey.WorkspaceSettings, faults *keys.Faults) {
	assign(&ws.Slug, in.Slug, "")
	assign(&ws.Name, in.Name, ws.Slug)
	if in.Enabled.IsNull() {
		faults.Add("enabled", "must be true or false")
	}
	assign(&ws.Enabled, in.Enabled, true)
	assign(&ws.PrepaidMicros, in.PrepaidMicros, 0)
}

func (d *Dialect) createWorkspace(w http.ResponseWriter, r *http.Request, c *httpapi.Call) error {
	var in workspaceBody
	faults, err := body(r, &in)
	if err != nil {
		return err
	}
	if err := checkFixed(in.members(), nil, &faults); err != nil {
		return err
	}
	if !in.Slug.Given() {
		faults.Add("slug", "is required")
	}
	ws := keys.Workspace{Slug: in.Slug.Value, Name: in.Slug.Value, Enabled: true}
	applyWorkspace(&ws, &in.WorkspaceSettings, &faults)
	if err := faults.Err(); err != nil {
		return err
	}
	ws, err = d.manager.CreateWorkspace(r.Context(), c.Actor, ws)
	if err != nil {
		return err
	}
	return d.answer(w, r, resource{http.StatusCreated, ws.Version, false, wireWorkspace(&ws)})
}

func (d *Dialect) listWorkspaces(w http.ResponseWriter, r *http.Request, c *httpapi.Call) error {
	return list(w, r, "ws", func(p keys.Page) ([]keys.Workspace, error) {
		return d.manager.Workspaces(r.Context(), c.Actor, p)
	}, wireWorkspace, func(ws *keys.Workspace) string { return ws.ID })
}

func (d *Dialect) getWorkspace(w http.ResponseWriter, r *http.Request, c *httpapi.Call) error {
	if err := query(r).faults.Err(); err != nil {
		return err
	}
	ws, err := d.manager.Workspace(r.Context(), c.Actor, r.PathValue("ref"))
	if err != nil {
		return err
	}
	return d.answer(w, r, resource{http.StatusOK, ws.Version, false, wireWorkspace(&ws)})
}

func (d *Dialect) updateWorkspace(w http.ResponseWriter, r *http.Request, c *httpapi.Call) error {
	var in workspaceBody
	sent, err := patch(r, &in)
	if err != nil {
		return err
	}
	change := func(ws *keys.Workspace) error {
		faults := slices.Clone(sent)
		if err := checkFixed(in.members(), wireWorkspace(ws), &faults); err != nil {
			return err
		}
		applyWorkspace(ws, &in.WorkspaceSettings, &faults)
		return faults.Err()
	}
	ws, err := d.manager.UpdateWorkspace(r.Context(), c.Actor, r.PathValue("ref"), change, match(r))
	if err != nil {
		return err
	}
	return d.answer(w, r, resource{http.StatusOK, ws.Version, false, wireWorkspace(&ws)})
}

func (d *Dialect) deleteWorkspace(w http.ResponseWriter, r *http.Request, c *httpapi.Call) error {
	if err := d.manager.DeleteWorkspace(r.Context(), c.Actor, r.PathValue("ref"), match(r)); err != nil {
		return err
	}
	return d.noContent(w, r)
}
