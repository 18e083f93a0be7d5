package store

import (
	"context"
	"math"

	"latchkey/internal/keys"
)

// Spent implements [keys.SpendStore].
func (s *Store) Spent(ctx context.Context, workspaceID string) (own, byok int64, err error) {
	err = s.look(ctx, func(q *session) error {
		own, byok = 0, 0
		// What an account in memory has may have no row yet.
		rows, err := q.conn.QueryContext(ctx, `SELECT a.account_id, m.spent
			FROM (SELECT DISTINCT account_id FROM keys WHERE workspace_id = $1 AND NOT root) a
			LEFT JOIN money m ON m.account_id = a.account_id`, workspaceID)
		return eachRow(rows, err, func(row scan) error {
			var id string
			var spent keys.Spending
			if err := row(text{&id}, spentColumn{&spent}); err != nil {
				return err
			}
			if q.balances != nil {
				if m := q.balances.shown(id).Money; m != nil {
					spent = m.Spent
				}
			}
			own += min(spent.Own.Total, math.MaxInt64-own)
			byok += min(spent.BYOK.Total, math.MaxInt64-byok)
			return nil
		})
	})
	return own, byok, err
}
