package store

import (
	"context"
	"strconv"
	"strings"
	"time"

	"latchkey/internal/keys"
)

// SumUsage implements [keys.UsageStore].
func (s *Store) SumUsage(ctx context.Context, workspaceID string, f keys.UsageFilter) (out []keys.UsageSum, err error) {
	statement, args := sumUsage(workspaceID, f)
	err = s.look(ctx, func(q *session) error {
		// This is the one statement that may be long: it is broken off where
		// all others run to their end.
		rows, err := q.conn.QueryContext(ctx, statement, args...)
		return eachRow(rows, err, func(row scan) error {
			var u keys.UsageSum
			err := row(moment{&u.Start}, text{&u.Outcome}, text{&u.KeyID}, text{&u.Owner.ID}, text{&u.Tag},
				integer{&u.N}, integer{&u.Credits}, integer{&u.Micros}, text{&u.Owner.ExternalID})
			out = append(out, u)
			return err
		})
	})
	return out, err
}

// sumUsage returns the statement for a filter.
func sumUsage(workspaceID string, f keys.UsageFilter) (string, []any) {
	w := new(conditions)
	group := []string{bucketStart(f), `''`, `''`, `''`, `''`}
	if f.By.Outcome {
		group[1] = outcomeWord(w, f.Word)
	}
	if f.By.Key {
		group[2] = `u.key_id`
	}
	if f.By.Owner {
		group[3] = `u.owner_id`
	}
	if f.By.Tag {
		group[4] = `u.tag`
	}
	from := usageTotals.name
	switch {
	case f.Tag != "" || f.By.Tag:
		from = usageTags.name
	case f.KeyID != "" || f.OwnerID != "" || f.By.Key || f.By.Owner:
		from = usageHours.name
	}
	usageConditions(w, workspaceID, f, from)
	inner := `SELECT ` + group[0] + ` AS start, ` + group[1] + ` AS outcome, ` + group[2] + ` AS key_id, ` + group[3] + ` AS owner_id, ` + group[4] + ` AS tag,
		CAST(SUM(u.n) AS BIGINT) AS n, CAST(SUM(u.credits) AS BIGINT) AS credits, CAST(SUM(u.spend_micros) AS BIGINT) AS spend_micros
		FROM ` + from + ` u WHERE ` + w.String() + ` GROUP BY 1, 2, 3, 4, 5`

	w.parts = []string{"1 = 1"}
	if a := f.After; a != nil {
		w.add(`(g.start < ? OR g.start = ? AND (g.outcome, g.key_id, g.owner_id, g.tag) > (?, ?, ?, ?))`,
			millis(a.Start), millis(a.Start), a.Outcome, a.KeyID, a.Owner.ID, a.Tag)
	}
	text := `SELECT g.start, g.outcome, g.key_id, g.owner_id, g.tag, g.n, g.credits, g.spend_micros, i.external_id
		FROM (` + inner + `) g LEFT JOIN identities i ON i.id = g.owner_id WHERE ` + w.String() + `
		ORDER BY g.start DESC, g.outcome, g.key_id, g.owner_id, g.tag LIMIT ` + w.arg(limit(f.Limit))
	return text, w.args
}

// usageConditions selects counts of a table.
func usageConditions(w *conditions, workspaceID string, f keys.UsageFilter, table string) {
	to := f.To
	if f.After != nil { // what is newer was answered before
		to = earlier(to, f.Bucket.After(f.After.Start, 1))
	}
	workspace := "u.workspace_id = ?"
	if f.KeyID != "" && table == usageHours.name {
		// The key's own rows are found in the order of the table, by outcome and
		// hour. A planner would rather read a whole workspace; this keeps it off.
		workspace = "u.workspace_id || '' = ?"
		var all []string
		for _, o := range keys.Outcomes {
			all = append(all, o.String())
		}
		w.in("u.outcome", all)
	}
	w.add(workspace, workspaceID)
	w.add("u.hour >= ? AND u.hour < ?", millisUp(f.From), millisUp(to))
	if f.KeyID != "" {
		w.add("u.key_id = ?", f.KeyID)
	}
	if f.OwnerID != "" {
		w.add("u.owner_id = ?", f.OwnerID)
	}
	if f.KeyspaceID != "" {
		w.add("u.keyspace_id = ?", f.KeyspaceID)
	}
	if f.Tag != "" {
		w.add("u.tag = ?", f.Tag)
	}
}

// millisUp returns the first millisecond that is not before t.
func millisUp(t time.Time) int64 { return t.Add(time.Millisecond - 1).UnixMilli() }

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// bucketStart returns an expression for the beginning of the bucket of a row.
func bucketStart(f keys.UsageFilter) string {
	switch f.Bucket {
	case keys.DayBucket:
		return `u.hour - u.hour % 86400000`
	case keys.MonthBucket:
		return monthStart(f)
	}
	return `u.hour`
}

// monthStart asks for one month of the filter's time after the other, since
// months have no arithmetic that the engines share.
func monthStart(f keys.UsageFilter) string {
	var b strings.Builder
	b.WriteString(`CASE`)
	for start := f.Bucket.Start(f.From); start.Before(f.To); {
		next := f.Bucket.After(start, 1)
		b.WriteString(` WHEN u.hour < ` + strconv.FormatInt(next.UnixMilli(), 10) + ` THEN ` + strconv.FormatInt(start.UnixMilli(), 10))
		start = next
	}
	b.WriteString(` END`)
	return b.String()
}

// outcomeWord returns an expression for the word that an outcome has.
func outcomeWord(w *conditions, word func(keys.Outcome) string) string {
	if word == nil {
		return `u.outcome`
	}
	var b strings.Builder
	b.WriteString(`CASE u.outcome`)
	for _, o := range keys.Outcomes {
		b.WriteString(` WHEN '` + o.String() + `' THEN CAST(` + w.arg(word(o)) + ` AS TEXT)`)
	}
	b.WriteString(` END`)
	return b.String()
}
