package store

import (
	"time"

	"latchkey/internal/keys"
)

// hold keeps an account from being spent from until the writer's transaction is
// over, and returns it as it is there.
func (t *txn) hold(id string) (*account, error) {
	b := t.balances
	shard := b.shard(id)
	shard.mu.Lock()
	a := shard.accounts[id]
	if a == nil || a.doubtful && a.held == nil {
		shard.mu.Unlock()
		read, err := t.session.balance(id)
		if err != nil {
			return nil, err
		}
		shard.mu.Lock()
		a = b.put(shard, id, read)
	}
	defer shard.mu.Unlock()
	a.used = time.Now().Unix()
	if a.held == nil {
		a.held = make(chan struct{})
	}
	t.holds = append(t.holds, held{a, a.changed})
	return a, nil
}

// A held is an account that a job holds, with what a job before it in the same
// transaction has made of it.
type held struct {
	account *account
	before  *balance
}

// state returns an account as the transaction that holds it sees it.
func (a *account) state() balance {
	if a.changed != nil {
		return *a.changed
	}
	return a.now
}

// undo takes back what a job that failed has made of the accounts that it
// holds.
func (b *balances) undo(holds []held) {
	for i := len(holds) - 1; i >= 0; i-- {
		h := holds[i]
		shard := b.shard(h.account.id)
		shard.mu.Lock()
		h.account.changed = h.before
		shard.mu.Unlock()
	}
}

// restsOf returns what carries to the disk the accounts that a job has seen and
// left as they were. Its answer tells of them, and so must wait for that.
func (b *balances) restsOf(holds []held) (rests []*spending) {
	if b.relaxed > 0 {
		return nil
	}
	for _, h := range holds {
		shard := b.shard(h.account.id)
		shard.mu.Lock()
		if s := h.account.spending; s != nil && h.account.changed == nil {
			rests = append(rests, s)
		}
		shard.mu.Unlock()
	}
	return rests
}

// settle changes the accounts that a transaction holds, where it was committed.
func (b *balances) settle(holds []held, committed bool) {
	for _, h := range holds {
		a := h.account
		shard := b.shard(a.id)
		shard.mu.Lock()
		if a.changed != nil && committed {
			a.now, a.committed, a.spending = *a.changed, *a.changed, nil
		}
		a.doubtful = a.doubtful || a.changed != nil && !committed
		a.changed = nil
		shard.mu.Unlock()
	}
}

// release lets go the accounts that a transaction has held.
func (b *balances) release(holds []held) {
	b.endEnding()
	for _, h := range holds {
		shard := b.shard(h.account.id)
		shard.mu.Lock()
		if h.account.held != nil {
			close(h.account.held)
			h.account.held = nil
		}
		shard.mu.Unlock()
	}
}

// accountOf returns an account for a job that may change it.
func (t *txn) accountOf(id string) (keys.Account, error) {
	if t.balances == nil {
		st, err := t.session.balance(id)
		return st.Account, err
	}
	a, err := t.hold(id)
	if err != nil {
		return keys.Account{}, err
	}
	return cloneAccount(a.state().Account), nil
}

// spends reports whether an account is in memory, where it may have what its
// rows have not yet.
func (t *txn) spends(id string) bool { return t.balances != nil && t.balances.has(id) }

// has reports whether an account is in memory.
func (b *balances) has(id string) bool {
	shard := b.shard(id)
	shard.mu.Lock()
	defer shard.mu.Unlock()
	return shard.accounts[id] != nil
}

// turn notes what a job makes of an account that it holds.
func (b *balances) turn(a *account, st balance) (rev int64) {
	shard := b.shard(a.id)
	shard.mu.Lock()
	defer shard.mu.Unlock()
	st.rev = b.rev.Add(1)
	a.changed = &st
	return st.rev
}
