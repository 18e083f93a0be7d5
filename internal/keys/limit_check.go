package keys

import (
	"context"
	"crypto/sha256"
	"errors"
	"time"

	"latchkey/internal/ratelimit"
	"latchkey/internal/span"
)

// A LimitCheck asks whether anybody who has an identifier may go on, under a
// limit that belongs to no key. It counts by workspace, namespace, identifier
// and window.
type LimitCheck struct {
	Namespace  string
	Identifier string
	Max        int64
	Window     span.Span
	Algorithm  ratelimit.Algorithm
	Cost       int64 // 0 looks without taking
}

// A LimitVerdict is the answer to a [LimitCheck].
type LimitVerdict struct {
	ratelimit.Decision
	Override *Override // that held; nil: none
	At       time.Time
}

// limit returns the limit that is asked about.
func (c *LimitCheck) limit() ratelimit.Limit {
	return ratelimit.Limit{Name: c.Namespace, Max: c.Max, Window: c.Window, Algorithm: c.Algorithm}
}

// Validate reports everything that is wrong with the question.
func (c *LimitCheck) Validate() error {
	var faults Faults
	checkName("namespace", c.Namespace, MaxNamespace, &faults)
	checkName("identifier", c.Identifier, MaxIdentifier, &faults)
	if c.Cost < 0 || c.Cost > MaxCost {
		faults.Add("cost", "must be an integer from 0 to %d", int64(MaxCost))
	}
	named := c.limit()
	named.Name = "any" // of the namespace all was said
	named.Check(func(member, detail string) { faults.Add(member, "%s", detail) })
	return faults.Err()
}

// A LimitChecker limits what belongs to no key.
type LimitChecker struct {
	// Limiter must be bounded: callers invent identifiers.
	Limiter   Limiter
	Overrides *OverrideCache
	Clock     Clock
}

// Check takes the cost of a call, or refuses it. An override takes the place of
// what the caller says of max and window.
func (lc *LimitChecker) Check(ctx context.Context, by *Actor, c LimitCheck) (v LimitVerdict, err error) {
	if err := by.Need(ResLimits, "*", "check"); err != nil {
		return v, err
	}
	if err := c.Validate(); err != nil {
		return v, err
	}
	v.At = lc.Clock()
	if v.Override, err = lc.Overrides.Match(ctx, by.WorkspaceID, c.Namespace, c.Identifier); err != nil {
		return v, err
	}
	if o := v.Override; o != nil {
		c.Max, c.Window = o.Max, o.Window
	}
	spend := ratelimit.Spend{Limit: c.limit(), Cost: c.Cost, Counter: ratelimit.Counter{
		Workspace: by.WorkspaceID, Name: c.Namespace, Owner: counterOwner(c.Identifier), Window: c.Window.Duration(),
	}}
	var buf [1]ratelimit.Decision
	out, _, err := lc.Limiter.Take(ctx, []ratelimit.Spend{spend}, buf[:0], v.At)
	if errors.Is(err, ratelimit.ErrFull) {
		return v, &Error{Code: Unavailable, Err: err, RetryAfter: time.Second,
			Message: "as many identifiers are being counted as may be; one that is not among them cannot be counted now"}
	}
	if err != nil {
		return v, err
	}
	v.Decision = out[0]
	if c.Max == 0 { // who is shut out may not look either
		v.Allowed, v.RetryAt = false, time.Time{}
	}
	return v, nil
}

// counterOwner is what an identifier is counted by: itself, or where it is long
// its hash, so that nobody fills the memory with long ones.
func counterOwner(identifier string) string {
	if len(identifier) <= sha256.Size {
		return "id:" + identifier
	}
	sum := sha256.Sum256([]byte(identifier))
	return "hash:" + string(sum[:])
}
