package keys

// Matches reports whether a pattern with a wildcard matches an identifier.
func Matches(pattern, identifier string) bool {
	w := newWildcard(&Override{Pattern: pattern})
	return w.matches(identifier)
}

// Size returns about how many bytes of overrides are held.
func (c *OverrideCache) Size() int {
	sum := 0
	for scope, known := range c.known {
		sum += known.overrides.size(scope)
	}
	return max(sum, c.size)
}
