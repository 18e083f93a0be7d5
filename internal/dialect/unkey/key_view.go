package unkey

import (
	"cmp"
	"context"
	"slices"
	"time"

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

// A view shows keys of one workspace, and looks up once what several of them
// refer to.
type view struct {
	d           *Dialect
	workspace   string
	owners      map[string]keys.Identity // id → identity
	roles       map[string]keys.Role     // name → role
	permissions map[string]string        // name → what the vendor calls the permission's name
}

func (d *Dialect) view(workspaceID string) *view {
	return &view{d, workspaceID, map[string]keys.Identity{}, map[string]keys.Role{}, map[string]string{}}
}

func (v *view) key(ctx context.Context, k *keys.Key) (key, error) {
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
	var err error
	if out.Permissions, err = v.effective(ctx, k); err != nil {
		return out, err
	}
	if o := k.Owner; !o.IsZero() {
		owner, err := known(v.owners, o.ID, func() (keys.Identity, error) { return v.d.manager.Store.Identity(ctx, v.workspace, o.ID) })
		if err != nil {
			return out, err
		}
		out.OwnerID = externalID(o.ID, o.ExternalID)
		out.Identity = &identityOf{ID: o.ID, ExternalID: out.OwnerID, Meta: orEmpty(owner.Meta)}
	}
	return out, nil
}

// effective names the permissions of a key, its own and those of its roles.
func (v *view) effective(ctx context.Context, k *keys.Key) ([]string, error) {
	held := slices.Clone(k.Permissions)
	for _, name := range k.Roles {
		r, err := known(v.roles, name, func() (keys.Role, error) { return v.d.manager.Store.Role(ctx, v.workspace, name) })
		if err != nil {
			return nil, err
		}
		held = append(held, r.Permissions...)
	}
	slices.Sort(held)
	held = slices.Compact(held)
	for i, name := range held {
		shown, err := known(v.permissions, name, func() (string, error) {
			p, err := v.d.manager.Store.Permission(ctx, v.workspace, name)
			return permissionName(&p), err
		})
		if err != nil {
			return nil, err
		}
		held[i] = cmp.Or(shown, name)
	}
	return held, nil
}

// known returns what a map holds for a name, and what find finds where it holds
// nothing yet. What has gone meanwhile is the zero value.
func known[T any](m map[string]T, name string, find func() (T, error)) (T, error) {
	if v, ok := m[name]; ok {
		return v, nil
	}
	v, err := find()
	if keys.Is(err, keys.NotFound) {
		err = nil
	}
	if err == nil {
		m[name] = v
	}
	return v, err
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
	// Refills are given at midnight; any other moment is when the refill was set.
	if at := c.RefilledAt.UTC(); at.Equal(at.Truncate(24 * time.Hour)) {
		out.LastRefillAt = stamp(at)
	}
	return out
}

func defaultOf(limits []ratelimit.Limit) *limit {
	i := slices.IndexFunc(limits, func(l ratelimit.Limit) bool { return l.Name == defaultLimit })
	if i < 0 {
		return nil
	}
	ms := limits[i].Window.Duration().Milliseconds()
	return &limit{Limit: limits[i].Max, Duration: ms, RefillRate: limits[i].Max, RefillInterval: ms}
}
