package conformance

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// A node is a JSON value whose members keep their order and whose numbers keep
// their digits.
type node struct {
	kind    jsontext.Kind // '{', '[', '"', or of a literal
	text    string        // of a string or a literal; of a bare hole with bareMark
	members []member
	items   []*node
}

type member struct {
	name  string
	value *node
}

// bareMark begins the text of a string that was a hole outside of quotation
// marks.
const bareMark = "\x00"

// markHoles makes JSON of JSON with bare holes.
func markHoles(text string) string {
	var out strings.Builder
	quoted := false
	for i := 0; i < len(text); i++ {
		switch {
		case quoted && text[i] == '\\' && i+1 < len(text):
			out.WriteByte(text[i])
			i++
		case text[i] == '"':
			quoted = !quoted
		case !quoted:
			if at := hole.FindStringIndex(text[i:]); at != nil && at[0] == 0 {
				out.WriteString(`"\u0000` + text[i:i+at[1]] + `"`)
				i += at[1] - 1
				continue
			}
		}
		out.WriteByte(text[i])
	}
	return out.String()
}

// parseNode reads one JSON value, or returns nil where the text is none or
// names a member twice.
func parseNode(text string) *node {
	d := jsontext.NewDecoder(strings.NewReader(text))
	n, err := readNode(d)
	if err != nil {
		return nil
	}
	if _, err := d.ReadToken(); err != io.EOF {
		return nil
	}
	return n
}

func readNode(d *jsontext.Decoder) (*node, error) {
	tok, err := d.ReadToken()
	if err != nil {
		return nil, err
	}
	n := &node{kind: tok.Kind(), text: tok.String()}
	switch n.kind {
	case '{':
		for d.PeekKind() != '}' {
			name, err := d.ReadToken()
			if err != nil {
				return nil, err
			}
			m := member{name: name.String()}
			if m.value, err = readNode(d); err != nil {
				return nil, err
			}
			n.members = append(n.members, m)
		}
		_, err = d.ReadToken()
	case '[':
		for d.PeekKind() != ']' {
			item, err := readNode(d)
			if err != nil {
				return nil, err
			}
			n.items = append(n.items, item)
		}
		_, err = d.ReadToken()
	}
	return n, err
}

// member returns the value of a member, or nil.
func (n *node) member(name string) *node {
	if n == nil {
		return nil
	}
	for _, m := range n.members {
		if m.name == name {
			return m.value
		}
	}
	return nil
}

// match says where a value differs from the wanted one, "" where it does not,
// and binds the names in holes.
func (n *node) match(got *node, at, mode string, b bindings) string {
	if name, ok := n.bare(); ok {
		if got.kind == '"' || got.kind == '{' || got.kind == '[' || !b.bind(name, got.text) {
			return place(at) + " is not what the hole stands for"
		}
		return ""
	}
	if n.kind != got.kind {
		return place(at) + " has another type"
	}
	switch n.kind {
	case '{':
		return n.matchMembers(got, at, mode, b)
	case '[':
		if len(n.items) != len(got.items) {
			return fmt.Sprintf("%s has %d items, not %d", place(at), len(got.items), len(n.items))
		}
		for i := range n.items {
			if differs := n.items[i].match(got.items[i], fmt.Sprintf("%s/%d", at, i), mode, b); differs != "" {
				return differs
			}
		}
	case '"':
		if !matchText(n.text, got.text, b) {
			return place(at) + " is another text"
		}
	default:
		if n.text != got.text {
			return place(at) + " is another value"
		}
	}
	return ""
}

func (n *node) matchMembers(got *node, at, mode string, b bindings) string {
	if mode == exact && !slices.EqualFunc(n.members, got.members, func(x, y member) bool { return x.name == y.name }) {
		return place(at) + " has other members, or in another order"
	}
	for _, m := range n.members {
		have := got.member(m.name)
		if have == nil {
			return place(at+"/"+m.name) + " is missing"
		}
		if differs := m.value.match(have, at+"/"+m.name, mode, b); differs != "" {
			return differs
		}
	}
	if mode != partial {
		for _, m := range got.members {
			if n.member(m.name) == nil {
				return place(at+"/"+m.name) + " is not wanted"
			}
		}
	}
	return ""
}

func place(at string) string {
	if at == "" {
		return "the body"
	}
	return "the member " + at
}

// bare returns the name of a hole outside of quotation marks.
func (n *node) bare() (name string, ok bool) {
	text, ok := strings.CutPrefix(n.text, bareMark)
	if !ok || n.kind != '"' {
		return "", false
	}
	return strings.Trim(text, "«»"), true
}

// rewrite returns a value that came as a transcript would have it: with the
// holes of the old one where they still fit, variables where texts are theirs,
// and of a partial answer the members that were there.
func (n *node) rewrite(old *node, mode string, b bindings) *node {
	if old != nil && strings.Contains(old.text, "«") && old.match(n, "", mode, b) == "" {
		return old
	}
	out := &node{kind: n.kind, text: n.text}
	switch n.kind {
	case '{':
		for _, m := range n.members {
			before := old.member(m.name)
			if mode == partial && before == nil && old != nil && old.kind == '{' {
				continue
			}
			out.members = append(out.members, member{m.name, m.value.rewrite(before, mode, b)})
		}
	case '[':
		for i, item := range n.items {
			var before *node
			if old != nil && i < len(old.items) {
				before = old.items[i]
			}
			out.items = append(out.items, item.rewrite(before, mode, b))
		}
	case '"':
		out.text = b.contract(n.text)
	}
	return out
}

// String returns the value as indented JSON.
func (n *node) String() string {
	var out strings.Builder
	n.write(&out, "")
	return out.String()
}

func (n *node) write(out *strings.Builder, indent string) {
	inner := indent + "  "
	switch {
	case n.kind == '{' && len(n.members) > 0:
		out.WriteString("{")
		for i, m := range n.members {
			separate(out, i, inner)
			out.WriteString(quote(m.name) + ": ")
			m.value.write(out, inner)
		}
		out.WriteString("\n" + indent + "}")
	case n.kind == '[' && len(n.items) > 0:
		out.WriteString("[")
		for i, item := range n.items {
			separate(out, i, inner)
			item.write(out, inner)
		}
		out.WriteString("\n" + indent + "]")
	case n.kind == '{':
		out.WriteString("{}")
	case n.kind == '[':
		out.WriteString("[]")
	case n.kind == '"':
		if name, ok := n.bare(); ok {
			out.WriteString("«" + name + "»")
			return
		}
		out.WriteString(quote(n.text))
	default:
		out.WriteString(n.text)
	}
}

func separate(out *strings.Builder, i int, indent string) {
	if i > 0 {
		out.WriteString(",")
	}
	out.WriteString("\n" + indent)
}

func quote(s string) string {
	b, err := jsontext.AppendQuote(nil, s)
	if err != nil {
		return `"` + s + `"` // not UTF-8; a transcript cannot hold it as it is
	}
	return string(b)
}
