package latchkey

import (
	"context"
	"iter"
	"net/url"
)

// A KeyQuery says which keys to list; its zero value lists all.
type KeyQuery struct {
	Keyspace    string  // keys of one keyspace, by id or slug
	Identity    string  // keys of one owner, by id or external id
	ExternalID  string  // keys of the owner with this external id
	Status      string  // "active", "disabled" or "expired"; disabled goes before expired
	Name        *string // keys with exactly this name, which may be ""
	Environment *string // keys of one environment, which may be ""
	Start       string  // the part of a hint before the ellipsis
	Page
}

func (q KeyQuery) values() url.Values {
	v := q.Page.values()
	setText(v, "keyspace", q.Keyspace)
	setText(v, "identity", q.Identity)
	setText(v, "external_id", q.ExternalID)
	setText(v, "status", q.Status)
	setOptional(v, "name", q.Name)
	setOptional(v, "environment", q.Environment)
	setText(v, "start", q.Start)
	return v
}

// CreateKey makes a key, and returns it with its secret, which is answered this
// once.
func (c *Client) CreateKey(ctx context.Context, req CreateKeyRequest) (KeyWithSecret, error) {
	return exchange[KeyWithSecret](ctx, c, call{method: "POST", path: "/keys", in: req})
}

// GetKey returns a key.
func (c *Client) GetKey(ctx context.Context, id string) (Key, error) {
	return exchange[Key](ctx, c, call{method: "GET", path: pathOf("/keys", id)})
}

// ListKeys returns one page of the keys, the newest first.
func (c *Client) ListKeys(ctx context.Context, q KeyQuery) (List[Key], error) {
	return list[Key](ctx, c, "/keys", q.values())
}

// Keys yields the keys, the newest first. Those that are made meanwhile do not
// appear, and none appears twice. An error ends it.
func (c *Client) Keys(ctx context.Context, q KeyQuery) iter.Seq2[Key, error] {
	return all[Key](ctx, c, "/keys", q.values())
}

// UpdateKey changes what is given of a key; what is absent stays, and null
// clears. It may be conditional on [IfMatch].
func (c *Client) UpdateKey(ctx context.Context, id string, s KeySettings) (Key, error) {
	return exchange[Key](ctx, c, call{method: "PATCH", path: pathOf("/keys", id), in: s})
}

// DeleteKey deletes a key, which is refused from then on. It may be conditional
// on [IfMatch].
func (c *Client) DeleteKey(ctx context.Context, id string) error {
	return run(ctx, c, call{method: "DELETE", path: pathOf("/keys", id)})
}

// RotateKey gives a key a new secret, which is answered this once. The old ones
// work until the overlap ends, or end at once.
func (c *Client) RotateKey(ctx context.Context, id string, req RotateRequest) (KeyWithSecret, error) {
	return exchange[KeyWithSecret](ctx, c, call{method: "POST", path: pathOf("/keys", id, "/rotate"), in: req})
}

// EndSecret ends one secret of a key now, though not its last one. It may be
// conditional on [IfMatch].
func (c *Client) EndSecret(ctx context.Context, id, secretID string) error {
	return run(ctx, c, call{method: "DELETE", path: pathOf("/keys", id, "/secrets", secretID)})
}

// RevealKey returns a key's secret again, where its keyspace keeps them.
func (c *Client) RevealKey(ctx context.Context, id string) (string, error) {
	out, err := exchange[RevealedSecret](ctx, c, call{method: "POST", path: pathOf("/keys", id, "/reveal")})
	return out.Secret, err
}

// ChangeCredits sets, increments or decrements a key's balance, and returns
// what is left.
func (c *Client) ChangeCredits(ctx context.Context, id string, req ChangeCreditsRequest) (CreditBalance, error) {
	return exchange[CreditBalance](ctx, c, call{method: "POST", path: pathOf("/keys", id, "/credits"), in: req})
}

// Spend reports what was spent with a key: it is recorded whole, beyond the
// budget too, and for a key without one.
func (c *Client) Spend(ctx context.Context, id string, req SpendRequest) (BudgetAnswer, error) {
	return exchange[BudgetAnswer](ctx, c, call{method: "POST", path: pathOf("/keys", id, "/spend"), in: req})
}

// Reserve sets money of a key aside. Where the budget does not have it, that is
// the Outcome of the answer, and no error.
func (c *Client) Reserve(ctx context.Context, id string, req ReserveRequest) (Reservation, error) {
	return exchange[Reservation](ctx, c, call{method: "POST", path: pathOf("/keys", id, "/reservations"), in: req})
}

// Settle ends a reservation with what was really spent, which may be more than
// was set aside, and after the reservation has expired too.
func (c *Client) Settle(ctx context.Context, reservationID string, req SpendRequest) (BudgetAnswer, error) {
	return exchange[BudgetAnswer](ctx, c, call{method: "POST", path: pathOf("/reservations", reservationID, "/settle"), in: req})
}

// ReleaseReservation ends a reservation of which nothing was spent.
func (c *Client) ReleaseReservation(ctx context.Context, reservationID string) error {
	return run(ctx, c, call{method: "POST", path: pathOf("/reservations", reservationID, "/release")})
}

// Refund gives back what was spent with a key, at most what was spent in the
// present window.
func (c *Client) Refund(ctx context.Context, id string, req SpendRequest) (BudgetAnswer, error) {
	return exchange[BudgetAnswer](ctx, c, call{method: "POST", path: pathOf("/keys", id, "/refund"), in: req})
}

// ChangePermissions adds permissions to a key's own and takes some away.
func (c *Client) ChangePermissions(ctx context.Context, id string, req ChangeNamesRequest) (KeyPermissions, error) {
	return exchange[KeyPermissions](ctx, c, call{method: "POST", path: pathOf("/keys", id, "/permissions"), in: req})
}

// ChangeRoles adds roles to a key and takes some away.
func (c *Client) ChangeRoles(ctx context.Context, id string, req ChangeNamesRequest) (KeyRoles, error) {
	return exchange[KeyRoles](ctx, c, call{method: "POST", path: pathOf("/keys", id, "/roles"), in: req})
}
