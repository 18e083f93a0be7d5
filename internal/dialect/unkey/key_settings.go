package unkey

import (
	"slices"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"

	"latchkey/internal/httpapi"
	"latchkey/internal/keys"
	"latchkey/internal/ratelimit"
	"latchkey/internal/token"
)

// Bounds of a new key's form.
const (
	longestPrefix = 16
	shortestBytes = 16
	longestBytes  = 255
)

// A createKeyBody says what key to make. The deprecated members are read where
// they still mean something.
type createKeyBody struct {
	APIID       string         `json:"apiId" required:"true"`
	Prefix      *string        `json:"prefix"`
	ByteLength  *int64         `json:"byteLength"`
	Name        *string        `json:"name"`
	OwnerID     *string        `json:"ownerId"`
	ExternalID  *string        `json:"externalId"`
	Meta        jsontext.Value `json:"meta"`
	Roles       []string       `json:"roles"`
	Permissions []string       `json:"permissions"`
	Expires     *int64         `json:"expires"`
	Remaining   *int64         `json:"remaining"`
	Refill      *refillBody    `json:"refill"`
	Ratelimit   *limitBody     `json:"ratelimit"`
	Enabled     *bool          `json:"enabled"`
	Recoverable *bool          `json:"recoverable"`
	Environment *string        `json:"environment"`
}

// newKey maps the request to a key.
func (in *createKeyBody) newKey() (keys.NewKey, error) {
	var faults keys.Faults
	if in.APIID == "" {
		faults.Add("apiId", "must not be empty")
	}
	nk := keys.NewKey{Keyspace: in.APIID, Shape: in.shape(&faults), Recoverable: in.Recoverable != nil && *in.Recoverable}
	s := &nk.KeySettings
	s.Make = true
	if in.Name != nil && *in.Name != "" {
		s.Name = keys.Some(in.Name)
	}
	if owner := or(in.ExternalID, or(in.OwnerID, "")); owner != "" {
		s.Owner = keys.Some(keys.Owner{ExternalID: owner})
	}
	if in.Meta != nil {
		s.Meta = keys.Some(metadata(in.Meta, &faults))
	}
	s.Roles = given(in.Roles, "roles", &faults)
	s.Permissions = given(in.Permissions, "permissions", &faults)
	if in.Expires != nil && *in.Expires != 0 {
		s.ExpiresAt = keys.Some(moment(*in.Expires, "expires", &faults))
	}
	s.Credits = in.credits(&faults)
	if in.Ratelimit != nil {
		s.Limits = keys.Some([]ratelimit.Limit{in.Ratelimit.limit(&faults)})
	}
	if in.Enabled != nil {
		s.Enabled = keys.Some(*in.Enabled)
	}
	if in.Environment != nil && *in.Environment != "" {
		s.Environment = keys.Some(*in.Environment)
	}
	return nk, faults.Err()
}

// shape returns how the secret differs in form from those of its keyspace.
func (in *createKeyBody) shape(faults *keys.Faults) func(token.Form) token.Form {
	prefix, n := in.Prefix, in.ByteLength
	if prefix != nil {
		checkText("prefix", *prefix, 0, longestPrefix, faults)
	}
	if n != nil && (*n < shortestBytes || *n > longestBytes) {
		faults.Add("byteLength", "must be from %d to %d", shortestBytes, longestBytes)
	}
	return func(f token.Form) token.Form {
		if prefix != nil {
			f.Prefix = *prefix
		}
		if n != nil {
			f.Format, f.Length = token.Base58Bytes, int(*n)
		}
		return f
	}
}

// credits maps the members remaining and refill.
func (in *createKeyBody) credits(faults *keys.Faults) (out keys.Maybe[*keys.CreditSettings]) {
	switch {
	case in.Remaining == nil && in.Refill == nil:
		return out
	case in.Remaining == nil:
		faults.Add("refill", "goes with remaining")
		return out
	case *in.Remaining == 0:
		faults.Add("remaining", "must not be 0, with which the key could never be used")
	}
	credits := &keys.CreditSettings{Remaining: keys.Some(*in.Remaining)}
	if in.Refill != nil {
		credits.Refill = keys.Some(in.Refill.settings(faults))
	}
	return keys.Some(credits)
}

// given returns names that a request has, or nothing.
func given(names []string, at string, faults *keys.Faults) keys.Maybe[[]string] {
	if names == nil {
		return keys.Maybe[[]string]{}
	}
	for i, n := range names {
		if n == "" {
			faults.Add(at+"/"+strconv.Itoa(i), "must not be empty")
		}
	}
	return keys.Some(names)
}

// A refillBody says when remaining uses come back.
type refillBody struct {
	Interval  string `json:"interval" required:"true"`
	Amount    int64  `json:"amount" required:"true"`
	RefillDay *int64 `json:"refillDay"`
}

// settings returns the refill, which only ever raises a balance.
func (r *refillBody) settings(faults *keys.Faults) *keys.RefillSettings {
	out := &keys.RefillSettings{Amount: keys.Some(r.Amount), Day: keys.Some(0), Mode: keys.Some(keys.RefillRaise)}
	every := keys.Every(r.Interval)
	if every != keys.Daily && every != keys.Monthly {
		faults.Add("refill/interval", `must be "daily" or "monthly"`)
	}
	out.Every = keys.Some(keys.Rhythm{Every: every})
	if r.Amount < 1 {
		faults.Add("refill/amount", "must be at least 1")
	}
	if day := r.RefillDay; day != nil {
		switch {
		case every == keys.Daily:
			faults.Add("refill/refillDay", "goes with the interval monthly alone")
		case *day < 1 || *day > 31:
			faults.Add("refill/refillDay", "must be from 1 to 31")
		default:
			out.Day.Value = int(*day)
		}
	}
	return out
}

// A limitBody is the limit of a key that is named default. The vendor once had
// other names for its members; how it counts is no longer the caller's choice.
type limitBody struct {
	Limit          *int64 `json:"limit"`
	Duration       *int64 `json:"duration"`
	RefillRate     *int64 `json:"refillRate"`
	RefillInterval *int64 `json:"refillInterval"`
}

func (l *limitBody) limit(faults *keys.Faults) ratelimit.Limit {
	most, duration := l.Limit, l.Duration
	if most == nil {
		most = l.RefillRate
	}
	if duration == nil {
		duration = l.RefillInterval
	}
	if most == nil {
		faults.Add("ratelimit/limit", required)
	}
	if duration == nil {
		faults.Add("ratelimit/duration", required)
	}
	if most == nil || duration == nil {
		return ratelimit.Limit{}
	}
	return newLimit(defaultLimit, *most, *duration, "ratelimit", faults)
}

// An updateKeyBody says what of a key is to change: what is absent stays, and
// null clears.
type updateKeyBody struct {
	KeyID       string                        `json:"keyId" required:"true"`
	Name        httpapi.Maybe[string]         `json:"name"`
	OwnerID     httpapi.Maybe[string]         `json:"ownerId"`
	ExternalID  httpapi.Maybe[string]         `json:"externalId"`
	Meta        httpapi.Maybe[jsontext.Value] `json:"meta"`
	Expires     httpapi.Maybe[int64]          `json:"expires"`
	Remaining   httpapi.Maybe[int64]          `json:"remaining"`
	Refill      httpapi.Maybe[refillBody]     `json:"refill"`
	Ratelimit   httpapi.Maybe[limitBody]      `json:"ratelimit"`
	Enabled     *bool                         `json:"enabled"`
	Roles       []grantBody                   `json:"roles"`
	Permissions []grantBody                   `json:"permissions"`
}

// settings maps the request to settings of a key, but for what it may do.
func (in *updateKeyBody) settings(k *keys.Key) (s keys.KeySettings, err error) {
	var faults keys.Faults
	if in.Name.Given {
		s.Name = keys.Some[*string](nil)
		if in.Name.Value != "" {
			s.Name.Value = &in.Name.Value
		}
	}
	owner := in.ExternalID
	if !owner.Given {
		owner = in.OwnerID
	}
	if owner.Given {
		s.Owner = keys.Some(keys.Owner{ExternalID: owner.Value})
	}
	if in.Meta.Given {
		s.Meta = keys.Some(metadata(in.Meta.Value, &faults))
	}
	if in.Expires.Given {
		s.ExpiresAt.Set = true
		if !in.Expires.Null {
			s.ExpiresAt.Value = moment(in.Expires.Value, "expires", &faults)
		}
	}
	s.Credits = in.credits(k, &faults)
	if in.Ratelimit.Given {
		s.Limits, s.MergeLimits = keys.Some[[]ratelimit.Limit](nil), replaceDefault
		if !in.Ratelimit.Null {
			s.Limits.Value = []ratelimit.Limit{in.Ratelimit.Value.limit(&faults)}
		}
	}
	if in.Enabled != nil {
		s.Enabled = keys.Some(*in.Enabled)
	}
	checkGrants("permissions", in.Permissions, &faults)
	checkGrants("roles", in.Roles, &faults)
	return s, faults.Err()
}

// credits maps the members remaining and refill, of which the second goes with a
// number of the first.
func (in *updateKeyBody) credits(k *keys.Key, faults *keys.Faults) (out keys.Maybe[*keys.CreditSettings]) {
	unlimited := in.Remaining.Null || !in.Remaining.Given && k.Credits == nil
	if in.Refill.Given && !in.Refill.Null && unlimited {
		faults.Add("refill", "goes with remaining, which is unlimited")
		return out
	}
	if in.Remaining.Null {
		return keys.Some[*keys.CreditSettings](nil)
	}
	if unlimited || !in.Remaining.Given && !in.Refill.Given {
		return out
	}
	credits := &keys.CreditSettings{Remaining: keys.Maybe[int64]{Set: in.Remaining.Given, Value: in.Remaining.Value}}
	if in.Refill.Given {
		credits.Refill = keys.Some[*keys.RefillSettings](nil)
		if !in.Refill.Null {
			credits.Refill.Value = in.Refill.Value.settings(faults)
		}
	}
	return keys.Some(credits)
}

// replaceDefault puts a limit in the place of the one named default, and leaves
// all others.
func replaceDefault(present, limits []ratelimit.Limit) []ratelimit.Limit {
	others := slices.DeleteFunc(slices.Clone(present), func(l ratelimit.Limit) bool { return l.Name == defaultLimit })
	return append(slices.Clone(limits), others...)
}
