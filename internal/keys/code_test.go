package keys_test

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"latchkey/internal/keys"
	"latchkey/internal/span"
	"latchkey/internal/token"
)

const verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"

// challengeOf returns the challenge of a verifier by S256.
func challengeOf(verifier string) string {
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// newCode is a code that needs the verifier.
func newCode() keys.NewCode {
	return keys.NewCode{Challenge: ptr(challengeOf(verifier)), Method: keys.S256Method, Callback: "https://app.example/cb"}
}

func (h *home) issue(nc keys.NewCode) (keys.OneTimeCode, token.Secret) {
	h.Helper()
	return h.issueBy(h.root, nc)
}

func (h *home) issueBy(by keys.Actor, nc keys.NewCode) (keys.OneTimeCode, token.Secret) {
	h.Helper()
	c, code, err := h.manager.IssueCode(h.Context(), by, nc)
	h.ok(err)
	return c, code
}

// redeem shows a code with a verifier, "" for none.
func (h *home) redeem(code token.Secret, verifier string) (keys.Key, token.Secret, error) {
	return h.manager.RedeemCode(h.Context(), keys.Proof{Code: code, Verifier: token.New(verifier)})
}

// notRedeemed fails the test unless a code is refused by an error.
func (h *home) notRedeemed(what string, code token.Secret, verifier string, want error) {
	h.Helper()
	if _, s, err := h.redeem(code, verifier); !errors.Is(err, want) || !s.IsZero() {
		h.Errorf("%s: %v, want %v", what, err, want)
	}
}

func TestCodeIsRedeemed(t *testing.T) {
	h := newHome(t)
	h.policy(func(p *keys.Policy) {
		p.Permissions, p.Limits = []string{"a"}, limits(limit("l", 5)).Value
		p.Expiry = keys.ExpiryPolicy{Custom: true, Default: span.Of(time.Hour)}
	})
	nc := newCode()
	nc.Template = keys.Template{Name: "app", Budget: &keys.Budget{Limit: 5, Reset: keys.ResetDaily, CountsBYOK: true},
		Owner: keys.Owner{ExternalID: "customer"}, Extra: keys.Extra{"d": "1"}}
	c, code := h.issue(nc)
	if bits := (token.Form{Format: token.Base62, Length: code.Len() - len("lk_code_") - 6}).Bits(); bits < 128 {
		t.Errorf("a code has %v random bits", bits)
	}
	if all, _, err := h.manager.Keys(t.Context(), h.root, keys.KeyQuery{KeyFilter: keys.KeyFilter{Limit: 9}}); err != nil || len(all) != 0 {
		t.Errorf("before it is redeemed there are %d keys, %v", len(all), err)
	}
	if o := h.outcome(code); o != keys.KeyNotFound {
		t.Errorf("a code is verified as %s", o)
	}

	h.pass(9 * time.Minute)
	origin := keys.Origin{RequestID: "r", Addr: netip.MustParseAddr("10.0.0.1")}
	k, secret, err := h.manager.RedeemCode(t.Context(), keys.Proof{Code: code, Verifier: token.New(verifier), Method: keys.S256Method, Origin: origin})
	h.ok(err)
	if o := h.outcome(secret); o != keys.Valid {
		t.Errorf("the key is %s", o)
	}
	got, err := h.manager.Key(t.Context(), h.root, k.ID)
	h.ok(err)
	want := fmt.Sprint("app", []string{"a"}, 1, *nc.Budget, "customer", "1", h.root.ID, h.clock(), c.CreatedAt.Add(time.Hour))
	if is := fmt.Sprint(got.Name, got.Permissions, len(got.Limits), *got.Budget(), got.Owner.ExternalID, got.Extra["d"], got.CreatedBy.ID, got.CreatedAt, got.ExpiresAt); is != want {
		t.Errorf("the key is %s, want %s", is, want)
	}
	h.notRedeemed("a code that was redeemed", code, verifier, keys.ErrCode)

	at := slices.IndexFunc(h.events(h.root), func(ev keys.Event) bool { return ev.Action == "code.redeem" })
	ev := h.events(h.root)[at]
	if ev.Actor.Kind != keys.Public || ev.Target.ID != c.ID || ev.RequestID != "r" || ev.Addr != origin.Addr || ev.After[0].Value != k.ID {
		t.Errorf("the event is %+v", ev)
	}
	l := log{home: h, secrets: []token.Secret{code, secret, token.New(verifier)}}
	for _, ev := range h.events(h.root) {
		l.silent(ev.Action, ev)
	}
}

// TestCodeProofs holds verifiers and methods against codes.
func TestCodeProofs(t *testing.T) {
	h := newHome(t)
	s256, plain, none := newCode(), newCode(), newCode()
	plain.Challenge, plain.Method = ptr(verifier), keys.PlainMethod
	none.Challenge, none.Method = nil, ""
	unsaid := plain
	unsaid.Method = ""
	for _, tt := range []struct {
		name     string
		nc       keys.NewCode
		verifier string
		method   keys.ChallengeMethod
		want     error
	}{
		{"S256", s256, verifier, "", nil},
		{"S256 by its name", s256, verifier, keys.S256Method, nil},
		{"S256 without verifier", s256, "", "", keys.ErrCode},
		{"S256 with another", s256, verifier[1:] + "A", "", keys.ErrCode},
		{"S256 with the challenge", s256, challengeOf(verifier), "", keys.ErrCode},
		{"S256 as plain", s256, challengeOf(verifier), keys.PlainMethod, keys.ErrCodeMethod},
		{"plain", plain, verifier, "", nil},
		{"plain by its name", plain, verifier, keys.PlainMethod, nil},
		{"plain without verifier", plain, "", "", keys.ErrCode},
		{"plain with another", plain, verifier + "A", "", keys.ErrCode},
		{"plain as S256", plain, verifier, keys.S256Method, keys.ErrCodeMethod},
		{"a challenge without method", unsaid, verifier, keys.PlainMethod, nil},
		{"none", none, "", "", nil},
		{"none with a verifier", none, verifier, "", keys.ErrCode},
		{"none by a method", none, "", keys.S256Method, keys.ErrCodeMethod},
		{"a method that there is not", s256, verifier, "s256", keys.ErrCodeMethod},
	} {
		_, code := h.issue(tt.nc)
		_, secret, err := h.manager.RedeemCode(t.Context(), keys.Proof{Code: code, Verifier: token.New(tt.verifier), Method: tt.method})
		if !errors.Is(err, tt.want) || (err == nil) != (tt.want == nil) || secret.IsZero() != (err != nil) {
			t.Errorf("%s: %v, want %v", tt.name, err, tt.want)
		}
	}
	h.notRedeemed("a code that there is not", token.New("lk_code_none"), "", keys.ErrCode)
	_, code := h.issue(none)
	h.notRedeemed("a part of a code", token.New(code.Reveal()[:code.Len()-1]), "", keys.ErrCode)
}

func TestCodeMisses(t *testing.T) {
	h := newHome(t)
	_, code := h.issue(newCode())
	for range keys.MaxMisses - 1 {
		h.notRedeemed("a wrong verifier", code, verifier+"A", keys.ErrCode)
	}
	if _, _, err := h.redeem(code, verifier); err != nil {
		t.Errorf("after less misses than the most: %v", err)
	}
	_, code = h.issue(newCode())
	for range keys.MaxMisses {
		h.notRedeemed("a wrong verifier", code, "", keys.ErrCode)
	}
	h.notRedeemed("after the most misses", code, verifier, keys.ErrCode)
}

func TestCodeExpires(t *testing.T) {
	h := newHome(t)
	nc := newCode()
	_, code := h.issue(nc)
	nc.ExpiresAt = h.clock().Add(time.Minute)
	_, short := h.issue(nc)
	h.pass(time.Minute - time.Millisecond)
	if k, secret, err := h.redeem(short, verifier); err != nil || h.outcome(secret) != keys.Valid || !k.ExpiresAt.Equal(nc.ExpiresAt) {
		t.Errorf("a code for a key that soon expires: %+v, %v", k, err)
	}
	nc.ExpiresAt = h.clock().Add(time.Minute)
	_, short = h.issue(nc)
	h.pass(time.Minute)
	h.notRedeemed("a code for a key that has expired", short, verifier, keys.ErrCodeExpired)

	h.pass(8*time.Minute + time.Millisecond)
	h.notRedeemed("an expired code", code, verifier, keys.ErrCodeExpired)
	for range keys.MaxMisses {
		h.notRedeemed("an expired code without its proof", code, "", keys.ErrCode)
	}
	h.notRedeemed("an expired code once more", code, verifier, keys.ErrCodeExpired)

	_, code = h.issue(newCode())
	h.pass(keys.CodeLife - time.Millisecond)
	if _, _, err := h.redeem(code, verifier); err != nil {
		t.Errorf("in the last millisecond: %v", err)
	}
}

// TestCodeAsOfItsIssue issues a code whose key is as long-lived as it must and
// may be, and redeems it later.
func TestCodeAsOfItsIssue(t *testing.T) {
	h := newHome(t)
	h.pass(345_678 * time.Nanosecond)
	h.policy(func(p *keys.Policy) { p.Expiry.Min, p.Expiry.Max = span.Of(time.Hour), span.Of(time.Hour) })
	nc := newCode()
	nc.ExpiresAt = h.clock().Truncate(time.Millisecond).Add(time.Hour)
	_, code := h.issue(nc)
	h.pass(time.Minute)
	if _, _, err := h.redeem(code, verifier); err != nil {
		t.Errorf("a key that lives less than its keyspace asks for by now: %v", err)
	}
	_, code = h.issue(keys.NewCode{Template: keys.Template{Name: "long"}, Callback: nc.Callback})
	h.policy(func(p *keys.Policy) { p.Name.Max = 3 })
	h.notRedeemed("a key that its keyspace no longer allows", code, "", keys.ErrCode)
}

// TestCodeAtOnce redeems codes many times at once.
func TestCodeAtOnce(t *testing.T) {
	h := newHome(t)
	for range 5 {
		_, code := h.issue(newCode())
		var mu sync.Mutex
		var made []token.Secret
		var wg sync.WaitGroup
		for range 10 {
			wg.Go(func() {
				_, secret, err := h.redeem(code, verifier)
				mu.Lock()
				defer mu.Unlock()
				if err == nil {
					made = append(made, secret)
				} else if !errors.Is(err, keys.ErrCode) {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if len(made) != 1 || h.outcome(made[0]) != keys.Valid {
			t.Errorf("%d keys came of a code", len(made))
		}
	}
	if _, n, err := h.manager.Keys(t.Context(), h.root, keys.KeyQuery{}); err != nil || n != 5 {
		t.Errorf("%d keys came of 5 codes, %v", n, err)
	}
}

func TestCodeFaults(t *testing.T) {
	h := newHome(t)
	for name, tt := range map[string]struct {
		change func(*keys.NewCode)
		want   string
	}{
		"nothing":                    {func(*keys.NewCode) {}, ""},
		"a local callback":           {func(nc *keys.NewCode) { nc.Callback = "http://localhost:3000" }, ""},
		"the longest callback":       {func(nc *keys.NewCode) { nc.Callback += strings.Repeat("a", keys.MaxCallback-len(nc.Callback)) }, ""},
		"one longer":                 {func(nc *keys.NewCode) { nc.Callback += strings.Repeat("a", 1+keys.MaxCallback-len(nc.Callback)) }, "callback_url"},
		"no callback":                {func(nc *keys.NewCode) { nc.Callback = "" }, "callback_url"},
		"a relative one":             {func(nc *keys.NewCode) { nc.Callback = "/cb" }, "callback_url"},
		"one without host":           {func(nc *keys.NewCode) { nc.Callback = "https:///cb" }, "callback_url"},
		"one with a port alone":      {func(nc *keys.NewCode) { nc.Callback = "https://:80/cb" }, "callback_url"},
		"one of another scheme":      {func(nc *keys.NewCode) { nc.Callback = "javascript://app.example/%0aalert(1)" }, "callback_url"},
		"one with a password":        {func(nc *keys.NewCode) { nc.Callback = "https://a:b@app.example" }, "callback_url"},
		"one that is no URL":         {func(nc *keys.NewCode) { nc.Callback = "https://app.example/%zz" }, "callback_url"},
		"an unknown method":          {func(nc *keys.NewCode) { nc.Method = "s256" }, "code_challenge_method"},
		"a method without challenge": {func(nc *keys.NewCode) { nc.Challenge = nil }, "code_challenge"},
		"an empty challenge":         {func(nc *keys.NewCode) { nc.Method, nc.Challenge = "", ptr("") }, "code_challenge"},
		"plain without challenge":    {func(nc *keys.NewCode) { nc.Method, nc.Challenge = keys.PlainMethod, nil }, "code_challenge"},
		"a challenge with padding":   {func(nc *keys.NewCode) { *nc.Challenge += "=" }, "code_challenge"},
		"a short one":                {func(nc *keys.NewCode) { *nc.Challenge = (*nc.Challenge)[:42] }, "code_challenge"},
		"one of standard base64":     {func(nc *keys.NewCode) { *nc.Challenge = "+/" + (*nc.Challenge)[2:] }, "code_challenge"},
		"a short plain one":          {func(nc *keys.NewCode) { nc.Method, nc.Challenge = keys.PlainMethod, ptr(verifier[1:]) }, "code_challenge"},
		"a long plain one":           {func(nc *keys.NewCode) { nc.Method, nc.Challenge = keys.PlainMethod, ptr(strings.Repeat("a", 129)) }, "code_challenge"},
		"a plain one with a space":   {func(nc *keys.NewCode) { nc.Method, nc.Challenge = keys.PlainMethod, ptr(verifier+" ") }, "code_challenge"},
		"a name too long":            {func(nc *keys.NewCode) { nc.Name = strings.Repeat("a", keys.MaxText+1) }, "name"},
		"a budget below 0":           {func(nc *keys.NewCode) { nc.Budget = &keys.Budget{Limit: -1} }, "budget/limit_micros"},
		"a past key":                 {func(nc *keys.NewCode) { nc.ExpiresAt = h.clock() }, "expires_at"},
		"no such owner":              {func(nc *keys.NewCode) { nc.Owner.ID = "idn_none" }, "identity"},
		"no such keyspace":           {func(nc *keys.NewCode) { nc.Keyspace = "none" }, "keyspace"},
		"a fault of the request":     {func(nc *keys.NewCode) { nc.Faults.Add("x", "is wrong") }, "x"},
	} {
		nc := newCode()
		tt.change(&nc)
		_, _, err := h.manager.IssueCode(t.Context(), h.root, nc)
		if got := strings.Join(fields(err), " "); got != tt.want || tt.want == "" && err != nil {
			t.Errorf("%s: %q, %v; want %q", name, got, err, tt.want)
		}
	}
}

// TestCodesAreBounded issues as many codes as a workspace may have, and more.
func TestCodesAreBounded(t *testing.T) {
	h := newHome(t)
	issue := func(by keys.Actor) error {
		_, _, err := h.manager.IssueCode(t.Context(), by, newCode())
		return err
	}
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			for range keys.MaxCodes / 20 {
				if err := issue(h.root); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	err := issue(h.root)
	h.refused("one more", err, keys.Throttled)
	if e := keys.AsError(err); e.RetryAfter == 0 {
		t.Error("it is not said when there is room again")
	}
	h.ok(issue(h.below("acme")))
	h.pass(keys.CodeLife)
	h.ok(issue(h.root))
}
