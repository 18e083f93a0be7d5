package ratelimit

import "time"

// Take counts a call of a cost at the instant now, if the limit allows it, and
// returns the counter's new state. A call that is refused leaves the state as
// it was, as does one of cost 0, which is never refused: it shows the figures.
func Take(l Limit, st State, cost int64, now time.Time) (State, Decision) {
	r, at := l.rule(), nanos(now)
	cost = max(cost, 0)
	present := r.advance(st, at)
	d := Decision{Name: l.Name, Max: l.Max, Window: l.Window}
	d.Allowed = cost == 0 || cost <= r.max && r.used(present, at) <= r.max-cost
	if d.Allowed && cost > 0 {
		present.count += cost
		st = present
	}
	switch {
	case d.Allowed:
		d.RetryAt = instant(at)
	case cost <= r.max:
		d.RetryAt = instant(r.freed(present, at, r.max-cost))
	}
	d.Remaining = max(r.max-r.used(present, at), 0)
	d.WindowEnd = instant(r.windowEnd(present, at))
	d.FreeAt = instant(r.freed(present, at, 0))
	return st, d
}

// Give takes back a cost that [Take] counted at the instant takenAt, for a call
// that something else refused. It gives no more than still counts: nothing once
// the window has passed, and for GCRA what has not drained since.
func Give(l Limit, st State, cost int64, takenAt, now time.Time) State {
	r, taken, at := l.rule(), nanos(takenAt), nanos(now)
	if st.by != r.kind || cost <= 0 {
		return st
	}
	switch r.kind {
	case sliding, fixed:
		// While the clock is behind the state's window, Take counts there.
		ahead := at/r.window < st.at
		switch n := taken / r.window; {
		case n == st.at || ahead:
			st.count = max(st.count-cost, 0)
		case n == st.at-1 && r.kind == sliding:
			st.rest = max(st.rest-cost, 0)
		}
	case fixedFromFirst:
		if ahead := at < st.at; ahead || st.at <= taken && taken < st.at+r.window {
			st.count = max(st.count-cost, 0)
		}
	case gcra:
		passed := max(at-taken, 0)
		if passed >= r.window {
			return st
		}
		st = r.drain(st, at)
		whole, part := mulDiv(r.max, passed, r.window)
		whole, part = subtract(cost, 0, whole, part, r.window)
		st.count, st.rest = subtract(st.count, st.rest, whole, part, r.window)
	}
	return st
}

// maxSeconds keeps instants, and a few windows after them, within an int64 of
// nanoseconds. It falls in the year 2255.
const maxSeconds = 9_000_000_000

// nanos returns an instant as nanoseconds since the epoch, from which it keeps
// times that are too far.
func nanos(t time.Time) int64 {
	s := t.Unix()
	if s < 0 {
		return 0
	}
	if s >= maxSeconds {
		return maxSeconds * int64(time.Second)
	}
	return s*int64(time.Second) + int64(t.Nanosecond())
}

func instant(nanos int64) time.Time { return time.Unix(0, nanos).UTC() }
