package native

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"latchkey"
	"latchkey/internal/httpapi"
	"latchkey/internal/keys"
	"latchkey/internal/ratelimit"
	"latchkey/internal/span"
)

// settings maps what a request sets to the core's settings.
func settings(in *latchkey.KeySettings, identity jsontext.Value, faults *keys.Faults) keys.KeySettings {
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
	if in.Budget.Given() {
		s.Budget = keys.Some[*keys.BudgetSettings](nil)
		if !in.Budget.IsNull() {
			s.Budget = keys.Some(budgetSettings(&in.Budget.Value, faults))
		}
	}
	s.Owner = owner(in, identity, faults)
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

// owner reads whose the key is to be. An identity that is named must be there;
// an external id by itself makes one.
func owner(in *latchkey.KeySettings, identity jsontext.Value, faults *keys.Faults) keys.Maybe[keys.Owner] {
	if identity != nil && identity.Kind() != 'n' {
		if in.ExternalID.Given() && !in.ExternalID.IsNull() {
			faults.Add("external_id", "goes without identity")
		}
		return keys.Some(reference(identity, faults))
	}
	if in.ExternalID.Given() && !in.ExternalID.IsNull() {
		if in.ExternalID.Value == "" {
			faults.Add("external_id", "must be 1 to %d characters", keys.MaxText)
		}
		return keys.Some(keys.Owner{ExternalID: in.ExternalID.Value})
	}
	return keys.Maybe[keys.Owner]{Set: identity != nil || in.ExternalID.Given()}
}

// reference reads the name of an identity: a text, or an object as answers have
// it.
func reference(identity jsontext.Value, faults *keys.Faults) keys.Owner {
	switch identity.Kind() {
	case '"':
		var ref string
		if err := json.Unmarshal(identity, &ref); err != nil || ref == "" {
			faults.Add("identity", "must be an id or an external id")
		}
		return keys.Owner{ID: ref}
	case '{':
	default:
		faults.Add("identity", "must be an id or an external id, or an object with either")
		return keys.Owner{}
	}
	var sent struct {
		ID         *string `json:"id"`
		ExternalID *string `json:"external_id"`
	}
	var own keys.Faults
	if err := httpapi.Decode(identity, &sent, httpapi.Decoding{}); err != nil {
		for _, f := range keys.AsError(err).Faults {
			own.Add("identity/"+f.Field, "%s", f.Detail)
		}
	}
	if sent.ID != nil && !strings.HasPrefix(*sent.ID, "idn_") {
		own.Merge(keys.Faults{{Field: "identity/id", Detail: "is no id of an identity"}})
	}
	if sent.ExternalID != nil && !keys.ValidExternalID(*sent.ExternalID) {
		own.Merge(keys.Faults{{Field: "identity/external_id", Detail: fmt.Sprintf("must be 1 to %d characters and not begin with idn_", keys.MaxText)}})
	}
	switch {
	case len(own) > 0:
		*faults = append(*faults, own...)
	case sent.ID == nil && sent.ExternalID == nil:
		faults.Add("identity", "must have an id or an external_id")
	case sent.ID == nil:
		return keys.Owner{ID: *sent.ExternalID}
	case sent.ExternalID == nil:
		return keys.Owner{ID: *sent.ID}
	default:
		return keys.Owner{ID: *sent.ID, ExternalID: *sent.ExternalID}
	}
	return keys.Owner{}
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
		if l.Concurrent != nil {
			out = append(out, concurrencyLimit(&l, at+"/"+strconv.Itoa(i), faults))
			continue
		}
		limit := ratelimit.Limit{Name: l.Name, Max: l.Max, Algorithm: ratelimit.Algorithm(l.Algorithm), Auto: l.AutoApply == nil || *l.AutoApply}
		if limit.Algorithm == "" {
			limit.Algorithm = ratelimit.Sliding
		}
		limit.Window = window(l.Window, at+"/"+strconv.Itoa(i)+"/window", faults)
		out = append(out, limit)
	}
	return out
}

// concurrencyLimit reads a limit that has nothing but a name and how many at
// once.
func concurrencyLimit(l *latchkey.Limit, at string, faults *keys.Faults) ratelimit.Limit {
	if l.Max != 0 || l.Window != "" || l.Algorithm != "" || l.AutoApply != nil {
		faults.Add(at+"/concurrent", "goes without max, window, algorithm and auto_apply")
	}
	return ratelimit.Limit{Name: l.Name, Max: *l.Concurrent, Concurrent: true, Auto: true}
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
	if r.Day.Given() {
		refill.Day = keys.Some(int(r.Day.Value))
		if !r.Day.IsNull() && (r.Day.Value < 1 || r.Day.Value > 31) {
			faults.Add("credits/refill/day", "must be a day of the month from 1 to 31")
			refill.Day.Value = 0
		}
	}
	switch {
	case r.Mode.IsNull():
		refill.Mode.Value = keys.RefillSet
	case refill.Mode.Value == keys.RefillRaise:
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
		return keys.Rhythm{Every: keys.Monthly} // so that nothing else is said of it
	}
	return keys.Rhythm{Every: keys.EverySpan, Span: s}
}
