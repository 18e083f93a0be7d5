package unkey

import (
	"net/url"
	"strconv"

	"latchkey/internal/keys"
)

// params are the query of a URL, and what is wrong with it. Of a parameter that
// is given twice the first counts; those that are not known are passed over.
type params struct {
	values url.Values
	faults keys.Faults
}

// text returns a parameter, "" where it is absent.
func (p *params) text(name string) string { return p.values.Get(name) }

// required returns a parameter that must be there.
func (p *params) required(name string) string {
	v := p.values.Get(name)
	if v == "" {
		p.faults.Add(name, required)
	}
	return v
}

// pageSize returns how many rows a page of a list has.
func (p *params) pageSize() int {
	const most = 100
	text := p.values.Get("limit")
	if text == "" {
		return most
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > most {
		p.faults.Add("limit", "must be an integer from 1 to %d", most)
		return most
	}
	return n
}

// flag reports whether a parameter is there and does not say no.
func (p *params) flag(name string) bool {
	switch p.values.Get(name) {
	case "", "false", "0", "null":
		return false
	}
	return true
}
