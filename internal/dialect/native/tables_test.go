package native

import (
	"reflect"
	"strings"
	"testing"

	"latchkey"
	"latchkey/internal/httpapi"
	"latchkey/internal/keys"
)

func TestEveryOutcome(t *testing.T) {
	for _, o := range keys.Outcomes {
		if outcomes[o] == "" {
			t.Errorf("the outcome %s has no word", o)
		}
		if (outcomes[o] == latchkey.Valid) != (o == keys.Valid) {
			t.Errorf("the outcome %s is called %s", o, outcomes[o])
		}
	}
	if len(outcomes) != len(keys.Outcomes) {
		t.Errorf("there are words for %d outcomes, want %d", len(outcomes), len(keys.Outcomes))
	}
}

func TestEveryCode(t *testing.T) {
	codes := append([]keys.Code{codeMismatch}, httpapi.Codes...)
	for _, code := range codes {
		p := problem(keys.Errorf(code, "why"), "req_1")
		kind, ok := problems[code]
		if !ok || kind.title == "" || kind.about == "" {
			t.Errorf("the code %s has no page", code)
		}
		if p.Code != string(code) || p.Status < 400 || p.Type != latchkey.BasePath+"/problems/"+string(code) || p.Title == "" {
			t.Errorf("the code %s is answered as %+v", code, p)
		}
	}
	if len(problems) != len(codes) {
		t.Errorf("there are pages for %d codes, want %d", len(problems), len(codes))
	}
	if p := problem(keys.Errorf("unheard_of", "why"), "req_1"); p.Code != "internal" || p.Status != 500 {
		t.Errorf("a code that is not in the table is answered as %+v", p)
	}
}

// TestMembers compares what may be sent with the wire types, which clients and
// the specification are made of.
func TestMembers(t *testing.T) {
	for _, tc := range []struct{ body, wire any }{
		{verifyBody{}, latchkey.VerifyRequest{}},
		{limitBody{}, latchkey.LimitRequest{}},
		{batchBody{}, latchkey.VerifyBatchRequest{}},
		{rotateBody{}, latchkey.RotateRequest{}},
	} {
		body, wire := membersOfType(tc.body), membersOfType(tc.wire)
		for name := range body {
			if !wire[name] {
				t.Errorf("%T has a member %s, and %T has not", tc.body, name, tc.wire)
			}
		}
		for name := range wire {
			if !body[name] {
				t.Errorf("%T has a member %s, and %T has not", tc.wire, name, tc.body)
			}
		}
	}
	// Anything seen in an answer can be sent back.
	for _, body := range []any{createKeyBody{}, updateKeyBody{}} {
		taken := membersOfType(body)
		for name := range membersOfType(latchkey.KeyWithSecret{}) {
			if !taken[name] {
				t.Errorf("%T has no member %s, which answers have", body, name)
			}
		}
	}
}

// membersOfType returns the names of the members of a struct.
func membersOfType(v any) map[string]bool {
	names := map[string]bool{}
	for _, f := range reflect.VisibleFields(reflect.TypeOf(v)) {
		if name, _, _ := strings.Cut(f.Tag.Get("json"), ","); name != "" && name != "-" {
			names[name] = true
		}
	}
	return names
}
