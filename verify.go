package latchkey

import (
	"encoding/json"
	"errors"
	"time"
)

var errTime = errors.New("must be a time in RFC 3339, such as 2026-11-21T09:30:00Z")

// A VerifyRequest asks whether a key is good for a use.
type VerifyRequest struct {
	Key         string          `json:"key" required:"true" secret:"true" doc:"The secret that the caller presented; at most 512 characters."`
	Keyspace    string          `json:"keyspace,omitempty" doc:"The keyspace that the key must belong to, by id or slug."`
	Permissions *string         `json:"permissions,omitempty" doc:"What the key must be allowed to do: names with AND, OR and parentheses."`
	Cost        *int64          `json:"cost,omitempty" doc:"Credits to take; 1 where absent; 0 looks without taking."`
	SpendMicros *int64          `json:"spend_micros,omitempty" doc:"Money to take from the budget, in millionths of a US dollar, whole or not at all."`
	Reserve     *ReserveRequest `json:"reserve,omitempty" doc:"Money to set aside from the budget; goes without spend_micros."`
	Limits      []LimitRequest  `json:"limits,omitempty" doc:"Limits beyond those that apply to every use, or such a one at another cost."`
	LeaseTTL    string          `json:"lease_ttl,omitempty" doc:"How long the use holds its places under concurrency limits, unless they are released before: a duration from 1s to 1h; 1m where absent."`
	IP          string          `json:"ip,omitempty" doc:"The end user's address, for the key's list of addresses."`
	Tags        []string        `json:"tags,omitempty" doc:"For usage alone; at most 20."`
	MinRevision *int64          `json:"min_revision,omitempty" doc:"Answer only from a state in which this revision is in force."`
}

// A LimitRequest names a limit of the key, or brings one with max and window.
type LimitRequest struct {
	Name      string `json:"name" required:"true"`
	Cost      *int64 `json:"cost,omitempty" doc:"1 where absent."`
	Max       *int64 `json:"max,omitempty" doc:"Units in each window, of a limit that the key has not. A key has at most 50 of them whose windows have not passed; one more is a conflict."`
	Window    string `json:"window,omitempty" doc:"With max: a duration."`
	Algorithm string `json:"algorithm,omitempty" enum:"sliding,fixed,fixed_from_first,gcra" doc:"With max; sliding where absent."`
}

// Outcomes of a verification.
const (
	Valid                   = "valid"
	NotFound                = "not_found"
	Forbidden               = "forbidden"
	Disabled                = "disabled"
	Expired                 = "expired"
	InsufficientPermissions = "insufficient_permissions"
	RateLimited             = "rate_limited"
	UsageExceeded           = "usage_exceeded"
)

// A Verification is the answer. It leaves out what does not apply.
type Verification struct {
	Valid       bool              `json:"valid"`
	Outcome     string            `json:"outcome" enum:"valid,not_found,forbidden,disabled,expired,insufficient_permissions,rate_limited,usage_exceeded"`
	RequestID   string            `json:"request_id"`
	Detail      string            `json:"detail,omitempty" doc:"Which check refused, with its figures."`
	Key         *VerifiedKey      `json:"key,omitempty" doc:"Absent with not_found alone."`
	Limits      []LimitState      `json:"limits,omitempty" doc:"Live figures, whenever the key has limits."`
	Credits     *CreditState      `json:"credits,omitempty" doc:"Live figures, whenever the key has credits."`
	Budget      *BudgetState      `json:"budget,omitempty" doc:"Live figures, whenever the key has a budget."`
	Reservation *ReservationState `json:"reservation,omitempty" doc:"What the use has set aside."`
	Leases      []Lease           `json:"leases,omitempty" doc:"The places that the use holds under concurrency limits."`

	// RetryAfter is, with rate_limited, when the same call would be allowed;
	// 0 where the server did not say. It is no member of the JSON.
	RetryAfter time.Duration `json:"-"`
}

// A VerifiedKey is what a verification tells of the key.
type VerifiedKey struct {
	ID          string          `json:"id"`
	Keyspace    string          `json:"keyspace"`
	Name        *string         `json:"name"`
	Environment *string         `json:"environment"`
	Enabled     bool            `json:"enabled"`
	ExpiresAt   *Time           `json:"expires_at"`
	Identity    *IdentityState  `json:"identity"`
	Meta        json.RawMessage `json:"meta"`
	Permissions []string        `json:"permissions" doc:"The effective ones, by roles too."`
	Roles       []string        `json:"roles"`
}

// An IdentityState is what a verification tells of the key's owner.
type IdentityState struct {
	ID         string          `json:"id"`
	ExternalID *string         `json:"external_id"`
	Meta       json.RawMessage `json:"meta"`
}

// A LimitState is how a limit stands: with Max, Window and ResetAt a rate limit,
// with Concurrent a concurrency limit.
type LimitState struct {
	Name       string `json:"name"`
	Max        int64  `json:"max,omitzero"`
	Window     string `json:"window,omitempty"`
	Concurrent int64  `json:"concurrent,omitzero"`
	Remaining  int64  `json:"remaining"`
	ResetAt    Time   `json:"reset_at,omitzero" doc:"When all of max is free again."`
	Exceeded   bool   `json:"exceeded"`
}

// A ReservationState is what a use has set aside.
type ReservationState struct {
	ID        string `json:"id"`
	ExpiresAt Time   `json:"expires_at"`
}

// A BudgetState is how a budget stands.
type BudgetState struct {
	LimitMicros     int64 `json:"limit_micros"`
	RemainingMicros int64 `json:"remaining_micros"`
	OverdrawnMicros int64 `json:"overdrawn_micros"`
	ResetsAt        *Time `json:"resets_at"`
}

// A Lease is a place under a concurrency limit. It is held until it expires or
// [Client.ReleaseLease] ends it.
type Lease struct {
	ID        string `json:"id"`
	Name      string `json:"name" doc:"Of the limit."`
	ExpiresAt Time   `json:"expires_at"`
}

// A CreditState is how a balance stands.
type CreditState struct {
	Remaining int64 `json:"remaining"`
	RefillsAt *Time `json:"refills_at"`
}

// A VerifyBatchRequest asks about many keys at once.
type VerifyBatchRequest struct {
	Requests []VerifyRequest `json:"requests" required:"true" doc:"1 to 100; those for one key are taken in order."`
}

// A VerifyBatch answers a [VerifyBatchRequest], in order. Each result is a
// verification, or has an error alone.
type VerifyBatch struct {
	Results []VerifyResult `json:"results"`
}

// A VerifyResult is one answer of a batch.
type VerifyResult struct {
	*Verification
	Error *Problem `json:"error,omitempty"`
}
