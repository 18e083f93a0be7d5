package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"latchkey/internal/keys"
)

// manyAccounts makes accounts with some credits each.
func manyAccounts(t *testing.T, s *Store, n int, credits int64) (ids []string) {
	t.Helper()
	for i := range n {
		ids = append(ids, fmt.Sprintf("account-%d", i))
	}
	err := s.write(t.Context(), func(tx *txn) error {
		for _, id := range ids {
			if err := tx.keyed(id); err != nil {
				return err
			}
			if err := tx.setAccount(id, keys.Account{Credits: &keys.Credits{Remaining: credits}}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return ids
}

// TestFoldingUnderLoad spends from thousands of accounts until the journal has
// been longer than its bound for a while: it grows no further, and a crash at
// any moment of it loses nothing.
func TestFoldingUnderLoad(t *testing.T) {
	s, _, path := newSQLite(t)
	s.balances.foldAfter = 300
	ids := manyAccounts(t, s, 3000, 1000)
	spent := make([]int64, len(ids))
	const spenders = 4
	for n := range 4 {
		var wg sync.WaitGroup
		for first := range spenders {
			wg.Go(func() {
				for range 600 {
					i := first + spenders*rand.IntN(len(ids)/spenders)
					if _, ok, err := spendCredits(context.Background(), s, ids[i], 2, time.Now()); !ok || err != nil {
						t.Error(ok, err)
						return
					}
					spent[i] += 2
				}
			})
		}
		wg.Wait()
		var rows, up int64
		err := s.look(t.Context(), func(q *session) error {
			return errors.Join(q.row(`SELECT count(*) FROM journal`, nil, integer{&rows}),
				q.row(`SELECT count(*) FROM credits WHERE remaining < 1000`, nil, integer{&up}))
		})
		if most := s.balances.foldAfter + deleteAfter + 2*groupMost; err != nil || rows > most {
			t.Errorf("round %d: the journal has %d rows, want at most %d: %v", n, rows, most, err)
		}
		if n > 1 && up == 0 {
			t.Errorf("round %d: no row of an account is up to date", n)
		}
		same(t, crash(t, path), ids, spent)
	}
	if rows := foldNow(t, s); rows != 0 {
		t.Errorf("at rest the journal has %d rows", rows)
	}
	same(t, crash(t, path), ids, spent)
	same(t, s, ids, spent)
}

// same finds what is left of each of some accounts.
func same(t *testing.T, s *Store, ids []string, spent []int64) {
	t.Helper()
	for i, id := range ids {
		if got := left(t, s, id); got != 1000-spent[i] {
			t.Fatalf("%s has %d left, want %d", id, got, 1000-spent[i])
		}
	}
}

// TestSweep lets go accounts that nobody uses, but for those whose rows are
// behind, and finds them all as they were.
func TestSweep(t *testing.T) {
	s, _, _ := newSQLite(t)
	ids := manyAccounts(t, s, 200, 1000)
	spent := make([]int64, len(ids))
	spend := func(some []string) {
		for i, id := range some {
			spent[i] += 3
			spendOne(t, s, id, 3, 1000-spent[i])
		}
	}
	sweep := func(want int) {
		t.Helper()
		n := 0
		err := s.write(t.Context(), func(*txn) error {
			s.balances.sweep(time.Now().Add(keepIdle + time.Hour))
			s.balances.swept = time.Time{}
			for i := range s.balances.shards {
				n += len(s.balances.shards[i].accounts)
			}
			return nil
		})
		if err != nil || n != want {
			t.Errorf("%d accounts are in memory after a sweep, want %d: %v", n, want, err)
		}
	}
	spend(ids)
	sweep(len(ids))
	foldNow(t, s)
	sweep(0)
	same(t, s, ids, spent)
	spend(ids[:50])
	sweep(50)
	spend(ids)
	foldNow(t, s)
	sweep(0)
	same(t, s, ids, spent)
}

// TestDoubtfulAccountIsReadAgain has a change reach the disk although its commit
// was said to have failed.
func TestDoubtfulAccountIsReadAgain(t *testing.T) {
	s, _, path := newSQLite(t)
	if err := s.setCredits(t.Context(), "account", 10); err != nil {
		t.Fatal(err)
	}
	spendOne(t, s, "account", 1, 9)
	a := s.balances.shard("account").accounts["account"]
	before := a.now
	if err := s.setCredits(t.Context(), "account", 50); err != nil {
		t.Fatal(err)
	}
	err := s.write(t.Context(), func(*txn) error {
		a.now, a.committed = before, before
		a.changed = &balance{Account: keys.Account{Credits: &keys.Credits{Remaining: 50}}}
		s.balances.settle([]held{{account: a}}, false)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	spendOne(t, s, "account", 1, 49)
	if n := left(t, crash(t, path), "account"); n != 49 {
		t.Errorf("on the disk there are %d, want 49", n)
	}
}

// rawFile opens the database of a store that is closed, past it.
func rawFile(t *testing.T, path string) *sql.DB {
	t.Helper()
	db, err := openFile(path, 1)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

// closed makes accounts with 1000 credits in a store, which it closes, and
// returns the path of its file.
func closed(t *testing.T, accounts int) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "latchkey.db")
	s, err := Open(t.Context(), "sqlite:"+path)
	if err != nil {
		t.Fatal(err)
	}
	manyAccounts(t, s, accounts, 1000)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}
