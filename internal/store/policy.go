package store

import (
	"latchkey/internal/keys"
	"latchkey/internal/span"
)

// policyForm is how a policy stands in a column. Of its lists, null and empty
// are different things.
type policyForm struct {
	Secret               secretForm        `json:"secret"`
	Hint                 hintForm          `json:"hint"`
	Environments         []string          `json:"environments"`
	Name                 nameForm          `json:"name"`
	Meta                 metaForm          `json:"meta"`
	Expiry               expiryForm        `json:"expiry"`
	Limits               []limitForm       `json:"limits"`
	Permissions          []string          `json:"permissions"`
	Credits              *creditsForm      `json:"credits"`
	Grantable            []string          `json:"grantable"`
	PermissionWildcards  bool              `json:"permission_wildcards"`
	Owner                keys.IdentityKind `json:"owner"`
	Session              sessionForm       `json:"session"`
	Purge                purgeForm         `json:"purge"`
	LimiterDown          keys.LimiterDown  `json:"limiter_down"`
	Recoverable          bool              `json:"recoverable"`
	SelfList             bool              `json:"self_list"`
	VerifyWithoutRootKey bool              `json:"verify_without_root_key"`
}

type (
	hintForm struct {
		Store  bool `json:"store"`
		Length int  `json:"length"`
	}
	nameForm struct {
		Required bool `json:"required"`
		Min      int  `json:"min"`
		Max      int  `json:"max"`
	}
	metaForm struct {
		Allowed  bool `json:"allowed"`
		MaxBytes int  `json:"max_bytes"`
	}
	expiryForm struct {
		Required bool      `json:"required"`
		Custom   bool      `json:"custom"`
		Default  span.Span `json:"default"`
		Min      span.Span `json:"min"`
		Max      span.Span `json:"max"`
	}
	sessionForm struct {
		Enabled bool     `json:"enabled"`
		Headers []string `json:"headers"`
	}
	purgeForm struct {
		Expired bool `json:"expired"`
		UsedUp  bool `json:"used_up"`
	}
	creditsForm struct {
		Remaining  int64       `json:"remaining"`
		Refill     *refillForm `json:"refill"`
		RefilledAt int64       `json:"refilled_at"`
	}
)

func encodePolicy(p *keys.Policy) string {
	f := policyForm{
		Secret: secretForm(p.Secret), Hint: hintForm(p.Hint), Environments: p.Environments, Name: nameForm(p.Name),
		Meta: metaForm(p.Meta), Expiry: expiryForm(p.Expiry), Limits: limitForms(p.Limits), Permissions: p.Permissions,
		Grantable: p.Grantable, PermissionWildcards: p.PermissionWildcards, Owner: p.Owner, Session: sessionForm(p.Session),
		Purge: purgeForm(p.Purge), LimiterDown: p.LimiterDown, Recoverable: p.Recoverable, SelfList: p.SelfList,
		VerifyWithoutRootKey: p.VerifyWithoutRootKey,
	}
	if c := p.Credits; c != nil {
		f.Credits = &creditsForm{c.Remaining, (*refillForm)(c.Refill), millis(c.RefilledAt)}
	}
	return encode(f)
}

type policyColumn struct{ to *keys.Policy }

func (c policyColumn) Scan(src any) error {
	var f policyForm
	if err := (document[policyForm]{&f}).Scan(src); err != nil {
		return err
	}
	*c.to = f.policy()
	return nil
}

func (f *policyForm) policy() keys.Policy {
	p := keys.Policy{
		Environments: f.Environments, Limits: limitsFrom(f.Limits), Permissions: f.Permissions, Grantable: f.Grantable,
		PermissionWildcards: f.PermissionWildcards, Owner: f.Owner, LimiterDown: f.LimiterDown,
		Recoverable: f.Recoverable, SelfList: f.SelfList, VerifyWithoutRootKey: f.VerifyWithoutRootKey,
		Hint: keys.HintPolicy(f.Hint), Name: keys.NamePolicy(f.Name), Meta: keys.MetaPolicy(f.Meta), Expiry: keys.ExpiryPolicy(f.Expiry),
		Session: keys.SessionPolicy(f.Session), Purge: keys.PurgePolicy(f.Purge),
	}
	p.Secret.Prefix, p.Secret.Format, p.Secret.Length = f.Secret.Prefix, f.Secret.Format, f.Secret.Length
	if c := f.Credits; c != nil {
		p.Credits = &keys.Credits{Remaining: c.Remaining, Refill: (*keys.Refill)(c.Refill), RefilledAt: fromMillis(c.RefilledAt)}
	}
	return p
}
