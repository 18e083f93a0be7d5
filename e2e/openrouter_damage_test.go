package e2e_test

import (
	"database/sql"
	"path/filepath"
	"testing"

	"github.com/OpenRouterTeam/go-sdk/models/operations"
	_ "modernc.org/sqlite" // the engine, whose file is damaged here
)

// A damage is a server whose database has rows that cannot be read, so that all
// it can answer is that it has a fault: the one error that no caller brings about.
type damage struct {
	*site
	hash, key, code string // of what was good before
}

// damaged starts a server and spoils what it keeps.
func damaged(t *testing.T) *damage {
	t.Helper()
	s := start(t, nil)
	sdk := s.openrouter(t, rootKey, once)
	k, key := sdk.create(operations.CreateKeysRequest{Name: "a key", Limit: some(1.0)})
	issued, err := sdk.OAuth.CreateAuthCode(t.Context(), operations.CreateAuthKeysCodeRequest{CallbackURL: callback})
	if err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", "file:"+filepath.Join(s.dir, "latchkey.db")+"?_pragma=busy_timeout(5000)")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, statement := range []string{
		`UPDATE keys SET limits = '{'`,
		`UPDATE keyspaces SET policy = '{'`,
		`UPDATE money SET spent = '{'`,
		`UPDATE codes SET template = '{'`,
	} {
		if r, err := db.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		} else if n, err := r.RowsAffected(); err != nil || n == 0 {
			t.Fatalf("%s: %d rows, %v", statement, n, err)
		}
	}
	return &damage{s, k.Hash, key, issued.Data.ID}
}

// TestOpenRouterFaults makes every call to a server that has a fault.
func TestOpenRouterFaults(t *testing.T) {
	d := damaged(t)
	all := calls(d.hash)
	all[exchange] = exchanging(operations.ExchangeAuthCodeForAPIKeyRequest{Code: d.code})
	for of, call := range all {
		t.Run(of, func(t *testing.T) {
			key := rootKey
			if of == current {
				key = d.key
			}
			fault := refusal{of: of, status: 500}
			refused(t, call(t.Context(), d.openrouter(t, key, once).OpenRouter), fault.kind(), fault.status, "Internal Server Error")
		})
	}
}
