package httpapi

import (
	stdjson "encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"

	"latchkey/internal/keys"
	"latchkey/internal/token"
)

// A order has a field of every sort that [Decode] tells apart.
type order struct {
	ID      string             `json:"id" required:"true"`
	Count   int64              `json:"count"`
	Ratio   float64            `json:"ratio"`
	Paid    bool               `json:"paid"`
	Note    *string            `json:"note"`
	Tags    []string           `json:"tags"`
	Items   []item             `json:"items"`
	Labels  map[string]int64   `json:"labels"`
	Meta    stdjson.RawMessage `json:"meta"`
	Value   jsontext.Value     `json:"value"`
	From    netip.Addr         `json:"from"`
	Colour  colour             `json:"colour"`
	Gift    Maybe[string]      `json:"gift"`
	Wrap    Maybe[item]        `json:"wrap"`
	Bytes   []byte             `json:"bytes"`
	Key     string             `json:"key" secret:"true"`
	Escaped string             `json:"a/b~c"`
	Hidden  string             `json:"-"`
	Ignored string
	shipping
}

type item struct {
	Name string `json:"name" required:"true"`
	Max  *int64 `json:"max" required:"true"`
}

type shipping struct {
	City string `json:"city"`
}

// A colour reads itself, from text or from a number.
type colour struct{ text string }

func (c *colour) UnmarshalJSON(b []byte) error {
	if string(b) == `"none"` {
		return errors.New("must be a colour")
	}
	if b[0] == '{' {
		return fmt.Errorf("cannot be %s", b)
	}
	c.text = string(b)
	return nil
}

// faultsOf returns the faults of an error as pointer and detail.
func faultsOf(t *testing.T, err error) []string {
	t.Helper()
	if err == nil {
		return nil
	}
	if !keys.Is(err, keys.Invalid) {
		t.Fatalf("the error is %v, want an invalid one", err)
	}
	var out []string
	for _, f := range keys.AsError(err).Faults {
		out = append(out, "/"+f.Field+" "+f.Detail)
	}
	return out
}

func TestDecode(t *testing.T) {
	n := int64(7)
	note := "n"
	for _, tt := range []struct {
		name, body string
		want       order
	}{
		{"least", `{"id":"a"}`, order{ID: "a"}},
		{"every sort", ` {"id":"a","count":-9223372036854775808,"ratio":1.5e3,"paid":true,"note":"n","tags":["x","y"],
			"items":[{"name":"i","max":7}],"labels":{"l":1},"meta":{"b": [1, 2.50], "a": "\u00e9"},"value":"v","from":"::1",
			"colour":7,"gift":"g","wrap":{"name":"w","max":7},"bytes":"aGk=","a/b~c":"e","city":"c"} `, order{
			ID: "a", Count: -9223372036854775808, Ratio: 1500, Paid: true, Note: &note, Tags: []string{"x", "y"},
			Items: []item{{"i", &n}}, Labels: map[string]int64{"l": 1}, Meta: stdjson.RawMessage(`{"b":[1,2.50],"a":"\u00e9"}`),
			Value: jsontext.Value(`"v"`), From: netip.IPv6Loopback(), Colour: colour{"7"}, Gift: Maybe[string]{"g", true, false},
			Wrap: Maybe[item]{item{"w", &n}, true, false}, Bytes: []byte("hi"), Escaped: "e", shipping: shipping{"c"},
		}},
		{"null where it can be", `{"id":"a","note":null,"tags":null,"items":null,"labels":null,"meta":null,"value":null,"gift":null,"wrap":null,"bytes":null}`,
			order{ID: "a", Tags: []string{}, Items: []item{}, Meta: stdjson.RawMessage("null"), Value: jsontext.Value("null"),
				Gift: Maybe[string]{"", true, true}, Wrap: Maybe[item]{item{}, true, true}}},
		{"empty where it can be", `{"id":"","tags":[],"items":[],"labels":{},"meta":{},"gift":""}`,
			order{Tags: []string{}, Items: []item{}, Labels: map[string]int64{}, Meta: stdjson.RawMessage("{}"), Gift: Maybe[string]{"", true, false}}},
		{"escapes in names", `{"\u0069d":"a"}`, order{ID: "a"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var got order
			if err := Decode([]byte(tt.body), &got, Decoding{}); err != nil {
				t.Fatal(faultsOf(t, err))
			}
			if diff := cmp.Diff(tt.want, got, cmp.AllowUnexported(order{}, colour{}),
				cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestDecodeFaults(t *testing.T) {
	unknown := "is no member that is known here"
	for _, tt := range []struct {
		name, body string
		want       []string
	}{
		{"all at once", `{"count":"1","ratio":[],"paid":0,"tags":[1,"x",null],"items":[{"name":5},7,{}],"labels":[],"from":5,"gift":3,"wrap":[],"city":{},"x":1}`, []string{
			"/count must be an integer, at most 19 digits", "/ratio must be a number", "/paid must be true or false",
			"/tags/0 must be text", "/tags/2 must not be null", "/items/0/name must be text", "/items/0/max is required",
			"/items/1 must be an object", "/items/2/name is required", "/items/2/max is required", "/labels must be an object",
			"/from must be text", "/gift must be text", "/wrap must be an object", "/city must be text", "/x " + unknown, "/id is required",
		}},
		{"nulls", `{"id":null,"count":null,"ratio":null,"paid":null,"from":null,"colour":null,"items":[null,{"name":null,"max":null}],"labels":{"l":null},"city":null}`, []string{
			"/id must not be null", "/count must not be null", "/ratio must not be null", "/paid must not be null", "/from must not be null",
			"/colour must not be null", "/items/0 must be an object", "/items/1/name must not be null", "/city must not be null",
		}},
		{"an absent member's pointer is where it would stand", `{"id":"a","wrap":{}}`, []string{"/wrap/name is required", "/wrap/max is required"}},
		{"pointers are escaped", `{"id":"a","a/b~c":1,"~/":2,"":3}`, []string{"/a~1b~0c must be text", "/~0~1 " + unknown, "/ " + unknown}},
		{"twice", `{"id":"a","id":"b","x":1,"x":2,"wrap":{"name":"n","name":5,"max":1}}`, []string{
			"/id is given twice", "/x " + unknown, "/x is given twice", "/wrap/name is given twice"}},
		{"twice by an escape", `{"id":"a","\u0069d":"b"}`, []string{"/id is given twice"}},
		{"twice in what is kept", `{"id":"a","meta":{"a":{"b":1,"b":2}},"value":[{"c":1,"c":1}],"labels":{"d":1,"d":1}}`, []string{
			"/meta names a member twice", "/value names a member twice", "/labels names a member twice"}},
		{"names have a case", `{"ID":"a"}`, []string{"/ID " + unknown, "/id is required"}},
		{"names of fields are not members", `{"id":"a","Ignored":"x","Hidden":"x","-":"x","shipping":{}}`, []string{
			"/Ignored " + unknown, "/Hidden " + unknown, "/- " + unknown, "/shipping " + unknown}},
		{"integers", `{"id":"a","count":1.5}`, []string{"/count must be an integer, at most 19 digits"}},
		{"integers beyond", `{"id":"a","count":9223372036854775808}`, []string{"/count must be an integer, at most 19 digits"}},
		{"integers as powers", `{"id":"a","count":1e3}`, []string{"/count must be an integer, at most 19 digits"}},
		{"numbers beyond", `{"id":"a","ratio":1e999}`, []string{"/ratio must be a number"}},
		{"what a type says of itself", `{"id":"a","colour":"none"}`, []string{"/colour must be a colour"}},
		{"what a type repeats", `{"id":"a","from":"lk_hunter2","colour":{"hunter2":1}}`, []string{"/from is not well formed", "/colour is not well formed"}},
		{"a list for an object", `[]`, []string{"/ must be an object"}},
		{"text for an object", `"hunter2"`, []string{"/ must be an object"}},
		{"null for an object", `null`, []string{"/ must be an object"}},
		{"not base64", `{"id":"a","bytes":"?"}`, []string{"/bytes has the wrong type"}},
		{"a long name", `{"id":"a","` + strings.Repeat("hunter2", 5) + `":1}`, []string{"/… " + unknown}},
		{"a long name twice", `{"id":"a","` + strings.Repeat("hunter2", 5) + `":1,"` + strings.Repeat("hunter2", 5) + `":1}`, []string{"/… " + unknown, "/… is given twice"}},

		{"empty", ``, []string{"/ the body is empty; a JSON object is wanted"}},
		{"white", " \r\n\t", []string{"/ the body is empty; a JSON object is wanted"}},
		{"two values", `{"id":"a"} {"id":"b"}`, []string{"/ the body holds more than one JSON value"}},
		{"something behind", `{"id":"a"}}`, []string{"/ the body holds more than one JSON value"}},
		{"no name", `{"id":"a",}`, []string{"/ the body is not valid JSON, at byte 9"}},
		{"a name without a value", `{"id"}`, []string{"/ the body is not valid JSON, at byte 5"}},
		{"a comment", `{"id":"a"/* hunter2 */}`, []string{"/ the body is not valid JSON, at byte 9"}},
		{"a byte order mark", "\ufeff{}", []string{"/ the body is not valid JSON, at byte 0"}},
		{"no JSON", `id=hunter2`, []string{"/ the body is not valid JSON, at byte 0"}},
		{"single quotes", `{'id':'a'}`, []string{"/ the body is not valid JSON, at byte 1"}},
		{"a number with a leading zero", `{"count":01}`, []string{"/ the body is not valid JSON, at byte 10"}},
		{"a control character", "{\"id\":\"\x00\"}", []string{"/ the body is not valid JSON, at byte 7"}},
		{"no UTF-8", "{\"id\":\"\xff\"}", []string{"/ the body is not valid UTF-8"}},
		{"no UTF-8 in a name", "{\"\xff\":1}", []string{"/ the body is not valid UTF-8"}},
		{"no UTF-8 in what is kept", "{\"meta\":{\"\xff\":1}}", []string{"/ the body is not valid UTF-8"}},
		{"half a surrogate", `{"id":"\ud800"}`, []string{"/ the body is not valid JSON, at byte 7"}},
		{"faults before what is no JSON", `{"x":1,"count":"a",`, []string{"/ the body is not valid JSON, at byte 19"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := Decode([]byte(tt.body), new(order), Decoding{})
			if diff := cmp.Diff(tt.want, faultsOf(t, err)); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tt.body, diff)
			}
			if text := fmt.Sprint(err); strings.Contains(text, "hunter2") {
				t.Errorf("what was sent is repeated: %s", text)
			}
		})
	}
}

// TestDecodeTruncated cuts a body at every byte.
func TestDecodeTruncated(t *testing.T) {
	whole := `{"id":"a","count":12,"note":null,"tags":["x","\u00e9"],"items":[{"name":"i","max":7}],"labels":{"l":1},"meta":{"b":[true]},` +
		`"from":"::1","gift":null,"wrap":{"name":"w","max":7},"paid":false,"zz":{"q":[]}}`
	if err := Decode([]byte(whole), new(order), Decoding{Lenient: true}); err != nil {
		t.Fatal(faultsOf(t, err))
	}
	for n := range len(whole) {
		for _, lenient := range []bool{false, true} {
			got := faultsOf(t, Decode([]byte(whole[:n]), new(order), Decoding{Lenient: lenient}))
			if len(got) != 1 || !strings.HasPrefix(got[0], "/ the body is ") {
				t.Errorf("%q: got %q, want one fault of the body", whole[:n], got)
			}
		}
	}
}

func TestDecodeLenient(t *testing.T) {
	body := `{"id":"a","x":{"id":1,"id":2},"y":[[[]]],"x":1,"wrap":{"name":"w","max":1,"z":null}}`
	var got order
	want := []string{"/x is given twice"}
	if faults := faultsOf(t, Decode([]byte(body), &got, Decoding{Lenient: true})); !slices.Equal(faults, want) || got.ID != "a" || got.Wrap.Value.Name != "w" {
		t.Errorf("got %+v, %q; want only %q", got, faults, want)
	}
}

func TestDecodeEmpty(t *testing.T) {
	for _, body := range []string{"", " \n", "{}"} {
		var in struct {
			Note string `json:"note"`
		}
		if err := Decode([]byte(body), &in, Decoding{Empty: true}); err != nil {
			t.Errorf("%q: %v", body, err)
		}
	}
	if got := faultsOf(t, Decode(nil, new(order), Decoding{Empty: true})); !slices.Equal(got, []string{"/id is required"}) {
		t.Errorf("got %q, want that id is required", got)
	}
}

// TestDecodeMisplacedSecret puts a secret where it does not belong.
func TestDecodeMisplacedSecret(t *testing.T) {
	secret := token.Form{Prefix: "lk", Format: token.Latchkey, Length: 30}.Mint().Reveal()
	escaped := fmt.Sprintf(`\u%04x`, secret[0]) + secret[1:]
	for name, tt := range map[string]struct{ body, want string }{
		"in its place":       {`{"id":"a","key":"` + secret + `"}`, ""},
		"as a text":          {`{"id":"` + secret + `"}`, "/id"},
		"by an escape":       {`{"id":"` + escaped + `"}`, "/id"},
		"among other words":  {`{"id":"Bearer ` + secret + `, please"}`, "/id"},
		"in a list":          {`{"id":"a","tags":["x","` + secret + `"]}`, "/tags/1"},
		"after its place":    {`{"id":"a","key":"` + secret + `","note":"` + secret + `"}`, "/note"},
		"in a map":           {`{"id":"a","labels":{"` + secret + `":1}}`, "/labels"},
		"in what is kept":    {`{"id":"a","meta":{"deep":[{"x":"` + escaped + `"}]}}`, "/meta"},
		"as a name in it":    {`{"id":"a","value":{"` + secret + `":1}}`, "/value"},
		"in an optional":     {`{"id":"a","gift":"` + secret + `"}`, "/gift"},
		"as an unknown name": {`{"id":"a","` + secret + `":1}`, "/…"},
		"a character off":    {`{"id":"` + secret[:len(secret)-1] + `!"}`, ""},
	} {
		err := Decode([]byte(tt.body), new(order), Decoding{})
		got := faultsOf(t, err)
		if tt.want == "" && err != nil || tt.want != "" && (len(got) != 1 || !strings.HasPrefix(got[0], tt.want+" ")) {
			t.Errorf("%s: got %q, want a fault at %q", name, got, tt.want)
		}
		if strings.Contains(fmt.Sprint(err), secret) {
			t.Errorf("%s: the secret is repeated: %v", name, err)
		}
	}
}

// TestDecodeNUL puts U+0000 into every sort of text. What is passed over may
// have it, and a backslash before "u0000" is no such character.
func TestDecodeNUL(t *testing.T) {
	for name, tt := range map[string]struct{ body, want string }{
		"as a text":         {`{"id":"a\u0000"}`, "/id"},
		"in a list":         {`{"id":"a","tags":["x","\u0000"]}`, "/tags/1"},
		"in an object":      {`{"id":"a","items":[{"name":"\u0000","max":1}]}`, "/items/0/name"},
		"in a map":          {`{"id":"a","labels":{"\u0000":1}}`, "/labels"},
		"in what is kept":   {`{"id":"a","meta":{"deep":[{"x":"a\u0000b"}]}}`, "/meta"},
		"as a name in it":   {`{"id":"a","value":{"\u0000":1}}`, "/value"},
		"in an optional":    {`{"id":"a","gift":"\u0000"}`, "/gift"},
		"in a secret":       {`{"id":"a","key":"\u0000"}`, "/key"},
		"in what is read":   {`{"id":"a","from":"\u0000"}`, "/from"},
		"a backslash":       {`{"id":"\\u0000","meta":{"\\u0000":"\\u0000"}}`, ""},
		"two backslashes":   {`{"id":"\\\u0000"}`, "/id"},
		"what is not known": {`{"id":"a","x":"\u0000"}`, ""},
	} {
		err := Decode([]byte(tt.body), new(order), Decoding{Lenient: true})
		got := faultsOf(t, err)
		if tt.want == "" && err != nil || tt.want != "" && !slices.Equal(got, []string{tt.want + " holds the character U+0000, which cannot be kept"}) {
			t.Errorf("%s: got %q, want one fault at %q", name, got, tt.want)
		}
	}
}

// TestDecodeBounds sends bodies that are made to cost more than their size.
func TestDecodeBounds(t *testing.T) {
	many := func(n int, part func(i int) string) string {
		parts := make([]string, n)
		for i := range parts {
			parts[i] = part(i)
		}
		return strings.Join(parts, ",")
	}
	deep := func(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }
	for _, tt := range []struct {
		name, body string
		faults     int
		last       string
	}{
		{"10,000 members", `{` + many(10_000, func(i int) string { return fmt.Sprintf(`"m%d":1`, i) }) + `}`, 101, "there is more"},
		{"one member 10,000 times", `{` + many(10_000, func(int) string { return `"m":1` }) + `}`, 101, "there is more"},
		{"100 faults", `{"id":"a","tags":[` + many(100, func(int) string { return "1" }) + `]}`, 100, "must be text"},
		{"101 faults", `{"id":"a","tags":[` + many(101, func(int) string { return "1" }) + `]}`, 101, "there is more"},
		{"a million faulty items", `{"items":[` + many(1_000_000, func(int) string { return "1" }) + `]}`, 101, "there is more"},
		{"items without what is required", `{"items":[` + many(100_000, func(int) string { return "{}" }) + `]}`, 101, "there is more"},
		{"10,000 entries", `{"id":"a","tags":[` + many(10_000, func(int) string { return `""` }) + `]}`, 0, ""},
		{"10,001 entries", `{"id":"a","tags":[` + many(10_001, func(int) string { return `""` }) + `]}`, 1, "must be at most 10000 entries"},
		{"deep in what is kept", `{"id":"a","meta":` + deep(9_000) + `}`, 0, ""},
		{"too deep in what is kept", `{"id":"a","meta":` + deep(20_000) + `}`, 1, "is not valid JSON"},
		{"too deep in what is passed over", `{"id":"a","x":` + deep(20_000) + `}`, 1, "is not valid JSON"},
		{"too deep in the wrong place", `{"id":` + deep(20_000) + `}`, 1, "is not valid JSON"},
		{"too deep and never closed", strings.Repeat(`{"wrap":`, 20_000), 1, "is not valid JSON"},
		{"long text", `{"id":"` + strings.Repeat("a", 1<<20) + `"}`, 0, ""},
		{"a number of a million digits", `{"id":"a","count":` + strings.Repeat("9", 1_000_000) + `}`, 1, "must be an integer"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := faultsOf(t, Decode([]byte(tt.body), new(order), Decoding{}))
			if allocs := testing.AllocsPerRun(1, func() { _ = Decode([]byte(tt.body), new(order), Decoding{}) }); tt.faults > 100 && allocs > 5_000 {
				t.Errorf("it took %v allocations to tell the first hundred", allocs)
			}
			if len(got) != tt.faults || tt.faults > 0 && !strings.Contains(got[len(got)-1], tt.last) {
				t.Errorf("got %d faults, the last %q; want %d, the last %q", len(got), got[max(0, len(got)-1):], tt.faults, tt.last)
			}
		})
	}
}
