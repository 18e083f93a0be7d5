package latchkey_test

import (
	"fmt"

	"latchkey"
)

// What a customer used this month, by the outcome. Counts are read up to the
// last answer, also those of keys that were deleted.
func ExampleClient_ListUsage() {
	client, stop := serve()
	defer stop()
	key := must(client.CreateKey(ctx, latchkey.CreateKeyRequest{KeySettings: latchkey.KeySettings{
		ExternalID: latchkey.Some("cust_42"), Credits: latchkey.Some(latchkey.CreditSettings{Remaining: latchkey.Some(int64(5))}),
	}}))
	for range 2 {
		must(client.Verify(ctx, latchkey.VerifyRequest{Key: key.Secret, Cost: new(int64(3))}))
	}
	done(client.DeleteKey(ctx, key.ID))

	page := must(client.ListUsage(ctx, latchkey.UsageQuery{Identity: "cust_42", Bucket: "month", GroupBy: []string{"outcome"}}))
	for _, sum := range page.Data {
		fmt.Println(sum.Outcome, sum.Count, sum.Credits)
	}
	// Output:
	// usage_exceeded 1 0
	// valid 1 3
}

// Tags tell what a key was used for.
func ExampleClient_Usage() {
	client, stop := serve()
	defer stop()
	key := must(client.CreateKey(ctx, named("ci")))
	for _, endpoint := range []string{"/export", "/import", "/export"} {
		must(client.Verify(ctx, latchkey.VerifyRequest{Key: key.Secret, Tags: []string{"endpoint=" + endpoint}}))
	}

	for sum, err := range client.Usage(ctx, latchkey.UsageQuery{Key: key.ID, Bucket: "day", GroupBy: []string{"tag"}}) {
		fmt.Println(sum.Tag, sum.Count, err)
	}
	// Output:
	// endpoint=/export 2 <nil>
	// endpoint=/import 1 <nil>
}
