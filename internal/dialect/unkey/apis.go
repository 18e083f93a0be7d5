package unkey

import (
	"cmp"
	"context"
	"crypto/rand"
	"strings"

	"latchkey/internal/keys"
	"latchkey/internal/token"
)

var errNoAPI = keys.Errorf(keys.NotFound, "api not found")

// policy is that of a keyspace which is made as an API.
func (d *Dialect) policy() keys.Policy {
	p := keys.DefaultPolicy()
	p.Secret = token.Form{Format: token.Base58Bytes, Length: shortestBytes}
	p.Meta.MaxBytes = 32 << 10
	p.PermissionWildcards = false
	p.VerifyWithoutRootKey = !d.rooted
	return p
}

type createAPIBody struct {
	Name string `json:"name" required:"true"`
}

type createdAPI struct {
	APIID string `json:"apiId"`
	Name  string `json:"name"`
}

func (d *Dialect) createAPI(ctx context.Context, by keys.Actor, in *createAPIBody) (createdAPI, error) {
	var faults keys.Faults
	checkText("name", in.Name, 3, keys.MaxText, &faults)
	if err := faults.Err(); err != nil {
		return createdAPI{}, err
	}
	slug := slugOf(in.Name)
	ks, err := d.manager.CreateKeyspace(ctx, by, keys.Keyspace{Slug: slug, Name: in.Name, Policy: d.policy()})
	if keys.Is(err, keys.Conflict) { // names are not unique, and slugs are
		slug += "-" + strings.ToLower(rand.Text()[:10])
		ks, err = d.manager.CreateKeyspace(ctx, by, keys.Keyspace{Slug: slug, Name: in.Name, Policy: d.policy()})
	}
	return createdAPI{ks.ID, in.Name}, err
}

// slugOf returns a slug that reminds of a name.
func slugOf(name string) string {
	const longest = 48
	fit := func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return '-'
	}
	words := strings.FieldsFunc(strings.Map(fit, strings.ToLower(name)), func(r rune) bool { return r == '-' })
	slug := strings.Join(words, "-")
	return cmp.Or(strings.Trim(slug[:min(len(slug), longest)], "-"), "api")
}

type api struct {
	ID          string `json:"id"`
	WorkspaceID string `json:"workspaceId"`
	Name        string `json:"name"`
}

func (d *Dialect) getAPI(ctx context.Context, by keys.Actor, p *params) (api, error) {
	id := p.required("apiId")
	if err := p.faults.Err(); err != nil {
		return api{}, err
	}
	ks, err := d.manager.Keyspace(ctx, by, id)
	if keys.Is(err, keys.NotFound) {
		err = errNoAPI
	}
	return api{ks.ID, ks.WorkspaceID, cmp.Or(ks.Name, ks.Slug)}, err
}

type apiIDBody struct {
	APIID string `json:"apiId" required:"true"`
}

func (d *Dialect) deleteAPI(ctx context.Context, by keys.Actor, in *apiIDBody) (nothing, error) {
	err := d.manager.DeleteKeyspace(ctx, by, in.APIID, keys.Match{})
	switch {
	case keys.Is(err, keys.NotFound):
		err = errNoAPI
	case keys.Is(err, keys.Conflict):
		err = keys.Errorf(protected, "%s", keys.AsError(err).Message)
	}
	return nothing{}, err
}

type keyList struct {
	Keys   []key  `json:"keys"`
	Cursor string `json:"cursor,omitzero"` // the last key's id, on the last page too
	Total  int    `json:"total"`
}

// listKeys lists the keys of an API, the oldest first.
func (d *Dialect) listKeys(ctx context.Context, by keys.Actor, p *params) (out keyList, err error) {
	id := p.required("apiId")
	q := keys.KeyQuery{KeyFilter: keys.KeyFilter{Oldest: true, Before: p.text("cursor"), Limit: p.pageSize()}}
	q.ExternalID = cmp.Or(p.text("externalId"), p.text("ownerId"))
	if err := p.faults.Err(); err != nil {
		return out, err
	}
	ks, err := d.manager.Keyspace(ctx, by, id)
	if keys.Is(err, keys.NotFound) {
		err = errNoAPI
	}
	if err != nil {
		return out, err
	}
	q.Keyspace = ks.ID
	found, total, err := d.manager.Keys(ctx, by, q)
	if err != nil {
		return out, err
	}
	out.Total = total
	if out.Keys, err = d.shown(ctx, by, found); err != nil {
		return out, err
	}
	for i := range out.Keys {
		if p.flag("decrypt") {
			if err := d.decrypt(ctx, by, &out.Keys[i]); err != nil {
				return out, err
			}
		}
		out.Cursor = out.Keys[i].ID
	}
	return out, nil
}
