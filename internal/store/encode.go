package store

import (
	"bytes"
	"fmt"
	"net/netip"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"latchkey/internal/keys"
	"latchkey/internal/ratelimit"
	"latchkey/internal/span"
	"latchkey/internal/token"
)

// What follows reads columns. Each takes NULL for the zero value, so that it
// fits columns of a row that an outer join did not find.
type (
	text    struct{ to *string }
	integer struct{ to *int64 }
	flag    struct{ to *bool }
	moment  struct{ to *time.Time }
	binary  struct{ to *[]byte }
	digest  struct{ to *token.Hash }
)

func (c text) Scan(src any) error {
	switch v := src.(type) {
	case nil:
		*c.to = ""
	case string:
		*c.to = v
	case []byte:
		*c.to = string(v)
	default:
		return mistyped(src, "text")
	}
	return nil
}

func (c integer) Scan(src any) error {
	switch v := src.(type) {
	case nil:
		*c.to = 0
	case int64:
		*c.to = v
	default:
		return mistyped(src, "an integer")
	}
	return nil
}

func (c flag) Scan(src any) error {
	switch v := src.(type) {
	case nil:
		*c.to = false
	case bool:
		*c.to = v
	case int64:
		*c.to = v != 0
	default:
		return mistyped(src, "a boolean")
	}
	return nil
}

func (c moment) Scan(src any) error {
	var ms int64
	err := integer{&ms}.Scan(src)
	*c.to = fromMillis(ms)
	return err
}

func (c binary) Scan(src any) error {
	switch v := src.(type) {
	case nil:
		*c.to = nil
	case []byte:
		*c.to = bytes.Clone(v)
	default:
		return mistyped(src, "bytes")
	}
	return nil
}

func (c digest) Scan(src any) error {
	v, ok := src.([]byte)
	if !ok || len(v) != len(c.to) {
		return mistyped(src, "a hash")
	}
	*c.to = token.Hash(v)
	return nil
}

func mistyped(src any, want string) error { return fmt.Errorf("a column holds %T, want %s", src, want) }

// millis returns t in milliseconds since 1970, 0 for the zero time.
func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

func fromMillis(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

// kept returns t as it comes back from a column.
func kept(t time.Time) time.Time { return fromMillis(millis(t)) }

// orNull returns NULL for "".
func orNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// blob returns NULL for no bytes.
func blob(b []byte) any {
	if len(b) == 0 {
		return nil
	}
	return b
}

// A nil slice or map is null in a column and an empty one is not; the order of
// a map's members is fixed, so that equal values are equal texts.
var documents = json.JoinOptions(json.FormatNilSliceAsNull(true), json.FormatNilMapAsNull(true),
	json.Deterministic(true), jsontext.AllowInvalidUTF8(true))

// encode returns v as a JSON column holds it.
func encode(v any) string {
	b, err := json.Marshal(v, documents)
	if err != nil {
		panic(err) // plain structs, lists and maps of texts and numbers
	}
	return string(b)
}

// encodeList returns a list for which empty and nil are the same.
func encodeList[T any](list []T) string {
	if len(list) == 0 {
		return "null"
	}
	return encode(list)
}

// A document reads a JSON column.
type document[T any] struct{ to *T }

func (c document[T]) Scan(src any) error {
	var zero T
	*c.to = zero
	var s string
	if err := (text{&s}).Scan(src); err != nil {
		return err
	}
	if s == "" || s == "null" {
		return nil
	}
	if err := json.Unmarshal([]byte(s), c.to, documents); err != nil {
		// Not %w: a document that ends too early is no connection that does.
		return fmt.Errorf("read a document: %v", err)
	}
	return nil
}

// The columns' own forms of the core's types. Where the fields are the same, a
// conversion says so, and stops compiling when the core's type gets another.
type (
	limitForm struct {
		ID         string              `json:"id,omitzero"`
		Name       string              `json:"name"`
		Max        int64               `json:"max"`
		Window     span.Span           `json:"window"`
		Algorithm  ratelimit.Algorithm `json:"algorithm,omitzero"`
		Auto       bool                `json:"auto,omitzero"`
		Disabled   bool                `json:"disabled,omitzero"`
		Concurrent bool                `json:"concurrent,omitzero"`
	}
	secretForm struct {
		Prefix string       `json:"prefix"`
		Format token.Format `json:"format"`
		Length int          `json:"length"`
	}
	creatorForm struct {
		Kind keys.ActorKind `json:"kind"`
		ID   string         `json:"id"`
		Name string         `json:"name"`
	}
	refillForm struct {
		Amount int64           `json:"amount"`
		Every  keys.Every      `json:"every"`
		Span   span.Span       `json:"span,omitzero"`
		Day    int             `json:"day,omitzero"`
		Mode   keys.RefillMode `json:"mode"`
	}
)

// limitsColumn, formColumn and creatorColumn read columns of their kind.
type (
	limitsColumn  struct{ to *[]ratelimit.Limit }
	formColumn    struct{ to *token.Form }
	creatorColumn struct{ to *keys.Creator }
	refillColumn  struct{ to **keys.Refill }
	addrsColumn   = document[[]netip.Prefix]
)

func (c limitsColumn) Scan(src any) error {
	var forms []limitForm
	err := document[[]limitForm]{&forms}.Scan(src)
	*c.to = limitsFrom(forms)
	return err
}

func (c formColumn) Scan(src any) error {
	var f secretForm
	err := document[secretForm]{&f}.Scan(src)
	*c.to = token.Form(f)
	return err
}

func (c creatorColumn) Scan(src any) error {
	var f creatorForm
	err := document[creatorForm]{&f}.Scan(src)
	*c.to = keys.Creator(f)
	return err
}

func (c refillColumn) Scan(src any) error {
	var f *refillForm
	err := document[*refillForm]{&f}.Scan(src)
	*c.to = (*keys.Refill)(f)
	return err
}

func limitsFrom(forms []limitForm) []ratelimit.Limit {
	var out []ratelimit.Limit
	for _, f := range forms {
		out = append(out, ratelimit.Limit(f))
	}
	return out
}

func limitForms(limits []ratelimit.Limit) []limitForm {
	var out []limitForm
	for _, l := range limits {
		out = append(out, limitForm(l))
	}
	return out
}

func encodeForm(f token.Form) string          { return encode(secretForm(f)) }
func encodeCreator(c keys.Creator) string     { return encode(creatorForm(c)) }
func encodeRefill(r *keys.Refill) string      { return encode((*refillForm)(r)) }
func encodeAddrs(ps []netip.Prefix) string    { return encodeList(ps) }
func encodeLimits(l []ratelimit.Limit) string { return encodeList(limitForms(l)) }

// encodeExtra returns the documents of dialects; none are the same as nil.
func encodeExtra(e keys.Extra) string {
	if len(e) == 0 {
		return "null"
	}
	return encode(map[string]string(e))
}

// A budgetForm is a budget as it is stored.
type budgetForm struct {
	Limit      int64      `json:"limit"`
	Reset      keys.Reset `json:"reset"`
	CountsBYOK bool       `json:"counts_byok"`
}

func encodeBudget(b *keys.Budget) string { return encode((*budgetForm)(b)) }

type budgetColumn struct{ to **keys.Budget }

func (c budgetColumn) Scan(src any) error {
	var f *budgetForm
	err := document[*budgetForm]{&f}.Scan(src)
	*c.to = (*keys.Budget)(f)
	return err
}

// spentSize is how many numbers stand for what was spent.
const spentSize = 9

// spentForm returns what was spent as numbers, the last of which is a time.
func spentForm(s keys.Spending) [spentSize]int64 {
	return [...]int64{s.Own.Total, s.Own.Day, s.Own.Week, s.Own.Month, s.BYOK.Total, s.BYOK.Day, s.BYOK.Week, s.BYOK.Month, millis(s.At)}
}

func spentFrom(f [spentSize]int64) keys.Spending {
	return keys.Spending{Own: keys.Sums{Total: f[0], Day: f[1], Week: f[2], Month: f[3]},
		BYOK: keys.Sums{Total: f[4], Day: f[5], Week: f[6], Month: f[7]}, At: fromMillis(f[8])}
}

func encodeSpent(s keys.Spending) string { return encode(spentForm(s)) }

type spentColumn struct{ to *keys.Spending }

func (c spentColumn) Scan(src any) error {
	var f [spentSize]int64
	err := document[[spentSize]int64]{&f}.Scan(src)
	*c.to = spentFrom(f)
	return err
}

// A holdForm is a hold as it is stored.
type holdForm struct {
	ID        string `json:"id"`
	Micros    int64  `json:"micros"`
	ExpiresAt int64  `json:"expires_at"`
}

func encodeHeld(held []keys.Hold) string {
	var forms []holdForm
	for _, h := range held {
		forms = append(forms, holdForm{h.ID, h.Micros, millis(h.ExpiresAt)})
	}
	return encode(forms)
}

type heldColumn struct{ to *[]keys.Hold }

func (c heldColumn) Scan(src any) error {
	var forms []holdForm
	err := document[[]holdForm]{&forms}.Scan(src)
	*c.to = nil
	for _, f := range forms {
		*c.to = append(*c.to, keys.Hold{ID: f.ID, Micros: f.Micros, ExpiresAt: fromMillis(f.ExpiresAt)})
	}
	return err
}
