package keys_test

import (
	"fmt"
	"net/netip"
	"testing"

	"latchkey/internal/keys"
	"latchkey/internal/token"
)

// A scene is a key that is about to be made and a question about it.
type scene struct {
	settings keys.KeySettings
	req      keys.VerifyRequest
	by       keys.Actor
	then     []func(k keys.Key) error // what is done once the key is there
}

// A refusal makes a scene end in an outcome.
type refusal struct {
	outcome keys.Outcome
	cause   func(*scene)
}

// refusals lists every outcome but Valid, in the order in which they go before
// each other, with what causes it in a workspace below h's root. There are no
// budgets yet.
func refusals(h *home, in keys.Actor) []refusal {
	ctx := h.Context()
	update := func(change func(*keys.KeySettings)) func(k keys.Key) error {
		return func(k keys.Key) error {
			var s keys.KeySettings
			change(&s)
			_, err := h.manager.UpdateKey(ctx, in, k.ID, s, keys.Match{})
			return err
		}
	}
	return []refusal{
		{keys.KeyNotFound, func(s *scene) { s.by.Grants = keys.ParseGrants([]string{"keys.*.read"}) }},
		{keys.WorkspaceDisabled, func(s *scene) {
			s.then = append(s.then, func(keys.Key) error { return setWorkspace(h, in.Path, false) })
		}},
		{keys.OwnerDisabled, func(s *scene) {
			s.settings.Owner = owner("disabled")
			s.then = append(s.then, func(k keys.Key) error {
				_, err := h.manager.UpdateIdentity(ctx, in, k.Owner.ID, func(i *keys.Identity) error { i.Enabled = false; return nil }, keys.Match{})
				return err
			})
		}},
		{keys.Disabled, func(s *scene) { s.settings.Enabled = keys.Some(false) }},
		{keys.WrongKeyspace, func(s *scene) { s.req.Keyspace = "another" }},
		{keys.Expired, func(s *scene) {
			s.then = append(s.then, update(func(s *keys.KeySettings) { s.ExpiresAt = keys.Some(h.clock()) }))
		}},
		{keys.AddressRefused, func(s *scene) {
			s.settings.AllowedIPs = keys.Some([]netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")})
			s.req.Addr = netip.MustParseAddr("11.0.0.1")
		}},
		{keys.InsufficientPermissions, func(s *scene) { s.req.Query = query(h, "docs.read AND docs.write") }},
		{keys.RateLimited, func(s *scene) {
			s.settings.Limits = limits(limit("l", 1))
			s.req.Limits = []keys.LimitRequest{{Name: "l", Cost: 2}}
		}},
		{keys.CreditsExhausted, func(s *scene) { s.settings.Credits = credits(0) }},
	}
}

func setWorkspace(h *home, ref string, enabled bool) error {
	_, err := h.manager.UpdateWorkspace(h.Context(), h.root, ref, func(ws *keys.Workspace) error { ws.Enabled = enabled; return nil }, keys.Match{})
	return err
}

// play makes the scene's key and asks its question.
func (s *scene) play(h *home, in keys.Actor) keys.Verification {
	h.Helper()
	defer setWorkspace(h, in.Path, true)
	k, secret, err := h.manager.CreateKey(h.Context(), in, keys.NewKey{KeySettings: s.settings})
	h.ok(err)
	for _, do := range s.then {
		h.ok(do(k))
	}
	s.req.Secret = secret
	v, err := h.verifier.Verify(h.Context(), &s.by, &s.req)
	h.ok(err)
	return v
}

// TestOrder gives a key every refusal, and every two refusals at once: the one
// that goes before the other names the outcome.
func TestOrder(t *testing.T) {
	h := newHome(t)
	in := h.below("acme")
	all := refusals(h, in)
	if len(all) != len(keys.Outcomes)-2 { // without Valid and BudgetExhausted
		t.Fatalf("%d refusals are tried, of %d outcomes", len(all), len(keys.Outcomes))
	}
	for i, first := range all {
		for _, second := range all[i:] {
			s := scene{by: in, settings: keys.KeySettings{Permissions: keys.Some([]string{"docs.read"})}}
			first.cause(&s)
			if second.outcome != first.outcome {
				second.cause(&s)
			}
			if v := s.play(h, in); v.Outcome != first.outcome {
				t.Errorf("%v and %v: the outcome is %v", first.outcome, second.outcome, v.Outcome)
			}
		}
	}
	if v := (&scene{by: in}).play(h, in); v.Outcome != keys.Valid {
		t.Errorf("without any of them the outcome is %v", v.Outcome)
	}
}

// TestRefusalsTakeNothing looks at the figures of a key with a limit and
// credits after each refusal: they are shown, and as they were.
func TestRefusalsTakeNothing(t *testing.T) {
	h := newHome(t)
	in := h.below("acme")
	for _, r := range refusals(h, in) {
		t.Run(r.outcome.String(), func(t *testing.T) {
			s := scene{by: in, settings: keys.KeySettings{Limits: limits(limit("own", 5)), Credits: credits(10)}}
			r.cause(&s)
			limit, balance := int64(5), int64(10)
			switch r.outcome {
			case keys.RateLimited:
				limit = 1
			case keys.CreditsExhausted:
				balance = 0
			}
			v := s.play(h, in)
			if r.outcome == keys.KeyNotFound {
				if v.Record != nil || v.Limits != nil || v.Credits != nil {
					t.Errorf("a key that is not found shows %+v", v)
				}
				return
			}
			for range 2 { // the answer itself, and how things are after it
				if len(v.Limits) != 1 || v.Limits[0].Remaining != limit || v.Credits == nil || v.Credits.Remaining != balance {
					t.Fatalf("limits %+v, credits %+v; want %d and %d left", v.Limits, v.Credits, limit, balance)
				}
				var err error
				v, err = h.verifier.Figures(t.Context(), v.Record)
				h.ok(err)
			}
		})
	}
}

// TestInspection asks without using: the outcomes that a use would have before
// it takes anything, and nothing taken, shown or counted.
func TestInspection(t *testing.T) {
	h := newHome(t)
	in := h.below("acme")
	for _, r := range refusals(h, in) {
		want := r.outcome
		if want == keys.RateLimited || want == keys.CreditsExhausted {
			want = keys.Valid // an inspection stops before them
		}
		s := scene{by: in, settings: keys.KeySettings{Limits: limits(limit("own", 5)), Credits: credits(10)}}
		r.cause(&s)
		s.req.Mode = keys.Inspection
		v := s.play(h, in)
		if v.Outcome != want || v.Limits != nil || v.Credits != nil {
			t.Errorf("%v: the inspection says %+v, want %v and no figures", r.outcome, v, want)
		}
		if want == keys.InsufficientPermissions && v.Missing.String() != "docs.read AND docs.write" {
			t.Errorf("an inspection tells that %q is missing", v.Missing)
		}
	}

	k, secret := h.create(keys.KeySettings{Limits: limits(limit("own", 5)), Credits: credits(10)})
	for range 3 {
		h.verify(keys.VerifyRequest{Secret: secret, Mode: keys.Inspection})
	}
	count := func() int64 {
		h.ok(h.usage.Flush(t.Context()))
		n, err := h.usage.Accepted(t.Context(), k.ID, h.clock().AddDate(0, 0, -1), h.clock().AddDate(0, 0, 1))
		h.ok(err)
		return n
	}
	if n := count(); n != 0 {
		t.Errorf("%d uses are counted after inspections alone", n)
	}
	v := h.verify(keys.VerifyRequest{Secret: secret})
	if v.Limits[0].Remaining != 4 || v.Credits.Remaining != 9 {
		t.Errorf("the first use finds %d and %d left, want 4 and 9", v.Limits[0].Remaining, v.Credits.Remaining)
	}
	if n := count(); n != 1 {
		t.Errorf("%d uses are counted, want 1", n)
	}
}

// TestUsesAreCounted looks for every outcome of a use among the counts: all
// but that of a key which is not found.
func TestUsesAreCounted(t *testing.T) {
	h := newHome(t)
	in := h.below("acme")
	for _, r := range append(refusals(h, in), refusal{keys.Valid, func(*scene) {}}) {
		s := scene{by: in}
		r.cause(&s)
		var id string
		s.then = append(s.then, func(k keys.Key) error { id = k.ID; return nil })
		s.play(h, in)
		h.ok(h.usage.Flush(t.Context()))
		for _, o := range keys.Outcomes {
			want := int64(0)
			if o == r.outcome && o != keys.KeyNotFound {
				want = 1
			}
			n, err := h.store.CountUsage(t.Context(), id, o, h.clock().AddDate(0, 0, -1), h.clock().AddDate(0, 0, 1))
			if err != nil || n != want {
				t.Errorf("a use that is %v counts %d as %v (%v), want %d", r.outcome, n, o, err, want)
			}
		}
	}
}

// TestVisibility asks about one key for every kind of actor.
func TestVisibility(t *testing.T) {
	h := newHome(t)
	in := h.below("acme")
	k, secret := h.create(keys.KeySettings{})
	_, another := h.create(keys.KeySettings{})
	hold := func(secret token.Secret) keys.Actor {
		by, err := h.verifier.Holder(t.Context(), secret, keys.Origin{})
		h.ok(err)
		return by
	}
	with := func(kind keys.ActorKind, workspace string, grants ...string) keys.Actor {
		return keys.Actor{Kind: kind, WorkspaceID: workspace, Grants: keys.ParseGrants(grants)}
	}
	here, verify := h.root.WorkspaceID, "keys."+k.KeyspaceID+".verify"
	for _, tt := range []struct {
		name   string
		by     keys.Actor
		secret token.Secret
		want   keys.Outcome
	}{
		{"a root key", h.root, secret, keys.Valid},
		{"a root key for the keyspace", with(keys.RootKey, here, verify), secret, keys.Valid},
		{"a root key for another keyspace", with(keys.RootKey, here, "keys.ks_0.verify"), secret, keys.KeyNotFound},
		{"a root key that may only read", with(keys.RootKey, here, "keys.*.read"), secret, keys.KeyNotFound},
		{"a root key with nothing", with(keys.RootKey, here), secret, keys.KeyNotFound},
		{"a root key that acts in another workspace", in, secret, keys.KeyNotFound},
		{"a user with the grant", with(keys.User, here, "keys.*.verify"), secret, keys.Valid},
		{"a user without", with(keys.User, here), secret, keys.KeyNotFound},
		{"the operator", with(keys.Operator, here), secret, keys.Valid},
		{"the operator in another workspace", with(keys.Operator, in.WorkspaceID), secret, keys.KeyNotFound},
		{"the public", with(keys.Public, ""), secret, keys.KeyNotFound},
		{"the holder", hold(secret), secret, keys.Valid},
		{"the holder of another key", hold(another), secret, keys.KeyNotFound},
		{"a holder without a key", with(keys.Holder, here), secret, keys.KeyNotFound},
		{"a root key about itself", h.root, h.secret, keys.KeyNotFound},
		{"a root key as holder of itself", hold(h.secret), h.secret, keys.KeyNotFound},
		{"a guess", h.root, token.New("lk_0000000000000000000000000000000000000"), keys.KeyNotFound},
		{"nothing", h.root, token.Secret{}, keys.KeyNotFound},
	} {
		for _, mode := range []keys.Mode{keys.Use, keys.Inspection} {
			v, err := h.verifier.Verify(t.Context(), &tt.by, &keys.VerifyRequest{Secret: tt.secret, Mode: mode})
			if err != nil || v.Outcome != tt.want || (v.Record != nil) != (tt.want == keys.Valid) {
				t.Errorf("%s (mode %d): %v %v, want %v", tt.name, mode, v.Outcome, err, tt.want)
			}
		}
	}

	h.policy(func(p *keys.Policy) { p.VerifyWithoutRootKey = true })
	public := keys.Actor{Kind: keys.Public}
	if v, err := h.verifier.Verify(t.Context(), &public, &keys.VerifyRequest{Secret: secret}); err != nil || v.Outcome != keys.Valid {
		t.Errorf("the public, where the keyspace allows it: %v %v", v.Outcome, err)
	}
	if v, err := h.verifier.Verify(t.Context(), &public, &keys.VerifyRequest{Secret: h.secret}); err != nil || v.Outcome != keys.KeyNotFound {
		t.Errorf("the public about a root key: %v %v", v.Outcome, err)
	}
}

// TestKeyspaceAsked names the keyspace by id and by slug.
func TestKeyspaceAsked(t *testing.T) {
	h := newHome(t)
	k, secret := h.create(keys.KeySettings{})
	for ref, want := range map[string]keys.Outcome{
		"": keys.Valid, k.KeyspaceID: keys.Valid, "default": keys.Valid, "Default": keys.WrongKeyspace, "none": keys.WrongKeyspace,
	} {
		if v := h.verify(keys.VerifyRequest{Secret: secret, Keyspace: ref}); v.Outcome != want {
			t.Errorf("keyspace %q: %v, want %v", ref, v.Outcome, want)
		}
	}
}

// TestAddresses asks from addresses in all their forms.
func TestAddresses(t *testing.T) {
	h := newHome(t)
	_, secret := h.create(keys.KeySettings{AllowedIPs: keys.Some([]netip.Prefix{
		netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("192.0.2.7/32"), netip.MustParsePrefix("fe80::/10"),
	})})
	for text, want := range map[string]keys.Outcome{
		"10.255.0.1": keys.Valid, "::ffff:10.0.0.1": keys.Valid, "11.0.0.0": keys.AddressRefused,
		"192.0.2.7": keys.Valid, "192.0.2.8": keys.AddressRefused, "": keys.AddressRefused,
		"fe80::1": keys.Valid, "fe80::1%eth0": keys.Valid, "2001:db8::1": keys.AddressRefused,
	} {
		var addr netip.Addr
		if text != "" {
			addr = netip.MustParseAddr(text)
		}
		if v := h.verify(keys.VerifyRequest{Secret: secret, Addr: addr}); v.Outcome != want {
			t.Errorf("from %q: %v, want %v", text, v.Outcome, want)
		}
	}
}

// TestWildcards asks for what a key holds by a pattern, where its keyspace
// takes it for one and where it does not, and by a role.
func TestWildcards(t *testing.T) {
	h := newHome(t)
	_, err := h.manager.CreateRole(t.Context(), h.root, keys.Role{Name: "writer", Permissions: []string{"docs.write", "docs.read"}})
	h.ok(err)
	_, secret := h.create(keys.KeySettings{Permissions: keys.Some([]string{"files.*"}), Roles: keys.Some([]string{"writer"})})
	for _, wildcards := range []bool{true, false} {
		h.policy(func(p *keys.Policy) { p.PermissionWildcards = wildcards })
		for text, want := range map[string]bool{
			"files.read": wildcards, "files.*": true, "docs.write AND docs.read": true, "docs.* OR none": false,
			"files.read OR docs.read": true, "none": false,
		} {
			v := h.verify(keys.VerifyRequest{Secret: secret, Query: query(t, text)})
			if (v.Outcome == keys.Valid) != want {
				t.Errorf("wildcards %t, %s: %v, want allowed %t", wildcards, text, v.Outcome, want)
			}
			if !want && v.Missing.String() != text {
				t.Errorf("%q is told as missing, want %q", v.Missing, text)
			}
			if got := fmt.Sprint(v.Record.Permissions); got != "[docs.read docs.write files.*]" {
				t.Errorf("the effective permissions are %s", got)
			}
		}
	}
}

// TestDeclaredRootIsNoKey verifies the root key that the configuration gives.
func TestDeclaredRootIsNoKey(t *testing.T) {
	h := newHome(t)
	secret := token.New("a declared root key of forty characters.")
	ws, err := h.store.Workspace(t.Context(), keys.RootPath)
	h.ok(err)
	h.verifier.Declared = keys.Declare(secret, ws)
	if o := h.outcome(secret); o != keys.KeyNotFound {
		t.Errorf("the declared root key is %v", o)
	}
	if by := h.actor(secret, ""); by.ID != keys.DeclaredID || by.Kind != keys.RootKey || !by.May(keys.ResWorkspaces, "*", "delete") {
		t.Errorf("the declared root key calls as %+v", by)
	}
}
