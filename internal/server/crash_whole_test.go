package server

import (
	"database/sql"
	"errors"
	"path/filepath"
	"testing"
)

// checkWhole finds, for every key in the list that no client knows of, that it
// is whole and has its event: its creation was not answered.
func checkWhole(t *testing.T, url string, facts []*fact) {
	t.Helper()
	known := map[string]bool{}
	for _, f := range facts {
		known[f.id] = true
	}
	for cursor := ""; ; {
		_, answer, ok := ask("GET", url+"/latchkey/v1/keys?limit=200"+cursor, "")
		if !ok {
			t.Fatal("the list is not answered")
		}
		for _, row := range answer["data"].([]any) {
			key := row.(map[string]any)
			if known[key["id"].(string)] {
				continue
			}
			f := fact{id: key["id"].(string), events: map[string]int{"key.create": 1}}
			f.checkEvents(t, url)
			if len(key["secrets"].([]any)) != 1 || key["credits"] == nil || key["identity"] == nil || len(key["permissions"].([]any)) != 1 {
				t.Errorf("a key that was not acknowledged is half there: %v", key)
			}
		}
		next, more := answer["next_cursor"].(string)
		if !more {
			return
		}
		cursor = "&cursor=" + next
	}
}

// halves find in the database what a change leaves that was done by half.
var halves = []struct{ what, query string }{
	{"a key without a secret", `SELECT id FROM keys WHERE NOT EXISTS (SELECT 1 FROM secrets WHERE key_id = keys.id)`},
	{"a key without an owner", `SELECT id FROM keys WHERE NOT root AND NOT EXISTS (SELECT 1 FROM identities WHERE id = keys.owner_id)`},
	{"a key without credits", `SELECT id FROM keys WHERE NOT root AND NOT EXISTS (SELECT 1 FROM credits WHERE account_id = keys.account_id)`},
	{"credits without a key", `SELECT account_id FROM credits WHERE NOT EXISTS (SELECT 1 FROM keys WHERE account_id = credits.account_id)`},
	{"a key whose permission was not made", `SELECT id FROM keys WHERE NOT root AND NOT EXISTS
		(SELECT 1 FROM permissions WHERE permissions.name = keys.permissions ->> 0)`},
	{"a key without its event", `SELECT id FROM keys WHERE NOT root AND
		(SELECT count(*) FROM events WHERE action = 'key.create' AND target_id = keys.id) <> 1`},
	{"an event without its key", `SELECT target_id FROM events AS e WHERE action = 'key.create' AND NOT EXISTS
		(SELECT 1 FROM keys WHERE id = e.target_id) AND NOT EXISTS (SELECT 1 FROM events WHERE action = 'key.delete' AND target_id = e.target_id)`},
	{"a deletion that is only on the log", `SELECT target_id FROM events AS e WHERE action = 'key.delete' AND EXISTS (SELECT 1 FROM keys WHERE id = e.target_id)`},
	{"a change without its event, or the other way round", `SELECT id FROM keys WHERE NOT root AND version <> 1 +
		(SELECT count(*) FROM events WHERE target_id = keys.id AND action IN ('key.update', 'key.rotate'))`},
	{"an identity without its event", `SELECT id FROM identities WHERE (SELECT count(*) FROM events WHERE action = 'identity.create' AND target_id = identities.id) <> 1`},
	{"an event without its identity", `SELECT target_id FROM events WHERE action = 'identity.create' AND NOT EXISTS (SELECT 1 FROM identities WHERE id = target_id)`},
	{"a permission without its event", `SELECT id FROM permissions WHERE (SELECT count(*) FROM events WHERE action = 'permission.create' AND target_id = permissions.id) <> 1`},
	{"what refers to nothing", `SELECT "table" FROM pragma_foreign_key_check`},
	{"a damaged file", `SELECT quick_check FROM pragma_quick_check WHERE quick_check <> 'ok'`},
}

// checkHalves looks at the database of a server that runs.
func checkHalves(t *testing.T, dir string) {
	t.Helper()
	db := openDatabase(t, dir)
	for _, h := range halves {
		var found string
		if err := db.QueryRow(h.query + " LIMIT 1").Scan(&found); err == nil {
			t.Errorf("there is %s: %s", h.what, found)
		} else if !errors.Is(err, sql.ErrNoRows) {
			t.Errorf("%s: %v", h.what, err)
		}
	}
}

// openDatabase opens the database of a server, for reading alone.
func openDatabase(t *testing.T, dir string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(dir, "latchkey.db")+"?_query_only=1&_pragma=busy_timeout(5000)")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}
