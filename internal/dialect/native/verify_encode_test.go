package native

import (
	stdjson "encoding/json"
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"latchkey"
	"latchkey/internal/keys"
	"latchkey/internal/permission"
	"latchkey/internal/ratelimit"
	"latchkey/internal/span"
)

// text draws what may stand in a name: anything, and not only UTF-8.
var text = rapid.OneOf(
	rapid.String(),
	rapid.StringOfN(rapid.RuneFrom([]rune{'"', '\\', '/', '<', '&', 0, '\b', '\n', '\r', '\t', 0x1f, 0x7f, 'é', '\u2028', '\u2029', '\ufffd', '😀'}), 0, 12, -1),
	rapid.Map(rapid.SliceOfN(rapid.Byte(), 0, 12), func(b []byte) string { return string(b) }),
)

var moment = rapid.Map(rapid.Int64Range(1, 253402300799999), func(ms int64) time.Time {
	return time.UnixMilli(ms).In(time.FixedZone("", 3600))
})

var noMoment = rapid.OneOf(rapid.Just(time.Time{}), moment)

// document draws metadata as it is kept.
var document = rapid.Custom(func(t *rapid.T) string {
	members := rapid.MapOfN(rapid.String(), rapid.String(), 0, 3).Draw(t, "members")
	if len(members) == 0 {
		return ""
	}
	b, err := stdjson.Marshal(members)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
})

var verification = rapid.Custom(func(t *rapid.T) *keys.Verification {
	facts := &keys.Facts{
		Key: keys.Key{
			ID: text.Draw(t, "id"), Name: text.Draw(t, "name"), Environment: text.Draw(t, "environment"), Enabled: rapid.Bool().Draw(t, "enabled"),
			ExpiresAt: noMoment.Draw(t, "expires"), Meta: document.Draw(t, "meta"), Roles: rapid.SliceOfN(text, 0, 3).Draw(t, "roles"),
		},
		Keyspace:    keys.Keyspace{Slug: text.Draw(t, "slug")},
		Permissions: rapid.SliceOfN(text, 0, 3).Draw(t, "permissions"),
	}
	if rapid.Bool().Draw(t, "owned") {
		facts.Owner = &keys.Identity{ID: text.Draw(t, "owner"), ExternalID: text.Draw(t, "external id"), Meta: document.Draw(t, "owner's meta")}
	}
	v := &keys.Verification{Outcome: rapid.SampledFrom(keys.Outcomes).Draw(t, "outcome"), Record: keys.NewRecord(facts), At: moment.Draw(t, "at")}
	for range rapid.IntRange(0, 3).Draw(t, "limits") {
		v.Limits = append(v.Limits, ratelimit.Decision{
			Name: text.Draw(t, "limit"), Allowed: rapid.Bool().Draw(t, "allowed"), Max: rapid.Int64Range(1, 1e12).Draw(t, "max"), Remaining: rapid.Int64().Draw(t, "remaining"),
			Window:  span.Span{N: rapid.Int64Range(1, 1e6).Draw(t, "n"), Unit: span.Unit(rapid.IntRange(1, 5).Draw(t, "unit"))},
			RetryAt: noMoment.Draw(t, "retry"), FreeAt: moment.Draw(t, "free"),
		})
	}
	if rapid.Bool().Draw(t, "concurrent") {
		v.Limits = append(v.Limits, ratelimit.Decision{Name: text.Draw(t, "slots"), Allowed: rapid.Bool().Draw(t, "free"), Concurrent: true,
			Max: rapid.Int64Range(1, 1e5).Draw(t, "at once"), Remaining: rapid.Int64().Draw(t, "places"), RetryAt: moment.Draw(t, "ends")})
	}
	if v.Outcome == keys.Valid && rapid.Bool().Draw(t, "leased") {
		v.Leases = append(v.Leases, ratelimit.Lease{ID: "lease_1", Counter: ratelimit.Counter{Name: text.Draw(t, "lease of")}, ExpiresAt: moment.Draw(t, "until")})
	}
	if v.Outcome == keys.CreditsExhausted || rapid.Bool().Draw(t, "metered") {
		v.Credits = &keys.Credits{Remaining: rapid.Int64().Draw(t, "balance"), RefilledAt: time.UnixMilli(1_800_000_000_000)}
		if rapid.Bool().Draw(t, "refilled") {
			v.Credits.Refill = &keys.Refill{Amount: 1, Every: keys.Daily}
		}
	}
	if v.Outcome == keys.BudgetExhausted || rapid.Bool().Draw(t, "budgeted") {
		v.Money, _ = (&keys.Money{Budget: &keys.Budget{Limit: rapid.Int64Range(0, keys.MaxMicros).Draw(t, "budget"), Reset: keys.ResetWeekly}}).
			Spend(rapid.Int64Range(0, keys.MaxMicros).Draw(t, "spent"), keys.SpendOwn, time.UnixMilli(1_800_000_000_000))
	}
	if v.Outcome == keys.Valid && rapid.Bool().Draw(t, "set aside") {
		v.Reservation = &keys.Hold{ID: "rsv_1", Micros: 5, ExpiresAt: moment.Draw(t, "set aside until")}
	}
	if v.Outcome == keys.InsufficientPermissions {
		v.Missing, _ = permission.Parse("a AND (b OR c)")
	}
	return v
})

// asWire maps a verification to its wire type in the plain way.
func asWire(v *keys.Verification, requestID string) latchkey.Verification {
	out := latchkey.Verification{Valid: v.Outcome == keys.Valid, Outcome: outcomes[v.Outcome], RequestID: requestID, Detail: detail(v)}
	if v.Outcome == keys.KeyNotFound {
		return out
	}
	rec := v.Record
	out.Key = &latchkey.VerifiedKey{
		ID: rec.ID(), Keyspace: rec.Keyspace.Slug, Name: textOrNull(rec.Name()), Environment: textOrNull(rec.Environment()), Enabled: rec.Enabled,
		ExpiresAt: wireTime(rec.ExpiresAt()), Meta: raw(rec.Meta), Permissions: append([]string{}, rec.Permissions...), Roles: append([]string{}, rec.Roles...),
	}
	if o := rec.Owner; o != nil {
		out.Key.Identity = &latchkey.IdentityState{ID: o.ID, ExternalID: textOrNull(o.ExternalID), Meta: raw(o.Meta)}
	}
	for _, d := range v.Limits {
		if d.Concurrent {
			out.Limits = append(out.Limits, latchkey.LimitState{Name: d.Name, Concurrent: d.Max, Remaining: d.Remaining, Exceeded: !d.Allowed})
			continue
		}
		out.Limits = append(out.Limits, latchkey.LimitState{
			Name: d.Name, Max: d.Max, Window: d.Window.String(), Remaining: d.Remaining, ResetAt: latchkey.Time{Time: d.FreeAt}, Exceeded: !d.Allowed,
		})
	}
	for _, l := range v.Leases {
		out.Leases = append(out.Leases, latchkey.Lease{ID: l.ID, Name: l.Counter.Name, ExpiresAt: latchkey.Time{Time: l.ExpiresAt}})
	}
	if v.Credits != nil {
		out.Credits = &latchkey.CreditState{Remaining: v.Credits.Remaining, RefillsAt: wireTime(v.Credits.RefillsAt())}
	}
	if b := wireBudget(v.Money, v.At); b != nil {
		out.Budget = &latchkey.BudgetState{LimitMicros: b.LimitMicros, RemainingMicros: b.RemainingMicros, OverdrawnMicros: b.OverdrawnMicros, ResetsAt: b.ResetsAt}
	}
	if r := v.Reservation; r != nil {
		out.Reservation = &latchkey.ReservationState{ID: r.ID, ExpiresAt: latchkey.Time{Time: r.ExpiresAt}}
	}
	return out
}

// TestAppendVerification compares what is written by hand with what
// encoding/json makes of the wire type.
func TestAppendVerification(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v, requestID := verification.Draw(t, "verification"), text.Draw(t, "request id")
		by := appendVerification(nil, v, requestID)
		want, err := stdjson.Marshal(asWire(v, requestID))
		if err != nil {
			t.Fatal(err)
		}
		var gotValue, wantValue map[string]any
		if err := stdjson.Unmarshal(by, &gotValue); err != nil {
			t.Fatalf("%v in %s", err, by)
		}
		if err := stdjson.Unmarshal(want, &wantValue); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(gotValue, wantValue) {
			t.Fatalf("by hand %s\nby encoding/json %s\n%s", by, want, cmp.Diff(wantValue, gotValue))
		}
		again := appendVerification([]byte("before"), v, requestID)
		if string(again) != "before"+string(by) {
			t.Fatalf("appended: %s", again)
		}
	})
}
