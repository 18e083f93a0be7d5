package store

import (
	"context"
	"math"
	"strconv"
	"strings"

	"latchkey/internal/keys"
)

// Keys implements [keys.KeyStore].
func (s *Store) Keys(ctx context.Context, workspaceID string, f keys.KeyFilter) (out []keys.Key, count int, err error) {
	if f.KeyspaceIDs != nil && len(f.KeyspaceIDs) == 0 {
		return nil, 0, nil
	}
	var rows []keyRow
	err = s.view(ctx, func(q *session) error {
		w := keyConditions(workspaceID, f)
		var n int64
		err := q.eachOnce(`SELECT count(*) FROM keys k WHERE `+w.String(), w.args, func(row scan) error { return row(integer{&n}) })
		if err != nil || n == 0 {
			return err
		}
		count = int(n)
		page := w.ordered("k.id", keys.Page{Before: f.Before, Limit: f.Limit}, f.Oldest) + ` OFFSET ` + w.arg(int64(f.Offset))
		err = q.eachOnce(`SELECT `+keyColumns+keyJoins+page, w.args, func(row scan) error {
			rows = append(rows, keyRow{})
			return row(rows[len(rows)-1].columns()...)
		})
		if err != nil {
			return err
		}
		return q.completeKeys(rows)
	})
	if err != nil {
		return nil, 0, err
	}
	for i := range rows {
		out = append(out, rows[i].key)
	}
	return out, count, nil
}

// limit returns how many rows a page may have; 0 stands for all.
func limit(n int) int64 {
	if n <= 0 {
		return math.MaxInt32
	}
	return int64(n)
}

func keyConditions(workspaceID string, f keys.KeyFilter) *conditions {
	w := new(conditions)
	w.add("k.workspace_id = ?", workspaceID)
	w.add("k.root = ?", f.Root)
	if f.KeyspaceIDs != nil {
		w.in("k.keyspace_id", f.KeyspaceIDs)
	}
	if f.OwnerID != "" {
		w.add("k.owner_id = ?", f.OwnerID)
	}
	if f.NoOwner {
		w.add("k.owner_id IS NULL")
	}
	if f.ExternalID != "" {
		w.add("k.owner_id = (SELECT id FROM identities WHERE workspace_id = ? AND external_id = ?)", workspaceID, f.ExternalID)
	}
	now := millis(f.Now)
	switch f.Status {
	case keys.StatusActive:
		w.add("k.enabled AND (k.expires_at = 0 OR k.expires_at > ?)", now)
	case keys.StatusDisabled:
		w.add("NOT k.enabled")
	case keys.StatusExpired:
		w.add("k.enabled AND k.expires_at <> 0 AND k.expires_at <= ?", now)
	}
	if f.Enabled != nil {
		w.add("k.enabled = ?", *f.Enabled)
	}
	if f.Name != nil {
		w.add("k.name = ?", *f.Name)
	}
	if f.Environment != nil {
		w.add("k.environment = ?", *f.Environment)
	}
	if f.Start != "" {
		start, _, _ := strings.Cut(f.Start, "…")
		w.add("k.id IN (SELECT key_id FROM secrets WHERE shown_start = ? AND (expires_at = 0 OR expires_at > ?))", start, now)
	}
	return w
}

// conditions put together what a WHERE asks for.
type conditions struct {
	parts []string
	args  []any
}

// arg adds an argument and returns its placeholder.
func (w *conditions) arg(v any) string {
	w.args = append(w.args, v)
	return "$" + strconv.Itoa(len(w.args))
}

// add adds a condition, in which every ? stands for one of the arguments.
func (w *conditions) add(condition string, args ...any) {
	for _, v := range args {
		condition = strings.Replace(condition, "?", w.arg(v), 1)
	}
	w.parts = append(w.parts, condition)
}

// in asks that a column hold one of some values.
func (w *conditions) in(column string, values []string) {
	var places []string
	for _, v := range values {
		places = append(places, w.arg(v))
	}
	w.parts = append(w.parts, column+" IN ("+strings.Join(places, ", ")+")")
}

// page returns what follows FROM for one page of a list, newest first.
func (w *conditions) page(id string, p keys.Page) string { return w.ordered(id, p, false) }

// ordered is [conditions.page] for a list that may begin with the oldest.
func (w *conditions) ordered(id string, p keys.Page, oldest bool) string {
	order, beyond := ` DESC`, " < ?"
	if oldest {
		order, beyond = ` ASC`, " > ?"
	}
	if p.Before != "" {
		w.add(id+beyond, p.Before)
	}
	where := w.String()
	return ` WHERE ` + where + ` ORDER BY ` + id + order + ` LIMIT ` + w.arg(limit(p.Limit))
}

func (w *conditions) String() string { return strings.Join(w.parts, " AND ") }
