package usage

import (
	"hash/maphash"
	"slices"
	"strings"
	"time"

	"latchkey/internal/keys"
)

const (
	// maxSets is how many different sets of tags a key has in an hour.
	maxSets = 1000

	// maxAllSets bounds those of all keys; each takes some 70 bytes.
	maxAllSets = 1 << 20
)

// A keyHour is a key in one hour.
type keyHour struct {
	keyID string
	hour  int32
}

// countApart counts what no record's tally can hold.
func (r *Recorder) countApart(id keys.Count, tags keys.TagSet, one sum, now time.Time) {
	hour := hourOf(now)
	s := &r.shards[shardOf(id.KeyID)]
	s.mu.Lock()
	defer s.mu.Unlock()
	s.latest = hour
	id.Tags, id.Hour = tags, timeOf(hour)
	have := s.apart[id]
	if have == nil {
		if tags != "" && !r.known(s, keyHour{id.KeyID, hour}, tags) {
			id.Tags = keys.OtherTags
		}
		if have = s.apart[id]; have == nil {
			if !r.admit(weight(&id)) {
				return
			}
			id.Tags = keys.TagSet(strings.Clone(string(id.Tags))) // which is part of a request
			have = new(sum)
			s.apart[id] = have
		}
	}
	have.add(one)
}

// known reports whether a key may have a set of tags in an hour: it has had it,
// or has had few enough.
func (r *Recorder) known(s *shard, at keyHour, tags keys.TagSet) bool {
	hash := maphash.String(seed, string(tags))
	sets := s.tagged[at]
	switch {
	case slices.Contains(sets, hash):
		return true
	case len(sets) == maxSets || r.sets.Load() >= maxAllSets:
		return false
	}
	s.tagged[at] = append(sets, hash)
	r.sets.Add(1)
	return true
}

// forgetSets forgets the sets of tags of hours that are over. The clock may
// step back by one.
func (r *Recorder) forgetSets(s *shard) {
	for at, sets := range s.tagged {
		if at.hour < s.latest-1 || at.hour > s.latest+1 {
			delete(s.tagged, at)
			r.sets.Add(-int64(len(sets)))
		}
	}
}

// weight is how many entries a count is held to be, by the room that it takes.
func weight(c *keys.Count) int64 { return 1 + int64(len(c.Tags))/100 }

func (s *sum) add(more sum) { s.n, s.took = s.n+more.n, s.took.Plus(more.took) }
