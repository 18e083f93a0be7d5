package token

import (
	"hash/crc32"
	"strings"
	"unsafe"
)

// checksumLen is how many base62 digits hold any CRC-32.
const checksumLen = 6

// checksum returns the CRC-32 (IEEE) of s in base62, the highest digit first.
func checksum(s string) (digits [checksumLen]byte) {
	// The view of s avoids a copy; nothing writes to it.
	sum := crc32.ChecksumIEEE(unsafe.Slice(unsafe.StringData(s), len(s)))
	for i := checksumLen - 1; i >= 0; i-- {
		digits[i] = base62[sum%62]
		sum /= 62
	}
	return digits
}

// Checked splits s at its last "_" and reports whether its last six characters
// are the checksum of all before them, so that a scanner can tell a real
// secret offline. The prefix is "" where there is no "_".
func Checked(s string) (prefix string, ok bool) {
	body := len(s) - checksumLen
	if body < 1 {
		return Apparent(s), false
	}
	sum := checksum(s[:body])
	return Apparent(s), s[body:] == string(sum[:])
}

// Apparent returns what stands before the last "_" of s, which is the prefix if
// s is a secret with one; "" if it has no "_".
func Apparent(s string) string {
	return s[:max(strings.LastIndexByte(s, '_'), 0)]
}
