package native

import (
	"context"
	"encoding/json"
	"net/netip"
	"strconv"
	"time"

	"latchkey"
	"latchkey/internal/keys"
	"latchkey/internal/ratelimit"
	"latchkey/internal/span"
)

// wireKey returns a key as it is answered.
func (ks *keyspaces) wireKey(ctx context.Context, k *keys.Key, now time.Time) (latchkey.Key, error) {
	slug, err := ks.slug(ctx, k)
	if err != nil {
		return latchkey.Key{}, err
	}
	out := latchkey.Key{
		ID: k.ID, Keyspace: slug, Name: textOrNull(k.Name), Status: string(k.Status(now)),
		Environment: textOrNull(k.Environment), Enabled: k.Enabled, Identity: wireOwner(k.Owner), Meta: raw(k.Meta),
		Permissions: k.Permissions, Roles: k.Roles, AllowedIPs: wireAddresses(k.AllowedIPs), ExpiresAt: wireTime(k.ExpiresAt),
		Limits: wireLimits(k.Limits), Credits: wireCredits(k.Credits), Secrets: wireSecrets(k.Secrets), LastUsedAt: wireTime(k.LastUsedAt),
		CreatedAt: latchkey.Time{Time: k.CreatedAt}, UpdatedAt: latchkey.Time{Time: k.UpdatedAt},
	}
	if s := k.Newest(); s != nil {
		out.Hint = hint(s)
	}
	return out, nil
}

func hint(s *keys.Secret) *string {
	if s.Start == "" && s.End == "" {
		return nil
	}
	return textOrNull(s.Hint())
}

func textOrNull(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func wireTime(t time.Time) *latchkey.Time {
	if t.IsZero() {
		return nil
	}
	return &latchkey.Time{Time: t}
}

func wireOwner(o keys.Owner) *latchkey.IdentityRef {
	if o.IsZero() {
		return nil
	}
	return &latchkey.IdentityRef{ID: o.ID, ExternalID: o.ExternalID}
}

func wireAddresses(ps []netip.Prefix) []string {
	out := []string{}
	for _, p := range ps {
		if p.IsSingleIP() {
			out = append(out, p.Addr().String())
		} else {
			out = append(out, p.String())
		}
	}
	return out
}

func wireLimits(limits []ratelimit.Limit) []latchkey.Limit {
	out := []latchkey.Limit{}
	for _, l := range limits {
		out = append(out, latchkey.Limit{
			Name: l.Name, Max: l.Max, Window: l.Window.String(), Algorithm: string(l.Algorithm), AutoApply: &l.Auto,
		})
	}
	return out
}

func wireCredits(c *keys.Credits) *latchkey.Credits {
	if c == nil {
		return nil
	}
	out := &latchkey.Credits{Remaining: c.Remaining, RefillsAt: wireTime(c.RefillsAt())}
	if r := c.Refill; r != nil {
		out.Refill = &latchkey.Refill{Amount: r.Amount, Every: string(r.Every), Mode: string(r.Mode)}
		if r.Every == keys.EverySpan {
			out.Refill.Every = r.Span.String()
		}
		if r.Every == keys.Monthly {
			day := int64(r.Day)
			out.Refill.Day = &day
		}
	}
	return out
}

// settings maps what a request sets to the core's settings.
func settings(in *latchkey.KeySettings, faults *keys.Faults) keys.KeySettings {
	s := keys.KeySettings{
		Environment: maybe(in.Environment), Enabled: keys.Maybe[bool]{Set: in.Enabled.Given(), Value: in.Enabled.Value},
		Permissions: maybe(in.Permissions), Roles: maybe(in.Roles),
	}
	if in.Name.Given() {
		s.Name = keys.Some[*string](nil)
		if !in.Name.IsNull() {
			s.Name = keys.Some(&in.Name.Value)
		}
	}
	if in.Environment.Given() && !in.Environment.IsNull() && in.Environment.Value == "" {
		faults.Add("environment", "must not be empty; null stands for none")
	}
	if in.Enabled.IsNull() {
		faults.Add("enabled", "must be true or false")
	}
	if in.ExpiresAt.Given() {
		s.ExpiresAt = keys.Some(in.ExpiresAt.Value.Time)
	}
	if in.Meta.Given() {
		s.Meta = keys.Some(metadata(in.Meta.Value, faults))
	}
	if in.AllowedIPs.Given() {
		s.AllowedIPs = keys.Some(addresses(in.AllowedIPs.Value, faults))
	}
	if in.Limits.Given() {
		s.Limits = keys.Some(limits(in.Limits.Value, "limits", faults))
	}
	if in.Credits.Given() {
		s.Credits = keys.Some[*keys.CreditSettings](nil)
		if !in.Credits.IsNull() {
			s.Credits = keys.Some(creditSettings(&in.Credits.Value, faults))
		}
	}
	if in.Budget.Given() && !in.Budget.IsNull() {
		faults.Add("budget", "must be null: budgets are not offered by this version")
	}
	s.Owner = owner(in, faults)
	return s
}

// maybe maps a member in which null means empty.
func maybe[T any](o latchkey.Optional[T]) keys.Maybe[T] {
	var zero T
	if o.IsNull() {
		return keys.Some(zero)
	}
	return keys.Maybe[T]{Set: o.Given(), Value: o.Value}
}

func metadata(doc json.RawMessage, faults *keys.Faults) string {
	switch {
	case len(doc) == 0 || string(doc) == "{}":
		return ""
	case doc[0] != '{':
		faults.Add("meta", "must be an object")
		return ""
	}
	return canonicalSpace(doc)
}

func owner(in *latchkey.KeySettings, faults *keys.Faults) keys.Maybe[keys.Owner] {
	switch {
	case in.Identity.Given() && in.ExternalID.Given():
		faults.Add("external_id", "goes without identity")
	case in.Identity.IsNull(), in.ExternalID.IsNull():
		return keys.Some(keys.Owner{})
	case in.ExternalID.Given():
		if in.ExternalID.Value == "" {
			faults.Add("external_id", "must be 1 to %d characters", keys.MaxText)
		}
		return keys.Some(keys.Owner{ExternalID: in.ExternalID.Value})
	case in.Identity.Given():
		// An identity that is named must exist: its reference is an id to the core.
		ref := in.Identity.Value.ID
		if ref == "" {
			ref = in.Identity.Value.ExternalID
		}
		if ref == "" {
			faults.Add("identity", "must be an id or an external id")
		}
		return keys.Some(keys.Owner{ID: ref})
	}
	return keys.Maybe[keys.Owner]{}
}

func addresses(list []string, faults *keys.Faults) []netip.Prefix {
	var out []netip.Prefix
	for i, s := range list {
		at := "allowed_ips/" + strconv.Itoa(i)
		if a, err := netip.ParseAddr(s); err == nil && a.Zone() == "" {
			a = a.Unmap()
			out = append(out, netip.PrefixFrom(a, a.BitLen()))
			continue
		}
		p, err := netip.ParsePrefix(s)
		switch {
		case err != nil || p.Addr().Is4In6():
			faults.Add(at, "must be an address or a range such as 10.0.0.0/8")
		case p != p.Masked():
			faults.Add(at, "has bits beyond its mask; the range is %s", p.Masked())
		default:
			out = append(out, p)
		}
	}
	return out
}

func limits(list []latchkey.Limit, at string, faults *keys.Faults) []ratelimit.Limit {
	var out []ratelimit.Limit
	for i, l := range list {
		limit := ratelimit.Limit{Name: l.Name, Max: l.Max, Algorithm: ratelimit.Algorithm(l.Algorithm), Auto: l.AutoApply == nil || *l.AutoApply}
		if limit.Algorithm == "" {
			limit.Algorithm = ratelimit.Sliding
		}
		var err error
		if limit.Window, err = span.Parse(l.Window); err != nil {
			faults.Add(at+"/"+strconv.Itoa(i)+"/window", "%v", err)
			limit.Window = span.Of(time.Second) // so that nothing else is said of it
		}
		out = append(out, limit)
	}
	return out
}

func creditSettings(in *latchkey.CreditSettings, faults *keys.Faults) *keys.CreditSettings {
	out := &keys.CreditSettings{Remaining: keys.Maybe[int64]{Set: in.Remaining.Given(), Value: in.Remaining.Value}}
	if in.Remaining.IsNull() {
		faults.Add("credits/remaining", "must be an integer; null credits stand for none")
	}
	if !in.Refill.Given() {
		return out
	}
	out.Refill = keys.Some[*keys.RefillSettings](nil)
	if in.Refill.IsNull() {
		return out
	}
	r := &in.Refill.Value
	refill := &keys.RefillSettings{
		Amount: keys.Maybe[int64]{Set: r.Amount.Given(), Value: r.Amount.Value},
		Mode:   keys.Maybe[keys.RefillMode]{Set: r.Mode.Given(), Value: keys.RefillMode(r.Mode.Value)},
	}
	if r.Day.Given() && !r.Day.IsNull() {
		refill.Day = keys.Some(int(r.Day.Value))
	}
	if r.Mode.Given() && r.Mode.Value == string(keys.RefillRaise) {
		refill.Mode.Value = "" // the core has it for others; here it is no word
	}
	if r.Every.Given() {
		refill.Every = keys.Some(rhythm(r.Every.Value, faults))
	}
	out.Refill = keys.Some(refill)
	return out
}

func rhythm(word string, faults *keys.Faults) keys.Rhythm {
	switch e := keys.Every(word); e {
	case keys.Daily, keys.Monthly:
		return keys.Rhythm{Every: e}
	}
	s, err := span.Parse(word)
	if err != nil {
		faults.Add("credits/refill/every", `must be "daily", "monthly" or a duration such as 12h`)
		return keys.Rhythm{Every: keys.Daily} // so that nothing else is said of it
	}
	return keys.Rhythm{Every: keys.EverySpan, Span: s}
}
