package keys

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"latchkey/internal/ratelimit"
)

// A Code says what kind of failure an [Error] is. Each dialect maps every code
// to a status and a body of its own.
type Code string

const (
	Invalid         Code = "invalid"             // the request cannot be right, whenever it is sent
	Unauthenticated Code = "unauthenticated"     // no caller, or one that is not known
	Forbidden       Code = "forbidden"           // a known caller without the permission
	NotFound        Code = "not_found"           // no such thing, or somebody else's
	Conflict        Code = "conflict"            // not in the present state
	Precondition    Code = "precondition_failed" // changed since the caller looked
	Throttled       Code = "rate_limited"        // the caller's own limits
	Unavailable     Code = "unavailable"         // could not be answered now
	Internal        Code = "internal"            // a fault of ours
)

// Codes lists every code, for tests that a mapping is whole.
var Codes = []Code{Invalid, Unauthenticated, Forbidden, NotFound, Conflict, Precondition, Throttled, Unavailable, Internal}

// An Error is a failure that the caller may be told about.
type Error struct {
	Code       Code
	Message    string        // safe to show to the caller
	Err        error         // for the log only; may be nil
	Faults     []Fault       // what was wrong and where, all at once; only with Invalid
	Missing    string        // the permission that the caller lacks; only with Forbidden
	Refused    Outcome       // what became of the caller's key; only with Unauthenticated, and Valid where it is not to blame
	RetryAfter time.Duration // when to try again; 0 where nobody knows

	Limits []ratelimit.Decision // how the caller's own limits stand; only with Throttled
}

// A Fault is one thing that is wrong with a request.
type Fault struct {
	Field    string // path to the member, such as "limits/0/window"
	Detail   string
	Position *int // in the member's text, counted from 0; nil where it does not apply
}

func (e *Error) Error() string {
	s := fmt.Sprintf("%s: %s", e.Code, e.Message)
	for _, f := range e.Faults {
		s += fmt.Sprintf("; %s: %s", f.Field, f.Detail)
	}
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

func (e *Error) Unwrap() error { return e.Err }

// Errorf returns an [Error] with the given code and message.
func Errorf(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// AsError returns the Error in err's tree, or an [Internal] one that hides err.
func AsError(err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	return &Error{Code: Internal, Message: "internal error", Err: err}
}

// Is reports whether err is an [Error] with the given code.
func Is(err error, code Code) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && e.Code == code
}

// Faults collects what is wrong with a request, so that all of it is told at
// once.
type Faults []Fault

// Add notes a fault in the member at field.
func (fs *Faults) Add(field, format string, args ...any) {
	*fs = append(*fs, Fault{Field: field, Detail: fmt.Sprintf(format, args...)})
}

// Merge adds more faults, but for those about members of which something was
// said already: a member of the wrong type is not also too short.
func (fs *Faults) Merge(more Faults) {
	said := slices.Clone(*fs)
	for _, f := range more {
		if !slices.ContainsFunc(said, func(s Fault) bool { return within(f.Field, s.Field) || within(s.Field, f.Field) }) {
			*fs = append(*fs, f)
		}
	}
}

// within reports whether the path of a member is that of another one or leads
// into it.
func within(inner, outer string) bool {
	rest, ok := strings.CutPrefix(inner, outer)
	return ok && (outer == "" || rest == "" || rest[0] == '/')
}

// Err returns the faults as one error, or nil when there are none.
func (fs Faults) Err() error {
	if len(fs) == 0 {
		return nil
	}
	msg := fs[0].Field + ": " + fs[0].Detail
	if fs[0].Field == "" {
		msg = fs[0].Detail
	}
	return &Error{Code: Invalid, Message: msg, Faults: fs}
}
