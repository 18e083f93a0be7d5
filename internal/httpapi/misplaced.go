package httpapi

import (
	"bytes"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"latchkey/internal/token"
)

// shortestSecret is less than any secret with a checksum has.
const shortestSecret = 16

// holdsSecret reports whether a word of a text is a secret of ours, which its
// checksum tells offline. Secrets in other vendors' forms look like any text.
func holdsSecret(text string) bool {
	for word := range strings.FieldsFuncSeq(text, notInSecret) {
		if len(word) < shortestSecret {
			continue
		}
		if _, ok := token.Checked(word); ok {
			return true
		}
	}
	return false
}

func notInSecret(r rune) bool {
	return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_' || r == '+' || r == '-')
}

// documentHoldsSecret is [holdsSecret] for every text and name in a JSON value.
func documentHoldsSecret(doc jsontext.Value) bool { return anyText(doc, holdsSecret) }

// MayHoldNUL reports whether a text in JSON may have the character U+0000, which
// is there by this escape or not at all.
func MayHoldNUL(doc []byte) bool { return bytes.Contains(doc, []byte(`\u0000`)) }

// holdsNUL reports whether a text or name in a JSON value has the character
// U+0000. A backslash and "u0000" look the same, but for another backslash.
func holdsNUL(doc jsontext.Value) bool {
	return MayHoldNUL(doc) && anyText(doc, func(text string) bool { return strings.Contains(text, "\x00") })
}

// anyText reports whether fn holds of any text or name in a JSON value.
func anyText(doc jsontext.Value, fn func(string) bool) bool {
	d := jsontext.NewDecoder(strings.NewReader(string(doc)))
	for {
		tok, err := d.ReadToken()
		if err != nil {
			return false
		}
		if tok.Kind() == '"' && fn(tok.String()) {
			return true
		}
	}
}
