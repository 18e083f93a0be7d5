package unkey

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"strings"

	"latchkey/internal/keys"
)

// A grantBody names a permission or a role, and may ask for it to be made.
type grantBody struct {
	ID     *string `json:"id"`
	Name   *string `json:"name"`
	Slug   *string `json:"slug"`
	Create *bool   `json:"create"`
}

// id and name return what is named: by id, or else by name. That is the slug
// where there is one.
func (g *grantBody) id() string   { return or(g.ID, "") }
func (g *grantBody) name() string { return cmp.Or(or(g.Slug, ""), or(g.Name, "")) }

// made returns the name of what is to be made where it is not there, "" where
// that is not asked for.
func (g *grantBody) made() string {
	if g.id() == "" && g.Create != nil && *g.Create {
		return g.name()
	}
	return ""
}

// A grant is a permission or a role that a key has itself.
type grant struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

// mayGrant reports what is wrong with a list by itself, and whether the caller
// may change the key at all.
func (d *Dialect) mayGrant(ctx context.Context, by keys.Actor, keyID, at string, list []grantBody) error {
	var faults keys.Faults
	if len(list) == 0 {
		faults.Add(at, "must have one element at least")
	}
	checkGrants(at, list, &faults)
	if err := faults.Err(); err != nil {
		return err
	}
	_, err := d.manager.KeyFor(ctx, by, keyID, "update")
	return err
}

// checkGrants reports what names nothing.
func checkGrants(at string, list []grantBody, faults *keys.Faults) {
	for i := range list {
		if list[i].id() == "" && list[i].name() == "" {
			faults.Add(at+"/"+strconv.Itoa(i), "must have an id or a name")
		}
	}
}

// of tells the faults of what was to be added as those of a list of the request.
func of(list string, err error) error {
	faults := slices.Clone(keys.Faults(keys.AsError(err).Faults))
	for i, f := range faults {
		if rest, ok := strings.CutPrefix(f.Field, "add"); ok {
			faults[i].Field = list + rest
		}
	}
	if len(faults) == 0 {
		return err
	}
	return faults.Err()
}

// A keyPermissionsBody names permissions of a key.
type keyPermissionsBody struct {
	KeyID       string      `json:"keyId" required:"true"`
	Permissions []grantBody `json:"permissions" required:"true"`
}

func (d *Dialect) addPermissions(ctx context.Context, by keys.Actor, in *keyPermissionsBody) ([]grant, error) {
	return d.grantPermissions(ctx, by, in, func(names []string) (keys.Key, error) {
		return d.manager.ChangePermissions(ctx, by, in.KeyID, keys.Delta{Add: names, Make: true})
	})
}

func (d *Dialect) setPermissions(ctx context.Context, by keys.Actor, in *keyPermissionsBody) ([]grant, error) {
	return d.grantPermissions(ctx, by, in, func(names []string) (keys.Key, error) {
		return d.manager.UpdateKey(ctx, by, in.KeyID, keys.KeySettings{Permissions: keys.Some(names), Make: true}, keys.Match{})
	})
}

// grantPermissions gives permissions to a key, and answers with those that it
// then has itself.
func (d *Dialect) grantPermissions(ctx context.Context, by keys.Actor, in *keyPermissionsBody, give func([]string) (keys.Key, error)) ([]grant, error) {
	if err := d.mayGrant(ctx, by, in.KeyID, "permissions", in.Permissions); err != nil {
		return nil, err
	}
	names, err := d.permissionNames(ctx, by, in.Permissions)
	if err != nil {
		return nil, err
	}
	k, err := give(names)
	if err != nil {
		return nil, of("permissions", err)
	}
	there, err := d.manager.Referents(ctx, by, "update", keys.Refs{Permissions: k.Permissions})
	if err != nil {
		return nil, err
	}
	grants := map[string]grant{} // name → grant
	for i := range there.Permissions {
		p := &there.Permissions[i]
		grants[p.Name] = grant{p.ID, permissionName(p)}
	}
	return inOrder(k.Permissions, grants), nil
}

// inOrder returns grants in the order of their names. One that is not there has
// gone meanwhile, and from the key with it.
func inOrder(names []string, grants map[string]grant) []grant {
	out := []grant{}
	for _, name := range names {
		if g, ok := grants[name]; ok {
			out = append(out, g)
		}
	}
	return out
}

// removePermissions takes permissions from a key. Those that there are not it
// does not have.
func (d *Dialect) removePermissions(ctx context.Context, by keys.Actor, in *keyPermissionsBody) (nothing, error) {
	if err := d.mayGrant(ctx, by, in.KeyID, "permissions", in.Permissions); err != nil {
		return nothing{}, err
	}
	names, err := d.permissionsThere(ctx, by, in.Permissions)
	if err != nil {
		return nothing{}, err
	}
	_, err = d.manager.ChangePermissions(ctx, by, in.KeyID, keys.Delta{Remove: names})
	return nothing{}, err
}

// permissionNames returns the names by which keys hold the permissions that are
// asked for. One that is not there is to be made, where that is asked for.
func (d *Dialect) permissionNames(ctx context.Context, by keys.Actor, list []grantBody) ([]string, error) {
	names, err := d.permissionsThere(ctx, by, list)
	if err != nil {
		return nil, err
	}
	return orMade(names, list, "permissions.%d: there is no such permission")
}

// orMade gives what has no name the one by which it is to be made.
func orMade(names []string, list []grantBody, missing string) ([]string, error) {
	for i := range list {
		if names[i] == "" {
			names[i] = list[i].made()
		}
		if names[i] == "" {
			return nil, keys.Errorf(keys.NotFound, missing, i)
		}
	}
	return names, nil
}

// permissionsThere returns the name of each permission that is asked for, "" for
// one that is not there. They are found by id, by the text that keys hold, or by
// what the vendor calls the name.
func (d *Dialect) permissionsThere(ctx context.Context, by keys.Actor, list []grantBody) ([]string, error) {
	var refs keys.Refs
	for i := range list {
		g := &list[i]
		refs.Permissions = append(refs.Permissions, cmp.Or(g.id(), g.name()))
		if g.id() == "" && or(g.Slug, "") == "" {
			refs.Slugs = append(refs.Slugs, g.name())
		}
	}
	there, err := d.manager.Referents(ctx, by, "update", refs)
	if err != nil {
		return nil, err
	}
	byID, byName, byLabel := map[string]string{}, map[string]string{}, map[string]string{} // → name
	oldest := func(a, b keys.Permission) int { return cmp.Compare(a.ID, b.ID) }
	slices.SortFunc(there.Permissions, oldest)
	for _, p := range slices.Backward(there.Permissions) {
		byID[p.ID], byName[p.Name], byLabel[p.Slug] = p.Name, p.Name, p.Name
	}
	names := make([]string, len(list))
	for i := range list {
		switch g := &list[i]; {
		case g.id() != "":
			names[i] = byID[g.id()]
		case or(g.Slug, "") != "":
			names[i] = byName[g.name()]
		default:
			names[i] = cmp.Or(byName[g.name()], byLabel[g.name()])
		}
	}
	return names, nil
}

// A keyRolesBody names roles of a key.
type keyRolesBody struct {
	KeyID string      `json:"keyId" required:"true"`
	Roles []grantBody `json:"roles" required:"true"`
}

func (d *Dialect) addRoles(ctx context.Context, by keys.Actor, in *keyRolesBody) ([]grant, error) {
	return d.grantRoles(ctx, by, in, func(names []string) (keys.Key, error) {
		return d.manager.ChangeRoles(ctx, by, in.KeyID, keys.Delta{Add: names, Make: true})
	})
}

func (d *Dialect) setRoles(ctx context.Context, by keys.Actor, in *keyRolesBody) ([]grant, error) {
	return d.grantRoles(ctx, by, in, func(names []string) (keys.Key, error) {
		return d.manager.UpdateKey(ctx, by, in.KeyID, keys.KeySettings{Roles: keys.Some(names), Make: true}, keys.Match{})
	})
}

// grantRoles is to roles what [Dialect.grantPermissions] is to permissions.
func (d *Dialect) grantRoles(ctx context.Context, by keys.Actor, in *keyRolesBody, give func([]string) (keys.Key, error)) ([]grant, error) {
	if err := d.mayGrant(ctx, by, in.KeyID, "roles", in.Roles); err != nil {
		return nil, err
	}
	names, err := d.roleNames(ctx, by, in.Roles)
	if err != nil {
		return nil, err
	}
	k, err := give(names)
	if err != nil {
		return nil, of("roles", err)
	}
	there, err := d.manager.Referents(ctx, by, "update", keys.Refs{Roles: k.Roles})
	if err != nil {
		return nil, err
	}
	grants := map[string]grant{} // name → grant
	for i := range there.Roles {
		grants[there.Roles[i].Name] = grant{there.Roles[i].ID, there.Roles[i].Name}
	}
	return inOrder(k.Roles, grants), nil
}

// removeRoles takes roles from a key. Those that there are not it does not have.
func (d *Dialect) removeRoles(ctx context.Context, by keys.Actor, in *keyRolesBody) (nothing, error) {
	if err := d.mayGrant(ctx, by, in.KeyID, "roles", in.Roles); err != nil {
		return nothing{}, err
	}
	names, err := d.rolesThere(ctx, by, in.Roles)
	if err != nil {
		return nothing{}, err
	}
	_, err = d.manager.ChangeRoles(ctx, by, in.KeyID, keys.Delta{Remove: names})
	return nothing{}, err
}

// roleNames is to roles what [Dialect.permissionNames] is to permissions.
func (d *Dialect) roleNames(ctx context.Context, by keys.Actor, list []grantBody) ([]string, error) {
	names, err := d.rolesThere(ctx, by, list)
	if err != nil {
		return nil, err
	}
	return orMade(names, list, "roles.%d: there is no such role")
}

// rolesThere returns the name of each role that is asked for, by id or by name,
// "" for one that is not there.
func (d *Dialect) rolesThere(ctx context.Context, by keys.Actor, list []grantBody) ([]string, error) {
	var refs keys.Refs
	for i := range list {
		refs.Roles = append(refs.Roles, cmp.Or(list[i].id(), list[i].name()))
	}
	there, err := d.manager.Referents(ctx, by, "update", refs)
	if err != nil {
		return nil, err
	}
	byID, byName := map[string]string{}, map[string]string{} // → name
	for _, r := range there.Roles {
		byID[r.ID], byName[r.Name] = r.Name, r.Name
	}
	names := make([]string, len(list))
	for i := range list {
		if id := list[i].id(); id != "" {
			names[i] = byID[id]
		} else {
			names[i] = byName[list[i].name()]
		}
	}
	return names, nil
}
