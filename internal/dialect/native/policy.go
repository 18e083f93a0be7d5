package native

import (
	"strconv"
	"time"

	"latchkey"
	"latchkey/internal/httpapi"
	"latchkey/internal/keys"
	"latchkey/internal/span"
	"latchkey/internal/token"
)

// Keyspaces reads declared keyspaces: a JSON list of slug, name and policy.
// All that is wrong is told at once.
func Keyspaces(doc []byte) ([]keys.Keyspace, error) {
	var in struct {
		List []latchkey.KeyspaceSettings `json:"keyspaces"`
	}
	wrapped := append(append([]byte(`{"keyspaces":`), doc...), '}')
	if err := httpapi.Decode(wrapped, &in, httpapi.Decoding{}); err != nil {
		return nil, err
	}
	var faults keys.Faults
	var out []keys.Keyspace
	seen := map[string]bool{}
	for i := range in.List {
		at := "keyspaces/" + strconv.Itoa(i) + "/"
		var own keys.Faults
		ks := keys.Keyspace{Slug: in.List[i].Slug, Name: in.List[i].Name, Policy: policy(&in.List[i].Policy, &own)}
		if ks.Name == "" {
			ks.Name = ks.Slug
		}
		if len(own) == 0 {
			if err := ks.Validate(); err != nil {
				own = keys.AsError(err).Faults
			}
		}
		if seen[ks.Slug] {
			own.Add("slug", "is declared twice")
		}
		seen[ks.Slug] = true
		for _, f := range own {
			f.Field = at + f.Field
			faults = append(faults, f)
		}
		out = append(out, ks)
	}
	return out, faults.Err()
}

// policy maps the settings of a policy to the core's, which has the defaults.
func policy(in *latchkey.PolicySettings, faults *keys.Faults) keys.Policy {
	p := keys.DefaultPolicy()
	assign(&p.Secret.Prefix, in.Prefix)
	if s := in.Secret; s.Given() && !s.IsNull() {
		if s.Value.Format.Given() {
			p.Secret.Format = token.Format(s.Value.Format.Value)
		}
		assignInt(&p.Secret.Length, s.Value.Length)
	}
	assign(&p.Hint.Store, in.Hint.Value.Store)
	assignInt(&p.Hint.Length, in.Hint.Value.Length)
	if in.Environments.Given() && !in.Environments.IsNull() {
		p.Environments = in.Environments.Value
	}
	assign(&p.Name.Required, in.Name.Value.Required)
	assignInt(&p.Name.Min, in.Name.Value.Min)
	assignInt(&p.Name.Max, in.Name.Value.Max)
	assign(&p.Meta.Allowed, in.Meta.Value.Allowed)
	assignInt(&p.Meta.MaxBytes, in.Meta.Value.MaxBytes)
	assign(&p.Expiry.Required, in.Expiry.Value.Required)
	assign(&p.Expiry.Custom, in.Expiry.Value.Custom)
	assignSpan(&p.Expiry.Default, in.Expiry.Value.Default, "policy/expiry/default", faults)
	assignSpan(&p.Expiry.Min, in.Expiry.Value.Min, "policy/expiry/min", faults)
	assignSpan(&p.Expiry.Max, in.Expiry.Value.Max, "policy/expiry/max", faults)
	if in.Limits.Given() {
		p.Limits = limits(in.Limits.Value, "policy/limits", faults)
	}
	assign(&p.Permissions, in.Permissions)
	if in.Credits.Given() && !in.Credits.IsNull() {
		var own keys.Faults
		p.Credits = creditSettings(&in.Credits.Value, &own).Make(time.Time{}, &own)
		for _, f := range own {
			f.Field = "policy/" + f.Field
			*faults = append(*faults, f)
		}
	}
	assign(&p.PermissionWildcards, in.PermissionWildcards)
	if in.Owner.Given() && in.Owner.Value != "any" {
		p.Owner = keys.IdentityKind(in.Owner.Value)
		if p.Owner == "" {
			faults.Add("policy/owner", `must be "any", "user" or "organization"`)
		}
	}
	assign(&p.Recoverable, in.Recoverable)
	assign(&p.SelfList, in.SelfList)
	assign(&p.VerifyWithoutRootKey, in.VerifyWithoutRootKey)
	return p
}

// assign sets to where a value is given. Null stands for the default.
func assign[T any](to *T, o latchkey.Optional[T]) {
	if o.Given() && !o.IsNull() {
		*to = o.Value
	}
}

func assignInt(to *int, o latchkey.Optional[int64]) {
	if o.Given() && !o.IsNull() {
		*to = int(o.Value)
	}
}

func assignSpan(to *span.Span, o latchkey.Optional[string], at string, faults *keys.Faults) {
	if !o.Given() || o.IsNull() {
		return
	}
	s, err := span.Parse(o.Value)
	if err != nil {
		faults.Add(at, "%v", err)
	}
	*to = s
}
