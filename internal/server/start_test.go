package server

import (
	"encoding/json"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"latchkey/internal/token"
)

// TestRootKeyFile is the first start where nobody watches.
func TestRootKeyFile(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	p := launch(t, "quiet", dir).ready(t)
	root := fileText(t, dir, rootKeyFile)
	if status, answer := call(t, "GET", p.url+"/latchkey/v1/whoami", root, ""); status != http.StatusOK || !strings.Contains(answer, `"kind":"root_key"`) {
		t.Errorf("the key in the file is answered %d %s", status, answer)
	}
	p.terminate(t)
	again := launch(t, "quiet", dir).ready(t)
	if text := fileText(t, dir, rootKeyFile); text != root {
		t.Error("the second start made another root key")
	}
	if status, answer := call(t, "GET", again.url+"/latchkey/v1/whoami", root, ""); status != http.StatusOK {
		t.Errorf("after a restart the key is answered %d %s", status, answer)
	}
	checkPrivate(t, dir)
	again.terminate(t)

	secrets := map[string]string{root: "the root key", fileText(t, dir, secretFile): "the installation secret"}
	printed := p.stdout.String() + p.stderr.String() + again.stdout.String() + again.stderr.String()
	if found := inAnyForm(secrets).find([]byte(printed)); found != nil {
		t.Errorf("printed or logged: %q", found)
	}
	if !strings.Contains(p.stderr.String(), filepath.Join(dir, rootKeyFile)) || strings.Contains(again.stderr.String(), rootKeyFile) {
		t.Errorf("the first log, and it alone, should name the file:\n%s\n%s", &p.stderr, &again.stderr)
	}
	checkDirectory(t, dir, secrets, map[string]string{rootKeyFile: root, secretFile: fileText(t, dir, secretFile)})
}

// fileText returns a line that a file of the data directory has.
func fileText(t *testing.T, dir, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(text))
}

// checkPrivate finds files of the data directory that others could read.
func checkPrivate(t *testing.T, dir string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err == nil && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has the mode %v", path, info.Mode())
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// TestRootKeyOnTerminal is the first start where a person reads.
func TestRootKeyOnTerminal(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	p := launch(t, "terminal", dir).ready(t)
	root := ""
	for word := range strings.FieldsSeq(p.stdout.String()) {
		if strings.HasPrefix(word, "lk_root_") {
			root = word
		}
	}
	if status, answer := call(t, "GET", p.url+"/latchkey/v1/keys", root, ""); status != http.StatusOK {
		t.Errorf("the key that was shown is answered %d %s\n%s", status, answer, &p.stdout)
	}
	if n := strings.Count(p.stdout.String(), root); n != 1 || strings.Contains(p.stderr.String(), root) {
		t.Errorf("the key was shown %d times, and logged: %s", n, &p.stderr)
	}
	if _, err := os.Stat(filepath.Join(dir, rootKeyFile)); err == nil {
		t.Error("the key is in a file too")
	}
	p.terminate(t)
	again := launch(t, "terminal", dir).ready(t)
	if out := again.stdout.String(); out != "" {
		t.Errorf("the second start shows %q", out)
	}
	again.terminate(t)
	checkDirectory(t, dir, map[string]string{root: "the root key"}, nil)
}

// TestDeclaredRootKey gives the root key by a setting, changes it, and takes it
// away.
func TestDeclaredRootKey(t *testing.T) {
	const first, second = "declared-root-key-0123456789-one-abcdef", "declared-root-key-0123456789-two-abcdef"
	dir := filepath.Join(t.TempDir(), "data")
	status := func(p *process, root string) int {
		status, _ := call(t, "GET", p.url+"/latchkey/v1/keys", root, "")
		return status
	}

	p := launch(t, "quiet", dir, "LATCHKEY_ROOT_KEY="+first).ready(t)
	if got := status(p, first); got != http.StatusOK {
		t.Errorf("the declared key is answered %d", got)
	}
	if got, answer := call(t, "DELETE", p.url+"/latchkey/v1/whoami", first, ""); got != http.StatusConflict {
		t.Errorf("ending the declared key is answered %d %s, want 409", got, answer)
	}
	if got, answer := call(t, "POST", p.url+"/latchkey/v1/keys", first, `{}`); got != http.StatusCreated {
		t.Errorf("making a key is answered %d %s", got, answer)
	}
	p.terminate(t)

	p = launch(t, "quiet", dir, "LATCHKEY_ROOT_KEY="+second).ready(t)
	if was, is := status(p, first), status(p, second); was != http.StatusUnauthorized || is != http.StatusOK {
		t.Errorf("after the change, the old key is answered %d and the new one %d, want 401 and 200", was, is)
	}
	p.terminate(t)
	if _, err := os.Stat(filepath.Join(dir, rootKeyFile)); err == nil {
		t.Error("there is a file of a root key, although one is declared")
	}

	p = launch(t, "quiet", dir).ready(t)
	if was, is := status(p, second), status(p, fileText(t, dir, rootKeyFile)); was != http.StatusUnauthorized || is != http.StatusOK {
		t.Errorf("without the setting, the old key is answered %d and the one that was made %d, want 401 and 200", was, is)
	}
	p.terminate(t)
	secrets := map[string]string{first: "the first root key", second: "the second root key"}
	checkDirectory(t, dir, secrets, nil)
	if found := inAnyForm(secrets).find([]byte(p.stderr.String())); found != nil {
		t.Errorf("logged: %q", found)
	}
}

// TestOneServerPerDirectory starts a second server, in this process and in
// another one.
func TestOneServerPerDirectory(t *testing.T) {
	cfg := Defaults()
	cfg.DataDir = filepath.Join(t.TempDir(), "data")
	s := open(t, cfg)
	const want = "is in use by another latchkey"
	if _, err := Open(t.Context(), cfg, Options{}); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("a second server in this process: %v, want that the directory %s", err, want)
	}
	p := launch(t, "quiet", cfg.DataDir)
	select {
	case <-p.ended:
	case <-time.After(10 * time.Second):
		t.Fatal("a second process runs on the same directory")
	}
	if p.err == nil || !strings.Contains(p.stderr.String(), want) || !strings.Contains(p.stderr.String(), cfg.DataDir) {
		t.Errorf("a second process: %v, %s; want that %s %s", p.err, &p.stderr, cfg.DataDir, want)
	}
	if w := get(s, "/readyz", ""); w.Code != http.StatusOK {
		t.Errorf("the first server is answered %d %s", w.Code, w.Body)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	open(t, cfg)
}

func TestInstallationSecret(t *testing.T) {
	dir := t.TempDir()
	cfg := Defaults()
	cfg.DataDir, cfg.RootKey, cfg.Keyspaces = filepath.Join(dir, "data"), token.New(testRoot), filepath.Join(dir, "keyspaces.yaml")
	writeFile(t, cfg.Keyspaces, "- {slug: kept, policy: {recoverable: true}}")
	s := open(t, cfg)
	var k struct{ ID, Secret string }
	if err := json.Unmarshal(post(s, "/latchkey/v1/keys", testRoot, `{"keyspace":"kept"}`).Body.Bytes(), &k); err != nil {
		t.Fatal(err)
	}
	made := fileText(t, cfg.DataDir, secretFile)
	for _, tt := range []struct {
		name              string
		current, previous string
		status            int
	}{
		{"the one in the directory", "", "", http.StatusOK},
		{"the same by a setting", made, "", http.StatusOK},
		{"another one", strings.Repeat("other", 8), "", http.StatusConflict},
		{"another one, and it as the previous", strings.Repeat("other", 8), made, http.StatusOK},
	} {
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		cfg.Secret, cfg.PreviousSecret = token.New(tt.current), token.New(tt.previous)
		s = open(t, cfg)
		w := post(s, "/latchkey/v1/keys/"+k.ID+"/reveal", testRoot, "")
		if w.Code != tt.status || (w.Code == http.StatusOK) != strings.Contains(w.Body.String(), k.Secret) {
			t.Errorf("%s: revealed %d %s, want %d", tt.name, w.Code, w.Body, tt.status)
		}
	}
	if text := fileText(t, cfg.DataDir, secretFile); text != made {
		t.Error("the secret in the directory changed")
	}

	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	cfg.Secret = token.Secret{}
	writeFile(t, filepath.Join(cfg.DataDir, secretFile), "half a secret\n")
	if _, err := Open(t.Context(), cfg, Options{}); err == nil || !strings.Contains(err.Error(), secretFile) || strings.Contains(err.Error(), "half") {
		t.Errorf("with a secret that is too short: %v, want an error that names the file and not what is in it", err)
	}
}
