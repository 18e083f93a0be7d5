package unkey

import (
	"cmp"
	"context"
	"slices"

	"latchkey/internal/keys"
	"latchkey/internal/token"
)

var (
	errNoPermission = keys.Errorf(keys.NotFound, "permission not found")
	errNoRole       = keys.Errorf(keys.NotFound, "role not found")
)

// The vendor's permission has a name, which is shown, and a slug, which keys
// hold and queries ask for. The second is the core's name; the first is its
// slug, and there only where the two differ.

type createPermissionBody struct {
	Name        string  `json:"name" required:"true"`
	Slug        *string `json:"slug"`
	Description *string `json:"description"`
}

type createdPermission struct {
	PermissionID string `json:"permissionId"`
}

func (d *Dialect) createPermission(ctx context.Context, by keys.Actor, in *createPermissionBody) (createdPermission, error) {
	p := keys.Permission{Name: or(in.Slug, in.Name), Description: or(in.Description, "")}
	if p.Name != in.Name {
		p.Slug = in.Name
	}
	var faults keys.Faults
	checkText("name", in.Name, 3, keys.MaxText, &faults)
	if err := faults.Err(); err != nil {
		return createdPermission{}, err
	}
	p, err := d.manager.CreatePermission(ctx, by, p)
	return createdPermission{p.ID}, err
}

type shownPermission struct {
	ID          string `json:"id"`
	Name        string `json:"name"`
	Slug        string `json:"slug"`
	Description string `json:"description,omitzero"`
}

// permissionName returns what the vendor calls the name of a permission.
func permissionName(p *keys.Permission) string { return cmp.Or(p.Slug, p.Name) }

func permissionOf(p *keys.Permission) shownPermission {
	return shownPermission{p.ID, permissionName(p), p.Name, p.Description}
}

func (d *Dialect) getPermission(ctx context.Context, by keys.Actor, p *params) (shownPermission, error) {
	id := p.required("permissionId")
	if err := p.faults.Err(); err != nil {
		return shownPermission{}, err
	}
	found, err := d.manager.Permission(ctx, by, id)
	if keys.Is(err, keys.NotFound) || err == nil && found.ID != id {
		err = errNoPermission
	}
	return permissionOf(&found), err
}

// listPermissions lists all permissions of the workspace, the oldest first.
func (d *Dialect) listPermissions(ctx context.Context, by keys.Actor, _ *params) ([]shownPermission, error) {
	found, err := d.manager.Permissions(ctx, by, keys.Page{})
	return oldestFirst(found, permissionOf), err
}

// oldestFirst turns a list around and shows what it holds.
func oldestFirst[T, Wire any](newestFirst []T, show func(*T) Wire) []Wire {
	out := []Wire{}
	for i := range slices.Backward(newestFirst) {
		out = append(out, show(&newestFirst[i]))
	}
	return out
}

type permissionIDBody struct {
	PermissionID string `json:"permissionId" required:"true"`
}

func (d *Dialect) deletePermission(ctx context.Context, by keys.Actor, in *permissionIDBody) (nothing, error) {
	return nothing{}, ended("perm", in.PermissionID, errNoPermission, func() error {
		return d.manager.DeletePermission(ctx, by, in.PermissionID, keys.Match{})
	})
}

// ended deletes what has an id of a kind. A text of another form, which the core
// might take for a name, names nothing.
func ended(kind, id string, gone error, end func() error) error {
	if !token.ValidID(kind, id) {
		return gone
	}
	err := end()
	if keys.Is(err, keys.NotFound) {
		return gone
	}
	return err
}

type createRoleBody struct {
	Name        string  `json:"name" required:"true"`
	Description *string `json:"description"`
}

type createdRole struct {
	RoleID string `json:"roleId"`
}

func (d *Dialect) createRole(ctx context.Context, by keys.Actor, in *createRoleBody) (createdRole, error) {
	var faults keys.Faults
	checkText("name", in.Name, 3, keys.MaxText, &faults)
	if err := faults.Err(); err != nil {
		return createdRole{}, err
	}
	r, err := d.manager.CreateRole(ctx, by, keys.Role{Name: in.Name, Description: or(in.Description, "")})
	return createdRole{r.ID}, err
}

type shownRole struct {
	ID          string `json:"id"`
	Name        string `json:"name"`
	Description string `json:"description,omitzero"`
}

func roleOf(r *keys.Role) shownRole { return shownRole{r.ID, r.Name, r.Description} }

func (d *Dialect) getRole(ctx context.Context, by keys.Actor, p *params) (shownRole, error) {
	id := p.required("roleId")
	if err := p.faults.Err(); err != nil {
		return shownRole{}, err
	}
	found, err := d.manager.Role(ctx, by, id)
	if keys.Is(err, keys.NotFound) || err == nil && found.ID != id {
		err = errNoRole
	}
	return roleOf(&found), err
}

// listRoles lists all roles of the workspace, the oldest first.
func (d *Dialect) listRoles(ctx context.Context, by keys.Actor, _ *params) ([]shownRole, error) {
	found, err := d.manager.Roles(ctx, by, keys.Page{})
	return oldestFirst(found, roleOf), err
}

type roleIDBody struct {
	RoleID string `json:"roleId" required:"true"`
}

func (d *Dialect) deleteRole(ctx context.Context, by keys.Actor, in *roleIDBody) (nothing, error) {
	return nothing{}, ended("role", in.RoleID, errNoRole, func() error {
		return d.manager.DeleteRole(ctx, by, in.RoleID, keys.Match{})
	})
}
