package ratelimit

import (
	"encoding/gob"
	"errors"
	"fmt"
	"io"
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
// nothing, but for what is over at the instant now. Where it fails, some of it
// may have been read.
func (l *Local) Load(r io.Reader, now time.Time) error {
	in := gob.NewDecoder(r)
	var form int
	if err := in.Decode(&form); err != nil {
		return fmt.Errorf("read saved counters: %w", err)
	}
	if form != savedForm {
		return fmt.Errorf("read saved counters: they are in form %d, which this version does not know", form)
	}
	for {
		var c savedCounter
		if err := in.Decode(&c); err != nil {
			return fmt.Errorf("read saved counters: %w", err)
		}
		if c.Last {
			return nil
		}
		if !c.valid() {
			return errors.New("read saved counters: one of them cannot be")
		}
		l.load(&c, nanos(now))
	}
}

// load adds a counter unless it is over.
func (l *Local) load(c *savedCounter, now int64) {
	e := entry{counter: c.Counter, state: State{kind(c.By), c.At, c.Count, c.Rest}}
	for _, p := range c.Held {
		if p.Ends > now {
			l.keep(&e, Lease{p.ID, c.Counter, p.Scope, instant(p.Ends)})
		}
	}
	if e.over(now) {
		return
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
}

// valid reports whether the counter is such as the arithmetic leaves it.
func (c *savedCounter) valid() bool {
	window := max(int64(c.Counter.Window), 1)
	if c.At < 0 || c.Count < 0 || c.Count > countCap || c.Rest < 0 || c.Rest > countCap {
		return false
	}
	switch kind(c.By) {
	case sliding, fixed:
		return c.At <= maxSeconds*int64(time.Second)/window
	case gcra:
		return c.Rest < window
	}
	return c.By <= uint8(gcra)
}
