package latchkey

import (
	"context"
	"iter"
)

// ReleaseLease ends a lease of a verification before it expires, so that its
// place is free for another. One that has ended already is not_found.
//
// A lease is released once. Where the answer was lost, another try finds that
// there is no such lease, and answers no error.
func (c *Client) ReleaseLease(ctx context.Context, id string) error {
	return run(ctx, c, call{method: "POST", path: pathOf("/leases", id, "/release"), single: true, ends: true})
}

// CheckLimit asks whether anybody who has an identifier may go on, and takes the
// cost. It is tried again as [Client.Verify] is.
func (c *Client) CheckLimit(ctx context.Context, req CheckLimitRequest) (LimitCheck, error) {
	return exchange[LimitCheck](ctx, c, call{method: "POST", path: "/limits/check", in: req, single: true})
}

// ReplaceOverride makes the override with a pattern what it is to be, and makes
// one where there is none. It may be conditional on [IfMatch].
func (c *Client) ReplaceOverride(ctx context.Context, namespace, pattern string, s OverrideSettings) (Override, error) {
	return exchange[Override](ctx, c, call{method: "PUT", path: pathOf("/limits", namespace, "/overrides", pattern), in: s})
}

// GetOverride returns an override, by its pattern.
func (c *Client) GetOverride(ctx context.Context, namespace, pattern string) (Override, error) {
	return exchange[Override](ctx, c, call{method: "GET", path: pathOf("/limits", namespace, "/overrides", pattern)})
}

// ListOverrides returns one page of the overrides of a namespace, the newest
// first.
func (c *Client) ListOverrides(ctx context.Context, namespace string, p Page) (List[Override], error) {
	return list[Override](ctx, c, pathOf("/limits", namespace, "/overrides"), p.values())
}

// Overrides yields the overrides of a namespace, the newest first. An error ends
// it.
func (c *Client) Overrides(ctx context.Context, namespace string) iter.Seq2[Override, error] {
	return all[Override](ctx, c, pathOf("/limits", namespace, "/overrides"), nil)
}

// DeleteOverride deletes an override. It may be conditional on [IfMatch].
func (c *Client) DeleteOverride(ctx context.Context, namespace, pattern string) error {
	return run(ctx, c, call{method: "DELETE", path: pathOf("/limits", namespace, "/overrides", pattern)})
}
