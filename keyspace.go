package latchkey

// KeyspaceSettings say what a keyspace is to be.
type KeyspaceSettings struct {
	Slug   string         `json:"slug" required:"true"`
	Name   string         `json:"name,omitempty"`
	Policy PolicySettings `json:"policy,omitzero"`
}

// PolicySettings are what can be set of a keyspace's policy. An absent member
// takes its default.
type PolicySettings struct {
	Prefix               Optional[string]         `json:"prefix,omitzero"`
	Secret               Optional[SecretSettings] `json:"secret,omitzero"`
	Hint                 Optional[HintSettings]   `json:"hint,omitzero"`
	Environments         Optional[[]string]       `json:"environments,omitzero"`
	Name                 Optional[NameSettings]   `json:"name,omitzero"`
	Meta                 Optional[MetaSettings]   `json:"meta,omitzero"`
	Expiry               Optional[ExpirySettings] `json:"expiry,omitzero"`
	Limits               Optional[[]Limit]        `json:"limits,omitzero"`
	Permissions          Optional[[]string]       `json:"permissions,omitzero"`
	Credits              Optional[CreditSettings] `json:"credits,omitzero"`
	PermissionWildcards  Optional[bool]           `json:"permission_wildcards,omitzero"`
	Owner                Optional[string]         `json:"owner,omitzero" enum:"any,user,organization"`
	Recoverable          Optional[bool]           `json:"recoverable,omitzero"`
	SelfList             Optional[bool]           `json:"self_list,omitzero"`
	VerifyWithoutRootKey Optional[bool]           `json:"verify_without_root_key,omitzero"`
}

// SecretSettings say how the secrets of a keyspace look.
type SecretSettings struct {
	Format Optional[string] `json:"format,omitzero" enum:"latchkey,base62,base58,hex,letters,base58-bytes"`
	Length Optional[int64]  `json:"length,omitzero"`
}

// HintSettings say how much of a secret is kept to be shown.
type HintSettings struct {
	Store  Optional[bool]  `json:"store,omitzero"`
	Length Optional[int64] `json:"length,omitzero"`
}

// NameSettings bound the names of keys.
type NameSettings struct {
	Required Optional[bool]  `json:"required,omitzero"`
	Min      Optional[int64] `json:"min,omitzero"`
	Max      Optional[int64] `json:"max,omitzero"`
}

// MetaSettings bound the metadata of keys.
type MetaSettings struct {
	Allowed  Optional[bool]  `json:"allowed,omitzero"`
	MaxBytes Optional[int64] `json:"max_bytes,omitzero"`
}

// ExpirySettings bound the life of keys.
type ExpirySettings struct {
	Required Optional[bool]   `json:"required,omitzero"`
	Custom   Optional[bool]   `json:"custom,omitzero"`
	Default  Optional[string] `json:"default,omitzero"`
	Min      Optional[string] `json:"min,omitzero"`
	Max      Optional[string] `json:"max,omitzero"`
}
