package native

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/getkin/kin-openapi/openapi3"
	"go.yaml.in/yaml/v4"

	"latchkey"
	"latchkey/internal/httpapi"
	"latchkey/internal/keys"
)

const (
	openAPIFile = "../../../openapi.yaml"
	openAPIHead = "# The native API of latchkey. `make generate` writes this file from the routes\n# and the wire types.\n"
)

// TestOpenAPI compares the specification with the routes and the wire types;
// with -update it writes it.
func TestOpenAPI(t *testing.T) {
	body, err := specification().YAML()
	if err != nil {
		t.Fatal(err)
	}
	want := append([]byte(openAPIHead), body...)
	if f := flag.Lookup("update"); f != nil && f.Value.String() == "true" {
		if err := os.WriteFile(openAPIFile, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(openAPIFile)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Error("openapi.yaml is not what the routes and wire types say; make generate writes it")
	}
}

// TestOpenAPIIsValid reads the specification with another library.
func TestOpenAPIIsValid(t *testing.T) {
	var tree any
	if err := yaml.Unmarshal([]byte(latchkey.OpenAPI), &tree); err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(tree)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := openapi3.NewLoader().LoadFromData(b)
	if err != nil {
		t.Fatal(err)
	}
	if err := doc.Validate(t.Context()); err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, item := range doc.Paths.Map() {
		n += len(item.Operations())
	}
	if routes := documented(t); n != routes {
		t.Errorf("the specification has %d operations, the routes are %d", n, routes)
	}
	for code := range problems {
		if !strings.Contains(latchkey.OpenAPI, string(code)) {
			t.Errorf("the specification does not name the code %s", code)
		}
	}
}

// documented counts the routes, and reports those without a description of
// their own.
func documented(t *testing.T) int {
	seen := map[string]bool{}
	routes := testRoutes()
	for _, rt := range routes {
		op, ok := rt.Doc.(operation)
		if !ok || op.id == "" || op.summary == "" || seen[op.id] {
			t.Errorf("%s has no description of its own", rt.Pattern())
		}
		seen[op.id] = true
	}
	return len(routes)
}

func testRoutes() []httpapi.Route {
	return New(nil, &keys.Manager{}, time.Now, nil).Routes()
}

// specification makes the document.
func specification() *huma.OpenAPI {
	huma.DefaultArrayNullable = false
	s := &specMaker{registry: huma.NewMapRegistry("#/components/schemas/", typeName), structs: map[reflect.Type]bool{}}
	doc := &huma.OpenAPI{
		OpenAPI: "3.1.0",
		Info: &huma.Info{
			Title: "latchkey", Version: "1",
			Description: "Issue, verify, limit, meter, rotate and audit API keys. Errors are problem documents (RFC 9457); times are RFC 3339 in UTC; durations are an integer and a unit; an unknown member is an error.",
			License:     &huma.License{Name: "Apache-2.0", Identifier: "Apache-2.0"},
		},
		Servers: []*huma.Server{{URL: "/"}},
		Components: &huma.Components{
			Schemas: s.registry,
			SecuritySchemes: map[string]*huma.SecurityScheme{
				"rootKey": {Type: "http", Scheme: "bearer", Description: "A root key."},
				"key":     {Type: "http", Scheme: "bearer", Description: "Any live key: it speaks for itself."},
			},
			Responses: map[string]*huma.Response{"Problem": {Description: problemTable(), Content: map[string]*huma.MediaType{
				"application/problem+json": {Schema: s.schema(typeOf[latchkey.Problem](), "Problem", false)},
			}}},
		},
		Paths: map[string]*huma.PathItem{},
	}
	for _, rt := range testRoutes() {
		doc.AddOperation(s.operation(&rt))
	}
	s.finish()
	return doc
}

func problemTable() string {
	var lines []string
	for code, kind := range problems {
		lines = append(lines, fmt.Sprintf("- %d `%s`: %s.", kind.status, code, kind.title))
	}
	slices.Sort(lines)
	return "Anything but success:\n\n" + strings.Join(lines, "\n")
}

// A specMaker collects the schemas that operations refer to.
type specMaker struct {
	registry huma.Registry
	structs  map[reflect.Type]bool // those seen → part of a request
}

var typeArgument = regexp.MustCompile(`^(\w+)\[.*?(\w+)\]$`)

// typeName names a schema as the Go type is named: List[latchkey.Key] is
// ListKey.
func typeName(t reflect.Type, _ string) string {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	name := t.Name()
	if m := typeArgument.FindStringSubmatch(name); m != nil {
		name = m[1] + m[2]
	}
	return name
}

// schema returns a reference to the schema of a type.
func (s *specMaker) schema(t reflect.Type, hint string, request bool) *huma.Schema {
	s.visit(t, request)
	return s.registry.Schema(t, true, hint)
}

// visit walks through a type, so that the library knows what stands for the
// types that JSON has in their own way.
func (s *specMaker) visit(t reflect.Type, request bool) {
	switch {
	case t == typeOf[latchkey.Time]():
		s.registry.RegisterTypeAlias(t, reflect.TypeFor[time.Time]())
	case t.Kind() == reflect.Pointer, t.Kind() == reflect.Slice:
		s.visit(t.Elem(), request)
	case isOptional(t):
		value := t.Field(0).Type
		s.registry.RegisterTypeAlias(t, value)
		s.visit(value, request)
	case t.Kind() == reflect.Struct:
		if again, seen := s.structs[t]; seen && (again || !request) {
			return
		}
		s.structs[t] = request
		for _, f := range reflect.VisibleFields(t) {
			s.visit(f.Type, request)
		}
	}
}

func isOptional(t reflect.Type) bool {
	return t.Kind() == reflect.Struct && strings.HasPrefix(t.Name(), "Optional[")
}

// finish says of the members of all schemas what the library cannot know:
// which may be null, what an open document is, and that answers may grow.
func (s *specMaker) finish() {
	for t, request := range s.structs {
		schema := s.registry.Map()[typeName(t, "")]
		if schema == nil {
			continue
		}
		if !request {
			schema.AdditionalProperties = nil
		}
		for _, f := range reflect.VisibleFields(t) {
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			p := schema.Properties[name]
			if name == "" || p == nil {
				continue
			}
			if f.Type == typeOf[json.RawMessage]() || isOptional(f.Type) && f.Type.Field(0).Type == typeOf[json.RawMessage]() {
				p.Type = huma.TypeObject
				p.AdditionalProperties = true
			}
			if name == "refills_at" && isOptional(f.Type) {
				p.Type, p.Format, p.AdditionalProperties = huma.TypeString, "date-time", nil
			}
			if f.Type.Kind() == reflect.Pointer && !strings.Contains(f.Tag.Get("json"), "omitempty") || isOptional(f.Type) {
				schema.Properties[name] = nullable(p)
			}
			if name == "identity" && isOptional(f.Type) {
				of := &schema.Properties[name].OneOf
				*of = append(*of, &huma.Schema{Type: huma.TypeString})
			}
			if f.Tag.Get("json") == "before" || f.Tag.Get("json") == "after" {
				schema.Properties[name] = nullable(p)
			}
		}
	}
}

func nullable(p *huma.Schema) *huma.Schema {
	if p.Ref == "" {
		p.Nullable = true
		return p
	}
	return &huma.Schema{Description: p.Description, OneOf: []*huma.Schema{{Ref: p.Ref}, {Type: "null"}}}
}

var wildcard = regexp.MustCompile(`\{(\w+)\}`)

func (s *specMaker) operation(rt *httpapi.Route) *huma.Operation {
	doc := rt.Doc.(operation)
	op := &huma.Operation{
		OperationID: doc.id, Method: rt.Method, Path: rt.Path, Summary: doc.summary, Tags: []string{doc.tag},
		Security: security(rt.Caller), Responses: map[string]*huma.Response{"default": {Ref: "#/components/responses/Problem"}},
	}
	for _, m := range wildcard.FindAllStringSubmatch(rt.Path, -1) {
		op.Parameters = append(op.Parameters, param("path", m[1], "", true))
	}
	for _, q := range doc.query {
		p := param("query", q.name, q.about, false)
		if q.integer {
			p.Schema = &huma.Schema{Type: huma.TypeInteger}
		}
		op.Parameters = append(op.Parameters, p)
	}
	if rt.Caller == httpapi.RootKey || rt.Caller == httpapi.Optional {
		op.Parameters = append(op.Parameters, param("header", "Latchkey-Workspace", "A workspace below the root key's own to act in.", false))
	}
	if doc.keeps {
		op.Parameters = append(op.Parameters, param("header", "Idempotency-Key", "For 24 hours, the same request with the same key is carried out once.", false))
	}
	if doc.conditional {
		op.Parameters = append(op.Parameters, param("header", "If-Match", "ETags, one of which the resource must still have.", false))
	}
	if doc.request != nil {
		op.RequestBody = &huma.RequestBody{Required: !doc.bodyOmitted, Content: map[string]*huma.MediaType{
			"application/json": {Schema: s.schema(doc.request, doc.id, true)},
		}}
		if rt.Method == "PATCH" {
			op.RequestBody.Content["application/merge-patch+json"] = op.RequestBody.Content["application/json"]
		}
	}
	op.Responses[strconv.Itoa(doc.status)] = s.response(rt, &doc)
	return op
}

func (s *specMaker) response(rt *httpapi.Route, doc *operation) *huma.Response {
	resp := &huma.Response{Description: "Done.", Headers: map[string]*huma.Param{"X-Request-Id": header("The request's id, as in the log and the audit event.")}}
	switch {
	case doc.response != nil:
		resp.Description = "The answer."
		resp.Content = map[string]*huma.MediaType{"application/json": {Schema: s.schema(doc.response, doc.id, false)}}
	case doc.text != "":
		resp.Description = "The text."
		resp.Content = map[string]*huma.MediaType{doc.text: {Schema: &huma.Schema{Type: huma.TypeString}}}
	}
	if rt.Method != "GET" && !strings.Contains(rt.Path, "/verify") {
		resp.Headers["Latchkey-Revision"] = header("The revision in which the write is in force.")
	}
	if doc.response == typeOf[latchkey.Key]() || doc.response == typeOf[latchkey.KeyWithSecret]() {
		resp.Headers["ETag"] = header("The version of the settings.")
	}
	return resp
}

func header(about string) *huma.Param {
	return &huma.Param{Description: about, Schema: &huma.Schema{Type: huma.TypeString}}
}

func param(in, name, about string, required bool) *huma.Param {
	return &huma.Param{Name: name, In: in, Description: about, Required: required, Schema: &huma.Schema{Type: huma.TypeString}}
}

func security(c httpapi.Caller) []map[string][]string {
	switch c {
	case httpapi.Optional:
		return []map[string][]string{{}, {"rootKey": {}}}
	case httpapi.Holder:
		return []map[string][]string{{"key": {}}}
	case httpapi.Nobody:
		return []map[string][]string{}
	}
	return []map[string][]string{{"rootKey": {}}}
}
