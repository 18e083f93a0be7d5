package latchkey

import (
	"context"
	"iter"
	"net/url"
)

// A RootKeyQuery says which root keys to list; its zero value lists all.
type RootKeyQuery struct {
	Status string  // "active", "disabled" or "expired"; disabled goes before expired
	Name   *string // root keys with exactly this name, which may be ""
	Start  string  // the part of a hint before the ellipsis
	Page
}

func (q RootKeyQuery) values() url.Values {
	v := q.Page.values()
	setText(v, "status", q.Status)
	setOptional(v, "name", q.Name)
	setText(v, "start", q.Start)
	return v
}

// CreateRootKey makes a root key, and returns it with its secret, which is
// answered this once. Nobody can give one more than they hold.
func (c *Client) CreateRootKey(ctx context.Context, s RootKeySettings) (RootKeyWithSecret, error) {
	return exchange[RootKeyWithSecret](ctx, c, call{method: "POST", path: "/root-keys", in: s})
}

// GetRootKey returns a root key, by id.
func (c *Client) GetRootKey(ctx context.Context, id string) (RootKey, error) {
	return exchange[RootKey](ctx, c, call{method: "GET", path: pathOf("/root-keys", id)})
}

// ListRootKeys returns one page of the root keys, the newest first.
func (c *Client) ListRootKeys(ctx context.Context, q RootKeyQuery) (List[RootKey], error) {
	return list[RootKey](ctx, c, "/root-keys", q.values())
}

// RootKeys yields the root keys, the newest first. An error ends it.
func (c *Client) RootKeys(ctx context.Context, q RootKeyQuery) iter.Seq2[RootKey, error] {
	return all[RootKey](ctx, c, "/root-keys", q.values())
}

// UpdateRootKey changes what is given of a root key; what is absent stays, and
// null clears. It may be conditional on [IfMatch].
func (c *Client) UpdateRootKey(ctx context.Context, id string, s RootKeySettings) (RootKey, error) {
	return exchange[RootKey](ctx, c, call{method: "PATCH", path: pathOf("/root-keys", id), in: s})
}

// DeleteRootKey deletes a root key. It may be conditional on [IfMatch].
func (c *Client) DeleteRootKey(ctx context.Context, id string) error {
	return run(ctx, c, call{method: "DELETE", path: pathOf("/root-keys", id)})
}

// RotateRootKey gives a root key a new secret, which is answered this once. The
// old ones work until the overlap ends, or end at once.
func (c *Client) RotateRootKey(ctx context.Context, id string, req RotateRequest) (RootKeyWithSecret, error) {
	return exchange[RootKeyWithSecret](ctx, c, call{method: "POST", path: pathOf("/root-keys", id, "/rotate"), in: req})
}

// EndRootSecret ends one secret of a root key now, though not its last one. It
// may be conditional on [IfMatch].
func (c *Client) EndRootSecret(ctx context.Context, id, secretID string) error {
	return run(ctx, c, call{method: "DELETE", path: pathOf("/root-keys", id, "/secrets", secretID)})
}
