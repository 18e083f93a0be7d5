package native

import (
	"encoding/json"
	"go/ast"
	"go/doc"
	"go/parser"
	"go/token"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/danielgtaylor/huma/v2"

	"latchkey"
)

const schemaRef = "#/components/schemas/"

// A wireSchemas has the schemas of the wire types. It is the library's registry
// of types: the library reflects on them, and asks it for the types of members.
// What the two directions know of a type differs: an answer has every member,
// and may have more one day; a request may leave out most, and nothing is taken
// that is not known.
type wireSchemas struct {
	request        bool                  // the direction that schemas are asked for
	sent, answered map[reflect.Type]bool // the structs of each direction
	schemas        map[string]*huma.Schema
	members        map[string][]string // schema → its members, in the order of the wire
	comments       map[string]string   // Go type → what its comment says
}

var _ huma.Registry = (*wireSchemas)(nil)

func newWireSchemas(t *testing.T, operations []operation) *wireSchemas {
	w := &wireSchemas{
		sent: map[reflect.Type]bool{}, answered: map[reflect.Type]bool{typeOf[latchkey.Problem](): true},
		schemas: map[string]*huma.Schema{}, members: map[string][]string{}, comments: typeComments(t),
	}
	for _, op := range operations {
		structsOf(op.request, w.sent)
		structsOf(op.response, w.answered)
	}
	return w
}

// structsOf adds the structs that a type is made of.
func structsOf(t reflect.Type, found map[reflect.Type]bool) {
	switch {
	case t == nil, found[t]:
	case t.Kind() == reflect.Pointer, t.Kind() == reflect.Slice:
		structsOf(t.Elem(), found)
	case t.Kind() == reflect.Struct:
		found[t] = true
		for i := range t.NumField() {
			structsOf(t.Field(i).Type, found)
		}
	}
}

// of returns the schema of what a request or an answer has.
func (w *wireSchemas) of(t reflect.Type, request bool) *huma.Schema {
	w.request = request
	return w.Schema(t, true, "")
}

// Schema implements [huma.Registry]. Whether a value may be null is a matter of
// the member that has it.
func (w *wireSchemas) Schema(t reflect.Type, _ bool, _ string) *huma.Schema {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch {
	case isOptional(t):
		return w.Schema(t.Field(0).Type, true, "")
	case t == typeOf[latchkey.Time]():
		return &huma.Schema{Type: huma.TypeString, Format: "date-time"}
	case t == typeOf[json.RawMessage]():
		return &huma.Schema{Type: huma.TypeObject, AdditionalProperties: true}
	case t.Kind() != reflect.Struct:
		s := huma.SchemaFromType(w, t)
		s.Nullable = false
		return s
	}
	name := w.name(t)
	if w.schemas[name] == nil {
		w.schemas[name] = &huma.Schema{Type: huma.TypeObject} // what refers to itself ends here
		w.schemas[name] = w.object(t, name)
	}
	ref := &huma.Schema{Ref: schemaRef + name}
	if w.request && t == typeOf[latchkey.IdentityRef]() {
		return &huma.Schema{OneOf: []*huma.Schema{{Type: huma.TypeString}, ref}} // text alone names one too
	}
	return ref
}

var typeArgument = regexp.MustCompile(`^(\w+)\[.*?(\w+)\]$`)

// name names a schema as the Go type is named: List[latchkey.Key] is KeyList.
// What is sent of a type that is answered too is its input.
func (w *wireSchemas) name(t reflect.Type) string {
	name := typeArgument.ReplaceAllString(t.Name(), "$2$1")
	if w.request && w.answered[t] {
		name += "Input"
	}
	return name
}

func (w *wireSchemas) object(t reflect.Type, name string) *huma.Schema {
	about := w.comments[typeArgument.ReplaceAllString(t.Name(), "$1")]
	if either, other := alternatives(t); either != nil {
		return &huma.Schema{Description: about, OneOf: []*huma.Schema{w.Schema(either, true, ""), w.object(other, name)}}
	}
	s := huma.SchemaFromType(w, t)
	s.Description, s.Required = about, nil
	if !w.request {
		s.AdditionalProperties = nil
	}
	for _, f := range reflect.VisibleFields(t) {
		member, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		p := s.Properties[member]
		if p == nil {
			continue // an embedded struct, whose members are there themselves
		}
		w.members[name] = append(w.members[name], member)
		always := !strings.Contains(options, "omit") || w.sent[t] && f.Tag.Get("sometimes") != "true" || t.Name() == ""
		if !w.request && always || f.Tag.Get("required") == "true" {
			s.Required = append(s.Required, member)
		}
		pointer := f.Type.Kind() == reflect.Pointer && !strings.Contains(options, "omit")
		if (pointer || isOptional(f.Type)) && f.Tag.Get("nullable") != "false" {
			s.Properties[member] = nullable(p)
		}
	}
	return s
}

// alternatives splits a struct that embeds a pointer, and so has either the
// members of that or its own.
func alternatives(t reflect.Type) (either, other reflect.Type) {
	var own []reflect.StructField
	for i := range t.NumField() {
		if f := t.Field(i); f.Anonymous && f.Type.Kind() == reflect.Pointer {
			either = f.Type
		} else {
			own = append(own, f)
		}
	}
	if either == nil {
		return nil, nil
	}
	return either, reflect.StructOf(own)
}

// nullable returns the schema of a member that may be null.
func nullable(s *huma.Schema) *huma.Schema {
	null := &huma.Schema{Type: "null"}
	switch {
	case s.Ref != "":
		return &huma.Schema{Description: s.Description, OneOf: []*huma.Schema{{Ref: s.Ref}, null}}
	case s.OneOf != nil:
		s.OneOf = append(s.OneOf, null)
		return s
	}
	s.Nullable = true
	if s.Enum != nil {
		s.Enum = append(s.Enum, nil)
	}
	return s
}

func isOptional(t reflect.Type) bool {
	return t.Kind() == reflect.Struct && strings.HasPrefix(t.Name(), "Optional[")
}

// sendBack gives the schema of a request the members of an answer that it has
// not: they may be sent as they are, and cannot be set.
func (w *wireSchemas) sendBack(request, answer string) {
	to, from := w.schemas[request], w.schemas[answer]
	for _, member := range w.members[answer] {
		if to.Properties[member] != nil {
			continue
		}
		p := *from.Properties[member]
		p.ReadOnly, p.Description = true, "Cannot be set; may be sent back as it is."
		to.Properties[member] = &p
		w.members[request] = append(w.members[request], member)
	}
}

// SchemaFromRef implements [huma.Registry].
func (w *wireSchemas) SchemaFromRef(ref string) *huma.Schema {
	return w.schemas[strings.TrimPrefix(ref, schemaRef)]
}

// TypeFromRef implements [huma.Registry].
func (w *wireSchemas) TypeFromRef(string) reflect.Type { return nil }

// Map implements [huma.Registry].
func (w *wireSchemas) Map() map[string]*huma.Schema { return w.schemas }

// RegisterTypeAlias implements [huma.Registry].
func (w *wireSchemas) RegisterTypeAlias(reflect.Type, reflect.Type) {}

// MarshalJSON writes the schemas by their names.
func (w *wireSchemas) MarshalJSON() ([]byte, error) { return json.Marshal(w.schemas) }

var docLink = regexp.MustCompile(`\[(\w+)\]`)

// typeComments returns what the comments of the wire types say.
func typeComments(t *testing.T) map[string]string {
	files, err := filepath.Glob("../../../*.go")
	if err != nil {
		t.Fatal(err)
	}
	fset := token.NewFileSet()
	var parsed []*ast.File
	for _, file := range files {
		f, err := parser.ParseFile(fset, file, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		if f.Name.Name == "latchkey" {
			parsed = append(parsed, f)
		}
	}
	pkg, err := doc.NewFromFiles(fset, parsed, "latchkey")
	if err != nil {
		t.Fatal(err)
	}
	comments := map[string]string{}
	for _, typ := range pkg.Types {
		comments[typ.Name] = docLink.ReplaceAllString(strings.Join(strings.Fields(typ.Doc), " "), "$1")
	}
	return comments
}
