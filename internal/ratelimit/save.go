package ratelimit

import (
	"encoding/gob"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"
)

// savedForm numbers the form of what Save writes. Another one is not read.
const savedForm = 1

// A savedCounter is a counter as Save writes it. After the last one comes one
// that is Last.
type savedCounter struct {
	Counter         Counter
	By              uint8
	At, Count, Rest int64
	Bounded         bool
	Held            []savedPlace
	Last            bool
}

type savedPlace struct {
	ID, Scope string
	Ends      int64
}

// Save writes all counters and leases for [Local.Load]. What is taken meanwhile
// may be left out.
func (l *Local) Save(w io.Writer) error {
	out := gob.NewEncoder(w)
	if err := out.Encode(savedForm); err != nil {
		return fmt.Errorf("save counters: %w", err)
	}
	for i := range l.shards {
		for _, c := range l.shards[i].saved() {
			if err := out.Encode(c); err != nil {
				return fmt.Errorf("save counters: %w", err)
			}
		}
	}
	if err := out.Encode(savedCounter{Last: true}); err != nil {
		return fmt.Errorf("save counters: %w", err)
	}
	return nil
}

func (s *shard) saved() (out []savedCounter) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, of := range s.bounded {
		for _, c := range of {
			e := &s.entries[s.index[c]]
			out = append(out, e.saved(true))
		}
	}
	for i := range s.entries {
		if e := &s.entries[i]; s.bounded == nil || !s.isBound(e.counter) {
			out = append(out, e.saved(false))
		}
	}
	return out
}

func (e *entry) saved(bounded bool) savedCounter {
	st := e.state
	out := savedCounter{Counter: e.counter, By: uint8(st.by), At: st.at, Count: st.count, Rest: st.rest, Bounded: bounded}
	for _, p := range e.held {
		out.Held = append(out.Held, savedPlace{p.ID, p.Scope, p.ends})
	}
	return out
}

// Load reads what [Local.Save] has written into a Local that has counted
// nothing, but for what is over at the instant now. What was counted while the
// clock was far ahead is as if it was counted now. Where it fails, some of it may
// have been read.
func (l *Local) Load(r io.Reader, now time.Time) error {
	in := gob.NewDecoder(r)
	var form int
	if err := in.Decode(&form); err != nil {
		return fmt.Errorf("read saved counters: %w", err)
	}
	if form != savedForm {
		return fmt.Errorf("read saved counters: they are in form %d, which this version does not know", form)
	}
	for n := 0; ; {
		var c savedCounter
		if err := in.Decode(&c); err != nil {
			return fmt.Errorf("read saved counters: %w", err)
		}
		if c.Last {
			return nil
		}
		if !c.valid() || l.has(&c) {
			return errors.New("read saved counters: one of them cannot be, or is there twice")
		}
		if l.load(&c, nanos(now)) {
			n++
		}
		if l.Most > 0 && n > l.Most {
			return fmt.Errorf("read saved counters: there are more than %d, which is the most", l.Most)
		}
	}
}

// has reports whether the counter, or one of its leases, is known.
func (l *Local) has(c *savedCounter) bool {
	s := &l.shards[shardOf(&c.Counter)]
	s.mu.Lock()
	_, known := s.index[c.Counter]
	s.mu.Unlock()
	return known || slices.ContainsFunc(c.Held, func(p savedPlace) bool {
		_, known := l.leases.Load(p.ID)
		return known
	})
}

// catchUp brings a counter that is further ahead of the clock than it counts
// for to the instant now: the clock was wrong when it was saved, and would have
// to reach that time again before the counter went on.
func (c *savedCounter) catchUp(now int64) {
	window := max(int64(c.Counter.Window), 1)
	switch kind(c.By) {
	case sliding, fixed:
		if n := now / window; c.At > n+1 {
			c.At = n
		}
	case fixedFromFirst, gcra:
		if c.At-now > window {
			c.At = now
		}
	}
	for i := range c.Held {
		c.Held[i].Ends = min(c.Held[i].Ends, now+int64(MaxLease))
	}
}

// load adds a counter unless it is over, and reports whether it did.
func (l *Local) load(c *savedCounter, now int64) bool {
	c.catchUp(now)
	e := entry{counter: c.Counter, state: State{kind(c.By), c.At, c.Count, c.Rest}}
	for _, p := range c.Held {
		if p.Ends > now {
			l.keep(&e, Lease{p.ID, c.Counter, p.Scope, instant(p.Ends)})
		}
	}
	if e.over(now) {
		return false
	}
	s := &l.shards[shardOf(&c.Counter)]
	s.mu.Lock()
	defer s.mu.Unlock()
	if l.Most > 0 && s.shares == nil {
		s.shares = map[string]int{}
	}
	sp := Spend{Counter: c.Counter}
	if c.Bounded {
		sp.Most = 1
	}
	to := s.insert(&sp)
	to.state, to.held = e.state, e.held
	return true
}

// valid reports whether the counter is such as the arithmetic leaves it.
func (c *savedCounter) valid() bool {
	window := max(int64(c.Counter.Window), 1)
	if c.At < 0 || c.Count < 0 || c.Count > countCap || c.Rest < 0 || c.Rest > countCap {
		return false
	}
	if n := len(c.Held); n > 0 && (n > MaxConcurrent || c.Counter.Window != 0 || kind(c.By) != none) {
		return false
	}
	if slices.ContainsFunc(c.Held, func(p savedPlace) bool { return p.ID == "" || p.Ends < 0 }) {
		return false
	}
	const latest = maxSeconds * int64(time.Second)
	switch kind(c.By) {
	case none:
		return true
	case sliding, fixed:
		return c.At <= latest/window
	case fixedFromFirst:
		return c.At <= latest
	case gcra:
		return c.At <= latest && c.Rest < window
	}
	return false
}
