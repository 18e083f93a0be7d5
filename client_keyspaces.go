package latchkey

import (
	"context"
	"iter"
)

// CreateKeyspace makes a keyspace.
func (c *Client) CreateKeyspace(ctx context.Context, s KeyspaceSettings) (Keyspace, error) {
	return exchange[Keyspace](ctx, c, call{method: "POST", path: "/keyspaces", in: s})
}

// GetKeyspace returns a keyspace, by id or slug.
func (c *Client) GetKeyspace(ctx context.Context, ref string) (Keyspace, error) {
	return exchange[Keyspace](ctx, c, call{method: "GET", path: pathOf("/keyspaces", ref)})
}

// ListKeyspaces returns one page of the keyspaces, the newest first.
func (c *Client) ListKeyspaces(ctx context.Context, p Page) (List[Keyspace], error) {
	return list[Keyspace](ctx, c, "/keyspaces", p.values())
}

// Keyspaces yields the keyspaces, the newest first. An error ends it.
func (c *Client) Keyspaces(ctx context.Context) iter.Seq2[Keyspace, error] {
	return all[Keyspace](ctx, c, "/keyspaces", nil)
}

// UpdateKeyspace changes what is given of a keyspace; what is absent stays, and
// null clears. It may be conditional on [IfMatch].
func (c *Client) UpdateKeyspace(ctx context.Context, ref string, s KeyspaceSettings) (Keyspace, error) {
	return exchange[Keyspace](ctx, c, call{method: "PATCH", path: pathOf("/keyspaces", ref), in: s})
}

// DeleteKeyspace deletes a keyspace, and refuses all its keys at once. It may be conditional on [IfMatch].
func (c *Client) DeleteKeyspace(ctx context.Context, ref string) error {
	return run(ctx, c, call{method: "DELETE", path: pathOf("/keyspaces", ref)})
}
