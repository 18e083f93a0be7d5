package store

import (
	"cmp"
	"context"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"latchkey/internal/keys"
	"latchkey/internal/token"
)

// A purse is a store in a file with one key.
type purse struct {
	*testing.T
	*Store
	path string
	ws   keys.Workspace
	k    keys.Key
}

func newPurse(t *testing.T, nk keys.NewKey) *purse {
	t.Helper()
	p := &purse{T: t}
	p.Store, p.ws, p.path = newSQLite(t)
	m := keys.Manager{Store: p.Store, Ledger: p.Store, Clock: time.Now}
	var err error
	if p.k, _, err = m.CreateKey(t.Context(), keys.OperatorIn(p.ws), nk); err != nil {
		t.Fatal(err)
	}
	return p
}

// again opens the store anew, so that no account is in memory.
func (p *purse) again() {
	p.Helper()
	if err := p.Close(); err != nil {
		p.Fatal(err)
	}
	var err error
	if p.Store, err = Open(p.Context(), "sqlite:"+p.path); err != nil {
		p.Fatal(err)
	}
	p.Cleanup(func() { p.Close() })
}

// event is one for a change of the key.
func (p *purse) event(action string) keys.Event {
	return keys.Event{ID: token.NewID("evt"), WorkspaceID: p.ws.ID, At: time.Now(), Action: action}
}

func (p *purse) pay(micros int64) (moved int64, err error) {
	_, moved, err = p.Spend(context.Background(), p.k.AccountID, micros, keys.SpendOwn, time.Now())
	return moved, err
}

// want checks what was ever spent.
func (p *purse) want(own int64) {
	p.Helper()
	if got, _, err := p.Spent(p.Context(), p.ws.ID); err != nil || got != own {
		p.Errorf("%d were spent, %v; want %d", got, err, own)
	}
}

// until waits for what others do.
func until(done func() bool) {
	for !done() {
		runtime.Gosched()
	}
}

// blocked reports whether a goroutine waits in a function of the accounts itself.
func blocked(function string) bool {
	buf := make([]byte, 1<<20)
	buf = buf[:runtime.Stack(buf, true)]
	return strings.Contains(string(buf), "[select]:\nlatchkey/internal/store.(*balances)."+function+"(")
}

// TestSpendingWhileManyKeysGo spends with a key, of whose account nothing is in
// memory, while its keyspace is deleted.
func TestSpendingWhileManyKeysGo(t *testing.T) {
	p := newPurse(t, keys.NewKey{})
	if _, err := p.pay(5); err != nil {
		t.Fatal(err)
	}
	p.again()
	var wg sync.WaitGroup
	var moved int64
	var payErr error
	err := p.write(t.Context(), func(tx *txn) error {
		err := tx.deleteKeys(p.ws.ID, "keyspace_id", p.k.KeyspaceID)
		wg.Go(func() { moved, payErr = p.pay(3) })
		until(func() bool { return waiters("settled") > 0 || blocked("quiet") })
		return err
	})
	wg.Wait()
	if err != nil || moved != 0 || !keys.Is(payErr, keys.NotFound) {
		t.Errorf("deleting: %v; spending meanwhile moved %d, %v; want not found", err, moved, payErr)
	}
	p.want(5 + moved)
}

// TestReadingWhileManyKeysGo reads an account before its key goes, and would bring
// to memory what it has read while that goes on, and when it is over.
func TestReadingWhileManyKeysGo(t *testing.T) {
	p := newPurse(t, keys.NewKey{})
	p.again()
	b, id := p.balances, p.k.AccountID
	before, err := b.quiet(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	put := func(when string) {
		shard := b.shard(id)
		shard.mu.Lock()
		b.putRead(shard, id, balance{}, before)
		shard.mu.Unlock()
		if b.has(id) {
			t.Errorf("%s the account comes to memory", when)
		}
	}
	err = p.write(t.Context(), func(tx *txn) error {
		defer put("while its key goes")
		return tx.deleteKeys(p.ws.ID, "keyspace_id", p.k.KeyspaceID)
	})
	if err != nil {
		t.Fatal(err)
	}
	put("when its key is gone")
	if moved, err := p.pay(3); moved != 0 || !keys.Is(err, keys.NotFound) {
		t.Errorf("spending moved %d, %v; want not found", moved, err)
	}
	if _, _, outcome, err := p.Use(t.Context(), id, keys.Charge{Micros: 1}, nil, time.Now()); outcome != keys.KeyNotFound || err != nil {
		t.Errorf("a use is %s, %v; want not found", outcome, err)
	}
}

// TestFailedDeletionKeepsWhatWasSpent deletes a key, in a commit that fails, whose
// spending is in the journal alone.
func TestFailedDeletionKeepsWhatWasSpent(t *testing.T) {
	none := func(*keys.Key) error { return nil }
	for name, change := range map[string]func(*purse, *txn) error{
		"deleted": func(p *purse, tx *txn) error {
			return tx.closeAccounts(p.ws.ID, `k.id = $1`, p.k.ID)
		},
		"given a budget": func(p *purse, tx *txn) error {
			k, err := tx.lockKey(p.ws.ID, p.k.ID)
			if err != nil {
				return err
			}
			m := *k.Money
			m.Budget = &keys.Budget{Limit: 6}
			return tx.setAccount(p.k.AccountID, keys.Account{Money: &m})
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPurse(t, keys.NewKey{})
			if _, err := p.pay(5); err != nil {
				t.Fatal(err)
			}
			errs := together(t, p.Store, func(tx *txn) error { return change(p, tx) }, fill,
				func(tx *txn) error { return tx.setAccount(big, keys.Account{Credits: &keys.Credits{Remaining: 1}}) })
			for i, err := range errs {
				if !keys.Is(err, keys.Unavailable) {
					t.Errorf("job %d of a commit that fails: %v", i, err)
				}
			}
			p.want(5)
			if _, err := p.pay(3); err != nil {
				t.Error(err)
			}
			p.want(8)
			if own, _, err := crash(t, p.path).Spent(t.Context(), p.ws.ID); own != 8 || err != nil {
				t.Errorf("on the disk %d were spent, %v; want 8", own, err)
			}
			if err := p.DeleteKey(t.Context(), p.ws.ID, p.k.ID, none, p.event("key.delete")); err != nil {
				t.Error(err)
			}
			p.want(8)
			if own, _, err := crash(t, p.path).Spent(t.Context(), p.ws.ID); own != 8 || err != nil {
				t.Errorf("on the disk %d were spent when the key is gone, %v; want 8", own, err)
			}
		})
	}
}

// TestUndoneJobLeavesTheAccount lets a job fail that has ended an account or made
// something else of it, once before and once after another that succeeds.
func TestUndoneJobLeavesTheAccount(t *testing.T) {
	no := refusal{keys.Errorf(keys.Conflict, "no")}
	for name, change := range map[string]func(*purse, *txn) error{
		"ended": func(p *purse, tx *txn) error { return tx.closeAccounts(p.ws.ID, `k.id = $1`, p.k.ID) },
		"changed": func(p *purse, tx *txn) error {
			return tx.setAccount(p.k.AccountID, keys.Account{Credits: &keys.Credits{Remaining: 99}})
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPurse(t, keys.NewKey{KeySettings: keys.KeySettings{Credits: keys.Some(&keys.CreditSettings{Remaining: keys.Some(int64(10))})}})
			fails := func(tx *txn) error { return cmp.Or(change(p, tx), error(no)) }
			errs := together(t, p.Store, fails, func(tx *txn) error {
				a, err := tx.accountOf(p.k.AccountID)
				if err == nil && (a.Credits == nil || a.Credits.Remaining != 10) {
					t.Errorf("the next job finds %+v", a.Credits)
				}
				if err == nil {
					err = tx.setAccount(p.k.AccountID, keys.Account{Credits: &keys.Credits{Remaining: 8}})
				}
				return err
			}, fails)
			if errs[0] != no.error || errs[1] != nil || errs[2] != no.error {
				t.Fatal(errs)
			}
			spendOne(t, p.Store, p.k.AccountID, 1, 7)
			if err := p.write(t.Context(), fails); err != no.error {
				t.Fatal(err)
			}
			spendOne(t, p.Store, p.k.AccountID, 1, 6)
			p.want(0)
			if n := left(t, crash(t, p.path), p.k.AccountID); n != 6 {
				t.Errorf("on the disk %d are left, want 6", n)
			}
		})
	}
}

// TestHeirOfWhatIsGone gives the account of a key that is gone to another, while
// the journal tells of it still: what was spent is counted once, after a crash too.
func TestHeirOfWhatIsGone(t *testing.T) {
	p := newPurse(t, keys.NewKey{})
	if _, err := p.pay(5); err != nil {
		t.Fatal(err)
	}
	if err := p.DeleteKey(t.Context(), p.ws.ID, p.k.ID, func(*keys.Key) error { return nil }, p.event("key.delete")); err != nil {
		t.Fatal(err)
	}
	heir := keys.Key{ID: token.NewID("key"), WorkspaceID: p.ws.ID, KeyspaceID: p.k.KeyspaceID, AccountID: p.k.AccountID}
	if err := p.InsertKey(t.Context(), &heir, p.event("key.create")); err != nil {
		t.Fatal(err)
	}
	p.want(5)
	for _, s := range []*Store{crash(t, p.path), p.Store} {
		if own, _, err := s.Spent(t.Context(), p.ws.ID); own != 5 || err != nil {
			t.Errorf("%d were spent, %v; want 5", own, err)
		}
		_, moved, err := s.Spend(t.Context(), heir.AccountID, 2, keys.SpendOwn, time.Now())
		if own, _, _ := s.Spent(t.Context(), p.ws.ID); moved != 2 || own != 7 || err != nil {
			t.Errorf("the heir has spent %d, and %d were spent, %v; want 2 and 7", moved, own, err)
		}
	}
}

// TestSettingsOfWhatIsNotInMemory changes a key of whose account nothing is in
// memory, while others spend.
func TestSettingsOfWhatIsNotInMemory(t *testing.T) {
	for name, change := range map[string]func(p *purse, meanwhile func()) error{
		"a budget": func(p *purse, meanwhile func()) error {
			_, err := p.UpdateKey(p.Context(), p.ws.ID, p.k.ID, func(k *keys.Key) error {
				meanwhile()
				k.Money = &keys.Money{Budget: &keys.Budget{Limit: 100}}
				return nil
			}, p.event("key.update"))
			return err
		},
		"credits": func(p *purse, meanwhile func()) error {
			_, err := p.ChangeCredits(p.Context(), p.ws.ID, p.k.ID, func(*keys.Credits) (*keys.Credits, error) {
				meanwhile()
				return &keys.Credits{Remaining: 100}, nil
			}, p.event("key.credits"))
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPurse(t, keys.NewKey{})
			p.again()
			var wg sync.WaitGroup
			var payErr error
			err := change(p, func() {
				wg.Go(func() { _, payErr = p.pay(5) })
				until(func() bool { return waiters("settled") > 0 || blocked("lock") })
			})
			wg.Wait()
			if err != nil || payErr != nil {
				t.Fatal(err, payErr)
			}
			p.want(5)
		})
	}
}

// TestSpentOfWhatHasJustGone asks what was spent from an account whose key has
// gone since its row was read, which did not tell of it.
func TestSpentOfWhatHasJustGone(t *testing.T) {
	p := newPurse(t, keys.NewKey{})
	if _, err := p.pay(5); err != nil {
		t.Fatal(err)
	}
	if err := p.DeleteKey(t.Context(), p.ws.ID, p.k.ID, func(*keys.Key) error { return nil }, p.event("key.delete")); err != nil {
		t.Fatal(err)
	}
	if got := p.balances.spent(p.k.AccountID, spentSum{}); got != (spentSum{own: 5}) {
		t.Errorf("%+v, want the 5 that were spent", got)
	}
}
