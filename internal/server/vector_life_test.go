package server_test

import (
	"slices"
	"testing"
)

// A maker makes a good key of the keyspace open by one dialect.
type maker struct {
	name string
	make func(*site) *subject
}

// An ender ends a key by one dialect. From then on it is answered as a vector
// is.
type ender struct {
	name, vector string
	end          func(*site, *subject)
}

// makers and enders list every way. A dialect that can make and end keys joins
// here.
var (
	makers = slices.Concat(nativeMakers, openrouterMakers, unkeyMakers)
	enders = slices.Concat(nativeEnders, openrouterEnders, unkeyEnders)
)

// TestLives makes a key in one dialect, verifies it in another, and ends it in
// a third, for every such three. It is over at once, everywhere.
func TestLives(t *testing.T) {
	s := newSite(t)
	s.manage("", "POST", "/keyspaces", openKeyspace, nil)
	for _, m := range makers {
		for _, d := range doors {
			for _, e := range enders {
				of := m.make(s)
				life := m.name + ", " + d.name() + ", " + e.name
				for range 2 { // the second time from memory
					s.knock(life, d, of, d.answers()["a good key"])
				}
				e.end(s, of)
				s.knock(life, d, of, d.answers()[e.vector])
				for _, other := range doors {
					s.knock(life+", and then "+other.name(), other, of, other.answers()[e.vector])
				}
			}
		}
	}
}

// knock asks at a door and compares what it answers.
func (s *site) knock(at string, d door, of *subject, want string) {
	s.Helper()
	status, body := s.do(d.request(of, new(question)))
	if _, short := d.verdict(status, body); short != want {
		s.Errorf("%s: %q, want %q\n%s", at, short, want, body)
	}
}
