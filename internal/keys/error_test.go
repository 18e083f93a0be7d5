package keys_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"latchkey/internal/keys"
	"latchkey/internal/permission"
	"latchkey/internal/ratelimit"
	"latchkey/internal/span"
	"latchkey/internal/token"
)

// TestErrorsQuoteNoSecret puts a secret in every place of a request where it
// is wrong: no text of an error has it, for the caller or for the log.
func TestErrorsQuoteNoSecret(t *testing.T) {
	h := newHome(t)
	ctx, m := t.Context(), h.manager
	k, secret := h.create(keys.KeySettings{Limits: limits(limit("l", 5))})
	s := secret.Reveal()
	create := func(s keys.KeySettings) error {
		_, _, err := m.CreateKey(ctx, h.root, keys.NewKey{KeySettings: s})
		return err
	}
	h.policy(func(p *keys.Policy) { p.Environments = []string{"live"} })
	verify := func(req keys.VerifyRequest) error {
		req.Secret = secret
		if err := req.Validate(); err != nil {
			return err
		}
		_, err := h.verifier.Verify(ctx, &h.root, &req)
		return err
	}
	parse := func(text string) error { _, err := permission.Parse(text); return err }
	inline := keys.LimitRequest{Name: s, Max: -1, Window: span.Of(1), Algorithm: ratelimit.Algorithm(s)}
	policy := func(change func(*keys.Policy)) error {
		_, err := m.UpdateKeyspace(ctx, h.root, "default", func(ks *keys.Keyspace) error { change(&ks.Policy); return nil }, keys.Match{})
		return err
	}
	for name, err := range map[string]error{
		"name":        create(keys.KeySettings{Name: keys.Some(ptr(strings.Repeat(s, 10)))}),
		"environment": create(keys.KeySettings{Environment: keys.Some(s)}),
		"owner":       create(keys.KeySettings{Owner: keys.Some(keys.Owner{ID: s})}),
		"external id": create(keys.KeySettings{Owner: owner("idn_" + s)}),
		"permission":  create(keys.KeySettings{Permissions: keys.Some([]string{s + " "})}),
		"role":        create(keys.KeySettings{Roles: keys.Some([]string{s})}),
		"limit":       create(keys.KeySettings{Limits: limits(ratelimit.Limit{Name: strings.Repeat(s, 10), Algorithm: ratelimit.Algorithm(s)})}),
		"refill":      create(keys.KeySettings{Credits: keys.Some(&keys.CreditSettings{Refill: refill(keys.RefillSettings{Every: every(keys.Every(s)), Mode: keys.Some(keys.RefillMode(s))})})}),
		"keyspace":    func() error { _, _, err := m.CreateKey(ctx, h.root, keys.NewKey{Keyspace: s}); return err }(),
		"form": func() error {
			_, _, err := m.CreateKey(ctx, h.root, keys.NewKey{Form: token.Form{Format: token.Format(s)}})
			return err
		}(),
		"named limit":      verify(keys.VerifyRequest{Limits: []keys.LimitRequest{{Name: s}}}),
		"inline limit":     verify(keys.VerifyRequest{Limits: []keys.LimitRequest{inline, inline}}),
		"tag":              verify(keys.VerifyRequest{Tags: []string{strings.Repeat(s, 10)}}),
		"query, first":     parse(s + " " + s),
		"query, behind":    parse("a AND (b OR c " + s + ")"),
		"query, in quotes": parse(`"` + s + `"`),
		"query, too long":  parse(strings.Repeat(s, 4)),
		"operation":        func() error { _, err := m.ChangeCredits(ctx, h.root, k.ID, keys.CreditOperation(s), 1); return err }(),
		"delta": func() error {
			_, err := m.ChangePermissions(ctx, h.root, k.ID, keys.Delta{Add: []string{s, "a b"}, Remove: []string{s}})
			return err
		}(),
		"roles":       func() error { _, err := m.ChangeRoles(ctx, h.root, k.ID, keys.Delta{Add: []string{s}}); return err }(),
		"key":         func() error { _, err := m.Key(ctx, h.root, s); return err }(),
		"secret's id": m.EndSecret(ctx, h.root, k.ID, s, keys.Match{}),
		"workspace":   func() error { _, err := h.verifier.Authenticate(ctx, h.secret, s, keys.Origin{}); return err }(),
		"caller":      func() error { _, err := h.verifier.Authenticate(ctx, secret, "", keys.Origin{}); return err }(),
		"grants": func() error {
			_, _, err := m.CreateRootKey(ctx, h.root, grants(s, "keys."+s+".read", s+".*.read", "keys.*."+s))
			return err
		}(),
		"slug":             func() error { _, err := m.CreateKeyspace(ctx, h.root, keys.Keyspace{Slug: s}); return err }(),
		"workspace's slug": func() error { _, err := m.CreateWorkspace(ctx, h.root, keys.Workspace{Slug: s}); return err }(),
		"identity's kind": func() error {
			_, err := m.CreateIdentity(ctx, h.root, keys.Identity{ExternalID: "x", Kind: keys.IdentityKind(s)})
			return err
		}(),
		"permission's name": func() error { _, err := m.CreatePermission(ctx, h.root, keys.Permission{Name: s + " "}); return err }(),
		"policy": policy(func(p *keys.Policy) {
			p.Owner, p.LimiterDown, p.Secret.Format, p.Permissions = keys.IdentityKind(s), keys.LimiterDown(s), token.Format(s), []string{s + " "}
		}),
	} {
		if err == nil {
			t.Errorf("%s: there is no error", name)
			continue
		}
		text := fmt.Sprintf("%v %+v %#v", err, keys.AsError(err), keys.AsError(err).Faults)
		if part := s[7:23]; strings.Contains(text, part) {
			t.Errorf("%s: the error has the secret: %s", name, strings.ReplaceAll(text, s, "SECRET"))
		}
	}
}

func TestFaults(t *testing.T) {
	var known, found keys.Faults
	known.Add("limits", "must be a list")
	known.Add("name", "must be text")
	known.Add("meta/a", "is twice there")
	found.Add("limits/0/max", "below a member that is known")
	found.Add("name", "the same member")
	found.Add("named", "another one that begins so")
	found.Add("meta", "above a member that is known")
	found.Add("credits/remaining", "another one")
	found.Add("credits/refill", "another one beside it")
	known.Merge(found)
	err := known.Err()
	if got, want := fields(err), []string{"limits", "name", "meta/a", "named", "credits/remaining", "credits/refill"}; !slices.Equal(got, want) {
		t.Errorf("merged: %q, want %q", got, want)
	}
	if e := keys.AsError(err); e.Code != keys.Invalid || e.Message != "limits: must be a list" || !strings.Contains(err.Error(), "named: another one that begins so") {
		t.Errorf("%v", err)
	}
	var whole keys.Faults
	whole.Merge(keys.Faults{{Detail: "must be an object"}})
	whole.Merge(found)
	if len(whole) != 1 || keys.AsError(whole.Err()).Message != "must be an object" {
		t.Errorf("a body that is wrong as a whole: %v", whole)
	}
	if err := (keys.Faults{}).Err(); err != nil {
		t.Errorf("no faults: %v", err)
	}
}

func TestErrors(t *testing.T) {
	cause := errors.New("cause")
	e := &keys.Error{Code: keys.Unavailable, Message: "later", Err: cause}
	wrapped := fmt.Errorf("do this: %w", e)
	if keys.AsError(wrapped) != e || !keys.Is(wrapped, keys.Unavailable) || keys.Is(wrapped, keys.Internal) || !errors.Is(wrapped, cause) {
		t.Errorf("%v", wrapped)
	}
	if e.Error() != "unavailable: later: cause" {
		t.Errorf("%v", e)
	}
	hidden := keys.AsError(cause)
	if hidden.Code != keys.Internal || hidden.Message != "internal error" || !errors.Is(hidden, cause) || keys.Is(cause, keys.Internal) {
		t.Errorf("%v", hidden)
	}
	if keys.Is(nil, keys.Internal) || keys.Is(context.Canceled, keys.Unavailable) {
		t.Error("what is no error of ours has a code")
	}
}

// TestOutcomes names each outcome once.
func TestOutcomes(t *testing.T) {
	names := map[string]bool{}
	for i, o := range keys.Outcomes {
		if int(o) != i || o.String() == "" || names[o.String()] {
			t.Errorf("outcome %d is %q", o, o)
		}
		names[o.String()] = true
	}
}
