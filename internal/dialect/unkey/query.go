package unkey

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"latchkey/internal/keys"
	"latchkey/internal/permission"
)

// Bounds of a query, which the vendor does not have.
const (
	maxNesting = 512
	maxTerms   = 1000
)

// parseQuery reads which permissions are asked for: the name of one, or an
// object with "and" or "or" over a list of such, nested. Null in a list is
// passed over, but never all of it: what is asked for does not fall away.
func parseQuery(doc jsontext.Value) (permission.Query, error) {
	if len(doc) == 0 || doc.Kind() == 'n' {
		return permission.Query{}, nil
	}
	p := queryParser{in: jsontext.NewDecoder(bytes.NewReader(doc))}
	q, err := p.query(0)
	if err != nil {
		at := "authorization.permissions"
		if place := string(p.in.StackPointer()); len(place) < 200 {
			at += strings.ReplaceAll(place, "/", ".")
		}
		return permission.Query{}, keys.Errorf(keys.Invalid, "permission query is invalid: %s: %v", at, err)
	}
	return q, nil
}

type queryParser struct {
	in    *jsontext.Decoder
	terms int
}

// query reads a value that is not null.
func (p *queryParser) query(nesting int) (permission.Query, error) {
	if nesting > maxNesting {
		return permission.Query{}, fmt.Errorf("must not be nested more than %d times", maxNesting)
	}
	switch p.in.PeekKind() {
	case '"':
		return p.name()
	case '{':
		return p.operator(nesting)
	}
	return permission.Query{}, errNoQuery
}

var errNoQuery = errors.New(`must be a permission, or an object with "and" or "or"`)

func (p *queryParser) name() (permission.Query, error) {
	tok, err := p.in.ReadToken()
	if err != nil {
		return permission.Query{}, err
	}
	if p.terms++; p.terms > maxTerms {
		return permission.Query{}, fmt.Errorf("must be at most %d permissions in all", maxTerms)
	}
	text := tok.String()
	if text == "" {
		return permission.Query{}, errors.New("must not be empty")
	}
	return permission.Exactly(text), nil
}

// operator reads an object that has "and" or "or". One with both asks for what
// nobody can know; other members are passed over.
func (p *queryParser) operator(nesting int) (q permission.Query, err error) {
	if _, err = p.in.ReadToken(); err != nil {
		return q, err
	}
	for p.in.PeekKind() != '}' {
		tok, err := p.in.ReadToken()
		if err != nil {
			return q, err
		}
		join := permission.And
		switch tok.String() {
		case "and":
		case "or":
			join = permission.Or
		default:
			if err := p.in.SkipValue(); err != nil {
				return q, err
			}
			continue
		}
		if !q.IsZero() {
			return q, errors.New(`must have "and" or "or", not both`)
		}
		kids, err := p.list(nesting)
		if err != nil {
			return q, err
		}
		q = join(kids...)
	}
	if _, err = p.in.ReadToken(); err == nil && q.IsZero() {
		err = errNoQuery
	}
	return q, err
}

// list reads the elements of a list, without those that are null.
func (p *queryParser) list(nesting int) ([]permission.Query, error) {
	if p.in.PeekKind() != '[' {
		return nil, errors.New("must be a list")
	}
	if _, err := p.in.ReadToken(); err != nil {
		return nil, err
	}
	var out []permission.Query
	for p.in.PeekKind() != ']' {
		if p.in.PeekKind() == 'n' {
			if err := p.in.SkipValue(); err != nil {
				return nil, err
			}
			continue
		}
		q, err := p.query(nesting + 1)
		if err != nil {
			return nil, err
		}
		out = append(out, q)
	}
	if _, err := p.in.ReadToken(); err != nil {
		return nil, err
	}
	if len(out) == 0 {
		return nil, errors.New("must have an element at least that is not null")
	}
	return out, nil
}
