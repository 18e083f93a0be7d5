package tatry

import (
	"errors"
	"net/http"

	"latchkey/internal/httpapi"
	"latchkey/internal/keys"
)

// expiredKey is a code that this API alone has: an expired key is told apart
// from all others that are not good.
const expiredKey keys.Code = "expired_key"

// A problem is how a code is answered.
type problem struct {
	status  int
	code    string
	message string // "": that of the error
}

// problems has the vendor's words where it has any; the others are named in
// its manner.
var problems = map[keys.Code]problem{
	keys.Unauthenticated:     {http.StatusUnauthorized, "auth_invalid_key", "Invalid API key provided"},
	expiredKey:               {http.StatusUnauthorized, "auth_expired_key", "API key has expired"},
	keys.Forbidden:           {http.StatusForbidden, "auth_permission_denied", "Insufficient permissions"},
	keys.Invalid:             {http.StatusBadRequest, "invalid_request", ""},
	keys.NotFound:            {http.StatusNotFound, "not_found", ""},
	httpapi.MethodNotAllowed: {http.StatusMethodNotAllowed, "method_not_allowed", ""},
	keys.Conflict:            {http.StatusConflict, "conflict", ""},
	keys.Precondition:        {http.StatusPreconditionFailed, "precondition_failed", ""},
	httpapi.TooLarge:         {http.StatusRequestEntityTooLarge, "request_too_large", ""},
	httpapi.UnsupportedMedia: {http.StatusUnsupportedMediaType, "unsupported_media_type", ""},
	keys.Throttled:           {http.StatusTooManyRequests, "rate_limit_exceeded", ""},
	keys.Internal:            {http.StatusInternalServerError, "internal_error", ""},
	keys.Unavailable:         {http.StatusServiceUnavailable, "service_unavailable", ""},
}

// verdicts says by which code a refusal is answered. The last three are not
// reached, since to show a key takes nothing.
var verdicts = map[keys.Outcome]keys.Code{
	keys.KeyNotFound:             keys.Unauthenticated,
	keys.WorkspaceDisabled:       keys.Unauthenticated,
	keys.OwnerDisabled:           keys.Unauthenticated,
	keys.Disabled:                keys.Unauthenticated,
	keys.WrongKeyspace:           keys.Unauthenticated,
	keys.Expired:                 expiredKey,
	keys.AddressRefused:          keys.Forbidden,
	keys.InsufficientPermissions: keys.Forbidden,
	keys.RateLimited:             keys.Throttled,
	keys.CreditsExhausted:        keys.Throttled,
	keys.BudgetExhausted:         keys.Throttled,
}

// A refusal is the cause of an error whose details the vendor describes.
type refusal struct{ details any }

func (refusal) Error() string { return "the key was refused" }

type invalidDetails struct {
	Status string `json:"key_status"`
}

type expiredDetails struct {
	At string `json:"expired_at"`
}

type deniedDetails struct {
	Required []string `json:"required_permissions"`
	Current  []string `json:"current_permissions"`
}

// refused returns the error for a verification that was refused.
func refused(v *keys.Verification) *keys.Error {
	switch code := verdicts[v.Outcome]; code {
	case expiredKey:
		return refuse(code, expiredDetails{stamp(v.Record.ExpiresAt())})
	case keys.Forbidden:
		return denied(v.Missing.Names(), v.Record)
	default:
		return keys.Errorf(code, "the key was refused: %s", v.Outcome)
	}
}

// denied returns the error for a key that may not do what was asked. required
// is empty where no permission would help.
func denied(required []string, rec *keys.Record) *keys.Error {
	return refuse(keys.Forbidden, deniedDetails{required, rec.Permissions})
}

func refuse(code keys.Code, details any) *keys.Error {
	return &keys.Error{Code: code, Message: problems[code].message, Err: refusal{details}}
}

type failure struct {
	Status string      `json:"status"`
	Error  failureBody `json:"error"`
}

type failureBody struct {
	Code    string `json:"code"`
	Message string `json:"message"`
	Details any    `json:"details"`
}

// WriteError implements [httpapi.Dialect].
func (d *Dialect) WriteError(w http.ResponseWriter, _ *http.Request, e *keys.Error) {
	p, ok := problems[e.Code]
	if !ok {
		p = problems[keys.Internal]
	}
	if p.message == "" {
		p.message = e.Message
	}
	httpapi.SetErrorFields(w.Header(), p.status, e)
	body := failure{"error", failureBody{p.code, p.message, detailsOf(e)}}
	if err := httpapi.WriteJSON(w, p.status, "application/json", body); err != nil {
		w.WriteHeader(http.StatusInternalServerError)
	}
}

// detailsOf returns the details of an error: the vendor's where it has any,
// else what is wrong with which parameter.
func detailsOf(e *keys.Error) any {
	if r, ok := errors.AsType[refusal](e); ok {
		return r.details
	}
	switch e.Code {
	case keys.Unauthenticated:
		return invalidDetails{"invalid"}
	case keys.Forbidden:
		return deniedDetails{}
	}
	faults := map[string]string{} // parameter → what is wrong
	for _, f := range e.Faults {
		if f.Field != "" {
			faults[f.Field] = f.Detail
		}
	}
	return faults
}
