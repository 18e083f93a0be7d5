package latchkey

import (
	"bytes"
	"encoding/json"
	"time"
)

// A Key is one API key, as the server answers it.
type Key struct {
	Versioned
	ID          string          `json:"id"`
	Keyspace    string          `json:"keyspace" doc:"The slug of the keyspace that the key belongs to."`
	Name        *string         `json:"name"`
	Hint        *string         `json:"hint" doc:"What may be shown of the newest secret; null where nothing is kept."`
	Status      string          `json:"status" enum:"active,disabled,expired" doc:"Disabled goes before expired."`
	Environment *string         `json:"environment"`
	Enabled     bool            `json:"enabled"`
	Identity    *IdentityRef    `json:"identity" doc:"The owner; null for a key without."`
	Meta        json.RawMessage `json:"meta"`
	Permissions []string        `json:"permissions" doc:"The key's own; a verification answers the effective ones."`
	Roles       []string        `json:"roles"`
	AllowedIPs  []string        `json:"allowed_ips" doc:"Addresses and CIDR ranges that the key may be used from; empty: any."`
	ExpiresAt   *Time           `json:"expires_at"`
	Limits      []Limit         `json:"limits"`
	Credits     *Credits        `json:"credits" doc:"Null: unmetered."`
	Budget      *Budget         `json:"budget" doc:"Null: none."`
	Secrets     []Secret        `json:"secrets" doc:"Those that work, the newest last."`
	LastUsedAt  *Time           `json:"last_used_at"`
	CreatedAt   Time            `json:"created_at"`
	UpdatedAt   Time            `json:"updated_at"`
}

// A KeyWithSecret is a key together with the secret that was just made. It is
// answered once.
type KeyWithSecret struct {
	Key
	Secret string `json:"secret" doc:"What the key's holder presents. It is shown here and never again."`
}

// KeySettings are what can be set on a key. On create, an absent member takes
// the keyspace's default; on update it stays as it was, and null clears it.
type KeySettings struct {
	Name        Optional[string]          `json:"name,omitzero"`
	Environment Optional[string]          `json:"environment,omitzero" doc:"One of those that the keyspace lists, if it lists any."`
	Enabled     Optional[bool]            `json:"enabled,omitzero" nullable:"false"`
	Identity    Optional[IdentityRef]     `json:"identity,omitzero" doc:"The owner: an id or external id, or an object with either."`
	ExternalID  Optional[string]          `json:"external_id,omitzero" doc:"The owner by external id; made where there is none."`
	Meta        Optional[json.RawMessage] `json:"meta,omitzero" doc:"An update merges it with what is there; null empties it."`
	Permissions Optional[[]string]        `json:"permissions,omitzero" doc:"Naming a permission makes it."`
	Roles       Optional[[]string]        `json:"roles,omitzero" doc:"Each must exist."`
	AllowedIPs  Optional[[]string]        `json:"allowed_ips,omitzero" doc:"Addresses and CIDR ranges that the key may be used from; empty: any."`
	ExpiresAt   Optional[Time]            `json:"expires_at,omitzero" doc:"Null: never. In the past it is an error on create, and on update ends the key at once."`
	Limits      Optional[[]Limit]         `json:"limits,omitzero"`
	Credits     Optional[CreditSettings]  `json:"credits,omitzero" doc:"Null: unmetered."`
	Budget      Optional[BudgetSettings]  `json:"budget,omitzero" doc:"Null: money is not bounded. What was spent stays known."`
}

// A CreateKeyRequest says what key to make.
type CreateKeyRequest struct {
	Keyspace string `json:"keyspace,omitempty" doc:"By id or slug; absent: the workspace's default one."`
	KeySettings
}

// An IdentityRef names the owner of a key: in a request by either member, or
// as text in the place of the object.
type IdentityRef struct {
	ID         string  `json:"id,omitempty"`
	ExternalID *string `json:"external_id" doc:"Null where the identity has none."`
}

// A Limit says how often a key may be used: with Max and Window, or, with
// Concurrent, how often at the same time. A concurrency limit holds for every
// verification, and has no other member than its name.
type Limit struct {
	Name       string `json:"name" required:"true"`
	Max        int64  `json:"max,omitzero" sometimes:"true" doc:"Units in each window."`
	Window     string `json:"window,omitempty" sometimes:"true" doc:"With max: a duration, an integer and ms, s, m, h or d."`
	Algorithm  string `json:"algorithm,omitempty" sometimes:"true" enum:"sliding,fixed,fixed_from_first,gcra" doc:"With max; sliding where absent."`
	AutoApply  *bool  `json:"auto_apply,omitempty" sometimes:"true" doc:"With max: whether every verification takes from it; true where absent."`
	Concurrent *int64 `json:"concurrent,omitempty" sometimes:"true" doc:"Leases that verifications may hold at the same time; in the place of all but the name."`
}

// Credits are how many uses a key has left.
type Credits struct {
	Remaining int64   `json:"remaining"`
	Refill    *Refill `json:"refill"`
	RefillsAt *Time   `json:"refills_at" doc:"When the next refill is due."`
}

// A Refill says when credits come back, and how many.
type Refill struct {
	Amount int64  `json:"amount"`
	Every  string `json:"every" doc:"daily or monthly, at 00:00 UTC, or a duration from when the refill was set."`
	Day    *int64 `json:"day" doc:"With monthly: the day, 1 to 31; the last one in shorter months."`
	Mode   string `json:"mode" enum:"set,add" doc:"What a refill does to the balance."`
}

// CreditSettings are what can be set of credits.
type CreditSettings struct {
	Remaining Optional[int64]          `json:"remaining,omitzero" nullable:"false" doc:"Needed where the key has no credits. Where it has some, POST /keys/{id}/credits changes them, and an update may only send back what there is."`
	Refill    Optional[RefillSettings] `json:"refill,omitzero" doc:"Null: what is used up does not come back."`
	RefillsAt Optional[Time]           `json:"refills_at,omitzero" doc:"Cannot be set; may be sent back as it is."`
}

// RefillSettings are what can be set of a refill.
type RefillSettings struct {
	Amount Optional[int64]  `json:"amount,omitzero" nullable:"false"`
	Every  Optional[string] `json:"every,omitzero" nullable:"false" doc:"daily or monthly, at 00:00 UTC, or a duration from when the refill is set."`
	Day    Optional[int64]  `json:"day,omitzero" doc:"With monthly: the day, 1 to 31; 1 where absent."`
	Mode   Optional[string] `json:"mode,omitzero" enum:"set,add" doc:"What a refill does to the balance; set where absent."`
}

// A Budget is how much money may be spent with a key in a window, and what was,
// in millionths of a US dollar.
type Budget struct {
	LimitMicros     int64   `json:"limit_micros"`
	RemainingMicros int64   `json:"remaining_micros"`
	SpentMicros     int64   `json:"spent_micros" doc:"In the present window."`
	BYOKSpentMicros int64   `json:"byok_spent_micros" doc:"In the present window, with the customer's own provider keys."`
	OverdrawnMicros int64   `json:"overdrawn_micros" doc:"By how much what was reported goes beyond the limit."`
	Reset           *string `json:"reset" enum:"daily,weekly,monthly" doc:"When it begins anew: at 00:00 UTC, on Mondays, on the 1st. Null: never."`
	CountsBYOK      bool    `json:"counts_byok" doc:"Whether what is spent with the customer's own provider keys counts."`
	ResetsAt        *Time   `json:"resets_at"`
}

// BudgetSettings are what can be set of a budget. Its figures cannot be set, and
// may be sent back as they are.
type BudgetSettings struct {
	LimitMicros Optional[int64]  `json:"limit_micros,omitzero" nullable:"false" doc:"Needed where the key has no budget."`
	Reset       Optional[string] `json:"reset,omitzero" enum:"daily,weekly,monthly" doc:"Null: never."`
	CountsBYOK  Optional[bool]   `json:"counts_byok,omitzero" nullable:"false" doc:"False where absent."`

	RemainingMicros Optional[int64] `json:"remaining_micros,omitzero" doc:"Cannot be set; may be sent back as it is."`
	SpentMicros     Optional[int64] `json:"spent_micros,omitzero" doc:"Cannot be set; may be sent back as it is."`
	BYOKSpentMicros Optional[int64] `json:"byok_spent_micros,omitzero" doc:"Cannot be set; may be sent back as it is."`
	OverdrawnMicros Optional[int64] `json:"overdrawn_micros,omitzero" doc:"Cannot be set; may be sent back as it is."`
	ResetsAt        Optional[Time]  `json:"resets_at,omitzero" doc:"Cannot be set; may be sent back as it is."`
}

// A SpendRequest reports money that was spent with a key, or is given back.
type SpendRequest struct {
	AmountMicros int64  `json:"amount_micros" required:"true" doc:"Millionths of a US dollar."`
	Kind         string `json:"kind,omitempty" enum:"own,byok" doc:"With whose provider keys; own where absent."`
}

// A ReserveRequest sets money of a key aside for a use whose cost is not known
// yet.
type ReserveRequest struct {
	AmountMicros int64  `json:"amount_micros" required:"true" doc:"Millionths of a US dollar, whole or not at all."`
	TTL          string `json:"ttl,omitempty" doc:"How long, unless it is settled or released before: a duration from 1s to 24h; 10m where absent."`
}

// A Reservation is money that is set aside. Where the budget does not have it,
// Outcome says so, and all but the budget is absent.
type Reservation struct {
	ID           string  `json:"id,omitempty" sometimes:"true"`
	AmountMicros int64   `json:"amount_micros,omitzero" sometimes:"true"`
	ExpiresAt    Time    `json:"expires_at,omitzero" sometimes:"true"`
	Outcome      string  `json:"outcome,omitempty" sometimes:"true" enum:"usage_exceeded" doc:"Only where nothing was set aside."`
	Budget       *Budget `json:"budget" doc:"Null where the key has none."`
}

// A BudgetAnswer is how the budget of a key stands.
type BudgetAnswer struct {
	Budget *Budget `json:"budget" doc:"Null where the key has none."`
}

// A Secret is what may be known of one secret of a key.
type Secret struct {
	ID         string  `json:"id"`
	Hint       *string `json:"hint"`
	CreatedAt  Time    `json:"created_at"`
	ExpiresAt  *Time   `json:"expires_at"`
	LastUsedAt *Time   `json:"last_used_at"`
}

// A RotateRequest asks for a new secret.
type RotateRequest struct {
	Overlap string `json:"overlap,omitempty" doc:"How long the old secrets still work; 0s where absent, at most 30d."`
}

// A RevealedSecret is a secret that was read again.
type RevealedSecret struct {
	Secret string `json:"secret"`
}

// A ChangeCreditsRequest changes a key's balance.
type ChangeCreditsRequest struct {
	Operation string `json:"operation" required:"true" enum:"set,increment,decrement"`
	Amount    int64  `json:"amount" required:"true"`
}

// A CreditBalance is what is left after a change.
type CreditBalance struct {
	Remaining int64 `json:"remaining"`
}

// A ChangeNamesRequest adds names to a list and takes names from it.
type ChangeNamesRequest struct {
	Add    []string `json:"add,omitempty"`
	Remove []string `json:"remove,omitempty"`
}

// KeyPermissions are a key's own permissions after a change.
type KeyPermissions struct {
	Versioned
	Permissions []string `json:"permissions"`
}

// KeyRoles are a key's roles after a change.
type KeyRoles struct {
	Versioned
	Roles []string `json:"roles"`
}

// A List is one page of a list, the newest first.
type List[T any] struct {
	Data       []T     `json:"data"`
	NextCursor *string `json:"next_cursor" doc:"Send it as cursor for the next page; null on the last."`
}

// A Time is a moment: RFC 3339 with any offset in, UTC with milliseconds out.
type Time struct{ time.Time }

// TimeForm is how times are written.
const TimeForm = "2006-01-02T15:04:05.000Z"

// MarshalText writes the moment in [TimeForm].
func (t Time) MarshalText() ([]byte, error) { return []byte(t.UTC().Format(TimeForm)), nil }

// MarshalJSON writes the moment in [TimeForm].
func (t Time) MarshalJSON() ([]byte, error) { return []byte(`"` + t.UTC().Format(TimeForm) + `"`), nil }

// UnmarshalText reads RFC 3339, after 1970 began.
func (t *Time) UnmarshalText(b []byte) error {
	var v time.Time // whose own reading is stricter than time.Parse
	if err := v.UnmarshalText(bytes.ToUpper(b)); err != nil || v.UnixMilli() <= 0 || v.UTC().Year() > 9999 {
		return errTime
	}
	t.Time = v.UTC().Truncate(time.Millisecond)
	return nil
}

// UnmarshalJSON reads RFC 3339.
func (t *Time) UnmarshalJSON(b []byte) error {
	var s string
	if err := json.Unmarshal(b, &s); err != nil {
		return errTime
	}
	return t.UnmarshalText([]byte(s))
}
