// Package span has the durations of limits and expiries as people write them:
// an integer and a unit. A [Span] is given back as it came, so that what was
// written as 24h does not come back as 1d.
package span

import (
	"errors"
	"math"
	"strconv"
	"strings"
	"time"
)

// A Unit is what a span counts.
type Unit uint8

// The units, from the smallest. The zero Unit belongs to the zero Span alone.
const (
	Millisecond Unit = iota + 1
	Second
	Minute
	Hour
	Day
)

// units holds each unit's name and length; the zero Unit has neither.
var units = [...]struct {
	name   string
	length time.Duration
}{
	Millisecond: {"ms", time.Millisecond},
	Second:      {"s", time.Second},
	Minute:      {"m", time.Minute},
	Hour:        {"h", time.Hour},
	Day:         {"d", 24 * time.Hour},
}

// A Span is N of a unit. The zero value is no span at all; it is not "0s".
type Span struct {
	N    int64
	Unit Unit
}

var (
	errForm = errors.New("a duration is an integer and a unit, such as 500ms, 90s, 15m, 24h or 30d")
	errLong = errors.New("a duration is at most 106751d")
)

// maxDigits bounds N's text, so that parsing it cannot overflow an int64.
const maxDigits = 15

// Parse reads a span such as 500ms, 90s, 15m, 24h or 30d.
func Parse(s string) (Span, error) {
	digits := len(s) - len(strings.TrimLeft(s, "0123456789"))
	if digits == 0 || digits > maxDigits {
		return Span{}, errForm
	}
	n, err := strconv.ParseInt(s[:digits], 10, 64)
	if err != nil {
		return Span{}, errForm
	}
	for u := Millisecond; u <= Day; u++ {
		if s[digits:] != units[u].name {
			continue
		}
		if n > math.MaxInt64/int64(units[u].length) {
			return Span{}, errLong
		}
		return Span{n, u}, nil
	}
	return Span{}, errForm
}

// Of returns d in the largest unit that divides it. What is below one
// millisecond is cut off, and a negative d is none.
func Of(d time.Duration) Span {
	d = max(d, 0).Truncate(time.Millisecond)
	for u := Day; u > Millisecond; u-- {
		if d != 0 && d%units[u].length == 0 {
			return Span{int64(d / units[u].length), u}
		}
	}
	return Span{d.Milliseconds(), Millisecond}
}

// String returns the span as it was written, and "" for the zero value.
func (s Span) String() string {
	b, _ := s.AppendText(nil)
	return string(b)
}

// AppendText appends the span as it was written.
func (s Span) AppendText(b []byte) ([]byte, error) {
	if s.Unit == 0 || s.Unit > Day {
		return b, nil
	}
	return append(strconv.AppendInt(b, s.N, 10), units[s.Unit].name...), nil
}

// Duration returns the span's length; a day has 24 hours.
func (s Span) Duration() time.Duration {
	if s.Unit > Day {
		return 0
	}
	return time.Duration(s.N) * units[s.Unit].length
}

// IsZero reports whether s is no span. A span of length zero is one.
func (s Span) IsZero() bool { return s == Span{} }

// MarshalText returns the span as it was written.
func (s Span) MarshalText() ([]byte, error) { return s.AppendText([]byte{}) }

// UnmarshalText reads what [Parse] reads, and "" as the zero value.
func (s *Span) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*s = Span{}
		return nil
	}
	v, err := Parse(string(text))
	if err == nil {
		*s = v
	}
	return err
}
