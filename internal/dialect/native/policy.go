package native

import (
	"slices"
	"strconv"
	"time"

	"latchkey"
	"latchkey/internal/httpapi"
	"latchkey/internal/keys"
	"latchkey/internal/span"
)

// A declaredKeyspace cannot do without a slug.
type declaredKeyspace struct {
	Slug string `json:"slug" required:"true"`
	latchkey.KeyspaceSettings
}

// Keyspaces reads declared keyspaces: a JSON list of slug, name and policy.
// All that is wrong is told at once.
func Keyspaces(doc []byte) ([]keys.Keyspace, error) {
	var in struct {
		List []declaredKeyspace `json:"keyspaces"`
	}
	wrapped := append(append([]byte(`{"keyspaces":`), doc...), '}')
	if err := httpapi.Decode(wrapped, &in, httpapi.Decoding{}); err != nil {
		return nil, err
	}
	var faults keys.Faults
	var out []keys.Keyspace
	for i := range in.List {
		var own keys.Faults
		in.List[i].KeyspaceSettings.Slug = in.List[i].Slug
		ks := newKeyspace(&in.List[i].KeyspaceSettings, &own)
		if len(own) == 0 {
			if err := ks.Validate(); err != nil {
				own = keys.AsError(err).Faults
			}
		}
		if slices.ContainsFunc(out, func(o keys.Keyspace) bool { return o.Slug == ks.Slug }) {
			own.Add("slug", "is declared twice")
		}
		for _, f := range own {
			f.Field = "keyspaces/" + strconv.Itoa(i) + "/" + f.Field
			faults = append(faults, f)
		}
		out = append(out, ks)
	}
	return out, faults.Err()
}

// newKeyspace returns the keyspace that settings stand for by themselves.
func newKeyspace(in *latchkey.KeyspaceSettings, faults *keys.Faults) keys.Keyspace {
	ks := keys.Keyspace{Slug: in.Slug, Name: in.Slug, Policy: keys.DefaultPolicy()}
	applyKeyspace(&ks, in, faults)
	return ks
}

// applyKeyspace sets on ks what is given.
func applyKeyspace(ks *keys.Keyspace, in *latchkey.KeyspaceSettings, faults *keys.Faults) {
	if in.Slug != "" {
		ks.Slug = in.Slug
	}
	if in.Name.Given() {
		if ks.Name = in.Name.Value; in.Name.IsNull() {
			ks.Name = ks.Slug
		}
	}
	switch {
	case in.Policy.IsNull():
		ks.Policy = keys.DefaultPolicy()
	case in.Policy.Given():
		applyPolicy(&ks.Policy, &in.Policy.Value, faults)
	}
}

// applyPolicy sets on p what is given. Null stands for the default.
func applyPolicy(p *keys.Policy, in *latchkey.PolicySettings, faults *keys.Faults) {
	def := keys.DefaultPolicy()
	assign(&p.Secret.Prefix, in.Prefix, def.Secret.Prefix)
	nested(in.Secret, func() { p.Secret.Format, p.Secret.Length = def.Secret.Format, def.Secret.Length }, func(s *latchkey.SecretSettings) {
		assign((*string)(&p.Secret.Format), s.Format, string(def.Secret.Format))
		assignInt(&p.Secret.Length, s.Length, def.Secret.Length)
	})
	nested(in.Hint, func() { p.Hint = def.Hint }, func(s *latchkey.HintSettings) {
		assign(&p.Hint.Store, s.Store, def.Hint.Store)
		assignInt(&p.Hint.Length, s.Length, def.Hint.Length)
	})
	assign(&p.Environments, in.Environments, nil)
	nested(in.Name, func() { p.Name = def.Name }, func(s *latchkey.NameSettings) {
		assign(&p.Name.Required, s.Required, def.Name.Required)
		assignInt(&p.Name.Min, s.Min, def.Name.Min)
		assignInt(&p.Name.Max, s.Max, def.Name.Max)
	})
	nested(in.Meta, func() { p.Meta = def.Meta }, func(s *latchkey.MetaSettings) {
		assign(&p.Meta.Allowed, s.Allowed, def.Meta.Allowed)
		assignInt(&p.Meta.MaxBytes, s.MaxBytes, def.Meta.MaxBytes)
	})
	nested(in.Expiry, func() { p.Expiry = def.Expiry }, func(s *latchkey.ExpirySettings) {
		assign(&p.Expiry.Required, s.Required, def.Expiry.Required)
		assign(&p.Expiry.Custom, s.Custom, def.Expiry.Custom)
		assignSpan(&p.Expiry.Default, s.Default, "policy/expiry/default", faults)
		assignSpan(&p.Expiry.Min, s.Min, "policy/expiry/min", faults)
		assignSpan(&p.Expiry.Max, s.Max, "policy/expiry/max", faults)
	})
	applyDefaults(p, in, faults)
	assign(&p.Grantable, in.Grantable, nil)
	assign(&p.PermissionWildcards, in.PermissionWildcards, def.PermissionWildcards)
	if in.Owner.Given() {
		switch p.Owner = keys.IdentityKind(in.Owner.Value); {
		case in.Owner.IsNull(), p.Owner == "any":
			p.Owner = ""
		case p.Owner == "":
			faults.Add("policy/owner", `must be "any", "user" or "organization"`)
		}
	}
	nested(in.Session, func() { p.Session = def.Session }, func(s *latchkey.SessionSettings) {
		assign(&p.Session.Enabled, s.Enabled, def.Session.Enabled)
		assign(&p.Session.Headers, s.Headers, def.Session.Headers)
	})
	nested(in.Purge, func() { p.Purge = def.Purge }, func(s *latchkey.PurgeSettings) {
		assign(&p.Purge.Expired, s.Expired, def.Purge.Expired)
		assign(&p.Purge.UsedUp, s.UsedUp, def.Purge.UsedUp)
	})
	assign((*string)(&p.LimiterDown), in.LimiterDown, string(def.LimiterDown))
	assign(&p.Recoverable, in.Recoverable, def.Recoverable)
	assign(&p.SelfList, in.SelfList, def.SelfList)
	assign(&p.VerifyWithoutRootKey, in.VerifyWithoutRootKey, def.VerifyWithoutRootKey)
}

// applyDefaults sets what a key gets where its creator says nothing.
func applyDefaults(p *keys.Policy, in *latchkey.PolicySettings, faults *keys.Faults) {
	if in.Limits.Given() {
		p.Limits = limits(in.Limits.Value, "policy/limits", faults)
	}
	assign(&p.Permissions, in.Permissions, nil)
	if !in.Credits.Given() {
		return
	}
	if in.Credits.IsNull() {
		p.Credits = nil
		return
	}
	var own keys.Faults
	p.Credits = creditSettings(&in.Credits.Value, &own).Merge(p.Credits, time.Time{}, &own)
	for _, f := range own {
		f.Field = "policy/" + f.Field
		*faults = append(*faults, f)
	}
}

// nested applies settings that have members of their own, or resets them.
func nested[T any](o latchkey.Optional[T], reset func(), apply func(*T)) {
	switch {
	case o.IsNull():
		reset()
	case o.Given():
		apply(&o.Value)
	}
}

// assign sets to where a value is given, and to the default where it is null.
func assign[T any](to *T, o latchkey.Optional[T], def T) {
	switch {
	case o.IsNull():
		*to = def
	case o.Given():
		*to = o.Value
	}
}

func assignInt(to *int, o latchkey.Optional[int64], def int) {
	switch {
	case o.IsNull():
		*to = def
	case o.Given():
		*to = int(max(-1, min(o.Value, 1<<30)))
	}
}

func assignSpan(to *span.Span, o latchkey.Optional[string], at string, faults *keys.Faults) {
	switch {
	case o.IsNull():
		*to = span.Span{}
	case o.Given():
		s, err := span.Parse(o.Value)
		if err != nil {
			faults.Add(at, "%v", err)
		}
		*to = s
	}
}

// wirePolicy returns a policy as it is answered.
func wirePolicy(p *keys.Policy) latchkey.Policy {
	out := latchkey.Policy{
		Prefix:       p.Secret.Prefix,
		Secret:       latchkey.SecretForm{Format: string(p.Secret.Format), Length: p.Secret.Length},
		Hint:         latchkey.HintPolicy{Store: p.Hint.Store, Length: p.Hint.Length},
		Environments: listOrNull(p.Environments),
		Name:         latchkey.NamePolicy{Required: p.Name.Required, Min: p.Name.Min, Max: p.Name.Max},
		Meta:         latchkey.MetaPolicy{Allowed: p.Meta.Allowed, MaxBytes: p.Meta.MaxBytes},
		Expiry: latchkey.ExpiryPolicy{
			Required: p.Expiry.Required, Custom: p.Expiry.Custom, Default: textOrNull(p.Expiry.Default.String()),
			Min: textOrNull(p.Expiry.Min.String()), Max: textOrNull(p.Expiry.Max.String()),
		},
		Limits: wireLimits(p.Limits), Permissions: p.Permissions, Credits: wireCredits(p.Credits),
		Grantable: listOrNull(p.Grantable), PermissionWildcards: p.PermissionWildcards, Owner: "any",
		Session:     latchkey.SessionPolicy{Enabled: p.Session.Enabled, Headers: p.Session.Headers},
		Purge:       latchkey.PurgePolicy{Expired: p.Purge.Expired, UsedUp: p.Purge.UsedUp},
		LimiterDown: string(p.LimiterDown), Recoverable: p.Recoverable, SelfList: p.SelfList, VerifyWithoutRootKey: p.VerifyWithoutRootKey,
	}
	if p.Owner != "" {
		out.Owner = string(p.Owner)
	}
	if out.Credits != nil {
		out.Credits.RefillsAt = nil // a refill begins with a key
	}
	return out
}

// listOrNull tells no list from an empty one.
func listOrNull(list []string) *[]string {
	if list == nil {
		return nil
	}
	return &list
}
