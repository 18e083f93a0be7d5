package keys

import (
	"net/netip"
	"slices"
	"strconv"
	"time"

	"latchkey/internal/ratelimit"
	"latchkey/internal/token"
)

// An Event is one line of the audit log. It is written with the change that it
// tells of, or not at all.
type Event struct {
	ID          string
	WorkspaceID string
	At          time.Time
	Action      string // RESOURCE.create, .update, .delete; key.rotate …
	Actor       Creator
	Target      Ref
	KeyID       string // the key that it concerns; "" for none
	RequestID   string
	Addr        netip.Addr

	// Before and After hold the members that changed; Before is nil on create,
	// After on delete.
	Before, After []Member
}

// A Ref names a thing by type and id.
type Ref struct {
	Type, ID string
}

// A Member is one member of a thing as the audit log shows it. Its value is a
// string, bool, int64, []string, []Member, [][]Member or nil.
type Member struct {
	Name  string
	Value any
}

// An EventFilter selects events of one workspace, newest first.
type EventFilter struct {
	KeyID   string
	ActorID string
	Action  string
	From    time.Time // inclusive; zero: from the first
	To      time.Time // exclusive; zero: to the last
	Before  string    // ID of the last event of the page before
	Limit   int
}

// event starts an event; the store adds what changed.
func event(by Actor, action string, target Ref, now time.Time) Event {
	ev := Event{
		ID: token.NewID("evt"), WorkspaceID: by.WorkspaceID, At: now, Action: action,
		Actor: Creator{Kind: by.Kind, ID: by.ID, Name: by.Name}, Target: target,
		RequestID: by.Origin.RequestID, Addr: by.Origin.Addr,
	}
	ev.KeyID = target.keyID()
	return ev
}

// keyID returns the id of the key that r names, "" where it names another
// thing.
func (r Ref) keyID() string {
	if r.Type == "key" || r.Type == "root_key" {
		return r.ID
	}
	return ""
}

// Also returns an event for another thing that the same operation made.
func (ev Event) Also(action string, target Ref, after []Member) Event {
	ev.ID = token.NewID("evt")
	ev.Action, ev.Target, ev.Before, ev.After = action, target, nil, after
	ev.KeyID = target.keyID()
	return ev
}

// Compare sets Before and After to what differs between two views of the
// target; nil stands for a thing that is not there.
func (ev *Event) Compare(before, after []Member) {
	if before == nil || after == nil {
		ev.Before, ev.After = reveal(before), reveal(after)
		return
	}
	ev.Before, ev.After = []Member{}, []Member{}
	for _, a := range after {
		i := slices.IndexFunc(before, func(m Member) bool { return m.Name == a.Name })
		if i < 0 || !equalValue(before[i].Value, a.Value) {
			var old any
			if i >= 0 {
				old = before[i].Value
			}
			ev.Before = append(ev.Before, Member{a.Name, old})
			ev.After = append(ev.After, a)
		}
	}
	ev.Before, ev.After = reveal(ev.Before), reveal(ev.After)
}

// hiddenText is a value of which the log tells only that it changed.
type hiddenText string

func (h hiddenText) shown() any {
	if h == "" {
		return nil
	}
	return "(changed)"
}

// reveal returns members with what may be shown of those that are hidden.
func reveal(members []Member) []Member {
	out := slices.Clone(members)
	for i, m := range out {
		if h, ok := m.Value.(hiddenText); ok {
			out[i].Value = h.shown()
		}
	}
	return out
}

func equalValue(a, b any) bool {
	switch a := a.(type) {
	case []string:
		b, ok := b.([]string)
		return ok && slices.Equal(a, b)
	case []Member:
		b, ok := b.([]Member)
		return ok && slices.EqualFunc(a, b, func(x, y Member) bool { return x.Name == y.Name && equalValue(x.Value, y.Value) })
	case [][]Member:
		b, ok := b.([][]Member)
		return ok && slices.EqualFunc(a, b, func(x, y []Member) bool { return equalValue(x, y) })
	}
	switch b.(type) {
	case []string, []Member, [][]Member:
		return false
	}
	return a == b
}

// KeyMembers returns a key's settings as the audit log names them, for
// [Event.Compare].
func KeyMembers(k *Key) []Member {
	m := []Member{
		{"keyspace", k.KeyspaceID}, {"name", orNil(k.Name)}, {"environment", orNil(k.Environment)},
		{"enabled", k.Enabled}, {"identity", orNil(k.Owner.ID)}, {"meta", hiddenText(k.Meta)},
		{"permissions", list(k.Permissions)}, {"roles", list(k.Roles)}, {"allowed_ips", addresses(k.AllowedIPs)},
		{"expires_at", moment(k.ExpiresAt)}, {"limits", limitMembers(k.Limits)}, {"secrets", secretMembers(k.Secrets)},
	}
	m = append(m, Member{"budget", budgetMembers(k.Budget())})
	if k.Credits == nil {
		return append(m, Member{"credits", nil})
	}
	return append(m, Member{"credits", CreditMembers(k.Credits)})
}

// KeyMade returns the members of a key that was made or deleted, as an event
// shows them whole.
func KeyMade(k *Key) []Member { return reveal(KeyMembers(k)) }

func budgetMembers(b *Budget) any {
	if b == nil {
		return nil
	}
	return []Member{{"limit_micros", b.Limit}, {"reset", orNil(string(b.Reset))}, {"counts_byok", b.CountsBYOK}}
}

// CreditMembers returns the settings of credits as the audit log names them.
func CreditMembers(c *Credits) []Member {
	m := []Member{{"remaining", c.Remaining}}
	if r := c.Refill; r != nil {
		every := string(r.Every)
		if r.Every == EverySpan {
			every = r.Span.String()
		}
		refill := []Member{{"amount", r.Amount}, {"every", every}, {"mode", string(r.Mode)}}
		if r.Every == Monthly {
			refill = append(refill, Member{"day", int64(r.Day)})
		}
		m = append(m, Member{"refill", refill})
	}
	return m
}

// KeyspaceMembers returns a keyspace's settings as the audit log names them.
func KeyspaceMembers(ks *Keyspace) []Member {
	p := &ks.Policy
	credits := any(nil)
	if p.Credits != nil {
		credits = CreditMembers(p.Credits)
	}
	return []Member{
		{"slug", ks.Slug}, {"name", ks.Name},
		{"policy", []Member{
			{"prefix", p.Secret.Prefix},
			{"secret", []Member{{"format", string(p.Secret.Format)}, {"length", int64(p.Secret.Length)}}},
			{"hint", []Member{{"store", p.Hint.Store}, {"length", int64(p.Hint.Length)}}},
			{"environments", listOrNil(p.Environments)},
			{"name", []Member{{"required", p.Name.Required}, {"min", int64(p.Name.Min)}, {"max", int64(p.Name.Max)}}},
			{"meta", []Member{{"allowed", p.Meta.Allowed}, {"max_bytes", int64(p.Meta.MaxBytes)}}},
			{"expiry", []Member{{"required", p.Expiry.Required}, {"custom", p.Expiry.Custom},
				{"default", orNil(p.Expiry.Default.String())}, {"min", orNil(p.Expiry.Min.String())}, {"max", orNil(p.Expiry.Max.String())}}},
			{"limits", limitMembers(p.Limits)}, {"permissions", list(p.Permissions)}, {"credits", credits},
			{"grantable", listOrNil(p.Grantable)}, {"permission_wildcards", p.PermissionWildcards}, {"owner", string(p.Owner)},
			{"session", []Member{{"enabled", p.Session.Enabled}, {"headers", list(p.Session.Headers)}}},
			{"purge", []Member{{"expired", p.Purge.Expired}, {"used_up", p.Purge.UsedUp}}},
			{"limiter_down", string(p.LimiterDown)}, {"recoverable", p.Recoverable}, {"self_list", p.SelfList},
			{"verify_without_root_key", p.VerifyWithoutRootKey},
		}},
	}
}

// WorkspaceMembers returns a workspace's settings as the audit log names them.
func WorkspaceMembers(ws *Workspace) []Member {
	return []Member{{"slug", ws.Slug}, {"path", ws.Path}, {"name", ws.Name}, {"enabled", ws.Enabled}, {"prepaid_micros", ws.PrepaidMicros}}
}

// RoleMembers returns a role's settings as the audit log names them.
func RoleMembers(r *Role) []Member {
	return []Member{{"name", r.Name}, {"slug", orNil(r.Slug)}, {"description", orNil(r.Description)}, {"permissions", list(r.Permissions)}}
}

// PermissionMembers returns a permission's settings as the audit log names
// them.
func PermissionMembers(p *Permission) []Member {
	return []Member{{"name", p.Name}, {"slug", orNil(p.Slug)}, {"description", orNil(p.Description)}}
}

// IdentityMembers returns an identity's settings as the audit log names them.
func IdentityMembers(i *Identity) []Member {
	return []Member{
		{"external_id", personal(i.ExternalID)}, {"kind", string(i.Kind)}, {"enabled", i.Enabled},
		{"meta", hiddenText(i.Meta)}, {"limits", limitMembers(i.Limits)},
	}
}

// IdentityMade is to [IdentityMembers] what [KeyMade] is to [KeyMembers].
func IdentityMade(i *Identity) []Member { return reveal(IdentityMembers(i)) }

// personal hides an external id that is an e-mail address.
func personal(s string) any {
	for _, c := range s {
		if c == '@' {
			return hiddenText(s)
		}
	}
	return s
}

func limitMembers(limits []ratelimit.Limit) [][]Member {
	out := [][]Member{}
	for _, l := range limits {
		m := []Member{
			{"name", l.Name}, {"max", l.Max}, {"window", l.Window.String()},
			{"algorithm", string(l.Algorithm)}, {"auto_apply", l.Auto},
		}
		if l.Concurrent {
			m = []Member{{"name", l.Name}, {"concurrent", l.Max}}
		}
		if l.Disabled {
			m = append(m, Member{"enabled", false})
		}
		out = append(out, m)
	}
	return out
}

func secretMembers(secrets []Secret) [][]Member {
	out := [][]Member{}
	for _, s := range secrets {
		out = append(out, []Member{{"id", s.ID}, {"hint", s.Hint()}, {"expires_at", moment(s.ExpiresAt)}})
	}
	return out
}

func addresses(ps []netip.Prefix) []string {
	out := []string{}
	for _, p := range ps {
		out = append(out, p.String())
	}
	return out
}

func list(s []string) []string {
	if s == nil {
		return []string{}
	}
	return s
}

func listOrNil(s []string) any {
	if s == nil {
		return nil
	}
	return s
}

func orNil(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// TimeForm is how times are written: RFC 3339, UTC, milliseconds.
const TimeForm = "2006-01-02T15:04:05.000Z"

func moment(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UTC().Format(TimeForm)
}

func itoa(i int) string { return strconv.Itoa(i) }
