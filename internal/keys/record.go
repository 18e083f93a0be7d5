package keys

import (
	"math"
	"slices"
	"sync/atomic"
	"time"
	"unique"
	"unsafe"

	"latchkey/internal/ratelimit"
	"latchkey/internal/token"
)

// A Record is all that a verification needs to know about the key behind a
// secret, as of one moment. It is shared by all that read it and never
// changed.
//
// What every verification looks at stands first: with many keys in use, what
// costs is fetching memory, not working on it.
type Record struct {
	hash      token.Hash     // of the secret that was presented
	fence     fenceMark      // what the cache checks it by
	ends      int64          // when the secret that was presented ends, in Unix nanoseconds
	expires   int64          // when the key does
	Live      bool           // the workspace and all above it are enabled
	open      bool           // no check but those of time, and of what a call asks, can refuse it
	root      bool           // it is a root key's
	charged   bool           // the key has credits or a budget
	leasing   bool           // a concurrency limit holds for the key
	renders   uint32         // by atomic access; what is kept in rendering may be read where it is [rendered]
	seen      uint32         // the second in which the recorder was last told, for [Verifier.seen]
	tally     unsafe.Pointer // *Tally, by atomic access
	renderer  string         // the dialect that rendering is for
	rendering []byte
	spends    []ratelimit.Spend // of a call that names no limits
	grants    []Grant           // of a root key
	Owner     *Identity         // nil: nobody's

	Key       Key
	SecretID  string // of the secret that was presented
	Keyspace  Keyspace
	Workspace Workspace

	// Permissions are the effective ones: the key's own and those of its
	// roles, each once.
	Permissions []string
}

// Rendered returns what make makes of the record for a dialect, such as the
// part of an answer that only the key's settings decide. It is kept for the
// dialect that asks first. It must not be changed.
func (r *Record) Rendered(dialect string, make func(*Record) []byte) []byte {
	if atomic.LoadUint32(&r.renders) == rendered && r.renderer == dialect {
		return r.rendering
	}
	text := make(r)
	if atomic.CompareAndSwapUint32(&r.renders, 0, renderingNow) {
		r.renderer, r.rendering = dialect, text
		atomic.StoreUint32(&r.renders, rendered)
	}
	return text
}

// States of what is rendered of a record.
const (
	renderingNow = 1 + iota
	rendered
)

// Prepare fills in what verification derives from the record. A store calls it
// once, when it has set all the rest.
func (r *Record) Prepare() {
	slices.Sort(r.Permissions)
	r.Permissions = slices.Compact(r.Permissions)
	if r.Key.Root {
		r.grants = ParseGrants(r.Key.Permissions)
	}
	r.spends = r.limitSpends()
	r.leasing = slices.ContainsFunc(r.spends, func(s ratelimit.Spend) bool { return s.Limit.Concurrent })
	r.ends = math.MaxInt64
	for i := range r.Key.Secrets {
		if s := &r.Key.Secrets[i]; s.ID == r.SecretID {
			r.ends = instant(s.ExpiresAt)
		}
	}
	r.root, r.charged, r.expires = r.Key.Root, r.Key.Credits != nil || r.Key.Budget() != nil, instant(r.Key.ExpiresAt)
	r.open = r.Live && r.Key.Enabled && len(r.Key.AllowedIPs) == 0 && (r.Owner == nil || r.Owner.Enabled)
	// One copy of what many keys have in common: equal texts at one place are
	// told apart without being read.
	for _, s := range []*string{&r.Key.WorkspaceID, &r.Key.KeyspaceID, &r.Keyspace.ID, &r.Keyspace.Slug, &r.Workspace.ID, &r.Workspace.Path} {
		*s = unique.Make(*s).Value()
	}
}

// secretLive reports whether the secret that the record was read by still
// works.
func (r *Record) secretLive(now time.Time) bool { return now.UnixNano() < r.ends }

// openAt reports whether every check passes whose question the call does not
// ask.
func (r *Record) openAt(now time.Time) bool { return r.open && now.UnixNano() < r.expires }

// instant returns a time as it is compared on the hot path; the zero time is
// never, and so is one that Unix nanoseconds do not reach.
func instant(t time.Time) int64 {
	if t.IsZero() || t.Year() > 2261 {
		return math.MaxInt64
	}
	if t.Year() < 1679 {
		return math.MinInt64
	}
	return t.UnixNano()
}

// limitSpends lists every limit that holds for the key: its own, and those of
// its owner whose names are not taken by one of its own. Limits that apply by
// themselves cost 1, the others 0, which only looks. Leases come with the call.
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
