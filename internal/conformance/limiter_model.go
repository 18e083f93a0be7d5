package conformance

import (
	"maps"
	"slices"
	"time"

	"latchkey/internal/ratelimit"
)

// A tally is what a limiter has counted when calls are made one after another,
// by the pure function alone.
type tally struct {
	states map[ratelimit.Counter]ratelimit.State
	held   map[ratelimit.Counter]map[string]time.Time // id of a lease → when it ends
}

func newTally() tally {
	return tally{map[ratelimit.Counter]ratelimit.State{}, map[ratelimit.Counter]map[string]time.Time{}}
}

// ask says what becomes of spends, and counts them if they are to be and none
// is refused.
func (m tally) ask(spends []ratelimit.Spend, now time.Time, count bool) (out []ratelimit.Decision, ok bool) {
	ok = true
	var states []ratelimit.State
	for i, sp := range spends {
		st, d := m.decide(sp, asked(spends[:i+1]), now)
		d.Allowed = d.Allowed || asked(spends[i:i+1]) == 0
		states, out, ok = append(states, st), append(out, d), ok && d.Allowed
	}
	for i, sp := range spends {
		switch {
		case !ok && out[i].Allowed:
			_, out[i] = m.decide(sp, 0, now)
		case ok && count && sp.Lease != nil:
			m.held[sp.Counter][sp.Lease.ID] = sp.Lease.ExpiresAt
		case ok && count && !sp.Limit.Concurrent:
			m.states[sp.Counter] = states[i]
		}
	}
	return out, ok
}

// asked returns what spends ask of the counter of the last.
func asked(spends []ratelimit.Spend) (n int64) {
	last := spends[len(spends)-1]
	for _, sp := range spends {
		switch {
		case sp.Counter != last.Counter:
		case !sp.Limit.Concurrent:
			n += max(sp.Cost, 0)
		case sp.Lease != nil:
			n++
		}
	}
	return n
}

// decide says what becomes of who asks so much of the counter of a spend.
func (m tally) decide(sp ratelimit.Spend, n int64, now time.Time) (ratelimit.State, ratelimit.Decision) {
	if !sp.Limit.Concurrent {
		return ratelimit.Take(sp.Limit, m.states[sp.Counter], n, now)
	}
	if m.held[sp.Counter] == nil {
		m.held[sp.Counter] = map[string]time.Time{}
	}
	maps.DeleteFunc(m.held[sp.Counter], func(_ string, ends time.Time) bool { return !ends.After(now) })
	ends := slices.SortedFunc(maps.Values(m.held[sp.Counter]), time.Time.Compare)
	held := int64(len(ends))
	d := ratelimit.Decision{Name: sp.Limit.Name, Max: sp.Limit.Max, Concurrent: true, Remaining: max(0, sp.Limit.Max-held)}
	switch tooMany := held + n - sp.Limit.Max; {
	case n == 0 || tooMany <= 0:
		d.Allowed, d.RetryAt, d.Remaining = true, now, max(0, sp.Limit.Max-held-n)
	case tooMany <= held:
		d.RetryAt = ends[tooMany-1]
	}
	return ratelimit.State{}, d
}

func (m tally) give(spends []ratelimit.Spend, takenAt, now time.Time) {
	for _, sp := range spends {
		if sp.Lease != nil {
			delete(m.held[sp.Counter], sp.Lease.ID)
		} else if !sp.Limit.Concurrent {
			m.states[sp.Counter] = ratelimit.Give(sp.Limit, m.states[sp.Counter], sp.Cost, takenAt, now)
		}
	}
}

// find returns the counter in which a lease is held.
func (m tally) find(id string, now time.Time) (ratelimit.Counter, bool) {
	for c, held := range m.held {
		if ends, ok := held[id]; ok && ends.After(now) {
			return c, true
		}
	}
	return ratelimit.Counter{}, false
}
