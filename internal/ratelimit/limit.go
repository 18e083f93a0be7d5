// Package ratelimit has the arithmetic of rate limits, which is pure, and
// [Local], the limiter of one process. It does not know whose limits they are.
package ratelimit

import (
	"errors"
	"fmt"
	"time"
	"unicode/utf8"

	"latchkey/internal/span"
)

// An Algorithm says how a limit counts.
type Algorithm string

const (
	// Sliding weighs the window before the present one by how much of it a
	// window that ends now would cover. It is the default.
	Sliding Algorithm = "sliding"
	// Fixed counts in windows aligned to the epoch; at their border up to twice
	// the limit may pass at once.
	Fixed Algorithm = "fixed"
	// FixedFromFirst counts in windows that begin with the first call accepted
	// after the last one ended.
	FixedFromFirst Algorithm = "fixed_from_first"
	// GCRA lets Max pass at once and frees them again at an even pace.
	GCRA Algorithm = "gcra"
)

// Bounds of a limit.
const (
	MaxName   = 128
	MaxMax    = 1_000_000_000_000
	MinWindow = time.Millisecond
	MaxWindow = 366 * 24 * time.Hour

	// MaxConcurrent bounds the Max of a concurrency limit, each place of which
	// is kept by itself.
	MaxConcurrent = 100_000

	// MaxLease bounds how long a place is held.
	MaxLease = time.Hour
)

// A Limit lets Max pass in each Window. Auto says that it holds without being
// named in a request, Disabled that it does not hold at all; both are for those
// who choose the limits of a call, [Take] heeds neither.
//
// A Concurrent limit has neither window nor algorithm: it lets Max hold a
// [Lease] at the same time.
type Limit struct {
	ID, Name   string
	Max        int64
	Window     span.Span
	Algorithm  Algorithm // "" is Sliding
	Auto       bool
	Disabled   bool
	Concurrent bool
}

// Validate reports the first thing that is wrong with l.
func (l Limit) Validate() (err error) {
	l.Check(func(_, detail string) {
		if err == nil {
			err = errors.New(detail)
		}
	})
	return err
}

// Check tells fault of everything that is wrong with l: which member, and what
// it should be.
func (l Limit) Check(fault func(member, detail string)) {
	if n := utf8.RuneCountInString(l.Name); n < 1 || n > MaxName {
		fault("name", fmt.Sprintf("the name of a limit has 1 to %d characters", MaxName))
	}
	if l.Concurrent {
		if l.Max < 1 || l.Max > MaxConcurrent {
			fault("concurrent", fmt.Sprintf("the concurrent of a limit is 1 to %d", MaxConcurrent))
		}
		return
	}
	if l.Max < 1 || l.Max > MaxMax {
		fault("max", fmt.Sprintf("the max of a limit is 1 to %d", int64(MaxMax)))
	}
	if w := l.Window.Duration(); w < MinWindow || w > MaxWindow {
		fault("window", "the window of a limit is 1ms to 366d")
	}
	switch l.Algorithm {
	case "", Sliding, Fixed, FixedFromFirst, GCRA:
	default:
		fault("algorithm", "the algorithm of a limit is sliding, fixed, fixed_from_first or gcra")
	}
}

// A Counter is what a limit counts in. A limit whose Max changes counts on in
// the same counter; one whose window changes has another.
type Counter struct {
	Workspace, Name, Owner string
	Window                 time.Duration
}

// A Decision is what a limit says about one call.
type Decision struct {
	Name       string
	Allowed    bool
	Concurrent bool // of a concurrency limit, which has no Window, WindowEnd and FreeAt
	Max        int64
	// Remaining is what is left after this call.
	Remaining int64
	Window    span.Span
	// WindowEnd is when the present window ends; for GCRA, which has none, it
	// is FreeAt.
	WindowEnd time.Time
	// RetryAt is the earliest instant at which a call of the same cost would be
	// allowed if nothing else happens: now if this one was. It is zero if there
	// is none, since the cost is above Max. No lease is taken to end early.
	RetryAt time.Time
	// FreeAt is when all of Max is free if nothing else happens.
	FreeAt time.Time
}
