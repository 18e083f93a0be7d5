package e2e_test

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/OpenRouterTeam/go-sdk/models/operations"

	"latchkey"
)

// A calendar is a clock that stands until it is set.
type calendar struct{ now atomic.Pointer[time.Time] }

func (c *calendar) set(now time.Time) { c.now.Store(&now) }

func (c *calendar) clock() time.Time { return *c.now.Load() }

// TestOpenRouterMoney spends through latchkey's own API, and reads the figures
// by the vendor's client, on a Saturday, on the Sunday that ends the month, and
// on the Monday after.
func TestOpenRouterMoney(t *testing.T) {
	var when calendar
	when.set(time.Date(2027, 2, 27, 12, 0, 0, 0, time.UTC))
	s := start(t, when.clock)
	sdk := s.openrouter(t, rootKey, once)
	k, key := sdk.create(operations.CreateKeysRequest{
		Name: "spender", Limit: some(1.0), LimitReset: some(operations.CreateKeysLimitResetDaily), IncludeByokInLimit: new(true),
	})
	holder := s.openrouter(t, key, once)
	use := func(micros int64) latchkey.Verification {
		t.Helper()
		v, err := s.native().Verify(t.Context(), latchkey.VerifyRequest{Key: key, SpendMicros: &micros})
		if err != nil {
			t.Fatal(err)
		}
		return v
	}

	// 1. Spent, with the keys of both.
	v := use(250_000)
	if _, err := s.native().Spend(t.Context(), v.Key.ID, latchkey.SpendRequest{AmountMicros: 500_001, Kind: "byok"}); err != nil {
		t.Fatal(err)
	}
	k.Usage, k.UsageDaily, k.UsageWeekly, k.UsageMonthly = 0.25, 0.25, 0.25, 0.25
	k.ByokUsage, k.ByokUsageDaily, k.ByokUsageWeekly, k.ByokUsageMonthly = 0.500001, 0.500001, 0.500001, 0.500001
	k.LimitRemaining = new(0.249999)
	figures(t, sdk, holder, k)

	// 2. Exhausted: nothing goes any more, and the key is told so.
	use(249_999)
	if v := use(0); v.Outcome != latchkey.UsageExceeded {
		t.Errorf("an exhausted key is verified as %s", v.Outcome)
	}
	k.Usage, k.UsageDaily, k.UsageWeekly, k.UsageMonthly = 0.499999, 0.499999, 0.499999, 0.499999
	k.LimitRemaining = new(0.0)
	figures(t, sdk, holder, k)

	// 3. A day later, and a week and a month later.
	when.set(time.Date(2027, 2, 28, 0, 0, 0, 0, time.UTC))
	k.UsageDaily, k.ByokUsageDaily, k.LimitRemaining = 0, 0, new(1.0)
	figures(t, sdk, holder, k)
	when.set(time.Date(2027, 3, 1, 0, 0, 0, 0, time.UTC))
	k.UsageWeekly, k.ByokUsageWeekly, k.UsageMonthly, k.ByokUsageMonthly = 0, 0, 0, 0
	figures(t, sdk, holder, k)

	// 4. A lower limit holds at once, and is never overdrawn on the wire.
	use(200_000)
	k.Usage, k.UsageDaily, k.UsageWeekly, k.UsageMonthly = 0.699999, 0.2, 0.2, 0.2
	k.Limit, k.LimitRemaining = new(0.1), new(0.0)
	k.UpdatedAt = sdk.update(k.Hash, operations.UpdateKeysRequestBody{Limit: some(0.1)}).UpdatedAt
	figures(t, sdk, holder, k)

	// 5. What was paid in is told, and what a key has spent outlives it.
	if _, err := s.native().UpdateWorkspace(t.Context(), "default", latchkey.WorkspaceSettings{PrepaidMicros: latchkey.Some[int64](100_500_000)}); err != nil {
		t.Fatal(err)
	}
	if _, err := sdk.APIKeys.Delete(t.Context(), k.Hash); err != nil {
		t.Fatal(err)
	}
	account, err := sdk.Credits.GetCredits(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	same(t, "credits", account.Data, operations.GetCreditsData{TotalCredits: 100.5, TotalUsage: 0.699999})
}

// figures checks what is told of a key to those who manage it, and to itself.
func figures(t *testing.T, sdk, holder openrouterSDK, want operations.ListData) {
	t.Helper()
	same(t, "read", sdk.get(want.Hash), want)
	same(t, "listed", sdk.list(nil, nil, nil), []operations.ListData{want})
	same(t, "by itself", holder.current(), self(want))
}

// TestOpenRouterExpiry lets a key expire: it lets nobody in any more, and those
// who manage it still see it.
func TestOpenRouterExpiry(t *testing.T) {
	var when calendar
	end := time.Date(2027, 2, 27, 12, 0, 0, 0, time.UTC)
	when.set(end.Add(-time.Second))
	s := start(t, when.clock)
	sdk := s.openrouter(t, rootKey, once)
	k, key := sdk.create(operations.CreateKeysRequest{Name: "short-lived", ExpiresAt: some(end)})
	holder := s.openrouter(t, key, once)
	holder.current()

	when.set(end)
	_, err := holder.APIKeys.GetCurrentKeyMetadata(t.Context())
	refused(t, err, "UnauthorizedResponseError", 401, "User not found.")
	same(t, "listed when it has expired", sdk.list(nil, nil, nil), []operations.ListData{k})
	same(t, "read when it has expired", sdk.get(k.Hash), k)
}
