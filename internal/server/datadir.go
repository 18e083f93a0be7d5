package server

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"go.yaml.in/yaml/v4"

	"latchkey/internal/dialect/native"
	"latchkey/internal/keys"
	"latchkey/internal/token"
)

// Files of the data directory, beside the database.
const (
	secretFile  = "secret"   // the installation secret, where the configuration gives none
	rootKeyFile = "root-key" // the first root key, where no terminal could show it
	lockFile    = "lock"
)

// installationSecret returns the secret that the configuration gives, or the
// data directory's own, which it makes where there is none.
func installationSecret(cfg Config) (token.Secret, error) {
	if !cfg.Secret.IsZero() {
		return cfg.Secret, nil
	}
	path := filepath.Join(cfg.DataDir, secretFile)
	b, err := os.ReadFile(path)
	switch {
	case err == nil:
		s := strings.TrimSpace(string(b))
		if len(s) < 32 {
			return token.Secret{}, fmt.Errorf("read %s: it is no installation secret: fewer than 32 characters", path)
		}
		return token.New(s), nil
	case !errors.Is(err, fs.ErrNotExist):
		return token.Secret{}, fmt.Errorf("read the installation secret: %w", err)
	}
	made := rand.Text() + rand.Text()
	return token.New(made), writeSecretFile(path, made)
}

func writeRootKey(dir string, secret token.Secret) error {
	return writeSecretFile(filepath.Join(dir, rootKeyFile), secret.Reveal())
}

// writeSecretFile writes a file that only its owner can read, whole or not at
// all.
func writeSecretFile(path, text string) error {
	tmp := path + ".new"
	f, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	_, err = f.WriteString(text + "\n")
	err = errors.Join(err, f.Chmod(0o600), f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(tmp, path)
	}
	if err == nil {
		err = syncDir(filepath.Dir(path))
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

func syncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// readKeyspaces reads the declared keyspaces of a YAML or JSON file.
func readKeyspaces(path string) ([]keys.Keyspace, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read the declared keyspaces: %w", err)
	}
	var doc any
	if err := yaml.Unmarshal(b, &doc); err != nil { // JSON is YAML
		return nil, fmt.Errorf("read the declared keyspaces: %s: %w", path, err)
	}
	j, err := json.Marshal(doc)
	if err != nil {
		return nil, fmt.Errorf("read the declared keyspaces: %s: it has what JSON has not, such as a name that is no text: %w", path, err)
	}
	list, err := native.Keyspaces(j)
	if err != nil {
		return nil, fmt.Errorf("read the declared keyspaces: %s: %w", path, err)
	}
	return list, nil
}
