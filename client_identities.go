package latchkey

import (
	"context"
	"iter"
	"net/url"
	"strconv"
)

// An IdentityQuery says which identities to list; its zero value lists all.
type IdentityQuery struct {
	ExternalID string // the identity with this external id
	Kind       string // "customer", "user" or "organization"
	Enabled    *bool  // those that are enabled, or those that are not
	Page
}

func (q IdentityQuery) values() url.Values {
	v := q.Page.values()
	setText(v, "external_id", q.ExternalID)
	setText(v, "kind", q.Kind)
	if q.Enabled != nil {
		v.Set("enabled", strconv.FormatBool(*q.Enabled))
	}
	return v
}

// CreateIdentity makes an identity.
func (c *Client) CreateIdentity(ctx context.Context, s IdentitySettings) (Identity, error) {
	return exchange[Identity](ctx, c, call{method: "POST", path: "/identities", in: s})
}

// GetIdentity returns an identity, by id or external id.
func (c *Client) GetIdentity(ctx context.Context, ref string) (Identity, error) {
	return exchange[Identity](ctx, c, call{method: "GET", path: pathOf("/identities", ref)})
}

// ListIdentities returns one page of the identities, the newest first.
func (c *Client) ListIdentities(ctx context.Context, q IdentityQuery) (List[Identity], error) {
	return list[Identity](ctx, c, "/identities", q.values())
}

// Identities yields the identities, the newest first. An error ends it.
func (c *Client) Identities(ctx context.Context, q IdentityQuery) iter.Seq2[Identity, error] {
	return all[Identity](ctx, c, "/identities", q.values())
}

// UpdateIdentity changes what is given of an identity; what is absent stays, and
// null clears. It may be conditional on [IfMatch].
func (c *Client) UpdateIdentity(ctx context.Context, ref string, s IdentitySettings) (Identity, error) {
	return exchange[Identity](ctx, c, call{method: "PATCH", path: pathOf("/identities", ref), in: s})
}

// DeleteIdentity deletes an identity; its keys stay, without an owner. It may be conditional on [IfMatch].
func (c *Client) DeleteIdentity(ctx context.Context, ref string) error {
	return run(ctx, c, call{method: "DELETE", path: pathOf("/identities", ref)})
}

// ReplaceIdentity makes an identity what it is to be, whole, whether there was
// one or not. It may be conditional on [IfMatch].
func (c *Client) ReplaceIdentity(ctx context.Context, externalID string, s ReplaceIdentitySettings) (Identity, error) {
	return exchange[Identity](ctx, c, call{method: "PUT", path: pathOf("/identities/by-external-id", externalID), in: s})
}
