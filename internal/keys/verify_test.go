package keys_test

import (
	"context"
	"testing"
	"time"

	"latchkey/internal/keys"
	"latchkey/internal/ratelimit"
	"latchkey/internal/token"
)

// limitedTo are settings of a key with so many limits that never refuse.
func limitedTo(n int) keys.KeySettings {
	var all []ratelimit.Limit
	for i := range n {
		all = append(all, limit("limit "+itoa(i), 1e12))
	}
	return keys.KeySettings{Limits: limits(all...)}
}

// TestVerifyAllocatesNothing holds for keys that are in the cache.
func TestVerifyAllocatesNothing(t *testing.T) {
	h := newHome(t)
	_, plain := h.create(keys.KeySettings{Permissions: keys.Some([]string{"a.b", "a.c", "d.*"}), Owner: owner("o")})
	_, one := h.create(limitedTo(1))
	_, two := h.create(limitedTo(2))
	_, disabled := h.create(keys.KeySettings{Enabled: keys.Some(false)})
	public := keys.Actor{Kind: keys.Public}
	holder, err := h.verifier.Holder(t.Context(), plain, keys.Origin{})
	h.ok(err)
	buf := make([]ratelimit.Decision, 0, 4)
	for _, tt := range []struct {
		name string
		by   keys.Actor
		req  keys.VerifyRequest
		want keys.Outcome
	}{
		{"plain", h.root, keys.VerifyRequest{Secret: plain}, keys.Valid},
		{"an inspection", h.root, keys.VerifyRequest{Secret: plain, Mode: keys.Inspection}, keys.Valid},
		{"by its holder", holder, keys.VerifyRequest{Secret: plain}, keys.Valid},
		{"a query", h.root, keys.VerifyRequest{Secret: plain, Query: query(t, "a.b AND (x OR d.e)")}, keys.Valid},
		{"a query and a keyspace", h.root, keys.VerifyRequest{Secret: plain, Query: query(t, "a.b"), Keyspace: "default"}, keys.Valid},
		{"a query that refuses", h.root, keys.VerifyRequest{Secret: plain, Query: query(t, "a.d")}, keys.InsufficientPermissions},
		{"one limit", h.root, keys.VerifyRequest{Secret: one, Buf: buf}, keys.Valid},
		{"two limits", h.root, keys.VerifyRequest{Secret: two, Buf: buf}, keys.Valid},
		{"a disabled key", h.root, keys.VerifyRequest{Secret: disabled}, keys.Disabled},
		{"a key that is not seen", public, keys.VerifyRequest{Secret: plain}, keys.KeyNotFound},
		{"a guess with a wrong checksum", h.root, keys.VerifyRequest{Secret: token.New("lk_0000000000000000000000000000000000000")}, keys.KeyNotFound},
	} {
		n := testing.AllocsPerRun(1000, func() {
			if v, err := h.verifier.Verify(context.Background(), &tt.by, &tt.req); err != nil || v.Outcome != tt.want {
				t.Fatal(v.Outcome, err)
			}
		})
		if n != 0 {
			t.Errorf("%s: %v allocations, want none", tt.name, n)
		}
	}
}

// TestAuthenticateAllocatesNothing holds for root keys, which every managing
// call is made by, in their own workspace and below it.
func TestAuthenticateAllocatesNothing(t *testing.T) {
	h := newHome(t)
	in := h.below("acme")
	for _, tt := range []struct {
		name, workspace string
		secret          token.Secret
	}{{"its own workspace", "", h.secret}, {"one below", in.Path, h.secret}} {
		n := testing.AllocsPerRun(1000, func() {
			if _, err := h.verifier.Authenticate(context.Background(), tt.secret, tt.workspace, keys.Origin{}); err != nil {
				t.Fatal(err)
			}
		})
		if n != 0 {
			t.Errorf("%s: %v allocations, want none", tt.name, n)
		}
	}
}

// benchVerify verifies secrets in turn.
func benchVerify(b *testing.B, h *home, secrets []token.Secret) {
	req := keys.VerifyRequest{Buf: make([]ratelimit.Decision, 0, 4)}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if i == len(secrets) {
			i = 0
		}
		req.Secret = secrets[i]
		if _, err := h.verifier.Verify(context.Background(), &h.root, &req); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkVerify(b *testing.B) {
	h := newHome(b)
	_, plain := h.create(keys.KeySettings{})
	_, limited := h.create(limitedTo(2))
	h.verifier.Clock = time.Now
	for _, tt := range []struct {
		name   string
		secret token.Secret
	}{{"plain", plain}, {"limits", limited}, {"unknown", token.New("lk_0000000000000000000000000000000000000")}} {
		b.Run(tt.name, func(b *testing.B) { benchVerify(b, h, []token.Secret{tt.secret}) })
	}
}

// BenchmarkVerifyMany verifies many keys in turn, so that each has to be
// fetched from memory.
func BenchmarkVerifyMany(b *testing.B) {
	h := newHome(b)
	cache, err := keys.NewCache(context.Background(), h.store, 100_000, 8)
	h.ok(err)
	h.verifier.Records = cache
	h.verifier.Clock = time.Now
	secrets := h.createMany(5000)
	for _, s := range secrets {
		h.outcome(s)
	}
	benchVerify(b, h, secrets)
}

func BenchmarkAuthenticate(b *testing.B) {
	h := newHome(b)
	in := h.below("acme")
	h.verifier.Clock = time.Now
	for _, workspace := range []string{"", in.Path} {
		b.Run("in "+workspace, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := h.verifier.Authenticate(context.Background(), h.secret, workspace, keys.Origin{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
