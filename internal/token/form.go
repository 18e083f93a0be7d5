package token

import (
	"crypto/rand"
	"errors"
	"fmt"
	"math"
	"math/big"
	"strings"
)

// A Format is an alphabet and the way a secret is composed from it.
type Format string

const (
	// Latchkey is the prefix, "_", random base62 digits and a checksum.
	Latchkey Format = "latchkey"
	// Base62 is the prefix and random characters of 0-9A-Za-z.
	Base62 Format = "base62"
	// Base58 is the prefix and random characters of Bitcoin's alphabet.
	Base58 Format = "base58"
	// Hex is the prefix and random characters of 0-9a-f.
	Hex Format = "hex"
	// Letters is the prefix and random characters of A-Za-z.
	Letters Format = "letters"
	// Base58Bytes is the prefix, "_" and random bytes written in base58.
	Base58Bytes Format = "base58-bytes"
)

// The alphabets. That of base62 is in ASCII order, for ids.
const (
	base62  = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	base58  = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
	hexes   = "0123456789abcdef"
	letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
)

// alphabets: format → the characters after the prefix.
var alphabets = map[Format]string{
	Latchkey: base62, Base62: base62, Base58: base58, Hex: hexes, Letters: letters, Base58Bytes: base58,
}

// minBits is how many random bits a secret has at least, and how many a hint
// leaves unknown. Sixteen characters of base62 have them.
const minBits = 95

// Bounds of a form.
const (
	maxPrefix = 32
	maxLength = 400
	maxBytes  = 255
)

// A Form says what the secrets of a keyspace look like. Length counts the
// random characters, or the random bytes of [Base58Bytes].
type Form struct {
	Prefix string
	Format Format
	Length int
}

// Zero reports whether f says nothing.
func (f Form) Zero() bool { return f == Form{} }

// Checksummed reports whether [Checked] holds for the form's secrets.
func (f Form) Checksummed() bool { return f.Format == Latchkey }

// Bits returns how many random bits a secret of the form has.
func (f Form) Bits() float64 { return float64(max(f.Length, 0)) * f.bitsEach() }

// bitsEach returns how many random bits one of Length has.
func (f Form) bitsEach() float64 {
	if f.Format == Base58Bytes {
		return 8
	}
	return f.bitsShown()
}

// bitsShown returns how many bits one character tells who sees it.
func (f Form) bitsShown() float64 {
	if a := alphabets[f.Format]; a != "" {
		return math.Log2(float64(len(a)))
	}
	return 0
}

// Validate reports the first thing that is wrong with f.
func (f Form) Validate() error {
	if len(f.Prefix) > maxPrefix {
		return fmt.Errorf("a prefix has at most %d characters", maxPrefix)
	}
	if strings.Trim(f.Prefix, base62+"_+-") != "" {
		return fmt.Errorf("a prefix is made of letters, digits, _, + and -")
	}
	if alphabets[f.Format] == "" {
		return errors.New("unknown format: it is latchkey, base62, base58, hex, letters or base58-bytes")
	}
	unit, most := "characters", maxLength
	if f.Format == Base58Bytes {
		unit, most = "bytes", maxBytes
	}
	if f.Length < 1 || f.Length > most {
		return fmt.Errorf("a secret of format %s has 1 to %d random %s", f.Format, most, unit)
	}
	if f.Bits() < minBits {
		return fmt.Errorf("a secret of %d random %s can be guessed: format %s needs at least %d",
			f.Length, unit, f.Format, int(math.Ceil(minBits/f.bitsEach())))
	}
	return nil
}

// head returns what stands before the random part.
func (f Form) head() string {
	if f.Prefix != "" && (f.Format == Latchkey || f.Format == Base58Bytes) {
		return f.Prefix + "_"
	}
	return f.Prefix
}

// Mint returns a new secret of the form, which must be valid.
func (f Form) Mint() Secret {
	text := []byte(f.head())
	if f.Format == Base58Bytes {
		return New(string(appendBase58(text, random(f.Length))))
	}
	text = appendRandom(text, alphabets[f.Format], f.Length)
	if f.Format == Latchkey {
		sum := checksum(string(text))
		text = append(text, sum[:]...)
	}
	return New(string(text))
}

// random returns n random bytes; crypto/rand ends the process sooner than
// fail.
func random(n int) []byte {
	b := make([]byte, n)
	rand.Read(b)
	return b
}

// appendRandom appends n characters of the alphabet, each as likely as any
// other: a byte beyond the last whole multiple of the alphabet is thrown away.
func appendRandom(text []byte, alphabet string, n int) []byte {
	fair := 256 - 256%len(alphabet)
	for n > 0 {
		for _, b := range random(n + n/4) {
			if int(b) < fair && n > 0 {
				text = append(text, alphabet[int(b)%len(alphabet)])
				n--
			}
		}
	}
	return text
}

// appendBase58 appends b as a number in base58, with a '1' for every zero byte
// that it begins with.
func appendBase58(text, b []byte) []byte {
	n, radix, digit := new(big.Int).SetBytes(b), big.NewInt(int64(len(base58))), new(big.Int)
	var reversed []byte
	for n.Sign() > 0 {
		n.DivMod(n, radix, digit)
		reversed = append(reversed, base58[digit.Int64()])
	}
	for _, c := range b {
		if c != 0 {
			break
		}
		reversed = append(reversed, base58[0])
	}
	for i := range reversed {
		text = append(text, reversed[len(reversed)-1-i])
	}
	return text
}
