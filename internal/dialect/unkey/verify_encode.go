package unkey

import (
	"slices"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"

	"latchkey/internal/keys"
	"latchkey/internal/ratelimit"
)

// appendKey writes the members that tell of the key, which are the same until
// the key changes. Those that it lacks are left out.
func appendKey(b []byte, rec *keys.Record) []byte {
	b = appendText(append(b, `"keyId":`...), rec.ID())
	if name := rec.Name(); name != "" {
		b = appendText(append(b, `,"name":`...), name)
	}
	if o := rec.Owner; o != nil {
		b = appendText(append(b, `,"ownerId":`...), externalID(o.ID, o.ExternalID))
	}
	if rec.Meta != "" {
		b = append(append(b, `,"meta":`...), rec.Meta...)
	}
	if ms := stamp(rec.ExpiresAt()); ms != nil {
		b = strconv.AppendInt(append(b, `,"expires":`...), *ms, 10)
	}
	b = strconv.AppendBool(append(b, `,"enabled":`...), rec.Enabled)
	b = appendTexts(append(b, `,"permissions":`...), rec.Permissions)
	b = appendTexts(append(b, `,"roles":`...), rec.Roles)
	if environment := rec.Environment(); environment != "" {
		b = appendText(append(b, `,"environment":`...), environment)
	}
	if o := rec.Owner; o != nil {
		b = appendText(append(b, `,"identity":{"id":`...), o.ID)
		b = appendText(append(b, `,"externalId":`...), externalID(o.ID, o.ExternalID))
		b = append(append(append(b, `,"meta":`...), orEmpty(o.Meta)...), '}')
	}
	return b
}

// appendText writes a JSON string; what is no UTF-8 becomes U+FFFD.
func appendText(b []byte, s string) []byte {
	b, _ = jsontext.AppendQuote(b, s)
	return b
}

func appendTexts(b []byte, list []string) []byte {
	b = append(b, '[')
	for i, s := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendText(b, s)
	}
	return append(b, ']')
}

// appendVerification writes the answer to a question.
func appendVerification(b []byte, v *keys.Verification, req *keys.VerifyRequest, requestID string) []byte {
	b = strconv.AppendBool(append(b, `{"valid":`...), v.Outcome == keys.Valid)
	b = append(append(append(b, `,"code":"`...), outcomes[v.Outcome]...), '"')
	if v.Record != nil && v.Outcome != keys.KeyNotFound {
		b = v.Record.AppendRendered(append(b, ','), dialectName, appendKey)
		b = appendFigures(b, v, req)
	}
	return append(appendText(append(b, `,"requestId":`...), requestID), '}')
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
	return slices.ContainsFunc(rec.Limits, holds) ||
		rec.Owner != nil && slices.ContainsFunc(rec.Owner.Limits, holds) ||
		slices.ContainsFunc(req.Limits, func(l keys.LimitRequest) bool { return l.Name == name })
}
