package native_test

import (
	"bytes"
	"database/sql"
	"net/http"
	"os"
	"path/filepath"
	"testing"
)

// replies counts the answers that the database of a closed server keeps.
func (s *running) replies(t *testing.T) (n int) {
	t.Helper()
	db, err := sql.Open("sqlite", filepath.Join(s.dir, "latchkey.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.QueryRow(`SELECT count(*) FROM replies`).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// TestAtRest looks for secrets and answers in all that a server has written.
func TestAtRest(t *testing.T) {
	s := start(t)
	send := func(path, body string) []byte {
		w := s.call("POST", path, rootKey, body, "Idempotency-Key", path)
		if w.Code > 299 {
			t.Fatalf("%s: %d %s", path, w.Code, w.Body)
		}
		return w.Body.Bytes()
	}
	k := s.makeKey(t, `{"credits":{"remaining":5}}`)
	made := send("/keys", `{"name":"a name of an answer"}`)
	secret := between(made, `"secret":"`, `"`)
	verified := send("/verify", `{"key":"`+k.Secret+`"}`)
	rotated := send("/keys/"+k.ID+"/rotate", `{}`)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if n := s.replies(t); n != 3 {
		t.Errorf("%d answers are kept, want 3", n)
	}
	hidden := map[string][]byte{ // what it is → text
		"the root key":                  []byte(rootKey),
		"a secret":                      []byte(k.Secret),
		"the secret in a kept answer":   secret,
		"the secret of a rotation":      between(rotated, `"secret":"`, `"`),
		"a kept answer":                 made,
		"the request id in an answer":   between(verified, `"request_id":"`, `"`),
		"the outcome in a kept answer":  []byte(`"outcome":"valid"`),
		"the form of a kept answer":     []byte(`"Header":{`),
		"the base64 of a kept answer":   []byte("eyJpZCI6Imtle"), // {"id":"ke
		"the base64 of another of them": []byte("eyJ2YWxpZCI6d"), // {"valid":t
	}
	for what, text := range hidden {
		if len(text) < 8 {
			t.Fatalf("%s is %q", what, text)
		}
	}
	err := filepath.WalkDir(s.dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		written, err := os.ReadFile(path)
		for what, text := range hidden {
			if bytes.Contains(written, text) {
				t.Errorf("%s holds %s", filepath.Base(path), what)
			}
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

func between(text []byte, before, after string) []byte {
	_, rest, _ := bytes.Cut(text, []byte(before))
	found, _, _ := bytes.Cut(rest, []byte(after))
	return found
}

// TestPublicNeverWrites verifies without a root key: nothing is kept of it, and
// of a guess nothing at all is written.
func TestPublicNeverWrites(t *testing.T) {
	s := start(t)
	k := s.makeKey(t, `{"keyspace":"open"}`)
	before := s.size(t)
	for range 20 {
		w := s.call("POST", "/verify", "", `{"key":"a-guess"}`, "Idempotency-Key", "same")
		if w.Code != http.StatusOK {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
	}
	if after := s.size(t); after != before {
		t.Errorf("the database grew from %d to %d bytes", before, after)
	}
	for _, path := range []string{"/verify", "/verify/batch"} {
		body := `{"key":"` + k.Secret + `"}`
		if path == "/verify/batch" {
			body = `{"requests":[` + body + `]}`
		}
		for range 2 {
			w := s.call("POST", path, "", body, "Idempotency-Key", "same")
			if w.Code != http.StatusOK || w.Header().Get("Idempotent-Replayed") != "" {
				t.Errorf("%s: %d %v %s", path, w.Code, w.Header(), w.Body)
			}
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if n := s.replies(t); n != 0 {
		t.Errorf("%d answers to the public are kept", n)
	}
}

// size returns how much the database and its log hold.
func (s *running) size(t *testing.T) (n int64) {
	t.Helper()
	for _, name := range []string{"latchkey.db", "latchkey.db-wal"} {
		info, err := os.Stat(filepath.Join(s.dir, name))
		if err != nil {
			t.Fatal(err)
		}
		n += info.Size()
	}
	return n
}
