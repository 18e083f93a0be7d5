package usage

import (
	"context"
	"errors"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"latchkey/internal/keys"
	"latchkey/internal/store"
	"latchkey/internal/token"
)

var hour = time.Date(2026, 3, 1, 14, 0, 0, 0, time.UTC)

func open(t *testing.T) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "latchkey.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// A tap is a store whose writes are looked at, and made to fail.
type tap struct {
	keys.UsageStore

	before func([]keys.Count, []keys.LastUse) error // an error keeps the rows from the store
	rows   []int                                    // in each write that was asked for
}

func (w *tap) AddUsage(ctx context.Context, counts []keys.Count, uses []keys.LastUse) error {
	w.rows = append(w.rows, len(counts)+len(uses))
	if w.before != nil {
		if err := w.before(counts, uses); err != nil {
			return err
		}
	}
	return w.UsageStore.AddUsage(ctx, counts, uses)
}

var errDown = keys.Errorf(keys.Unavailable, "no database")

// wantCount checks what the store has of a key in the hour.
func wantCount(t *testing.T, s keys.UsageStore, rec *keys.Record, o keys.Outcome, want int64) {
	t.Helper()
	n, err := s.CountUsage(t.Context(), rec.ID(), o, hour, hour.Add(time.Hour))
	if err != nil || n != want {
		t.Errorf("CountUsage of %s, %s = %d, %v, want %d", rec.ID(), o, n, err, want)
	}
}

func flush(t *testing.T, r *Recorder) {
	t.Helper()
	if err := r.Flush(t.Context()); err != nil {
		t.Fatalf("Flush: %v", err)
	}
}

func TestUsesAreCountedByKeyOutcomeAndHour(t *testing.T) {
	s := open(t)
	var got []keys.Count
	w := &tap{UsageStore: s, before: func(counts []keys.Count, _ []keys.LastUse) error {
		got = append(got, counts...)
		return nil
	}}
	r, a, b := New(w), record(1), record(2)
	for i := range 5 {
		r.Verified(a, keys.Valid, nil, keys.Charged{}, hour.Add(time.Duration(i)*time.Minute))
	}
	r.Verified(a, keys.RateLimited, nil, keys.Charged{}, hour)
	r.Verified(a, keys.Valid, nil, keys.Charged{}, hour.Add(time.Hour))
	r.Verified(a, keys.Valid, nil, keys.Charged{}, hour.Add(-time.Millisecond))
	again := record(1) // the same key, whose record was read anew
	r.Verified(again, keys.Valid, nil, keys.Charged{}, hour.Add(time.Hour-time.Millisecond))
	r.Seen(a, hour)
	for _, o := range keys.Outcomes {
		r.Verified(b, o, nil, keys.Charged{}, hour)
	}
	flush(t, r)

	wantCount(t, s, a, keys.Valid, 6)
	wantCount(t, s, a, keys.RateLimited, 1)
	wantCount(t, s, a, keys.Expired, 0)
	for _, o := range keys.Outcomes {
		wantCount(t, s, b, o, 1)
	}
	if want := 4 + len(keys.Outcomes); len(got) != want {
		t.Errorf("%d rows were written, want %d: %+v", len(got), want, got)
	}
	for _, c := range got {
		if c.WorkspaceID != "ws_1" || c.KeyspaceID != "ks_1" || c.OwnerID != a.OwnerID() {
			t.Errorf("the row %+v does not name the workspace, keyspace and owner", c)
		}
	}
	if st := r.Stats(); st != (Stats{}) {
		t.Errorf("Stats = %+v, want none", st)
	}
	r.Verified(a, keys.Valid, nil, keys.Charged{}, hour)
	flush(t, r)
	wantCount(t, s, a, keys.Valid, 7)
}

func TestLastUse(t *testing.T) {
	s, ctx := open(t), t.Context()
	var secret token.Secret
	m := keys.Manager{Store: s, Clock: func() time.Time { return hour }}
	ws, err := m.Install(ctx, func(root token.Secret) error { secret = root; return nil })
	if err != nil {
		t.Fatal(err)
	}
	facts, err := s.FactsByHash(ctx, secret.Sum(), hour)
	if err != nil {
		t.Fatal(err)
	}
	rec := keys.NewRecord(facts)
	r := New(s)
	wantUse := func(want time.Time) {
		t.Helper()
		flush(t, r)
		k, err := s.Key(ctx, ws.ID, rec.ID())
		if err != nil || !k.LastUsedAt.Equal(want) || !k.Secrets[0].LastUsedAt.Equal(want) {
			t.Errorf("the key was last used at %v, its secret at %v (%v), want %v", k.LastUsedAt, k.Secrets[0].LastUsedAt, err, want)
		}
	}
	r.Verified(rec, keys.RateLimited, nil, keys.Charged{}, hour)
	wantUse(time.Time{})
	r.Verified(rec, keys.Valid, nil, keys.Charged{}, hour.Add(time.Second))
	wantUse(hour.Add(time.Second))
	r.Seen(rec, hour.Add(3*time.Second))
	r.Seen(rec, hour.Add(2*time.Second)) // a clock that stepped back
	wantUse(hour.Add(3 * time.Second))
	r.Seen(rec, hour)
	wantUse(hour.Add(3 * time.Second))
	if rec.Tally() != nil {
		t.Error("the record keeps a tally that is closed")
	}
	wantCount(t, s, rec, keys.Valid, 1)

	for i := range 8 { // records of one secret that were read anew each time
		again := *rec
		r.Seen(&again, hour.Add(time.Duration(10-i)*time.Second))
	}
	wantUse(hour.Add(10 * time.Second))

	r.Seen(keys.Declare(secret, ws), hour.Add(time.Minute)) // the secret of a key that is stored nowhere
	wantUse(hour.Add(10 * time.Second))
}

func TestAcceptedSeesWhatWasAnswered(t *testing.T) {
	s := open(t)
	r := New(s)
	var wg sync.WaitGroup
	for i := range 4 {
		rec := record(i % 2)
		other := record(10 + i)
		wg.Go(func() {
			for n := range int64(25) {
				r.Verified(rec, keys.Valid, nil, keys.Charged{}, hour)
				r.Verified(other, keys.Valid, nil, keys.Charged{}, hour)
				r.Verified(other, keys.Expired, nil, keys.Charged{}, hour)
				got, err := r.Accepted(t.Context(), other.ID(), hour, hour.Add(time.Hour))
				if err != nil || got != n+1 {
					t.Errorf("Accepted = %d, %v after %d uses", got, err, n+1)
				}
			}
		})
		wg.Go(func() {
			for range 10 {
				flush(t, r)
			}
		})
	}
	wg.Wait()
	for i := range 2 {
		if n, err := r.Accepted(t.Context(), record(i).ID(), hour, hour.Add(time.Hour)); err != nil || n != 50 {
			t.Errorf("Accepted = %d, %v, want 50", n, err)
		}
	}
	if n, err := r.Accepted(t.Context(), record(10).ID(), hour.Add(time.Hour), hour.Add(2*time.Hour)); err != nil || n != 0 {
		t.Errorf("Accepted in the hour after = %d, %v, want 0", n, err)
	}
}

func TestBatchesAreBounded(t *testing.T) {
	w := &tap{UsageStore: open(t)}
	r, recs := New(w), records(700) // 700 counts and as many last uses
	for _, rec := range recs {
		r.Verified(rec, keys.Valid, nil, keys.Charged{}, hour)
	}
	flush(t, r)
	total := 0
	for _, n := range w.rows {
		total += n
		if n > batchRows {
			t.Errorf("a write has %d rows, want at most %d", n, batchRows)
		}
	}
	if len(w.rows) != 3 || total != 1400 {
		t.Errorf("writes of %v rows, want 1400 in 3", w.rows)
	}
	for _, rec := range recs {
		wantCount(t, w, rec, keys.Valid, 1)
	}
}

func TestFailedWritesAreTriedAgain(t *testing.T) {
	w := &tap{UsageStore: open(t), before: func([]keys.Count, []keys.LastUse) error { return errDown }}
	r, recs := New(w), records(600)
	var heard []error
	r.Failed = func(err error) { heard = append(heard, err) }
	for range 3 {
		for _, rec := range recs {
			r.Verified(rec, keys.Valid, nil, keys.Charged{}, hour)
		}
		if err := r.Flush(t.Context()); !keys.Is(err, keys.Unavailable) {
			t.Fatalf("Flush = %v, want %v", err, errDown)
		}
		if _, err := r.Accepted(t.Context(), recs[0].ID(), hour, hour.Add(time.Hour)); !keys.Is(err, keys.Unavailable) {
			t.Errorf("Accepted while uses cannot be written: %v, want %v", err, errDown)
		}
	}
	// A store that does not answer is asked once a flush, not once a batch.
	if want := (Stats{Waiting: 1200, Failures: 6}); r.Stats() != want {
		t.Errorf("Stats = %+v, want %+v", r.Stats(), want)
	}
	if len(heard) != 1 || heard[0] != errDown {
		t.Errorf("Failed heard %v, want %v once", heard, errDown)
	}
	w.before = nil
	flush(t, r)
	for _, rec := range recs {
		wantCount(t, w, rec, keys.Valid, 3)
	}
	if n := r.Stats().Waiting; n != 0 {
		t.Errorf("%d entries wait after all are written", n)
	}
}

func TestOneBadRowDoesNotHoldUpTheRest(t *testing.T) {
	bad := record(0)
	refuse := func(counts []keys.Count, uses []keys.LastUse) error {
		for _, c := range counts {
			if c.KeyID == bad.ID() {
				return errors.New("a row that cannot be written")
			}
		}
		return nil
	}
	w := &tap{UsageStore: open(t), before: refuse}
	r := New(w)
	for _, rec := range records(1200) {
		r.Verified(rec, keys.Expired, nil, keys.Charged{}, hour)
	}
	if err := r.Flush(t.Context()); err == nil {
		t.Fatal("Flush wrote the bad row")
	}
	if n := r.Stats().Waiting; n != 200 && n != batchRows {
		t.Errorf("%d entries wait, want those of one batch", n)
	}
	w.before = nil
	flush(t, r)
	for _, rec := range records(1200) {
		wantCount(t, w, rec, keys.Expired, 1)
	}
}

func TestWhatWaitsIsBounded(t *testing.T) {
	w := &tap{UsageStore: open(t), before: func([]keys.Count, []keys.LastUse) error { return errDown }}
	r, recs := New(w), records(20)
	r.limit = 10
	for range 2 {
		for _, rec := range recs {
			r.Verified(rec, keys.Expired, nil, keys.Charged{}, hour)
			r.Verified(rec, keys.Expired, nil, keys.Charged{}, hour)
		}
		if r.Flush(t.Context()) == nil {
			t.Fatal("Flush wrote to a store that is down")
		}
	}
	// Ten keys are admitted, and go on to be counted.
	if want := (Stats{Waiting: 10, Dropped: 2 * 20, Failures: 2}); r.Stats() != want {
		t.Errorf("Stats = %+v, want %+v", r.Stats(), want)
	}
	for _, rec := range recs[10:] {
		r.Verified(rec, keys.Expired, nil, keys.Charged{}, hour)
	}
	for range 3 { // These are admitted now, but find no room beside those that wait.
		if r.Flush(t.Context()) == nil {
			t.Fatal("Flush wrote to a store that is down")
		}
	}
	if want := (Stats{Waiting: 10, Dropped: 2*20 + 10, Failures: 5}); r.Stats() != want {
		t.Errorf("Stats = %+v, want %+v", r.Stats(), want)
	}
	w.before = nil
	flush(t, r)
	r.Verified(recs[19], keys.Expired, nil, keys.Charged{}, hour)
	flush(t, r)
	wantCount(t, w, recs[9], keys.Expired, 4)
	wantCount(t, w, recs[10], keys.Expired, 0)
	wantCount(t, w, recs[19], keys.Expired, 1)
}

func TestAReaderWhoGivesUpBreaksOffNoWrite(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	w := &tap{UsageStore: open(t), before: func([]keys.Count, []keys.LastUse) error { cancel(); return nil }}
	r, recs := New(w), records(2*batchRows)
	for _, rec := range recs {
		r.Verified(rec, keys.Expired, nil, keys.Charged{}, hour)
	}
	if err := r.Flush(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Flush = %v, want %v", err, context.Canceled)
	}
	if want := (Stats{Waiting: batchRows}); r.Stats() != want {
		t.Errorf("Stats = %+v, want the first batch written: %+v", r.Stats(), want)
	}
	flush(t, r)
	for _, rec := range recs {
		wantCount(t, w, rec, keys.Expired, 1)
	}
}

func TestRun(t *testing.T) {
	s := open(t)
	r, rec := New(s), record(1)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx) }()
	r.Verified(rec, keys.Valid, nil, keys.Charged{}, hour)
	for began := time.Now(); r.Stats().Waiting > 0; time.Sleep(20 * time.Millisecond) {
		if time.Since(began) > 5*time.Second {
			t.Fatal("Run wrote nothing in 5 s")
		}
	}
	wantCount(t, s, rec, keys.Valid, 1)
	r.Verified(rec, keys.Valid, nil, keys.Charged{}, hour)
	stop()
	if err := <-ended; err != nil {
		t.Errorf("Run = %v", err)
	}
	wantCount(t, s, rec, keys.Valid, 2)
}

// A stuck store never answers.
type stuck struct{ keys.UsageStore }

func (stuck) AddUsage(ctx context.Context, _ []keys.Count, _ []keys.LastUse) error {
	<-ctx.Done()
	return ctx.Err()
}

func TestAStuckStoreIsNotWaitedForLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := New(stuck{})
		for _, rec := range records(2 * batchRows) {
			r.Verified(rec, keys.Valid, nil, keys.Charged{}, time.Now())
		}
		began := time.Now()
		if err := r.Flush(t.Context()); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Flush = %v, want %v", err, context.DeadlineExceeded)
		}
		if took := time.Since(began); took > 3*time.Second {
			t.Errorf("Flush gave up after %v, want at most 3 s", took)
		}

		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- r.Run(ctx) }()
		time.Sleep(1500 * time.Millisecond) // into the first write
		stop()
		began = time.Now()
		if err := <-ended; !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Run = %v, want %v", err, context.DeadlineExceeded)
		}
		if took := time.Since(began); took > 6*time.Second {
			t.Errorf("Run ended %v after it was told to, want at most 6 s", took)
		}
		if n := r.Stats().Waiting; n != 4*batchRows {
			t.Errorf("%d entries wait, want all %d", n, 4*batchRows)
		}
	})
}
