package latchkey

import (
	"context"
	"iter"
)

// CreateWorkspace makes a workspace.
func (c *Client) CreateWorkspace(ctx context.Context, s WorkspaceSettings) (Workspace, error) {
	return exchange[Workspace](ctx, c, call{method: "POST", path: "/workspaces", in: s})
}

// GetWorkspace returns a workspace, by id, path or slug.
func (c *Client) GetWorkspace(ctx context.Context, ref string) (Workspace, error) {
	return exchange[Workspace](ctx, c, call{method: "GET", path: pathOf("/workspaces", ref)})
}

// ListWorkspaces returns one page of the workspaces, the newest first.
func (c *Client) ListWorkspaces(ctx context.Context, p Page) (List[Workspace], error) {
	return list[Workspace](ctx, c, "/workspaces", p.values())
}

// Workspaces yields the workspaces, the newest first. An error ends it.
func (c *Client) Workspaces(ctx context.Context) iter.Seq2[Workspace, error] {
	return all[Workspace](ctx, c, "/workspaces", nil)
}

// UpdateWorkspace changes what is given of a workspace; what is absent stays, and
// null clears. It may be conditional on [IfMatch].
func (c *Client) UpdateWorkspace(ctx context.Context, ref string, s WorkspaceSettings) (Workspace, error) {
	return exchange[Workspace](ctx, c, call{method: "PATCH", path: pathOf("/workspaces", ref), in: s})
}

// DeleteWorkspace deletes a workspace without workspaces below it, and ends all
// that is in it. It may be conditional on [IfMatch].
func (c *Client) DeleteWorkspace(ctx context.Context, ref string) error {
	return run(ctx, c, call{method: "DELETE", path: pathOf("/workspaces", ref)})
}
