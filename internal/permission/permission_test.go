package permission

import (
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestValidName(t *testing.T) {
	for name, want := range map[string]bool{
		"a": true, "docs.read": true, "keys:*": true, "*": true, "a/b-c_D9": true, strings.Repeat("a", 128): true,
		"": false, strings.Repeat("a", 129): false, "a b": false, "é": false, "a(": false, "a\n": false, "\x00": false,
	} {
		if got := ValidName(name); got != want {
			t.Errorf("ValidName(%q) = %v, want %v", name, got, want)
		}
	}
}

func TestMatch(t *testing.T) {
	for _, tc := range []struct {
		pattern, name string
		want          bool
	}{
		{"docs.read", "docs.read", true},
		{"docs.read", "docs.write", false},
		{"docs.read", "docs.read.all", false},
		{"docs.read", "docs", false},
		{"*", "docs.read", true},
		{"*", "", true},
		{"docs.*", "docs.read", true},
		{"docs.*", "docs.*", true},
		{"docs.*", "docs", false},
		{"docs.*", "docs.", false},
		{"docs.*", "docs.a.b", false},
		{"docs.*", "docs:read", false},
		{"docs:*", "docs:read", true},
		{"docs/*", "docs/read", true},
		{"*.read", "docs.read", true},
		{"*.read", ".read", false},
		{"*.*", "docs.read", true},
		{"*.*", "docs", false},
		{"*", "a:b/c", true},
		{"keys.*.read", "keys.ks_1.read", true},
		{"keys.*.read", "keys..read", false},
		{"keys.*.read", "keys.a.b.read", false},
		{"keys.*:read", "keys.a.read", false},
		{"docs.re*", "docs.read", false},
		{"docs.**", "docs.read", false},
		{"docs.read", "docs.*", false},
		{"docs.read", "*", false},
		{"docs.*.", "docs.a.", true},
		{"docs.*.", "docs.a", false},
		{"", "", true},
		{"", "a", false},
		{"a.", "a", false},
	} {
		if got := Match(tc.pattern, tc.name); got != tc.want {
			t.Errorf("Match(%q, %q) = %v, want %v", tc.pattern, tc.name, got, tc.want)
		}
	}
}

// TestMatchAgainstRegexp says once more, as a regular expression, what a
// pattern covers.
func TestMatchAgainstRegexp(t *testing.T) {
	text := rapid.StringOfN(rapid.SampledFrom([]rune("ab*.:/")), 0, 8, -1)
	part := regexp.MustCompile(`[.:/]|[^.:/]+`)
	rapid.Check(t, func(t *rapid.T) {
		pattern, name := text.Draw(t, "pattern"), text.Draw(t, "name")
		expr := part.ReplaceAllStringFunc(pattern, func(p string) string {
			if p == "*" {
				return `[^.:/]+`
			}
			return regexp.QuoteMeta(p)
		})
		want := pattern == "*" || regexp.MustCompile("^"+expr+"$").MatchString(name)
		if got := Match(pattern, name); got != want {
			t.Fatalf("Match(%q, %q) = %v, but %s says %v", pattern, name, got, expr, want)
		}
	})
}

func TestNothingAllocated(t *testing.T) {
	q, err := Parse("docs.read AND (docs.write OR admin)")
	if err != nil {
		t.Fatal(err)
	}
	held := []string{"x", "docs.*", "y.z"}
	for what, f := range map[string]func(){
		"Match":  func() { _ = Match("keys.*.read", "keys.ks_1.read") },
		"Allows": func() { q.Allows(held, true) },
	} {
		if n := testing.AllocsPerRun(100, f); n != 0 {
			t.Errorf("%s allocates %v times, want 0", what, n)
		}
	}
}

func BenchmarkAllows(b *testing.B) {
	q, err := Parse("docs.read AND (docs.write OR admin)")
	if err != nil {
		b.Fatal(err)
	}
	held := []string{"x", "docs.*", "y.z"}
	b.ReportAllocs()
	for b.Loop() {
		q.Allows(held, true)
	}
}
