package openrouter

import (
	"errors"
	"strconv"
	"strings"

	"latchkey/internal/keys"
)

// A usd is an amount of money in millionths of a US dollar. On the wire it is a
// decimal number of dollars.
type usd int64

// microDigits is how many digits of an amount stand behind the point.
const microDigits = 6

// MarshalJSON writes a plain decimal: no exponent, and no digit that says
// nothing.
func (u usd) MarshalJSON() ([]byte, error) {
	text := strconv.FormatInt(int64(u), 10)
	text, negative := strings.CutPrefix(text, "-")
	if missing := microDigits + 1 - len(text); missing > 0 {
		text = strings.Repeat("0", missing) + text
	}
	point := len(text) - microDigits
	text = strings.TrimRight(strings.TrimRight(text[:point]+"."+text[point:], "0"), ".")
	if negative {
		text = "-" + text
	}
	return []byte(text), nil
}

var (
	errNoNumber = errors.New("must be a number")
	errAmount   = errors.New("must be an amount from 0 to a billion dollars")
)

// UnmarshalJSON reads a number exactly, and rounds it to millionths.
func (u *usd) UnmarshalJSON(text []byte) error {
	number := string(text)
	if number == "" || number[0] != '-' && (number[0] < '0' || number[0] > '9') {
		return errNoNumber
	}
	number, negative := strings.CutPrefix(number, "-")
	mantissa, exponent, _ := strings.Cut(strings.ToLower(number), "e")
	whole, fraction, _ := strings.Cut(mantissa, ".")
	digits := strings.TrimLeft(whole+fraction, "0")
	if digits == "" {
		*u = 0
		return nil
	}
	if negative {
		return errAmount
	}
	// point is where it stands among the digits, in front of which the zeros
	// were cut off.
	point := len(whole) - (len(whole) + len(fraction) - len(digits)) + boundedExponent(exponent) + microDigits
	micros, ok := rounded(digits, point)
	if !ok || micros > keys.MaxMicros {
		return errAmount
	}
	*u = usd(micros)
	return nil
}

// boundedExponent reads an exponent. A body is shorter than what is beyond the
// bound could make a difference to.
func boundedExponent(text string) int {
	const bound = 1 << 30
	n, _ := strconv.ParseInt(text, 10, 64) // where it is beyond 64 bits, the bound that was passed
	return int(min(max(n, -bound), bound))
}

// rounded returns the integer nearest to the number that has a point behind the
// first so many of its digits, half away from zero. The first digit is not 0.
func rounded(digits string, point int) (n int64, ok bool) {
	const most = 17 // digits, which an int64 always holds
	switch {
	case point < 0:
		return 0, true
	case point > most:
		return 0, false
	}
	padded := digits + strings.Repeat("0", max(0, point+1-len(digits)))
	for _, c := range []byte(padded[:point]) {
		n = 10*n + int64(c-'0')
	}
	if padded[point] >= '5' {
		n++
	}
	return n, true
}
