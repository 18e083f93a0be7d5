package httpapi

import (
	"bytes"
	"encoding"
	"errors"
	"io"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"latchkey/internal/keys"
)

// Decoding says how strictly [Decode] reads.
type Decoding struct {
	Lenient bool  // members that are not known are passed over
	Empty   bool  // no body at all stands for {}
	MaxBody int64 // for [JSON]; 0: [DefaultMaxBody]
}

// A Presence is a type that tells an absent member from one that is null.
// [Decode] calls Present for a member that is there, and decodes a value that
// is not null into what it returns.
type Presence interface {
	Present(null bool) any
}

// Decode reads a JSON body into the struct that v points to, and reports every
// fault at once, each with the path of its member. Members without the tag
// `required:"true"` may be absent. A member given twice is a fault, as is null
// where the field is neither a pointer, a slice, a map nor a [Presence]. No
// value that was sent is repeated.
func Decode(body []byte, v any, opts Decoding) error {
	if opts.Empty && len(bytes.TrimSpace(body)) == 0 {
		body = []byte("{}")
	}
	d := decoder{
		in:      jsontext.NewDecoder(bytes.NewReader(body), jsontext.AllowDuplicateNames(true)),
		lenient: opts.Lenient,
	}
	if err := d.value(reflect.ValueOf(v).Elem(), ""); err != nil {
		return d.syntax(body, err)
	}
	if _, err := d.in.ReadToken(); !errors.Is(err, io.EOF) {
		return d.syntax(body, errMore)
	}
	return d.faults.Err()
}

var errMore = errors.New("more than one JSON value")

type decoder struct {
	in      *jsontext.Decoder
	lenient bool
	faults  keys.Faults
}

// syntax describes a body that is no JSON, without quoting it.
func (d *decoder) syntax(body []byte, err error) error {
	detail := "is not valid JSON, at byte " + strconv.FormatInt(d.in.InputOffset(), 10)
	switch {
	case len(bytes.TrimSpace(body)) == 0:
		detail = "is empty; a JSON object is wanted"
	case errors.Is(err, errMore):
		detail = "holds more than one JSON value"
	case !utf8.Valid(body):
		detail = "is not valid UTF-8"
	}
	return &keys.Error{Code: keys.Invalid, Message: "the body " + detail, Faults: keys.Faults{{Detail: "the body " + detail}}}
}

var textUnmarshaler = reflect.TypeFor[encoding.TextUnmarshaler]()

// value decodes the next value into rv. An error is one of syntax; anything
// else that is wrong is a fault.
func (d *decoder) value(rv reflect.Value, at string) error {
	kind := d.in.PeekKind()
	if p, ok := rv.Addr().Interface().(Presence); ok {
		target := p.Present(kind == 'n')
		if kind == 'n' {
			return d.in.SkipValue()
		}
		return d.value(reflect.ValueOf(target).Elem(), at)
	}
	switch {
	case rv.Type() == reflect.TypeFor[jsontext.Value]():
		return d.raw(rv, at)
	case rv.Kind() == reflect.Pointer:
		if kind == 'n' {
			rv.SetZero()
			return d.in.SkipValue()
		}
		rv.Set(reflect.New(rv.Type().Elem()))
		return d.value(rv.Elem(), at)
	case rv.Kind() == reflect.Struct && !rv.Addr().Type().Implements(textUnmarshaler):
		return d.object(rv, at)
	case rv.Kind() == reflect.Slice && rv.Type().Elem().Kind() != reflect.Uint8:
		return d.array(rv, at)
	}
	return d.leaf(rv, at)
}

// raw keeps a value as it was sent, if no object in it names a member twice.
func (d *decoder) raw(rv reflect.Value, at string) error {
	v, err := d.in.ReadValue()
	if err != nil {
		return err
	}
	v = v.Clone()
	if !v.IsValid() { // by default a name given twice is not valid
		d.faults.Add(at, "names a member twice")
		return nil
	}
	if err := v.Compact(); err != nil {
		return err
	}
	rv.SetBytes(v)
	return nil
}

func (d *decoder) object(rv reflect.Value, at string) error {
	if d.in.PeekKind() != '{' {
		d.faults.Add(at, "must be an object")
		return d.in.SkipValue()
	}
	if _, err := d.in.ReadToken(); err != nil {
		return err
	}
	fields := fieldsOf(rv.Type())
	seen := map[string]bool{}
	for d.in.PeekKind() != '}' {
		tok, err := d.in.ReadToken()
		if err != nil {
			return err
		}
		name := tok.String()
		field, known := fields[name]
		switch {
		case seen[name]:
			d.faults.Add(under(at, shown(name)), "is given twice")
			err = d.in.SkipValue()
		case known:
			err = d.value(rv.FieldByIndex(field.index), under(at, name))
		case d.lenient:
			err = d.in.SkipValue()
		default:
			d.faults.Add(under(at, shown(name)), "is no member that is known here")
			err = d.in.SkipValue()
		}
		if err != nil {
			return err
		}
		seen[name] = true
	}
	for _, name := range requiredOf(fields) {
		if !seen[name] {
			d.faults.Add(under(at, name), "is required")
		}
	}
	_, err := d.in.ReadToken()
	return err
}

func (d *decoder) array(rv reflect.Value, at string) error {
	switch d.in.PeekKind() {
	case 'n':
		rv.Set(reflect.MakeSlice(rv.Type(), 0, 0))
		return d.in.SkipValue()
	case '[':
	default:
		d.faults.Add(at, "must be a list")
		return d.in.SkipValue()
	}
	if _, err := d.in.ReadToken(); err != nil {
		return err
	}
	out := reflect.MakeSlice(rv.Type(), 0, 0)
	for i := 0; d.in.PeekKind() != ']'; i++ {
		item := reflect.New(rv.Type().Elem()).Elem()
		if err := d.value(item, under(at, strconv.Itoa(i))); err != nil {
			return err
		}
		out = reflect.Append(out, item)
	}
	rv.Set(out)
	_, err := d.in.ReadToken()
	return err
}

// leaf decodes text, numbers, booleans and types that read themselves.
func (d *decoder) leaf(rv reflect.Value, at string) error {
	v, err := d.in.ReadValue()
	if err != nil {
		return err
	}
	if v.Kind() == 'n' {
		d.faults.Add(at, "must not be null")
		return nil
	}
	if rv.Kind() == reflect.Map && v.Kind() != '{' {
		d.faults.Add(at, "must be an object")
		return nil
	}
	if err := json.Unmarshal(v, rv.Addr().Interface()); err != nil {
		d.faults.Add(at, "%s", wanted(rv, v.Kind(), err))
	}
	return nil
}

// wanted says what a member must be.
func wanted(rv reflect.Value, kind jsontext.Kind, err error) string {
	if rv.Addr().Type().Implements(textUnmarshaler) {
		if kind != '"' {
			return "must be text"
		}
		if p, ok := errors.AsType[*json.SemanticError](err); ok && p.Err != nil {
			return p.Err.Error()
		}
	}
	switch rv.Kind() {
	case reflect.String:
		return "must be text"
	case reflect.Bool:
		return "must be true or false"
	case reflect.Int, reflect.Int64, reflect.Int32:
		return "must be an integer, at most 19 digits"
	case reflect.Float64:
		return "must be a number"
	}
	return "has the wrong type"
}

// under returns the path of a member.
func under(at, name string) string {
	name = strings.NewReplacer("~", "~0", "/", "~1").Replace(name)
	if at == "" {
		return name
	}
	return at + "/" + name
}

// shown returns a name that was sent, if it is short enough to be a mistyped
// one: a long one might be a secret in the wrong place.
func shown(name string) string {
	if len(name) > 24 {
		return "…"
	}
	return name
}

type field struct {
	index    []int
	required bool
	order    int
}

// fieldsOf maps the JSON names of a struct's fields to them.
func fieldsOf(t reflect.Type) map[string]field {
	out := map[string]field{}
	for i, f := range reflect.VisibleFields(t) {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "" || name == "-" {
			continue
		}
		out[name] = field{index: f.Index, required: f.Tag.Get("required") == "true", order: i}
	}
	return out
}

// requiredOf returns the names of the fields that must be there, in the order
// of the struct.
func requiredOf(fields map[string]field) []string {
	var out []string
	for name, f := range fields {
		if f.required {
			out = append(out, name)
		}
	}
	slices.SortFunc(out, func(a, b string) int { return fields[a].order - fields[b].order })
	return out
}
