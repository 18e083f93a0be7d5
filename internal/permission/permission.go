// Package permission has the names of what a key may do, the wildcards that
// stand for many of them, and the queries that require some of them. It does
// not know who holds what.
package permission

import "strings"

// MaxName is how many characters the name of a permission has at most.
const MaxName = 128

// ValidName reports whether s can name a permission: 1 to 128 characters of
// A-Z, a-z, 0-9 and _.:*/-
func ValidName(s string) bool {
	if s == "" || len(s) > MaxName {
		return false
	}
	for i := range len(s) {
		if !nameByte(s[i]) {
			return false
		}
	}
	return true
}

// nameByte reports whether a name may contain c.
func nameByte(c byte) bool {
	switch {
	case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		return true
	}
	return strings.IndexByte("_.:*/-", c) >= 0
}

// separator reports whether c stands between two segments of a name.
func separator(c byte) bool { return c == '.' || c == ':' || c == '/' }

// Match reports whether a pattern covers a name. A pattern covers itself; a
// lone * covers every name; otherwise the two must agree segment by segment,
// separators included, where a segment * of the pattern covers any one that is
// not empty.
func Match(pattern, name string) bool {
	if pattern == name || pattern == "*" {
		return true
	}
	for {
		p, n := segment(pattern), segment(name)
		if p == "*" && n == "" || p != "*" && p != n {
			return false
		}
		pattern, name = pattern[len(p):], name[len(n):]
		if pattern == "" || name == "" {
			return pattern == name
		}
		if pattern[0] != name[0] {
			return false
		}
		pattern, name = pattern[1:], name[1:]
	}
}

// segment returns what stands before the first separator of s.
func segment(s string) string {
	for i := range len(s) {
		if separator(s[i]) {
			return s[:i]
		}
	}
	return s
}
