package httpapi

import (
	"bytes"
	stdjson "encoding/json"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"latchkey/internal/keys"
)

// A plainOrder has the fields of which encoding/json has the same notion.
type plainOrder struct {
	ID     string             `json:"id"`
	Count  int64              `json:"count"`
	Ratio  float64            `json:"ratio"`
	Paid   bool               `json:"paid"`
	Note   *string            `json:"note"`
	Tags   []string           `json:"tags"`
	Parts  []plainOrder       `json:"parts"`
	Labels map[string]int64   `json:"labels"`
	Meta   stdjson.RawMessage `json:"meta"`
	Value  *plainOrder        `json:"value"`
}

// FuzzDecode compares with encoding/json, which accepts more: what we accept it
// accepts as the same, and what it has accepted and written anew we accept, but
// for U+0000.
// Whatever else comes is told as a fault of the request.
func FuzzDecode(f *testing.F) {
	for _, seed := range []string{
		`{}`, `[]`, `null`, ``, `{"id":"a","count":-1,"ratio":1e-7,"paid":true,"note":null,"tags":["x","\ud83d\ude00"]}`,
		`{"parts":[{"id":"b","parts":[{}]},{"value":{"value":null}}],"labels":{"":0,"~/":9223372036854775807}}`,
		`{"meta":{"a":[1,2.50,{"b":null}],"\u0061":1},"meta":1}`, `{"ID":"x","count":1.0}`, `{"labels":null,"tags":[null]}`,
		"{\"id\":\"\xff\"}", `{"id":"\ud800"}`, `{"id":"\u0000"}`, `{"count":9223372036854775808}`, `{"a":{"b":[[[[{}]]]]}} {}`,
	} {
		f.Add([]byte(seed), false)
		f.Add([]byte(seed), true)
	}
	f.Fuzz(func(t *testing.T, body []byte, lenient bool) {
		var ours, theirs plainOrder
		err := Decode(body, &ours, Decoding{Lenient: lenient})
		if err != nil {
			if e := keys.AsError(err); e.Code != keys.Invalid || len(e.Faults) == 0 || len(e.Faults) > maxFaults+1 {
				t.Fatalf("the error is not one of an invalid request: %#v", err)
			}
		}
		d := stdjson.NewDecoder(bytes.NewReader(body))
		if !lenient {
			d.DisallowUnknownFields()
		}
		stdErr := d.Decode(&theirs)
		if err == nil && !lenient { // lenient, it passes over names that encoding/json takes in any case
			if stdErr != nil {
				t.Fatalf("accepted, and encoding/json says %v", stdErr)
			}
			same(t, theirs, ours)
		}
		if stdErr != nil {
			return
		}
		again, err := stdjson.Marshal(theirs)
		if err != nil || !jsontext.Value(again).IsValid() || MayHoldNUL(again) { // what is kept raw may name a member twice
			return
		}
		ours = plainOrder{}
		if err := Decode(again, &ours, Decoding{}); err != nil {
			t.Fatalf("%s: %v", again, err)
		}
		same(t, theirs, ours)
	})
}

func same(t *testing.T, theirs, ours plainOrder) {
	t.Helper()
	theirs.canonicalize()
	ours.canonicalize()
	if diff := cmp.Diff(theirs, ours, cmpopts.EquateEmpty()); diff != "" {
		t.Fatalf("it differs from encoding/json (-theirs +ours):\n%s", diff)
	}
}

// canonicalize writes what is kept raw in the one form that all ways of writing
// it have in common.
func (o *plainOrder) canonicalize() {
	if string(o.Meta) == "null" {
		o.Meta = nil
	}
	_ = (*jsontext.Value)(&o.Meta).Canonicalize()
	for i := range o.Parts {
		o.Parts[i].canonicalize()
	}
	if o.Value != nil {
		o.Value.canonicalize()
	}
}
