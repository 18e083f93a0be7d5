package unkey

import (
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"latchkey/internal/keys"
	"latchkey/internal/ratelimit"
	"latchkey/internal/span"
)

// or returns a text, or another one where there is none.
func or(text *string, other string) string {
	if text == nil {
		return other
	}
	return *text
}

// checkText reports a text that is shorter or longer than it may be.
func checkText(at, text string, low, high int, faults *keys.Faults) {
	if n := len([]rune(text)); n < low || n > high {
		faults.Add(at, "must be %d to %d characters", low, high)
	}
}

// metadata returns a document as it is kept, "" for none.
func metadata(doc jsontext.Value, faults *keys.Faults) string {
	if len(doc) == 0 || doc.Kind() == 'n' {
		return ""
	}
	if doc.Kind() != '{' {
		faults.Add("meta", "must be an object")
		return ""
	}
	doc = doc.Clone()
	if err := doc.Compact(jsontext.PreserveRawStrings(false)); err != nil {
		faults.Add("meta", "is not valid JSON")
		return ""
	}
	return string(doc)
}

// lastMillis is the last millisecond of the year 9999.
const lastMillis = 253_402_300_799_999

// moment returns the time of Unix milliseconds. What is before 1970 is as far
// in the past as its first millisecond.
func moment(ms int64, at string, faults *keys.Faults) time.Time {
	if ms > lastMillis {
		faults.Add(at, "must be Unix milliseconds, at most %d", int64(lastMillis))
	}
	return time.UnixMilli(min(max(ms, 1), lastMillis)).UTC()
}

// defaultLimit is the name of the limit that a key has where none is said.
const defaultLimit = "default"

// window returns the window of a duration in milliseconds. One that is too long
// stays so.
func window(ms int64) span.Span {
	most := ratelimit.MaxWindow.Milliseconds() + 1
	return span.Of(time.Duration(min(ms, most)) * time.Millisecond)
}

// newLimit returns a limit of a key or an identity. The one named default holds
// for every verification, the others for those that name them.
func newLimit(name string, max, duration int64, at string, faults *keys.Faults) ratelimit.Limit {
	l := ratelimit.Limit{Name: name, Max: max, Window: window(duration), Algorithm: ratelimit.Fixed, Auto: name == defaultLimit}
	if duration < 1000 {
		faults.Add(at+"/duration", "must be at least 1000 milliseconds")
		return l
	}
	l.Check(func(member, detail string) { faults.Add(at+"/"+limitMembers[member], "%s", detail) })
	return l
}

// limitMembers has the vendor's names of a limit's members: core → wire.
var limitMembers = map[string]string{"name": "name", "max": "limit", "window": "duration", "algorithm": "type", "cost": "cost"}

// stamp returns a time as it is answered, nil for none.
func stamp(t time.Time) *int64 {
	if t.IsZero() {
		return nil
	}
	ms := t.UnixMilli()
	return &ms
}

// rawMeta returns metadata as it is answered, nil for none.
func rawMeta(doc string) jsontext.Value {
	if doc == "" {
		return nil
	}
	return jsontext.Value(doc)
}
