package ratelimit

import "math/bits"

// A State is what a counter holds. The zero State has counted nothing. It
// belongs to one window length; it may outlive a change of Max, and a change of
// algorithm starts it anew.
type State struct {
	by kind
	// at is the number of the window since the epoch for sliding and fixed, the
	// instant at which the window began for fixedFromFirst, and the instant for
	// which count holds for gcra.
	at int64
	// count is what was counted in the window; for gcra, what has not yet
	// drained, rounded down.
	count int64
	// rest is the count of the window before for sliding, and for gcra what
	// count leaves out, in parts of which the window's nanoseconds make one.
	rest int64
}

// A kind is an algorithm that is known.
type kind uint8

const (
	none kind = iota
	sliding
	fixed
	fixedFromFirst
	gcra
)

// kind returns the limit's algorithm; an unknown one is the default.
func (l Limit) kind() kind {
	switch l.Algorithm {
	case Fixed:
		return fixed
	case FixedFromFirst:
		return fixedFromFirst
	case GCRA:
		return gcra
	}
	return sliding
}

// A rule is a limit as the arithmetic wants it. Instants are nanoseconds since
// the epoch.
type rule struct {
	kind   kind
	max    int64
	window int64 // at least 1
}

// countCap keeps sums of two counts within an int64 whatever Max a limit that
// nobody validated has.
const countCap = 1 << 60

func (l Limit) rule() rule {
	return rule{l.kind(), min(max(l.Max, 0), countCap), max(int64(l.Window.Duration()), 1)}
}

// advance returns st as it is at the instant now, or later: a state that is
// ahead of the clock stands still until the clock has reached it, so that a
// clock that steps back frees nothing.
func (r rule) advance(st State, now int64) State {
	if st.by != r.kind {
		return r.fresh(now)
	}
	switch r.kind {
	case sliding, fixed:
		if n := now / r.window; n > st.at {
			before := int64(0)
			if r.kind == sliding && n == st.at+1 {
				before = st.count
			}
			st = State{r.kind, n, 0, before}
		}
	case fixedFromFirst:
		if st.count == 0 || now >= st.at+r.window {
			st = r.fresh(now)
		}
	case gcra:
		st = r.drain(st, now)
	}
	if st.count == 0 && st.rest == 0 {
		return r.fresh(now)
	}
	return st
}

// fresh returns a state of the instant that has counted nothing.
func (r rule) fresh(now int64) State {
	if r.kind == sliding || r.kind == fixed {
		now /= r.window
	}
	return State{by: r.kind, at: now}
}

// drain takes from a state of gcra what has passed: Max for every window. A
// state that was filled under a larger Max is cut to the present one.
func (r rule) drain(st State, now int64) State {
	if st.count >= r.max {
		st.count, st.rest = r.max, 0
	}
	if now <= st.at {
		return st
	}
	if now-st.at >= r.window {
		return State{by: gcra, at: now}
	}
	whole, part := mulDiv(r.max, now-st.at, r.window)
	st.at = now
	st.count, st.rest = subtract(st.count, st.rest, whole, part, r.window)
	return st
}

// used returns what of Max is in use. The state must have been advanced.
func (r rule) used(st State, now int64) int64 {
	switch {
	case r.kind == sliding && st.rest > 0:
		elapsed := max(now-st.at*r.window, 0)
		weighed, _ := mulDiv(st.rest, r.window-elapsed, r.window)
		return st.count + weighed
	case r.kind == gcra && st.rest > 0:
		return st.count + 1
	}
	return st.count
}

// windowEnd returns when the window that st is in ends.
func (r rule) windowEnd(st State, now int64) int64 {
	switch r.kind {
	case fixedFromFirst:
		return st.at + r.window
	case gcra:
		return r.freed(st, now, 0)
	}
	return (st.at + 1) * r.window
}

// freed returns the earliest instant, not before now, at which no more than
// limit is used if nothing else happens. The state must have been advanced.
func (r rule) freed(st State, now, limit int64) int64 {
	if r.used(st, now) <= limit {
		return now
	}
	switch r.kind {
	case sliding:
		start := st.at * r.window
		if limit >= st.count {
			return start + r.faded(st.rest, limit-st.count)
		}
		return start + r.window + r.faded(st.count, limit)
	case gcra:
		// What is too much, in parts, drains at Max parts a nanosecond.
		hi, lo := bits.Mul64(uint64(st.count-limit), uint64(r.window))
		lo, carry := bits.Add64(lo, uint64(st.rest), 0)
		q, rest := bits.Div64(hi+carry, lo, uint64(r.max))
		if rest > 0 {
			q++
		}
		return st.at + int64(q)
	}
	return r.windowEnd(st, now)
}

// faded returns how far into a window the weight of the count before has gone
// down to limit: the least e with floor(before × (window−e) / window) ≤ limit.
func (r rule) faded(before, limit int64) int64 {
	if before <= limit {
		return 0
	}
	// before × (window−e) < (limit+1) × window, solved for e.
	q, rest := mulDiv(limit+1, r.window, before)
	if rest > 0 {
		q++
	}
	return r.window - q + 1
}

// over reports whether a state of a counter with the window has nothing more
// to say at the instant now. One that has counted nothing never had.
func (st State) over(window, now int64) bool {
	if st.count == 0 && st.rest == 0 {
		return true
	}
	switch st.by {
	case sliding:
		return now/window > st.at+1
	case fixed:
		return now/window > st.at
	case fixedFromFirst, gcra:
		return now-st.at >= window
	}
	return true
}

// mulDiv returns a×b/c and what is left of it. The quotient must fit.
func mulDiv(a, b, c int64) (quotient, rest int64) {
	hi, lo := bits.Mul64(uint64(a), uint64(b))
	q, r := bits.Div64(hi, lo, uint64(c))
	return int64(q), int64(r)
}

// subtract takes one number from another, but not below zero; each is a whole
// and a part, of which one has unit.
func subtract(whole, part, lessWhole, lessPart, unit int64) (int64, int64) {
	whole -= lessWhole
	part -= lessPart
	if part < 0 {
		whole--
		part += unit
	}
	if whole < 0 {
		return 0, 0
	}
	return whole, part
}
