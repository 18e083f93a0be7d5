package ratelimit

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"
)

// A Lease is a place under a concurrency limit. It is held until it is released
// or expires.
type Lease struct {
	ID        string // nobody else's
	Counter   Counter
	Scope     string // what the caller wants to know of it later
	ExpiresAt time.Time
}

// A place is a lease as it is kept. It never changes.
type place struct {
	Lease
	ends int64
}

// before orders places by when they end.
func (p *place) before(o *place) int {
	return cmp.Or(cmp.Compare(p.ends, o.ends), strings.Compare(p.ID, o.ID))
}

// admit says what a concurrency limit does with one who wants a number of
// places at the instant now, while those in held are taken. They are in the
// order in which they end, and none has ended. Who wants none only looks.
func admit(l Limit, held []*place, want int, now int64) Decision {
	d := Decision{Name: l.Name, Max: l.Max, Concurrent: true}
	most := int(min(max(l.Max, 0), MaxConcurrent))
	tooMany := len(held) + want - most
	d.Allowed = want == 0 || tooMany <= 0
	switch {
	case d.Allowed:
		d.RetryAt = instant(now)
		d.Remaining = int64(max(-tooMany, 0))
	case tooMany <= len(held):
		d.RetryAt = instant(held[tooMany-1].ends)
		fallthrough
	default:
		d.Remaining = int64(max(most-len(held), 0))
	}
	return d
}

// wanted returns how many places spends up to the i-th want of the counter of
// the i-th.
func wanted(spends []Spend, i int) int {
	n := 0
	for j := range spends[:i+1] {
		if spends[j].Lease != nil && spends[j].Limit.Concurrent && (j == i || spends[j].Counter == spends[i].Counter) {
			n++
		}
	}
	return n
}

// decide says what becomes of a spend under a concurrency limit, once places
// that have ended are free.
func (l *Local) decide(sp *Spend, at *spot, want int, now time.Time) Decision {
	var held []*place
	if at.place >= 0 {
		e := &at.shard.entries[at.place]
		l.expire(e, nanos(now))
		held = e.held
	}
	d := admit(sp.Limit, held, want, nanos(now))
	if sp.Lease == nil {
		d.Allowed = true // What refuses is an earlier spend on the counter.
	}
	return d
}

// expire frees the places of an entry that have ended.
func (l *Local) expire(e *entry, now int64) {
	n := 0
	for n < len(e.held) && e.held[n].ends <= now {
		l.leases.Delete(e.held[n].ID)
		e.held[n] = nil
		n++
	}
	e.held = e.held[n:]
}

// hold takes the place that a spend asks for.
func (l *Local) hold(s *shard, sp *Spend) {
	e := s.insert(sp)
	lease := *sp.Lease
	lease.Counter, lease.Scope = e.counter, strings.Clone(lease.Scope)
	l.keep(e, lease)
}

// keep adds a lease to an entry.
func (l *Local) keep(e *entry, lease Lease) {
	p := &place{lease, nanos(lease.ExpiresAt)}
	i, _ := slices.BinarySearchFunc(e.held, p, (*place).before)
	e.held = slices.Insert(e.held, i, p)
	l.leases.Store(p.ID, p)
}

// end frees the place of a lease, and reports whether it was held.
func (l *Local) end(e *entry, id string) bool {
	v, ok := l.leases.Load(id)
	if !ok {
		return false
	}
	i, ok := slices.BinarySearchFunc(e.held, v.(*place), (*place).before)
	if !ok {
		return false
	}
	e.held = slices.Delete(e.held, i, i+1)
	l.leases.Delete(id)
	return true
}

// Lease returns a lease that is held at the instant now.
func (l *Local) Lease(_ context.Context, id string, now time.Time) (Lease, bool, error) {
	v, ok := l.leases.Load(id)
	if !ok || v.(*place).ends <= nanos(now) {
		return Lease{}, false, nil
	}
	return v.(*place).Lease, true, nil
}

// Release ends a lease early, and reports false where it is not held at the
// instant now.
func (l *Local) Release(ctx context.Context, id string, now time.Time) (bool, error) {
	lease, ok, err := l.Lease(ctx, id, now)
	if !ok || err != nil {
		return false, err
	}
	s := &l.shards[shardOf(&lease.Counter)]
	s.mu.Lock()
	defer s.mu.Unlock()
	place, ok := s.index[lease.Counter]
	return ok && l.end(&s.entries[place], id), nil
}
