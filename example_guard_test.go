package latchkey_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"

	"latchkey"
)

// A handler behind a guard is reached with a good key alone.
func ExampleGuard() {
	client, stop := serve()
	defer stop()
	req := named("ci")
	req.ExternalID = latchkey.Some("cust_42")
	req.Permissions = latchkey.Some([]string{"docs.read"})
	req.Credits = latchkey.Some(latchkey.CreditSettings{Remaining: latchkey.Some(int64(5))})
	key := must(client.CreateKey(ctx, req))

	docs := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v := latchkey.FromContext(r.Context())
		fmt.Fprintf(w, "documents of %s, who has %d credits left", *v.Key.Identity.ExternalID, v.Credits.Remaining)
	})
	guard := latchkey.Guard{Client: client, Permissions: "docs.read", Cost: new(int64(3))}
	api := httptest.NewServer(guard.Handler(docs))
	defer api.Close()

	for range 2 {
		r := must(http.NewRequest("GET", api.URL, nil))
		r.Header.Set("Authorization", "Bearer "+key.Secret)
		resp := must(http.DefaultClient.Do(r))
		body := must(io.ReadAll(resp.Body))
		resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			fmt.Println(resp.StatusCode, resp.Header.Get("Content-Type"))
			continue
		}
		fmt.Println(string(body))
	}
	// Output:
	// documents of cust_42, who has 2 credits left
	// 402 application/problem+json
}

// Outside of a guard there is no verification.
func ExampleFromContext() {
	fmt.Println(latchkey.FromContext(ctx))
	// Output: <nil>
}
