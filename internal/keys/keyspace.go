package keys

import (
	"regexp"
	"slices"
	"time"

	"latchkey/internal/permission"
	"latchkey/internal/ratelimit"
	"latchkey/internal/span"
	"latchkey/internal/token"
)

// A Keyspace is the keys of one API, with their policy.
type Keyspace struct {
	ID          string
	WorkspaceID string
	Slug        string // unique in the workspace
	Name        string
	Policy      Policy
	Version     int64 // moved by every change of settings
	CreatedAt   time.Time
	UpdatedAt   time.Time
}

// DefaultKeyspace is the slug of the keyspace that keys get where nobody says
// another.
const DefaultKeyspace = "default"

// A Policy is what a keyspace asks of its keys and gives to them.
type Policy struct {
	Secret       token.Form
	Hint         HintPolicy
	Environments []string // nil: any; else the first is the default
	Name         NamePolicy
	Meta         MetaPolicy
	Expiry       ExpiryPolicy

	// What a key gets where its creator says nothing.
	Limits      []ratelimit.Limit
	Permissions []string
	Credits     *Credits

	Grantable            []string // nil: Permissions
	PermissionWildcards  bool     // "*" in a held permission matches a segment
	Owner                IdentityKind
	Session              SessionPolicy
	Purge                PurgePolicy
	LimiterDown          LimiterDown
	Recoverable          bool // secrets may be read again
	SelfList             bool // a key's holder may list its owner's keys
	VerifyWithoutRootKey bool
}

// A HintPolicy says how much of a secret is kept to be shown.
type HintPolicy struct {
	Store  bool
	Length int // characters after the prefix
}

// A NamePolicy bounds the names of keys.
type NamePolicy struct {
	Required bool
	Min, Max int
}

// A MetaPolicy bounds the metadata of keys.
type MetaPolicy struct {
	Allowed  bool
	MaxBytes int
}

// An ExpiryPolicy bounds the life of keys. Zero spans mean no bound.
type ExpiryPolicy struct {
	Required bool
	Custom   bool // callers may choose
	Default  span.Span
	Min, Max span.Span
}

// A SessionPolicy says whether a key is good as its owner's session.
type SessionPolicy struct {
	Enabled bool
	Headers []string
}

// A PurgePolicy says which keys go at the verification that finds them so.
type PurgePolicy struct {
	Expired, UsedUp bool
}

// LimiterDown is what to do when the limiter that nodes share cannot be
// reached.
type LimiterDown string

const (
	LimitLocally LimiterDown = "local"
	LimitRefuse  LimiterDown = "refuse"
	LimitAllow   LimiterDown = "allow"
)

// maxMeta bounds what a policy may allow of metadata, in bytes.
const maxMeta = 32 << 10

// DefaultPolicy returns the policy of a keyspace whose maker says nothing.
func DefaultPolicy() Policy {
	return Policy{
		Secret:              token.Form{Prefix: "lk", Format: token.Latchkey, Length: 30},
		Hint:                HintPolicy{Store: true, Length: 4},
		Name:                NamePolicy{Min: 1, Max: MaxText},
		Meta:                MetaPolicy{Allowed: true, MaxBytes: 16 << 10},
		Expiry:              ExpiryPolicy{Custom: true},
		PermissionWildcards: true,
		Session:             SessionPolicy{Headers: []string{"x-api-key"}},
		LimiterDown:         LimitLocally,
		SelfList:            true,
	}
}

var slugForm = regexp.MustCompile(`^[a-z0-9-]{1,64}$`)

// Validate reports everything that is wrong with the keyspace.
func (ks *Keyspace) Validate() error {
	var faults Faults
	if !slugForm.MatchString(ks.Slug) {
		faults.Add("slug", "must be 1 to 64 of a-z, 0-9 and -")
	}
	if len([]rune(ks.Name)) > MaxText {
		faults.Add("name", "must be at most %d characters", MaxText)
	}
	ks.Policy.validate(&faults)
	return faults.Err()
}

func (p *Policy) validate(faults *Faults) {
	if err := p.Secret.Validate(); err != nil {
		faults.Add("policy/secret", "%v", err)
	}
	if p.Hint.Length < 0 || p.Hint.Length > 16 {
		faults.Add("policy/hint/length", "must be from 0 to 16")
	}
	if p.Environments != nil && len(p.Environments) == 0 {
		faults.Add("policy/environments", "must be null or name one environment at least")
	}
	for _, e := range p.Environments {
		if e == "" || len([]rune(e)) > MaxText {
			faults.Add("policy/environments", "each must be 1 to %d characters", MaxText)
			break
		}
	}
	if p.Name.Min < 0 || p.Name.Max > MaxText || p.Name.Min > p.Name.Max {
		faults.Add("policy/name", "must have 0 <= min <= max <= %d", MaxText)
	}
	if p.Meta.MaxBytes < 2 || p.Meta.MaxBytes > maxMeta {
		faults.Add("policy/meta/max_bytes", "must be from 2 to %d", maxMeta)
	}
	p.Expiry.validate(faults)
	validateLimits("policy/limits", p.Limits, faults)
	validatePermissions("policy/permissions", p.Permissions, faults)
	validatePermissions("policy/grantable", p.Grantable, faults)
	p.Credits.validate("policy/credits", faults)
	switch p.Owner {
	case "", UserIdentity, Organization:
	default:
		faults.Add("policy/owner", `must be "any", "user" or "organization"`)
	}
	switch p.LimiterDown {
	case LimitLocally, LimitRefuse, LimitAllow:
	default:
		faults.Add("policy/limiter_down", `must be "local", "refuse" or "allow"`)
	}
}

func (e *ExpiryPolicy) validate(faults *Faults) {
	low, high, def := e.Min.Duration(), e.Max.Duration(), e.Default.Duration()
	if !e.Max.IsZero() && low > high {
		faults.Add("policy/expiry/min", "must not be above max")
	}
	if !e.Default.IsZero() && (def <= 0 || def < low || !e.Max.IsZero() && def > high) {
		faults.Add("policy/expiry/default", "must be above 0, and within min and max")
	}
	if e.Required && !e.Custom && e.Default.IsZero() {
		faults.Add("policy/expiry/required", "needs a default where callers may not choose")
	}
}

func validateLimits(field string, limits []ratelimit.Limit, faults *Faults) {
	if len(limits) > MaxLimits {
		faults.Add(field, "must be at most %d limits", MaxLimits)
	}
	for i, l := range limits {
		at := field + "/" + itoa(i)
		checkLimit(at, l, faults)
		if l.Name != "" && slices.ContainsFunc(limits[:i], func(o ratelimit.Limit) bool { return o.Name == l.Name }) {
			faults.Add(at+"/name", "another limit has this name")
		}
	}
}

func checkLimit(at string, l ratelimit.Limit, faults *Faults) {
	l.Check(func(member, detail string) { faults.Add(at+"/"+member, "%s", detail) })
}

func validatePermissions(field string, names []string, faults *Faults) {
	if len(names) > MaxPermissions {
		faults.Add(field, "must be at most %d permissions", MaxPermissions)
		return
	}
	for i, p := range names {
		if !permission.ValidName(p) {
			faults.Add(field+"/"+itoa(i), "must be 1 to 128 of A-Z, a-z, 0-9 and _.:*/-")
		}
	}
}
