package store

import (
	"context"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"latchkey/internal/keys"
)

// big is an account whose entry in the journal does not fit into the pages that
// there are, so that a file that may not grow cannot take it.
var big = strings.Repeat("big", 40_000)

// fill lets the file grow no more, until a commit has failed for that.
func fill(tx *txn) error {
	_, err := tx.exec(`PRAGMA max_page_count = 1`) // that is, as many as there are
	return err
}

// waiting returns when so many accounts wait for the next commit.
func waiting(b *balances, accounts int) {
	for {
		b.mu.Lock()
		n := len(b.next.accounts)
		b.mu.Unlock()
		if n >= accounts {
			return
		}
		time.Sleep(time.Millisecond)
	}
}

// TestRefusalRestsOnWhatIsCommitted lets a change be refused because of what was
// spent and has not reached the disk, and never will: then it was not refused.
func TestRefusalRestsOnWhatIsCommitted(t *testing.T) {
	s, _, _ := newSQLite(t)
	if err := s.setCredits(t.Context(), big, 10); err != nil {
		t.Fatal(err)
	}
	var spent sync.WaitGroup
	var spendErr error
	errs := together(t, s,
		func(tx *txn) error {
			spent.Go(func() { _, _, spendErr = spendCredits(context.Background(), s, big, 5, time.Now()) })
			waiting(s.balances, 1)
			return fill(tx)
		},
		func(tx *txn) error {
			a, err := tx.accountOf(big)
			if c := a.Credits; err == nil && c.Remaining < 10 {
				err = refusal{keys.Errorf(keys.Conflict, "the balance is %d", c.Remaining)}
			}
			return err
		})
	spent.Wait()
	if !keys.Is(spendErr, keys.Unavailable) || !keys.Is(errs[1], keys.Unavailable) {
		t.Errorf("spending, which does not reach the disk: %v; a refusal for that: %v; want unavailable", spendErr, errs[1])
	}
	if n := left(t, s, big); n != 10 {
		t.Errorf("%d are left, want 10", n)
	}
}

// TestSpendingRefusalRestsOnWhatIsCommitted is the same for a call that is
// refused.
func TestSpendingRefusalRestsOnWhatIsCommitted(t *testing.T) {
	s, _, _ := newSQLite(t)
	if err := s.setCredits(t.Context(), big, 10); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	errs := make([]error, 2)
	var answered atomic.Int64
	err := s.write(t.Context(), func(tx *txn) error {
		for i, cost := range []int64{5, 6} {
			wg.Go(func() {
				_, _, errs[i] = spendCredits(context.Background(), s, big, cost, time.Now())
				answered.Add(1)
			})
			waiting(s.balances, 1)
		}
		for settled := false; !settled; { // until the second has seen what the first has left
			if c, err := s.balances.look(context.Background(), big, time.Now()); err != nil || c.Credits.Remaining != 10 {
				t.Errorf("a look finds what is not on the disk: %+v, %v", c, err)
			}
			settled = waiters("settled") >= 2 || answered.Load() > 0
		}
		return fill(tx)
	})
	wg.Wait()
	if err != nil || !keys.Is(errs[0], keys.Unavailable) || !keys.Is(errs[1], keys.Unavailable) {
		t.Errorf("filling: %v; spending, and a refusal for that: %v; want unavailable", err, errs)
	}
}

// waiters counts the goroutines that are in a function of the accounts.
func waiters(function string) int {
	buf := make([]byte, 1<<20)
	buf = buf[:runtime.Stack(buf, true)]
	return strings.Count(string(buf), ".(*balances)."+function+"(")
}

// TestFailedCommitChargesNobody makes commits fail, by a disk that is full and by
// another program that holds the file: every call that waits is told so, nothing
// is taken, and afterwards all goes on.
func TestFailedCommitChargesNobody(t *testing.T) {
	s, _, path := newSQLite(t)
	if err := s.setCredits(t.Context(), big, 100); err != nil {
		t.Fatal(err)
	}
	spendOne(t, s, big, 10, 90)
	other, err := openFile(path, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	do := func(text string) {
		if _, err := other.Exec(text); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		what        string
		begin, over func()
	}{
		{"a full disk", func() {
			if err := s.write(t.Context(), fill); err != nil {
				t.Fatal(err)
			}
		}, func() {}},
		{"a file that another holds", func() { do(`BEGIN IMMEDIATE`) }, func() { do(`ROLLBACK`) }},
	} {
		before := left(t, s, big)
		c.begin()
		errs := make([]error, 12)
		var wg sync.WaitGroup
		for i := range errs {
			wg.Go(func() { _, _, errs[i] = spendCredits(context.Background(), s, big, 3, time.Now()) })
		}
		wg.Wait()
		c.over()
		failed := 0
		for _, err := range errs {
			if err != nil && !keys.Is(err, keys.Unavailable) {
				t.Errorf("%s: %v, want unavailable", c.what, err)
			}
			if err != nil {
				failed++
			}
		}
		after := left(t, s, big)
		if failed == 0 || before-after != int64(3*(len(errs)-failed)) {
			t.Errorf("%s: of %d calls %d failed, and %d are left of %d", c.what, len(errs), failed, after, before)
		}
		spendOne(t, s, big, 1, after-1)
		if n := left(t, crash(t, path), big); n != after-1 {
			t.Errorf("%s: on the disk there are %d, in memory %d", c.what, n, after-1)
		}
	}
}

// TestFailedChangeLeavesTheAccount changes credits in a commit that fails, while
// others spend: what is in memory is what is on the disk.
func TestFailedChangeLeavesTheAccount(t *testing.T) {
	s, _, path := newSQLite(t)
	for _, id := range []string{"changed", "gone"} {
		if err := s.setCredits(t.Context(), id, 10); err != nil {
			t.Fatal(err)
		}
		spendOne(t, s, id, 1, 9)
	}
	set := func(id string, c *keys.Credits) func(*txn) error {
		return func(tx *txn) error { return tx.setAccount(id, keys.Account{Credits: c}) }
	}
	errs := together(t, s, set("changed", &keys.Credits{Remaining: 50}), set("made", &keys.Credits{Remaining: 50}), set("gone", nil), fill,
		set(big, &keys.Credits{Remaining: 1}))
	for i, err := range errs {
		if !keys.Is(err, keys.Unavailable) {
			t.Errorf("job %d of a commit that fails: %v", i, err)
		}
	}
	for _, id := range []string{"changed", "gone"} {
		spendOne(t, s, id, 2, 7)
	}
	for _, id := range []string{"made", big} {
		if c, ok, err := spendCredits(t.Context(), s, id, 1, time.Now()); c != nil || ok || err != nil {
			t.Errorf("credits that were never made, of no key: %+v, %v, %v", c, ok, err)
		}
	}
	again := crash(t, path)
	for _, id := range []string{"changed", "gone"} {
		if n := left(t, again, id); n != 7 {
			t.Errorf("on the disk %s has %d, want 7", id, n)
		}
	}
}
