package keys

import (
	"time"

	"latchkey/internal/ratelimit"
)

// An IdentityKind says what sort of owner an [Identity] is.
type IdentityKind string

const (
	Customer     IdentityKind = "customer"
	UserIdentity IdentityKind = "user"
	Organization IdentityKind = "organization"
)

// An Identity is the owner of keys. Its limits are shared by all of them, and
// disabled it refuses all of them.
type Identity struct {
	ID          string
	WorkspaceID string
	ExternalID  string // the caller's own name for it; unique in the workspace
	Kind        IdentityKind
	Enabled     bool
	Meta        string // a JSON document; "" for none
	Limits      []ratelimit.Limit
	Extra       Extra
	Version     int64 // moved by every change of settings
	CreatedAt   time.Time
	UpdatedAt   time.Time
}

// An Owner names an identity: by ID, or by ExternalID alone, which makes one
// of kind [Customer] where there is none. In what is asked for, the ID may be
// an external id, of one that must be there. The zero Owner is nobody.
type Owner struct {
	ID         string
	ExternalID string
}

// IsZero reports whether o is nobody.
func (o Owner) IsZero() bool { return o == Owner{} }

// names reports whether o names the owner that is, whose ID and ExternalID are
// known. An ID may stand for either.
func (o Owner) names(is Owner) bool {
	switch {
	case o.IsZero() || is.IsZero():
		return o == is
	case o.ID != "" && o.ID != is.ID && o.ID != is.ExternalID:
		return false
	}
	return o.ExternalID == "" || o.ExternalID == is.ExternalID
}

// A Role is a named set of permissions.
type Role struct {
	ID          string
	WorkspaceID string
	Name        string // unique in the workspace
	Slug        string
	Description string
	Permissions []string // names
	Version     int64
	CreatedAt   time.Time
	UpdatedAt   time.Time
}

// A Permission is something that keys may be allowed to do.
type Permission struct {
	ID          string
	WorkspaceID string
	Name        string // unique in the workspace
	Slug        string
	Description string
	Version     int64
	CreatedAt   time.Time
	UpdatedAt   time.Time
}
