package unkey

import (
	"cmp"
	"context"
	"slices"

	"github.com/go-json-experiment/json/jsontext"

	"latchkey/internal/keys"
	"latchkey/internal/ratelimit"
)

// A key is a key as it is shown to those who manage it.
type key struct {
	ID          string         `json:"id"`
	Start       string         `json:"start"`
	WorkspaceID string         `json:"workspaceId"`
	APIID       string         `json:"apiId,omitzero"`
	Name        string         `json:"name,omitzero"`
	OwnerID     string         `json:"ownerId,omitzero"`
	Meta        jsontext.Value `json:"meta,omitzero"`
	CreatedAt   int64          `json:"createdAt"`
	UpdatedAt   *int64         `json:"updatedAt,omitzero"`
	Expires     *int64         `json:"expires,omitzero"`
	Remaining   *int64         `json:"remaining,omitzero"`
	Refill      *refill        `json:"refill,omitzero"`
	Ratelimit   *limit         `json:"ratelimit,omitzero"`
	Roles       []string       `json:"roles"`
	Permissions []string       `json:"permissions"`
	Enabled     bool           `json:"enabled"`
	Plaintext   string         `json:"plaintext,omitzero"`
	Identity    *identityOf    `json:"identity,omitzero"`
}

type refill struct {
	Interval     string `json:"interval"`
	Amount       int64  `json:"amount"`
	RefillDay    *int   `json:"refillDay"` // null where it is daily
	LastRefillAt *int64 `json:"lastRefillAt,omitzero"`
}

// A limit is the limit named default. What the vendor once called its members
// it still has beside what it calls them now.
type limit struct {
	Async          bool  `json:"async"`
	Limit          int64 `json:"limit"`
	Duration       int64 `json:"duration"`
	RefillRate     int64 `json:"refillRate"`
	RefillInterval int64 `json:"refillInterval"`
}

// shown returns keys as they are shown to those who manage them. What they refer
// to is read for all of them at once.
func (d *Dialect) shown(ctx context.Context, by keys.Actor, list []keys.Key) ([]key, error) {
	var refs keys.Refs
	for i := range list {
		refs.Roles = append(refs.Roles, list[i].Roles...)
		if o := list[i].Owner; !o.IsZero() {
			refs.Identities = append(refs.Identities, o.ID)
		}
	}
	there, err := d.manager.Referents(ctx, by, "read", refs)
	if err != nil {
		return nil, err
	}
	owners := map[string]string{} // id → metadata
	for i := range there.Identities {
		owners[there.Identities[i].ID] = there.Identities[i].Meta
	}
	held, err := d.effective(ctx, by, list, there.Roles)
	if err != nil {
		return nil, err
	}
	out := make([]key, len(list))
	for i := range list {
		k := &list[i]
		out[i] = keyOf(k)
		out[i].Permissions = held[i]
		if o := k.Owner; !o.IsZero() {
			out[i].OwnerID = externalID(o.ID, o.ExternalID)
			out[i].Identity = &identityOf{ID: o.ID, ExternalID: out[i].OwnerID, Meta: orEmpty(owners[o.ID])}
		}
	}
	return out, nil
}

// An identityOf is the identity of a key.
type identityOf struct {
	ID         string         `json:"id"`
	ExternalID string         `json:"externalId"`
	Meta       jsontext.Value `json:"meta,omitzero"`
}

// keyOf returns what a key shows by itself.
func keyOf(k *keys.Key) key {
	out := key{
		ID: k.ID, WorkspaceID: k.WorkspaceID, APIID: k.KeyspaceID, Name: k.Name, Meta: rawMeta(k.Meta),
		CreatedAt: millis(k.CreatedAt), Expires: stamp(k.ExpiresAt), Remaining: remaining(k), Refill: refillOf(k.Credits),
		Ratelimit: defaultOf(k.Limits), Roles: k.Roles, Enabled: k.Enabled,
	}
	if s := k.Newest(); s != nil {
		out.Start = s.Start
	}
	if k.Version > 1 {
		out.UpdatedAt = stamp(k.UpdatedAt)
	}
	return out
}

// effective names the permissions of each key, its own and those of its roles.
func (d *Dialect) effective(ctx context.Context, by keys.Actor, list []keys.Key, roles []keys.Role) ([][]string, error) {
	ofRole := map[string][]string{} // name → permissions
	for i := range roles {
		ofRole[roles[i].Name] = roles[i].Permissions
	}
	var refs keys.Refs
	out := make([][]string, len(list))
	for i := range list {
		held := slices.Clone(list[i].Permissions)
		for _, name := range list[i].Roles {
			held = append(held, ofRole[name]...)
		}
		slices.Sort(held)
		out[i] = slices.Compact(held)
		refs.Permissions = append(refs.Permissions, out[i]...)
	}
	there, err := d.manager.Referents(ctx, by, "read", refs)
	if err != nil {
		return nil, err
	}
	names := map[string]string{} // the core's → the vendor's
	for i := range there.Permissions {
		names[there.Permissions[i].Name] = permissionName(&there.Permissions[i])
	}
	for _, held := range out {
		for i, name := range held {
			held[i] = cmp.Or(names[name], name) // one that has gone meanwhile has no other
		}
	}
	return out, nil
}

// externalID returns what an identity is called: its own id where nobody gave it
// another one.
func externalID(id, external string) string { return cmp.Or(external, id) }

// orEmpty returns metadata as it is answered where there is always some.
func orEmpty(doc string) jsontext.Value { return jsontext.Value(cmp.Or(doc, "{}")) }

func remaining(k *keys.Key) *int64 {
	if k.Credits == nil {
		return nil
	}
	return &k.Credits.Remaining
}

// refillOf returns when remaining uses come back, nil where the vendor has no
// word for it.
func refillOf(c *keys.Credits) *refill {
	if c == nil || c.Refill == nil || c.Refill.Every == keys.EverySpan {
		return nil
	}
	out := &refill{Interval: string(c.Refill.Every), Amount: c.Refill.Amount}
	if c.Refill.Every == keys.Monthly {
		out.RefillDay = &c.Refill.Day
	}
	out.LastRefillAt = stamp(c.LastRefill())
	return out
}

func defaultOf(limits []ratelimit.Limit) *limit {
	i := slices.IndexFunc(limits, func(l ratelimit.Limit) bool { return l.Name == defaultLimit && !l.Concurrent })
	if i < 0 {
		return nil
	}
	ms := limits[i].Window.Duration().Milliseconds()
	return &limit{Limit: limits[i].Max, Duration: ms, RefillRate: limits[i].Max, RefillInterval: ms}
}
