package store

import (
	"strings"
	"testing"

	"latchkey/internal/keys"
)

// TestListsHaveIndexes asks SQLite how it finds the keys of a list: by an
// index that holds what is asked for, in the order that is asked for.
func TestListsHaveIndexes(t *testing.T) {
	s, ws, _ := newSQLite(t)
	name := "x"
	for index, f := range map[string]keys.KeyFilter{
		"keys_by_workspace (workspace_id=? AND root=?)":                     {Status: keys.StatusActive},
		"keys_by_workspace (workspace_id=? AND root=? AND id<?)":            {Before: "key_x"},
		"keys_by_workspace (workspace_id=? AND root=? AND id=?)":            {Start: "x"},
		"keys_by_keyspace (workspace_id=? AND root=? AND keyspace_id=?)":    {KeyspaceIDs: []string{"ks_x"}},
		"keys_by_owner (workspace_id=? AND root=? AND owner_id=?)":          {OwnerID: "idn_x", Status: keys.StatusActive},
		"keys_by_owner (workspace_id=? AND root=? AND owner_id=? AND id<?)": {ExternalID: "x", Before: "key_x"},
		"keys_by_name (workspace_id=? AND root=? AND name=?)":               {Name: &name, Status: keys.StatusActive},
	} {
		w := keyConditions(ws.ID, f)
		if f.Before != "" {
			w.add("k.id < ?", f.Before)
		}
		plan := explain(t, s, `SELECT `+keyColumns+keyJoins+` WHERE `+w.String()+` ORDER BY k.id DESC LIMIT 10`, w.args)
		if !strings.Contains(plan, "SEARCH k USING INDEX "+index) || strings.Contains(plan, "TEMP B-TREE") {
			t.Errorf("%+v is not found by %s:\n%s", f, index, plan)
		}
	}
	if plan := explain(t, s, factsQuery, []any{make([]byte, 32), int64(0)}); strings.Contains(plan, "SCAN") {
		t.Errorf("a record is looked for in whole tables:\n%s", plan)
	}
}

// explain returns how SQLite would go about a query.
func explain(t *testing.T, s *Store, query string, args []any) string {
	t.Helper()
	var plan strings.Builder
	err := s.look(t.Context(), func(q *session) error {
		return q.eachOnce("EXPLAIN QUERY PLAN "+query, args, func(row scan) error {
			var n int64
			var step string
			err := row(integer{&n}, integer{&n}, integer{&n}, text{&step})
			plan.WriteString(step + "\n")
			return err
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	return plan.String()
}
