package latchkey

import (
	"context"
	"iter"
)

// CreateRole makes a role.
func (c *Client) CreateRole(ctx context.Context, s RoleSettings) (Role, error) {
	return exchange[Role](ctx, c, call{method: "POST", path: "/roles", in: s})
}

// GetRole returns a role, by name or id.
func (c *Client) GetRole(ctx context.Context, ref string) (Role, error) {
	return exchange[Role](ctx, c, call{method: "GET", path: pathOf("/roles", ref)})
}

// ListRoles returns one page of the roles, the newest first.
func (c *Client) ListRoles(ctx context.Context, p Page) (List[Role], error) {
	return list[Role](ctx, c, "/roles", p.values())
}

// Roles yields the roles, the newest first. An error ends it.
func (c *Client) Roles(ctx context.Context) iter.Seq2[Role, error] {
	return all[Role](ctx, c, "/roles", nil)
}

// UpdateRole changes what is given of a role; what is absent stays, and
// null clears. It may be conditional on [IfMatch].
func (c *Client) UpdateRole(ctx context.Context, ref string, s RoleSettings) (Role, error) {
	return exchange[Role](ctx, c, call{method: "PATCH", path: pathOf("/roles", ref), in: s})
}

// DeleteRole deletes a role. It may be conditional on [IfMatch].
func (c *Client) DeleteRole(ctx context.Context, ref string) error {
	return run(ctx, c, call{method: "DELETE", path: pathOf("/roles", ref)})
}
