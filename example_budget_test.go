package latchkey_test

import (
	"fmt"

	"latchkey"
)

// agent returns the settings of a key that may spend 5 dollars a week.
func agent() latchkey.CreateKeyRequest {
	var req latchkey.CreateKeyRequest
	req.Budget = latchkey.Some(latchkey.BudgetSettings{LimitMicros: latchkey.Some(int64(5_000_000)), Reset: latchkey.Some("weekly")})
	return req
}

func ExampleClient_Spend() {
	client, stop := serve()
	defer stop()
	key := must(client.CreateKey(ctx, agent()))

	v := must(client.Verify(ctx, latchkey.VerifyRequest{Key: key.Secret, SpendMicros: new(int64(800_000))}))
	fmt.Println(v.Outcome, v.Budget.RemainingMicros)
	answer := must(client.Spend(ctx, key.ID, latchkey.SpendRequest{AmountMicros: 5_000_000}))
	fmt.Println(answer.Budget.RemainingMicros, answer.Budget.OverdrawnMicros)
	fmt.Println(must(client.Verify(ctx, latchkey.VerifyRequest{Key: key.Secret})).Outcome)
	// Output:
	// valid 4200000
	// 0 800000
	// usage_exceeded
}

func ExampleClient_Refund() {
	client, stop := serve()
	defer stop()
	key := must(client.CreateKey(ctx, agent()))

	must(client.Spend(ctx, key.ID, latchkey.SpendRequest{AmountMicros: 2_000_000}))
	answer := must(client.Refund(ctx, key.ID, latchkey.SpendRequest{AmountMicros: 500_000}))
	fmt.Println(answer.Budget.SpentMicros)
	// Output: 1500000
}

func ExampleClient_Reserve() {
	client, stop := serve()
	defer stop()
	key := must(client.CreateKey(ctx, agent()))

	reservation := must(client.Reserve(ctx, key.ID, latchkey.ReserveRequest{AmountMicros: 3_000_000, TTL: "5m"}))
	fmt.Println(reservation.AmountMicros, reservation.Budget.RemainingMicros)
	fmt.Println(must(client.Reserve(ctx, key.ID, latchkey.ReserveRequest{AmountMicros: 3_000_000})).Outcome)
	// Output:
	// 3000000 2000000
	// usage_exceeded
}

func ExampleClient_Settle() {
	client, stop := serve()
	defer stop()
	key := must(client.CreateKey(ctx, agent()))

	v := must(client.Verify(ctx, latchkey.VerifyRequest{Key: key.Secret, Reserve: &latchkey.ReserveRequest{AmountMicros: 3_000_000}}))
	answer := must(client.Settle(ctx, v.Reservation.ID, latchkey.SpendRequest{AmountMicros: 1_200_000}))
	fmt.Println(answer.Budget.SpentMicros, answer.Budget.RemainingMicros)
	// Output: 1200000 3800000
}

func ExampleClient_ReleaseReservation() {
	client, stop := serve()
	defer stop()
	key := must(client.CreateKey(ctx, agent()))

	reservation := must(client.Reserve(ctx, key.ID, latchkey.ReserveRequest{AmountMicros: 5_000_000}))
	done(client.ReleaseReservation(ctx, reservation.ID))
	fmt.Println(must(client.GetKey(ctx, key.ID)).Budget.RemainingMicros)
	// Output: 5000000
}
