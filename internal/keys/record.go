package keys

import (
	"slices"

	"latchkey/internal/ratelimit"
)

// A Record is all that a verification needs to know about the key behind a
// secret, as of one moment. It is shared by all that read it and never
// changed.
type Record struct {
	Key       Key
	SecretID  string // of the secret that was presented
	Keyspace  Keyspace
	Workspace Workspace
	Live      bool      // the workspace and all above it are enabled
	Owner     *Identity // nil: nobody's

	// Permissions are the effective ones: the key's own and those of its
	// roles, each once.
	Permissions []string

	grants []Grant           // of a root key
	spends []ratelimit.Spend // of a call that names no limits
	fence  fenceMark         // what the cache checks it by
	seen   uint32            // the second in which the recorder was last told, for [Verifier.seen]
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
}

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
