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
)

// Run writes what was counted once a second until ctx ends, and then once
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
	n := len(s.tallies)
	s.mu.Unlock()
	if n == 0 {
		return
	}
	// The new map is made outside the lock, as large as the old one was: the
	// keys of this second are likely those of the next.
	fresh := make(map[tallyID]*keys.Tally, n)
	s.mu.Lock()
	tallies := s.tallies
	s.tallies = fresh
	s.mu.Unlock()

	for id, t := range tallies {
		k := &id.rec.Key
		n, seen := t.Close()
		if n > 0 {
			row := keys.Count{
				WorkspaceID: k.WorkspaceID, KeyspaceID: k.KeyspaceID, KeyID: k.ID, OwnerID: k.Owner.ID,
				Outcome: keys.Outcome(id.outcome), Hour: time.Unix(int64(id.hour)*3600, 0).UTC(),
			}
			if before := r.counts[row]; before > 0 || r.room(n) {
				r.counts[row] = before + n
			}
		}
		if keys.Outcome(id.outcome) != keys.Valid || id.rec.SecretID == "" { // A key that is declared has no secret in the store.
			continue
		}
		row := keys.LastUse{KeyID: k.ID, SecretID: id.rec.SecretID}
		if before, there := r.uses[row]; seen.After(before) && (there || r.room(1)) {
			r.uses[row] = seen
		}
	}
	r.unwritten.Store(int64(len(r.counts) + len(r.uses)))
	r.tallied.Add(-int64(len(tallies)))
}

// room reports whether one more row may wait; if not, what it stands for is
// dropped.
func (r *Recorder) room(uses int64) bool {
	if int64(len(r.counts)+len(r.uses)) < r.limit {
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
		for row, n := range r.counts {
			row.N = n
			if counts = append(counts, row); len(counts) == batchRows {
				if !yield(counts, nil) {
					return
				}
				counts = nil
			}
		}
		for row, at := range r.uses {
			row.At = at
			if uses = append(uses, row); len(counts)+len(uses) == batchRows {
				if !yield(counts, uses) {
					return
				}
				counts, uses = nil, nil
			}
		}
		if len(counts)+len(uses) > 0 {
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
		row.N = 0
		delete(r.counts, row)
	}
	for _, row := range uses {
		row.At = time.Time{}
		delete(r.uses, row)
	}
	r.unwritten.Store(int64(len(r.counts) + len(r.uses)))
	return nil
}
