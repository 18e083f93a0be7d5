package unkey

import (
	"slices"
	"strconv"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"latchkey/internal/keys"
	"latchkey/internal/ratelimit"
)

// A verified is what a verification tells of the key, which is the same until
// the key changes.
type verified struct {
	KeyID       string         `json:"keyId"`
	Name        string         `json:"name,omitzero"`
	OwnerID     string         `json:"ownerId,omitzero"`
	Meta        jsontext.Value `json:"meta,omitzero"`
	Expires     *int64         `json:"expires,omitzero"`
	Enabled     bool           `json:"enabled"`
	Permissions []string       `json:"permissions"`
	Roles       []string       `json:"roles"`
	Environment string         `json:"environment,omitzero"`
	Identity    *identityOf    `json:"identity,omitzero"`
}

// An identityOf is the identity of a key.
type identityOf struct {
	ID         string         `json:"id"`
	ExternalID string         `json:"externalId"`
	Meta       jsontext.Value `json:"meta,omitzero"`
}

// renderKey writes the members of a verified one after another, without the
// braces around them.
func renderKey(rec *keys.Record) []byte {
	k := &rec.Key
	out := verified{
		KeyID: k.ID, Name: k.Name, Meta: rawMeta(k.Meta), Expires: stamp(k.ExpiresAt), Enabled: k.Enabled,
		Permissions: rec.Permissions, Roles: k.Roles, Environment: k.Environment,
	}
	if o := rec.Owner; o != nil {
		out.OwnerID = externalID(o.ID, o.ExternalID)
		out.Identity = &identityOf{ID: o.ID, ExternalID: out.OwnerID, Meta: orEmpty(o.Meta)}
	}
	text, err := json.Marshal(out, jsontext.AllowInvalidUTF8(true))
	if err != nil {
		panic(err) // which makes it an answer of a fault of ours
	}
	return text[1 : len(text)-1]
}

// appendVerification writes the answer to a question.
func appendVerification(b []byte, v *keys.Verification, req *keys.VerifyRequest, requestID string) []byte {
	b = strconv.AppendBool(append(b, `{"valid":`...), v.Outcome == keys.Valid)
	b = append(append(append(b, `,"code":"`...), outcomes[v.Outcome]...), '"')
	if v.Record != nil && v.Outcome != keys.KeyNotFound {
		b = append(append(b, ','), v.Record.Rendered(dialectName, renderKey)...)
		b = appendFigures(b, v, req)
	}
	b, _ = jsontext.AppendQuote(append(b, `,"requestId":`...), requestID)
	return append(b, '}')
}

// appendFigures writes the live figures of the steps that the verification came
// to.
func appendFigures(b []byte, v *keys.Verification, req *keys.VerifyRequest) []byte {
	switch v.Outcome {
	case keys.Valid, keys.RateLimited, keys.CreditsExhausted, keys.BudgetExhausted:
	default:
		return b
	}
	if l := shownLimit(v, req); l != nil {
		b = strconv.AppendInt(append(b, `,"ratelimit":{"limit":`...), l.Max, 10)
		b = strconv.AppendInt(append(b, `,"remaining":`...), l.Remaining, 10)
		b = strconv.AppendInt(append(b, `,"reset":`...), l.WindowEnd.UnixMilli(), 10)
		b = append(b, '}')
	}
	if v.Credits != nil && v.Outcome != keys.RateLimited {
		b = strconv.AppendInt(append(b, `,"remaining":`...), v.Credits.Remaining, 10)
	}
	return b
}

// shownLimit returns the one limit that is shown of several: the first that
// refused, else the first of those that the verification took from. The vendor
// has no words for concurrency limits, which hold here all the same: each use
// takes a place, and keeps it until the lease expires.
func shownLimit(v *keys.Verification, req *keys.VerifyRequest) *ratelimit.Decision {
	i := slices.IndexFunc(v.Limits, func(d ratelimit.Decision) bool { return !d.Allowed && !d.Concurrent })
	if i < 0 {
		i = slices.IndexFunc(v.Limits, func(d ratelimit.Decision) bool { return !d.Concurrent && asked(v.Record, req, d.Name) })
	}
	if i < 0 {
		return nil
	}
	return &v.Limits[i]
}

// asked reports whether a limit holds for every verification of the key, or was
// named by this one.
func asked(rec *keys.Record, req *keys.VerifyRequest, name string) bool {
	holds := func(l ratelimit.Limit) bool { return l.Name == name && l.Auto }
	return slices.ContainsFunc(rec.Key.Limits, holds) ||
		rec.Owner != nil && slices.ContainsFunc(rec.Owner.Limits, holds) ||
		slices.ContainsFunc(req.Limits, func(l keys.LimitRequest) bool { return l.Name == name })
}
