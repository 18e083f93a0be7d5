package conformance

import (
	"slices"
	"strings"

	"latchkey/internal/keys"
)

// GrantsBut lists every grant but one and those that include it, and but those
// of a resource; "": of none.
func GrantsBut(need, without string) (out []string) {
	resource, rest, _ := strings.Cut(need, ".")
	for r, actions := range keys.Actions {
		for _, action := range actions {
			if r != without && (r != resource || !strings.HasSuffix(rest, "."+action)) {
				out = append(out, r+".*."+action)
			}
		}
	}
	slices.Sort(out)
	return out
}
