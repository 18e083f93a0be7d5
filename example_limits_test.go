package latchkey_test

import (
	"fmt"
	"net/http"
	"time"

	"latchkey"
)

// A concurrency limit is about uses at the same time. Each holds a lease, which
// is to be released when the use is over.
func ExampleClient_ReleaseLease() {
	client, stop := serve()
	defer stop()
	req := named("ci")
	req.Limits = latchkey.Some([]latchkey.Limit{{Name: "exports", Concurrent: new(int64(1))}})
	key := must(client.CreateKey(ctx, req))
	use := latchkey.VerifyRequest{Key: key.Secret, LeaseTTL: "5m"}

	first := must(client.Verify(ctx, use))
	fmt.Println(first.Valid, first.Limits[0].Remaining)
	fmt.Println(must(client.Verify(ctx, use)).Outcome)
	for _, lease := range first.Leases {
		done(client.ReleaseLease(ctx, lease.ID))
	}
	fmt.Println(must(client.Verify(ctx, use)).Valid)
	// Output:
	// true 0
	// rate_limited
	// true
}

// What belongs to no key is limited by any name.
func ExampleClient_CheckLimit() {
	client, stop := serve()
	defer stop()

	signup := latchkey.CheckLimitRequest{Namespace: "signups", Identifier: "192.0.2.7", Max: 2, Window: "1d"}
	for range 3 {
		check := must(client.CheckLimit(ctx, signup))
		fmt.Println(check.Allowed, check.Remaining)
	}
	// Output:
	// true 1
	// true 0
	// false 0
}

// An override says otherwise for some identifiers.
func ExampleClient_ReplaceOverride() {
	client, stop := serve()
	defer stop()

	must(client.ReplaceOverride(ctx, "signups", "192.0.2.*", latchkey.OverrideSettings{Max: 0, Window: "1d"}))
	check := must(client.CheckLimit(ctx, latchkey.CheckLimitRequest{Namespace: "signups", Identifier: "192.0.2.7", Max: 2, Window: "1d"}))
	fmt.Println(check.Allowed, *check.Override)
	// Output: false 192.0.2.*
}

func ExampleClient_GetOverride() {
	client, stop := serve()
	defer stop()
	must(client.ReplaceOverride(ctx, "signups", "192.0.2.*", latchkey.OverrideSettings{Max: 100, Window: "1d"}))

	o := must(client.GetOverride(ctx, "signups", "192.0.2.*"))
	fmt.Println(o.Max, o.Window)
	// Output: 100 1d
}

func ExampleClient_ListOverrides() {
	client, stop := serve()
	defer stop()
	for _, pattern := range []string{"a*", "b*", "c*"} {
		must(client.ReplaceOverride(ctx, "signups", pattern, latchkey.OverrideSettings{Max: 1, Window: "1h"}))
	}

	page := must(client.ListOverrides(ctx, "signups", latchkey.Page{Limit: 2}))
	for _, o := range page.Data {
		fmt.Println(o.Pattern)
	}
	fmt.Println(page.NextCursor != nil)
	// Output:
	// c*
	// b*
	// true
}

func ExampleClient_Overrides() {
	client, stop := serve()
	defer stop()
	for _, pattern := range []string{"a*", "b*"} {
		must(client.ReplaceOverride(ctx, "signups", pattern, latchkey.OverrideSettings{Max: 1, Window: "1h"}))
	}

	for o, err := range client.Overrides(ctx, "signups") {
		done(err)
		fmt.Println(o.Pattern)
	}
	// Output:
	// b*
	// a*
}

func ExampleClient_DeleteOverride() {
	client, stop := serve()
	defer stop()
	must(client.ReplaceOverride(ctx, "signups", "a*", latchkey.OverrideSettings{Max: 1, Window: "1h"}))

	done(client.DeleteOverride(ctx, "signups", "a*"))
	fmt.Println(len(must(client.ListOverrides(ctx, "signups", latchkey.Page{})).Data))
	// Output: 0
}

// Whoever answers by a status tells how the limits stand.
func ExampleSetRateLimit() {
	now := time.Date(2026, 11, 21, 9, 30, 0, 0, time.UTC)
	limits := []latchkey.LimitState{
		{Name: "requests", Max: 100, Window: "1m", ResetAt: latchkey.Time{Time: now.Add(12 * time.Second)}, Exceeded: true},
		{Name: "inflight", Concurrent: 10, Remaining: 7},
	}
	h := http.Header{}
	latchkey.SetRateLimit(h, limits, 3*time.Second, now)
	for _, name := range []string{"RateLimit-Policy", "RateLimit", "X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset"} {
		fmt.Println(name+":", h.Get(name))
	}
	// Output:
	// RateLimit-Policy: "requests";q=100;w=60, "inflight";q=10;qu="concurrent-requests"
	// RateLimit: "requests";r=0;t=12, "inflight";r=7
	// X-RateLimit-Limit: 100
	// X-RateLimit-Remaining: 0
	// X-RateLimit-Reset: 1795253412
}
