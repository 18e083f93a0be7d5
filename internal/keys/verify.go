package keys

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"latchkey/internal/permission"
	"latchkey/internal/ratelimit"
)

// An Outcome is the result of a verification. A refusal is a value, never an
// error.
type Outcome uint8

const (
	Valid Outcome = iota
	KeyNotFound
	WorkspaceDisabled
	OwnerDisabled
	Disabled
	WrongKeyspace
	Expired
	AddressRefused
	InsufficientPermissions
	RateLimited
	CreditsExhausted
	BudgetExhausted
)

// Outcomes lists every outcome, for tests that a mapping is whole.
var Outcomes = []Outcome{Valid, KeyNotFound, WorkspaceDisabled, OwnerDisabled, Disabled, WrongKeyspace, Expired,
	AddressRefused, InsufficientPermissions, RateLimited, CreditsExhausted, BudgetExhausted}

var outcomeNames = [...]string{"valid", "not_found", "workspace_disabled", "owner_disabled", "disabled", "wrong_keyspace",
	"expired", "address_refused", "insufficient_permissions", "rate_limited", "credits_exhausted", "budget_exhausted"}

func (o Outcome) String() string { return outcomeNames[o] }

// A Mode says what a verification is for.
type Mode uint8

const (
	Use        Mode = iota // all checks; takes from limits and credits; counted
	Inspection             // stops before limits and credits, takes nothing, is not counted
)

// A Verification is the answer to a [VerifyRequest].
type Verification struct {
	Outcome Outcome
	Record  *Record // nil where no key was found
	At      time.Time

	// Limits and Account are the live figures, whatever the outcome: after the
	// charge where the call was accepted, and untouched where it was refused.
	// An inspection leaves them out.
	Limits []ratelimit.Decision
	Account

	// Took is what the use took.
	Took Charged

	// Reservation is what the call has set aside; nil: nothing.
	Reservation *Hold

	// Leases are the places that the call holds under concurrency limits.
	Leases []ratelimit.Lease

	// Missing is what was asked for and not held, with
	// [InsufficientPermissions].
	Missing permission.Query
}

// A Verifier answers verifications. Its fields are all that it can touch.
type Verifier struct {
	Records  *Cache
	Limiter  Limiter
	Ledger   Ledger
	Recorder Recorder
	Clock    Clock

	// Declared is the root key that the configuration gives; nil: none.
	Declared *Record

	// Purge deletes a key that was found expired or used up, where its keyspace
	// says so; nil: keys stay.
	Purge func(context.Context, *Record) error
}

// Verify decides whether a presented secret is good. A secret that is not is
// an [Outcome]; an error means that the question was wrong or could not be
// answered.
//
// It is the hot path: one look-up, then checks from the cheapest to the
// dearest, of which the first that refuses names the outcome. Nothing is taken
// unless all of them pass.
func (vr *Verifier) Verify(ctx context.Context, by *Actor, req *VerifyRequest) (v Verification, err error) {
	now := vr.Clock()
	v.At = now

	// 1. Find the key. One that the actor may not verify does not exist.
	rec, err := vr.Records.Find(ctx, req.Secret, now)
	if err != nil && !Is(err, NotFound) {
		return v, err
	}
	if rec == nil || rec.root || !vr.visible(by, rec) {
		v.Outcome = KeyNotFound
		return v, nil
	}
	v.Record = rec

	// 2. The checks that take nothing.
	if v.Outcome = vr.check(rec, req, now); v.Outcome != Valid {
		if v.Outcome == InsufficientPermissions {
			v.Missing = req.Query
		}
		if req.Mode == Inspection {
			return v, nil
		}
		vr.Recorder.Verified(rec, v.Outcome, req.Tags, Charged{}, now)
		if err := vr.look(ctx, &v, req); err != nil {
			return v, err
		}
		return v, vr.purge(ctx, &v)
	}
	if req.Mode == Inspection {
		return v, nil
	}

	// 3. Limits, credits and budget: all or nothing.
	if err := vr.take(ctx, &v, req); err == errGone {
		return vr.Verify(ctx, by, req) // a record that is read now tells of it
	} else if err != nil {
		return v, err
	}
	if v.Outcome != Valid {
		v.Leases = nil
	}

	// 4. Count.
	vr.Recorder.Verified(rec, v.Outcome, req.Tags, v.Took, now)
	return v, vr.purge(ctx, &v)
}

// purge deletes a key that was found past its use, where its keyspace says so.
func (vr *Verifier) purge(ctx context.Context, v *Verification) error {
	if p := &v.Record.Keyspace.Policy.Purge; vr.Purge == nil || v.Outcome == Valid || !p.Expired && !p.UsedUp {
		return nil
	}
	if !v.Record.Keyspace.Policy.Purge.due(v.Record.expired(v.At), v.Credits) {
		return nil
	}
	return vr.Purge(ctx, v.Record)
}

// due reports whether the policy lets a key go: it has expired, or has no
// credits left and none that come back.
func (p PurgePolicy) due(expired bool, c *Credits) bool {
	return p.Expired && expired || p.UsedUp && c != nil && c.Remaining == 0 && c.Refill == nil
}

// visible reports whether the actor may learn that the key is there.
func (vr *Verifier) visible(by *Actor, rec *Record) bool {
	switch by.Kind {
	case Public:
		return rec.Keyspace.Policy.VerifyWithoutRootKey
	case Holder:
		return by.Record != nil && by.Record.ID() == rec.ID()
	}
	return rec.Workspace.ID == by.WorkspaceID && by.May(ResKeys, rec.Keyspace.ID, "verify")
}

// check runs the checks that take nothing.
func (vr *Verifier) check(rec *Record, req *VerifyRequest, now time.Time) Outcome {
	if rec.openAt(now) && req.Keyspace == "" && req.Query.IsZero() {
		return Valid // what follows would find the same; this reads less of the record
	}
	switch {
	case !rec.Live:
		return WorkspaceDisabled
	case rec.Owner != nil && !rec.Owner.Enabled:
		return OwnerDisabled
	case !rec.Enabled:
		return Disabled
	case req.Keyspace != "" && req.Keyspace != rec.Keyspace.ID && req.Keyspace != rec.Keyspace.Slug:
		return WrongKeyspace
	case rec.expired(now):
		return Expired
	case !allowsAddr(rec.AllowedIPs, req.Addr):
		return AddressRefused
	case !req.Query.IsZero() && !req.Query.Allows(rec.Permissions, rec.Keyspace.Policy.PermissionWildcards):
		return InsufficientPermissions
	}
	return Valid
}

// take takes from limits, credits and budget what the call asks for, or
// nothing.
func (vr *Verifier) take(ctx context.Context, v *Verification, req *VerifyRequest) error {
	spends, err := v.Record.spendsFor(req)
	if err != nil {
		return err
	}
	if v.Record.leasing {
		spends, v.Leases = v.Record.lease(spends, req.LeaseTTL, v.At)
	}
	if v.Record.charged() || req.SpendMicros > 0 || req.Reserve != nil {
		return vr.takeAll(ctx, v, req, spends)
	}
	if len(spends) == 0 {
		return nil
	}
	var ok bool
	if v.Limits, ok, err = vr.Limiter.Take(ctx, spends, req.Buf[:0], v.At); err != nil {
		return inlineFull(err)
	}
	if !ok {
		v.Outcome = RateLimited
	}
	return nil
}

// errGone says that credits, a budget, or the whole key, have gone since the
// record was read. What is not there must not be had for nothing.
var errGone = errors.New("what the record tells of is gone")

// takeAll takes from limits and account at one moment: the limits are taken
// when the account agrees, and before anybody else can use it. Where the account
// does not, the limits are asked all the same, as their refusal goes first.
func (vr *Verifier) takeAll(ctx context.Context, v *Verification, req *VerifyRequest, spends []ratelimit.Spend) error {
	// What the functions below use is theirs alone: v and req must not escape, or
	// every verification would pay for it.
	at, decisions, counted := v.At, req.Buf[:0], false
	give := func() error {
		if !counted {
			return nil
		}
		counted = false
		return vr.Limiter.Give(context.WithoutCancel(ctx), spends, at, at)
	}
	limits := func(take bool) (ok bool, err error) {
		if len(spends) == 0 {
			return true, nil
		}
		if err := give(); err != nil { // of an attempt before
			return false, err
		}
		if !take {
			decisions, ok, err = vr.Limiter.Look(ctx, spends, decisions[:0], at)
			return ok, inlineFull(err)
		}
		decisions, ok, err = vr.Limiter.Take(ctx, spends, decisions[:0], at)
		counted = ok && err == nil
		return ok, inlineFull(err)
	}
	c := Charge{
		Credits: 1, Clamp: req.Clamp, Micros: req.SpendMicros,
		Metered: v.Record.metered, Bounded: v.Record.bounded,
	}
	if req.Cost != nil {
		c.Credits = max(*req.Cost, 0)
	}
	if req.Reserve != nil {
		c.Hold = reserve(*req.Reserve, req.ReserveTTL, at)
	}
	account, took, outcome, err := vr.Ledger.Use(ctx, v.Record.AccountID(), c, limits, at)
	if err != nil {
		return cmp.Or(give(), err)
	}
	if outcome == KeyNotFound {
		return cmp.Or(give(), errGone)
	}
	v.Outcome, v.Took, v.Account, v.Limits = outcome, took, account, decisions
	if outcome == CreditsExhausted || outcome == BudgetExhausted {
		return vr.lookLimits(ctx, v, spends)
	}
	if outcome == Valid {
		v.Reservation = c.Hold
	}
	return nil
}

// look fills in the live figures of a call that was refused before it could
// take anything.
func (vr *Verifier) look(ctx context.Context, v *Verification, req *VerifyRequest) error {
	if len(v.Record.spends) > 0 {
		v.Limits = req.Buf[:0]
		if err := vr.lookLimits(ctx, v, v.Record.spends); err != nil {
			return err
		}
	}
	return vr.lookAccount(ctx, v)
}

func (vr *Verifier) lookLimits(ctx context.Context, v *Verification, spends []ratelimit.Spend) (err error) {
	if len(spends) == 0 {
		return nil
	}
	free := slices.Clone(spends)
	for i := range free {
		free[i].Cost, free[i].Lease = 0, nil
	}
	v.Limits, _, err = vr.Limiter.Take(ctx, free, v.Limits[:0], v.At)
	return err
}

func (vr *Verifier) lookAccount(ctx context.Context, v *Verification) (err error) {
	if !v.Record.charged() {
		return nil
	}
	v.Account, err = vr.Ledger.Account(ctx, v.Record.AccountID(), v.At)
	return err
}

// Figures returns the live limits and credits of a key without taking
// anything.
func (vr *Verifier) Figures(ctx context.Context, rec *Record) (Verification, error) {
	v := Verification{Record: rec, At: vr.Clock()}
	return v, vr.look(ctx, &v, &VerifyRequest{})
}
