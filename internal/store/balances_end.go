package store

import "context"

// closeAccounts ends the accounts of some keys that go, which no other key has,
// and adds to their workspace what they have spent. The keys are those k that a
// condition selects, of which value is the argument; they are there still.
func (t *txn) closeAccounts(workspaceID, where, value string) error {
	if t.balances != nil {
		t.balances.beginEnding()
	}
	var sum spentSum
	err := t.eachSpent(where, []any{value}, func(id string, spent spentSum) error {
		if t.spends(id) {
			a, err := t.hold(id)
			if err != nil {
				return err
			}
			had := a.state()
			spent = had.spent(spent)
			t.balances.turn(a, balance{gone: true, last: spent})
		}
		sum.add(spent)
		return nil
	})
	for _, table := range []string{"credits", "money"} {
		if err == nil {
			_, err = t.exec(`DELETE FROM `+table+` WHERE account_id IN (SELECT k.account_id FROM keys k WHERE `+where+`)`, value)
		}
	}
	if err != nil || sum == (spentSum{}) {
		return err
	}
	return t.keepSpent(workspaceID, sum)
}

// closed reports whether memory has it that no key has an account, which the
// transaction holds.
func (t *txn) closed(id string) bool {
	if t.balances == nil {
		return false
	}
	shard := t.balances.shard(id)
	shard.mu.Lock()
	defer shard.mu.Unlock()
	a := shard.accounts[id]
	return a != nil && a.state().gone
}

// beginEnding keeps accounts from coming to memory until the writer's transaction
// is over. It ends some that are not there, which may be many: whoever read their
// rows before would spend from what is gone.
func (b *balances) beginEnding() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ending == nil {
		b.ending = make(chan struct{})
	}
}

// endEnding lets accounts come to memory again.
func (b *balances) endEnding() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ending != nil {
		close(b.ending)
		b.ending = nil
		b.ended++
	}
}

// quiet waits until no transaction ends accounts, and returns how many have.
func (b *balances) quiet(ctx context.Context) (ended int64, err error) {
	for {
		b.mu.Lock()
		ending, ended := b.ending, b.ended
		b.mu.Unlock()
		if ending == nil {
			return ended, nil
		}
		select {
		case <-ending:
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
}

// load brings an account to memory, unless a transaction that ends accounts came
// between.
func (b *balances) load(ctx context.Context, shard *balanceShard, id string) error {
	ended, err := b.quiet(ctx)
	if err != nil {
		return err
	}
	var read balance
	err = b.store.reads.with(ctx, func(q *session) (err error) {
		read, err = q.balance(id)
		return err
	})
	if err != nil {
		return err
	}
	shard.mu.Lock()
	defer shard.mu.Unlock()
	b.putRead(shard, id, read, ended)
	return nil
}

// putRead adds an account that was read when so many transactions had ended
// accounts. The shard is locked.
func (b *balances) putRead(shard *balanceShard, id string, read balance, ended int64) {
	b.mu.Lock()
	same := b.ending == nil && b.ended == ended
	b.mu.Unlock()
	// A transaction that begins to end accounts from here on finds this one.
	if same {
		b.put(shard, id, read)
	}
}
