package store

import (
	"strings"
	"testing"
	"time"

	"latchkey/internal/keys"
)

// TestSumsReadLittle asks SQLite how it finds counts, which it decides by rule:
// by an index on all that the filter says, or that says most.
func TestSumsReadLittle(t *testing.T) {
	s, _, _ := newSQLite(t)
	byKey, byTag := keys.UsageGroups{Key: true}, keys.UsageGroups{Tag: true}
	for _, tt := range []struct {
		name string
		f    keys.UsageFilter
		want string
	}{
		{"all", keys.UsageFilter{}, "usage_totals_1 (workspace_id=? AND hour>? AND hour<?)"},
		{"one keyspace", keys.UsageFilter{KeyspaceID: "ks"}, "usage_totals_1 (workspace_id=? AND hour>? AND hour<?)"},
		{"all by key", keys.UsageFilter{By: byKey}, "usage_hours_by_workspace (workspace_id=? AND hour>? AND hour<?)"},
		{"one key", keys.UsageFilter{KeyID: "key"}, "usage_hours_1 (key_id=? AND outcome=? AND hour>? AND hour<?)"},
		{"one owner", keys.UsageFilter{OwnerID: "idn"}, "usage_hours_by_owner (workspace_id=? AND owner_id=? AND hour>? AND hour<?)"},
		{"one keyspace by key", keys.UsageFilter{KeyspaceID: "ks", By: byKey}, "usage_hours_by_keyspace (workspace_id=? AND keyspace_id=? AND hour>? AND hour<?)"},
		{"one tag", keys.UsageFilter{Tag: "a"}, "usage_tags_1 (workspace_id=? AND tag=? AND hour>? AND hour<?)"},
		{"all by tag", keys.UsageFilter{By: byTag}, "usage_tags_by_workspace (workspace_id=? AND hour>? AND hour<?)"},
		{"one key by tag", keys.UsageFilter{KeyID: "key", By: byTag}, "usage_tags_by_key (workspace_id=? AND key_id=? AND hour>? AND hour<?)"},
		{"one owner by tag", keys.UsageFilter{OwnerID: "idn", By: byTag}, "usage_tags_by_owner (workspace_id=? AND owner_id=? AND hour>? AND hour<?)"},
	} {
		tt.f.From, tt.f.To, tt.f.Bucket = time.UnixMilli(1e12), time.UnixMilli(2e12), keys.DayBucket
		statement, args := sumUsage("ws", tt.f)
		var plan []string
		err := s.look(t.Context(), func(q *session) error {
			return q.eachOnce(`EXPLAIN QUERY PLAN `+statement, args, func(row scan) error {
				var id, parent, unused int64
				var detail string
				err := row(integer{&id}, integer{&parent}, integer{&unused}, text{&detail})
				plan = append(plan, detail)
				return err
			})
		})
		if err != nil || !strings.Contains(strings.Join(plan, "\n"), tt.want) {
			t.Errorf("%s: %v, want %s:\n%s", tt.name, err, tt.want, strings.Join(plan, "\n"))
		}
	}
}
