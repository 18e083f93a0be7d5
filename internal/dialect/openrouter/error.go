package openrouter

import (
	"net/http"

	"latchkey/internal/httpapi"
	"latchkey/internal/keys"
)

// Codes that this API alone has.
const (
	unknownCaller keys.Code = "unknown_caller" // a key was sent, and is not good
	notManaging   keys.Code = "not_managing"   // it is good, and no management key
	noResource    keys.Code = "no_resource"    // there is such a path, and no such thing
	otherMethod   keys.Code = "other_method"   // of a challenge
)

// A problem is how a code is answered.
type problem struct {
	status  int
	message string // "": that of the error
}

// problems has the vendor's words where it has any.
var problems = map[keys.Code]problem{
	keys.Invalid:             {http.StatusBadRequest, "Invalid request parameters"},
	keys.Unauthenticated:     {http.StatusUnauthorized, "Missing Authentication header"},
	unknownCaller:            {http.StatusUnauthorized, "User not found."},
	notManaging:              {http.StatusForbidden, "Only management keys can perform this operation"},
	keys.Forbidden:           {http.StatusForbidden, ""},
	keys.NotFound:            {http.StatusNotFound, "Not Found"},
	noResource:               {http.StatusNotFound, "Resource not found"},
	otherMethod:              {http.StatusBadRequest, "Invalid code_challenge_method"},
	httpapi.MethodNotAllowed: {http.StatusMethodNotAllowed, "Method Not Allowed"},
	keys.Conflict:            {http.StatusConflict, ""},
	keys.Precondition:        {http.StatusPreconditionFailed, ""},
	httpapi.TooLarge:         {http.StatusRequestEntityTooLarge, ""},
	httpapi.UnsupportedMedia: {http.StatusUnsupportedMediaType, ""},
	keys.Throttled:           {http.StatusTooManyRequests, "Rate limit exceeded"},
	keys.Internal:            {http.StatusInternalServerError, "Internal Server Error"},
	keys.Unavailable:         {http.StatusServiceUnavailable, ""},
}

// refusals says by which code a key that is not good is answered, whether it
// asks about itself or would manage others. The rest is not reached, since that
// takes nothing and asks for nothing.
var refusals = map[keys.Outcome]keys.Code{
	keys.KeyNotFound:             unknownCaller,
	keys.WorkspaceDisabled:       unknownCaller,
	keys.OwnerDisabled:           unknownCaller,
	keys.Disabled:                unknownCaller,
	keys.WrongKeyspace:           unknownCaller,
	keys.Expired:                 unknownCaller,
	keys.AddressRefused:          keys.Forbidden,
	keys.InsufficientPermissions: keys.Forbidden,
	keys.RateLimited:             keys.Throttled,
	keys.CreditsExhausted:        keys.Forbidden,
	keys.BudgetExhausted:         keys.Forbidden,
}

// refused returns the error for a key that is not good.
func refused(o keys.Outcome) *keys.Error {
	e := keys.Errorf(refusals[o], "the key was refused: %s", o)
	if o == keys.AddressRefused {
		e.Message = "This key may not be used from this address"
	}
	return e
}

type failure struct {
	Error failureBody `json:"error"`
}

type failureBody struct {
	Code     int       `json:"code"`
	Message  string    `json:"message"`
	Metadata *metadata `json:"metadata,omitzero"`
}

// A metadata tells more of an error than its message.
type metadata struct {
	Type   string            `json:"error_type,omitzero"`
	Faults map[string]string `json:"faults,omitzero"` // parameter → what is wrong with it
	Detail string            `json:"detail,omitzero"`
}

// WriteError implements [httpapi.Dialect].
func (d *Dialect) WriteError(w http.ResponseWriter, r *http.Request, e *keys.Error) {
	if e.Code == keys.Unauthenticated {
		e = d.unauthenticated(r, e)
	}
	p, ok := problems[e.Code]
	if !ok {
		p = problems[keys.Internal]
	}
	if p.message == "" {
		p.message = e.Message
	}
	httpapi.SetErrorFields(w.Header(), p.status, e)
	body := failure{failureBody{p.status, p.message, metadataOf(e)}}
	if err := httpapi.WriteJSON(w, p.status, "application/json", body); err != nil {
		w.WriteHeader(http.StatusInternalServerError)
	}
}

// unauthenticated tells apart why a caller was not let in.
func (d *Dialect) unauthenticated(r *http.Request, e *keys.Error) *keys.Error {
	switch {
	case e.Refused != keys.Valid:
		return refused(e.Refused)
	case d.Credential(r).IsZero():
		return e
	}
	return keys.Errorf(notManaging, "%s", e.Message)
}

func metadataOf(e *keys.Error) *metadata {
	switch e.Code {
	case keys.Throttled:
		return &metadata{Type: "rate_limit_exceeded"}
	case keys.Invalid:
	default:
		return nil
	}
	var m metadata
	for _, f := range e.Faults {
		if f.Field == "" {
			continue
		}
		if m.Faults == nil {
			m.Faults = map[string]string{}
		}
		m.Faults[wireName(f.Field)] = f.Detail
	}
	if m.Faults == nil {
		m.Detail = e.Message
	}
	return &m
}

// wireNames says what the vendor calls the members in which the core finds
// faults. All others have one name.
var wireNames = map[string]string{
	"budget/limit_micros":  "limit",
	"budget/reset":         "limit_reset",
	"budget/counts_byok":   "include_byok_in_limit",
	"external_id":          "external/user",
	"identity":             "external/user",
	"extra/" + dialectName: "creator_user_id",
}

func wireName(field string) string {
	if name, ok := wireNames[field]; ok {
		return name
	}
	return field
}
