// Package token has how secrets and ids are made, parsed, checksummed, hashed
// and masked. It does not know what a secret opens or what an id names.
package token

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"unsafe"
)

// maskedSecret is what every way of printing a secret writes.
const maskedSecret = "[secret]"

// A Secret is what a caller presents. It cannot be printed, logged or
// marshalled: [Secret.Reveal] is the only way to its text. Secrets are
// compared by [Secret.Equal], never by ==.
type Secret struct {
	// The text is held by its address, since fmt walks by reflection through
	// what it cannot call methods on, and would print a string there.
	_ [0]func()
	p *byte
	n int
}

// New returns the secret whose text is s. It does not copy s.
func New(s string) Secret {
	if s == "" {
		return Secret{}
	}
	return Secret{p: unsafe.StringData(s), n: len(s)}
}

// Reveal returns the secret's text.
func (s Secret) Reveal() string { return unsafe.String(s.p, s.n) }

// IsZero reports whether there is no secret.
func (s Secret) IsZero() bool { return s.n == 0 }

// Len returns the length of the secret's text in bytes.
func (s Secret) Len() int { return s.n }

// Sum returns the SHA-256 of the secret's text.
func (s Secret) Sum() Hash { return sha256.Sum256(s.bytes()) }

// Equal reports whether two secrets have the same text. The time it takes
// depends on their lengths alone.
func (s Secret) Equal(t Secret) bool {
	return subtle.ConstantTimeCompare(s.bytes(), t.bytes()) == 1
}

// bytes returns the text without copying it; nobody may write to it.
func (s Secret) bytes() []byte { return unsafe.Slice(s.p, s.n) }

// Format hides the secret from every verb of fmt.
func (s Secret) Format(f fmt.State, _ rune) { io.WriteString(f, maskedSecret) }

// String returns "[secret]".
func (s Secret) String() string { return maskedSecret }

// GoString returns "[secret]".
func (s Secret) GoString() string { return maskedSecret }

// LogValue hides the secret from log/slog.
func (s Secret) LogValue() slog.Value { return slog.StringValue(maskedSecret) }

// MarshalText returns "[secret]".
func (s Secret) MarshalText() ([]byte, error) { return []byte(maskedSecret), nil }

// MarshalJSON returns "[secret]" as a JSON string.
func (s Secret) MarshalJSON() ([]byte, error) { return []byte(`"` + maskedSecret + `"`), nil }

// GobEncode refuses.
func (s Secret) GobEncode() ([]byte, error) {
	return nil, errors.New("a secret cannot be encoded")
}
