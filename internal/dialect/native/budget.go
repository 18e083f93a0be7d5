package native

import (
	"context"
	"net/http"
	"time"

	"latchkey"
	"latchkey/internal/httpapi"
	"latchkey/internal/keys"
	"latchkey/internal/span"
)

// A report records money for a key; the two are [keys.Manager.Spend] and
// [keys.Manager.Refund].
type report func(ctx context.Context, by keys.Actor, id string, micros int64, kind keys.SpendKind) (*keys.Money, error)

func (d *Dialect) spend(w http.ResponseWriter, r *http.Request, c *httpapi.Call) error {
	return d.report(w, r, c, d.manager.Spend)
}

func (d *Dialect) refund(w http.ResponseWriter, r *http.Request, c *httpapi.Call) error {
	return d.report(w, r, c, d.manager.Refund)
}

func (d *Dialect) report(w http.ResponseWriter, r *http.Request, c *httpapi.Call, record report) error {
	in := latchkey.SpendRequest{Kind: string(keys.SpendOwn)}
	faults, err := body(r, &in)
	if err != nil {
		return err
	}
	faults.Merge(keys.CheckAmount(in.AmountMicros, keys.SpendKind(in.Kind)))
	if err := faults.Err(); err != nil {
		return err
	}
	money, err := record(r.Context(), c.Actor, r.PathValue("id"), in.AmountMicros, keys.SpendKind(in.Kind))
	if err != nil {
		return err
	}
	return d.answer(w, r, resource{http.StatusOK, 0, false, latchkey.BudgetAnswer{Budget: wireBudget(money, d.clock())}})
}

func (d *Dialect) settle(w http.ResponseWriter, r *http.Request, c *httpapi.Call) error {
	return d.report(w, r, c, d.manager.Settle)
}

func (d *Dialect) reserve(w http.ResponseWriter, r *http.Request, c *httpapi.Call) error {
	var in latchkey.ReserveRequest
	faults, err := body(r, &in)
	if err != nil {
		return err
	}
	ttl := reserveTTL(in.TTL, "ttl", &faults)
	faults.Merge(keys.CheckReservation(in.AmountMicros, ttl))
	if err := faults.Err(); err != nil {
		return err
	}
	hold, money, outcome, err := d.manager.Reserve(r.Context(), c.Actor, r.PathValue("id"), in.AmountMicros, ttl)
	if err != nil {
		return err
	}
	out := latchkey.Reservation{Budget: wireBudget(money, d.clock())}
	if hold == nil {
		out.Outcome = outcomes[outcome]
		return d.answer(w, r, resource{http.StatusOK, 0, false, out})
	}
	out.ID, out.AmountMicros, out.ExpiresAt = hold.ID, hold.Micros, latchkey.Time{Time: hold.ExpiresAt}
	return d.answer(w, r, resource{http.StatusCreated, 0, false, out})
}

func (d *Dialect) releaseReservation(w http.ResponseWriter, r *http.Request, c *httpapi.Call) error {
	if err := noBody(r); err != nil {
		return err
	}
	if err := d.manager.ReleaseReservation(r.Context(), c.Actor, r.PathValue("id")); err != nil {
		return err
	}
	return d.noContent(w, r)
}

// reserveTTL reads how long money is to be set aside.
func reserveTTL(text, at string, faults *keys.Faults) time.Duration {
	if text == "" {
		return keys.DefaultReservation
	}
	s, err := span.Parse(text)
	if err != nil {
		faults.Add(at, "%v", err)
		return keys.DefaultReservation
	}
	return s.Duration()
}

func wireBudget(m *keys.Money, now time.Time) *latchkey.Budget {
	if m == nil || m.Budget == nil {
		return nil
	}
	f := m.Figures(now)
	return &latchkey.Budget{
		LimitMicros: f.Limit, RemainingMicros: f.Remaining, SpentMicros: f.Spent, BYOKSpentMicros: f.BYOKSpent, OverdrawnMicros: f.Overdrawn,
		Reset: textOrNull(string(m.Budget.Reset)), CountsBYOK: m.Budget.CountsBYOK, ResetsAt: wireTime(f.ResetsAt),
	}
}

func budgetSettings(in *latchkey.BudgetSettings, faults *keys.Faults) *keys.BudgetSettings {
	out := &keys.BudgetSettings{
		Limit:      keys.Maybe[int64]{Set: in.LimitMicros.Given(), Value: in.LimitMicros.Value},
		Reset:      keys.Maybe[keys.Reset]{Set: in.Reset.Given(), Value: keys.Reset(in.Reset.Value)},
		CountsBYOK: keys.Maybe[bool]{Set: in.CountsBYOK.Given(), Value: in.CountsBYOK.Value},
	}
	if in.LimitMicros.IsNull() {
		faults.Add("budget/limit_micros", "must be an integer; a null budget stands for none")
		out.Limit.Set = false
	}
	if in.CountsBYOK.IsNull() {
		faults.Add("budget/counts_byok", "must be true or false")
	}
	if in.Reset.Given() && !in.Reset.IsNull() && in.Reset.Value == "" {
		faults.Add("budget/reset", `must be "daily", "weekly" or "monthly"`)
	}
	return out
}

// compareBudget reports figures of a budget that are not what was sent.
func compareBudget(in *latchkey.BudgetSettings, now *latchkey.Budget, faults *keys.Faults) {
	if now == nil {
		now = &latchkey.Budget{}
	}
	for _, f := range []struct {
		name string
		sent latchkey.Optional[int64]
		have int64
	}{
		{"remaining_micros", in.RemainingMicros, now.RemainingMicros}, {"spent_micros", in.SpentMicros, now.SpentMicros},
		{"byok_spent_micros", in.BYOKSpentMicros, now.BYOKSpentMicros}, {"overdrawn_micros", in.OverdrawnMicros, now.OverdrawnMicros},
	} {
		if f.sent.Given() && (f.sent.IsNull() || f.sent.Value != f.have) {
			faults.Add("budget/"+f.name, "cannot be set, and is not what it is now")
		}
	}
	if !in.ResetsAt.Given() {
		return
	}
	sent, have := time.Time{}, time.Time{} // zero: null
	if !in.ResetsAt.IsNull() {
		sent = in.ResetsAt.Value.Time
	}
	if now.ResetsAt != nil {
		have = now.ResetsAt.Time
	}
	if !sent.Equal(have) {
		faults.Add("budget/resets_at", "cannot be set, and is not what it is now")
	}
}
