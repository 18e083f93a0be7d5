package keys

// Matches reports whether a pattern with a wildcard matches an identifier.
func Matches(pattern, identifier string) bool {
	w := newWildcard(&Override{Pattern: pattern})
	return w.matches(identifier)
}
