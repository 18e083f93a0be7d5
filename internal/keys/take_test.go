package keys_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"latchkey/internal/keys"
	"latchkey/internal/ratelimit"
	"latchkey/internal/span"
	"latchkey/internal/token"
)

// figures are what an answer shows: what is left of each limit, and of the
// credits; -1 stands for none.
type figures struct {
	limits  []int64
	credits int64
}

func figuresOf(v *keys.Verification) figures {
	f := figures{credits: -1}
	for _, d := range v.Limits {
		f.limits = append(f.limits, d.Remaining)
	}
	if v.Credits != nil {
		f.credits = v.Credits.Remaining
	}
	return f
}

func (f figures) equal(o figures) bool {
	return slices.Equal(f.limits, o.limits) && f.credits == o.credits
}

// TestTake uses one key in turn: what refuses leaves everything as it was.
func TestTake(t *testing.T) {
	h := newHome(t)
	quiet := limit("quiet", 3) // holds only where it is named
	quiet.Auto = false
	off := limit("off", 1)
	off.Disabled = true
	_, secret := h.create(keys.KeySettings{Limits: limits(limit("loud", 10), quiet, off), Credits: credits(10)})
	inline := func(name string, most, cost int64) keys.LimitRequest {
		return keys.LimitRequest{Name: name, Cost: cost, Max: most, Window: span.Of(time.Hour)} // as long as those of the key
	}
	for _, step := range []struct {
		name    string
		cost    *int64
		limits  []keys.LimitRequest
		outcome keys.Outcome
		left    figures
	}{
		{"a plain use", nil, nil, keys.Valid, figures{[]int64{9, 3}, 9}},
		{"more credits than there are", ptr[int64](10), nil, keys.CreditsExhausted, figures{[]int64{9, 3}, 9}},
		{"more than a limit allows", nil, []keys.LimitRequest{{Name: "loud", Cost: 10}}, keys.RateLimited, figures{[]int64{9, 3}, 9}},
		{"both", ptr[int64](10), []keys.LimitRequest{{Name: "loud", Cost: 10}}, keys.RateLimited, figures{[]int64{9, 3}, 9}},
		{"a cost of 0", ptr[int64](0), nil, keys.Valid, figures{[]int64{8, 3}, 9}},
		{"a cost of 4", ptr[int64](4), nil, keys.Valid, figures{[]int64{7, 3}, 5}},
		{"the cost of a limit", nil, []keys.LimitRequest{{Name: "loud", Cost: 3}}, keys.Valid, figures{[]int64{4, 3}, 4}},
		{"a limit that costs nothing", nil, []keys.LimitRequest{{Name: "loud", Cost: 0}}, keys.Valid, figures{[]int64{4, 3}, 3}},
		{"a named limit", ptr[int64](0), []keys.LimitRequest{{Name: "quiet", Cost: 3}}, keys.Valid, figures{[]int64{3, 0}, 3}},
		{"a named limit that is used up", nil, []keys.LimitRequest{{Name: "quiet", Cost: 1}}, keys.RateLimited, figures{[]int64{3, 0}, 3}},
		{"the same without naming it", ptr[int64](0), nil, keys.Valid, figures{[]int64{2, 0}, 3}},
		{"an inline limit", ptr[int64](0), []keys.LimitRequest{inline("own", 2, 2)}, keys.Valid, figures{[]int64{1, 0, 0}, 3}},
		{"an inline limit that is used up", ptr[int64](0), []keys.LimitRequest{inline("own", 2, 1)}, keys.RateLimited, figures{[]int64{1, 0, 0}, 3}},
		{"an inline limit that allows more", ptr[int64](4), []keys.LimitRequest{inline("own", 3, 1)}, keys.CreditsExhausted, figures{[]int64{1, 0, 1}, 3}},
		{"an inline limit by a name of the key's", ptr[int64](0), []keys.LimitRequest{inline("loud", 5, 5)}, keys.Valid, figures{[]int64{0, 0}, 3}},
		{"the key's own by that name", ptr[int64](0), nil, keys.Valid, figures{[]int64{0, 0}, 3}},
		{"the key's own, used up", ptr[int64](0), nil, keys.RateLimited, figures{[]int64{0, 0}, 3}},
		{"a limit beyond its max", ptr[int64](0), []keys.LimitRequest{{Name: "loud", Cost: 11}}, keys.RateLimited, figures{[]int64{0, 0}, 3}},
		{"nothing at all", ptr[int64](0), []keys.LimitRequest{{Name: "loud", Cost: 0}}, keys.Valid, figures{[]int64{0, 0}, 3}},
		{"a cost that nobody may ask for", ptr[int64](-5), []keys.LimitRequest{{Name: "loud", Cost: -5}}, keys.Valid, figures{[]int64{0, 0}, 3}},
		{"the last credits", ptr[int64](3), []keys.LimitRequest{{Name: "loud"}}, keys.Valid, figures{[]int64{0, 0}, 0}},
		{"one more", nil, []keys.LimitRequest{{Name: "loud"}}, keys.CreditsExhausted, figures{[]int64{0, 0}, 0}},
		{"a cost of 0 with nothing left", ptr[int64](0), []keys.LimitRequest{{Name: "loud"}}, keys.Valid, figures{[]int64{0, 0}, 0}},
	} {
		v := h.verify(keys.VerifyRequest{Secret: secret, Cost: step.cost, Limits: step.limits})
		if got := figuresOf(&v); v.Outcome != step.outcome || !got.equal(step.left) {
			t.Errorf("%s: %v with %+v left, want %v with %+v", step.name, v.Outcome, got, step.outcome, step.left)
		}
		if v.Outcome == keys.RateLimited != slices.ContainsFunc(v.Limits, func(d ratelimit.Decision) bool { return !d.Allowed }) {
			t.Errorf("%s: %v, and the limits say %+v", step.name, v.Outcome, v.Limits)
		}
	}

	for _, name := range []string{"none", "off", "Loud", ""} {
		req := keys.VerifyRequest{Secret: secret, Limits: []keys.LimitRequest{{Name: "loud"}, {Name: name, Cost: 1}}}
		_, err := h.verifier.Verify(t.Context(), &h.root, &req)
		if e := keys.AsError(err); e.Code != keys.Invalid || len(e.Faults) != 1 || e.Faults[0].Field != "limits/1/name" {
			t.Errorf("the limit %q, which the key has not: %v", name, err)
		}
	}
}

// TestFiguresWithoutCost uses a key that has no credits, at any cost.
func TestFiguresWithoutCost(t *testing.T) {
	h := newHome(t)
	_, secret := h.create(keys.KeySettings{})
	for _, cost := range []*int64{nil, ptr[int64](0), ptr[int64](keys.MaxCost)} {
		if v := h.verify(keys.VerifyRequest{Secret: secret, Cost: cost}); v.Outcome != keys.Valid || v.Credits != nil || v.Limits != nil {
			t.Errorf("a key without limits and credits: %+v", v)
		}
	}
}

// TestSharedLimits uses two keys of one owner: its limits are shared, but for
// one that a key has by the same name.
func TestSharedLimits(t *testing.T) {
	h := newHome(t)
	i, err := h.manager.CreateIdentity(t.Context(), h.root, keys.Identity{ExternalID: "o", Kind: keys.Customer, Enabled: true,
		Limits: []ratelimit.Limit{limit("shared", 3), limit("own", 1)}})
	h.ok(err)
	_, plain := h.create(keys.KeySettings{Owner: owner("o")})
	_, own := h.create(keys.KeySettings{Owner: owner("o"), Limits: limits(limit("own", 100))})
	_, other := h.create(keys.KeySettings{Owner: owner("p")})
	for n, step := range []struct {
		secret token.Secret
		want   keys.Outcome
		left   []int64
	}{
		{own, keys.Valid, []int64{99, 2}}, {own, keys.Valid, []int64{98, 1}}, {plain, keys.Valid, []int64{0, 0}},
		{plain, keys.RateLimited, []int64{0, 0}}, {own, keys.RateLimited, []int64{98, 0}}, {other, keys.Valid, nil},
	} {
		v := h.verify(keys.VerifyRequest{Secret: step.secret})
		if got := figuresOf(&v).limits; v.Outcome != step.want || !slices.Equal(got, step.left) {
			t.Errorf("call %d: %v, %v left; want %v, %v", n, v.Outcome, got, step.want, step.left)
		}
	}
	_, err = h.manager.UpdateIdentity(t.Context(), h.root, i.ID, func(i *keys.Identity) error { i.Limits = nil; return nil }, keys.Match{})
	h.ok(err)
	if v := h.verify(keys.VerifyRequest{Secret: plain}); v.Outcome != keys.Valid || v.Limits != nil {
		t.Errorf("without limits of the owner: %v %+v", v.Outcome, v.Limits)
	}
}

// TestRefillAtVerify lets a day pass over a key whose credits come back.
func TestRefillAtVerify(t *testing.T) {
	h := newHome(t)
	_, secret := h.create(keys.KeySettings{Credits: keys.Some(&keys.CreditSettings{
		Remaining: keys.Some[int64](1),
		Refill:    keys.Some(&keys.RefillSettings{Amount: keys.Some[int64](2), Every: keys.Some(keys.Rhythm{Every: keys.Daily})}),
	})})
	for n, step := range []struct {
		pass time.Duration
		want keys.Outcome
		left int64
	}{
		{0, keys.Valid, 0}, {0, keys.CreditsExhausted, 0}, {12*time.Hour - time.Millisecond, keys.CreditsExhausted, 0},
		{time.Millisecond, keys.Valid, 1}, {0, keys.Valid, 0}, {0, keys.CreditsExhausted, 0},
		{-time.Hour, keys.CreditsExhausted, 0}, {25 * time.Hour, keys.Valid, 1},
	} {
		h.pass(step.pass)
		if v := h.verify(keys.VerifyRequest{Secret: secret}); v.Outcome != step.want || v.Credits.Remaining != step.left {
			t.Errorf("call %d, at %v: %v, %d left; want %v, %d", n, h.clock(), v.Outcome, v.Credits.Remaining, step.want, step.left)
		}
	}
}

// TestTakeIsTheModel asks for random costs of a key with limits and credits,
// and keeps its own account of what must be left.
func TestTakeIsTheModel(t *testing.T) {
	h := newHome(t)
	const most = 40
	rapid.Check(t, func(t *rapid.T) {
		_, secret := h.create(keys.KeySettings{Limits: limits(limit("a", most), limit("b", most/2)), Credits: credits(most)})
		a, b, c := int64(most), int64(most/2), int64(most)
		for range rapid.IntRange(1, 8).Draw(t, "calls") {
			costA, costB := rapid.Int64Range(0, most/2).Draw(t, "a"), rapid.Int64Range(0, most/2).Draw(t, "b")
			cost := rapid.Int64Range(0, most).Draw(t, "credits")
			want := keys.Valid
			switch {
			case costA > a || costB > b:
				want = keys.RateLimited
			case cost > c:
				want = keys.CreditsExhausted
			default:
				a, b, c = a-costA, b-costB, c-cost
			}
			v := h.verify(keys.VerifyRequest{Secret: secret, Cost: &cost, Limits: []keys.LimitRequest{{Name: "a", Cost: costA}, {Name: "b", Cost: costB}}})
			if got := figuresOf(&v); v.Outcome != want || !got.equal(figures{[]int64{a, b}, c}) {
				t.Fatalf("costs %d, %d and %d: %v with %+v left, want %v with %d, %d and %d", costA, costB, cost, v.Outcome, got, want, a, b, c)
			}
		}
	})
}

// TestTakeAtOnce uses a key from many goroutines: as many pass as there are
// credits, and the limit has counted no more.
func TestTakeAtOnce(t *testing.T) {
	h := newHome(t)
	const balance, callers, calls = 25, 8, 5
	_, secret := h.create(keys.KeySettings{Limits: limits(limit("l", 1000)), Credits: credits(balance)})
	var valid, refused atomic.Int64
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			for range calls {
				v, err := h.verifier.Verify(context.Background(), &h.root, &keys.VerifyRequest{Secret: secret})
				switch {
				case err != nil:
					t.Error(err)
				case v.Outcome == keys.Valid:
					valid.Add(1)
				case v.Outcome == keys.CreditsExhausted:
					refused.Add(1)
				}
			}
		})
	}
	wg.Wait()
	if valid.Load() != balance || refused.Load() != callers*calls-balance {
		t.Errorf("%d passed and %d were refused, of %d with %d credits", valid.Load(), refused.Load(), callers*calls, balance)
	}
	v := h.verify(keys.VerifyRequest{Secret: secret, Cost: ptr[int64](0)})
	if got := figuresOf(&v); !got.equal(figures{[]int64{1000 - balance - 1}, 0}) {
		t.Errorf("%+v are left", got)
	}
}

// An outage is a ledger that cannot answer.
type outage struct{ keys.Ledger }

func (outage) Use(_ context.Context, _ string, _ keys.Charge, also func(bool) (bool, error), _ time.Time) (keys.Account, keys.Charged, keys.Outcome, error) {
	if ok, err := also(true); !ok || err != nil {
		return keys.Account{}, keys.Charged{}, keys.Valid, err
	}
	return keys.Account{}, keys.Charged{}, keys.Valid, &keys.Error{Code: keys.Unavailable, Message: "the database cannot answer now", Err: errors.New("outage")}
}

// TestOutageGivesBack fails to take credits: the call is an error, and the
// limits have what it took, even if the caller has given up meanwhile.
func TestOutageGivesBack(t *testing.T) {
	h := newHome(t)
	_, secret := h.create(keys.KeySettings{Limits: limits(limit("l", 5)), Credits: credits(5)})
	h.verifier.Ledger = outage{h.store}
	ctx, cancel := context.WithCancel(t.Context())
	h.verify(keys.VerifyRequest{Secret: secret, Mode: keys.Inspection}) // the record is cached
	cancel()
	_, err := h.verifier.Verify(ctx, &h.root, &keys.VerifyRequest{Secret: secret})
	h.refused("a use while the ledger is down", err, keys.Unavailable)
	h.verifier.Ledger = h.store
	if v := h.verify(keys.VerifyRequest{Secret: secret}); !figuresOf(&v).equal(figures{[]int64{4}, 4}) {
		t.Errorf("after the outage: %+v", figuresOf(&v))
	}
}

// TestRequestFaults reports all that is wrong with a question at once.
func TestRequestFaults(t *testing.T) {
	long := make([]byte, 4*keys.MaxSecret+1)
	for i := range long {
		long[i] = 'x'
	}
	hour := span.Of(time.Hour)
	var many []keys.LimitRequest
	for range keys.MaxLimits + 1 {
		many = append(many, keys.LimitRequest{Name: "x" + time.Duration(len(many)).String(), Cost: 1})
	}
	for _, tt := range []struct {
		name string
		req  keys.VerifyRequest
		want []string
	}{
		{"nothing", keys.VerifyRequest{}, []string{"key"}},
		{"a secret that is too long", keys.VerifyRequest{Secret: token.New(string(long))}, []string{"key"}},
		{"costs", keys.VerifyRequest{Secret: token.New("x"), Cost: ptr[int64](-1), Limits: []keys.LimitRequest{
			{Name: "a", Cost: -1}, {Name: "b", Cost: keys.MaxCost + 1}, {Cost: 1}, {Name: "a", Cost: 1}}},
			[]string{"cost", "limits/0/cost", "limits/1/cost", "limits/2/name", "limits/3/name"}},
		{"inline limits", keys.VerifyRequest{Secret: token.New("x"), Cost: ptr[int64](keys.MaxCost + 1), Limits: []keys.LimitRequest{
			{Name: "a", Max: 1}, {Name: "b", Window: hour}, {Max: 1, Window: hour, Algorithm: "x"}}},
			[]string{"cost", "limits/0/window", "limits/1/max", "limits/2/name", "limits/2/algorithm"}},
		{"too many limits", keys.VerifyRequest{Secret: token.New("x"), Limits: many}, []string{"limits"}},
		{"tags", keys.VerifyRequest{Secret: token.New("x"), Tags: append(make([]string, keys.MaxTags), string(long))},
			append([]string{"tags"}, tagFaults()...)},
		{"nothing wrong", keys.VerifyRequest{Secret: token.New(string(long[:keys.MaxSecret])), Cost: ptr[int64](keys.MaxCost), Tags: []string{"é"},
			Limits: []keys.LimitRequest{{Name: "a", Cost: keys.MaxCost}, {Name: "b", Cost: 0, Max: 1, Window: hour}}}, nil},
	} {
		err := tt.req.Validate()
		if got := fields(err); !slices.Equal(got, tt.want) {
			t.Errorf("%s: faults in %q, want %q", tt.name, got, tt.want)
		}
	}
}

// tagFaults are those of [keys.MaxTags] empty tags and a long one.
func tagFaults() (out []string) {
	for i := range keys.MaxTags + 1 {
		out = append(out, "tags/"+itoa(i))
	}
	return out
}
