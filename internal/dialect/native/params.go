package native

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"latchkey"
	"latchkey/internal/keys"
	"latchkey/internal/token"
)

// params reads the query of a request, and collects what is wrong with it.
type params struct {
	values url.Values
	faults keys.Faults
}

// query reads a request's query. Parameters that are not among known, or given
// twice, are faults.
func query(r *http.Request, known ...string) *params {
	values, err := url.ParseQuery(r.URL.RawQuery)
	p := &params{values: values}
	if err != nil {
		p.faults.Add("", "the query is not well formed")
	}
	for name, v := range values {
		switch {
		case !slices.Contains(known, name):
			if len(name) > 24 {
				name = "…"
			}
			p.faults.Add(parameter+name, "is no parameter that is known here")
		case len(v) > 1:
			p.faults.Add(parameter+name, "is given twice")
		}
	}
	slices.SortFunc(p.faults, func(a, b keys.Fault) int { return strings.Compare(a.Field, b.Field) })
	return p
}

// text returns a parameter, or "" where it is absent. One that is empty is a
// fault: a list by it would show what nobody asked for.
func (p *params) text(name string) string {
	s := p.values.Get(name)
	if s == "" && p.values.Has(name) {
		p.faults.Add(parameter+name, "must not be empty")
	}
	return s
}

// optional returns a parameter that may be given as empty text.
func (p *params) optional(name string) *string {
	if !p.values.Has(name) {
		return nil
	}
	s := p.values.Get(name)
	return &s
}

func (p *params) oneOf(name string, words ...string) string {
	s := p.values.Get(name)
	if p.values.Has(name) && !slices.Contains(words, s) {
		p.faults.Add(parameter+name, "must be one of %s", strings.Join(words, ", "))
	}
	return s
}

func (p *params) limit() int {
	s := p.values.Get("limit")
	if !p.values.Has("limit") {
		return 50
	}
	n, err := strconv.ParseUint(s, 10, 16)
	if err != nil || n < 1 || n > 200 {
		p.faults.Add(parameter+"limit", "must be an integer from 1 to 200")
	}
	return int(n)
}

func (p *params) time(name string) time.Time {
	if !p.values.Has(name) {
		return time.Time{}
	}
	var t latchkey.Time
	if err := t.UnmarshalText([]byte(p.values.Get(name))); err != nil {
		p.faults.Add(parameter+name, "%v", err)
	}
	return t.Time
}

// cursor returns the id of the last row of the page before.
func (p *params) cursor(kind string) string {
	if !p.values.Has("cursor") {
		return ""
	}
	b, err := base64.RawURLEncoding.DecodeString(p.values.Get("cursor"))
	if err != nil || !token.ValidID(kind, string(b)) {
		p.faults.Add(parameter+"cursor", "is not one that a list of these has answered")
	}
	return string(b)
}

// page cuts rows, of which one more than the limit was asked for, to a page,
// and returns the cursor of the next one.
func page[T any](rows []T, limit int, id func(*T) string) ([]T, *string) {
	if len(rows) <= limit {
		return rows, nil
	}
	rows = rows[:limit]
	next := base64.RawURLEncoding.EncodeToString([]byte(id(&rows[limit-1])))
	return rows, &next
}

// etag returns the entity tag of a version.
func etag(version int64) string { return `"v` + strconv.FormatInt(version, 10) + `"` }

// match reads If-Match: a list of strong tags, or *. A weak tag matches
// nothing.
func match(r *http.Request) keys.Match {
	lines := r.Header["If-Match"]
	if len(lines) == 0 {
		return keys.Match{}
	}
	m := keys.Match{Given: true}
	for tag := range strings.SplitSeq(strings.Join(lines, ","), ",") {
		tag = strings.TrimSpace(tag)
		if tag == "*" {
			m.Any = true
		}
		inner, ok := strings.CutPrefix(tag, `"v`)
		if n, err := strconv.ParseInt(strings.TrimSuffix(inner, `"`), 10, 64); ok && err == nil && etag(n) == tag {
			m.Versions = append(m.Versions, n)
		}
	}
	return m
}

// inQuery says of the core's faults that they are about query parameters.
func inQuery(err error) error {
	e := *keys.AsError(err)
	e.Faults = nil
	for _, f := range keys.AsError(err).Faults {
		f.Field = parameter + f.Field
		e.Faults = append(e.Faults, f)
	}
	return &e
}
