package permission

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// Bounds of a query's text.
const (
	maxText    = 1000
	maxNesting = 512
)

// A SyntaxError says where a query's text is wrong. Position counts characters
// from 0.
type SyntaxError struct {
	Position int
	Message  string
}

// Error returns the message with its position.
func (e *SyntaxError) Error() string {
	return fmt.Sprintf("%s at position %d", e.Message, e.Position)
}

// Parse reads a query of at most 1,000 characters:
//
//	or   = and *("OR" and)
//	and  = term *("AND" term)
//	term = name / "(" or ")"
//
// The words stand in any case; what separates is spaces, tabs and line breaks.
// Every error is a [*SyntaxError].
func Parse(text string) (Query, error) {
	if n := utf8.RuneCountInString(text); n > maxText {
		return Query{}, &SyntaxError{maxText, fmt.Sprintf("expected at most %d characters", maxText)}
	}
	p := parser{text: text}
	p.advance()
	q, err := p.or(0)
	if err != nil {
		return Query{}, err
	}
	if p.kind != tokenEnd {
		return Query{}, p.expected("AND, OR or the end")
	}
	q.text = strings.Trim(text, blanks)
	return q, nil
}

// blanks are the characters that separate.
const blanks = " \t\r\n"

// A tokenKind says what the parser stands at.
type tokenKind uint8

const (
	tokenEnd tokenKind = iota
	tokenName
	tokenAnd
	tokenOr
	tokenOpen
	tokenClose
	tokenOther
)

// A parser holds the one token that it looks at.
type parser struct {
	text  string
	kind  tokenKind
	start int // of the token, in bytes
	end   int
}

// advance moves to the next token.
func (p *parser) advance() {
	rest := strings.TrimLeft(p.text[p.end:], blanks)
	p.start = len(p.text) - len(rest)
	p.end = p.start
	if rest == "" {
		p.kind = tokenEnd
		return
	}
	for p.end < len(p.text) && nameByte(p.text[p.end]) {
		p.end++
	}
	if p.end > p.start {
		p.kind = tokenName
		if kind, ok := word(p.token()); ok {
			p.kind = kind
		}
		return
	}
	_, size := utf8.DecodeRuneInString(rest)
	p.end += size
	switch rest[0] {
	case '(':
		p.kind = tokenOpen
	case ')':
		p.kind = tokenClose
	default:
		p.kind = tokenOther
	}
}

func (p *parser) token() string { return p.text[p.start:p.end] }

// word returns which word of the language s is, if it is one.
func word(s string) (tokenKind, bool) {
	switch {
	case strings.EqualFold(s, "and"):
		return tokenAnd, true
	case strings.EqualFold(s, "or"):
		return tokenOr, true
	}
	return 0, false
}

// or reads terms joined by OR; nesting counts the parentheses around it.
func (p *parser) or(nesting int) (Query, error) {
	return p.chain(tokenOr, Or, func() (Query, error) { return p.and(nesting) })
}

// and reads terms joined by AND.
func (p *parser) and(nesting int) (Query, error) {
	return p.chain(tokenAnd, And, func() (Query, error) { return p.term(nesting) })
}

// chain reads one or more of what read reads, with a word between any two.
func (p *parser) chain(between tokenKind, join func(...Query) Query, read func() (Query, error)) (Query, error) {
	q, err := read()
	if err != nil || p.kind != between {
		return q, err
	}
	all := []Query{q}
	for p.kind == between {
		p.advance()
		if q, err = read(); err != nil {
			return Query{}, err
		}
		all = append(all, q)
	}
	return join(all...), nil
}

// term reads a name or a query in parentheses.
func (p *parser) term(nesting int) (Query, error) {
	switch p.kind {
	case tokenName:
		if p.end-p.start > MaxName {
			return Query{}, p.fail(fmt.Sprintf("expected a name of at most %d characters", MaxName))
		}
		q := Query{root: &node{name: p.token()}, depth: 1}
		p.advance()
		return q, nil
	case tokenOpen:
		if nesting == maxNesting {
			return Query{}, p.fail(fmt.Sprintf("expected at most %d parentheses within each other", maxNesting))
		}
		p.advance()
		q, err := p.or(nesting + 1)
		if err != nil {
			return Query{}, err
		}
		if p.kind != tokenClose {
			return Query{}, p.expected("AND, OR or a closing parenthesis")
		}
		p.advance()
		return q, nil
	}
	return Query{}, p.expected("a permission or an opening parenthesis")
}

// expected returns the error of a token that is not what was wanted.
func (p *parser) expected(what string) error {
	switch p.kind {
	case tokenEnd:
		return p.fail(fmt.Sprintf("expected %s, found the end", what))
	case tokenName: // which is not told: it may be a secret in the wrong place
		return p.fail(fmt.Sprintf("expected %s, found a name", what))
	}
	return p.fail(fmt.Sprintf("expected %s, found %q", what, p.token()))
}

// fail returns an error at the present token. All before it is ASCII, or the
// error would have been there, so that its place in bytes is that in
// characters.
func (p *parser) fail(message string) error {
	return &SyntaxError{p.start, message}
}
