package store

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	"latchkey/internal/keys"
)

// AddUsage implements [keys.UsageStore].
func (s *Store) AddUsage(ctx context.Context, counts []keys.Count, uses []keys.LastUse) error {
	if len(counts)+len(uses) == 0 {
		return nil
	}
	counts, uses = sumCounts(counts), lastUses(uses)
	return s.write(ctx, func(t *txn) error {
		for _, c := range counts {
			_, err := t.exec(`INSERT INTO usage_hours (key_id, outcome, hour, workspace_id, keyspace_id, owner_id, n)
				VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (key_id, outcome, hour, workspace_id, keyspace_id, owner_id)
				DO UPDATE SET n = usage_hours.n + excluded.n`,
				c.KeyID, c.Outcome.String(), millis(c.Hour), c.WorkspaceID, c.KeyspaceID, c.OwnerID, c.N)
			if err != nil {
				return err
			}
		}
		for _, u := range uses {
			if err := t.moveUse(u); err != nil {
				return err
			}
		}
		return nil
	})
}

// moveUse moves the last use of a secret, or of a key where the secret is "",
// forward. What is not there any more is passed over.
func (t *txn) moveUse(u keys.LastUse) error {
	const forward = ` ON CONFLICT (key_id, secret_id) DO UPDATE SET at = excluded.at WHERE excluded.at > uses.at`
	if u.SecretID == "" {
		_, err := t.exec(`INSERT INTO uses (key_id, secret_id, at)
			SELECT k.id, '', CAST($2 AS BIGINT) FROM keys k WHERE k.id = $1`+t.engine.keepK+forward, u.KeyID, millis(u.At))
		return err
	}
	_, err := t.exec(`INSERT INTO uses (key_id, secret_id, at)
		SELECT k.id, s.id, CAST($3 AS BIGINT) FROM keys k JOIN secrets s ON s.key_id = k.id
		WHERE k.id = $1 AND s.id = $2`+t.engine.keepK+forward, u.KeyID, u.SecretID, millis(u.At))
	return err
}

// sumCounts adds up what goes to one row. The order is fixed, so that two that
// write at once do not wait for each other in a ring.
func sumCounts(counts []keys.Count) []keys.Count {
	sums := map[keys.Count]int64{} // a count without N → N
	for _, c := range counts {
		n := c.N
		c.N, c.Hour = 0, kept(c.Hour)
		sums[c] += n
	}
	var out []keys.Count
	for c, n := range sums {
		c.N = n
		out = append(out, c)
	}
	slices.SortFunc(out, func(a, b keys.Count) int {
		return cmp.Or(cmp.Compare(a.KeyID, b.KeyID), cmp.Compare(a.Outcome, b.Outcome), a.Hour.Compare(b.Hour),
			cmp.Compare(a.WorkspaceID, b.WorkspaceID), cmp.Compare(a.KeyspaceID, b.KeyspaceID), cmp.Compare(a.OwnerID, b.OwnerID))
	})
	return out
}

// lastUses returns the newest use of each secret and of each key, in a fixed
// order.
func lastUses(uses []keys.LastUse) []keys.LastUse {
	newest := map[keys.LastUse]time.Time{} // a use without At → At
	move := func(u keys.LastUse, at time.Time) {
		if at.After(newest[u]) {
			newest[u] = at
		}
	}
	for _, u := range uses {
		move(keys.LastUse{KeyID: u.KeyID, SecretID: u.SecretID}, u.At)
		move(keys.LastUse{KeyID: u.KeyID}, u.At)
	}
	out := slices.Collect(maps.Keys(newest))
	slices.SortFunc(out, func(a, b keys.LastUse) int {
		return cmp.Or(cmp.Compare(a.KeyID, b.KeyID), cmp.Compare(a.SecretID, b.SecretID))
	})
	for i := range out {
		out[i].At = newest[out[i]]
	}
	return out
}

// CountUsage implements [keys.UsageStore].
func (s *Store) CountUsage(ctx context.Context, keyID string, outcome keys.Outcome, from, to time.Time) (n int64, err error) {
	err = s.look(ctx, func(q *session) error {
		return q.row(`SELECT CAST(COALESCE(SUM(n), 0) AS BIGINT) FROM usage_hours WHERE key_id = $1 AND outcome = $2 AND hour >= $3 AND hour < $4`,
			[]any{keyID, outcome.String(), from.UnixMilli(), to.UnixMilli()}, integer{&n})
	})
	return n, err
}

// PruneUsage implements [keys.UsageStore].
func (s *Store) PruneUsage(ctx context.Context, before time.Time, limit int) (int, error) {
	// An hour is older than a moment when all of it is.
	const row = `(key_id, outcome, hour, workspace_id, keyspace_id, owner_id)`
	return s.prune(ctx, `DELETE FROM usage_hours WHERE `+row+` IN (SELECT key_id, outcome, hour, workspace_id, keyspace_id, owner_id
		FROM usage_hours WHERE hour <= $1 ORDER BY hour LIMIT $2)`, before.Add(-time.Hour), limit)
}
