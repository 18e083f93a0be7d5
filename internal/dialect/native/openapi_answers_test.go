package native_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"

	"latchkey"
	"latchkey/internal/conformance"
)

// loadOpenAPI reads the specification with another library than wrote it,
// which finds it valid.
func loadOpenAPI(t *testing.T) *openapi3.T {
	t.Helper()
	text, err := os.ReadFile("../../../openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	doc, err := openapi3.NewLoader().LoadFromData(text)
	if err != nil {
		t.Fatal(err)
	}
	if err := doc.Validate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return doc
}

// TestOpenAPIHolds has all conversations again, and compares what is taken and
// answered in them with the specification.
func TestOpenAPIHolds(t *testing.T) {
	r := newReader(t, loadOpenAPI(t))
	conformance.Transcripts(t, func(t *testing.T) (http.Handler, map[string]string) {
		s := start(t)
		return r.read(t, s), s.vars
	})
	for id, op := range r.operations {
		if !r.seen[id] {
			t.Errorf("no transcript has a success of %s", id)
		}
		for _, p := range op.Parameters {
			name := p.Value.Name
			shared := name == "X-Request-Id" || name == "Latchkey-Workspace" // which are read before an operation is
			if !shared && !r.seen[id+" "+name] {
				t.Errorf("no transcript has a success of %s with %s", id, name)
			}
		}
	}
}

// TestOpenAPIExamples sends the examples of requests: they are taken.
func TestOpenAPIExamples(t *testing.T) {
	s, sent := start(t), 0
	for path, item := range loadOpenAPI(t).Paths.Map() {
		for method, op := range item.Operations() {
			if op.RequestBody == nil {
				continue
			}
			for name, example := range op.RequestBody.Value.Content["application/json"].Examples {
				body, err := json.Marshal(example.Value.Value)
				if err != nil {
					t.Fatal(err)
				}
				w := s.call(method, strings.TrimPrefix(path, latchkey.BasePath), rootKey, string(body))
				if sent++; op.Responses.Status(w.Code) == nil {
					t.Errorf("%s, example %s: %d %s", op.OperationID, name, w.Code, w.Body)
				}
			}
		}
	}
	if sent == 0 {
		t.Error("there are no examples")
	}
}

// A reader compares requests and answers with the specification.
type reader struct {
	doc        *openapi3.T
	patterns   *http.ServeMux                 // for its matching
	operations map[string]*openapi3.Operation // by id
	routes     map[string]*routers.Route      // by pattern

	mu   sync.Mutex
	seen map[string]bool // ids of operations that were answered with success, alone and with each parameter that they had
}

func newReader(t *testing.T, doc *openapi3.T) *reader {
	r := &reader{doc: doc, patterns: http.NewServeMux(), operations: map[string]*openapi3.Operation{}, routes: map[string]*routers.Route{}, seen: map[string]bool{}}
	for path, item := range doc.Paths.Map() {
		for method, op := range item.Operations() {
			pattern := method + " " + path
			r.patterns.Handle(pattern, http.NotFoundHandler())
			r.operations[op.OperationID] = op
			r.routes[pattern] = &routers.Route{Spec: doc, Path: path, PathItem: item, Method: method, Operation: op}
		}
	}
	if len(r.routes) == 0 {
		t.Fatal("the specification has no paths")
	}
	return r
}

// read passes requests on and reads what is answered.
func (r *reader) read(t *testing.T, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		var body bytes.Buffer // what is read of it
		req.Body = struct {
			io.Reader
			io.Closer
		}{io.TeeReader(req.Body, &body), req.Body}
		rec := httptest.NewRecorder()
		next.ServeHTTP(rec, req)
		_, pattern := r.patterns.Handler(req)
		if route := r.routes[pattern]; route != nil {
			if err := r.check(req, body.Bytes(), rec, route); err != nil {
				t.Errorf("%s %s\n%s\n%d %v\n%s\n%v", req.Method, req.URL, &body, rec.Code, rec.Header(), rec.Body, brief(err))
			}
		}
		maps.Copy(w.Header(), rec.Header())
		w.WriteHeader(rec.Code)
		w.Write(rec.Body.Bytes())
	})
}

// check compares an answer with the specification, and a request that was a
// success: what is taken must be documented.
func (r *reader) check(req *http.Request, body []byte, rec *httptest.ResponseRecorder, route *routers.Route) error {
	input := &openapi3filter.RequestValidationInput{
		Request: req.Clone(context.Background()), Route: route, PathParams: pathParams(route.Path, req.URL.Path),
		Options: &openapi3filter.Options{AuthenticationFunc: hasBearer, ExcludeReadOnlyValidations: true, SchemaValidationOptions: timesSent},
	}
	var faults []error
	// A batch may have requests that are answered with an error.
	if rec.Code < 300 && !bytes.Contains(rec.Body.Bytes(), []byte(`{"error":{`)) {
		if req.Method != http.MethodPatch {
			body = withoutNulls(body)
		}
		input.Request.Body = io.NopCloser(bytes.NewReader(body))
		if len(body) > 0 && input.Request.Header.Get("Content-Type") == "" {
			input.Request.Header.Set("Content-Type", "application/json") // as which it is taken
		}
		faults = append(faults, openapi3filter.ValidateRequest(req.Context(), input))
		r.note(route.Operation, input.Request)
	}
	answer := &openapi3filter.ResponseValidationInput{
		RequestValidationInput: input, Status: rec.Code, Header: rec.Header(), Body: io.NopCloser(bytes.NewReader(rec.Body.Bytes())),
		Options: &openapi3filter.Options{IncludeResponseStatus: true, SchemaValidationOptions: timesAnswered},
	}
	faults = append(faults, openapi3filter.ValidateResponse(req.Context(), answer), undocumented(rec, route.Operation))
	return errors.Join(faults...)
}

// Times are sent in any form of RFC 3339, and answered in one.
var (
	timesSent     = dateTime(func(text string) error { return new(latchkey.Time).UnmarshalText([]byte(text)) })
	timesAnswered = dateTime(func(text string) error {
		_, err := time.Parse(latchkey.TimeForm, text)
		return err
	})
)

func dateTime(check func(string) error) []openapi3.SchemaValidationOption {
	return []openapi3.SchemaValidationOption{openapi3.WithStringFormatValidator("date-time", openapi3.NewCallbackValidator(check))}
}

// withoutNulls leaves out the members of an object that are null. But for
// patches they stand for absent ones, which the specification does not offer.
func withoutNulls(body []byte) []byte {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(body, &members); err != nil {
		return body
	}
	maps.DeleteFunc(members, func(_ string, v json.RawMessage) bool { return string(v) == "null" })
	out, err := json.Marshal(members)
	if err != nil {
		return body
	}
	return out
}

// brief leaves out of an error the schema, which the specification has.
func brief(err error) string {
	text, _, _ := strings.Cut(err.Error(), "\nSchema:")
	return text
}

// note notes what was a success.
func (r *reader) note(op *openapi3.Operation, req *http.Request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.seen[op.OperationID] = true
	for _, p := range op.Parameters {
		name := p.Value.Name
		given := p.Value.In == "path" || p.Value.In == "query" && req.URL.Query().Has(name) || p.Value.In == "header" && req.Header.Get(name) != ""
		if given {
			r.seen[op.OperationID+" "+name] = true
		}
	}
}

// undocumented returns an error where an answer has a header that the
// specification does not tell of.
func undocumented(rec *httptest.ResponseRecorder, op *openapi3.Operation) error {
	resp := op.Responses.Status(rec.Code)
	if resp == nil {
		resp = op.Responses.Default()
	}
	for name := range rec.Header() {
		known := slices.ContainsFunc(slices.Collect(maps.Keys(resp.Value.Headers)), func(h string) bool { return http.CanonicalHeaderKey(h) == name })
		if !known && name != "Content-Type" && name != "Content-Length" {
			return errors.New("the header " + name + " is not documented")
		}
	}
	return nil
}

// hasBearer holds an operation to what it says of its callers.
func hasBearer(_ context.Context, in *openapi3filter.AuthenticationInput) error {
	if in.SecurityScheme.Scheme != "bearer" || in.RequestValidationInput.Request.Header.Get("Authorization") == "" {
		return errors.New("no bearer")
	}
	return nil
}

// pathParams returns what stands in a path for the wildcards of a template.
func pathParams(template, path string) map[string]string {
	params := map[string]string{}
	parts := strings.Split(path, "/")
	for i, part := range strings.Split(template, "/") {
		if name, ok := strings.CutPrefix(part, "{"); ok && i < len(parts) {
			params[strings.TrimSuffix(name, "}")] = parts[i]
		}
	}
	return params
}
