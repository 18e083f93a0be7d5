package store

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"latchkey/internal/keys"
)

// A usageRow says what a row with counts is of. A table has some of it.
type usageRow struct {
	workspace, keyspace, key, owner, outcome, tag string

	hour int64
}

// usageCounts are the counts of a row.
type usageCounts struct {
	n    int64
	took keys.Charged
}

// A usageTable is one of the tables with counts.
type usageTable struct {
	name    string
	columns []string // of its primary key, which a row has the values of
	values  func(*usageRow) []any
}

var (
	usageHours = usageTable{"usage_hours", []string{"key_id", "outcome", "hour", "workspace_id", "keyspace_id", "owner_id"},
		func(r *usageRow) []any {
			return []any{r.key, r.outcome, r.hour, r.workspace, r.keyspace, r.owner}
		}}
	usageTotals = usageTable{"usage_totals", []string{"workspace_id", "hour", "keyspace_id", "outcome"},
		func(r *usageRow) []any { return []any{r.workspace, r.hour, r.keyspace, r.outcome} }}
	usageTags = usageTable{"usage_tags", []string{"workspace_id", "tag", "hour", "key_id", "outcome", "keyspace_id", "owner_id"},
		func(r *usageRow) []any {
			return []any{r.workspace, r.tag, r.hour, r.key, r.outcome, r.keyspace, r.owner}
		}}

	// usageTables lists them in the order in which they are written.
	usageTables = []*usageTable{&usageHours, &usageTotals, &usageTags}
)

// AddUsage implements [keys.UsageStore].
func (s *Store) AddUsage(ctx context.Context, counts []keys.Count, uses []keys.LastUse) error {
	if len(counts)+len(uses) == 0 {
		return nil
	}
	sums, uses := sumCounts(counts), lastUses(uses)
	return s.write(ctx, func(t *txn) error {
		for i, table := range usageTables {
			if err := t.addCounts(table, sums[i]); err != nil {
				return err
			}
		}
		return t.moveUses(uses)
	})
}

// sumCounts adds up what goes to one row of each of [usageTables].
func sumCounts(counts []keys.Count) []map[usageRow]usageCounts {
	hours, totals, tags := map[usageRow]usageCounts{}, map[usageRow]usageCounts{}, map[usageRow]usageCounts{}
	add := func(to map[usageRow]usageCounts, r usageRow, c *keys.Count) {
		sum := to[r]
		to[r] = usageCounts{sum.n + c.N, sum.took.Plus(c.Charged)}
	}
	for i := range counts {
		c := &counts[i]
		r := usageRow{workspace: c.WorkspaceID, keyspace: c.KeyspaceID, outcome: c.Outcome.String(), hour: millis(c.Hour)}
		add(totals, r, c)
		r.key, r.owner = c.KeyID, c.OwnerID
		add(hours, r, c)
		for _, r.tag = range c.Tags.Tags() {
			add(tags, r, c)
		}
	}
	return []map[usageRow]usageCounts{hours, totals, tags}
}

// addCounts adds rows to a table. The order is fixed, so that two that write
// at once do not wait for each other in a ring.
func (t *txn) addCounts(table *usageTable, rows map[usageRow]usageCounts) error {
	order := slices.SortedFunc(maps.Keys(rows), func(a, b usageRow) int {
		return cmp.Or(cmp.Compare(a.key, b.key), cmp.Compare(a.outcome, b.outcome), cmp.Compare(a.hour, b.hour), cmp.Compare(a.tag, b.tag),
			cmp.Compare(a.workspace, b.workspace), cmp.Compare(a.keyspace, b.keyspace), cmp.Compare(a.owner, b.owner))
	})
	return inBatches(order, func(batch []usageRow) error {
		var args []any
		for i := range batch {
			c := rows[batch[i]]
			args = append(append(args, table.values(&batch[i])...), c.n, c.took.Credits, c.took.Micros)
		}
		_, err := t.exec(table.upsert(len(batch)), args...)
		return err
	})
}

// upsert returns the statement that adds n rows to the table.
func (u *usageTable) upsert(n int) string {
	key := strings.Join(u.columns, ", ")
	return `INSERT INTO ` + u.name + ` (` + key + `, n, credits, spend_micros) VALUES ` + tuples(n, strings.Repeat(", ?", len(u.columns)+3)[2:]) +
		` ON CONFLICT (` + key + `) DO UPDATE SET n = ` + u.name + `.n + excluded.n, credits = ` + u.name + `.credits + excluded.credits,
		spend_micros = ` + u.name + `.spend_micros + excluded.spend_micros`
}

// tuples returns a list n times, with a placeholder of its own for every ?.
func tuples(n int, list string) string {
	var b strings.Builder
	next := 1
	for i := range n {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteByte('(')
		for _, c := range list {
			if c != '?' {
				b.WriteRune(c)
				continue
			}
			b.WriteByte('$')
			b.WriteString(strconv.Itoa(next))
			next++
		}
		b.WriteByte(')')
	}
	return b.String()
}

// inBatches calls fn with parts of the rows whose lengths are powers of two, at
// most 16, so that the statements that fn makes are few.
func inBatches[T any](rows []T, fn func([]T) error) error {
	size := 16
	for len(rows) > 0 {
		for size > len(rows) {
			size /= 2
		}
		if err := fn(rows[:size]); err != nil {
			return err
		}
		rows = rows[size:]
	}
	return nil
}

// moveUses moves the last uses of secrets, and of keys where the secret is "",
// forward. What is not there any more is passed over.
func (t *txn) moveUses(uses []keys.LastUse) error {
	return inBatches(uses, func(batch []keys.LastUse) error {
		var args []any
		for _, u := range batch {
			args = append(args, u.KeyID, u.SecretID, millis(u.At))
		}
		_, err := t.exec(`WITH seen (key_id, secret_id, at) AS (VALUES `+tuples(len(batch), `?, ?, CAST(? AS BIGINT)`)+`)
			INSERT INTO uses (key_id, secret_id, at)
			SELECT k.id, seen.secret_id, seen.at FROM seen JOIN keys k ON k.id = seen.key_id
			WHERE seen.secret_id = '' OR EXISTS (SELECT 1 FROM secrets s WHERE s.id = seen.secret_id AND s.key_id = k.id)
			ORDER BY k.id, seen.secret_id`+t.engine.keepK+`
			ON CONFLICT (key_id, secret_id) DO UPDATE SET at = excluded.at WHERE excluded.at > uses.at`, args...)
		return err
	})
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
	var total int64
	err := s.write(ctx, func(t *txn) error {
		total = 0
		for _, u := range usageTables {
			key := strings.Join(u.columns, ", ")
			// An hour is older than a moment when all of it is.
			n, err := t.exec(`DELETE FROM `+u.name+` WHERE (`+key+`) IN (SELECT `+key+` FROM `+u.name+`
				WHERE hour <= $1 ORDER BY hour LIMIT $2)`, before.Add(-time.Hour).UnixMilli(), int64(limit)-total)
			if err != nil {
				return err
			}
			total += n
		}
		return nil
	})
	return int(total), err
}
