package keys

import (
	"crypto/rand"
	"fmt"
	"strings"
	"time"
)

// A Workspace is the tenant. Workspaces form a tree of dotted paths whose root
// is the one named "default"; an actor acts in its own and in those below it.
type Workspace struct {
	ID      string
	UUID    string // for dialects that name workspaces so
	Slug    string // the last segment of Path
	Path    string // "default", "default.acme", "default.acme.eu"
	Name    string
	Enabled bool

	// PrepaidMicros is what was paid in for its keys. It is told, and nothing is
	// taken from it: what bounds spending is the budget of each key.
	PrepaidMicros int64

	Version   int64 // moved by every change of settings
	CreatedAt time.Time
	UpdatedAt time.Time
}

// RootPath is the path of the workspace that everything else is below.
const RootPath = "default"

// Below reports whether a workspace path is inner itself or lies below outer.
func Below(inner, outer string) bool {
	rest, ok := strings.CutPrefix(inner, outer)
	return ok && (rest == "" || rest[0] == '.')
}

// Ancestors returns path and every path above it, the root first.
func Ancestors(path string) []string {
	var out []string
	for i := range len(path) {
		if path[i] == '.' {
			out = append(out, path[:i])
		}
	}
	return append(out, path)
}

// newUUID returns a random UUID, as dialects name workspaces.
func newUUID() string {
	var b [16]byte
	rand.Read(b[:]) // never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
