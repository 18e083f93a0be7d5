package keys_test

import (
	"context"
	"testing"
	"time"

	"latchkey/internal/keys"
)

// at reads a time.
func at(t testing.TB, text string) time.Time {
	t.Helper()
	when, err := time.Parse("2006-01-02 15:04:05.999", text)
	if err != nil {
		t.Fatal(err)
	}
	return when
}

// TestSpendingWindows spends at one moment and looks at another.
func TestSpendingWindows(t *testing.T) {
	for _, tt := range []struct {
		name             string
		spent, looked    string
		day, week, month int64
	}{
		{"the same moment", "2026-11-24 12:00:00", "2026-11-24 12:00:00", 5, 5, 5},
		{"the last millisecond of a day", "2026-11-24 00:00:00", "2026-11-24 23:59:59.999", 5, 5, 5},
		{"midnight", "2026-11-24 23:59:59.999", "2026-11-25 00:00:00", 0, 5, 5},
		{"Sunday's end", "2026-11-29 00:00:00", "2026-11-29 23:59:59.999", 5, 5, 5},
		{"Sunday to Monday", "2026-11-29 23:59:59.999", "2026-11-30 00:00:00", 0, 0, 5},
		{"a Monday a week later", "2026-11-23 10:00:00", "2026-11-30 10:00:00", 0, 0, 5},
		{"a month's end in a week", "2026-06-30 23:59:59.999", "2026-07-01 00:00:00", 0, 5, 0},
		{"a month's and a week's end", "2026-05-31 23:59:59.999", "2026-06-01 00:00:00", 0, 0, 0},
		{"to 29 February", "2028-02-28 12:00:00", "2028-02-29 12:00:00", 0, 5, 5},
		{"from 29 February", "2028-02-29 23:59:59.999", "2028-03-01 00:00:00", 0, 5, 0},
		{"28 February of a short year", "2027-02-28 23:59:59.999", "2027-03-01 00:00:00", 0, 0, 0},
		{"a year's end in a week", "2026-12-31 23:59:59.999", "2027-01-01 00:00:00", 0, 5, 0},
		{"the same day a year later", "2026-11-24 12:00:00", "2027-11-24 12:00:00", 0, 0, 0},
		{"years later", "2026-11-24 12:00:00", "2039-01-01 12:00:00", 0, 0, 0},
		{"a clock that steps back", "2026-11-30 00:00:00", "2026-11-29 23:59:59.999", 5, 5, 5},
		{"before 1970", "1969-12-28 23:59:59.999", "1969-12-29 00:00:00", 0, 0, 5},
	} {
		m, moved := (*keys.Money)(nil).Spend(5, keys.SpendOwn, at(t, tt.spent))
		if got := m.Spent.AsOf(at(t, tt.looked)); moved != 5 || got.Own != (keys.Sums{Total: 5, Day: tt.day, Week: tt.week, Month: tt.month}) {
			t.Errorf("%s: %+v after %d", tt.name, got.Own, moved)
		}
	}
}

// TestBudgetFigures spends of both kinds under budgets of each kind.
func TestBudgetFigures(t *testing.T) {
	sunday, monday := at(t, "2026-11-29 23:59:59.999"), at(t, "2026-11-30 00:00:00")
	spend := func(b keys.Budget, own, byok int64) *keys.Money {
		m, _ := (&keys.Money{Budget: &b}).Spend(own, keys.SpendOwn, sunday)
		m, _ = m.Spend(byok, keys.SpendBYOK, sunday)
		return m
	}
	for _, tt := range []struct {
		name   string
		budget keys.Budget
		at     time.Time
		want   keys.Figures
	}{
		{"all of time", keys.Budget{Limit: 10}, monday, keys.Figures{Limit: 10, Remaining: 4, Spent: 6, BYOKSpent: 3}},
		{"outside spending counts", keys.Budget{Limit: 10, CountsBYOK: true}, monday, keys.Figures{Limit: 10, Remaining: 1, Spent: 6, BYOKSpent: 3}},
		{"beyond it", keys.Budget{Limit: 7, CountsBYOK: true}, monday, keys.Figures{Limit: 7, Overdrawn: 2, Spent: 6, BYOKSpent: 3}},
		{"a day, in it", keys.Budget{Limit: 10, Reset: keys.ResetDaily}, sunday, keys.Figures{Limit: 10, Remaining: 4, Spent: 6, BYOKSpent: 3, ResetsAt: monday}},
		{"a day, after it", keys.Budget{Limit: 10, Reset: keys.ResetDaily}, monday, keys.Figures{Limit: 10, Remaining: 10, ResetsAt: monday.AddDate(0, 0, 1)}},
		{"a week, in it", keys.Budget{Limit: 10, Reset: keys.ResetWeekly}, sunday, keys.Figures{Limit: 10, Remaining: 4, Spent: 6, BYOKSpent: 3, ResetsAt: monday}},
		{"a week, after it", keys.Budget{Limit: 10, Reset: keys.ResetWeekly}, monday, keys.Figures{Limit: 10, Remaining: 10, ResetsAt: monday.AddDate(0, 0, 7)}},
		{"a month, in it", keys.Budget{Limit: 10, Reset: keys.ResetMonthly}, monday, keys.Figures{Limit: 10, Remaining: 4, Spent: 6, BYOKSpent: 3, ResetsAt: at(t, "2026-12-01 00:00:00")}},
		{"a month, after it", keys.Budget{Limit: 10, Reset: keys.ResetMonthly}, monday.AddDate(0, 0, 1), keys.Figures{Limit: 10, Remaining: 10, ResetsAt: at(t, "2027-01-01 00:00:00")}},
	} {
		if got := spend(tt.budget, 6, 3).Figures(tt.at); got != tt.want {
			t.Errorf("%s:\n%+v, want\n%+v", tt.name, got, tt.want)
		}
	}
}

// TestBudgetRefuses uses keys with a budget.
func TestBudgetRefuses(t *testing.T) {
	h := newHome(t)
	k, secret := h.create(keys.KeySettings{
		Budget: keys.Some(&keys.BudgetSettings{Limit: keys.Some[int64](10), Reset: keys.Some(keys.ResetDaily)}),
		Limits: limits(limit("l", 100)), Credits: credits(100),
	})
	ask := func(micros int64, want keys.Outcome, left int64) {
		h.Helper()
		v := h.verify(keys.VerifyRequest{Secret: secret, SpendMicros: micros})
		if v.Outcome != want || v.Money.Figures(v.At).Remaining != left {
			t.Errorf("spending %d: %s, %+v; want %s, %d", micros, v.Outcome, v.Money, want, left)
		}
	}
	ask(4, keys.Valid, 6)
	ask(7, keys.BudgetExhausted, 6)
	ask(0, keys.Valid, 6)
	ask(6, keys.Valid, 0)
	ask(0, keys.BudgetExhausted, 0)
	// What was refused took nothing.
	v, err := h.verifier.Figures(t.Context(), h.verify(keys.VerifyRequest{Secret: secret, Mode: keys.Inspection}).Record)
	if h.ok(err); v.Credits.Remaining != 97 || v.Limits[0].Remaining != 97 {
		t.Errorf("%d credits and %d of the limit are left", v.Credits.Remaining, v.Limits[0].Remaining)
	}

	// Reports go beyond it, and refunds come back from there.
	report := func(do func(context.Context, keys.Actor, string, int64, keys.SpendKind) (*keys.Money, error), micros int64, left, over int64) {
		h.Helper()
		m, err := do(t.Context(), h.root, k.ID, micros, keys.SpendOwn)
		if h.ok(err); m.Figures(h.clock()).Remaining != left || m.Figures(h.clock()).Overdrawn != over {
			t.Errorf("after %d: %+v", micros, m.Figures(h.clock()))
		}
	}
	report(h.manager.Spend, 5, 0, 5)
	report(h.manager.Refund, 7, 2, 0)
	ask(2, keys.Valid, 0)
	report(h.manager.Refund, 1000, 10, 0)
	h.pass(24 * time.Hour)
	ask(10, keys.Valid, 0)
	_, err = h.manager.Spend(t.Context(), h.root, k.ID, -1, "other")
	h.refused("an amount below 0 of an odd kind", err, keys.Invalid)
}

// TestReserve sets money aside with a use: it is refused whole, its limits and
// credits stay, and what was set aside counts until it is settled or expires.
func TestReserve(t *testing.T) {
	h := newHome(t)
	k, secret := h.create(keys.KeySettings{
		Budget: keys.Some(&keys.BudgetSettings{Limit: keys.Some[int64](10)}), Limits: limits(limit("l", 100)), Credits: credits(100),
	})
	ask := func(micros int64, ttl time.Duration, want keys.Outcome, left int64) *keys.Hold {
		h.Helper()
		v := h.verify(keys.VerifyRequest{Secret: secret, Reserve: &micros, ReserveTTL: ttl})
		if v.Outcome != want || v.Money.Figures(v.At).Remaining != left || (v.Reservation != nil) != (want == keys.Valid) {
			t.Errorf("reserving %d: %s with %+v, %+v; want %s, %d", micros, v.Outcome, v.Reservation, v.Money, want, left)
		}
		return v.Reservation
	}
	one := ask(6, time.Minute, keys.Valid, 4)
	ask(5, time.Minute, keys.BudgetExhausted, 4)
	ask(4, time.Hour, keys.Valid, 0)
	v := h.verify(keys.VerifyRequest{Secret: secret})
	if !figuresOf(&v).equal(figures{[]int64{98}, 98}) || v.Outcome != keys.BudgetExhausted {
		t.Errorf("%s with %+v left", v.Outcome, figuresOf(&v))
	}
	m, err := h.manager.Settle(t.Context(), h.root, one.ID, 1, keys.SpendOwn)
	if h.ok(err); m.Figures(h.clock()).Remaining != 5 || m.Figures(h.clock()).Spent != 1 {
		t.Errorf("after it was settled: %+v", m.Figures(h.clock()))
	}
	_, err = h.manager.Settle(t.Context(), h.root, one.ID, 1, keys.SpendOwn)
	h.refused("to settle it again", err, keys.Conflict)
	h.pass(time.Hour)
	ask(9, time.Minute, keys.Valid, 0)

	// A settling that comes late is recorded too, and counted in usage.
	late := h.below("acme")
	_, err = h.manager.Settle(t.Context(), late, one.ID, 1, keys.SpendOwn)
	h.refused("from another workspace", err, keys.NotFound)
	other, err := h.manager.CreateKeyspace(t.Context(), h.root, keys.Keyspace{Slug: "other", Policy: keys.DefaultPolicy()})
	h.ok(err)
	_, err = h.manager.Settle(t.Context(), h.granted("keys."+other.ID+".spend"), one.ID, 1, keys.SpendOwn)
	h.refused("by who may spend elsewhere", err, keys.Forbidden)
	for _, ttl := range []time.Duration{keys.MinReservation - 1, keys.MaxReservation + 1} {
		_, _, _, err := h.manager.Reserve(t.Context(), h.root, k.ID, 1, ttl)
		h.refused(ttl.String(), err, keys.Invalid)
	}
}
