package keys_test

import (
	"slices"
	"testing"
	"time"

	"latchkey/internal/keys"
	"latchkey/internal/span"
)

func refill(s keys.RefillSettings) keys.Maybe[*keys.RefillSettings] { return keys.Some(&s) }

func every(e keys.Every) keys.Maybe[keys.Rhythm] { return keys.Some(keys.Rhythm{Every: e}) }

func everySpan(d time.Duration) keys.Maybe[keys.Rhythm] {
	return keys.Some(keys.Rhythm{Every: keys.EverySpan, Span: span.Of(d)})
}

// TestCreditSettings merges settings into credits that are there, or not.
func TestCreditSettings(t *testing.T) {
	before := time.Date(2030, 1, 14, 6, 0, 0, 0, time.UTC)
	now := time.Date(2030, 1, 15, 12, 0, 0, 0, time.UTC)
	today := time.Date(2030, 1, 15, 0, 0, 0, 0, time.UTC)
	monthly := keys.Refill{Amount: 9, Every: keys.Monthly, Day: 31, Mode: keys.RefillAdd}
	daily := keys.Refill{Amount: 9, Every: keys.Daily, Mode: keys.RefillSet}
	type settings = keys.CreditSettings
	some := keys.Some[int64]
	for _, tt := range []struct {
		name string
		had  *keys.Credits
		s    *settings
		want *keys.Credits
	}{
		{"none, and none asked", nil, nil, nil},
		{"taken away", &keys.Credits{Remaining: 5}, nil, nil},
		{"new", nil, &settings{Remaining: some(5)}, &keys.Credits{Remaining: 5, RefilledAt: now}},
		{"new, with a refill", nil, &settings{Remaining: some(0), Refill: refill(keys.RefillSettings{Amount: some(9), Every: every(keys.Monthly)})},
			&keys.Credits{Refill: &keys.Refill{Amount: 9, Every: keys.Monthly, Day: 1, Mode: keys.RefillSet}, RefilledAt: now}},
		{"nothing said", &keys.Credits{Remaining: 5, Refill: &monthly, RefilledAt: before}, &settings{}, &keys.Credits{Remaining: 5, Refill: &monthly, RefilledAt: before}},
		{"nothing said, and a refill is due", &keys.Credits{Remaining: 5, Refill: &daily, RefilledAt: before}, &settings{},
			&keys.Credits{Remaining: 5, Refill: &daily, RefilledAt: before}},
		{"another balance, and a refill is due", &keys.Credits{Remaining: 5, Refill: &daily, RefilledAt: before}, &settings{Remaining: some(7)},
			&keys.Credits{Remaining: 7, Refill: &daily, RefilledAt: today}},
		{"another amount, and a refill is due", &keys.Credits{Remaining: 5, Refill: &daily, RefilledAt: before}, &settings{Refill: refill(keys.RefillSettings{Amount: some(3)})},
			&keys.Credits{Remaining: 9, Refill: &keys.Refill{Amount: 3, Every: keys.Daily, Mode: keys.RefillSet}, RefilledAt: now}},
		{"the same refill again", &keys.Credits{Remaining: 5, Refill: &monthly, RefilledAt: before}, &settings{Refill: refill(keys.RefillSettings{
			Amount: some(9), Every: every(keys.Monthly), Day: keys.Some(31), Mode: keys.Some(keys.RefillAdd)})},
			&keys.Credits{Remaining: 5, Refill: &monthly, RefilledAt: before}},
		{"another mode", &keys.Credits{Remaining: 5, Refill: &monthly, RefilledAt: before}, &settings{Refill: refill(keys.RefillSettings{Mode: keys.Some(keys.RefillSet)})},
			&keys.Credits{Remaining: 5, Refill: &keys.Refill{Amount: 9, Every: keys.Monthly, Day: 31, Mode: keys.RefillSet}, RefilledAt: now}},
		{"another rhythm, which has no day", &keys.Credits{Remaining: 5, Refill: &monthly, RefilledAt: before}, &settings{Refill: refill(keys.RefillSettings{Every: everySpan(time.Hour)})},
			&keys.Credits{Remaining: 5, Refill: &keys.Refill{Amount: 9, Every: keys.EverySpan, Span: span.Of(time.Hour), Mode: keys.RefillAdd}, RefilledAt: now}},
		{"a rhythm that has a day", &keys.Credits{Remaining: 5, Refill: &daily, RefilledAt: today}, &settings{Refill: refill(keys.RefillSettings{Every: every(keys.Monthly)})},
			&keys.Credits{Remaining: 5, Refill: &keys.Refill{Amount: 9, Every: keys.Monthly, Day: 1, Mode: keys.RefillSet}, RefilledAt: now}},
		{"no day", &keys.Credits{Remaining: 5, Refill: &monthly, RefilledAt: before}, &settings{Refill: refill(keys.RefillSettings{Day: keys.Some(0)})},
			&keys.Credits{Remaining: 5, Refill: &keys.Refill{Amount: 9, Every: keys.Monthly, Day: 1, Mode: keys.RefillAdd}, RefilledAt: now}},
		{"no refill any more", &keys.Credits{Remaining: 5, Refill: &monthly, RefilledAt: before}, &settings{Refill: keys.Some[*keys.RefillSettings](nil)},
			&keys.Credits{Remaining: 5, RefilledAt: now}},
		{"a refill where there was none for long", &keys.Credits{Remaining: 5, RefilledAt: before.AddDate(-9, 0, 0)}, &settings{Refill: refill(keys.RefillSettings{Amount: some(1), Every: every(keys.Daily), Mode: keys.Some(keys.RefillAdd)})},
			&keys.Credits{Remaining: 5, Refill: &keys.Refill{Amount: 1, Every: keys.Daily, Mode: keys.RefillAdd}, RefilledAt: now}},
	} {
		var faults keys.Faults
		got := tt.s.Merge(tt.had, now, &faults)
		if len(faults) > 0 || !sameCredits(got, tt.want) {
			t.Errorf("%s: %+v with faults %v, want %+v", tt.name, got, faults, tt.want)
		}
	}
}

func sameCredits(a, b *keys.Credits) bool {
	if a == nil || b == nil {
		return a == b
	}
	same := a.Refill == b.Refill || a.Refill != nil && b.Refill != nil && *a.Refill == *b.Refill
	return same && a.Remaining == b.Remaining && a.RefilledAt.Equal(b.RefilledAt)
}

func TestCreditFaults(t *testing.T) {
	some := keys.Some[int64]
	has := &keys.Credits{Remaining: 5, Refill: &keys.Refill{Amount: 9, Every: keys.Monthly, Day: 31, Mode: keys.RefillAdd}}
	type r = keys.RefillSettings
	for _, tt := range []struct {
		name   string
		had    *keys.Credits
		s      keys.CreditSettings
		faults []string
	}{
		{"no balance", nil, keys.CreditSettings{}, []string{"remaining"}},
		{"a balance below 0", has, keys.CreditSettings{Remaining: some(-1)}, []string{"remaining"}},
		{"a balance above the most", has, keys.CreditSettings{Remaining: some(keys.MaxCredits + 1)}, []string{"remaining"}},
		{"the highest balance", has, keys.CreditSettings{Remaining: some(keys.MaxCredits)}, nil},
		{"a refill of nothing said", nil, keys.CreditSettings{Remaining: some(1), Refill: refill(r{})}, []string{"refill/amount", "refill/every"}},
		{"a refill of 0", has, keys.CreditSettings{Refill: refill(r{Amount: some(0)})}, []string{"refill/amount"}},
		{"a refill above the most", has, keys.CreditSettings{Refill: refill(r{Amount: some(keys.MaxCredits + 1)})}, []string{"refill/amount"}},
		{"a rhythm that is not known", has, keys.CreditSettings{Refill: refill(r{Every: every("hourly")})}, []string{"refill/every"}},
		{"a rhythm that is too quick", has, keys.CreditSettings{Refill: refill(r{Every: everySpan(time.Second - time.Millisecond)})}, []string{"refill/every"}},
		{"the quickest rhythm", has, keys.CreditSettings{Refill: refill(r{Every: everySpan(time.Second)})}, nil},
		{"the slowest rhythm", has, keys.CreditSettings{Refill: refill(r{Every: everySpan(366 * 24 * time.Hour)})}, nil},
		{"a rhythm that is too slow", has, keys.CreditSettings{Refill: refill(r{Every: everySpan(367 * 24 * time.Hour)})}, []string{"refill/every"}},
		{"day 32", has, keys.CreditSettings{Refill: refill(r{Day: keys.Some(32)})}, []string{"refill/day"}},
		{"day -1", has, keys.CreditSettings{Refill: refill(r{Day: keys.Some(-1)})}, []string{"refill/day"}},
		{"a day for a daily refill", has, keys.CreditSettings{Refill: refill(r{Every: every(keys.Daily), Day: keys.Some(3)})}, []string{"refill/day"}},
		{"a mode that is not known", has, keys.CreditSettings{Refill: refill(r{Mode: keys.Some(keys.RefillMode("x"))})}, []string{"refill/mode"}},
		{"the mode of another dialect", has, keys.CreditSettings{Refill: refill(r{Mode: keys.Some(keys.RefillRaise)})}, nil},
	} {
		var faults keys.Faults
		tt.s.Merge(tt.had, time.Now(), &faults)
		var want []string
		for _, f := range tt.faults {
			want = append(want, "credits/"+f)
		}
		if got := fields(faults.Err()); !slices.Equal(got, want) {
			t.Errorf("%s: faults in %q, want %q", tt.name, got, want)
		}
	}
}

// TestCreditsOfAKey changes the credits of a key by settings: what is due is
// no change, and what was spent meanwhile stays spent.
func TestCreditsOfAKey(t *testing.T) {
	h := newHome(t)
	k, secret := h.create(keys.KeySettings{Credits: keys.Some(&keys.CreditSettings{Remaining: keys.Some[int64](5),
		Refill: refill(keys.RefillSettings{Amount: keys.Some[int64](5), Every: every(keys.Daily)})})})
	h.outcome(secret)
	if got := h.update(k.ID, keys.KeySettings{Name: keys.Some(ptr("x")), Credits: keys.Some(&keys.CreditSettings{})}); got.Credits.Remaining != 4 {
		t.Errorf("after a use and an update %d credits are left, want 4", got.Credits.Remaining)
	}
	h.pass(24 * time.Hour)
	got := h.update(k.ID, keys.KeySettings{Credits: keys.Some(&keys.CreditSettings{})})
	if got.Credits.Remaining != 5 || got.Version != k.Version+1 {
		t.Errorf("a day later %d credits and version %d, want 5 and %d", got.Credits.Remaining, got.Version, k.Version+1)
	}
	if got = h.update(k.ID, keys.KeySettings{Credits: keys.Some[*keys.CreditSettings](nil)}); got.Credits != nil || got.Version != k.Version+2 {
		t.Errorf("taken away: %+v", got)
	}
	if v := h.verify(keys.VerifyRequest{Secret: secret, Cost: ptr[int64](1000)}); v.Outcome != keys.Valid || v.Credits != nil {
		t.Errorf("without credits: %v %+v", v.Outcome, v.Credits)
	}
}

// TestChangeCredits sets, adds to and takes from a balance.
func TestChangeCredits(t *testing.T) {
	h := newHome(t)
	k, secret := h.create(keys.KeySettings{})
	for _, step := range []struct {
		op     keys.CreditOperation
		amount int64
		code   keys.Code
		left   int64 // -1: none
	}{
		{keys.CreditIncrement, 1, keys.Conflict, -1}, {keys.CreditDecrement, 0, keys.Conflict, -1},
		{"double", 1, keys.Invalid, -1}, {keys.CreditSet, -1, keys.Invalid, -1}, {keys.CreditSet, keys.MaxCredits + 1, keys.Invalid, -1},
		{keys.CreditSet, 10, "", 10}, {keys.CreditIncrement, 5, "", 15}, {keys.CreditDecrement, 14, "", 1},
		{keys.CreditDecrement, 2, keys.Conflict, 1}, {keys.CreditDecrement, 1, "", 0}, {keys.CreditIncrement, 0, "", 0},
		{keys.CreditIncrement, keys.MaxCredits, "", keys.MaxCredits}, {keys.CreditIncrement, 1, keys.Conflict, keys.MaxCredits},
		{keys.CreditSet, 0, "", 0},
	} {
		c, err := h.manager.ChangeCredits(t.Context(), h.root, k.ID, step.op, step.amount)
		if step.code != "" {
			h.refused(string(step.op), err, step.code)
		} else if err != nil || c.Remaining != step.left {
			t.Errorf("%s %d: %+v %v, want %d", step.op, step.amount, c, err, step.left)
		}
		v := h.verify(keys.VerifyRequest{Secret: secret, Cost: ptr[int64](0)})
		if got := figuresOf(&v).credits; got != step.left {
			t.Errorf("after %s %d a verification shows %d, want %d", step.op, step.amount, got, step.left)
		}
	}

	// A balance is no setting, and a refill that is due comes before.
	h.update(k.ID, keys.KeySettings{Credits: keys.Some(&keys.CreditSettings{Refill: refill(keys.RefillSettings{
		Amount: keys.Some[int64](7), Every: every(keys.Daily), Mode: keys.Some(keys.RefillAdd)})})})
	before, err := h.manager.Key(t.Context(), h.root, k.ID)
	h.ok(err)
	h.pass(48 * time.Hour)
	c, err := h.manager.ChangeCredits(t.Context(), h.root, k.ID, keys.CreditDecrement, 13)
	if err != nil || c.Remaining != 1 {
		t.Errorf("13 of two refills of 7: %+v %v", c, err)
	}
	if after, err := h.manager.Key(t.Context(), h.root, k.ID); err != nil || after.Version != before.Version {
		t.Errorf("a balance has moved the version from %d to %d (%v)", before.Version, after.Version, err)
	}
	_, err = h.manager.ChangeCredits(t.Context(), h.root, "key_0", keys.CreditSet, 1)
	h.refused("a key that is not there", err, keys.NotFound)
	_, err = h.manager.ChangeCredits(t.Context(), h.granted("keys.*.read"), k.ID, keys.CreditSet, 1)
	h.refused("without the grant", err, keys.Forbidden)
}
