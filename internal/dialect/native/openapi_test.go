package native

import (
	"bytes"
	"flag"
	"net/http"
	"os"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/go-cmp/cmp"

	"latchkey/internal/httpapi"
)

const openAPIFile = "../../../openapi.yaml"

// TestOperations finds routes that the specification cannot describe.
func TestOperations(t *testing.T) {
	seen := map[string]string{} // operation id → pattern
	tagged := map[string]bool{}
	for _, rt := range new(Dialect).Routes() {
		op, ok := rt.Doc.(operation)
		if !ok || op.id == "" || op.summary == "" || op.status == 0 {
			t.Errorf("%s has no description", rt.Pattern())
		}
		if other, ok := seen[op.id]; ok {
			t.Errorf("%s and %s are both called %s", other, rt.Pattern(), op.id)
		}
		seen[op.id], tagged[op.tag] = rt.Pattern(), true
		if (rt.Caller == httpapi.RootKey) != (op.permission != "") {
			t.Errorf("%s needs the permission %q, which does not fit its callers", rt.Pattern(), op.permission)
		}
	}
	for _, tag := range tags {
		if !tagged[tag.Name] {
			t.Errorf("no operation has the tag %s", tag.Name)
		}
		delete(tagged, tag.Name)
	}
	for tag := range tagged {
		t.Errorf("the tag %q is not described", tag)
	}
	for id := range examples {
		if seen[id] == "" {
			t.Errorf("there are examples of %s, which is no operation", id)
		}
	}
}

// TestOpenAPI compares the specification with the routes and the wire types;
// with -update it writes it.
func TestOpenAPI(t *testing.T) {
	want := specification(t)
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
		t.Errorf("openapi.yaml is not what the routes and wire types say; make generate writes it (-file +routes):\n%s",
			cmp.Diff(strings.Split(string(got), "\n"), strings.Split(string(want), "\n")))
	}
}

const openAPIHead = "# The native API of latchkey. `make generate` writes this file from the routes in\n" +
	"# internal/dialect/native and the wire types of package latchkey: change those.\n\n"

const about = "Issue, verify, limit, meter, rotate and audit API keys.\n\n" +
	"**Callers** present a root key as `Authorization: Bearer KEY`. What a root key may do are permissions of three segments,\n" +
	"`resource.scope.action`; the scope of `keys` is a keyspace, and `*` matches one segment or, alone, everything.\n\n" +
	"**Requests** are JSON in UTF-8. A member that is unknown, given twice or of the wrong type is an error. Times are RFC 3339\n" +
	"with any offset; durations are an integer and one of ms, s, m, h and d, such as `90s`.\n\n" +
	"**Answers** have all their members, null or empty where there is nothing; only verifications and problems leave out what does\n" +
	"not apply. They may have more members in later versions. Times are UTC with milliseconds.\n\n" +
	"**Errors** are problem documents (RFC 9457). Their `code` is for programs, `detail` for people, and `errors` names all that is\n" +
	"wrong with a request, at once.\n\n" +
	"**Lists** are pages, the newest first: `next_cursor` of one page is `cursor` of the next.\n\n" +
	"**Repetition** is safe with an `Idempotency-Key`: for 24 hours the same request is carried out once and answered alike.\n" +
	"**Concurrent change** is refused with `If-Match`, which takes the `ETag` that was read."

var tags = []*huma.Tag{
	{Name: "Verification", Description: "Ask whether a key is good for a use."},
	{Name: "Keys", Description: "Make keys, and say what they may do."},
	{Name: "Limits", Description: "Leases under concurrency limits, and limits that belong to no key."},
	{Name: "Keyspaces", Description: "The keys of one API, and the policy that they have."},
	{Name: "Identities", Description: "The owners of keys, with limits that their keys share."},
	{Name: "Roles and permissions", Description: "What keys may be allowed to do."},
	{Name: "Root keys", Description: "The keys that manage. Nobody gives more than they hold."},
	{Name: "Workspaces", Description: "The tenants, which form a tree."},
	{Name: "Self", Description: "What the holder of a key may do with it, by that key alone."},
	{Name: "Audit", Description: "See who did what."},
	{Name: "Usage", Description: "See what was used."},
	{Name: "Server", Description: "What the server tells anybody."},
}

// A specMaker makes the operations of the document.
type specMaker struct {
	wire *wireSchemas
}

// specification makes the document.
func specification(t *testing.T) []byte {
	routes := new(Dialect).Routes()
	var operations []operation
	for _, rt := range routes {
		operations = append(operations, rt.Doc.(operation))
	}
	s := &specMaker{wire: newWireSchemas(t, operations)}
	doc := &huma.OpenAPI{
		OpenAPI: "3.1.0",
		Info: &huma.Info{
			Title: "latchkey", Version: "1", Description: about,
			License: &huma.License{Name: "Apache License 2.0", Identifier: "Apache-2.0"},
		},
		Servers:    []*huma.Server{{URL: "/"}},
		Tags:       tags,
		Components: components(s.wire),
	}
	order := documentOrder{members: s.wire.members}
	for i, rt := range routes {
		doc.AddOperation(s.operation(&rt, &operations[i]))
		order.paths = append(order.paths, rt.Path)
	}
	b, err := order.yaml(doc)
	if err != nil {
		t.Fatal(err)
	}
	return append([]byte(openAPIHead), b...)
}

var wildcard = regexp.MustCompile(`\{(\w+)\}`)

func (s *specMaker) operation(rt *httpapi.Route, doc *operation) *huma.Operation {
	op := &huma.Operation{
		OperationID: doc.id, Method: rt.Method, Path: rt.Path, Summary: doc.summary, Description: doc.about, Tags: []string{doc.tag},
		Security: security(rt.Caller),
	}
	if doc.permission != "" {
		needs := "`" + doc.permission + "`"
		if doc.replaces != "" {
			needs += ", or `" + doc.replaces + "` where it replaces one"
		}
		op.Description = strings.TrimSpace(doc.about + " Needs the permission " + needs + ".")
	}
	for _, m := range wildcard.FindAllStringSubmatch(rt.Path, -1) {
		op.Parameters = append(op.Parameters, pathParam(m[1]))
	}
	if doc.query != nil {
		op.Parameters = append(op.Parameters, s.query(doc.query)...)
	}
	op.Parameters = append(op.Parameters, headerParams(rt, doc)...)
	if doc.request != nil {
		op.RequestBody = s.body(rt, doc)
	}
	op.Responses = map[string]*huma.Response{
		strconv.Itoa(doc.status): s.response(rt, doc),
		"default":                {Ref: "#/components/responses/Problem"},
	}
	if doc.orMakes {
		made := *doc
		made.status = http.StatusCreated
		op.Responses["201"] = s.response(rt, &made)
	}
	return op
}

// query returns the parameters that the members of a type stand for.
func (s *specMaker) query(t reflect.Type) []*huma.Param {
	var params []*huma.Param
	for _, f := range reflect.VisibleFields(t) {
		if name := f.Tag.Get("json"); name != "" {
			p := huma.SchemaFromField(s.wire, f, "")
			params = append(params, &huma.Param{In: "query", Name: name, Description: p.Description, Schema: p})
			p.Description = ""
		}
	}
	return params
}

func (s *specMaker) body(rt *httpapi.Route, doc *operation) *huma.RequestBody {
	content := &huma.MediaType{Schema: s.wire.of(doc.request, true), Examples: examples[doc.id].request}
	if doc.sentBack != nil {
		answer := s.wire.of(doc.sentBack, false)
		s.wire.sendBack(strings.TrimPrefix(content.Schema.Ref, schemaRef), strings.TrimPrefix(answer.Ref, schemaRef))
	}
	body := &huma.RequestBody{Required: !doc.bodyOmitted, Content: map[string]*huma.MediaType{"application/json": content}}
	if rt.Method == http.MethodPatch {
		body.Content["application/merge-patch+json"] = content
	}
	return body
}

func (s *specMaker) response(rt *httpapi.Route, doc *operation) *huma.Response {
	resp := &huma.Response{Description: http.StatusText(doc.status) + ".", Headers: answerHeaders(rt, doc)}
	switch {
	case doc.response != nil:
		resp.Content = map[string]*huma.MediaType{"application/json": {Schema: s.wire.of(doc.response, false), Examples: examples[doc.id].response}}
	case doc.text != "":
		resp.Content = map[string]*huma.MediaType{doc.text: {Schema: textSchema()}}
		if doc.text == "application/yaml" {
			resp.Content[doc.text].Schema.Type = huma.TypeObject // as YAML is read
		}
	}
	return resp
}

func security(c httpapi.Caller) []map[string][]string {
	switch c {
	case httpapi.Optional:
		return []map[string][]string{{"rootKey": {}}, {}}
	case httpapi.Holder:
		return []map[string][]string{{"key": {}}}
	case httpapi.Nobody:
		return []map[string][]string{}
	}
	return []map[string][]string{{"rootKey": {}}}
}
