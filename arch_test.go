package latchkey_test

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const module = "latchkey"

// core are the packages of the rules. They import the standard library and each
// other alone, and whoever speaks with one needs the types of all.
var core = []string{"internal/keys", "internal/permission", "internal/ratelimit", "internal/span", "internal/token"}

// imports says which packages of ours a package may import: directory → list.
// "." is the root package, "*" is every package; a key that ends in a slash
// stands for all packages below it that have no row of their own. A package
// without a row fails the test: who may import it, and whom it, is decided here.
var imports = map[string][]string{
	".":                       {},
	"internal/span":           {},
	"internal/token":          {},
	"internal/permission":     {},
	"internal/ratelimit":      {"internal/span"},
	"internal/keys":           {"internal/permission", "internal/ratelimit", "internal/span", "internal/token"},
	"internal/store":          core,
	"internal/usage":          core,
	"internal/metrics":        core,
	"internal/httpapi":        {"internal/keys", "internal/span", "internal/token"},
	"internal/dialect/":       append([]string{"internal/httpapi"}, core...),
	"internal/dialect/native": append([]string{".", "internal/httpapi"}, core...),
	"internal/conformance":    append([]string{"internal/httpapi"}, core...),
	"internal/pgtest":         {},
	"internal/server":         {"*"},
	"cmd/latchkey":            {".", "internal/server", "internal/span"},
	"bench":                   {"internal/httpapi"},
}

// banned says which packages from outside a package must not reach for. Its keys
// are those of imports.
var banned = map[string][]string{
	"internal/keys":       {"net/http", "database/sql", "encoding/json", "log/slog"},
	"internal/ratelimit":  {"net/http", "database/sql", "encoding/json", "log/slog"},
	"internal/permission": {"net/http", "database/sql", "encoding/json", "log/slog"},
	"internal/token":      {"net/http", "database/sql", "encoding/json"},
	"internal/span":       {"net/http", "database/sql", "encoding/json", "log/slog"},
	"internal/store":      {"net/http", "log/slog"},
	"internal/usage":      {"net/http", "database/sql"},
	"internal/dialect/":   {"database/sql"},
}

// testPackages of ours exist for tests; nothing that is shipped imports them,
// and they may use testModules.
var testPackages = []string{"internal/conformance", "internal/pgtest"}

// dependencies is every module that go.mod may require directly, with the code
// of ours that it makes needless.
var dependencies = map[string]string{
	"github.com/anishathalye/porcupine":   "the search for an order of calls made at once in which all their answers are right, in tests",
	"github.com/danielgtaylor/huma/v2":    "the reflection from wire types to JSON Schema, with which a test writes openapi.yaml",
	"github.com/getkin/kin-openapi":       "the reader of OpenAPI by which tests check openapi.yaml and the answers against it",
	"github.com/go-json-experiment/json":  "a JSON decoder that refuses duplicate members and bad UTF-8 and says where",
	"github.com/google/go-cmp":            "the printing of how two structures differ, in tests",
	"github.com/jackc/pgx/v5":             "the wire protocol of PostgreSQL",
	"github.com/pressly/goose/v3":         "the order, the lock and the record of schema migrations",
	"github.com/prometheus/client_golang": "the exposition format, histograms, and the figures of the Go runtime",
	"github.com/rogpeppe/go-internal":     "the running of scripts against the program, at a terminal too, in tests",
	"github.com/spf13/cobra":              "the parsing of commands and flags, and shell completion",
	"go.yaml.in/yaml/v4":                  "a YAML parser that knows the line of everything",
	"golang.org/x/sync":                   "one look-up for many who ask for the same at once",
	"golang.org/x/term":                   "the question to the operating system whether a file is a terminal",
	"golang.org/x/tools":                  "the archive format of the transcripts in testdata",
	"modernc.org/sqlite":                  "the database, without a C compiler",
	"pgregory.net/rapid":                  "the drawing and the shrinking of random cases for properties",
}

// testModules are the dependencies that nothing that is shipped may contain.
var testModules = []string{
	"github.com/anishathalye/porcupine", "github.com/danielgtaylor/huma/v2", "github.com/getkin/kin-openapi",
	"github.com/google/go-cmp", "github.com/rogpeppe/go-internal",
}

// e2eDependencies are those of e2e/go.mod. What the vendors' clients bring along
// stays out of what is shipped.
var e2eDependencies = map[string]string{
	"github.com/OpenRouterTeam/go-sdk": "the vendor's own client, in tests",
	"latchkey":                         "this module, in tests",
	"modernc.org/sqlite":               "the engine, to damage its file in tests",
}

// A source is one Go file of ours, whichever module it belongs to.
type source struct {
	path string // from the root, with slashes
	dir  string
	test bool
	text string
	file *ast.File // imports and comments alone
}

func TestImports(t *testing.T) {
	for _, src := range sources(t) {
		if src.test {
			continue
		}
		key := row(src.dir)
		allowed, listed := imports[key]
		if !listed {
			t.Errorf("%s: package %s has no row in the table of imports", src.path, src.dir)
		}
		for _, spec := range src.file.Imports {
			imported := strings.Trim(spec.Path.Value, `"`)
			ours, isOurs := inModule(imported)
			switch {
			case isOurs && slices.Contains(testPackages, ours) && !slices.Contains(testPackages, src.dir):
				t.Errorf("%s: only tests may import %s", src.path, ours)
			case isOurs && !slices.Contains(allowed, ours) && !slices.Contains(allowed, "*"):
				t.Errorf("%s: %s may not import %s", src.path, src.dir, ours)
			case slices.Contains(banned[key], imported):
				t.Errorf("%s: %s may not import %s", src.path, src.dir, imported)
			case isOurs || !fromOutside(imported):
			case src.dir == "." || slices.Contains(core, src.dir):
				t.Errorf("%s: %s may import only the standard library, not %s", src.path, src.dir, imported)
			case inModules(imported, testModules) && !slices.Contains(testPackages, src.dir):
				t.Errorf("%s: only tests may import %s", src.path, imported)
			}
		}
	}
}

func TestPackages(t *testing.T) {
	docs := map[string][]string{} // directory → files that have a package comment
	for _, src := range sources(t) {
		if src.test {
			continue
		}
		files := docs[src.dir]
		if src.file.Doc != nil {
			files = append(files, src.path)
		}
		docs[src.dir] = files
	}
	for dir, files := range docs {
		if len(files) != 1 {
			t.Errorf("package %s has %d package comments, want 1: %v", dir, len(files), files)
		}
		if slices.Contains([]string{"util", "utils", "common", "helpers", "models", "types", "misc"}, path.Base(dir)) {
			t.Errorf("the name of package %s does not say what it provides", dir)
		}
	}
}

func TestFiles(t *testing.T) {
	skip := regexp.MustCompile(`\b[tbf]\.Skip(f|Now)?\(`)
	for _, src := range sources(t) {
		if n := strings.Count(src.text, "\n"); n > 800 {
			t.Errorf("%s has %d lines, more than 800", src.path, n)
		}
		if at := skip.FindString(src.text); at != "" {
			t.Errorf("%s: %s: a test says what it left out by way of internal/pgtest, and is never skipped", src.path, at)
		}
	}
}

// TestVendorWords keeps the names of those whose APIs we speak out of the core
// and the store: they belong to their dialect.
func TestVendorWords(t *testing.T) {
	vendors := regexp.MustCompile(`(?i)\b(unkey|open_?router|better[_-]?auth|athena|tatry|endor)`)
	for _, dir := range append([]string{"internal/store"}, core...) {
		err := filepath.WalkDir(filepath.FromSlash(dir), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || strings.HasSuffix(path, "_test.go") {
				return err
			}
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			for i, line := range strings.Split(string(text), "\n") {
				if word := vendors.FindString(line); word != "" {
					t.Errorf("%s:%d: the word %q belongs to a dialect", path, i+1, word)
				}
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	}
}

func TestDependencies(t *testing.T) {
	for file, list := range map[string]map[string]string{"go.mod": dependencies, "e2e/go.mod": e2eDependencies} {
		direct := map[string]bool{}
		for _, r := range requirements(t, file) {
			if r.Indirect {
				continue
			}
			direct[r.Path] = true
			if list[r.Path] == "" {
				t.Errorf("%s requires %s, and its list of dependencies does not say for what", file, r.Path)
			}
		}
		for _, path := range slices.Sorted(maps.Keys(list)) {
			if !direct[path] {
				t.Errorf("the list of dependencies has %s, which %s does not require", path, file)
			}
		}
	}
}

// TestSameVersions holds the vendors' clients to a server that is built of what
// is shipped.
func TestSameVersions(t *testing.T) {
	shipped := map[string]string{}
	for _, r := range requirements(t, "go.mod") {
		shipped[r.Path] = r.Version
	}
	for _, r := range requirements(t, "e2e/go.mod") {
		if v := shipped[r.Path]; v != "" && v != r.Version {
			t.Errorf("e2e/go.mod has %s at %s, and go.mod at %s", r.Path, r.Version, v)
		}
	}
}

// TestSQLiteLibrary compares the versions of modernc.org/libc that we build with
// and that the SQLite of our version was translated for: it crashes with others.
func TestSQLiteLibrary(t *testing.T) {
	const libc = "modernc.org/libc"
	got := goTool(t, "list", "-m", "-f", "{{.Version}}", libc)
	want := ""
	for _, r := range requirements(t, goTool(t, "list", "-m", "-f", "{{.GoMod}}", "modernc.org/sqlite")) {
		if r.Path == libc {
			want = r.Version
		}
	}
	if got != want {
		t.Errorf("%s is built as %s, and modernc.org/sqlite wants %s", libc, got, want)
	}
}

// row returns the key of a package in imports and banned.
func row(dir string) string {
	if _, ok := imports[dir]; ok {
		return dir
	}
	return path.Dir(dir) + "/"
}

// inModule returns the directory of an imported package of ours.
func inModule(imported string) (dir string, ok bool) {
	if imported == module {
		return ".", true
	}
	return strings.CutPrefix(imported, module+"/")
}

// fromOutside reports whether a package is neither ours nor of the standard
// library, whose paths begin with no domain.
func fromOutside(imported string) bool {
	first, _, _ := strings.Cut(imported, "/")
	return strings.Contains(first, ".")
}

func inModules(imported string, modules []string) bool {
	return slices.ContainsFunc(modules, func(m string) bool {
		return imported == m || strings.HasPrefix(imported, m+"/")
	})
}

// sources returns all Go files of ours, those of nested modules too.
func sources(t *testing.T) []source {
	t.Helper()
	var all []source
	err := filepath.WalkDir(".", func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && file != "." {
			if slices.Contains([]string{"testdata", "node_modules"}, d.Name()) || strings.HasPrefix(d.Name(), ".") {
				return filepath.SkipDir
			}
		}
		if d.IsDir() || !strings.HasSuffix(file, ".go") {
			return nil
		}
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, text, parser.ImportsOnly|parser.ParseComments)
		if err != nil {
			return err
		}
		slashed := filepath.ToSlash(file)
		all = append(all, source{slashed, path.Dir(slashed), strings.HasSuffix(file, "_test.go"), string(text), parsed})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

type requirement struct {
	Path, Version string
	Indirect      bool
}

// requirements returns what a go.mod file requires.
func requirements(t *testing.T, file string) []requirement {
	t.Helper()
	var mod struct{ Require []requirement }
	if err := json.Unmarshal([]byte(goTool(t, "mod", "edit", "-json", file)), &mod); err != nil {
		t.Fatal(err)
	}
	return mod.Require
}

func goTool(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.Command("go", args...).Output()
	if err != nil {
		t.Fatalf("go %s: %v", strings.Join(args, " "), err)
	}
	return strings.TrimSpace(string(out))
}
