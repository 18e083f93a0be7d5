package keys

import (
	"math"
	"net/netip"
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
// There is one in memory for each key in use, so it is small: what the keys of
// a keyspace have in common, and what most keys do not have, stands elsewhere.
// What every verification looks at stands first, since with many keys in use
// what costs is fetching memory, not working on it.
type Record struct {
	hash    token.Hash     // of the secret that was presented
	fence   fenceMark      // what the cache checks it by
	ends    int64          // when the secret that was presented ends, in Unix milliseconds
	expires int64          // when the key does
	Enabled bool           // the key itself
	open    bool           // no check but those of time, and of what a call asks, can refuse it
	root    bool           // it is a root key's
	metered bool           // the key has credits
	bounded bool           // the key has a budget
	leasing bool           // a concurrency limit holds for the key
	idLen   uint16         // of the key's id, with which texts begins
	secLen  uint16         // of the secret's id, which is next
	nameLen uint16         // of the name, which is next
	seen    uint32         // the second in which the recorder was last told, for [Verifier.seen]
	tally   unsafe.Pointer // *Tally, by atomic access
	*Scope
	*Particulars
	texts string // the ids, the name, and at last the environment
}

// A Scope is what the keys of one keyspace have in common.
type Scope struct {
	Keyspace  Keyspace // the zero one for root keys
	Workspace Workspace
	Live      bool // the workspace and all above it are enabled
}

// Particulars are what most keys do not have. Those that have none share one.
type Particulars struct {
	Owner       *Identity // nil: nobody's
	Permissions []string  // as in [Facts]
	Roles       []string
	AllowedIPs  []netip.Prefix
	Limits      []ratelimit.Limit // the key's own
	Meta        string
	spends      []ratelimit.Spend // of a call that names no limits
	grants      []Grant           // of a root key
	account     string            // what credits and spending are found by; "": the key's id
	weight      int               // about as many times the room of a plain key's record, for [Record.size]

	renders   uint32 // by atomic access; what is kept in rendering may be read where it is [rendered]
	renderer  string // the dialect that rendering is for
	rendering []byte
}

// plain is shared by all keys without particulars.
var plain Particulars

// NewRecord returns the record that facts make.
func NewRecord(f *Facts) *Record {
	k := &f.Key
	r := &Record{
		Enabled: k.Enabled, root: k.Root, metered: k.Credits != nil, bounded: k.Budget() != nil,
		ends: math.MaxInt64, expires: instant(k.ExpiresAt),
		Scope: newScope(f), Particulars: newParticulars(f),
		texts: k.ID + f.SecretID + k.Name + k.Environment,
		idLen: uint16(len(k.ID)), secLen: uint16(len(f.SecretID)), nameLen: uint16(len(k.Name)),
	}
	for i := range k.Secrets {
		if s := &k.Secrets[i]; s.ID == f.SecretID {
			r.ends = instant(s.ExpiresAt)
		}
	}
	r.leasing = slices.ContainsFunc(r.spends, func(s ratelimit.Spend) bool { return s.Limit.Concurrent })
	r.open = r.Live && r.Enabled && len(r.AllowedIPs) == 0 && (r.Owner == nil || r.Owner.Enabled)
	return r
}

func newScope(f *Facts) *Scope {
	s := &Scope{Keyspace: f.Keyspace, Workspace: f.Workspace, Live: f.Live}
	// One copy of what many scopes have in common: equal texts at one place are
	// told apart without being read.
	for _, text := range []*string{&s.Keyspace.ID, &s.Keyspace.Slug, &s.Workspace.ID, &s.Workspace.Path} {
		*text = unique.Make(*text).Value()
	}
	return s
}

func newParticulars(f *Facts) *Particulars {
	k := &f.Key
	spends := f.limitSpends()
	if !k.Root && f.Owner == nil && len(f.Permissions)+len(k.Roles)+len(k.AllowedIPs)+len(k.Limits)+len(spends)+len(k.Meta) == 0 &&
		(k.AccountID == "" || k.AccountID == k.ID) {
		return &plain
	}
	p := &Particulars{
		Owner: f.Owner, Permissions: f.Permissions, Roles: k.Roles, AllowedIPs: k.AllowedIPs, Limits: k.Limits, Meta: k.Meta,
		spends: spends,
	}
	if k.AccountID != k.ID {
		p.account = k.AccountID
	}
	if k.Root {
		p.grants = ParseGrants(k.Permissions)
	}
	p.weight = p.bytes() / plainBytes
	return p
}

// size is about how many times the room of a plain key's record it takes.
func (r *Record) size() int { return 1 + r.weight + len(r.texts)/plainBytes }

// plainBytes is about what a plain key takes in the cache.
const plainBytes = 200

// bytes returns about how much memory the particulars take, what is rendered of
// them included, which is about as long as their texts.
func (p *Particulars) bytes() int {
	n := int(unsafe.Sizeof(*p))
	text := func(s string) { n += 2*len(s) + int(unsafe.Sizeof(s)) }
	texts := func(list []string) {
		for _, s := range list {
			text(s)
		}
	}
	texts(p.Permissions)
	texts(p.Roles)
	text(p.Meta)
	n += len(p.AllowedIPs) * int(unsafe.Sizeof(netip.Prefix{}))
	limits := func(list []ratelimit.Limit) {
		n += len(list) * int(unsafe.Sizeof(ratelimit.Limit{}))
		for i := range list {
			text(list[i].Name)
		}
	}
	limits(p.Limits)
	n += len(p.spends) * int(unsafe.Sizeof(ratelimit.Spend{}))
	n += len(p.grants) * int(unsafe.Sizeof(Grant{}))
	if o := p.Owner; o != nil {
		n += int(unsafe.Sizeof(*o))
		limits(o.Limits)
		text(o.ExternalID)
		text(o.Meta)
		for _, s := range o.Extra {
			text(s)
		}
	}
	return n
}

// ID returns the key's id.
func (r *Record) ID() string { return r.texts[:r.idLen] }

// SecretID returns the id of the secret that was presented.
func (r *Record) SecretID() string { return r.texts[r.idLen:][:r.secLen] }

// Name returns the key's name.
func (r *Record) Name() string { return r.texts[int(r.idLen)+int(r.secLen):][:r.nameLen] }

// Environment returns the key's environment.
func (r *Record) Environment() string {
	return r.texts[int(r.idLen)+int(r.secLen)+int(r.nameLen):]
}

// ExpiresAt returns when the key's life is over; the zero time: never.
func (r *Record) ExpiresAt() time.Time {
	if r.expires == math.MaxInt64 {
		return time.Time{}
	}
	return time.UnixMilli(r.expires).UTC()
}

// AccountID returns what credits and spending are found by.
func (r *Record) AccountID() string {
	if r.account != "" {
		return r.account
	}
	return r.ID()
}

// OwnerID returns the id of the key's owner; "": nobody's.
func (r *Record) OwnerID() string {
	if r.Owner == nil {
		return ""
	}
	return r.Owner.ID
}

// AppendRendered appends what add makes of the record for a dialect, such as
// the part of an answer that only the key's settings decide. Where that takes
// work it is kept, for the dialect that asks first.
func (r *Record) AppendRendered(b []byte, dialect string, add func([]byte, *Record) []byte) []byte {
	p := r.Particulars
	if p == &plain {
		return add(b, r)
	}
	if atomic.LoadUint32(&p.renders) == rendered && p.renderer == dialect {
		return append(b, p.rendering...)
	}
	text := add(nil, r)
	if atomic.CompareAndSwapUint32(&p.renders, 0, renderingNow) {
		p.renderer, p.rendering = dialect, text
		atomic.StoreUint32(&p.renders, rendered)
	}
	return append(b, text...)
}

// States of what is rendered of a record.
const (
	renderingNow = 1 + iota
	rendered
)

// secretLive reports whether the secret that the record was read by still
// works.
func (r *Record) secretLive(now time.Time) bool { return now.UnixMilli() < r.ends }

// expired reports whether the key's life is over.
func (r *Record) expired(now time.Time) bool { return now.UnixMilli() >= r.expires }

// openAt reports whether every check passes whose question the call does not
// ask.
func (r *Record) openAt(now time.Time) bool { return r.open && !r.expired(now) }

// charged reports whether a use may take from the key's account.
func (r *Record) charged() bool { return r.metered || r.bounded }

// instant returns a time as it is compared on the hot path; the zero time is
// never. Times are kept to the millisecond.
func instant(t time.Time) int64 {
	if t.IsZero() {
		return math.MaxInt64
	}
	return t.UnixMilli()
}

// limitSpends lists every limit that holds for the key: its own, and those of
// its owner whose names are not taken by one of its own. Limits that apply by
// themselves cost 1, the others 0, which only looks. Leases come with the call.
func (f *Facts) limitSpends() []ratelimit.Spend {
	var out []ratelimit.Spend
	add := func(limits []ratelimit.Limit, owner string) {
		for _, l := range limits {
			if l.Disabled || slices.ContainsFunc(out, func(s ratelimit.Spend) bool { return s.Limit.Name == l.Name }) {
				continue
			}
			s := ratelimit.Spend{Limit: l, Counter: ratelimit.Counter{
				Workspace: f.Workspace.ID, Name: l.Name, Owner: owner, Window: l.Window.Duration(),
			}}
			if l.Auto {
				s.Cost = 1
			}
			out = append(out, s)
		}
	}
	add(f.Key.Limits, f.Key.ID)
	if f.Owner != nil {
		add(f.Owner.Limits, f.Owner.ID)
	}
	return out
}
