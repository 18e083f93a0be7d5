package store

import (
	"context"
	"fmt"
	"time"

	"latchkey/internal/keys"
)

// Bounds of the journal. When it is longer than foldAfter rows, each commit
// brings the rows of foldEach accounts up to date, so that it does not grow
// and no commit takes long; what is left when nothing has been spent for
// foldIdle follows then. Rows of the journal that are not needed any more are
// deleted when there are deleteAfter of them.
const (
	foldAfter   = 4000
	foldEach    = 8
	foldMost    = 500
	foldIdle    = time.Second
	deleteAfter = 500

	// sweepEvery is how often accounts that nobody uses are let go, and
	// keepIdle how long they are kept.
	sweepEvery = 30 * time.Second
	keepIdle   = 2 * time.Minute
)

// recover brings the rows of all accounts up to date with a journal that was
// left behind, and empties it.
func (b *balances) recover(ctx context.Context) error {
	last := map[string]entry{}
	rows, checked := 0, 0
	return b.store.writes.do(ctx, &job{ctx: ctx, done: make(chan error, 1), run: func(t *txn) error {
		err := t.each(`SELECT id, entries FROM journal ORDER BY id`, nil, func(row scan) error {
			var id int64
			var b []byte
			if err := row(&id, &b); err != nil {
				return err
			}
			sum, err := eachEntry(b, func(e entry) {
				if last[e.id].rev < e.rev {
					last[e.id] = e
				}
			})
			if rows++; sum {
				checked++
			}
			if err != nil {
				return fmt.Errorf("row %d: %w", id, err)
			}
			return nil
		})
		if err != nil {
			return err
		}
		if checked > 0 && checked < rows { // A start empties the journal, so it never has both.
			return fmt.Errorf("%d of its %d rows have no checksum: %w", rows-checked, rows, errJournal)
		}
		for id, e := range last {
			read, err := t.session.balance(id)
			if err != nil {
				return err
			}
			b.raise(e.rev)
			if read.rev >= e.rev {
				continue
			}
			if read.Credits == nil || e.Credits == nil {
				e.Credits = nil
			} else {
				e.Credits.Refill = read.Credits.Refill
			}
			if read.Money != nil && e.Money != nil {
				e.Money.Budget, e.Money.Held = read.Money.Budget, read.Money.Held
			}
			if err := t.fold(id, e.balance); err != nil {
				return err
			}
		}
		_, err = t.exec(`DELETE FROM journal`)
		return err
	}})
}

// fold brings the rows of an account up to date. One that was deleted gets
// none.
func (t *txn) fold(id string, st balance) error {
	if st.Credits != nil {
		_, err := t.exec(`UPDATE credits SET remaining = $2, refilled_at = $3, refills_at = $4, rev = $5 WHERE account_id = $1 AND rev < $5`,
			id, st.Credits.Remaining, millis(st.Credits.RefilledAt), millis(st.Credits.RefillsAt()), st.rev)
		if err != nil {
			return err
		}
	}
	if st.Money == nil {
		return nil
	}
	_, err := t.exec(`INSERT INTO money (account_id, budget, spent, rev)
		SELECT $1, $2, $3, $4 WHERE EXISTS (SELECT 1 FROM keys WHERE account_id = $1)
		ON CONFLICT (account_id) DO UPDATE SET spent = excluded.spent, rev = excluded.rev WHERE money.rev < excluded.rev`,
		id, encodeBudget(st.Money.Budget), encodeSpent(st.Money.Spent), st.rev)
	return err
}

// take returns what was spent since the last time, as it is to be committed;
// nil: nothing.
func (b *balances) take() *spending {
	b.mu.Lock()
	s := b.next
	if len(s.accounts) == 0 {
		b.mu.Unlock()
		return nil
	}
	b.next = newSpending()
	b.mu.Unlock()
	// The accounts may have moved on by now. What is written is then more than
	// has to be there, and nobody has been told of it.
	s.entries = newRow(len(s.accounts))
	for _, a := range s.accounts {
		shard := b.shard(a.id)
		shard.mu.Lock()
		st := a.now
		shard.mu.Unlock()
		s.states = append(s.states, st)
		if st.Account != (keys.Account{}) {
			s.entries = appendEntry(s.entries, a.id, st)
		}
	}
	sealRow(s.entries)
	b.journal++
	s.row, s.folding = b.journal, b.folding()
	if before := b.oldest(len(s.folding)); len(s.folding) > 0 && before-b.deleted >= b.deleteAfter {
		s.before = before
	}
	return s
}

// job returns what writes a spending, with some of the rows that are behind.
func (b *balances) job(s *spending) *job {
	return &job{ctx: context.Background(), one: len(s.folding) == 0, run: func(t *txn) error {
		if err := t.foldRows(s.folding, s.before); err != nil {
			return err
		}
		_, err := t.exec(`INSERT INTO journal (id, entries) VALUES ($1, $2)`, s.row, s.entries)
		return err
	}}
}

// end tells those who wait that a commit is over.
func (b *balances) end(s *spending, err error) {
	if s == nil {
		return
	}
	if err != nil {
		b.fail(s, err)
		return
	}
	b.folded(s.folding)
	b.deleted = max(b.deleted, s.before)
	for i, a := range s.accounts {
		b.landed(a, s, s.states[i], s.row)
	}
	close(s.done)
}

// landed notes that a state of an account has reached the disk with a row of
// the journal.
func (b *balances) landed(a *account, s *spending, st balance, row int64) {
	shard := b.shard(a.id)
	shard.mu.Lock()
	defer shard.mu.Unlock()
	if a.committed.rev < st.rev {
		a.committed = st
	}
	if a.spending == s {
		a.spending = nil
	}
	if !a.dirty {
		a.dirty, a.since = true, row
		b.dirty = append(b.dirty, a)
	}
}

// fail undoes what could not be committed, and what was done since, which rests
// on it.
func (b *balances) fail(s *spending, err error) {
	for i := range b.shards {
		b.shards[i].mu.Lock()
		defer b.shards[i].mu.Unlock()
	}
	b.mu.Lock()
	after := b.next
	b.next = newSpending()
	b.mu.Unlock()
	for _, undone := range []*spending{s, after} {
		for _, a := range undone.accounts {
			a.now, a.spending = a.committed, nil
		}
		undone.err = err
		close(undone.done)
	}
}

// A fold is an account whose row is brought up to date.
type fold struct {
	account *account
	state   balance
}

// folding returns the accounts whose rows the next commit brings up to date.
func (b *balances) folding() []fold {
	if b.journal-b.first < b.foldAfter {
		return nil
	}
	return b.behind(foldEach)
}

// behind returns the first accounts, at most n, whose rows are behind.
func (b *balances) behind(n int) []fold {
	out := make([]fold, 0, n)
	for _, a := range b.dirty[:min(n, len(b.dirty))] {
		shard := b.shard(a.id)
		shard.mu.Lock()
		out = append(out, fold{a, a.committed})
		shard.mu.Unlock()
	}
	return out
}

// oldest returns the first row of the journal that is needed when the rows of
// the first n accounts that are behind are up to date.
func (b *balances) oldest(n int) int64 {
	if n < len(b.dirty) {
		return b.dirty[n].since
	}
	return b.journal
}

// folded notes that rows are up to date.
func (b *balances) folded(done []fold) {
	if len(done) == 0 {
		return
	}
	b.first = b.oldest(len(done))
	for _, f := range done {
		f.account.dirty = false
	}
	b.dirty = append(b.dirty[:0:0], b.dirty[len(done):]...)
}

// foldRows brings rows up to date, and deletes the rows of the journal below
// one; 0: none.
func (t *txn) foldRows(folding []fold, before int64) error {
	for _, f := range folding {
		if err := t.fold(f.account.id, f.state); err != nil {
			return err
		}
	}
	if before == 0 {
		return nil
	}
	_, err := t.exec(`DELETE FROM journal WHERE id < $1`, before)
	return err
}

// foldSome returns a job that brings rows up to date, which are in the list
// that it returns too; nil: all are.
func (b *balances) foldSome() (*job, []fold) {
	if len(b.dirty) == 0 {
		return nil, nil
	}
	folding := b.behind(foldMost)
	before := b.oldest(len(folding))
	if len(folding) == len(b.dirty) {
		before = b.journal + 1
	}
	return &job{ctx: context.Background(), run: func(t *txn) error { return t.foldRows(folding, before) }}, folding
}

// sweep lets go accounts that were not used for a while and are as their rows
// say.
func (b *balances) sweep(now time.Time) {
	if now.Sub(b.swept) < sweepEvery {
		return
	}
	b.swept = now
	for i := range b.shards {
		shard := &b.shards[i]
		shard.mu.Lock()
		for id, a := range shard.accounts {
			if !a.dirty && a.spending == nil && a.held == nil && a.used < now.Add(-keepIdle).Unix() {
				delete(shard.accounts, id)
			}
		}
		shard.mu.Unlock()
	}
}

// close ends spending. What was spent is for the writer to bring to the disk.
func (b *balances) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
}
