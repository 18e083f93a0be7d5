package unkey

import (
	"net/http"
	"strings"

	"latchkey/internal/httpapi"
	"latchkey/internal/keys"
)

// Codes that this API alone has.
const (
	disabledCaller  keys.Code = "disabled_caller"
	expiredCaller   keys.Code = "expired_caller"
	lacksPermission keys.Code = "lacks_permission"
	notDecrypted    keys.Code = "not_decrypted"
	protected       keys.Code = "protected"
)

// A problem is how a code is answered.
type problem struct {
	status int
	code   string
}

// problems has the vendor's status for each of its codes. There is no 401: who
// does not say who they are is forbidden.
var problems = map[keys.Code]problem{
	keys.Invalid:             {http.StatusBadRequest, "BAD_REQUEST"},
	httpapi.TooLarge:         {http.StatusBadRequest, "BAD_REQUEST"},
	httpapi.UnsupportedMedia: {http.StatusBadRequest, "BAD_REQUEST"},
	keys.Unauthenticated:     {http.StatusForbidden, "UNAUTHORIZED"},
	notDecrypted:             {http.StatusForbidden, "UNAUTHORIZED"},
	keys.Forbidden:           {http.StatusForbidden, forbidden},
	disabledCaller:           {http.StatusForbidden, "DISABLED"},
	expiredCaller:            {http.StatusForbidden, "EXPIRED"},
	lacksPermission:          {http.StatusForbidden, "INSUFFICIENT_PERMISSIONS"},
	keys.NotFound:            {http.StatusNotFound, "NOT_FOUND"},
	httpapi.MethodNotAllowed: {http.StatusMethodNotAllowed, "METHOD_NOT_ALLOWED"},
	keys.Conflict:            {http.StatusConflict, "CONFLICT"},
	keys.Precondition:        {http.StatusPreconditionFailed, "PRECONDITION_FAILED"},
	protected:                {http.StatusPreconditionFailed, "DELETE_PROTECTED"},
	keys.Throttled:           {http.StatusTooManyRequests, "RATE_LIMITED"},
	keys.Internal:            {http.StatusInternalServerError, "INTERNAL_SERVER_ERROR"},
	keys.Unavailable:         {http.StatusServiceUnavailable, "INTERNAL_SERVER_ERROR"},
}

// docs is where the vendor explains a code.
const docs = "https://unkey.dev/docs/api-reference/errors/code/"

type failure struct {
	Error failureBody `json:"error"`
}

type failureBody struct {
	Code      string `json:"code"`
	Docs      string `json:"docs"`
	Message   string `json:"message"`
	RequestID string `json:"requestId"`
}

// WriteError implements [httpapi.Dialect].
func (d *Dialect) WriteError(w http.ResponseWriter, r *http.Request, e *keys.Error) {
	code, message := d.worded(r, e)
	p, ok := problems[code]
	if !ok {
		p = problems[keys.Internal]
	}
	if code == keys.Unavailable || e.RetryAfter > 0 {
		w.Header().Set("Retry-After", httpapi.RetryAfter(e.RetryAfter))
	}
	body := failure{failureBody{p.code, docs + p.code, message, requestID(w.Header())}}
	if err := answer(w, r, p.status, body); err != nil {
		w.WriteHeader(http.StatusInternalServerError)
	}
}

// worded returns an error as the vendor would put it.
func (d *Dialect) worded(r *http.Request, e *keys.Error) (keys.Code, string) {
	switch {
	case e.Code == keys.Unauthenticated:
		return d.unauthorized(r, e.Refused)
	case e.Code == keys.Forbidden && e.Missing != "":
		return lacksPermission, e.Message
	case len(e.Faults) > 0:
		return e.Code, firstFault(e.Faults[0])
	}
	return e.Code, e.Message
}

// unauthorized returns why a caller's key was not taken.
func (d *Dialect) unauthorized(r *http.Request, refused keys.Outcome) (keys.Code, string) {
	switch refused {
	case keys.KeyNotFound:
		return keys.Unauthenticated, "key not found"
	case keys.OwnerDisabled, keys.Disabled:
		return disabledCaller, "the key is disabled"
	case keys.Expired:
		return expiredCaller, "the key has expired"
	case keys.WorkspaceDisabled:
		return keys.Forbidden, "workspace is disabled"
	case keys.AddressRefused:
		return keys.Forbidden, "the key may not be used from this address"
	}
	if d.Credential(r).IsZero() {
		return keys.Unauthenticated, "key required"
	}
	return keys.Unauthenticated, "root key required"
}

// required is what is said of a member that is not there.
const required = "Required"

// firstFault tells of one fault as the vendor does, which tells no more: the
// path of the member, with points, and what is wrong.
func firstFault(f keys.Fault) string {
	if f.Detail == "is required" {
		f.Detail = required
	}
	if f.Field == "" {
		return f.Detail
	}
	at := strings.ReplaceAll(wireName(f.Field), "/", ".")
	return strings.NewReplacer("~1", "/", "~0", "~").Replace(at) + ": " + f.Detail
}

// wireNames says what the vendor calls the members in which the core finds
// faults, the longer paths first. All others have one name.
var wireNames = []struct{ core, wire string }{
	{"credits/refill/every", "refill/interval"},
	{"credits/refill/day", "refill/refillDay"},
	{"credits/refill", "refill"},
	{"credits", "remaining"},
	{"cost", "remaining/cost"},
	{"expires_at", "expires"},
	{"external_id", "externalId"},
	{"identity", "externalId"},
	{"keyspace", "apiId"},
	{"secret", "prefix"},
}

func wireName(field string) string {
	for _, n := range wireNames {
		rest, ok := strings.CutPrefix(field, n.core)
		switch {
		case !ok || rest != "" && rest[0] != '/':
		case n.core == "credits":
			return n.wire // of which the core has members, and the vendor none
		default:
			return n.wire + rest
		}
	}
	return field
}
