package keys

import (
	"net/netip"
	"slices"
	"time"

	"latchkey/internal/ratelimit"
	"latchkey/internal/span"
)

// Maybe holds a value that was given, or nothing.
type Maybe[T any] struct {
	Set   bool
	Value T
}

// Some returns a value that was given.
func Some[T any](v T) Maybe[T] { return Maybe[T]{Set: true, Value: v} }

// KeySettings are the settings of a key, each given or not. What is not given
// takes the keyspace's default on create, and stays as it was on update.
type KeySettings struct {
	Name        Maybe[*string] // nil: none
	Environment Maybe[string]
	Enabled     Maybe[bool]
	ExpiresAt   Maybe[time.Time] // zero: never
	Owner       Maybe[Owner]
	Meta        Maybe[string]
	Permissions Maybe[[]string]
	Roles       Maybe[[]string]
	AllowedIPs  Maybe[[]netip.Prefix]
	Limits      Maybe[[]ratelimit.Limit]
	Credits     Maybe[*CreditSettings] // nil: unmetered
	Budget      Maybe[*BudgetSettings] // nil: none
	Extra       Extra                  // documents to set; "" deletes one

	// MergeMeta makes of the present metadata and Meta what is to be kept; nil
	// keeps Meta itself.
	MergeMeta func(present, meta string) string

	// MergeLimits does the same with the present limits and Limits.
	MergeLimits func(present, limits []ratelimit.Limit) []ratelimit.Limit

	// Complete is called by an update with the key as it is, before all else, and
	// settles what depends on that; nil where nothing does.
	Complete func(present *Key, s *KeySettings)

	// Present is called by an update with the key as it is, and adds what the
	// request says of it that is not so; nil where it says nothing.
	Present func(*Key, *Faults) error

	// Make lets the roles that are named and not there be made with the key. Who
	// may not make roles is then refused new permissions too, which come into
	// being with the keys that name them otherwise.
	Make bool

	// Faults are what is wrong already with the request. They are told with
	// all the rest.
	Faults Faults
}

// CreditSettings are the settings of credits, each given or not.
type CreditSettings struct {
	Remaining Maybe[int64]           // needed where the key has no credits yet
	Refill    Maybe[*RefillSettings] // nil: none
}

// RefillSettings are the settings of a refill, each given or not. Amount and
// Every are needed where there is none yet.
type RefillSettings struct {
	Amount Maybe[int64]
	Every  Maybe[Rhythm]
	Day    Maybe[int] // 0 stands for the first, where there is a day
	Mode   Maybe[RefillMode]
}

// A Rhythm is when a refill comes: [EverySpan] goes with a span.
type Rhythm struct {
	Every Every
	Span  span.Span
}

// defaults sets what the keyspace gives where the creator says nothing.
func (p *Policy) defaults(s *KeySettings, now time.Time) {
	if !s.Environment.Set && len(p.Environments) > 0 {
		s.Environment = Some(p.Environments[0])
	}
	if !s.ExpiresAt.Set && !p.Expiry.Default.IsZero() {
		s.ExpiresAt = Some(now.Add(p.Expiry.Default.Duration()))
	}
	if !s.Permissions.Set {
		s.Permissions = Some(slices.Clone(p.Permissions))
	}
	if !s.Limits.Set {
		s.Limits = Some(slices.Clone(p.Limits))
	}
	if !s.Credits.Set && p.Credits != nil {
		s.Credits = Some(&CreditSettings{Remaining: Some(p.Credits.Remaining), Refill: Some(p.Credits.Refill.settings())})
	}
	if !s.Enabled.Set {
		s.Enabled = Some(true)
	}
}

// changes leaves out what a key has already: what is sent back as it is was
// allowed once, whatever the keyspace asks for today.
func (s *KeySettings) changes(k *Key) {
	if s.Meta.Set && s.MergeMeta != nil {
		s.Meta.Value = s.MergeMeta(k.Meta, s.Meta.Value)
	}
	if s.Limits.Set && s.MergeLimits != nil {
		s.Limits.Value = s.MergeLimits(k.Limits, s.Limits.Value)
	}
	if n := s.Name.Value; n == nil && k.Name == "" || n != nil && *n == k.Name && k.Name != "" {
		s.Name.Set = false
	}
	s.Environment.Set = s.Environment.Set && s.Environment.Value != k.Environment
	s.ExpiresAt.Set = s.ExpiresAt.Set && !s.ExpiresAt.Value.Equal(k.ExpiresAt)
	s.Owner.Set = s.Owner.Set && !s.Owner.Value.names(k.Owner)
	s.Meta.Set = s.Meta.Set && s.Meta.Value != k.Meta
}

// check reports what of the settings the keyspace does not allow. chosen says
// that the expiry is the caller's and not the default.
func (p *Policy) check(s *KeySettings, chosen, creating bool, now time.Time, faults *Faults) {
	if s.Name.Set || creating {
		p.Name.check(s.Name.Value, faults)
	}
	if s.Environment.Set || creating {
		p.checkEnvironment(s.Environment.Value, faults)
	}
	if s.ExpiresAt.Set || creating {
		p.Expiry.check(s.ExpiresAt.Value, chosen, creating, now, faults)
	}
	if m := s.Meta.Value; s.Meta.Set && m != "" {
		switch {
		case !p.Meta.Allowed && m != "{}":
			faults.Add("meta", "the keyspace allows no metadata")
		case len(m) > p.Meta.MaxBytes:
			faults.Add("meta", "must be at most %d bytes of JSON", p.Meta.MaxBytes)
		}
	}
	if o := s.Owner.Value; o.ID == "" && o.ExternalID != "" && !ValidExternalID(o.ExternalID) {
		faults.Add("external_id", "must be 1 to %d characters and not begin with idn_", MaxText)
	}
	validatePermissions("permissions", s.Permissions.Value, faults)
	if len(s.Roles.Value) > MaxRoles {
		faults.Add("roles", "must be at most %d roles", MaxRoles)
	} else if s.Make {
		checkNewRoles("roles", s.Roles.Value, faults)
	}
	if len(s.AllowedIPs.Value) > MaxAllowedIPs {
		faults.Add("allowed_ips", "must be at most %d addresses or ranges", MaxAllowedIPs)
	}
	validateLimits("limits", s.Limits.Value, faults)
	for dialect, doc := range s.Extra {
		if len(doc) > MaxExtra {
			faults.Add("extra/"+dialect, "must be at most %d bytes", MaxExtra)
		}
	}
}

func (p NamePolicy) check(name *string, faults *Faults) {
	if name == nil {
		if p.Required {
			faults.Add("name", "is required by the keyspace")
		}
		return
	}
	if n := len([]rune(*name)); n < p.Min || n > p.Max {
		faults.Add("name", "must be %d to %d characters", p.Min, p.Max)
	}
}

func (p *Policy) checkEnvironment(env string, faults *Faults) {
	switch {
	case len([]rune(env)) > MaxText:
		faults.Add("environment", "must be at most %d characters", MaxText)
	case p.Environments != nil && !slices.Contains(p.Environments, env):
		faults.Add("environment", "must be one of %q", p.Environments)
	}
}

func (p ExpiryPolicy) check(at time.Time, chosen, creating bool, now time.Time, faults *Faults) {
	if chosen && !p.Custom {
		faults.Add("expires_at", "the keyspace does not let callers choose it")
		return
	}
	if at.IsZero() {
		if p.Required {
			faults.Add("expires_at", "is required by the keyspace")
		}
		return
	}
	life := at.Sub(now)
	switch {
	case creating && life <= 0:
		faults.Add("expires_at", "is in the past")
	case life > 0 && life < p.Min.Duration():
		faults.Add("expires_at", "must be %s from now at least", p.Min)
	case !p.Max.IsZero() && life > p.Max.Duration():
		faults.Add("expires_at", "must be %s from now at most", p.Max)
	}
}

// apply sets on k what is given.
func (s *KeySettings) apply(k *Key, now time.Time, faults *Faults) {
	if s.Name.Set {
		k.Name = ""
		if s.Name.Value != nil {
			k.Name = *s.Name.Value
		}
	}
	set(&k.Environment, s.Environment)
	set(&k.Enabled, s.Enabled)
	set(&k.ExpiresAt, s.ExpiresAt)
	set(&k.Owner, s.Owner)
	set(&k.Meta, s.Meta)
	if s.Permissions.Set {
		k.Permissions = eachOnce(s.Permissions.Value)
	}
	if s.Roles.Set {
		k.Roles = eachOnce(s.Roles.Value)
	}
	k.MakeRoles = s.Make
	set(&k.AllowedIPs, s.AllowedIPs)
	set(&k.Limits, s.Limits)
	if s.Credits.Set {
		k.Credits = s.Credits.Value.Merge(k.Credits, now, faults)
	}
	if s.Budget.Set {
		k.Money = s.Budget.Value.Merge(k.Money, faults)
	}
	for dialect, doc := range s.Extra {
		k.Extra = k.Extra.with(dialect, doc)
	}
}

func set[T any](to *T, m Maybe[T]) {
	if m.Set {
		*to = m.Value
	}
}

// with returns a copy of e in which one dialect's document is another one.
func (e Extra) with(dialect, doc string) Extra {
	out := Extra{}
	for d, s := range e {
		out[d] = s
	}
	if doc == "" {
		delete(out, dialect)
	} else {
		out[dialect] = doc
	}
	return out
}

// Merge returns the credits that the settings make of those that were; nil
// stands for none.
func (s *CreditSettings) Merge(c *Credits, now time.Time, faults *Faults) *Credits {
	if s == nil {
		return nil
	}
	var out Credits
	switch {
	case c != nil:
		out = c.At(now)
	case !s.Remaining.Set:
		faults.Add("credits/remaining", "is required")
		return nil
	default:
		out.RefilledAt = now
	}
	if s.Remaining.Set {
		out.Remaining = s.Remaining.Value
	}
	var own, more Faults
	if s.Refill.Set {
		if r := s.Refill.Value.apply(out.Refill, &own); !r.equal(out.Refill) {
			out.Refill, out.RefilledAt = r, now
		}
	}
	out.validate("credits", &more)
	own.Merge(more)
	*faults = append(*faults, own...)
	if c != nil && out == c.At(now) {
		return c // a refill that was due meanwhile is no change of settings
	}
	return &out
}

// apply returns the refill that the settings make of the one that was.
func (s *RefillSettings) apply(r *Refill, faults *Faults) *Refill {
	if s == nil {
		return nil
	}
	out := Refill{Mode: RefillSet}
	if r != nil {
		out = *r
	}
	if r == nil && !s.Amount.Set {
		faults.Add("credits/refill/amount", "is required")
	}
	if r == nil && !s.Every.Set {
		faults.Add("credits/refill/every", "is required")
	}
	set(&out.Amount, s.Amount)
	set(&out.Mode, s.Mode)
	if s.Every.Set {
		out.Every, out.Span = s.Every.Value.Every, s.Every.Value.Span
	}
	switch {
	case s.Day.Set && s.Day.Value != 0:
		out.Day = s.Day.Value
	case out.Every == Monthly && (s.Day.Set || out.Day == 0):
		out.Day = 1
	case out.Every != Monthly:
		out.Day = 0
	}
	return &out
}

// settings returns settings that make the same refill again.
func (r *Refill) settings() *RefillSettings {
	if r == nil {
		return nil
	}
	s := &RefillSettings{Amount: Some(r.Amount), Every: Some(Rhythm{r.Every, r.Span}), Mode: Some(r.Mode)}
	if r.Day != 0 {
		s.Day = Some(r.Day)
	}
	return s
}

func (r *Refill) equal(o *Refill) bool {
	if r == nil || o == nil {
		return r == o
	}
	return *r == *o
}

// eachOnce returns names in their order, each once.
func eachOnce(names []string) []string {
	var out []string
	there := make(map[string]bool, len(names))
	for _, n := range names {
		if !there[n] {
			there[n] = true
			out = append(out, n)
		}
	}
	return out
}
