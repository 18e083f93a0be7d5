package keys

import (
	"slices"
	"sync/atomic"
	"time"
	"unique"
	"unsafe"

	"latchkey/internal/ratelimit"
)

// A Record is all that a verification needs to know about the key behind a
// secret, as of one moment. It is shared by all that read it and never
// changed.
//
// What every verification looks at stands first: with many keys in use, what
// costs is fetching memory, not working on it.
type Record struct {
	fence    fenceMark         // what the cache checks it by
	seen     uint32            // the second in which the recorder was last told, for [Verifier.seen]
	Live     bool              // the workspace and all above it are enabled
	ends     time.Time         // when the secret that was presented ends; zero: with the key
	rendered unsafe.Pointer    // *rendering, by atomic access; a record is copied before it is shared
	Owner    *Identity         // nil: nobody's
	spends   []ratelimit.Spend // of a call that names no limits
	grants   []Grant           // of a root key

	Key       Key
	SecretID  string // of the secret that was presented
	Keyspace  Keyspace
	Workspace Workspace

	// Permissions are the effective ones: the key's own and those of its
	// roles, each once.
	Permissions []string
}

// A rendering is what one dialect has made of a record.
type rendering struct {
	dialect string
	text    []byte
}

// Rendered returns what make makes of the record for a dialect, such as the
// part of an answer that only the key's settings decide. It is kept for the
// dialect that asks first.
func (r *Record) Rendered(dialect string, make func(*Record) []byte) []byte {
	kept := (*rendering)(atomic.LoadPointer(&r.rendered))
	if kept != nil && kept.dialect == dialect {
		return kept.text
	}
	made := &rendering{dialect, make(r)}
	if kept == nil {
		atomic.StorePointer(&r.rendered, unsafe.Pointer(made))
	}
	return made.text
}

// Prepare fills in what verification derives from the record. A store calls it
// once, when it has set all the rest.
func (r *Record) Prepare() {
	slices.Sort(r.Permissions)
	r.Permissions = slices.Compact(r.Permissions)
	if r.Key.Root {
		r.grants = ParseGrants(r.Key.Permissions)
	}
	r.spends = r.limitSpends()
	for i := range r.Key.Secrets {
		if s := &r.Key.Secrets[i]; s.ID == r.SecretID {
			r.ends = s.ExpiresAt
		}
	}
	// One copy of what many keys have in common: equal texts at one place are
	// told apart without being read.
	for _, s := range []*string{&r.Key.WorkspaceID, &r.Key.KeyspaceID, &r.Keyspace.ID, &r.Keyspace.Slug, &r.Workspace.ID, &r.Workspace.Path} {
		*s = unique.Make(*s).Value()
	}
}

// secretLive reports whether the secret that the record was read by still
// works.
func (r *Record) secretLive(now time.Time) bool { return r.ends.IsZero() || now.Before(r.ends) }

// limitSpends lists every limit that holds for the key: its own, and those of
// its owner whose names are not taken by one of its own. Limits that apply by
// themselves cost 1, the others 0, which only looks.
func (r *Record) limitSpends() []ratelimit.Spend {
	var out []ratelimit.Spend
	add := func(limits []ratelimit.Limit, owner string) {
		for _, l := range limits {
			if l.Disabled || slices.ContainsFunc(out, func(s ratelimit.Spend) bool { return s.Limit.Name == l.Name }) {
				continue
			}
			s := ratelimit.Spend{Limit: l, Counter: ratelimit.Counter{
				Workspace: r.Workspace.ID, Name: l.Name, Owner: owner, Window: l.Window.Duration(),
			}}
			if l.Auto {
				s.Cost = 1
			}
			out = append(out, s)
		}
	}
	add(r.Key.Limits, r.Key.ID)
	if r.Owner != nil {
		add(r.Owner.Limits, r.Owner.ID)
	}
	return out
}
