package store

import (
	"cmp"
	"context"
	"database/sql"
	"runtime"
	"sync"
	"time"
)

// A job is one operation on its way to the disk.
type job struct {
	ctx  context.Context // of the caller, who may give up before it begins
	run  func(*txn) error
	one  bool // run changes something with its last statement alone
	done chan error

	txn   *txn // what it has done
	err   error
	rests []*spending // whose ends its answer has to wait for
}

// groupMost is how many jobs share a commit at most.
const groupMost = 256

// A groupWriter is the one writer of a SQLite file: a goroutine that owns the
// connection. All jobs that wait when a commit ends share the next one, each
// in a savepoint, so that the price of reaching the disk is paid once and no
// job waits for others to come.
type groupWriter struct {
	store *Store
	db    *sql.DB
	q     *session
	jobs  chan *job
	ended chan struct{}

	mu     sync.RWMutex // held for reading while a job is handed over
	closed bool

	holds   []held // of the transaction
	commits int64  // for tests
}

func newGroupWriter(s *Store, db *sql.DB) *groupWriter {
	w := &groupWriter{store: s, db: db, q: newFileSession(s.balances), jobs: make(chan *job, groupMost), ended: make(chan struct{})}
	go w.loop()
	return w
}

// do hands a job over and waits for it. A caller who gives up is heard before
// the job begins, not later: what is done has to be known.
func (w *groupWriter) do(ctx context.Context, j *job) error {
	w.mu.RLock()
	if w.closed {
		w.mu.RUnlock()
		return errClosed
	}
	select {
	case w.jobs <- j:
		w.mu.RUnlock()
	case <-ctx.Done():
		w.mu.RUnlock()
		return ctx.Err()
	}
	err := <-j.done
	for _, s := range j.rests {
		if e := s.wait(); e != nil {
			return e
		}
	}
	return err
}

func (w *groupWriter) loop() {
	defer close(w.ended)
	b := w.store.balances
	batch := make([]*job, 0, groupMost+1)
	idle := time.NewTimer(foldIdle)
	defer idle.Stop()
	for open := true; open; {
		batch = batch[:0]
		select {
		case first, ok := <-w.jobs:
			if open = ok; ok {
				batch = append(batch, first)
			}
		case <-b.wake:
			// Whoever could run now and spend has his turn first.
			for range gatherTurns {
				runtime.Gosched()
			}
		case <-idle.C:
			b.sweep(time.Now())
			if w.fold() {
				idle.Reset(0) // the rest, unless somebody comes
			} else {
				idle.Reset(sweepEvery)
			}
			continue
		}
		batch = w.gather(batch)
		w.commit(batch, b.take())
		clear(batch)
		b.sweep(time.Now())
		idle.Reset(foldIdle)
	}
	for w.fold() {
	}
}

// gatherTurns is how often those who are about to spend are let in before a
// commit. A timer would make those who are few wait for nobody.
const gatherTurns = 10

// fold brings the rows of some accounts up to date, and reports whether others
// are left. What cannot be written now stays in the journal.
func (w *groupWriter) fold() bool {
	b := w.store.balances
	j, folding := b.foldSome()
	if j == nil {
		b.first = b.journal
		return false
	}
	if _, err := w.transact([]*job{j}); err != nil || j.err != nil {
		return false
	}
	b.folded(folding)
	return true
}

// gather adds the jobs that wait.
func (w *groupWriter) gather(batch []*job) []*job {
	for len(batch) < groupMost {
		select {
		case j, ok := <-w.jobs:
			if !ok {
				return batch
			}
			batch = append(batch, j)
		default:
			return batch
		}
	}
	return batch
}

// commit carries out the jobs of one batch: first the transaction, then the
// observers, then the answers.
func (w *groupWriter) commit(batch []*job, spent *spending) {
	b := w.store.balances
	var journal *job
	all := batch
	if spent != nil {
		journal = b.job(spent)
		all = append(batch, journal)
	} else if len(batch) == 0 {
		return
	}
	revision, err := w.transact(all)
	b.settle(w.holds, err == nil)
	for _, j := range batch {
		if j.txn != nil {
			// Told after a failed commit too: it may have reached the disk. Told
			// before accounts are let go: who would spend from one that is gone
			// finds that observers have heard of it.
			w.store.tell(j.txn.changes)
		}
	}
	b.release(w.holds)
	w.holds = w.holds[:0]
	if spent != nil {
		b.end(spent, cmp.Or(err, journal.err))
	}
	for _, j := range batch {
		if j.err == nil {
			j.err = err
		}
	}
	w.store.publish(revision)
	for _, j := range batch {
		j.done <- j.err
	}
}

// transact runs the batch in one transaction and returns the number of its
// last change. An error means that nothing of it was done.
func (w *groupWriter) transact(batch []*job) (revision int64, err error) {
	defer func() {
		if err != nil {
			w.q.drop()
		}
	}()
	if err := w.q.connect(w.db); err != nil {
		return 0, err
	}
	if len(batch) == 1 && batch[0].one {
		// The one statement that changes something is a transaction by itself.
		w.commits++
		return 0, w.run(batch[0])
	}
	err = w.q.transact(sqlite.beginWrite, func() error {
		audited := int64(0)
		for _, j := range batch {
			if err := w.run(j); err != nil {
				return err
			}
			if j.txn != nil && j.txn.events > 0 {
				audited++
			}
		}
		revision, err = w.q.bump(audited)
		return err
	})
	w.commits++
	if err != nil {
		return 0, err
	}
	return revision, nil
}

// run carries out one job. Its own failure is kept in the job and undone; what
// run returns is a failure of the engine, after which nobody knows whether
// there still is a transaction.
func (w *groupWriter) run(j *job) error {
	if j.err = j.ctx.Err(); j.err != nil {
		return nil
	}
	if !j.one {
		if _, err := w.q.run("SAVEPOINT job", nil); err != nil {
			return err
		}
	}
	t := &txn{session: w.q}
	j.err = protect(j.run, t)
	w.holds = append(w.holds, t.holds...)
	if j.err != nil {
		t.balances.undo(t.holds)
	}
	j.rests = t.balances.restsOf(t.holds)
	if j.err == nil {
		j.txn = t
	} else if classifySQLite(j.err) == down {
		return j.err
	}
	if j.one {
		return nil
	}
	if j.err != nil {
		if _, err := w.q.run("ROLLBACK TO job", nil); err != nil {
			return err
		}
	}
	_, err := w.q.run("RELEASE job", nil)
	return err
}

// bump moves the commit sequence by n changes and returns where it stands; 0
// for none.
func (q *session) bump(n int64) (revision int64, err error) {
	if n == 0 {
		return 0, nil
	}
	err = q.row(`UPDATE installation SET revision = revision + $1 WHERE id = 1 RETURNING revision`, []any{n}, integer{&revision})
	return revision, err
}

// close lets the jobs that wait be done, and folds the log into the file.
func (w *groupWriter) close() error {
	w.mu.Lock()
	if !w.closed {
		w.closed = true
		close(w.jobs)
	}
	w.mu.Unlock()
	<-w.ended
	if w.q.conn != nil {
		w.q.conn.Close()
	}
	_, err := w.db.Exec("PRAGMA wal_checkpoint(TRUNCATE)")
	if e := w.db.Close(); err == nil {
		err = e
	}
	return err
}
