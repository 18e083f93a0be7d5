package keys

import (
	"net/netip"
	"slices"
	"time"
	"unicode/utf8"

	"latchkey/internal/permission"
	"latchkey/internal/ratelimit"
	"latchkey/internal/span"
	"latchkey/internal/token"
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
