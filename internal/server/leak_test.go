package server

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// needles are texts that must not be found, by their first eight bytes, with
// what each one is.
type needles map[[8]byte][]needle

type needle struct{ text, what string }

func (ns needles) add(text, what string) {
	head := [8]byte([]byte(text)[:8])
	ns[head] = append(ns[head], needle{text, what})
}

// inClear is for places that may have a secret's hash.
func inClear(secrets map[string]string) needles { // text → what it is
	ns := needles{}
	for text, what := range secrets {
		ns.add(text, what)
	}
	return ns
}

// inAnyForm is for places that may not even have the hash.
func inAnyForm(secrets map[string]string) needles {
	ns := inClear(secrets)
	for text, what := range secrets {
		sum := sha256.Sum256([]byte(text))
		small := hex.EncodeToString(sum[:])
		ns.add(small, "SHA-256 of "+what)
		ns.add(string(bytes.ToUpper([]byte(small))), "SHA-256 of "+what)
		ns.add(base64.RawStdEncoding.EncodeToString(sum[:]), "SHA-256 of "+what)
		if url := base64.RawURLEncoding.EncodeToString(sum[:]); url != base64.RawStdEncoding.EncodeToString(sum[:]) {
			ns.add(url, "SHA-256 of "+what)
		}
	}
	return ns
}

// find returns what of the needles is in text.
func (ns needles) find(text []byte) []string {
	var found []string
	for i := 0; i+8 <= len(text); i++ {
		for _, n := range ns[[8]byte(text[i:])] {
			if bytes.HasPrefix(text[i:], []byte(n.text)) && !slices.Contains(found, n.what) {
				found = append(found, n.what)
			}
		}
	}
	return found
}

// checkDirectory reports secrets in clear in the files of a data directory,
// those aside that a file is there for: file → text.
func checkDirectory(t *testing.T, dir string, secrets, allowed map[string]string) {
	t.Helper()
	ns := inClear(secrets)
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, what := range ns.find(text) {
			if own := allowed[d.Name()]; own == "" || secrets[own] != what {
				t.Errorf("%s has in clear: %s", d.Name(), what)
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// TestNeedles makes sure that what must not be found would be.
func TestNeedles(t *testing.T) {
	const secret = "lk_0123456789abcdefghij"
	sum := sha256.Sum256([]byte(secret))
	for _, text := range []string{
		"x" + secret, "h=" + hex.EncodeToString(sum[:]), base64.StdEncoding.EncodeToString(sum[:]) + "\n", base64.URLEncoding.EncodeToString(sum[:]),
	} {
		if found := inAnyForm(map[string]string{secret: "it"}).find([]byte(text)); len(found) != 1 {
			t.Errorf("%q: found %q, want one", text, found)
		}
	}
	if found := inAnyForm(map[string]string{secret: "it"}).find([]byte(secret[:len(secret)-1])); found != nil {
		t.Errorf("a part of it was taken for it: %q", found)
	}
}
