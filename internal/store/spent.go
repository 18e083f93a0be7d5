package store

import (
	"context"
	"math"

	"latchkey/internal/keys"
)

// A spentSum is what was ever spent, of each kind.
type spentSum struct{ own, byok int64 }

func (s *spentSum) add(t spentSum) {
	s.own += min(t.own, math.MaxInt64-s.own)
	s.byok += min(t.byok, math.MaxInt64-s.byok)
}

// Spent implements [keys.SpendStore].
func (s *Store) Spent(ctx context.Context, workspaceID string) (own, byok int64, err error) {
	var sum spentSum
	err = s.view(ctx, func(q *session) (err error) {
		if sum, err = q.goneSpent(workspaceID, ""); err != nil {
			return found(err, "workspace")
		}
		return q.eachSpent(`k.workspace_id = $1 AND NOT k.root`, []any{workspaceID}, func(id string, spent spentSum) error {
			if q.balances != nil {
				spent = q.balances.spent(id, spent)
			}
			sum.add(spent)
			return nil
		})
	})
	return sum.own, sum.byok, err
}

// spent returns what was spent from an account, of which the row says so much.
// The row may be that of a key which has gone since it was read.
func (b *balances) spent(id string, row spentSum) spentSum {
	shard := b.shard(id)
	shard.mu.Lock()
	defer shard.mu.Unlock()
	if a := shard.accounts[id]; a != nil {
		return b.seen(a).spent(row)
	}
	return row
}

// spent is the same of what is in memory.
func (b *balance) spent(row spentSum) spentSum {
	switch m := b.Money; {
	case b.gone && b.last != (spentSum{}):
		return b.last
	case m != nil:
		return spentSum{m.Spent.Own.Total, m.Spent.BYOK.Total}
	}
	return row
}

// eachSpent calls fn for each account of the keys k that a condition selects,
// with what its row says was spent. One in memory may have spent more, or have
// no row yet.
func (q *session) eachSpent(where string, args []any, fn func(id string, spent spentSum) error) error {
	type account struct {
		id string
		spentSum
	}
	var all []account // fn may ask for more, which takes the connection
	err := q.eachOnce(`SELECT a.account_id, m.spent
		FROM (SELECT DISTINCT k.account_id FROM keys k WHERE `+where+`) a
		LEFT JOIN money m ON m.account_id = a.account_id`, args, func(row scan) error {
		var id string
		var spent keys.Spending
		err := row(text{&id}, spentColumn{&spent})
		all = append(all, account{id, spentSum{spent.Own.Total, spent.BYOK.Total}})
		return err
	})
	for i := 0; err == nil && i < len(all); i++ {
		err = fn(all[i].id, all[i].spentSum)
	}
	return err
}

// goneSpent returns what keys of a workspace have spent that are gone.
func (q *session) goneSpent(workspaceID, lock string) (sum spentSum, err error) {
	err = q.row(`SELECT gone_own, gone_byok FROM workspaces WHERE id = $1`+lock, []any{workspaceID}, integer{&sum.own}, integer{&sum.byok})
	return sum, err
}

// keepSpent adds to that.
func (t *txn) keepSpent(workspaceID string, more spentSum) error {
	sum, err := t.goneSpent(workspaceID, t.engine.forSettings)
	if err != nil {
		return err
	}
	sum.add(more)
	_, err = t.exec(`UPDATE workspaces SET gone_own = $2, gone_byok = $3 WHERE id = $1`, workspaceID, sum.own, sum.byok)
	return err
}
