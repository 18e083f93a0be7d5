package native

import (
	"net/http"
	"strconv"
	"strings"

	"latchkey"
	"latchkey/internal/httpapi"
	"latchkey/internal/keys"
)

// codeMismatch is a code that this API alone has.
const codeMismatch keys.Code = "idempotency_mismatch"

// A problemKind is how a code is answered, and what its page says.
type problemKind struct {
	status int
	title  string
	about  string
}

var problems = map[keys.Code]problemKind{
	keys.Invalid:             {400, "The request is not valid", "The request cannot be right, whenever it is sent. The member errors lists all that is wrong with it, each fault with the member or query parameter that it is about."},
	keys.Unauthenticated:     {401, "No valid root key was sent", "The credential is missing or not known, or it is disabled, expired, used from an address that is not on its list, or not a root key. Send it as Authorization: Bearer KEY."},
	keys.Forbidden:           {403, "The key may not do this", "The root key is good, and lacks a permission. missing_permission names it."},
	keys.NotFound:            {404, "There is no such thing", "Nothing is at this path, or the thing that it names is not there, was deleted, or belongs to another workspace."},
	httpapi.MethodNotAllowed: {405, "The method does not fit the path", "The path exists, and takes other methods. The header Allow lists them."},
	keys.Conflict:            {409, "The present state does not allow this", "The request is well formed, and does not fit what is there now. The detail says why."},
	keys.Precondition:        {412, "It has changed since it was read", "If-Match named another version than the present one. Read the resource again, and decide anew."},
	httpapi.TooLarge:         {413, "The body is too large", "A body may have 64 KiB, and that of a batch 4 MiB."},
	httpapi.UnsupportedMedia: {415, "The body has the wrong media type", "Bodies are application/json; a PATCH may be application/merge-patch+json."},
	codeMismatch:             {422, "The Idempotency-Key was used for another request", "Within 24 hours, one Idempotency-Key stands for one request of one caller: the same path and the same JSON value as body."},
	keys.Throttled:           {429, "The root key's own rate limit is used up", "The root key that was sent has a rate limit of its own. Retry-After tells when the next call is free."},
	keys.Internal:            {500, "A fault of the server", "The request met a fault of the server, which has logged it under the request id."},
	keys.Unavailable:         {503, "The server cannot answer now", "The server cannot reach what it needs to answer. Nothing was decided about the key in question. Retry-After tells when to try again."},
}

// WriteError implements [httpapi.Dialect].
func (d *Dialect) WriteError(w http.ResponseWriter, r *http.Request, e *keys.Error) {
	p := problem(e, w.Header().Get("X-Request-Id"))
	httpapi.SetErrorFields(w.Header(), p.Status, e)
	if len(e.Limits) > 0 {
		latchkey.SetRateLimit(w.Header(), limitStates(e.Limits), e.RetryAfter, d.clock())
	}
	if err := httpapi.WriteJSON(w, p.Status, "application/problem+json", p); err != nil {
		w.WriteHeader(http.StatusInternalServerError)
	}
}

// problem returns an error as it is answered.
func problem(e *keys.Error, requestID string) *latchkey.Problem {
	code := e.Code
	kind, ok := problems[code]
	if !ok {
		code, kind = keys.Internal, problems[keys.Internal]
	}
	p := &latchkey.Problem{
		Type: latchkey.BasePath + "/problems/" + string(code), Title: kind.title, Status: kind.status,
		Detail: e.Message, Code: string(code), RequestID: requestID, MissingPermission: e.Missing,
	}
	if code == keys.Invalid {
		p.Errors = faults(e)
	}
	return p
}

func faults(e *keys.Error) []latchkey.Fault {
	if len(e.Faults) == 0 {
		return []latchkey.Fault{{Detail: e.Message}}
	}
	var out []latchkey.Fault
	for _, f := range e.Faults {
		fault := latchkey.Fault{Detail: f.Detail, Position: f.Position}
		if name, ok := strings.CutPrefix(f.Field, parameter); ok {
			fault.Parameter = name
		} else {
			pointer := f.Field
			if pointer != "" {
				pointer = "/" + pointer
			}
			fault.Pointer = &pointer
		}
		out = append(out, fault)
	}
	return out
}

// parameter marks a fault's field as a query parameter.
const parameter = "?"

// getProblem answers a short text about a code, to anybody.
func getProblem(w http.ResponseWriter, r *http.Request, _ *httpapi.Call) error {
	code := r.PathValue("code")
	kind, ok := problems[keys.Code(code)]
	if !ok {
		return keys.Errorf(keys.NotFound, "there is no such problem")
	}
	text := code + " (" + strconv.Itoa(kind.status) + ")\n" + kind.title + ".\n\n" + kind.about + "\n"
	httpapi.WriteBody(w, http.StatusOK, "text/plain; charset=utf-8", []byte(text))
	return nil
}
