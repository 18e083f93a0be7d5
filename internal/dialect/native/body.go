package native

import (
	"bytes"
	"net/http"
	"slices"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"latchkey/internal/httpapi"
	"latchkey/internal/keys"
)

// body reads and decodes a JSON body. What is wrong with members of it comes
// back as faults, to be told with all else that is wrong.
func body(r *http.Request, v any, types ...string) (keys.Faults, error) {
	if err := checkType(r, types...); err != nil {
		return nil, err
	}
	b, err := httpapi.ReadBody(r, 0)
	if err != nil {
		return nil, err
	}
	return memberFaults(httpapi.Decode(b, v, httpapi.Decoding{}))
}

// optionalBody is [body] for calls whose body may be left out.
func optionalBody(r *http.Request, v any) (keys.Faults, error) {
	b, err := httpapi.ReadBody(r, 0)
	if err != nil || len(b) == 0 {
		return nil, err
	}
	if err := checkType(r); err != nil {
		return nil, err
	}
	return memberFaults(httpapi.Decode(b, v, httpapi.Decoding{Empty: true}))
}

// noBody refuses a body other than {} where a call takes none.
func noBody(r *http.Request) error {
	faults, err := optionalBody(r, &struct{}{})
	if err != nil {
		return err
	}
	return faults.Err()
}

// memberFaults returns what is wrong with single members. A body that is wrong
// as a whole is an error: there is nothing more to be said of it.
func memberFaults(err error) (keys.Faults, error) {
	if err == nil {
		return nil, nil
	}
	faults := keys.AsError(err).Faults
	if len(faults) == 0 || slices.ContainsFunc(faults, func(f keys.Fault) bool { return f.Field == "" }) {
		return nil, err
	}
	return faults, nil
}

func checkType(r *http.Request, also ...string) error {
	t := httpapi.MediaType(r)
	if t == "application/json" || t == "" || slices.Contains(also, t) {
		return nil
	}
	return keys.Errorf(httpapi.UnsupportedMedia, "the body must be application/json (curl sends it so with --json)")
}

// sameJSON reports whether v is what was sent, as JSON values.
func sameJSON(sent jsontext.Value, v any) bool {
	have, err := json.Marshal(v)
	if err != nil {
		return false
	}
	return canonical(sent) == canonical(have)
}

// canonical returns a JSON value in one form, whatever the order of its
// members, its space and the escapes in its texts; or the body itself where it
// is no JSON. Integers keep all their digits.
func canonical(body []byte) string {
	v := jsontext.Value(bytes.Clone(body))
	err := v.Canonicalize(jsontext.CanonicalizeRawInts(false))
	if err != nil {
		return string(body)
	}
	return string(v)
}
