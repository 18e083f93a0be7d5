package native

import (
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"latchkey/internal/httpapi"
	"latchkey/internal/keys"
	"latchkey/internal/token"
)

// someSecret is one of ours, which its checksum tells.
var someSecret = token.Form{Prefix: "lk", Format: token.Latchkey, Length: 30}.Mint().Reveal()

// sameAsPatient reports where what a fast way of decoding took is not what
// [httpapi.Decode] takes.
func sameAsPatient[T any](t interface{ Fatalf(string, ...any) }, body []byte, fast T, err error, faults int) {
	var patient T
	want := httpapi.Decode(body, &patient, httpapi.Decoding{})
	if refused := err != nil || faults > 0; refused != (want != nil) {
		t.Fatalf("%s: refused is %t (%v), and the patient decoder says %v", body, refused, err, want)
	}
	if want == nil && !alike(reflect.ValueOf(fast), reflect.ValueOf(patient)) {
		t.Fatalf("%s: read as %+v, and by the patient decoder as %+v", body, fast, patient)
	}
}

// alike is [reflect.DeepEqual] for which an empty list is like none.
func alike(a, b reflect.Value) bool {
	switch a.Kind() {
	case reflect.Slice:
		if a.Len() != b.Len() {
			return false
		}
		for i := range a.Len() {
			if !alike(a.Index(i), b.Index(i)) {
				return false
			}
		}
		return true
	case reflect.Struct:
		for i := range a.NumField() {
			if !alike(a.Field(i), b.Field(i)) {
				return false
			}
		}
		return true
	}
	return reflect.DeepEqual(a.Interface(), b.Interface())
}

func checkDecodeVerify(t interface{ Fatalf(string, ...any) }, body []byte) {
	var wire verifyBody
	faults, err := decodeVerify(body, &wire)
	sameAsPatient(t, body, wire, err, len(faults))
	if err != nil && !keys.Is(err, keys.Invalid) {
		t.Fatalf("%s: %v", body, err)
	}
	if err == nil {
		var req keys.VerifyRequest
		wire.ask(&req, &faults) // which must not panic, whatever is wrong
	}
}

// members draws the inside of an object: names that are right, wrong, in
// another case or escaped, some twice.
func members(names []string, value *rapid.Generator[string]) *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		var parts []string
		for range rapid.IntRange(0, 4).Draw(t, "members") {
			name := rapid.SampledFrom(names).Draw(t, "name")
			parts = append(parts, `"`+name+`":`+value.Draw(t, name))
		}
		return "{" + strings.Join(parts, rapid.SampledFrom([]string{",", " ,\n", ",,"}).Draw(t, "comma")) + "}"
	})
}

var jsonValues = []string{
	`"x"`, `""`, `"null"`, `null`, `true`, `0`, `1`, `-0`, `-1`, `1.0`, `1e3`, `1.5`, `9223372036854775807`, `9223372036854775808`, `12345678901234567890123`,
	`[]`, `{}`, `["a"]`, `["a","b"]`, `[null]`, `[1]`, `[""]`, `[["a"]]`, `{"a":1,"a":2}`, `"\u00e9\u2028"`, `"\ud800"`, "\"\xff\"", "\"a\nb\"",
	`"docs.read AND docs.write"`, `"a-word-that-is-long-enough"`, `"` + someSecret + `"`, `["` + someSecret + `"]`, `"1m"`, `"10.0.0.1"`, `nul`, `"`, `01`, ` "x" `, "\"\x7f\"", `"\""`, `"\\"`, `["1","2","3","4","5","6","7","8","9","10","11","12","13","14","15","16","17","18","19","20","21"]`,
}

var (
	jsonValue   = rapid.SampledFrom(jsonValues)
	verifyNames = []string{"key", "Key", "k\\u0065y", "keyspace", "permissions", "cost", "limits", "lease_ttl", "ip", "tags", "min_revision", "extra"}
	limitNames  = []string{"name", "Name", "cost", "max", "window", "algorithm", "n\\u0061me", "extra"}
)

var limitValue = rapid.OneOf(jsonValue,
	members(limitNames, jsonValue),
	rapid.Just(`{"name":"requests"}`))

var limitsValue = rapid.Map(rapid.SliceOfN(limitValue, 0, 3), func(l []string) string { return "[" + strings.Join(l, ",") + "]" })

var verifyValue = rapid.Custom(func(t *rapid.T) string {
	good := `{"key":"` + rapid.SampledFrom([]string{"x", someSecret, "null"}).Draw(t, "key") + `"`
	rest := members(verifyNames,
		rapid.OneOf(jsonValue, limitsValue)).Draw(t, "rest")
	return rapid.SampledFrom([]string{rest, good + "," + rest[1:], good + "}", good + "} ", good + "} {}", rest + "x", good + `,"key":"x"}`}).Draw(t, "body")
})

// TestDecodeVerify holds the fast ways of reading a verification against the
// patient one: every value in the place of every member, and what is drawn.
func TestDecodeVerify(t *testing.T) {
	for _, value := range jsonValues {
		for _, body := range []string{value, `{"key":` + value + `}`, ` { "key" : ` + value + ` } `, `{"key":"x","limits":[` + value + `]}`, `{"key":"x","tags":[` + value + `]}`} {
			checkDecodeVerify(t, []byte(body))
		}
		for _, name := range verifyNames {
			checkDecodeVerify(t, []byte(`{"key":"x","`+name+`":`+value+`}`))
			checkDecodeVerify(t, []byte(`{"`+name+`":`+value+`,"key":"x"}`))
		}
		for _, name := range limitNames {
			checkDecodeVerify(t, []byte(`{"key":"x","limits":[{"name":"a"},{"`+name+`":`+value+`}]}`))
			checkDecodeVerify(t, []byte(`{"key":"x","limits":[{"name":"a","`+name+`":`+value+`}]}`))
		}
	}
	checkDecodeVerify(t, []byte(`{"key":"x","tags":["a"`+strings.Repeat(`,"a"`, 10_000)+`]}`))
	rapid.Check(t, func(t *rapid.T) {
		checkDecodeVerify(t, []byte(verifyValue.Draw(t, "body")))
	})
}

// TestDecodeBatch does so for batches, where the faults of one request are not
// those of the whole.
func TestDecodeBatch(t *testing.T) {
	for _, value := range jsonValues {
		for _, body := range []string{value, `{"requests":` + value + `}`, `{"requests":[` + value + `]}`, `{"requests":[{"key":"x"},{"key":` + value + `}]}`,
			`{"requests":[{"key":"x"}],"extra":` + value + `}`} {
			requests, faults, err := decodeBatch([]byte(body))
			if err == nil && len(requests) == 0 {
				t.Errorf("%s: an empty batch is taken", body)
			}
			if empty := requests != nil && len(requests) == 0; !empty {
				sameAsPatient(t, []byte(body), batchBody{requests}, err, len(faults))
			}
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		each := rapid.SliceOfN(rapid.OneOf(verifyValue, jsonValue), 0, 4).Draw(t, "requests")
		body := []byte(`{"requests":[` + strings.Join(each, ",") + `]}`)
		requests, faults, err := decodeBatch(body)
		if len(each) == 0 {
			if err == nil {
				t.Fatalf("an empty batch is taken")
			}
			return
		}
		n := 0
		for i, f := range faults {
			if n += len(f); i >= len(requests) {
				t.Fatalf("%s: a fault of request %d of %d", body, i, len(requests))
			}
		}
		sameAsPatient(t, body, batchBody{requests}, err, n)
	})
}

func FuzzDecodeVerify(f *testing.F) {
	for _, seed := range []string{
		`{"key":"x"}`, `{"key":"` + someSecret + `","cost":0,"limits":[{"name":"a","cost":1,"max":1,"window":"1m","algorithm":"gcra"}],"tags":["a"]}`,
		`{"key":"x","key":"y"}`, `{"k\u0065y":"x"}`, `{"KEY":"x"}`, `{"key":null}`, `{"key":"x","cost":1e3}`, `{"key":"x","limits":[null]}`,
		`{"key":"x","permissions":"a AND (b OR c)","keyspace":"p","ip":"::1","min_revision":1}`, `[]`, `null`, ``, `{"key":"x"}{}`, `{"key":"\ud800"}`,
		`{"key":"x","tags":["` + someSecret + `"]}`, `{"key":"x","limits":[{"name":""}]}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) { checkDecodeVerify(t, body) })
}
