package keys_test

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"latchkey/internal/keys"
	"latchkey/internal/ratelimit"
	"latchkey/internal/span"
	"latchkey/internal/token"
)

// A policyMember is a member of a keyspace's policy, and what it changes.
type policyMember struct {
	path string // from the policy, with points
	set  func(*keys.Policy)

	// see tells what somebody sees in a keyspace, which is without under the
	// default policy and with where the member alone is set.
	see           func(h *home) string
	without, with string

	// waits says what a member waits for that nothing looks at yet.
	waits string
}

// policyMembers has every member of a policy.
var policyMembers = []policyMember{
	{"Secret.Prefix", func(p *keys.Policy) { p.Secret.Prefix = "pk" }, func(h *home) string {
		prefix, _, _ := strings.Cut(h.mint(), "_")
		return prefix
	}, "lk", "pk", ""},
	{"Secret.Format", func(p *keys.Policy) { p.Secret.Format = token.Hex }, func(h *home) string {
		return yes(strings.Trim(strings.TrimPrefix(h.mint(), "lk"), "0123456789abcdef") == "")
	}, "no", "yes", ""},
	{"Secret.Length", func(p *keys.Policy) { p.Secret.Length = 40 }, func(h *home) string { return itoa(len(h.mint())) }, "39", "49", ""},
	{"Hint.Store", func(p *keys.Policy) { p.Hint.Store = false }, func(h *home) string {
		k, _ := h.create(keys.KeySettings{})
		return yes(k.Newest().Start+k.Newest().End != "")
	}, "yes", "no", ""},
	{"Hint.Length", func(p *keys.Policy) { p.Hint.Length = 6 }, func(h *home) string {
		k, _ := h.create(keys.KeySettings{})
		return itoa(len(k.Newest().Start) - len("lk_"))
	}, "4", "6", ""},

	{"Environments", func(p *keys.Policy) { p.Environments = []string{"live", "test"} }, func(h *home) string {
		k, _ := h.create(keys.KeySettings{})
		return k.Environment + ", any " + h.may(keys.KeySettings{Environment: keys.Some("staging")})
	}, ", any yes", "live, any no", ""},
	{"Name.Required", func(p *keys.Policy) { p.Name.Required = true }, making(keys.KeySettings{}), "yes", "no", ""},
	{"Name.Min", func(p *keys.Policy) { p.Name.Min = 3 }, making(keys.KeySettings{Name: keys.Some(ptr("ab"))}), "yes", "no", ""},
	{"Name.Max", func(p *keys.Policy) { p.Name.Max = 3 }, making(keys.KeySettings{Name: keys.Some(ptr("abcd"))}), "yes", "no", ""},
	{"Meta.Allowed", func(p *keys.Policy) { p.Meta.Allowed = false }, making(keys.KeySettings{Meta: keys.Some(`{"a":1}`)}), "yes", "no", ""},
	{"Meta.MaxBytes", func(p *keys.Policy) { p.Meta.MaxBytes = 6 }, making(keys.KeySettings{Meta: keys.Some(`{"a":1}`)}), "yes", "no", ""},
	{"Owner", func(p *keys.Policy) { p.Owner = keys.UserIdentity }, making(keys.KeySettings{Owner: owner("customer")}), "yes", "no", ""},

	{"Expiry.Required", func(p *keys.Policy) { p.Expiry.Required = true }, making(keys.KeySettings{}), "yes", "no", ""},
	{"Expiry.Custom", func(p *keys.Policy) { p.Expiry.Custom = false }, expiring(2 * time.Hour), "yes", "no", ""},
	{"Expiry.Min", func(p *keys.Policy) { p.Expiry.Min = span.Of(3 * time.Hour) }, expiring(2 * time.Hour), "yes", "no", ""},
	{"Expiry.Max", func(p *keys.Policy) { p.Expiry.Max = span.Of(time.Hour) }, expiring(2 * time.Hour), "yes", "no", ""},
	{"Expiry.Default", func(p *keys.Policy) { p.Expiry.Default = span.Of(time.Hour) }, func(h *home) string {
		_, secret := h.create(keys.KeySettings{})
		before := h.outcome(secret)
		h.pass(time.Hour)
		return fmt.Sprint(before, ", ", h.outcome(secret))
	}, "valid, valid", "valid, expired", ""},

	{"Limits", func(p *keys.Policy) { p.Limits = []ratelimit.Limit{limit("requests", 1)} }, twice, "valid, valid", "valid, rate_limited", ""},
	{"Credits", func(p *keys.Policy) { p.Credits = &keys.Credits{Remaining: 1} }, twice, "valid, valid", "valid, credits_exhausted", ""},
	{"Permissions", func(p *keys.Policy) { p.Permissions = []string{"docs.read"} }, reading(keys.KeySettings{}), "insufficient_permissions", "valid", ""},
	{"PermissionWildcards", func(p *keys.Policy) { p.PermissionWildcards = false },
		reading(keys.KeySettings{Permissions: keys.Some([]string{"docs.*"})}), "valid", "insufficient_permissions", ""},
	{"Grantable", func(p *keys.Policy) { p.Grantable = []string{"docs.read"} }, func(h *home) string {
		session := h.root
		session.Kind = keys.User
		return h.mayBy(session, keys.KeySettings{Permissions: keys.Some([]string{"docs.read"})})
	}, "no", "yes", ""},

	{"Purge.Expired", func(p *keys.Policy) { p.Purge.Expired = true }, func(h *home) string {
		k, secret := h.create(keys.KeySettings{ExpiresAt: keys.Some(h.clock().Add(time.Hour))})
		h.pass(time.Hour)
		return h.staysAfter(k, secret)
	}, "yes", "no", ""},
	{"Purge.UsedUp", func(p *keys.Policy) { p.Purge.UsedUp = true }, func(h *home) string {
		return h.staysAfter(h.create(keys.KeySettings{Credits: credits(0)}))
	}, "yes", "no", ""},
	{"Recoverable", func(p *keys.Policy) { p.Recoverable = true }, func(h *home) string {
		k, secret := h.create(keys.KeySettings{})
		again, err := h.manager.Reveal(h.Context(), h.root, k.ID)
		return yes(err == nil && again.Equal(secret))
	}, "no", "yes", ""},
	{"SelfList", func(p *keys.Policy) { p.SelfList = false }, func(h *home) string {
		_, secret := h.create(keys.KeySettings{})
		by, err := h.verifier.Holder(h.Context(), secret, keys.Origin{})
		h.ok(err)
		_, _, err = h.manager.OwnKeys(h.Context(), by, keys.KeyFilter{Limit: 1})
		return yes(err == nil)
	}, "yes", "no", ""},
	{"VerifyWithoutRootKey", func(p *keys.Policy) { p.VerifyWithoutRootKey = true }, func(h *home) string {
		_, secret := h.create(keys.KeySettings{})
		v, err := h.verifier.Verify(h.Context(), &keys.Actor{Kind: keys.Public}, &keys.VerifyRequest{Secret: secret})
		h.ok(err)
		return v.Outcome.String()
	}, "not_found", "valid", ""},

	{path: "Session.Enabled", waits: "a dialect that takes a key for its owner's session"},
	{path: "Session.Headers", waits: "a dialect that takes a key for its owner's session"},
	{path: "LimiterDown", waits: "a limiter that nodes share: the one in this process is always reached"},
}

func yes(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

// mint makes a key and returns its secret as text.
func (h *home) mint() string {
	h.Helper()
	_, secret := h.create(keys.KeySettings{})
	return secret.Reveal()
}

// may tells whether a key can be made with settings.
func (h *home) may(s keys.KeySettings) string { h.Helper(); return h.mayBy(h.root, s) }

func (h *home) mayBy(by keys.Actor, s keys.KeySettings) string {
	h.Helper()
	_, _, err := h.manager.CreateKey(h.Context(), by, keys.NewKey{KeySettings: s})
	if err != nil && !keys.Is(err, keys.Invalid) && !keys.Is(err, keys.Forbidden) {
		h.Fatal(err)
	}
	return yes(err == nil)
}

// making sees whether a key can be made with settings.
func making(s keys.KeySettings) func(*home) string {
	return func(h *home) string { return h.may(s) }
}

// expiring sees whether a key can be made that lives for so long.
func expiring(life time.Duration) func(*home) string {
	return func(h *home) string { return h.may(keys.KeySettings{ExpiresAt: keys.Some(h.clock().Add(life))}) }
}

// twice sees how two uses of a key go of which its maker says nothing.
func twice(h *home) string {
	_, secret := h.create(keys.KeySettings{})
	return fmt.Sprint(h.outcome(secret), ", ", h.outcome(secret))
}

// reading sees how a use goes that needs the permission docs.read.
func reading(s keys.KeySettings) func(*home) string {
	return func(h *home) string {
		_, secret := h.create(s)
		return h.verify(keys.VerifyRequest{Secret: secret, Query: query(h, "docs.read")}).Outcome.String()
	}
}

// staysAfter tells whether a key is there after a verification.
func (h *home) staysAfter(k keys.Key, secret token.Secret) string {
	h.Helper()
	if h.outcome(secret) == keys.Valid {
		h.Error("the key is good")
	}
	_, err := h.manager.Key(h.Context(), h.root, k.ID)
	return yes(!keys.Is(err, keys.NotFound))
}

// TestPolicyInForce sees what every member of a policy changes.
func TestPolicyInForce(t *testing.T) {
	for _, m := range policyMembers {
		if m.waits != "" {
			continue
		}
		t.Run(m.path, func(t *testing.T) {
			h := newHome(t)
			h.verifier.Purge = h.manager.Purge
			if got := m.see(h); got != m.without {
				t.Errorf("under the default policy: %q, want %q", got, m.without)
			}
			h.policy(m.set)
			if got := m.see(h); got != m.with {
				t.Errorf("with it set: %q, want %q", got, m.with)
			}
		})
	}
}

// TestPolicyMembersAreWhole finds members of a policy that nothing sees, and
// members that do not change what they are named for, or more.
func TestPolicyMembersAreWhole(t *testing.T) {
	def := keys.DefaultPolicy()
	members := leaves("", reflect.ValueOf(def))
	known := map[string]bool{}
	for _, m := range policyMembers {
		if known[m.path] {
			t.Errorf("%s is there twice", m.path)
		}
		known[m.path] = true
		if _, ok := members[m.path]; !ok {
			t.Errorf("a policy has no member %s", m.path)
		}
		if (m.waits == "") != (m.see != nil) || m.waits == "" && m.without == m.with {
			t.Errorf("%s is neither seen nor waits", m.path)
			continue
		}
		if m.waits != "" {
			continue
		}
		p := keys.DefaultPolicy()
		m.set(&p)
		for path, value := range leaves("", reflect.ValueOf(p)) {
			if changed := !reflect.DeepEqual(value, members[path]); changed != (path == m.path) {
				t.Errorf("%s is set, and %s is changed: %t", m.path, path, changed)
			}
		}
	}
	for path := range members {
		if !known[path] {
			t.Errorf("nothing sees what %s changes: say it in policyMembers", path)
		}
	}
}

// leaves returns the members of a struct and of the structs in it, by path. A
// span is one.
func leaves(at string, v reflect.Value) map[string]any {
	out := map[string]any{}
	for f, member := range v.Fields() {
		path := strings.TrimPrefix(at+"."+f.Name, ".")
		if f.Type.Kind() != reflect.Struct || f.Type == reflect.TypeFor[span.Span]() {
			out[path] = member.Interface()
			continue
		}
		for p, value := range leaves(path, member) {
			out[p] = value
		}
	}
	return out
}
