package ratelimit

import "slices"

// roomFor reports whether there may be all the counters that a call makes, or
// fills anew. Counters of an owner are in one shard, whose lock is held.
func (l *Local) roomFor(spends []Spend, spots []spot, now int64) bool {
	for i := range spends {
		at, sp := &spots[i], &spends[i]
		if !fills(sp, at) {
			continue
		}
		inShard, ofWorkspace, ofOwner := 0, 0, 0 // counters that the call makes up to here
		for j := range spends[:i+1] {
			other, c := &spots[j], &spends[j].Counter
			if other.shard != at.shard || !fills(&spends[j], other) || named(spends[:j], spots, c) {
				continue
			}
			if other.place < 0 {
				inShard++
				if c.Workspace == sp.Counter.Workspace {
					ofWorkspace++
				}
			}
			if spends[j].Most > 0 && c.Owner == sp.Counter.Owner && other.idle(now) {
				ofOwner++
			}
		}
		if l.Most > 0 && at.place < 0 && !l.roomIn(at.shard, sp.Counter.Workspace, inShard, ofWorkspace) {
			return false
		}
		if sp.Most > 0 && at.idle(now) && at.shard.live(sp.Counter.Owner, now)+ofOwner > sp.Most {
			return false
		}
	}
	return true
}

// fills reports whether committing a spend leaves something in its counter.
func fills(sp *Spend, at *spot) bool {
	if sp.Limit.Concurrent {
		return sp.Lease != nil
	}
	return at.after != State{}
}

// named reports whether one of the first spends of a call fills a counter.
func named(first []Spend, spots []spot, c *Counter) bool {
	for i := range first {
		if first[i].Counter == *c && fills(&first[i], &spots[i]) {
			return true
		}
	}
	return false
}

// idle reports whether the counter is not there, or waits to be swept.
func (at *spot) idle(now int64) bool {
	return at.place < 0 || at.shard.entries[at.place].over(now-int64(Grace))
}

// roomIn reports whether a shard has room for as many more, of which so many,
// the last one too, are the workspace's. That has room while it holds fewer
// than are free.
func (l *Local) roomIn(s *shard, workspace string, more, ofWorkspace int) bool {
	free := max(1, l.Most/shardCount) - len(s.entries) - (more - 1)
	return s.shares[workspace]+ofWorkspace-1 < free
}

// makeRoom has the shards of a call sweep more where one of its counters would
// find no room.
func (l *Local) makeRoom(spends []Spend, spots []spot, now int64) {
	for i := range spends {
		s := spots[i].shard
		if s.shares == nil {
			s.shares = map[string]int{}
		}
		if !l.roomIn(s, spends[i].Counter.Workspace, 1, 1) {
			l.sweep(s, now, sweepFull)
		}
	}
}

// unshare forgets a counter of a workspace that is dropped.
func (s *shard) unshare(workspace string) {
	if s.shares[workspace]--; s.shares[workspace] <= 0 {
		delete(s.shares, workspace)
	}
}

// live returns how many counters of an owner that were taken with a Most still
// count, within the grace of sweeping.
func (s *shard) live(owner string, now int64) int {
	n := 0
	for _, c := range s.bounded[owner] {
		if place, ok := s.index[c]; ok && !s.entries[place].over(now-int64(Grace)) {
			n++
		}
	}
	return n
}

// bind notes a counter that was taken with a Most.
func (s *shard) bind(c Counter) {
	if s.bounded == nil {
		s.bounded = map[string][]Counter{}
	}
	s.bounded[c.Owner] = append(s.bounded[c.Owner], c)
}

// isBound reports whether a counter was taken with a Most.
func (s *shard) isBound(c Counter) bool { return slices.Contains(s.bounded[c.Owner], c) }

// unbind forgets a counter that is dropped.
func (s *shard) unbind(c Counter) {
	of, ok := s.bounded[c.Owner]
	if !ok {
		return
	}
	if of = slices.DeleteFunc(of, func(o Counter) bool { return o == c }); len(of) > 0 {
		s.bounded[c.Owner] = of
		return
	}
	delete(s.bounded, c.Owner)
	if len(s.bounded) == 0 {
		s.bounded = nil // maps of Go only grow
	}
}
