package native

import (
	"fmt"
	"strconv"
	"time"
	"unicode/utf8"

	"latchkey"
	"latchkey/internal/keys"
	"latchkey/internal/ratelimit"
)

// appendVerification writes a verification as [latchkey.Verification] is
// written, by hand, since this is the one answer whose cost is felt.
func appendVerification(b []byte, v *keys.Verification, requestID string) []byte {
	if v.Outcome == keys.Valid {
		b = append(b, `{"valid":true,"outcome":"valid","request_id":`...)
	} else {
		b = append(append(append(b, `{"valid":false,"outcome":"`...), outcomes[v.Outcome]...), `","request_id":`...)
	}
	b = appendText(b, requestID)
	if v.Outcome != keys.Valid {
		b = appendText(append(b, `,"detail":`...), detail(v))
	}
	if v.Record == nil || v.Outcome == keys.KeyNotFound {
		return append(b, '}')
	}
	b = v.Record.AppendRendered(append(b, `,"key":`...), "native", appendKey)
	if len(v.Limits) > 0 {
		b = appendLimits(append(b, `,"limits":`...), v.Limits)
	}
	if len(v.Leases) > 0 {
		b = appendLeases(append(b, `,"leases":`...), v.Leases)
	}
	if v.Credits != nil {
		b = strconv.AppendInt(append(b, `,"credits":{"remaining":`...), v.Credits.Remaining, 10)
		b = append(appendTime(append(b, `,"refills_at":`...), v.Credits.RefillsAt()), '}')
	}
	if v.Money != nil && v.Money.Budget != nil {
		b = appendBudget(append(b, `,"budget":`...), v)
	}
	if r := v.Reservation; r != nil {
		b = appendText(append(b, `,"reservation":{"id":`...), r.ID)
		b = append(appendTime(append(b, `,"expires_at":`...), r.ExpiresAt), '}')
	}
	return append(b, '}')
}

// appendKey writes what a verification tells of the key, which is the same
// until the key changes.
func appendKey(b []byte, rec *keys.Record) []byte {
	b = appendText(append(b, `{"id":`...), rec.ID())
	b = appendText(append(b, `,"keyspace":`...), rec.Keyspace.Slug)
	b = appendTextOrNull(append(b, `,"name":`...), rec.Name())
	b = appendTextOrNull(append(b, `,"environment":`...), rec.Environment())
	b = strconv.AppendBool(append(b, `,"enabled":`...), rec.Enabled)
	b = appendTime(append(b, `,"expires_at":`...), rec.ExpiresAt())
	b = append(b, `,"identity":`...)
	if rec.Owner == nil {
		b = append(b, "null"...)
	} else {
		b = appendText(append(b, `{"id":`...), rec.Owner.ID)
		b = appendTextOrNull(append(b, `,"external_id":`...), rec.Owner.ExternalID)
		b = append(appendRaw(append(b, `,"meta":`...), rec.Owner.Meta), '}')
	}
	b = appendRaw(append(b, `,"meta":`...), rec.Meta)
	b = appendTexts(append(b, `,"permissions":`...), rec.Permissions)
	b = appendTexts(append(b, `,"roles":`...), rec.Roles)
	return append(b, '}')
}

func appendBudget(b []byte, v *keys.Verification) []byte {
	f := v.Money.Figures(v.At)
	b = strconv.AppendInt(append(b, `{"limit_micros":`...), f.Limit, 10)
	b = strconv.AppendInt(append(b, `,"remaining_micros":`...), f.Remaining, 10)
	b = strconv.AppendInt(append(b, `,"overdrawn_micros":`...), f.Overdrawn, 10)
	return append(appendTime(append(b, `,"resets_at":`...), f.ResetsAt), '}')
}

func appendLimits(b []byte, ds []ratelimit.Decision) []byte {
	b = append(b, '[')
	for i := range ds {
		d := &ds[i]
		if i > 0 {
			b = append(b, ',')
		}
		b = appendText(append(b, `{"name":`...), d.Name)
		if d.Concurrent {
			b = appendConcurrent(b, d)
			continue
		}
		b = strconv.AppendInt(append(b, `,"max":`...), d.Max, 10)
		b, _ = d.Window.AppendText(append(b, `,"window":"`...))
		b = strconv.AppendInt(append(b, `","remaining":`...), d.Remaining, 10)
		b = appendTime(append(b, `,"reset_at":`...), d.FreeAt)
		b = append(strconv.AppendBool(append(b, `,"exceeded":`...), !d.Allowed), '}')
	}
	return append(b, ']')
}

// appendText writes a JSON string.
func appendText(b []byte, s string) []byte {
	b = append(b, '"')
	from := 0
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c >= 0x20 && c != '"' && c != '\\' && c < utf8.RuneSelf {
			continue
		}
		if c >= utf8.RuneSelf {
			r, n := utf8.DecodeRuneInString(s[i:])
			if r == utf8.RuneError && n == 1 {
				b = append(append(b, s[from:i]...), "\uFFFD"...)
				from = i + 1
				continue
			}
			i += n - 1
			continue
		}
		b = append(b, s[from:i]...)
		from = i + 1
		switch c {
		case '"', '\\':
			b = append(b, '\\', c)
		case '\n':
			b = append(b, '\\', 'n')
		default:
			b = fmt.Appendf(b, `\u%04x`, c)
		}
	}
	return append(append(b, s[from:]...), '"')
}

func appendTextOrNull(b []byte, s string) []byte {
	if s == "" {
		return append(b, "null"...)
	}
	return appendText(b, s)
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

// appendRaw writes a JSON document as it is kept, or {} where there is none.
func appendRaw(b []byte, doc string) []byte {
	if doc == "" {
		return append(b, "{}"...)
	}
	return append(b, doc...)
}

// appendTime writes a moment as [latchkey.TimeForm] has it, or null.
func appendTime(b []byte, t time.Time) []byte {
	if t.IsZero() {
		return append(b, "null"...)
	}
	// Package time has a quick way for this form, and none for one with
	// milliseconds.
	b = t.UTC().AppendFormat(append(b, '"'), time.RFC3339)
	ms := t.Nanosecond() / 1e6
	return append(b[:len(b)-len("Z")], '.', '0'+byte(ms/100), '0'+byte(ms/10%10), '0'+byte(ms%10), 'Z', '"')
}

// detail says in one sentence which check refused. It is the same for every
// key that is not found.
func detail(v *keys.Verification) string {
	switch v.Outcome {
	case keys.KeyNotFound:
		return "there is no such key"
	case keys.WorkspaceDisabled:
		return "the workspace of the key is disabled"
	case keys.OwnerDisabled:
		return "the identity that owns the key is disabled"
	case keys.Disabled:
		return "the key is disabled"
	case keys.WrongKeyspace:
		return "the key belongs to another keyspace"
	case keys.Expired:
		return "the key expired at " + v.Record.ExpiresAt().Format(latchkey.TimeForm)
	case keys.AddressRefused:
		return "the key may not be used from this address"
	case keys.InsufficientPermissions:
		return "the key lacks what is required: " + v.Missing.String()
	case keys.RateLimited:
		return limitDetail(v)
	case keys.CreditsExhausted:
		return "the key has " + strconv.FormatInt(v.Credits.Remaining, 10) + " credits left, which is not enough"
	case keys.BudgetExhausted:
		return "the budget of the key has " + strconv.FormatInt(v.Money.Figures(v.At).Remaining, 10) + " micros left, which is not enough"
	}
	return ""
}

func limitDetail(v *keys.Verification) string {
	for _, d := range v.Limits {
		if d.Allowed {
			continue
		}
		if d.Concurrent {
			return concurrentDetail(&d, v.At)
		}
		what := fmt.Sprintf("limit %q, %d per %s, ", d.Name, d.Max, d.Window)
		if d.RetryAt.IsZero() {
			return what + "never allows as much as this call asks for"
		}
		wait := d.RetryAt.Sub(v.At)
		seconds := max(1, int64((wait+time.Second-1)/time.Second))
		if d.Remaining == 0 {
			return what + fmt.Sprintf("is used up; the next frees in %d s", seconds)
		}
		return what + fmt.Sprintf("has %d left; as many as this call asks for are free in %d s", d.Remaining, seconds)
	}
	return "a rate limit is used up"
}
