package token

import (
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
)

// maskedHash is what every way of printing a hash writes.
const maskedHash = "[hash]"

// A Hash is the SHA-256 of a secret, by which the secret is found. It is kept
// out of logs; [Hash.Hex] is its text where it has to be stored or shown.
type Hash [32]byte

// ParseHash reads 64 hex digits.
func ParseHash(text string) (Hash, bool) {
	var h Hash
	if len(text) != hex.EncodedLen(len(h)) {
		return Hash{}, false
	}
	if _, err := hex.Decode(h[:], []byte(text)); err != nil {
		return Hash{}, false
	}
	return h, true
}

// Hex returns the hash as 64 lower-case hex digits.
func (h Hash) Hex() string { return hex.EncodeToString(h[:]) }

// IsZero reports whether there is no hash.
func (h Hash) IsZero() bool { return h == Hash{} }

// Format hides the hash from every verb of fmt.
func (h Hash) Format(f fmt.State, _ rune) { io.WriteString(f, maskedHash) }

// String returns "[hash]".
func (h Hash) String() string { return maskedHash }

// LogValue hides the hash from log/slog.
func (h Hash) LogValue() slog.Value { return slog.StringValue(maskedHash) }

// MarshalText returns "[hash]".
func (h Hash) MarshalText() ([]byte, error) { return []byte(maskedHash), nil }
