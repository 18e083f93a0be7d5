package unkey

import (
	"context"
	"slices"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"

	"latchkey/internal/httpapi"
	"latchkey/internal/keys"
	"latchkey/internal/ratelimit"
)

var (
	errNoIdentity    = keys.Errorf(keys.NotFound, "identity not found")
	errWhichIdentity = keys.Errorf(keys.Invalid, "identityId: provide either identityId or externalId")
)

// environment is the only one that identities are in. There is none in another.
const environment = "default"

type createIdentityBody struct {
	ExternalID string              `json:"externalId" required:"true"`
	Meta       jsontext.Value      `json:"meta"`
	Ratelimits []identityLimitBody `json:"ratelimits"`
}

type identityLimitBody struct {
	Name     string `json:"name" required:"true"`
	Limit    int64  `json:"limit" required:"true"`
	Duration int64  `json:"duration" required:"true"`
}

type createdIdentity struct {
	IdentityID string `json:"identityId"`
}

func (d *Dialect) createIdentity(ctx context.Context, by keys.Actor, in *createIdentityBody) (createdIdentity, error) {
	var faults keys.Faults
	checkText("externalId", in.ExternalID, 3, keys.MaxText, &faults)
	i := keys.Identity{ExternalID: in.ExternalID, Kind: keys.Customer, Enabled: true, Meta: metadata(in.Meta, &faults)}
	limits, err := identityLimits(in.Ratelimits, &faults)
	if err == nil {
		err = faults.Err()
	}
	if err != nil {
		return createdIdentity{}, err
	}
	i.Limits = limits
	i, err = d.manager.CreateIdentity(ctx, by, i)
	return createdIdentity{i.ID}, err
}

// identityLimits returns the limits of an identity. Two of one name are at odds
// with each other.
func identityLimits(list []identityLimitBody, faults *keys.Faults) ([]ratelimit.Limit, error) {
	var out []ratelimit.Limit
	for i, l := range list {
		if i == keys.MaxLimits {
			faults.Add("ratelimits", "must be at most %d ratelimits", keys.MaxLimits)
			break
		}
		if slices.ContainsFunc(out, func(o ratelimit.Limit) bool { return o.Name == l.Name }) {
			return nil, keys.Errorf(keys.Conflict, "ratelimits.%d.name: another ratelimit has this name", i)
		}
		out = append(out, newLimit(l.Name, l.Limit, l.Duration, "ratelimits/"+strconv.Itoa(i), faults))
	}
	return out, nil
}

type identity struct {
	ID         string          `json:"id"`
	ExternalID string          `json:"externalId"`
	Meta       jsontext.Value  `json:"meta,omitzero"`
	Ratelimits []identityLimit `json:"ratelimits"`
}

type identityLimit struct {
	Name     string `json:"name"`
	Limit    int64  `json:"limit"`
	Duration int64  `json:"duration"`
}

// listed returns an identity as lists show it.
func listed(i *keys.Identity) identity {
	out := identity{ID: i.ID, ExternalID: externalID(i.ID, i.ExternalID)}
	for _, l := range i.Limits {
		if l.Concurrent {
			continue // the vendor has no words for it
		}
		out.Ratelimits = append(out.Ratelimits, identityLimit{l.Name, l.Max, l.Window.Duration().Milliseconds()})
	}
	return out
}

// whole returns an identity as it is shown by itself.
func whole(i *keys.Identity) identity {
	out := listed(i)
	out.Meta = orEmpty(i.Meta)
	return out
}

// An identityRef names an identity, by id or else by external id.
type identityRef struct{ id, externalID string }

func (ref identityRef) String() string {
	if ref.id != "" {
		return ref.id
	}
	return ref.externalID
}

// names reports whether the identity is the one that is meant, and not one whose
// id or external id happens to be what the other is asked to be.
func (ref identityRef) names(i *keys.Identity) bool {
	if ref.id != "" {
		return i.ID == ref.id
	}
	return i.ExternalID == ref.externalID
}

func (d *Dialect) getIdentity(ctx context.Context, by keys.Actor, p *params) (identity, error) {
	ref := identityRef{p.text("identityId"), p.text("externalId")}
	if ref.String() == "" {
		return identity{}, errWhichIdentity
	}
	i, err := d.manager.Identity(ctx, by, ref.String())
	if keys.Is(err, keys.NotFound) || err == nil && !ref.names(&i) {
		err = errNoIdentity
	}
	return whole(&i), err
}

type identityList struct {
	Identities []identity `json:"identities"`
	Cursor     string     `json:"cursor,omitzero"` // the last identity's id, on the last page too
	Total      int        `json:"total"`
}

// listIdentities lists identities, the oldest first.
func (d *Dialect) listIdentities(ctx context.Context, by keys.Actor, p *params) (out identityList, err error) {
	f := keys.IdentityFilter{Oldest: true, Page: keys.Page{Before: p.text("cursor"), Limit: p.pageSize()}}
	if err := p.faults.Err(); err != nil {
		return out, err
	}
	found, total, err := d.manager.Identities(ctx, by, f)
	if err != nil {
		return out, err
	}
	if env := p.text("environment"); env != "" && env != environment {
		return out, nil
	}
	out.Total = total
	for i := range found {
		out.Identities, out.Cursor = append(out.Identities, listed(&found[i])), found[i].ID
	}
	return out, nil
}

type updateIdentityBody struct {
	IdentityID  *string                            `json:"identityId"`
	ExternalID  *string                            `json:"externalId"`
	Environment *string                            `json:"environment"`
	Meta        httpapi.Maybe[jsontext.Value]      `json:"meta"`
	Ratelimits  httpapi.Maybe[[]identityLimitBody] `json:"ratelimits"`
}

func (d *Dialect) updateIdentity(ctx context.Context, by keys.Actor, in *updateIdentityBody) (identity, error) {
	ref := identityRef{or(in.IdentityID, ""), or(in.ExternalID, "")}
	if ref.String() == "" {
		return identity{}, errWhichIdentity
	}
	var faults keys.Faults
	meta := metadata(in.Meta.Value, &faults)
	limits, err := identityLimits(in.Ratelimits.Value, &faults)
	if err == nil {
		err = faults.Err()
	}
	if err != nil {
		return identity{}, err
	}
	i, err := d.manager.UpdateIdentity(ctx, by, ref.String(), func(i *keys.Identity) error {
		if !ref.names(i) || or(in.Environment, environment) != environment {
			return errNoIdentity
		}
		if in.Meta.Given {
			i.Meta = meta
		}
		if in.Ratelimits.Given {
			i.Limits = replaceLimits(i.Limits, limits)
		}
		return nil
	}, keys.Match{})
	if keys.Is(err, keys.NotFound) {
		err = errNoIdentity
	}
	return whole(&i), err
}

// replaceLimits puts limits in the place of those that are there, but for
// concurrency limits, which the caller does not see, unless it takes their name.
func replaceLimits(present, limits []ratelimit.Limit) []ratelimit.Limit {
	for _, l := range present {
		if l.Concurrent && !slices.ContainsFunc(limits, func(o ratelimit.Limit) bool { return o.Name == l.Name }) {
			limits = append(slices.Clip(limits), l)
		}
	}
	return limits
}

type identityIDBody struct {
	IdentityID string `json:"identityId" required:"true"`
}

func (d *Dialect) deleteIdentity(ctx context.Context, by keys.Actor, in *identityIDBody) (nothing, error) {
	return nothing{}, ended("idn", in.IdentityID, errNoIdentity, func() error {
		return d.manager.DeleteIdentity(ctx, by, in.IdentityID, keys.Match{})
	})
}
