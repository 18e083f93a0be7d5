package permission

import (
	"fmt"
	"slices"
	"strings"
)

// An operator says how a node of a query joins those below it.
type operator uint8

const (
	isName operator = iota
	isAnd
	isOr
)

// A node is a name, or an operator over one or more nodes.
type node struct {
	op   operator
	name string
	kids []*node
}

// A Query says which permissions are required, such as a AND (b OR c). The
// zero Query requires nothing. A query never changes once it is made.
type Query struct {
	root  *node
	depth int
	text  string // as parsed; "" if it was put together
}

// Name returns the query that requires one permission. The words AND and OR
// are no names in a query.
func Name(s string) (Query, error) {
	if !ValidName(s) {
		return Query{}, fmt.Errorf("a permission's name is 1 to %d characters of A-Z, a-z, 0-9 and _.:*/-", MaxName)
	}
	if _, ok := word(s); ok {
		return Query{}, fmt.Errorf("%q is a word of the query language, not a permission's name", s)
	}
	return Query{root: &node{name: s}, depth: 1}, nil
}

// Exactly returns the query that requires one permission by a text that is not
// looked at. Where it is no name, nothing but a wildcard covers it.
func Exactly(text string) Query { return Query{root: &node{name: text}, depth: 1} }

// And returns the query that requires all of qs. Zero queries among them are
// left out; the result is one level deeper than the deepest.
func And(qs ...Query) Query { return join(isAnd, qs) }

// Or returns the query that requires one of qs, as [And] does all.
func Or(qs ...Query) Query { return join(isOr, qs) }

func join(op operator, qs []Query) Query {
	var kids []*node
	depth := 0
	for _, q := range qs {
		if !q.IsZero() {
			kids = append(kids, q.root)
			depth = max(depth, q.depth)
		}
	}
	if len(kids) == 0 {
		return Query{}
	}
	return Query{root: &node{op: op, kids: kids}, depth: depth + 1}
}

// IsZero reports whether q requires nothing.
func (q Query) IsZero() bool { return q.root == nil }

// Depth returns how many levels q has: 0 if it requires nothing, 1 if it is a
// name, and one more for each operator above the deepest name.
func (q Query) Depth() int { return q.depth }

// Allows reports whether what is held is what q requires. With wildcards a
// held * stands for a segment, as [Match] says; without, it is a character.
func (q Query) Allows(held []string, wildcards bool) bool {
	return q.root == nil || q.root.allows(held, wildcards)
}

func (n *node) allows(held []string, wildcards bool) bool {
	if n.op == isName {
		return holds(held, n.name, wildcards)
	}
	// The first that is unlike the rest's best case settles it.
	settles := n.op == isOr
	for _, kid := range n.kids {
		if kid.allows(held, wildcards) == settles {
			return settles
		}
	}
	return !settles
}

func holds(held []string, name string, wildcards bool) bool {
	for _, h := range held {
		if h == name || wildcards && Match(h, name) {
			return true
		}
	}
	return false
}

// Names returns the names in q, each once, in the order of their appearance.
func (q Query) Names() []string {
	if q.root == nil {
		return nil
	}
	var names []string
	seen := map[string]bool{} // names already there
	q.root.walk(func(name string) {
		if !seen[name] {
			seen[name] = true
			names = append(names, name)
		}
	})
	return slices.Clip(names)
}

func (n *node) walk(visit func(name string)) {
	if n.op == isName {
		visit(n.name)
	}
	for _, kid := range n.kids {
		kid.walk(visit)
	}
}

// String returns q in the language that [Parse] reads: its text if it was
// parsed, else one written for it. It is "" if q requires nothing.
func (q Query) String() string {
	if q.root == nil || q.text != "" {
		return q.text
	}
	var b strings.Builder
	q.root.write(&b)
	return b.String()
}

// write writes n with each operator below it in parentheses, so that no reader
// needs to know which binds closer.
func (n *node) write(b *strings.Builder) {
	n = n.single()
	if n.op == isName {
		b.WriteString(n.name)
		return
	}
	between := " AND "
	if n.op == isOr {
		between = " OR "
	}
	for i, kid := range n.kids {
		if i > 0 {
			b.WriteString(between)
		}
		if kid = kid.single(); kid.op == isName {
			b.WriteString(kid.name)
			continue
		}
		b.WriteByte('(')
		kid.write(b)
		b.WriteByte(')')
	}
}

// single returns what n comes down to: an operator over one node is that node.
func (n *node) single() *node {
	for len(n.kids) == 1 {
		n = n.kids[0]
	}
	return n
}
