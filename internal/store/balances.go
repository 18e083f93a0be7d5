package store

import (
	"context"
	"database/sql"
	"errors"
	"hash/maphash"
	"sync"
	"sync/atomic"
	"time"

	"latchkey/internal/keys"
)

// balances are the accounts of a SQLite file as they are in memory, where they
// are spent from. What a call has taken is in the journal on the disk before
// the call is answered: all calls that wait share one commit, and the rows of
// the accounts follow later.
//
// An account is in one of two hands. Spending changes it under its shard's lock.
// A job of the one writer that changes the account's row holds it from when it
// reads it until its commit, and spending waits.
type balances struct {
	store   *Store
	relaxed time.Duration // 0: an answer waits for the disk
	shards  [balanceShards]balanceShard
	rev     atomic.Int64 // the number of the last change to any account

	mu     sync.Mutex // taken after a shard's
	next   *spending  // what the next commit will carry
	closed bool

	ending chan struct{} // closed when the transaction that ends accounts is over; nil: none does
	ended  int64         // transactions that have

	wake chan struct{} // holds a token while something waits for a commit

	// For the one writer alone.
	journal int64      // the number of its last row
	first   int64      // the number of the first row that is needed
	deleted int64      // below which rows are deleted
	dirty   []*account // whose rows are behind the journal, the longest first
	swept   time.Time

	foldAfter, deleteAfter int64 // as the constants, but for tests
}

const balanceShards = 64

type balanceShard struct {
	mu       sync.Mutex
	accounts map[string]*account
	_        [48]byte // to the end of a cache line
}

// An account is what is known of one. Its shard's lock guards it.
type account struct {
	id        string
	now       balance       // after everything that was done
	committed balance       // as of what has reached the disk
	spending  *spending     // which carries now to the disk; nil: it is there
	held      chan struct{} // closed when the writer lets go; nil: nobody holds it
	changed   *balance      // what the holder makes of it; nil: nothing
	doubtful  bool          // nobody knows whether what a holder made of it has reached the disk
	dirty     bool          // its row is behind the journal
	since     int64         // the first row of the journal that its row may not have
	used      int64         // Unix seconds
}

// A balance is the state of an account. What it points at is never changed.
type balance struct {
	keys.Account
	rev  int64
	gone bool     // no key has the account
	last spentSum // where it is gone: what was spent from it, if that is known
}

// A spending is what one commit carries to the disk.
type spending struct {
	accounts []*account
	done     chan struct{}
	err      error // once it is done

	// For the writer, once it has taken it.
	states  []balance // as they are committed
	entries []byte    // of the journal
	row     int64     // of the journal
	folding []fold
	before  int64 // below which rows of the journal are deleted; 0: none
}

func newBalances(s *Store) *balances {
	b := &balances{store: s, wake: make(chan struct{}, 1), next: newSpending(), swept: time.Now(), foldAfter: foldAfter, deleteAfter: deleteAfter}
	for i := range b.shards {
		b.shards[i].accounts = make(map[string]*account)
	}
	return b
}

// relaxedFor is how long what was spent may wait for its commit where answers
// do not wait for that.
const relaxedFor = 50 * time.Millisecond

// Relax lets spending be answered before it has reached the disk. It must be
// called before anything is spent.
func (s *Store) Relax() {
	if s.balances != nil {
		s.balances.relaxed = relaxedFor
	}
}

func newSpending() *spending { return &spending{done: make(chan struct{})} }

// wait returns when the commit is over.
func (s *spending) wait() error {
	if s == nil {
		return nil
	}
	<-s.done
	return s.err
}

var accountSeed = maphash.MakeSeed()

func (b *balances) shard(id string) *balanceShard {
	return &b.shards[maphash.String(accountSeed, id)%balanceShards]
}

// use takes a charge, for [Store.Use].
func (b *balances) use(ctx context.Context, id string, c keys.Charge, also func(bool) (bool, error), now time.Time) (keys.Account, keys.Charged, keys.Outcome, error) {
	var took keys.Charged
	outcome := keys.Valid
	after, err := b.apply(ctx, id, now, func(a keys.Account) (after keys.Account, changed bool, err error) {
		if after, took, outcome, err = a.Use(c, also, now); err != nil {
			err = refusal{err}
		}
		return after, took != keys.Charged{}, err
	})
	if err == errNoAccount {
		outcome, err = keys.KeyNotFound, nil
	}
	if err != nil {
		took = keys.Charged{}
	}
	return after, took, outcome, err
}

// errNoAccount says that no key has an account.
var errNoAccount = keys.Errorf(keys.NotFound, "no such key")

// apply lets fn make an account another, and returns that when it has reached
// the disk. Where fn changes nothing, it returns what fn returned when that on
// which it rests has reached the disk.
func (b *balances) apply(ctx context.Context, id string, now time.Time, fn func(keys.Account) (keys.Account, bool, error)) (keys.Account, error) {
	if err := ctx.Err(); err != nil {
		return keys.Account{}, err
	}
	shard := b.shard(id)
	a, err := b.lock(ctx, shard, id, true)
	if err != nil {
		return keys.Account{}, err
	}
	after, waits, err := b.applyTo(shard, a, now, fn)
	if err == nil {
		err = b.settled(waits)
	}
	return after, err
}

// applyTo is the part of apply during which the shard is locked, and unlocks it.
func (b *balances) applyTo(shard *balanceShard, a *account, now time.Time, fn func(keys.Account) (keys.Account, bool, error)) (keys.Account, *spending, error) {
	defer shard.mu.Unlock()
	a.used = now.Unix()
	if a.now.gone {
		return keys.Account{}, nil, errNoAccount
	}
	after, changed, err := fn(a.now.Account)
	if err != nil {
		return after, nil, err
	}
	if !changed {
		return after, a.spending, nil
	}
	waits, err := b.change(a, balance{Account: after})
	return after, waits, err
}

// settled waits for the disk, unless answers do not.
func (b *balances) settled(s *spending) error {
	if b.relaxed > 0 {
		return nil
	}
	return s.wait()
}

// look returns an account at now, as of what has been answered.
func (b *balances) look(ctx context.Context, id string, now time.Time) (keys.Account, error) {
	if err := ctx.Err(); err != nil {
		return keys.Account{}, err
	}
	shard := b.shard(id)
	a, err := b.lock(ctx, shard, id, false)
	if err != nil {
		return keys.Account{}, err
	}
	defer shard.mu.Unlock()
	return b.seen(a).Account.At(now), nil
}

// seen is the state that those who only look are shown; the shard is locked.
func (b *balances) seen(a *account) *balance {
	if b.relaxed > 0 {
		return &a.now
	}
	return &a.committed
}

// shown returns an account as those who only look are shown it; nothing where it
// is not in memory, and its rows tell.
func (b *balances) shown(id string) keys.Account {
	shard := b.shard(id)
	shard.mu.Lock()
	defer shard.mu.Unlock()
	a := shard.accounts[id]
	if a == nil {
		return keys.Account{}
	}
	return cloneAccount(b.seen(a).Account)
}

// lock returns an account, which nobody holds if it is to be changed, with its
// shard locked.
func (b *balances) lock(ctx context.Context, shard *balanceShard, id string, change bool) (*account, error) {
	for {
		shard.mu.Lock()
		a := shard.accounts[id]
		if a != nil && (a.held == nil || !change) && !a.doubtful {
			return a, nil
		}
		if a == nil || a.held == nil {
			shard.mu.Unlock()
			if err := b.load(ctx, shard, id); err != nil {
				return nil, err
			}
			continue
		}
		held := a.held
		shard.mu.Unlock()
		select {
		case <-held:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// put adds an account that was read, unless another was faster. The shard is
// locked.
func (b *balances) put(shard *balanceShard, id string, read balance) *account {
	a := shard.accounts[id]
	if a == nil {
		a = &account{id: id, now: read, committed: read, used: time.Now().Unix()}
		shard.accounts[id] = a
		b.raise(read.rev)
	} else if a.doubtful && a.held == nil {
		if a.doubtful = false; read.settles(a.committed) {
			a.now, a.committed = read, read
		}
	}
	return a
}

// settles reports whether what the rows say of an account is what its holder
// made of it, and not what was committed before, beyond which the journal may
// go. There is no row to number what lost the last of its parts, and none yet of
// an account that has done nothing but spend: that keeps what it has spent.
func (b balance) settles(committed balance) bool {
	if b.gone || b.rev > committed.rev {
		return true
	}
	m := committed.Money
	return b.Account == (keys.Account{}) && (m == nil || m.Spent == (keys.Spending{}) && len(m.Held) == 0)
}

// balance reads an account's rows, and whether a key has it.
func (q *session) balance(id string) (balance, error) {
	var st balance
	var c keys.Credits
	err := q.row(`SELECT remaining, refill, refilled_at, rev FROM credits WHERE account_id = $1`, []any{id},
		integer{&c.Remaining}, refillColumn{&c.Refill}, moment{&c.RefilledAt}, integer{&st.rev})
	if err == nil {
		st.Credits = &c
	} else if !errors.Is(err, sql.ErrNoRows) {
		return balance{}, err
	}
	var m keys.Money
	var rev int64
	err = q.row(`SELECT budget, spent, held, rev FROM money WHERE account_id = $1`, []any{id},
		budgetColumn{&m.Budget}, spentColumn{&m.Spent}, heldColumn{&m.Held}, integer{&rev})
	if err == nil {
		st.Money = &m
	} else if !errors.Is(err, sql.ErrNoRows) {
		return balance{}, err
	}
	st.rev = max(st.rev, rev)
	st.gone = true
	err = q.each(`SELECT 1 FROM keys WHERE account_id = $1 LIMIT 1`, []any{id}, func(scan) error { st.gone = false; return nil })
	return st, err
}

// raise moves the number of changes past one that was read, which another run
// of the program may have given by another clock.
func (b *balances) raise(rev int64) {
	for old := b.rev.Load(); old < rev && !b.rev.CompareAndSwap(old, rev); old = b.rev.Load() {
	}
}

// change gives an account a new state and returns what will carry it to the
// disk. The shard is locked.
func (b *balances) change(a *account, st balance) (*spending, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return nil, errClosed
	}
	st.rev = b.rev.Add(1)
	a.now = st
	if a.spending != b.next {
		a.spending = b.next
		b.next.accounts = append(b.next.accounts, a)
		if len(b.next.accounts) == 1 && b.relaxed == 0 {
			b.rouse()
		} else if len(b.next.accounts) == 1 {
			time.AfterFunc(b.relaxed, b.rouse)
		}
	}
	return b.next, nil
}

// rouse lets the writer know that something waits.
func (b *balances) rouse() {
	select {
	case b.wake <- struct{}{}:
	default:
	}
}
