package keys

import (
	"net/netip"
	"slices"
	"strings"
	"time"

	"latchkey/internal/ratelimit"
	"latchkey/internal/token"
)

// A Key is a credential without its secret.
type Key struct {
	ID          string
	WorkspaceID string
	KeyspaceID  string // "" for a root key
	Root        bool   // it manages; an ordinary key is verified
	Owner       Owner
	Name        string
	Environment string
	Enabled     bool
	ExpiresAt   time.Time // zero: never
	Permissions []string  // its own; for a root key, its grants
	Roles       []string  // names
	AllowedIPs  []netip.Prefix
	Limits      []ratelimit.Limit
	Meta        string // a JSON document; "" for none
	Form        token.Form
	Secrets     []Secret // the live ones, the newest last
	CreatedBy   Creator
	Aliases     []Alias
	Extra       Extra

	// MakeRoles says to the store that roles which are not there are made with
	// the key. It is not kept.
	MakeRoles bool

	// MakeKeyspace is a keyspace that the store makes with the key; nil: none. It
	// is not kept.
	MakeKeyspace *Keyspace

	// AccountID is what credits and spending are found by: the key's own ID,
	// or that of the key which it takes the place of.
	AccountID string
	Credits   *Credits // nil: unmetered
	Money     *Money   // nil: nothing was spent, and there is no budget

	Version    int64 // moved by every change of settings, not by use
	CreatedAt  time.Time
	UpdatedAt  time.Time
	LastUsedAt time.Time // zero: never
}

// A Secret is what is kept of one secret of a key.
type Secret struct {
	ID         string
	Hash       token.Hash
	Start, End string // what may be shown of it
	CreatedAt  time.Time
	ExpiresAt  time.Time // zero: with the key
	LastUsedAt time.Time

	// Sealed is the secret itself under a key derived from the installation
	// secret whose id is SealedBy, where its keyspace says recoverable.
	Sealed   []byte
	SealedBy string
}

// Live reports whether the secret still works at now.
func (s *Secret) Live(now time.Time) bool {
	return s.ExpiresAt.IsZero() || now.Before(s.ExpiresAt)
}

// Hint returns what may be shown to tell secrets apart.
func (s *Secret) Hint() string { return s.Start + "…" + s.End }

// A Creator is who made a key. It stays as it was, even when the creator is
// gone.
type Creator struct {
	Kind ActorKind
	ID   string
	Name string
}

// An Alias is another name by which a key is addressed, in a scheme of its
// own, such as a vendor's key id.
type Alias struct {
	Scheme, Name string
}

// Extra holds an opaque JSON document for each dialect: the home of vendor
// fields that mean nothing to the core and are never part of a verdict.
type Extra map[string]string // dialect → JSON

// MaxExtra bounds one dialect's document, in bytes.
const MaxExtra = 16 << 10

// A Status is what a key's settings and the clock make of it.
type Status string

const (
	StatusActive   Status = "active"
	StatusDisabled Status = "disabled"
	StatusExpired  Status = "expired"
)

// Status returns the key's status at now. Disabled goes before expired.
func (k *Key) Status(now time.Time) Status {
	switch {
	case !k.Enabled:
		return StatusDisabled
	case k.Expired(now):
		return StatusExpired
	}
	return StatusActive
}

// Expired reports whether the key's life is over at now.
func (k *Key) Expired(now time.Time) bool {
	return !k.ExpiresAt.IsZero() && !now.Before(k.ExpiresAt)
}

// Newest returns the secret that was made last.
func (k *Key) Newest() *Secret {
	if len(k.Secrets) == 0 {
		return nil
	}
	return &k.Secrets[len(k.Secrets)-1]
}

// LiveSecrets returns the secrets that still work at now, the newest last.
func (k *Key) LiveSecrets(now time.Time) []Secret {
	var out []Secret
	for _, s := range k.Secrets {
		if s.Live(now) {
			out = append(out, s)
		}
	}
	return out
}

// allowsAddr reports whether a key with these ranges may be used from an
// address. One without any may be used from everywhere.
func allowsAddr(ranges []netip.Prefix, a netip.Addr) bool {
	a = a.Unmap().WithZone("") // no range has a zone
	return len(ranges) == 0 || slices.ContainsFunc(ranges, func(p netip.Prefix) bool { return p.Contains(a) })
}

// A KeyFilter selects keys. The zero filter selects all ordinary keys of the
// workspace.
type KeyFilter struct {
	Root        bool
	KeyspaceIDs []string // nil: any
	OwnerID     string
	NoOwner     bool
	ExternalID  string
	Status      Status
	Enabled     *bool
	Name        *string
	Environment *string
	Start       string // of any live secret's hint
	Now         time.Time

	Oldest bool   // first; else the newest
	Before string // ID of the last key of the page before
	Offset int
	Limit  int
}

// Bounds on what one key may carry.
const (
	MaxPermissions = 1000
	MaxRoles       = 100
	MaxLimits      = 32
	MaxAllowedIPs  = 200
	MaxSecrets     = 10
	MaxText        = 256 // of a name, an environment, an external id
)

// ValidExternalID reports whether s may be an identity's external id.
func ValidExternalID(s string) bool {
	return s != "" && len([]rune(s)) <= MaxText && !strings.HasPrefix(s, "idn_")
}
