package latchkey

import (
	"context"
	"iter"
)

// CreatePermission makes a permission.
func (c *Client) CreatePermission(ctx context.Context, s PermissionSettings) (Permission, error) {
	return exchange[Permission](ctx, c, call{method: "POST", path: "/permissions", in: s})
}

// GetPermission returns a permission, by name or id.
func (c *Client) GetPermission(ctx context.Context, ref string) (Permission, error) {
	return exchange[Permission](ctx, c, call{method: "GET", path: pathOf("/permissions", ref)})
}

// ListPermissions returns one page of the permissions, the newest first.
func (c *Client) ListPermissions(ctx context.Context, p Page) (List[Permission], error) {
	return list[Permission](ctx, c, "/permissions", p.values())
}

// Permissions yields the permissions, the newest first. An error ends it.
func (c *Client) Permissions(ctx context.Context) iter.Seq2[Permission, error] {
	return all[Permission](ctx, c, "/permissions", nil)
}

// UpdatePermission changes what is given of a permission; what is absent stays, and
// null clears. It may be conditional on [IfMatch].
func (c *Client) UpdatePermission(ctx context.Context, ref string, s PermissionSettings) (Permission, error) {
	return exchange[Permission](ctx, c, call{method: "PATCH", path: pathOf("/permissions", ref), in: s})
}

// DeletePermission deletes a permission. It may be conditional on [IfMatch].
func (c *Client) DeletePermission(ctx context.Context, ref string) error {
	return run(ctx, c, call{method: "DELETE", path: pathOf("/permissions", ref)})
}
