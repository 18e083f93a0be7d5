package usage

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"latchkey/internal/keys"
)

const (
	// interval is how often counts are written.
	interval = 3 * time.Second

	// batchRows bounds one write, so that others who wait for the one writer
	// of the store do not wait long.
	batchRows = 500

	// batchTime bounds how long one write is waited for, and lastFlush how
	// long writes are still begun when the recorder stops.
	batchTime = 3 * time.Second
	lastFlush = 3 * time.Second

	// maxReading is how many sums are read at once, and readTime how long one
	// may take, so that readers of usage leave the store to others.
	maxReading = 2
	readTime   = 5 * time.Second
)

// Run writes what was counted every few seconds until ctx ends, and then once
// more, for at most a few seconds. It returns what kept it from writing the
// rest.
func (r *Recorder) Run(ctx context.Context) error {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			_ = r.Flush(ctx) // What failed waits for the next tick; Failed has heard of it.
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastFlush)
			defer cancel()
			return r.Flush(last)
		}
	}
}

// Flush writes everything that was counted before it was called. What could
// not be written is kept for the next time.
func (r *Recorder) Flush(ctx context.Context) error {
	return r.flush(ctx, r.shards[:])
}

// Accepted returns how many uses of a key were accepted in [from, to), those
// that were answered just now included.
func (r *Recorder) Accepted(ctx context.Context, keyID string, from, to time.Time) (int64, error) {
	i := shardOf(keyID) // The others can wait.
	if err := r.flush(ctx, r.shards[i:i+1]); err != nil {
		return 0, err
	}
	return r.store.CountUsage(ctx, keyID, keys.Valid, from, to)
}

// Sums adds up what was counted, that which was answered just now included.
func (r *Recorder) Sums(ctx context.Context, workspaceID string, f keys.UsageFilter) ([]keys.UsageSum, error) {
	ctx, cancel := context.WithTimeout(ctx, readTime)
	defer cancel()
	select {
	case r.reading <- struct{}{}:
		defer func() { <-r.reading }()
	case <-ctx.Done():
		return nil, keys.Errorf(keys.Unavailable, "others are reading usage; try again")
	}
	shards := r.shards[:]
	if f.KeyID != "" {
		i := shardOf(f.KeyID)
		shards = r.shards[i : i+1]
	}
	if err := r.flush(ctx, shards); err != nil {
		return nil, err
	}
	sums, err := r.store.SumUsage(ctx, workspaceID, f)
	if err != nil && errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return nil, &keys.Error{Code: keys.Unavailable, Err: err,
			Message: "this takes too long to add up; ask for less time, or for one key, identity, keyspace or tag"}
	}
	return sums, err
}

// flush writes what was counted in some shards, and what a flush before could
// not write. One goes on at a time, so that a reader who flushes finds what
// another had in hand written.
func (r *Recorder) flush(ctx context.Context, shards []shard) error {
	select {
	case r.flushing <- struct{}{}:
		defer func() { <-r.flushing }()
	case <-ctx.Done():
		return fmt.Errorf("wait to write usage: %w", ctx.Err())
	}
	for i := range shards {
		r.collect(&shards[i])
	}
	return r.write(ctx)
}

// collect moves what was counted in a shard to what is to be written.
func (r *Recorder) collect(s *shard) {
	s.mu.Lock()
	n, apart := len(s.tallies), len(s.apart)
	r.forgetSets(s)
	s.mu.Unlock()
	if n+apart == 0 {
		return
	}
	// The new maps are made outside the lock, as large as the old ones were: the
	// keys of this moment are likely those of the next.
	fresh, freshApart := make(map[tallyID]*keys.Tally, n), make(map[keys.Count]*sum, apart)
	s.mu.Lock()
	tallies, sums := s.tallies, s.apart
	s.tallies, s.apart = fresh, freshApart
	s.mu.Unlock()

	done := int64(len(tallies))
	for id, t := range tallies {
		n, took, seen := t.Close()
		id.rec.DropTally(t)
		if all := (sum{n, took}); all != (sum{}) {
			row := countOf(id.rec, keys.Outcome(id.outcome))
			row.Hour = timeOf(id.hour)
			r.keep(row, all)
		}
		if keys.Outcome(id.outcome) != keys.Valid || id.rec.SecretID() == "" { // A key that is declared has no secret in the store.
			continue
		}
		row := keys.LastUse{KeyID: id.rec.ID(), SecretID: id.rec.SecretID()}
		if before, there := r.uses[row]; seen.After(before) && (there || r.room(1, 1)) {
			r.uses[row] = seen
		}
	}
	for row, all := range sums {
		done += weight(&row)
		r.keep(row, *all)
	}
	r.tallied.Add(-done)
}

// keep holds a count until it is written.
func (r *Recorder) keep(row keys.Count, all sum) {
	before, there := r.counts[row]
	if there || r.room(weight(&row), all.n) {
		all.add(before)
		r.counts[row] = all
	}
}

// room makes room for one more row that waits, or reports that there is none;
// then what it stands for is dropped.
func (r *Recorder) room(weight, uses int64) bool {
	if r.unwritten.Load()+weight <= r.limit {
		r.unwritten.Add(weight)
		return true
	}
	r.dropped.Add(uses)
	return false
}

// write writes all rows in batches. A batch that fails stays for the next
// flush, and keeps the others from being written only if the store does not
// answer.
func (r *Recorder) write(ctx context.Context) error {
	var failed error
	for counts, uses := range r.batches() {
		if err := ctx.Err(); err != nil {
			failed = err
			break
		}
		if err := r.writeBatch(ctx, counts, uses); err != nil {
			failed = err
			if keys.Is(err, keys.Unavailable) || errors.Is(err, context.DeadlineExceeded) {
				break
			}
		}
	}
	if len(r.counts)+len(r.uses) == 0 {
		r.forget() // A map never gives back what it grew to in an outage.
	}
	if failed != nil {
		return fmt.Errorf("write usage: %w", failed)
	}
	return nil
}

// batches yields all rows. Those that were yielded may be forgotten meanwhile.
// Each batch has slices of its own, since a store that gave up waiting may
// still hold the last ones.
func (r *Recorder) batches() iter.Seq2[[]keys.Count, []keys.LastUse] {
	return func(yield func([]keys.Count, []keys.LastUse) bool) {
		var counts []keys.Count
		var uses []keys.LastUse
		rows := 0
		add := func(n int) bool { // where the batch is full it begins another
			if rows += n; rows <= batchRows {
				return true
			}
			more := yield(counts, uses)
			counts, uses, rows = nil, nil, n
			return more
		}
		for row, all := range r.counts {
			if !add(1 + row.Tags.Len()) {
				return
			}
			row.N, row.Charged = all.n, all.took
			counts = append(counts, row)
		}
		for row, at := range r.uses {
			if !add(1) {
				return
			}
			row.At = at
			uses = append(uses, row)
		}
		if rows > 0 {
			yield(counts, uses)
		}
	}
}

// writeBatch writes some rows at once and forgets them. It does not end with
// ctx: a reader who gives up in the middle of a commit would leave it unknown
// whether the rows were counted.
func (r *Recorder) writeBatch(ctx context.Context, counts []keys.Count, uses []keys.LastUse) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), batchTime)
	defer cancel()
	if err := r.store.AddUsage(ctx, counts, uses); err != nil {
		r.failures.Add(1)
		if !r.failing && r.Failed != nil {
			r.Failed(err)
		}
		r.failing = true
		return err
	}
	r.failing = false
	for _, row := range counts {
		row.N, row.Charged = 0, keys.Charged{}
		delete(r.counts, row)
		r.unwritten.Add(-weight(&row))
	}
	for _, row := range uses {
		row.At = time.Time{}
		delete(r.uses, row)
	}
	r.unwritten.Add(-int64(len(uses)))
	return nil
}
