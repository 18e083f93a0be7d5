package store

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"latchkey/internal/keys"
)

// left is what an account has, by a look.
func left(t *testing.T, s *Store, account string) int64 {
	t.Helper()
	c, ok, err := spendCredits(context.Background(), s, account, 0, time.Now())
	if err != nil || !ok || c == nil {
		t.Fatalf("looking at %s: %+v, %v, %v", account, c, ok, err)
	}
	return c.Remaining
}

// spendOne takes a cost, which must be there.
func spendOne(t *testing.T, s *Store, account string, cost, want int64) {
	t.Helper()
	c, ok, err := spendCredits(context.Background(), s, account, cost, time.Now())
	if err != nil || !ok || c == nil || c.Remaining != want {
		t.Fatalf("spending %d of %s: %+v, %v, %v; want %d left", cost, account, c, ok, err, want)
	}
}

// foldNow lets the writer bring rows up to date, as it does when nothing has
// been spent for a while, and returns how many rows of the journal are left.
func foldNow(t *testing.T, s *Store) (rows int64) {
	t.Helper()
	err := s.write(t.Context(), func(tx *txn) error {
		for {
			j, folding := s.balances.foldSome()
			if j == nil {
				return tx.row(`SELECT count(*) FROM journal`, nil, integer{&rows})
			}
			if err := protect(j.run, tx); err != nil {
				return err
			}
			s.balances.folded(folding)
		}
	})
	if err != nil {
		t.Fatalf("folding: %v", err)
	}
	return rows
}

// TestFoldAfterCreditsAreGone takes the credits of an account away while its row
// is behind the journal: the rows of the others are brought up to date all the
// same, and the journal comes to an end.
func TestFoldAfterCreditsAreGone(t *testing.T) {
	s, _, _ := newSQLite(t)
	for _, id := range []string{"gone", "stays"} {
		if err := s.setCredits(t.Context(), id, 10); err != nil {
			t.Fatal(err)
		}
		spendOne(t, s, id, 3, 7)
	}
	err := s.write(t.Context(), func(tx *txn) error { return tx.setAccount("gone", keys.Account{}) })
	if err != nil {
		t.Fatal(err)
	}
	if rows := foldNow(t, s); rows != 0 {
		t.Errorf("%d rows of the journal are left", rows)
	}
	spendOne(t, s, "stays", 3, 4)
	if c, ok, err := spendCredits(t.Context(), s, "gone", 1, time.Now()); c != nil || !ok || err != nil {
		t.Errorf("spending where there are no credits: %+v, %v, %v", c, ok, err)
	}
}

// TestGoneIsHeardOfFirst deletes credits while others spend: who finds none finds
// that observers have heard of it.
func TestGoneIsHeardOfFirst(t *testing.T) {
	s, _, _ := newSQLite(t)
	var heard atomic.Int64
	s.Observe(func(keys.Change) {
		for range 1000 {
			runtime.Gosched() // to let those find out who can
		}
		heard.Add(1)
	})
	for n := range 20 {
		if err := s.setCredits(t.Context(), "account", 1000); err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				for {
					c, _, err := spendCredits(context.Background(), s, "account", 1, time.Now())
					if err != nil || c == nil && heard.Load() != int64(n+1) {
						t.Errorf("round %d: credits are gone, and observers have heard of %d: %v", n, heard.Load(), err)
					}
					if c == nil || err != nil {
						return
					}
				}
			})
		}
		err := s.write(t.Context(), func(tx *txn) error {
			tx.changed(keys.KeyChanged, "key")
			return tx.setAccount("account", keys.Account{})
		})
		wg.Wait()
		if err != nil {
			t.Fatal(err)
		}
	}
}
