package native

import (
	"cmp"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"latchkey"
	"latchkey/internal/httpapi"
	"latchkey/internal/keys"
)

// components returns what operations refer to.
func components(w *wireSchemas) *huma.Components {
	problem := w.of(typeOf[latchkey.Problem](), false)
	w.SchemaFromRef(problem.Ref).Properties["code"].Enum = codesByStatus()
	return &huma.Components{
		Schemas: w,
		SecuritySchemes: map[string]*huma.SecurityScheme{
			"rootKey": {Type: "http", Scheme: "bearer", Description: "A root key."},
			"key":     {Type: "http", Scheme: "bearer", Description: "Any live key, ordinary or root: it speaks for itself."},
		},
		Parameters: requestHeaders,
		Headers:    responseHeaders,
		Responses: map[string]*huma.Response{"Problem": {
			Description: problemTable(),
			Headers:     headerRefs(append([]string{"X-Request-Id", "WWW-Authenticate", "Retry-After", "Allow"}, rateLimitHeaders...)...),
			Content:     map[string]*huma.MediaType{"application/problem+json": {Schema: problem}},
		}},
	}
}

// codesByStatus lists the codes of problems.
func codesByStatus() []any {
	codes := slices.SortedFunc(maps.Keys(problems), func(a, b keys.Code) int {
		return cmp.Or(cmp.Compare(problems[a].status, problems[b].status), cmp.Compare(a, b))
	})
	var all []any
	for _, code := range codes {
		all = append(all, string(code))
	}
	return all
}

func problemTable() string {
	var b strings.Builder
	b.WriteString("Anything but success.\n\n| status | code | |\n|---|---|---|\n")
	for _, code := range codesByStatus() {
		kind := problems[keys.Code(code.(string))]
		fmt.Fprintf(&b, "| %d | `%s` | %s. |\n", kind.status, code, kind.title)
	}
	return strings.TrimSpace(b.String())
}

// requestHeaders are the headers that requests may have.
var requestHeaders = map[string]*huma.Param{
	"Latchkey-Workspace": {In: "header", Name: "Latchkey-Workspace", Schema: textSchema(),
		Description: "The workspace to act in, by id, path or slug: the root key's own, or with the permission `workspaces.*.act` one below it. Absent: its own."},
	"Idempotency-Key": {In: "header", Name: "Idempotency-Key", Schema: &huma.Schema{Type: huma.TypeString, MinLength: new(1), MaxLength: new(255)},
		Description: "A name for this request. For 24 hours, the same caller's same request by the same name is carried out once, and answered as before. Another request by it is a problem."},
	"If-Match": {In: "header", Name: "If-Match", Schema: textSchema(),
		Description: "The ETags of versions, one of which must be the present one; `*` stands for any."},
	"X-Request-Id": {In: "header", Name: "X-Request-Id", Schema: textSchema(),
		Description: "What to call the request in the answer, the log and the audit log: 1 to 128 of A-Z, a-z, 0-9, `.`, `_` and `-`. In place of anything else, and where it is absent, the server makes one."},
}

// headerParams are those that an operation has a use for.
func headerParams(rt *httpapi.Route, doc *operation) []*huma.Param {
	var params []*huma.Param
	add := func(when bool, name string) {
		if when {
			params = append(params, &huma.Param{Ref: "#/components/parameters/" + name})
		}
	}
	add(rt.Caller == httpapi.RootKey || rt.Caller == httpapi.Optional, "Latchkey-Workspace")
	add(doc.keeps, "Idempotency-Key")
	add(doc.conditional, "If-Match")
	add(true, "X-Request-Id")
	return params
}

// responseHeaders are the headers that answers may have.
var responseHeaders = map[string]*huma.Header{
	"X-Request-Id": {Description: "What the request is called in the log and the audit log.", Required: true, Schema: textSchema()},
	"ETag":         {Description: "The version of the settings, for If-Match. Verifications, counters and the last use do not change it.", Required: true, Schema: textSchema()},
	"Latchkey-Revision": {Description: "The revision in which the write is in force; a verification asks for it with min_revision.", Required: true,
		Schema: &huma.Schema{Type: huma.TypeInteger, Format: "int64"}},
	"Cache-Control":       {Description: "The answer holds a secret.", Required: true, Schema: &huma.Schema{Type: huma.TypeString, Const: "no-store"}},
	"Idempotent-Replayed": {Description: "The request was carried out before; this is its answer again.", Schema: &huma.Schema{Type: huma.TypeString, Const: "true"}},
	"WWW-Authenticate":    {Description: "With 401.", Schema: &huma.Schema{Type: huma.TypeString, Const: "Bearer"}},
	"Retry-After":         {Description: "With 429 and 503, and with a verification or check that a limit refused: seconds to wait.", Schema: &huma.Schema{Type: huma.TypeInteger}},
	"Allow":               {Description: "With 405: the methods that the path has.", Schema: textSchema()},

	"RateLimit-Policy":      {Description: "With 429: the root key's limits, as draft-ietf-httpapi-ratelimit-headers-11 has them.", Schema: textSchema()},
	"RateLimit":             {Description: "With 429: how they stand, in the form of the same draft.", Schema: textSchema()},
	"X-RateLimit-Limit":     {Description: "With 429: the max of the limit that refused.", Schema: &huma.Schema{Type: huma.TypeInteger, Format: "int64"}},
	"X-RateLimit-Remaining": {Description: "With 429: what is left of it.", Schema: &huma.Schema{Type: huma.TypeInteger, Format: "int64"}},
	"X-RateLimit-Reset":     {Description: "With 429: when all of it is free again, in Unix seconds.", Schema: &huma.Schema{Type: huma.TypeInteger, Format: "int64"}},
}

// rateLimitHeaders tell how the limits of a root key stand.
var rateLimitHeaders = []string{"RateLimit-Policy", "RateLimit", "X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset"}

// answerHeaders are those that an operation's success has.
func answerHeaders(rt *httpapi.Route, doc *operation) map[string]*huma.Header {
	names := []string{"X-Request-Id"}
	if doc.versioned {
		names = append(names, "ETag")
	}
	if rt.Method != http.MethodGet && doc.tag != "Verification" && !doc.counts {
		names = append(names, "Latchkey-Revision")
	}
	if doc.secret {
		names = append(names, "Cache-Control")
	}
	if doc.id == "verify" || doc.id == "checkLimit" {
		names = append(names, "Retry-After")
	}
	if doc.keeps {
		names = append(names, "Idempotent-Replayed")
	}
	return headerRefs(names...)
}

func headerRefs(names ...string) map[string]*huma.Header {
	refs := map[string]*huma.Header{}
	for _, name := range names {
		refs[name] = &huma.Header{Ref: "#/components/headers/" + name}
	}
	return refs
}

func pathParam(name string) *huma.Param {
	p := &huma.Param{In: "path", Name: name, Required: true, Schema: textSchema()}
	switch name {
	case "id":
		p.Description = "The key's id."
	case "secret":
		p.Description = "The secret's id."
	case "code":
		p.Description, p.Schema.Enum = "The problem's code.", codesByStatus()
	}
	return p
}

func textSchema() *huma.Schema { return &huma.Schema{Type: huma.TypeString} }
