package unkey

import (
	"context"
	"slices"
	"strconv"

	"latchkey/internal/keys"
	"latchkey/internal/token"
)

// A grantBody names a permission or a role, and may ask for it to be made.
type grantBody struct {
	ID     *string `json:"id"`
	Name   *string `json:"name"`
	Slug   *string `json:"slug"`
	Create *bool   `json:"create"`
}

// made reports whether what is named is to be made where it is not there.
func (g *grantBody) made() bool { return g.ID == nil && g.Create != nil && *g.Create }

// A grant is a permission or a role that a key has itself.
type grant struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

// mayGrant reports what is wrong with a list by itself, and whether the caller
// may change the key.
func (d *Dialect) mayGrant(ctx context.Context, by *keys.Actor, id, at string, list []grantBody) error {
	if err := by.Need(keys.ResKeys, "", "update"); err != nil {
		return err
	}
	var faults keys.Faults
	if len(list) == 0 {
		faults.Add(at, "must have one element at least")
	}
	for i, g := range list {
		if or(g.ID, "") == "" && or(g.Name, "") == "" && or(g.Slug, "") == "" {
			faults.Add(at+"/"+strconv.Itoa(i), "must have an id or a name")
		}
	}
	if err := faults.Err(); err != nil {
		return err
	}
	_, err := d.mayUpdate(ctx, by, id)
	return err
}

// A keyPermissionsBody names permissions of a key.
type keyPermissionsBody struct {
	KeyID       string      `json:"keyId" required:"true"`
	Permissions []grantBody `json:"permissions" required:"true"`
}

func (d *Dialect) addPermissions(ctx context.Context, by keys.Actor, in *keyPermissionsBody) ([]grant, error) {
	return d.grantPermissions(ctx, by, in, func(names []string) (keys.Key, error) {
		return d.manager.ChangePermissions(ctx, by, in.KeyID, keys.Delta{Add: names})
	})
}

func (d *Dialect) setPermissions(ctx context.Context, by keys.Actor, in *keyPermissionsBody) ([]grant, error) {
	return d.grantPermissions(ctx, by, in, func(names []string) (keys.Key, error) {
		return d.manager.UpdateKey(ctx, by, in.KeyID, keys.KeySettings{Permissions: keys.Some(names)}, keys.Match{})
	})
}

// grantPermissions finds or makes permissions, gives them to a key, and answers
// with those that it then has itself.
func (d *Dialect) grantPermissions(ctx context.Context, by keys.Actor, in *keyPermissionsBody, give func([]string) (keys.Key, error)) ([]grant, error) {
	if err := d.mayGrant(ctx, &by, in.KeyID, "permissions", in.Permissions); err != nil {
		return nil, err
	}
	names, err := d.permissionNames(ctx, &by, in.Permissions)
	if err != nil {
		return nil, err
	}
	k, err := give(names)
	if err != nil {
		return nil, err
	}
	out := []grant{}
	for _, name := range k.Permissions {
		p, err := d.manager.Store.Permission(ctx, by.WorkspaceID, name)
		if keys.Is(err, keys.NotFound) {
			continue // it has gone meanwhile, and from the key with it
		}
		if err != nil {
			return nil, err
		}
		out = append(out, grant{p.ID, permissionName(&p)})
	}
	return out, nil
}

// removePermissions takes permissions from a key. Those that there are not it
// does not have.
func (d *Dialect) removePermissions(ctx context.Context, by keys.Actor, in *keyPermissionsBody) (nothing, error) {
	if err := d.mayGrant(ctx, &by, in.KeyID, "permissions", in.Permissions); err != nil {
		return nothing{}, err
	}
	var names []string
	for _, g := range in.Permissions {
		p, err := d.permission(ctx, &by, g)
		if err != nil && !keys.Is(err, keys.NotFound) {
			return nothing{}, err
		}
		if err == nil {
			names = append(names, p.Name)
		}
	}
	_, err := d.manager.ChangePermissions(ctx, by, in.KeyID, keys.Delta{Remove: names})
	return nothing{}, err
}

// permissionNames returns the names by which keys hold the permissions that are
// asked for. One that is not there is made, with the key that holds it, where
// that is asked for and the caller may.
func (d *Dialect) permissionNames(ctx context.Context, by *keys.Actor, list []grantBody) ([]string, error) {
	names := []string{}
	for i, g := range list {
		p, err := d.permission(ctx, by, g)
		if keys.Is(err, keys.NotFound) && g.made() {
			p.Name = or(g.Slug, or(g.Name, ""))
			err = by.Need(keys.ResRoles, "*", "create")
		}
		if keys.Is(err, keys.NotFound) {
			err = keys.Errorf(keys.NotFound, "permissions.%d: there is no such permission", i)
		}
		if err != nil {
			return nil, err
		}
		names = append(names, p.Name)
	}
	return names, nil
}

// permission finds a permission by id, by the text that keys hold, or by what
// the vendor calls its name.
func (d *Dialect) permission(ctx context.Context, by *keys.Actor, g grantBody) (keys.Permission, error) {
	if g.ID != nil {
		if !token.ValidID("perm", *g.ID) {
			return keys.Permission{}, errNoPermission
		}
		return d.manager.Store.Permission(ctx, by.WorkspaceID, *g.ID)
	}
	ref := or(g.Slug, or(g.Name, ""))
	p, err := d.manager.Store.Permission(ctx, by.WorkspaceID, ref)
	if err == nil && p.Name != ref {
		err = errNoPermission
	}
	if !keys.Is(err, keys.NotFound) || g.Slug != nil {
		return p, err
	}
	all, err := d.manager.Store.Permissions(ctx, by.WorkspaceID, keys.Page{})
	if err != nil {
		return keys.Permission{}, err
	}
	i := slices.IndexFunc(all, func(p keys.Permission) bool { return p.Slug == ref })
	if i < 0 {
		return keys.Permission{}, errNoPermission
	}
	return all[i], nil
}

// mayName refuses a caller who names permissions that are not there, and would
// be made, unless they may make them.
func (d *Dialect) mayName(ctx context.Context, by *keys.Actor, names []string) error {
	if len(names) == 0 || by.May(keys.ResRoles, "*", "create") {
		return nil
	}
	for _, n := range names {
		p, err := d.manager.Store.Permission(ctx, by.WorkspaceID, n)
		if keys.Is(err, keys.NotFound) || err == nil && p.Name != n {
			return by.Need(keys.ResRoles, "*", "create")
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// A keyRolesBody names roles of a key.
type keyRolesBody struct {
	KeyID string      `json:"keyId" required:"true"`
	Roles []grantBody `json:"roles" required:"true"`
}

func (d *Dialect) addRoles(ctx context.Context, by keys.Actor, in *keyRolesBody) ([]grant, error) {
	return d.grantRoles(ctx, by, in, func(names []string) (keys.Key, error) {
		return d.manager.ChangeRoles(ctx, by, in.KeyID, keys.Delta{Add: names})
	})
}

func (d *Dialect) setRoles(ctx context.Context, by keys.Actor, in *keyRolesBody) ([]grant, error) {
	return d.grantRoles(ctx, by, in, func(names []string) (keys.Key, error) {
		return d.manager.UpdateKey(ctx, by, in.KeyID, keys.KeySettings{Roles: keys.Some(names)}, keys.Match{})
	})
}

// grantRoles is to roles what [Dialect.grantPermissions] is to permissions.
func (d *Dialect) grantRoles(ctx context.Context, by keys.Actor, in *keyRolesBody, give func([]string) (keys.Key, error)) ([]grant, error) {
	if err := d.mayGrant(ctx, &by, in.KeyID, "roles", in.Roles); err != nil {
		return nil, err
	}
	names, err := d.roleNames(ctx, &by, in.Roles)
	if err != nil {
		return nil, err
	}
	k, err := give(names)
	if err != nil {
		return nil, err
	}
	out := []grant{}
	for _, name := range k.Roles {
		r, err := d.manager.Store.Role(ctx, by.WorkspaceID, name)
		if keys.Is(err, keys.NotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		out = append(out, grant{r.ID, name})
	}
	return out, nil
}

// removeRoles takes roles from a key. Those that there are not it does not have.
func (d *Dialect) removeRoles(ctx context.Context, by keys.Actor, in *keyRolesBody) (nothing, error) {
	if err := d.mayGrant(ctx, &by, in.KeyID, "roles", in.Roles); err != nil {
		return nothing{}, err
	}
	var names []string
	for _, g := range in.Roles {
		r, err := d.role(ctx, &by, g)
		if err != nil && !keys.Is(err, keys.NotFound) {
			return nothing{}, err
		}
		if err == nil {
			names = append(names, r.Name)
		}
	}
	_, err := d.manager.ChangeRoles(ctx, by, in.KeyID, keys.Delta{Remove: names})
	return nothing{}, err
}

// roleNames finds or makes the roles that are asked for.
func (d *Dialect) roleNames(ctx context.Context, by *keys.Actor, list []grantBody) ([]string, error) {
	names := []string{}
	for i, g := range list {
		r, err := d.role(ctx, by, g)
		if keys.Is(err, keys.NotFound) && g.made() {
			r.Name = or(g.Name, "")
			err = d.makeRoles(ctx, by, []string{r.Name})
		}
		if keys.Is(err, keys.NotFound) {
			err = keys.Errorf(keys.NotFound, "roles.%d: there is no such role", i)
		}
		if err != nil {
			return nil, err
		}
		names = append(names, r.Name)
	}
	return names, nil
}

// role finds a role by id or name.
func (d *Dialect) role(ctx context.Context, by *keys.Actor, g grantBody) (keys.Role, error) {
	if g.ID != nil {
		if !token.ValidID("role", *g.ID) {
			return keys.Role{}, errNoRole
		}
		return d.manager.Store.Role(ctx, by.WorkspaceID, *g.ID)
	}
	name := or(g.Name, "")
	r, err := d.manager.Store.Role(ctx, by.WorkspaceID, name)
	if err == nil && r.Name != name {
		err = errNoRole
	}
	return r, err
}

// makeRoles makes the roles that are not there, where the caller may.
func (d *Dialect) makeRoles(ctx context.Context, by *keys.Actor, names []string) error {
	for _, n := range names {
		r, err := d.manager.Store.Role(ctx, by.WorkspaceID, n)
		if keys.Is(err, keys.NotFound) || err == nil && r.Name != n {
			_, err = d.manager.CreateRole(ctx, *by, keys.Role{Name: n})
		}
		if err != nil && !keys.Is(err, keys.Conflict) { // somebody else was faster
			return err
		}
	}
	return nil
}
