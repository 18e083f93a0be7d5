package keys

import (
	"cmp"
	"context"
	"errors"
	"net/netip"
	"slices"
	"time"
	"unicode/utf8"

	"latchkey/internal/permission"
	"latchkey/internal/ratelimit"
	"latchkey/internal/span"
	"latchkey/internal/token"
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

// A VerifyRequest asks whether a secret is good.
type VerifyRequest struct {
	Secret   token.Secret
	Mode     Mode
	Keyspace string           // id or slug that the key must belong to; "": any
	Query    permission.Query // what the key must be allowed to do
	Cost     *int64           // credits to take; nil: 1
	Limits   []LimitRequest
	Addr     netip.Addr // the end user's address
	Tags     []string   // for usage alone

	// LeaseTTL is how long the call holds its place under concurrency limits;
	// 0: DefaultLease.
	LeaseTTL time.Duration

	// SpendMicros is taken from the budget, and counts as spent where there is
	// none.
	SpendMicros int64

	// Reserve is set aside from the budget for ReserveTTL; nil: nothing. It does
	// not go with SpendMicros.
	Reserve    *int64
	ReserveTTL time.Duration

	// Clamp lets a call whose cost is above the balance take what is left;
	// only where nothing is left is it refused.
	Clamp bool

	// Buf is reused for the answer's limits; nil makes a new slice.
	Buf []ratelimit.Decision
}

// A LimitRequest names a limit of the key beyond those that apply by
// themselves, or sets the cost of any; with Max and Window it is a limit of
// the request's own, counted by key and name.
type LimitRequest struct {
	Name      string
	Cost      int64
	Max       int64
	Window    span.Span
	Algorithm ratelimit.Algorithm
	IfAny     bool // it is no fault that the key has none of this name
}

// Inline reports whether the request brings the limit itself.
func (l LimitRequest) Inline() bool { return l.Max != 0 || !l.Window.IsZero() }

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

// spendsFor returns what a request takes from which limits: those that apply
// by themselves, and those that it names.
func (r *Record) spendsFor(req *VerifyRequest) ([]ratelimit.Spend, error) {
	if len(req.Limits) == 0 {
		return r.spends, nil
	}
	spends := slices.Clone(r.spends)
	var faults Faults
	for i, l := range req.Limits {
		j := slices.IndexFunc(spends, func(s ratelimit.Spend) bool { return s.Limit.Name == l.Name })
		switch {
		case l.Inline():
			s := ratelimit.Spend{Cost: l.Cost, Limit: l.limit(), Most: MaxInline, Counter: ratelimit.Counter{
				Workspace: r.Workspace.ID, Name: l.Name, Owner: inlineOwner + r.ID(), Window: l.Window.Duration(),
			}}
			if j >= 0 {
				spends[j] = s // the request's own limit takes the place of one by that name
			} else {
				spends = append(spends, s)
			}
		case j >= 0 && spends[j].Limit.Concurrent && l.Cost > 1:
			faults.Add("limits/"+itoa(i)+"/cost", "must be 0 or 1: a use holds one place")
		case j >= 0:
			spends[j].Cost = l.Cost
		case l.IfAny:
		default:
			faults.Add("limits/"+itoa(i)+"/name", "the key has no limit of this name; give max and window to bring one")
		}
	}
	return spends, faults.Err()
}

// inlineOwner keeps the counters of limits that requests bring apart from
// those of the key's own.
const inlineOwner = "inline:"

func (l LimitRequest) limit() ratelimit.Limit {
	return ratelimit.Limit{Name: l.Name, Max: l.Max, Window: l.Window, Algorithm: l.Algorithm, Auto: true}
}

// Validate reports everything that is wrong with the request, whatever the
// key.
func (req *VerifyRequest) Validate() error {
	var faults Faults
	if n := req.Secret.Len(); n == 0 || n > MaxSecret && utf8.RuneCountInString(req.Secret.Reveal()) > MaxSecret {
		faults.Add("key", "must be 1 to %d characters", MaxSecret)
	}
	if req.SpendMicros < 0 || req.SpendMicros > MaxMicros {
		faults.Add("spend_micros", "must be an integer from 0 to %d", int64(MaxMicros))
	}
	if req.Reserve != nil {
		for _, f := range CheckReservation(*req.Reserve, req.ReserveTTL) {
			faults.Add("reserve/"+f.Field, "%s", f.Detail)
		}
	}
	if req.Cost != nil && (*req.Cost < 0 || *req.Cost > MaxCost) {
		faults.Add("cost", "must be an integer from 0 to %d", int64(MaxCost))
	}
	if len(req.Limits) > MaxLimits {
		faults.Add("limits", "must be at most %d limits", MaxLimits)
	}
	for i, l := range req.Limits {
		at := "limits/" + itoa(i)
		if l.Cost < 0 || l.Cost > MaxCost {
			faults.Add(at+"/cost", "must be an integer from 0 to %d", int64(MaxCost))
		}
		if l.Inline() {
			checkLimit(at, l.limit(), &faults)
		} else if l.Name == "" {
			faults.Add(at+"/name", "is required")
		}
		if l.Name != "" && slices.ContainsFunc(req.Limits[:i], func(o LimitRequest) bool { return o.Name == l.Name }) {
			faults.Add(at+"/name", "another one has this name")
		}
	}
	if t := req.LeaseTTL; t != 0 && (t < MinLease || t > MaxLease) {
		faults.Add("lease_ttl", "must be from 1s to 1h")
	}
	if len(req.Tags) > MaxTags {
		faults.Add("tags", "must be at most %d tags", MaxTags)
	}
	for i, t := range req.Tags {
		if n := utf8.RuneCountInString(t); n < 1 || n > 128 {
			faults.Add("tags/"+itoa(i), "must be 1 to 128 characters")
		}
	}
	return faults.Err()
}

// Bounds of one call.
const (
	MaxCost   = 1_000_000_000_000
	MaxSecret = 512 // characters of what is presented
	MaxTags   = 20
)
