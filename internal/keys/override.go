package keys

import (
	"strings"
	"time"
	"unicode/utf8"

	"latchkey/internal/ratelimit"
	"latchkey/internal/span"
)

// An Override sets what a limit that belongs to no key allows the identifiers
// that its pattern matches, in one namespace.
type Override struct {
	ID          string
	WorkspaceID string
	Namespace   string
	Pattern     string // in which * stands for any text, none too
	Max         int64  // 0 shuts out
	Window      span.Span
	Version     int64
	CreatedAt   time.Time
	UpdatedAt   time.Time
}

// Bounds of limits that belong to no key.
const (
	MaxNamespace  = 128 // characters
	MaxIdentifier = 256 // characters, of a pattern too
	MaxOverrides  = 10_000
	MaxPatterns   = 200 // of overrides with a wildcard, each of which is tried
)

// Wild reports whether the pattern has a wildcard.
func (o *Override) Wild() bool { return strings.Contains(o.Pattern, "*") }

// most returns how many of its kind a namespace may have.
func (o *Override) most() int {
	if o.Wild() {
		return MaxPatterns
	}
	return MaxOverrides
}

// Validate reports everything that is wrong with the override.
func (o *Override) Validate() error {
	var faults Faults
	checkName("namespace", o.Namespace, MaxNamespace, &faults)
	checkName("pattern", o.Pattern, MaxIdentifier, &faults)
	if o.Max < 0 || o.Max > ratelimit.MaxMax {
		faults.Add("max", "must be from 0, which shuts out, to %d", int64(ratelimit.MaxMax))
	}
	if w := o.Window.Duration(); w < ratelimit.MinWindow || w > ratelimit.MaxWindow {
		faults.Add("window", "the window of a limit is 1ms to 366d")
	}
	return faults.Err()
}

// checkName checks a text that anybody may choose.
func checkName(field, s string, most int, faults *Faults) {
	if n := utf8.RuneCountInString(s); n < 1 || n > most {
		faults.Add(field, "must be 1 to %d characters", most)
	} else if !utf8.ValidString(s) || strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		faults.Add(field, "must be text without control characters")
	}
}

// OverrideMembers returns an override's settings as the audit log names them.
func OverrideMembers(o *Override) []Member {
	return []Member{{"namespace", o.Namespace}, {"pattern", personal(o.Pattern)}, {"max", o.Max}, {"window", o.Window.String()}}
}

// OverrideScope names the overrides of one namespace, for a [Change].
func OverrideScope(workspaceID, namespace string) string { return workspaceID + "/" + namespace }

// overrides are those of one namespace, made ready to be matched.
type overrides struct {
	exact map[string]*Override // pattern → override
	wild  []wildcard           // the best first
}

// A wildcard is an override whose pattern has a wildcard.
type wildcard struct {
	*Override
	literal  int // characters of the pattern but for the wildcards
	segments []segment
}

// A segment is the text between two wildcards of a pattern.
type segment struct {
	text string
	next []int // text[:i+1] ends with text[:next[i]], and with no longer part of its beginning
}

func newWildcard(o *Override) wildcard {
	w := wildcard{Override: o}
	for text := range strings.SplitSeq(o.Pattern, "*") {
		w.literal += utf8.RuneCountInString(text)
		w.segments = append(w.segments, newSegment(text))
	}
	return w
}

func newSegment(text string) segment {
	s := segment{text, make([]int, len(text))}
	for i, k := 1, 0; i < len(text); i++ {
		for k > 0 && text[i] != text[k] {
			k = s.next[k-1]
		}
		if text[i] == text[k] {
			k++
		}
		s.next[i] = k
	}
	return s
}

// after returns what follows the first occurrence of the segment. It looks at
// each byte of s a bounded number of times, whatever the texts.
func (g *segment) after(s string) (rest string, ok bool) {
	if g.text == "" {
		return s, true
	}
	k := 0
	for i := range len(s) {
		for k > 0 && s[i] != g.text[k] {
			k = g.next[k-1]
		}
		if s[i] == g.text[k] {
			k++
		}
		if k == len(g.text) {
			return s[i+1:], true
		}
	}
	return "", false
}

// matches reports whether the pattern matches an identifier. It takes the first
// place where each segment fits, which leaves the most for those that follow.
func (w *wildcard) matches(s string) bool {
	last := len(w.segments) - 1
	s, ok := strings.CutPrefix(s, w.segments[0].text)
	if !ok {
		return false
	}
	if s, ok = strings.CutSuffix(s, w.segments[last].text); !ok {
		return false
	}
	for i := 1; i < last; i++ {
		if s, ok = w.segments[i].after(s); !ok {
			return false
		}
	}
	return true
}

// match returns the override that holds for an identifier, or nil: the one that
// is the identifier, else of the patterns that match it the one with the most
// other characters than wildcards, else the oldest of those.
func (of *overrides) match(identifier string) *Override {
	if o := of.exact[identifier]; o != nil {
		return o
	}
	for i := range of.wild {
		if of.wild[i].matches(identifier) {
			return of.wild[i].Override
		}
	}
	return nil
}
