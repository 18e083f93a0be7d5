package keys_test

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"latchkey/internal/keys"
	"latchkey/internal/ratelimit"
	"latchkey/internal/span"
	"latchkey/internal/token"
)

// A policyCase is a policy, settings, and the members of which they are
// reported on create and on an update of a key that was made before the policy
// held; nil: all is well.
type policyCase struct {
	name           string
	policy         func(*keys.Policy)
	settings       keys.KeySettings
	create, update []string
}

func policyCases(now time.Time) []policyCase {
	in := func(d time.Duration) keys.Maybe[time.Time] { return keys.Some(now.Add(d)) }
	name := func(s string) keys.Maybe[*string] { return keys.Some(&s) }
	expiry := func(e keys.ExpiryPolicy) func(*keys.Policy) { return func(p *keys.Policy) { p.Expiry = e } }
	hours := func(n int64) span.Span { return span.Span{N: n, Unit: span.Hour} }
	asIs := func(*keys.Policy) {}
	expires, named := []string{"expires_at"}, []string{"name"}
	many := func(n int) []string { return slices.Repeat([]string{"x"}, n) }
	bounded := keys.ExpiryPolicy{Custom: true, Min: hours(2), Max: hours(4)}
	return []policyCase{
		{"nothing asked, nothing said", asIs, keys.KeySettings{}, nil, nil},

		{"expiry required, and none said", expiry(keys.ExpiryPolicy{Custom: true, Required: true}), keys.KeySettings{}, expires, nil},
		{"expiry required, and never said", expiry(keys.ExpiryPolicy{Custom: true, Required: true}), keys.KeySettings{ExpiresAt: keys.Some(time.Time{})}, expires, nil}, // as it is
		{"expiry required, and said", expiry(keys.ExpiryPolicy{Custom: true, Required: true}), keys.KeySettings{ExpiresAt: in(time.Hour)}, nil, nil},
		{"expiry required, and a default", expiry(keys.ExpiryPolicy{Required: true, Default: hours(3)}), keys.KeySettings{}, nil, nil},
		{"expiry that callers may not choose", expiry(keys.ExpiryPolicy{}), keys.KeySettings{ExpiresAt: in(time.Hour)}, expires, expires},
		{"expiry that callers may not choose, and the default", expiry(keys.ExpiryPolicy{Default: hours(1)}), keys.KeySettings{}, nil, nil},
		{"expiry of the least", expiry(bounded), keys.KeySettings{ExpiresAt: in(2 * time.Hour)}, nil, nil},
		{"expiry below the least", expiry(bounded), keys.KeySettings{ExpiresAt: in(2*time.Hour - 1)}, expires, expires},
		{"expiry of the most", expiry(bounded), keys.KeySettings{ExpiresAt: in(4 * time.Hour)}, nil, nil},
		{"expiry above the most", expiry(bounded), keys.KeySettings{ExpiresAt: in(4*time.Hour + 1)}, expires, expires},
		{"expiry in the past", expiry(bounded), keys.KeySettings{ExpiresAt: in(-time.Hour)}, expires, nil}, // which ends the key
		{"expiry now", expiry(bounded), keys.KeySettings{ExpiresAt: in(0)}, expires, nil},
		{"never, within bounds that do not say required", expiry(bounded), keys.KeySettings{ExpiresAt: keys.Some(time.Time{})}, nil, nil},

		{"name required", func(p *keys.Policy) { p.Name.Required = true }, keys.KeySettings{}, named, nil},
		{"name required, and none said", func(p *keys.Policy) { p.Name.Required = true }, keys.KeySettings{Name: keys.Some[*string](nil)}, named, named},
		{"name too short", func(p *keys.Policy) { p.Name.Min = 3 }, keys.KeySettings{Name: name("éé")}, named, named},
		{"name of the least", func(p *keys.Policy) { p.Name.Min = 3 }, keys.KeySettings{Name: name("ééé")}, nil, nil},
		{"name of the most", func(p *keys.Policy) { p.Name.Max = 3 }, keys.KeySettings{Name: name("ééé")}, nil, nil},
		{"name too long", func(p *keys.Policy) { p.Name.Max = 3 }, keys.KeySettings{Name: name("éééé")}, named, named},
		{"an empty name", asIs, keys.KeySettings{Name: name("")}, named, named},

		{"metadata not allowed", func(p *keys.Policy) { p.Meta.Allowed = false }, keys.KeySettings{Meta: keys.Some(`{"a":1}`)}, []string{"meta"}, []string{"meta"}},
		{"metadata not allowed, and empty", func(p *keys.Policy) { p.Meta.Allowed = false }, keys.KeySettings{Meta: keys.Some(`{}`)}, nil, nil},
		{"metadata too big", func(p *keys.Policy) { p.Meta.MaxBytes = 6 }, keys.KeySettings{Meta: keys.Some(`{"a":1}`)}, []string{"meta"}, []string{"meta"}},
		{"metadata of the most", func(p *keys.Policy) { p.Meta.MaxBytes = 7 }, keys.KeySettings{Meta: keys.Some(`{"a":1}`)}, nil, nil},

		{"an environment that is listed", func(p *keys.Policy) { p.Environments = []string{"live", "test"} }, keys.KeySettings{Environment: keys.Some("test")}, nil, nil},
		{"an environment that is not", func(p *keys.Policy) { p.Environments = []string{"live", "test"} }, keys.KeySettings{Environment: keys.Some("dev")}, []string{"environment"}, []string{"environment"}},
		{"any environment", asIs, keys.KeySettings{Environment: keys.Some("dev")}, nil, nil},
		{"an environment that is too long", asIs, keys.KeySettings{Environment: keys.Some(strings.Repeat("é", keys.MaxText+1))}, []string{"environment"}, []string{"environment"}},

		{"an owner of any kind", asIs, keys.KeySettings{Owner: owner("customer")}, nil, nil},
		{"an owner that must be a user, and none", func(p *keys.Policy) { p.Owner = keys.UserIdentity }, keys.KeySettings{}, []string{"identity"}, nil},
		{"an owner that must be a user, taken away", func(p *keys.Policy) { p.Owner = keys.UserIdentity }, keys.KeySettings{Owner: keys.Some(keys.Owner{})}, []string{"identity"}, nil},
		{"an owner that must be a user, and is a customer", func(p *keys.Policy) { p.Owner = keys.UserIdentity }, keys.KeySettings{Owner: owner("customer")}, []string{"identity"}, []string{"identity"}},
		{"an owner that must be a user, and is new", func(p *keys.Policy) { p.Owner = keys.UserIdentity }, keys.KeySettings{Owner: owner("new")}, []string{"identity"}, []string{"identity"}},
		{"an owner that must be a user, and is one", func(p *keys.Policy) { p.Owner = keys.UserIdentity }, keys.KeySettings{Owner: owner("user")}, nil, nil},
		{"an owner that must be an organization, and is one", func(p *keys.Policy) { p.Owner = keys.Organization }, keys.KeySettings{Owner: owner("organization")}, nil, nil},
		{"an owner by an id that is not there", asIs, keys.KeySettings{Owner: keys.Some(keys.Owner{ID: "idn_0"})}, []string{"identity"}, []string{"identity"}},
		{"an owner by an external id in the place of the id", asIs, keys.KeySettings{Owner: keys.Some(keys.Owner{ID: "user"})}, nil, nil},
		{"an owner whose external id is another's", asIs, keys.KeySettings{Owner: keys.Some(keys.Owner{ID: "user", ExternalID: "customer"})}, []string{"identity/external_id"}, []string{"identity/external_id"}},
		{"an external id like an id", asIs, keys.KeySettings{Owner: owner("idn_x")}, []string{"external_id"}, []string{"external_id"}},
		{"an external id that is too long", asIs, keys.KeySettings{Owner: owner(strings.Repeat("x", keys.MaxText+1))}, []string{"external_id"}, []string{"external_id"}},

		{"a permission with a blank", asIs, keys.KeySettings{Permissions: keys.Some([]string{"ok", "a b", ""})}, []string{"permissions/1", "permissions/2"}, []string{"permissions/1", "permissions/2"}},
		{"too many permissions", asIs, keys.KeySettings{Permissions: keys.Some(many(keys.MaxPermissions + 1))}, []string{"permissions"}, []string{"permissions"}},
		{"a role that is not there", asIs, keys.KeySettings{Roles: keys.Some([]string{"reader", "none"})}, []string{"roles/1"}, []string{"roles/1"}},
		{"too many roles", asIs, keys.KeySettings{Roles: keys.Some(many(keys.MaxRoles + 1))}, []string{"roles"}, []string{"roles"}},
		{"too many addresses", asIs, keys.KeySettings{AllowedIPs: keys.Some(make([]netip.Prefix, keys.MaxAllowedIPs+1))}, []string{"allowed_ips"}, []string{"allowed_ips"}},
		{"a document that is too big", asIs, keys.KeySettings{Extra: keys.Extra{"some": strings.Repeat("x", keys.MaxExtra+1)}}, []string{"extra/some"}, []string{"extra/some"}},

		{"limits that are wrong", asIs, keys.KeySettings{Limits: limits(limit("a", 1), limit("a", 1), ratelimit.Limit{Name: "b"})},
			[]string{"limits/1/name", "limits/2/max", "limits/2/window"}, []string{"limits/1/name", "limits/2/max", "limits/2/window"}},
		{"too many limits", asIs, limitedTo(keys.MaxLimits + 1), []string{"limits"}, []string{"limits"}},
		{"as many limits as there may be", asIs, limitedTo(keys.MaxLimits), nil, nil},
	}
}

// TestPolicy makes a key under every policy, and changes one that was made
// under the default.
func TestPolicy(t *testing.T) {
	h := newHome(t)
	ctx := t.Context()
	for kind, external := range map[keys.IdentityKind]string{keys.UserIdentity: "user", keys.Organization: "organization", keys.Customer: "customer"} {
		_, err := h.manager.CreateIdentity(ctx, h.root, keys.Identity{ExternalID: external, Kind: kind, Enabled: true})
		h.ok(err)
	}
	_, err := h.manager.CreateRole(ctx, h.root, keys.Role{Name: "reader"})
	h.ok(err)
	for _, tt := range policyCases(h.clock()) {
		t.Run(tt.name, func(t *testing.T) {
			h.policy(func(p *keys.Policy) { *p = keys.DefaultPolicy() })
			k, _ := h.create(keys.KeySettings{Name: keys.Some(ptr("before")), Meta: keys.Some(`{"before":1}`), Environment: keys.Some("before")})
			h.policy(tt.policy)
			_, secret, err := h.manager.CreateKey(ctx, h.root, keys.NewKey{KeySettings: tt.settings})
			if got := fields(err); !slices.Equal(got, tt.create) || err != nil && !keys.Is(err, keys.Invalid) {
				t.Errorf("create: %v; want faults in %q", err, tt.create)
			}
			if secret.IsZero() == (err == nil) {
				t.Errorf("a secret is given %t, with %v", !secret.IsZero(), err)
			}
			after, err := h.manager.UpdateKey(ctx, h.root, k.ID, tt.settings, keys.Match{})
			if got := fields(err); !slices.Equal(got, tt.update) || err != nil && !keys.Is(err, keys.Invalid) {
				t.Errorf("update: %v; want faults in %q", err, tt.update)
			}
			if err == nil && after.Version < k.Version {
				t.Errorf("version %d after %d", after.Version, k.Version)
			}
			// What the key has already may be sent back, whatever is asked today.
			again, err := h.manager.UpdateKey(ctx, h.root, k.ID, keys.KeySettings{
				Name: keys.Some(&k.Name), Meta: keys.Some(k.Meta), Environment: keys.Some(k.Environment),
				Owner: keys.Some(k.Owner), ExpiresAt: keys.Some(k.ExpiresAt),
			}, keys.Match{})
			if tt.update != nil && (err != nil || again.Version != k.Version) {
				t.Errorf("sending back what is there: version %d after %d, %v", again.Version, k.Version, err)
			}
		})
	}
}

// TestDefaults makes a key of which its creator says nothing, and one of which
// all is said.
func TestDefaults(t *testing.T) {
	h := newHome(t)
	h.policy(func(p *keys.Policy) {
		p.Environments, p.Expiry.Default = []string{"live", "test"}, span.Span{N: 30, Unit: span.Day}
		p.Limits, p.Permissions = []ratelimit.Limit{limit("l", 5)}, []string{"docs.read"}
		p.Credits = &keys.Credits{Remaining: 100, Refill: &keys.Refill{Amount: 100, Every: keys.Monthly, Day: 3, Mode: keys.RefillAdd}}
		p.Secret = token.Form{Prefix: "pk", Format: token.Latchkey, Length: 40}
	})
	k, secret := h.create(keys.KeySettings{})
	if k.Environment != "live" || !k.Enabled || !k.ExpiresAt.Equal(h.clock().AddDate(0, 0, 30)) || k.Name != "" || !k.Owner.IsZero() {
		t.Errorf("the defaults make %+v", k)
	}
	if len(k.Limits) != 1 || k.Limits[0].Max != 5 || !slices.Equal(k.Permissions, []string{"docs.read"}) {
		t.Errorf("limits %+v, permissions %q", k.Limits, k.Permissions)
	}
	if c := k.Credits; c == nil || c.Remaining != 100 || *c.Refill != (keys.Refill{Amount: 100, Every: keys.Monthly, Day: 3, Mode: keys.RefillAdd}) || !c.RefilledAt.Equal(h.clock()) {
		t.Errorf("credits %+v", c)
	}
	if text := secret.Reveal(); !strings.HasPrefix(text, "pk_") || len(text) != len("pk_")+46 || k.AccountID != k.ID || k.CreatedBy.ID != h.root.ID || k.CreatedBy.Kind != keys.RootKey {
		t.Errorf("a secret of %d characters for %+v", len(text), k)
	}

	k, _ = h.create(keys.KeySettings{
		Environment: keys.Some("test"), Enabled: keys.Some(false), ExpiresAt: keys.Some(time.Time{}), Limits: limits(),
		Permissions: keys.Some[[]string](nil), Credits: keys.Some[*keys.CreditSettings](nil),
	})
	if k.Environment != "test" || k.Enabled || !k.ExpiresAt.IsZero() || k.Limits != nil || k.Permissions != nil || k.Credits != nil {
		t.Errorf("all is said, and it makes %+v", k)
	}
}

// TestExpiryStays takes away an expiry that the keyspace requires.
func TestExpiryStays(t *testing.T) {
	h := newHome(t)
	k, _ := h.create(keys.KeySettings{ExpiresAt: keys.Some(h.clock().Add(time.Hour))})
	h.policy(func(p *keys.Policy) { p.Expiry.Required = true })
	_, err := h.manager.UpdateKey(t.Context(), h.root, k.ID, keys.KeySettings{ExpiresAt: keys.Some(time.Time{})}, keys.Match{})
	if got := fields(err); !slices.Equal(got, []string{"expires_at"}) {
		t.Errorf("%v", err)
	}
}

// TestAllFaultsAtOnce makes and changes a key with a fault in every member,
// among them some that were known before.
func TestAllFaultsAtOnce(t *testing.T) {
	h := newHome(t)
	h.policy(func(p *keys.Policy) { p.Expiry.Custom, p.Environments, p.Meta.Allowed = false, []string{"live"}, false })
	k, _ := h.create(keys.KeySettings{})
	wrong := keys.KeySettings{
		Name: keys.Some(ptr("")), Environment: keys.Some("x"), ExpiresAt: keys.Some(h.clock().Add(time.Hour)), Meta: keys.Some(`{"a":1}`),
		Owner: owner("idn_x"), Permissions: keys.Some([]string{"a b"}), Roles: keys.Some([]string{"none"}),
		AllowedIPs: keys.Some(make([]netip.Prefix, keys.MaxAllowedIPs+1)), Limits: limits(ratelimit.Limit{Name: "a", Max: 1}),
		Credits: keys.Some(&keys.CreditSettings{Remaining: keys.Some[int64](-1), Refill: keys.Some(&keys.RefillSettings{})}),
		Faults:  keys.Faults{{Field: "unknown", Detail: "is no member"}, {Field: "limits", Detail: "must be a list"}},
	}
	want := []string{
		"unknown", "limits", "name", "environment", "expires_at", "meta", "external_id", "permissions/0", "allowed_ips",
		"credits/refill/amount", "credits/refill/every", "credits/remaining", "roles/0",
	}
	_, _, err := h.manager.CreateKey(t.Context(), h.root, keys.NewKey{KeySettings: wrong})
	if got := fields(err); !slices.Equal(got, want) {
		t.Errorf("create: faults in\n%q, want\n%q", got, want)
	}
	_, err = h.manager.UpdateKey(t.Context(), h.root, k.ID, wrong, keys.Match{})
	if got := fields(err); !slices.Equal(got, want) {
		t.Errorf("update: faults in\n%q, want\n%q", got, want)
	}
	_, _, err = h.manager.CreateKey(t.Context(), h.root, keys.NewKey{Keyspace: "none", KeySettings: keys.KeySettings{Permissions: wrong.Permissions}, Form: token.Form{Length: 1}})
	if got := fields(err); !slices.Equal(got, []string{"keyspace", "secret", "permissions/0"}) {
		t.Errorf("a keyspace that is not there: %q", got)
	}
}

// TestPresent tells what an update says of the key as it is.
func TestPresent(t *testing.T) {
	h := newHome(t)
	k, _ := h.create(keys.KeySettings{})
	var seen keys.Key
	s := keys.KeySettings{Name: keys.Some(ptr("new")), Present: func(k *keys.Key, faults *keys.Faults) error {
		seen = *k
		faults.Add("status", "is not what it is now")
		return nil
	}}
	_, err := h.manager.UpdateKey(t.Context(), h.root, k.ID, s, keys.Match{})
	if got := fields(err); !slices.Equal(got, []string{"status"}) || seen.ID != k.ID || seen.Name != "" {
		t.Errorf("%v, shown %+v", err, seen)
	}
}

// TestMergeMeta changes metadata by what a request says.
func TestMergeMeta(t *testing.T) {
	h := newHome(t)
	k, _ := h.create(keys.KeySettings{Meta: keys.Some(`{"a":1}`)})
	merge := func(present, meta string) string { return present + "+" + meta }
	if got := h.update(k.ID, keys.KeySettings{Meta: keys.Some(`{"b":2}`), MergeMeta: merge}).Meta; got != `{"a":1}+{"b":2}` {
		t.Errorf("merged: %s", got)
	}
	if got := h.update(k.ID, keys.KeySettings{MergeMeta: merge}).Meta; got != `{"a":1}+{"b":2}` {
		t.Errorf("nothing said: %s", got)
	}
}
