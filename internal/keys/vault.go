package keys

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"latchkey/internal/token"
)

// A Vault seals the secrets of recoverable keys under keys that are derived
// from the installation secret. What is sealed names the key that sealed it,
// so that the previous installation secret goes on opening what it sealed.
type Vault struct {
	current vaultKey
	all     map[string]vaultKey // id → key
}

type vaultKey struct {
	id   string
	aead cipher.AEAD
}

// NewVault returns a vault that seals under the first installation secret and
// opens under all that are given. Empty ones are passed over.
func NewVault(current token.Secret, previous ...token.Secret) (*Vault, error) {
	v := &Vault{all: map[string]vaultKey{}}
	for i, s := range append([]token.Secret{current}, previous...) {
		if s.IsZero() {
			continue
		}
		k, err := deriveKey(s)
		if err != nil {
			return nil, err
		}
		if i == 0 {
			v.current = k
		}
		v.all[k.id] = k
	}
	return v, nil
}

func deriveKey(s token.Secret) (vaultKey, error) {
	master := []byte(s.Reveal())
	key, err := hkdf.Key(sha256.New, master, nil, "latchkey recoverable secrets", 32)
	if err != nil {
		return vaultKey{}, fmt.Errorf("derive key: %w", err)
	}
	id, err := hkdf.Key(sha256.New, master, nil, "latchkey key id", 8)
	if err != nil {
		return vaultKey{}, fmt.Errorf("derive key id: %w", err)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return vaultKey{}, fmt.Errorf("derive key: %w", err)
	}
	aead, err := cipher.NewGCM(block)
	return vaultKey{id: hex.EncodeToString(id), aead: aead}, err
}

// seal keeps the secret itself in s. The seal is bound to the secret's id.
func (v *Vault) seal(s *Secret, secret token.Secret) error {
	if v == nil || v.current.aead == nil {
		return Errorf(Unavailable, "there is no installation secret to keep secrets under")
	}
	nonce := make([]byte, v.current.aead.NonceSize())
	rand.Read(nonce) // never fails
	s.Sealed = v.current.aead.Seal(nonce, nonce, []byte(secret.Reveal()), []byte(s.ID))
	s.SealedBy = v.current.id
	return nil
}

func (v *Vault) open(s *Secret) (token.Secret, error) {
	k, ok := v.all[s.SealedBy]
	if !ok || len(s.Sealed) < k.aead.NonceSize() {
		return token.Secret{}, Errorf(Conflict, "the installation secret that this was kept under is no longer given")
	}
	n := k.aead.NonceSize()
	plain, err := k.aead.Open(nil, s.Sealed[:n], s.Sealed[n:], []byte(s.ID))
	if err != nil {
		return token.Secret{}, &Error{Code: Internal, Message: "internal error", Err: fmt.Errorf("open secret %s: %w", s.ID, err)}
	}
	return token.New(string(plain)), nil
}
