package conformance

import (
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// An answer is a response as it came, or as a transcript wants it.
type answer struct {
	status int
	header http.Header // of a wanted one: those that are looked at
	names  []string    // of a wanted one: the headers in their order
	body   string
	node   *node // the body, if it is JSON
	mode   string
}

// The modes of a wanted answer, beside "".
const (
	exact   = "exact"
	partial = "partial"
)

// parseAnswer reads a response section.
func parseAnswer(text, mode string) (*answer, error) {
	head, body, _ := strings.Cut(text, "\n\n")
	lines := strings.Split(strings.TrimSpace(head), "\n")
	status, err := strconv.Atoi(strings.TrimSpace(lines[0]))
	if err != nil {
		return nil, fmt.Errorf("%q is no status", lines[0])
	}
	a := &answer{status: status, header: http.Header{}, mode: mode, body: strings.TrimRight(body, "\n")}
	for _, line := range lines[1:] {
		name, value, ok := strings.Cut(line, ": ")
		if !ok {
			return nil, fmt.Errorf("%q is no header", line)
		}
		a.header.Add(name, value)
		a.names = append(a.names, http.CanonicalHeaderKey(name))
	}
	a.node = parseNode(markHoles(a.body))
	if begins := strings.TrimSpace(a.body); a.node == nil && (strings.HasPrefix(begins, "{") || strings.HasPrefix(begins, "[")) {
		return nil, fmt.Errorf("the body looks like JSON and is none, or names a member twice")
	}
	return a, nil
}

// compare says what of the answer that came is not as wanted, "" where all is,
// and binds the names in holes.
func (a *answer) compare(got *answer, b bindings) string {
	if a.status != got.status {
		return fmt.Sprintf("the status is %d, not %d", got.status, a.status)
	}
	for _, name := range a.names {
		want, have := strings.Join(a.header[name], ", "), strings.Join(got.header[name], ", ")
		if !matchText(want, have, b) {
			return fmt.Sprintf("the header %s is %q, not %q", name, have, want)
		}
	}
	switch {
	case a.mode == partial && a.body == "":
		return ""
	case a.node != nil && got.node != nil:
		return a.node.match(got.node, "", a.mode, b)
	case a.node == nil && matchText(a.body, strings.TrimRight(got.body, "\n"), b):
		return ""
	}
	return "the body is another one"
}

var hole = regexp.MustCompile(`«(\w+)»`)

// matchText reports whether a text is as wanted, where holes stand for any
// text that is not empty, and binds their names.
func matchText(want, got string, b bindings) bool {
	if !strings.Contains(want, "«") {
		return want == got
	}
	var pattern strings.Builder
	var names []string
	rest := want
	for {
		at := hole.FindStringSubmatchIndex(rest)
		if at == nil {
			break
		}
		pattern.WriteString(regexp.QuoteMeta(rest[:at[0]]) + "(.+?)")
		names = append(names, rest[at[2]:at[3]])
		rest = rest[at[1]:]
	}
	found := regexp.MustCompile(`(?s)\A` + pattern.String() + regexp.QuoteMeta(rest) + `\z`).FindStringSubmatch(got)
	if found == nil {
		return false
	}
	for i, name := range names {
		if !b.bind(name, found[i+1]) {
			return false
		}
	}
	return true
}

// text returns an answer that came as a transcript would have it.
func (a *answer) text() string {
	return a.write(slices.Sorted(maps.Keys(a.header)), a.node)
}

// rewrite returns the section for an answer that came, with the headers that
// were looked at before, and with the holes and variables where they fit.
func (a *answer) rewrite(want *answer, b bindings) []byte {
	out := *a
	switch {
	case want.mode == partial && want.body == "":
		out.body, out.node = "", nil
	case a.node != nil:
		out.node = a.node.rewrite(want.node, want.mode, b)
	}
	return []byte(out.write(want.names, out.node))
}

func (a *answer) write(names []string, n *node) string {
	var out strings.Builder
	fmt.Fprintf(&out, "%d\n", a.status)
	for _, name := range names {
		for _, value := range a.header[name] {
			fmt.Fprintf(&out, "%s: %s\n", name, value)
		}
	}
	body := a.body
	if n != nil {
		body = n.String()
	}
	if body != "" {
		out.WriteString("\n" + strings.TrimRight(body, "\n") + "\n")
	}
	return out.String()
}
