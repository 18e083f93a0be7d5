package main

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"latchkey"
	"latchkey/internal/span"
)

// A member is a flag for a member of a request's body, or for a filter.
type member struct {
	flag   string
	short  string // its letter
	path   string // where it stands in the body, with dots between names
	kind   kind
	many   bool     // it may be given again, and the member is a list
	values []string // all that there are, for completion
	text   string   // for the help
	clear  string   // what --clear makes null: "" is the path, and noClear is nothing
}

// noClear is for members that are never null.
const noClear = "-"

// cleared returns the path that --clear makes null.
func (m member) cleared() string {
	if m.clear != "" {
		return m.clear
	}
	return m.path
}

// clearable returns the flags whose members --clear can make null, one for each
// member.
func clearable(members []member) []string {
	var flags, paths []string
	for _, m := range members {
		if path := m.cleared(); path != noClear && !slices.Contains(paths, path) {
			flags, paths = append(flags, m.flag), append(paths, path)
		}
	}
	return flags
}

// A kind is how the text of a flag is read, as what JSON has in its place. An
// error does not repeat the text.
type kind struct {
	name string // in the help
	read func(string) (any, error)
}

var (
	text   = kind{"TEXT", func(s string) (any, error) { return s, nil }}
	file   = kind{"FILE", text.read}
	number = kind{"N", readNumber}
	count  = kind{"N", readCount}
	toggle = kind{"bool", readToggle}
	// moment is a time, or a day, which stands for its begin in UTC.
	moment = kind{"TIME", readMoment}
	// fromNow is a moment that is a duration away.
	fromNow = kind{"DURATION", readFromNow}
	object  = kind{"JSON", readObject}
	owner   = kind{"IDENTITY", readOwner}

	limit = parts("name=requests,max=100,window=1m", map[string]kind{
		"name": text, "max": number, "window": text, "algorithm": text, "auto_apply": toggle, "concurrent": number,
	})
	// use is a limit in a verification.
	use = parts("name=requests,cost=2", map[string]kind{
		"name": text, "cost": number, "max": number, "window": text, "algorithm": text,
	})
	// aside is money that a use sets aside.
	aside = parts("amount_micros=5000,ttl=5m", map[string]kind{"amount_micros": number, "ttl": text})

	refill = parts("amount=100,every=monthly,day=1,mode=set", map[string]kind{
		"amount": number, "every": text, "day": number, "mode": text,
	})
)

func readNumber(s string) (any, error) {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return nil, errors.New("must be a whole number")
	}
	return n, nil
}

func readCount(s string) (any, error) {
	n, err := strconv.ParseInt(s, 10, 32)
	if err != nil || n < 1 {
		return nil, errors.New("must be a whole number from 1")
	}
	return n, nil
}

func readToggle(s string) (any, error) {
	switch s {
	case "true":
		return true, nil
	case "false":
		return false, nil
	}
	return nil, errors.New("must be true or false")
}

func readMoment(s string) (any, error) {
	if _, err := time.Parse(time.DateOnly, s); err == nil {
		s += "T00:00:00Z"
	}
	var t latchkey.Time
	if err := t.UnmarshalText([]byte(s)); err != nil {
		return nil, errors.New("must be a time in RFC 3339, such as 2026-11-21T09:30:00Z, or a day")
	}
	return t, nil
}

func readFromNow(s string) (any, error) {
	d, err := span.Parse(s)
	if err != nil {
		return nil, err
	}
	return latchkey.Time{Time: time.Now().Add(d.Duration())}, nil
}

func readObject(s string) (any, error) {
	doc, err := readDocument([]byte(s))
	if err != nil {
		return nil, errors.New("must be an object in JSON, such as " + `'{"plan": "pro"}'`)
	}
	return doc, nil
}

// readOwner tells ids of identities from external ids, which never begin so.
func readOwner(s string) (any, error) {
	if strings.HasPrefix(s, "idn_") {
		return map[string]any{"id": s}, nil
	}
	return map[string]any{"external_id": s}, nil
}

// parts is the kind of an object that is written as in the example.
func parts(example string, kinds map[string]kind) kind {
	read := func(s string) (any, error) {
		doc := map[string]any{}
		for part := range strings.SplitSeq(s, ",") {
			name, text, ok := strings.Cut(part, "=")
			k, known := kinds[name]
			if _, twice := doc[name]; !ok || !known || twice {
				return nil, fmt.Errorf("must be such as %s", example)
			}
			v, err := k.read(text)
			if err != nil {
				return nil, fmt.Errorf("%s %w", name, err)
			}
			doc[name] = v
		}
		return doc, nil
	}
	return kind{"LIST", read}
}

// A value is what is given for a flag.
type value struct {
	member member
	given  []any
}

// A valueError is the error of a flag's value.
type valueError struct{ error }

// Set reads one value.
func (v *value) Set(s string) error {
	read, err := v.member.kind.read(s)
	if err != nil {
		return valueError{fmt.Errorf("--%s: %w", v.member.flag, err)}
	}
	if !v.member.many {
		v.given = nil
	}
	v.given = append(v.given, read)
	return nil
}

// String is what was given last; the default is none.
func (v *value) String() string {
	if !v.set() {
		return ""
	}
	return fmt.Sprint(v.given[len(v.given)-1])
}

// Type is the value's name in the help.
func (v *value) Type() string { return v.member.kind.name }

// set reports whether the flag was given.
func (v *value) set() bool { return v != nil && v.given != nil }

// json returns what was given: a list where there may be several.
func (v *value) json() any {
	if v.member.many {
		return v.given
	}
	return v.given[0]
}

// number returns a flag's number, if one was given.
func (v *value) number() (n int64, ok bool) {
	if !v.set() {
		return 0, false
	}
	n, ok = v.given[0].(int64)
	return n, ok
}

// text returns what was given for a filter, or "".
func (c *call) text(flag string) string {
	if v := c.given[flag]; v.set() {
		return v.given[0].(string)
	}
	return ""
}

// filter returns what was given for a filter that may also be empty.
func filter[T any](c *call, flag string) *T {
	if v := c.given[flag]; v.set() {
		return new(v.given[0].(T))
	}
	return nil
}

// time returns what was given for a filter by time, or the zero time.
func (c *call) time(flag string) time.Time {
	if v := c.given[flag]; v.set() {
		return v.given[0].(latchkey.Time).Time
	}
	return time.Time{}
}
