package permission

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestAllows(t *testing.T) {
	for _, tc := range []struct {
		query string
		held  string
		want  bool
	}{
		{"a", "a", true},
		{"a", "b", false},
		{"a", "", false},
		{"a AND b", "a b", true},
		{"a AND b", "a", false},
		{"a OR b", "b", true},
		{"a OR b", "c", false},
		{"a AND b OR c", "c", true},
		{"a AND b OR c", "a c", true},
		{"a AND (b OR c)", "c", false},
		{"a AND (b OR c)", "a c", true},
		{"a or b And c", "a", true},
		{"(a OR b) AND c", "a", false},
		{"(((a)))", "a", true},
		{"(a)and(b)", "a b", true},
		{"\ta\r\nAND\nb ", "a b", true},
		{"android OR oracle", "oracle", true},
		{"docs.read", "docs.*", true},
		{"docs.*", "docs.*", true},
		{"docs.*", "docs.read", false},
		{"a.b AND c.d", "*", true},
	} {
		q, err := Parse(tc.query)
		if err != nil {
			t.Errorf("Parse(%q): %v", tc.query, err)
			continue
		}
		if got := q.Allows(strings.Fields(tc.held), true); got != tc.want {
			t.Errorf("%q of %q = %v, want %v", tc.query, tc.held, got, tc.want)
		}
	}
}

func TestWildcardsAreLiteralUnlessAsked(t *testing.T) {
	q, _ := Parse("docs.read")
	if q.Allows([]string{"docs.*", "*"}, false) {
		t.Error("a literal * is held to be a wildcard")
	}
	star, _ := Parse("docs.*")
	if !star.Allows([]string{"docs.*"}, false) {
		t.Error("a literal * is not itself")
	}
}

func TestParseRefuses(t *testing.T) {
	for _, tc := range []struct {
		query    string
		position int
		message  string
	}{
		{"", 0, "a permission or an opening parenthesis, found the end"},
		{" \t\n", 3, "found the end"},
		{"and", 0, `found "and"`},
		{"a AND", 5, "found the end"},
		{"a AND OR b", 6, `found "OR"`},
		{"a b", 2, `AND, OR or the end, found a name`},
		{"(a", 2, "AND, OR or a closing parenthesis, found the end"},
		{"a)", 1, `found ")"`},
		{"()", 1, `a permission or an opening parenthesis, found ")"`},
		{"a AND é", 6, `found "é"`},
		{"a é b", 2, `found "é"`},
		{"éa", 0, `found "é"`},
		{"a AND (b OR \"c\")", 12, "found"},
		{"a OR " + strings.Repeat("n", 129), 5, "at most 128"},
		{strings.Repeat(" ", 1000) + "a", 1000, "at most 1000"},
		{"a\xff", 1, "found"},
	} {
		q, err := Parse(tc.query)
		syntax, ok := errors.AsType[*SyntaxError](err)
		if !ok || syntax.Position != tc.position || !strings.Contains(syntax.Message, tc.message) || !q.IsZero() {
			t.Errorf("Parse(%q) = %v; want %q at %d", tc.query, err, tc.message, tc.position)
		}
	}
	if _, err := Parse("a AND"); err == nil || !strings.HasSuffix(err.Error(), "at position 5") {
		t.Errorf("the error says %v, want its position", err)
	}
}

func TestParseBounds(t *testing.T) {
	for _, text := range []string{
		strings.Repeat("n", 128),
		strings.Repeat(" ", 999) + "a",
		strings.Repeat("(", 499) + "a" + strings.Repeat(")", 499),
	} {
		if _, err := Parse(text); err != nil {
			t.Errorf("Parse(%.20q…): %v", text, err)
		}
	}
	p := parser{text: "(a)"}
	p.advance()
	if _, err := p.or(maxNesting); err == nil || !strings.Contains(err.Error(), "within each other at position 0") {
		t.Errorf("one parenthesis too deep: %v", err)
	}
}

func TestNames(t *testing.T) {
	q, err := Parse("b AND (a OR b) AND c.* OR a")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"b", "a", "c.*"}, q.Names()); diff != "" {
		t.Error(diff)
	}
	if got := (Query{}).Names(); len(got) != 0 {
		t.Errorf("the zero Query names %q", got)
	}
}

func TestExactly(t *testing.T) {
	for text, held := range map[string]string{"docs.read": "docs.read", "and": "and", "no name": "no name", "": ""} {
		q := Exactly(text)
		if q.IsZero() || !q.Allows([]string{held}, false) || q.Allows([]string{"*", "docs.*", "other"}, false) {
			t.Errorf("Exactly(%q) does not ask for it", text)
		}
	}
	if q := Or(Exactly("no name"), Exactly("docs.read")); !q.Allows([]string{"docs.read"}, false) || q.Allows(nil, true) {
		t.Error("it cannot be joined")
	}
}

func TestZeroQuery(t *testing.T) {
	var q Query
	if !q.IsZero() || !q.Allows(nil, false) || q.String() != "" || q.Depth() != 0 {
		t.Error("the zero Query requires something")
	}
	if !And().IsZero() || !Or(Query{}, And()).IsZero() {
		t.Error("joining nothing requires something")
	}
}

func TestConstructors(t *testing.T) {
	name := func(s string) Query {
		t.Helper()
		q, err := Name(s)
		if err != nil {
			t.Fatal(err)
		}
		return q
	}
	a, b, c := name("a"), name("b"), name("c")
	for _, tc := range []struct {
		q     Query
		text  string
		depth int
	}{
		{a, "a", 1},
		{And(a, b), "a AND b", 2},
		{And(a, Query{}, Or(b, c)), "a AND (b OR c)", 3},
		{Or(And(a, b), c), "(a AND b) OR c", 3},
		{And(And(a, b), c), "(a AND b) AND c", 3},
		{And(Or(And(a))), "a", 4},
		{And(Or(a, b)), "a OR b", 3},
		{And(Or(And(a)), b), "a AND b", 4},
		{Or(And(Or(a, b)), c), "(a OR b) OR c", 4},
	} {
		if tc.q.String() != tc.text || tc.q.Depth() != tc.depth {
			t.Errorf("got %q of depth %d, want %q of %d", tc.q, tc.q.Depth(), tc.text, tc.depth)
		}
	}
	for _, bad := range []string{"", "a b", "and", "OR", "(a)", strings.Repeat("n", 129)} {
		if q, err := Name(bad); err == nil || !q.IsZero() {
			t.Errorf("Name(%q) = %q, %v; want an error", bad, q, err)
		}
	}
	parsed, err := Parse(" (a OR b) ")
	if err != nil || parsed.Depth() != 2 || parsed.String() != "(a OR b)" {
		t.Errorf("parsed %q of depth %d, %v", parsed, parsed.Depth(), err)
	}
}

func TestDeepQueries(t *testing.T) {
	q, _ := Name("a")
	for range 100_000 {
		q = And(q)
	}
	if !q.Allows([]string{"a"}, false) || q.Depth() != 100_001 || q.String() != "a" {
		t.Error("a deep query is not what it comes down to")
	}
}

// A formula is a query in its plainest form, for the test to evaluate itself.
type formula struct {
	op   string // "" for a name
	name string
	kids []formula
}

func (f formula) holds(held []string) bool {
	switch f.op {
	case "AND":
		return !slices.ContainsFunc(f.kids, func(k formula) bool { return !k.holds(held) })
	case "OR":
		return slices.ContainsFunc(f.kids, func(k formula) bool { return k.holds(held) })
	}
	return slices.Contains(held, f.name)
}

func (f formula) query() Query {
	if f.op == "" {
		q, err := Name(f.name)
		if err != nil {
			panic(err)
		}
		return q
	}
	var qs []Query
	for _, k := range f.kids {
		qs = append(qs, k.query())
	}
	if f.op == "AND" {
		return And(qs...)
	}
	return Or(qs...)
}

// text writes the formula with needless parentheses here and there.
func (f formula) text(t *rapid.T, within string) string {
	if f.op == "" {
		return f.name
	}
	var parts []string
	for _, k := range f.kids {
		parts = append(parts, k.text(t, f.op))
	}
	s := strings.Join(parts, rapid.SampledFrom([]string{" ", "\n"}).Draw(t, "gap")+f.op+" ")
	if f.op == "OR" && within == "AND" || rapid.Bool().Draw(t, "parentheses") {
		return "(" + s + ")"
	}
	return s
}

var names = []string{"a", "b", "c", "d.e"}

func formulas(depth int) *rapid.Generator[formula] {
	return rapid.Custom(func(t *rapid.T) formula {
		op := rapid.SampledFrom([]string{"", "AND", "OR"}).Draw(t, "op")
		if depth == 0 || op == "" {
			return formula{name: rapid.SampledFrom(names).Draw(t, "name")}
		}
		return formula{op: op, kids: rapid.SliceOfN(formulas(depth-1), 1, 3).Draw(t, "kids")}
	})
}

func TestQueryAgainstNaiveEvaluation(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := formulas(3).Draw(t, "formula")
		parsed, err := Parse(f.text(t, ""))
		if err != nil {
			t.Fatal(err)
		}
		built := f.query()
		again, err := Parse(built.String())
		if err != nil {
			t.Fatalf("%q: %v", built, err)
		}
		held := rapid.SliceOfDistinct(rapid.SampledFrom(names), rapid.ID).Draw(t, "held")
		want := f.holds(held)
		for _, q := range []Query{parsed, built, again, And(parsed, built), Or(parsed, Query{}, built)} {
			if got := q.Allows(held, false); got != want {
				t.Fatalf("%q of %q = %v, want %v", q, held, got, want)
			}
		}
		if diff := cmp.Diff(parsed.Names(), built.Names()); diff != "" {
			t.Fatal(diff)
		}
	})
}

func FuzzParse(f *testing.F) {
	f.Add("a AND (b OR c)", "a", "c")
	f.Add("((a", "*", "a.*")
	f.Add("docs.* or é", "docs.read", "")
	f.Fuzz(func(t *testing.T, text, one, more string) {
		q, err := Parse(text)
		if err != nil {
			if _, ok := errors.AsType[*SyntaxError](err); !ok {
				t.Errorf("Parse(%q): %v is no SyntaxError", text, err)
			}
			return
		}
		again, err := Parse(q.String())
		if err != nil {
			t.Fatalf("%q is written as %q: %v", text, q, err)
		}
		rendered, err := Parse(Query{root: q.root}.String())
		if err != nil && len(text) < 500 {
			t.Fatalf("%q is rendered as %q: %v", text, Query{root: q.root}, err)
		}
		for _, wildcards := range []bool{false, true} {
			before := q.Allows([]string{one}, wildcards)
			if again.Allows([]string{one}, wildcards) != before || err == nil && rendered.Allows([]string{one}, wildcards) != before {
				t.Errorf("%q and %q differ on %q", text, q, one)
			}
			if before && !q.Allows([]string{one, more}, wildcards) {
				t.Errorf("%q is allowed with %q and refused with %q added", text, one, more)
			}
			if !q.Allows(q.Names(), wildcards) {
				t.Errorf("%q is refused to who holds %q", text, q.Names())
			}
		}
	})
}
