package unkey

import (
	"strconv"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"pgregory.net/rapid"

	"latchkey/internal/keys"
)

// A term is a query as this test draws it: a name, or an operator over terms of
// which nil ones are written as null.
type term struct {
	name string
	op   string
	kids []*term
}

func (q *term) document() any {
	if q == nil {
		return nil
	}
	if q.op == "" {
		return q.name
	}
	kids := []any{}
	for _, k := range q.kids {
		kids = append(kids, k.document())
	}
	return map[string]any{q.op: kids}
}

// allows says once more what a query asks for.
func (q *term) allows(held []string) bool {
	if q.op == "" {
		for _, h := range held {
			if h == q.name {
				return true
			}
		}
		return false
	}
	for _, k := range q.kids {
		if k != nil && k.allows(held) == (q.op == "or") {
			return q.op == "or"
		}
	}
	return q.op == "and"
}

var names = []string{"a", "b", "docs.read", "docs.*", "*", "and", "or", "no name", "é"}

func drawTerm(t *rapid.T, depth int) *term {
	if depth == 0 || rapid.Bool().Draw(t, "leaf") {
		return &term{name: rapid.SampledFrom(names).Draw(t, "name")}
	}
	q := &term{op: rapid.SampledFrom([]string{"and", "or"}).Draw(t, "op")}
	n := rapid.IntRange(1, 3).Draw(t, "kids")
	for range n {
		q.kids = append(q.kids, drawTerm(t, depth-1))
		if rapid.Bool().Draw(t, "null") {
			q.kids = append(q.kids, nil)
		}
	}
	return q
}

func TestQueryMeansWhatItSays(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		q := drawTerm(t, 4)
		held := rapid.SliceOfN(rapid.SampledFrom(names), 0, 4).Draw(t, "held")
		doc, err := json.Marshal(q.document())
		if err != nil {
			t.Fatal(err)
		}
		parsed, err := parseQuery(doc)
		if err != nil {
			t.Fatalf("%s: %v", doc, err)
		}
		if got := parsed.Allows(held, false); got != q.allows(held) {
			t.Fatalf("%s of %q: %v, want %v", doc, held, got, !got)
		}
		if more := append(held, rapid.SampledFrom(names).Draw(t, "more")); parsed.Allows(held, false) && !parsed.Allows(more, false) {
			t.Fatalf("%s: %q is enough, and %q is not", doc, held, more)
		}
	})
}

func TestQueryBounds(t *testing.T) {
	nested := func(n int) jsontext.Value {
		return jsontext.Value(strings.Repeat(`{"and":[`, n) + `"a"` + strings.Repeat(`]}`, n))
	}
	wide := func(n int) jsontext.Value {
		var names []string
		for i := range n {
			names = append(names, `"p`+strconv.Itoa(i)+`"`)
		}
		return jsontext.Value(`{"or":[` + strings.Join(names, ",") + `]}`)
	}
	for name, c := range map[string]struct {
		doc jsontext.Value
		ok  bool
	}{
		"as deep as may be": {nested(maxNesting), true},
		"deeper":            {nested(maxNesting + 1), false},
		"as deep as a body": {nested(7000), false},
		"as wide as may be": {wide(maxTerms), true},
		"wider":             {wide(maxTerms + 1), false},
	} {
		q, err := parseQuery(c.doc)
		if (err == nil) != c.ok || c.ok && !q.Allows([]string{"a", "p7"}, false) {
			t.Errorf("%s: %v", name, err)
		}
		if err != nil && !keys.Is(err, keys.Invalid) {
			t.Errorf("%s: %v is not the caller's fault", name, err)
		}
		if err != nil && len(err.Error()) > 400 {
			t.Errorf("%s: the message has %d characters", name, len(err.Error()))
		}
	}
}

// FuzzQuery states that no document breaks the reader, and that what it accepts
// asks for something.
func FuzzQuery(f *testing.F) {
	for _, seed := range []string{
		`"a"`, `{"and":["a",{"or":["b",null]}]}`, `{"and":[],"or":[]}`, `{"x":1}`, `[]`, `null`, `7`, `{"or":[{"and":[null]}]}`, `"\ud800"`, `{"and":{"and":1}}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, doc []byte) {
		v := jsontext.Value(doc)
		if !v.IsValid() || v.Compact() != nil {
			return
		}
		q, err := parseQuery(v)
		if err != nil && !keys.Is(err, keys.Invalid) {
			t.Fatalf("%s: %v", v, err)
		}
		if err == nil && v.Kind() != 'n' && q.Allows(nil, false) {
			t.Fatalf("%s: anybody is allowed", v)
		}
	})
}
