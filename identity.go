package latchkey

import "encoding/json"

// An Identity is the owner of keys.
type Identity struct {
	Versioned
	ID         string          `json:"id"`
	ExternalID string          `json:"external_id" doc:"Your own name for it; unique in the workspace."`
	Kind       string          `json:"kind" enum:"customer,user,organization"`
	Enabled    bool            `json:"enabled" doc:"False refuses all its keys at once."`
	Meta       json.RawMessage `json:"meta"`
	Limits     []Limit         `json:"limits" doc:"Shared by its keys."`
	CreatedAt  Time            `json:"created_at"`
	UpdatedAt  Time            `json:"updated_at"`
}

// IdentitySettings are what can be set of an identity.
type IdentitySettings struct {
	ExternalID Optional[string]          `json:"external_id,omitzero" doc:"1 to 256 characters, not beginning with idn_; needed on create."`
	Kind       Optional[string]          `json:"kind,omitzero" enum:"customer,user,organization" doc:"customer where absent."`
	Enabled    Optional[bool]            `json:"enabled,omitzero"`
	Meta       Optional[json.RawMessage] `json:"meta,omitzero" doc:"At most 64000 bytes of JSON."`
	Limits     Optional[[]Limit]         `json:"limits,omitzero"`
}

// ReplaceIdentitySettings are what an identity is to be, whole: what is absent
// takes its default.
type ReplaceIdentitySettings struct {
	Kind    Optional[string]          `json:"kind,omitzero" enum:"customer,user,organization" doc:"customer where absent."`
	Enabled Optional[bool]            `json:"enabled,omitzero"`
	Meta    Optional[json.RawMessage] `json:"meta,omitzero" doc:"At most 64000 bytes of JSON."`
	Limits  Optional[[]Limit]         `json:"limits,omitzero"`
}

// A Role is a named set of permissions.
type Role struct {
	Versioned
	ID          string   `json:"id"`
	Name        string   `json:"name"`
	Slug        *string  `json:"slug"`
	Description *string  `json:"description"`
	Permissions []string `json:"permissions"`
	CreatedAt   Time     `json:"created_at"`
	UpdatedAt   Time     `json:"updated_at"`
}

// RoleSettings are what can be set of a role.
type RoleSettings struct {
	Name        Optional[string]   `json:"name,omitzero" doc:"Unique in the workspace; needed on create."`
	Slug        Optional[string]   `json:"slug,omitzero"`
	Description Optional[string]   `json:"description,omitzero"`
	Permissions Optional[[]string] `json:"permissions,omitzero" doc:"Naming a permission makes it."`
}

// A Permission is something that keys may be allowed to do.
type Permission struct {
	Versioned
	ID          string  `json:"id"`
	Name        string  `json:"name"`
	Slug        *string `json:"slug"`
	Description *string `json:"description"`
	CreatedAt   Time    `json:"created_at"`
	UpdatedAt   Time    `json:"updated_at"`
}

// PermissionSettings are what can be set of a permission. Its name is fixed
// once it is made.
type PermissionSettings struct {
	Name        Optional[string] `json:"name,omitzero" doc:"1 to 128 of A-Z, a-z, 0-9 and _.:*/-; needed on create."`
	Slug        Optional[string] `json:"slug,omitzero"`
	Description Optional[string] `json:"description,omitzero"`
}

// A Workspace is the tenant. Workspaces form a tree.
type Workspace struct {
	Versioned
	ID        string `json:"id"`
	UUID      string `json:"uuid"`
	Slug      string `json:"slug"`
	Path      string `json:"path"`
	Name      string `json:"name"`
	Enabled   bool   `json:"enabled" doc:"False refuses all its keys and callers at once, and those of the workspaces below it."`
	CreatedAt Time   `json:"created_at"`
	UpdatedAt Time   `json:"updated_at"`

	PrepaidMicros int64 `json:"prepaid_micros" doc:"What was paid in for its keys, in millionths of a US dollar. It is told where an API tells of an account; nothing is taken from it."`
}

// WorkspaceSettings are what can be set of a workspace. Its slug is fixed once
// it is made.
type WorkspaceSettings struct {
	Slug    Optional[string] `json:"slug,omitzero" doc:"1 to 64 of a-z, 0-9 and -; needed on create."`
	Name    Optional[string] `json:"name,omitzero"`
	Enabled Optional[bool]   `json:"enabled,omitzero"`

	PrepaidMicros Optional[int64] `json:"prepaid_micros,omitzero" doc:"0 where absent."`
}

// A RootKey is a key that manages.
type RootKey struct {
	Versioned
	ID          string          `json:"id"`
	Name        *string         `json:"name"`
	Hint        *string         `json:"hint"`
	Status      string          `json:"status" enum:"active,disabled,expired"`
	Enabled     bool            `json:"enabled"`
	Meta        json.RawMessage `json:"meta"`
	Permissions []string        `json:"permissions" doc:"RESOURCE.SCOPE.ACTION, where * matches any segment; a lone * is everything."`
	AllowedIPs  []string        `json:"allowed_ips"`
	ExpiresAt   *Time           `json:"expires_at"`
	Limits      []Limit         `json:"limits"`
	Secrets     []Secret        `json:"secrets"`
	LastUsedAt  *Time           `json:"last_used_at"`
	CreatedAt   Time            `json:"created_at"`
	UpdatedAt   Time            `json:"updated_at"`
}

// A RootKeyWithSecret is a root key together with the secret that was just
// made. It is answered once.
type RootKeyWithSecret struct {
	RootKey
	Secret string `json:"secret"`
}

// RootKeySettings are what can be set of a root key.
type RootKeySettings struct {
	Name        Optional[string]          `json:"name,omitzero"`
	Enabled     Optional[bool]            `json:"enabled,omitzero"`
	Meta        Optional[json.RawMessage] `json:"meta,omitzero"`
	Permissions Optional[[]string]        `json:"permissions,omitzero" doc:"A keyspace in a scope may be named by slug, and is fixed to its id."`
	AllowedIPs  Optional[[]string]        `json:"allowed_ips,omitzero"`
	ExpiresAt   Optional[Time]            `json:"expires_at,omitzero"`
	Limits      Optional[[]Limit]         `json:"limits,omitzero"`
}
