package token

import "strings"

// hintEnd is how many characters of a secret's end a hint shows at most.
const hintEnd = 4

// Hint returns what may be shown of s, a secret of the form, to tell it from
// others: its prefix with up to length characters after it, and up to four
// last ones. What is shown leaves at least 95 random bits unknown; the start
// is granted before the end. A text that is not of the form is shown as far as
// that holds for its own length.
func (f Form) Hint(s Secret, length int) (start, end string) {
	head := f.head()
	body, ok := strings.CutPrefix(s.Reveal(), head)
	if !ok {
		head = ""
	}
	budget := f.unknown(body) - minBits
	first, budget := f.afford(body, length, budget)
	rest := body[first:]
	last, _ := f.afford(rest, hintEnd, budget)
	return head + body[:first], rest[len(rest)-last:]
}

// unknown returns how many random bits the body of a secret has: those of the
// form, or fewer where the body is shorter than the form makes it.
func (f Form) unknown(body string) float64 {
	n := len(body)
	if f.Checksummed() {
		n -= checksumLen
	}
	return min(f.Bits(), float64(max(n, 0))*f.bitsShown())
}

// afford returns how many characters of text, at most limit, the budget of
// bits pays for, and what is left of it. A character that tells more than an
// even choice from the alphabet would is charged what it tells.
func (f Form) afford(text string, limit int, budget float64) (int, float64) {
	n, leading := 0, f.Format == Base58Bytes
	for n < min(limit, len(text)) && text[n] > ' ' && text[n] <= '~' {
		cost := f.bitsShown()
		if leading = leading && text[n] == base58[0]; leading {
			cost = 8 // A '1' that the text begins with is a zero byte.
		}
		if cost > budget {
			break
		}
		budget -= cost
		n++
	}
	return n, budget
}

// Mask returns what may be shown of a secret of the form, of which a hint shows
// start and end, with most characters of each side and three dots between them.
func (f Form) Mask(start, end string, most int) string {
	head := f.head()
	body, ok := strings.CutPrefix(start, head)
	if !ok {
		head, body = "", start
	}
	return head + body[:min(most, len(body))] + "..." + end[len(end)-min(most, len(end)):]
}
