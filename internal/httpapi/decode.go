package httpapi

import (
	"bytes"
	"encoding"
	stdjson "encoding/json"
	"errors"
	"io"
	"reflect"
	"strconv"
	"strings"
	"sync"
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

// Bounds of what one body can make of memory and of its answer.
const (
	maxFaults = 100
	maxItems  = 10_000 // in one list
)

// Decode reads a JSON body into the struct that v points to, and reports every
// fault at once, each with the path of its member, up to a hundred. Members
// without the tag `required:"true"` may be absent. A member given twice is a
// fault, as is null where the field is neither a pointer, a slice, a map nor a
// [Presence]. So is a secret with a checksum, where the field has not the tag
// `secret:"true"`: it is in the wrong place, and might be kept in clear. So is a
// text with U+0000, which not every engine can keep. No value that was sent is
// repeated.
func Decode(body []byte, v any, opts Decoding) error {
	if opts.Empty && len(bytes.TrimSpace(body)) == 0 {
		body = []byte("{}")
	}
	d := decoder{
		in:      jsontext.NewDecoder(bytes.NewReader(body), jsontext.AllowDuplicateNames(true)),
		lenient: opts.Lenient,
	}
	err := d.value(reflect.ValueOf(v).Elem(), "")
	if errors.Is(err, errEnough) {
		return d.all()
	}
	if err != nil {
		return d.syntax(body, err)
	}
	if _, err := d.in.ReadToken(); !errors.Is(err, io.EOF) {
		return d.syntax(body, errMore)
	}
	return d.all()
}

var (
	errMore   = errors.New("more than one JSON value")
	errEnough = errors.New("more faults than are told")
)

type decoder struct {
	in      *jsontext.Decoder
	lenient bool
	secret  bool // the member that is being read may hold a secret
	faults  keys.Faults
}

// enough returns an error where no more faults are told.
func (d *decoder) enough() error {
	if len(d.faults) > maxFaults {
		return errEnough
	}
	return nil
}

// all returns the faults as one error.
func (d *decoder) all() error {
	if len(d.faults) > maxFaults {
		d.faults = append(d.faults[:maxFaults], keys.Fault{Detail: "there is more that is wrong"})
	}
	return d.faults.Err()
}

// syntax describes a body that is no JSON, without quoting it.
func (d *decoder) syntax(body []byte, err error) error {
	offset := d.in.InputOffset()
	if e, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
		offset = e.ByteOffset
	}
	detail := "is not valid JSON, at byte " + strconv.FormatInt(offset, 10)
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

var (
	textUnmarshaler = reflect.TypeFor[encoding.TextUnmarshaler]()
	jsonUnmarshaler = reflect.TypeFor[stdjson.Unmarshaler]()
)

// readsItself reports whether a type has its own way to be read.
func readsItself(t reflect.Type) bool {
	p := reflect.PointerTo(t)
	return p.Implements(textUnmarshaler) || p.Implements(jsonUnmarshaler)
}

// isRaw reports whether a type keeps JSON as it was sent.
func isRaw(t reflect.Type) bool {
	return t == reflect.TypeFor[jsontext.Value]() || t == reflect.TypeFor[stdjson.RawMessage]()
}

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
	case isRaw(rv.Type()):
		return d.raw(rv, at)
	case rv.Kind() == reflect.Pointer:
		if kind == 'n' {
			rv.SetZero()
			return d.in.SkipValue()
		}
		rv.Set(reflect.New(rv.Type().Elem()))
		return d.value(rv.Elem(), at)
	case readsItself(rv.Type()):
	case rv.Kind() == reflect.Struct:
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
	if detail := d.unfit(v); detail != "" {
		d.faults.Add(at, "%s", detail)
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
		if err := d.enough(); err != nil {
			return err
		}
		tok, err := d.in.ReadToken()
		if err != nil {
			return err
		}
		name := tok.String()
		field, known := fields.byName[name]
		d.secret = field.secret
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
	for _, name := range fields.required {
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
		if i == maxItems {
			d.faults.Add(at, "must be at most %d entries", maxItems)
			return errEnough
		}
		if err := d.enough(); err != nil {
			return err
		}
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

// leaf decodes text, numbers, booleans, maps and types that read themselves.
func (d *decoder) leaf(rv reflect.Value, at string) error {
	v, err := d.in.ReadValue()
	if err != nil {
		return err
	}
	isMap := rv.Kind() == reflect.Map && !readsItself(rv.Type())
	switch {
	case v.Kind() == 'n' && (isMap || rv.Kind() == reflect.Slice):
		rv.SetZero()
	case v.Kind() == 'n':
		d.faults.Add(at, "must not be null")
	case isMap && v.Kind() != '{':
		d.faults.Add(at, "must be an object")
	case !v.IsValid():
		d.faults.Add(at, "names a member twice")
	default:
		if detail := d.unfit(v); detail != "" {
			d.faults.Add(at, "%s", detail)
		} else if err := json.Unmarshal(v, rv.Addr().Interface()); err != nil {
			d.faults.Add(at, "%s", wanted(rv, v, err))
		}
	}
	return nil
}

// unfit says what no text in a value may hold, "" where none does.
func (d *decoder) unfit(v jsontext.Value) string {
	switch {
	case holdsNUL(v):
		return "holds the character U+0000, which cannot be kept"
	case !d.secret && documentHoldsSecret(v):
		return "holds a secret, which has no place here"
	}
	return ""
}

// wanted says what a member must be.
func wanted(rv reflect.Value, v jsontext.Value, err error) string {
	switch {
	case readsItself(rv.Type()):
		return complaint(rv, v, err)
	case rv.Kind() == reflect.String:
		return "must be text"
	case rv.Kind() == reflect.Bool:
		return "must be true or false"
	case rv.CanInt(), rv.CanUint():
		return "must be an integer, at most 19 digits"
	case rv.CanFloat():
		return "must be a number"
	}
	return "has the wrong type"
}

// complaint returns what a type that reads itself has to say, unless that may
// repeat what was sent.
func complaint(rv reflect.Value, v jsontext.Value, err error) string {
	if v.Kind() != '"' && rv.Addr().Type().Implements(textUnmarshaler) {
		return "must be text"
	}
	p, ok := errors.AsType[*json.SemanticError](err)
	if !ok || p.Err == nil {
		return "has the wrong type"
	}
	sent := string(v)
	if text, err := jsontext.AppendUnquote(nil, v); err == nil {
		sent = string(text)
	}
	if detail := p.Err.Error(); sent != "" && !strings.Contains(detail, sent) {
		return detail
	}
	return "is not well formed"
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

// fields are what [Decode] needs to know of a struct.
type fields struct {
	byName   map[string]field
	required []string // names, in the order of the struct
}

type field struct {
	index  []int
	secret bool
}

var knownFields sync.Map // reflect.Type → *fields

// fieldsOf maps the JSON names of a struct's fields to them.
func fieldsOf(t reflect.Type) *fields {
	if known, ok := knownFields.Load(t); ok {
		return known.(*fields)
	}
	out := &fields{byName: map[string]field{}}
	for _, f := range reflect.VisibleFields(t) {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "" || name == "-" {
			continue
		}
		out.byName[name] = field{index: f.Index, secret: f.Tag.Get("secret") == "true"}
		if f.Tag.Get("required") == "true" {
			out.required = append(out.required, name)
		}
	}
	knownFields.Store(t, out)
	return out
}
