package latchkey

// A Keyspace is the keys of one API, with their policy.
type Keyspace struct {
	Versioned
	ID        string `json:"id"`
	Slug      string `json:"slug"`
	Name      string `json:"name"`
	Policy    Policy `json:"policy"`
	CreatedAt Time   `json:"created_at"`
	UpdatedAt Time   `json:"updated_at"`
}

// A Policy is what a keyspace asks of its keys and gives to them.
type Policy struct {
	Prefix       string       `json:"prefix"`
	Secret       SecretForm   `json:"secret"`
	Hint         HintPolicy   `json:"hint"`
	Environments *[]string    `json:"environments" doc:"Null: any; else the first is the default."`
	Name         NamePolicy   `json:"name"`
	Meta         MetaPolicy   `json:"meta"`
	Expiry       ExpiryPolicy `json:"expiry"`

	Limits      []Limit  `json:"limits" doc:"What a key gets where its creator says nothing; permissions and credits too."`
	Permissions []string `json:"permissions"`
	Credits     *Credits `json:"credits"`

	Grantable            *[]string     `json:"grantable" doc:"Permissions that a session, or a key as one, may give; null: the default permissions."`
	PermissionWildcards  bool          `json:"permission_wildcards" doc:"Whether * in a held permission matches a segment."`
	Owner                string        `json:"owner" enum:"any,user,organization"`
	Session              SessionPolicy `json:"session"`
	Purge                PurgePolicy   `json:"purge"`
	LimiterDown          string        `json:"limiter_down" enum:"local,refuse,allow"`
	Recoverable          bool          `json:"recoverable"`
	SelfList             bool          `json:"self_list"`
	VerifyWithoutRootKey bool          `json:"verify_without_root_key"`
}

// A SecretForm says how the secrets of a keyspace look.
type SecretForm struct {
	Format string `json:"format" enum:"latchkey,base62,base58,hex,letters,base58-bytes"`
	Length int    `json:"length" doc:"Characters after the prefix; with base58-bytes: random bytes."`
}

// A HintPolicy says how much of a secret is kept to be shown.
type HintPolicy struct {
	Store  bool `json:"store"`
	Length int  `json:"length" doc:"Characters after the prefix."`
}

// A NamePolicy bounds the names of keys.
type NamePolicy struct {
	Required bool `json:"required"`
	Min      int  `json:"min"`
	Max      int  `json:"max"`
}

// A MetaPolicy bounds the metadata of keys.
type MetaPolicy struct {
	Allowed  bool `json:"allowed"`
	MaxBytes int  `json:"max_bytes"`
}

// An ExpiryPolicy bounds the life of keys.
type ExpiryPolicy struct {
	Required bool    `json:"required"`
	Custom   bool    `json:"custom" doc:"Whether callers may choose."`
	Default  *string `json:"default"`
	Min      *string `json:"min"`
	Max      *string `json:"max"`
}

// A SessionPolicy says whether a key is good as its owner's session.
type SessionPolicy struct {
	Enabled bool     `json:"enabled"`
	Headers []string `json:"headers"`
}

// A PurgePolicy says which keys go at the verification that finds them so.
type PurgePolicy struct {
	Expired bool `json:"expired"`
	UsedUp  bool `json:"used_up"`
}

// KeyspaceSettings say what a keyspace is to be. On update, what is absent
// stays as it was.
type KeyspaceSettings struct {
	Slug   string                   `json:"slug,omitempty" doc:"1 to 64 of a-z, 0-9 and -; needed on create."`
	Name   Optional[string]         `json:"name,omitzero"`
	Policy Optional[PolicySettings] `json:"policy,omitzero"`
}

// PolicySettings are what can be set of a keyspace's policy. On create an
// absent member takes its default, and null stands for the default.
type PolicySettings struct {
	Prefix               Optional[string]          `json:"prefix,omitzero"`
	Secret               Optional[SecretSettings]  `json:"secret,omitzero"`
	Hint                 Optional[HintSettings]    `json:"hint,omitzero"`
	Environments         Optional[[]string]        `json:"environments,omitzero"`
	Name                 Optional[NameSettings]    `json:"name,omitzero"`
	Meta                 Optional[MetaSettings]    `json:"meta,omitzero"`
	Expiry               Optional[ExpirySettings]  `json:"expiry,omitzero"`
	Limits               Optional[[]Limit]         `json:"limits,omitzero"`
	Permissions          Optional[[]string]        `json:"permissions,omitzero"`
	Credits              Optional[CreditSettings]  `json:"credits,omitzero"`
	Grantable            Optional[[]string]        `json:"grantable,omitzero"`
	PermissionWildcards  Optional[bool]            `json:"permission_wildcards,omitzero"`
	Owner                Optional[string]          `json:"owner,omitzero" enum:"any,user,organization"`
	Session              Optional[SessionSettings] `json:"session,omitzero"`
	Purge                Optional[PurgeSettings]   `json:"purge,omitzero"`
	LimiterDown          Optional[string]          `json:"limiter_down,omitzero" enum:"local,refuse,allow"`
	Recoverable          Optional[bool]            `json:"recoverable,omitzero"`
	SelfList             Optional[bool]            `json:"self_list,omitzero"`
	VerifyWithoutRootKey Optional[bool]            `json:"verify_without_root_key,omitzero"`
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

// SessionSettings say whether a key is good as its owner's session.
type SessionSettings struct {
	Enabled Optional[bool]     `json:"enabled,omitzero"`
	Headers Optional[[]string] `json:"headers,omitzero"`
}

// PurgeSettings say which keys go at the verification that finds them so.
type PurgeSettings struct {
	Expired Optional[bool] `json:"expired,omitzero"`
	UsedUp  Optional[bool] `json:"used_up,omitzero"`
}
