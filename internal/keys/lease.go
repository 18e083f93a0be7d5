package keys

import (
	"context"
	"errors"
	"slices"
	"time"

	"latchkey/internal/ratelimit"
	"latchkey/internal/token"
)

// How long a use may hold its place under a concurrency limit.
const (
	MinLease     = time.Second
	MaxLease     = ratelimit.MaxLease
	DefaultLease = time.Minute
)

// MaxInline is how many limits that requests bring may count for one key at
// once. One more is refused: to forget another would let its user pass.
const MaxInline = 50

// inlineFull says so in the caller's words.
func inlineFull(err error) error {
	if errors.Is(err, ratelimit.ErrFull) {
		return &Error{Code: Conflict, Err: err, Message: "the key has " + itoa(MaxInline) +
			" limits of requests' own that still count, which is the most; name fewer, or wait until the window of one has passed"}
	}
	return err
}

// lease returns spends that take a place for as long as ttl says under each
// concurrency limit that holds, and the leases that they then hold.
func (r *Record) lease(spends []ratelimit.Spend, ttl time.Duration, now time.Time) ([]ratelimit.Spend, []ratelimit.Lease) {
	if ttl == 0 {
		ttl = DefaultLease
	}
	// To the millisecond, as it is shown, and no shorter than was asked for.
	until := now.Add(ttl + time.Millisecond - 1).UTC().Truncate(time.Millisecond)
	spends = slices.Clone(spends)
	leases := make([]ratelimit.Lease, 0, len(spends)) // never moved: spends point into it
	for i := range spends {
		sp := &spends[i]
		if !sp.Limit.Concurrent || sp.Cost == 0 {
			continue
		}
		leases = append(leases, ratelimit.Lease{
			ID: token.NewID("lease"), Counter: sp.Counter, Scope: r.Keyspace.ID, ExpiresAt: until,
		})
		sp.Lease = &leases[len(leases)-1]
	}
	return spends, leases
}

// Release ends a lease early. Whoever may verify keys of the keyspace whose key
// took it may do so.
func (vr *Verifier) Release(ctx context.Context, by *Actor, id string) error {
	if err := by.Need(ResKeys, "", "verify"); err != nil {
		return err
	}
	now := vr.Clock()
	lease, ok, err := vr.Limiter.Lease(ctx, id, now)
	if err != nil {
		return err
	}
	if !ok || lease.Counter.Workspace != by.WorkspaceID {
		return errNoLease
	}
	if err := by.Need(ResKeys, lease.Scope, "verify"); err != nil {
		return err
	}
	ok, err = vr.Limiter.Release(ctx, id, now)
	if err == nil && !ok {
		err = errNoLease
	}
	return err
}

var errNoLease = Errorf(NotFound, "no such lease; it was released, or has expired")
