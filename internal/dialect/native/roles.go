package native

import (
	"net/http"
	"slices"

	"latchkey"
	"latchkey/internal/httpapi"
	"latchkey/internal/keys"
)

type roleBody struct {
	latchkey.RoleSettings
	fixed
}

type permissionBody struct {
	latchkey.PermissionSettings
	fixed
}

func wireRole(r *keys.Role) latchkey.Role {
	return latchkey.Role{
		ID: r.ID, Name: r.Name, Slug: textOrNull(r.Slug), Description: textOrNull(r.Description), Permissions: r.Permissions,
		CreatedAt: latchkey.Time{Time: r.CreatedAt}, UpdatedAt: latchkey.Time{Time: r.UpdatedAt},
	}
}

func wirePermission(p *keys.Permission) latchkey.Permission {
	return latchkey.Permission{
		ID: p.ID, Name: p.Name, Slug: textOrNull(p.Slug), Description: textOrNull(p.Description),
		CreatedAt: latchkey.Time{Time: p.CreatedAt}, UpdatedAt: latchkey.Time{Time: p.UpdatedAt},
	}
}

func applyRole(r *keys.Role, in *latchkey.RoleSettings) {
	assign(&r.Name, in.Name, "")
	assign(&r.Slug, in.Slug, "")
	assign(&r.Description, in.Description, "")
	assign(&r.Permissions, in.Permissions, nil)
}

func applyPermission(p *keys.Permission, in *latchkey.PermissionSettings) {
	assign(&p.Name, in.Name, "")
	assign(&p.Slug, in.Slug, "")
	assign(&p.Description, in.Description, "")
}

func (d *Dialect) createRole(w http.ResponseWriter, r *http.Request, c *httpapi.Call) error {
	var in roleBody
	faults, err := body(r, &in)
	if err != nil {
		return err
	}
	if err := checkFixed(in.members(), nil, &faults); err != nil {
		return err
	}
	if !in.Name.Given() {
		faults.Add("name", "is required")
	}
	if err := faults.Err(); err != nil {
		return err
	}
	var role keys.Role
	applyRole(&role, &in.RoleSettings)
	role, err = d.manager.CreateRole(r.Context(), c.Actor, role)
	if err != nil {
		return err
	}
	return d.answer(w, r, resource{http.StatusCreated, role.Version, false, wireRole(&role)})
}

func (d *Dialect) listRoles(w http.ResponseWriter, r *http.Request, c *httpapi.Call) error {
	return list(w, r, "role", func(p keys.Page) ([]keys.Role, error) {
		return d.manager.Roles(r.Context(), c.Actor, p)
	}, wireRole, func(r *keys.Role) string { return r.ID })
}

func (d *Dialect) getRole(w http.ResponseWriter, r *http.Request, c *httpapi.Call) error {
	if err := query(r).faults.Err(); err != nil {
		return err
	}
	role, err := d.manager.Role(r.Context(), c.Actor, r.PathValue("ref"))
	if err != nil {
		return err
	}
	return d.answer(w, r, resource{http.StatusOK, role.Version, false, wireRole(&role)})
}

func (d *Dialect) updateRole(w http.ResponseWriter, r *http.Request, c *httpapi.Call) error {
	var in roleBody
	sent, err := patch(r, &in)
	if err != nil {
		return err
	}
	change := func(role *keys.Role) error {
		faults := slices.Clone(sent)
		if err := checkFixed(in.members(), wireRole(role), &faults); err != nil {
			return err
		}
		applyRole(role, &in.RoleSettings)
		return faults.Err()
	}
	role, err := d.manager.UpdateRole(r.Context(), c.Actor, r.PathValue("ref"), change, match(r))
	if err != nil {
		return err
	}
	return d.answer(w, r, resource{http.StatusOK, role.Version, false, wireRole(&role)})
}

func (d *Dialect) deleteRole(w http.ResponseWriter, r *http.Request, c *httpapi.Call) error {
	if err := d.manager.DeleteRole(r.Context(), c.Actor, r.PathValue("ref"), match(r)); err != nil {
		return err
	}
	return d.noContent(w, r)
}

func (d *Dialect) createPermission(w http.ResponseWriter, r *http.Request, c *httpapi.Call) error {
	var in permissionBody
	faults, err := body(r, &in)
	if err != nil {
		return err
	}
	if err := checkFixed(in.members(), nil, &faults); err != nil {
		return err
	}
	if !in.Name.Given() {
		faults.Add("name", "is required")
	}
	if err := faults.Err(); err != nil {
		return err
	}
	var p keys.Permission
	applyPermission(&p, &in.PermissionSettings)
	p, err = d.manager.CreatePermission(r.Context(), c.Actor, p)
	if err != nil {
		return err
	}
	return d.answer(w, r, resource{http.StatusCreated, p.Version, false, wirePermission(&p)})
}

func (d *Dialect) listPermissions(w http.ResponseWriter, r *http.Request, c *httpapi.Call) error {
	return list(w, r, "perm", func(p keys.Page) ([]keys.Permission, error) {
		return d.manager.Permissions(r.Context(), c.Actor, p)
	}, wirePermission, func(p *keys.Permission) string { return p.ID })
}

func (d *Dialect) getPermission(w http.ResponseWriter, r *http.Request, c *httpapi.Call) error {
	if err := query(r).faults.Err(); err != nil {
		return err
	}
	p, err := d.manager.Permission(r.Context(), c.Actor, r.PathValue("ref"))
	if err != nil {
		return err
	}
	return d.answer(w, r, resource{http.StatusOK, p.Version, false, wirePermission(&p)})
}

func (d *Dialect) updatePermission(w http.ResponseWriter, r *http.Request, c *httpapi.Call) error {
	var in permissionBody
	sent, err := patch(r, &in)
	if err != nil {
		return err
	}
	change := func(p *keys.Permission) error {
		faults := slices.Clone(sent)
		if err := checkFixed(in.members(), wirePermission(p), &faults); err != nil {
			return err
		}
		applyPermission(p, &in.PermissionSettings)
		return faults.Err()
	}
	p, err := d.manager.UpdatePermission(r.Context(), c.Actor, r.PathValue("ref"), change, match(r))
	if err != nil {
		return err
	}
	return d.answer(w, r, resource{http.StatusOK, p.Version, false, wirePermission(&p)})
}

func (d *Dialect) deletePermission(w http.ResponseWriter, r *http.Request, c *httpapi.Call) error {
	if err := d.manager.DeletePermission(r.Context(), c.Actor, r.PathValue("ref"), match(r)); err != nil {
		return err
	}
	return d.noContent(w, r)
}
