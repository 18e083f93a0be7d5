package latchkey_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"

	"latchkey"
	"latchkey/internal/server"
	"latchkey/internal/token"
)

var ctx = context.Background()

// rootKey is the root key of the servers of examples and tests.
const rootKey = "a-root-key-that-only-tests-of-this-have"

// serve starts a server of the examples' own, with nothing in it, and returns
// a client of it.
func serve() (client *latchkey.Client, stop func()) {
	return serveThrough(func(server http.Handler) http.Handler { return server })
}

// serveThrough is [serve] with something between the client and the server.
func serveThrough(wrap func(server http.Handler) http.Handler) (client *latchkey.Client, stop func()) {
	dir := must(os.MkdirTemp("", "latchkey"))
	cfg := server.Defaults()
	cfg.DataDir, cfg.RootKey = dir, token.New(rootKey)
	s := must(server.Open(ctx, cfg, server.Options{}))
	listener := httptest.NewServer(wrap(s.Handler))
	return &latchkey.Client{URL: listener.URL, RootKey: rootKey}, func() {
		listener.Close()
		s.Close()
		os.RemoveAll(dir)
	}
}

// must returns v, for calls that do not fail.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// done is [must] for calls that return nothing.
func done(err error) {
	if err != nil {
		panic(err)
	}
}

// named asks for a key with a name.
func named(name string) latchkey.CreateKeyRequest {
	return latchkey.CreateKeyRequest{KeySettings: latchkey.KeySettings{Name: latchkey.Some(name)}}
}

// Make a key for a customer, and verify it as your API does on every call.
func Example() {
	client, stop := serve() // latchkey.NewClientFromEnv()
	defer stop()

	key, err := client.CreateKey(ctx, latchkey.CreateKeyRequest{KeySettings: latchkey.KeySettings{
		ExternalID:  latchkey.Some("cust_42"),
		Permissions: latchkey.Some([]string{"docs.read"}),
		Limits:      latchkey.Some([]latchkey.Limit{{Name: "requests", Max: 100, Window: "1m"}}),
	}})
	if err != nil {
		fmt.Println("the key could not be made:", err)
		return
	}

	v, err := client.Verify(ctx, latchkey.VerifyRequest{Key: key.Secret, Permissions: new("docs.read")})
	if err != nil {
		fmt.Println("the server could not be asked:", err)
		return
	}
	if !v.Valid {
		fmt.Println("refused:", v.Outcome, v.Detail)
		return
	}
	fmt.Println(*v.Key.Identity.ExternalID, "has", v.Limits[0].Remaining, "requests left")
	// Output: cust_42 has 99 requests left
}

func ExampleNewClientFromEnv() {
	os.Setenv("LATCHKEY_URL", "https://keys.example.com")
	os.Setenv("LATCHKEY_ROOT_KEY", "lk_root_…")
	defer os.Unsetenv("LATCHKEY_URL")
	defer os.Unsetenv("LATCHKEY_ROOT_KEY")

	client, err := latchkey.NewClientFromEnv()
	fmt.Println(client, err)
	// Output: latchkey client of https://keys.example.com <nil>
}

// Printed and logged, a client tells where it calls, and never its root key.
func ExampleClient_String() {
	client := &latchkey.Client{URL: "https://keys.example.com", RootKey: "lk_root_…", Workspace: "default.acme"}
	fmt.Println(client)
	fmt.Printf("%+v\n", *client)
	// Output:
	// latchkey client of https://keys.example.com in default.acme
	// latchkey client of https://keys.example.com in default.acme
}

func ExampleError() {
	client, stop := serve()
	defer stop()

	_, err := client.CreateKey(ctx, latchkey.CreateKeyRequest{KeySettings: latchkey.KeySettings{
		Limits: latchkey.Some([]latchkey.Limit{{Name: "requests", Max: 100, Window: "soon"}}),
		Roles:  latchkey.Some([]string{"reader"}),
	}})
	if e, ok := errors.AsType[*latchkey.Error](err); ok && e.Code == latchkey.CodeInvalid {
		for _, fault := range e.Errors {
			fmt.Println(fault)
		}
	}
	// Output:
	// limits/0/window: a duration is an integer and a unit, such as 500ms, 90s, 15m, 24h or 30d
	// roles/0: there is no such role
}

// A change can be made to depend on what was read.
func ExampleIfMatch() {
	client, stop := serve()
	defer stop()
	made := must(client.CreateKey(ctx, named("ci")))

	read := must(client.GetKey(ctx, made.ID))
	must(client.UpdateKey(ctx, made.ID, latchkey.KeySettings{Name: latchkey.Some("nightly")})) // somebody else is faster

	_, err := client.UpdateKey(latchkey.IfMatch(ctx, read.ETag), made.ID, latchkey.KeySettings{Name: latchkey.Some("release")})
	e, _ := errors.AsType[*latchkey.Error](err)
	fmt.Println(e.Code, *must(client.GetKey(ctx, made.ID)).Name)
	// Output: precondition_failed nightly
}

// A call that has a name is carried out once, whoever makes it again.
func ExampleIdempotencyKey() {
	client, stop := serve()
	defer stop()

	ctx := latchkey.IdempotencyKey(ctx, "order-1042")
	first := must(client.CreateKey(ctx, named("ci")))
	second := must(client.CreateKey(ctx, named("ci")))
	fmt.Println(first.ID == second.ID, first.Secret == second.Secret)
	// Output: true true
}

// A verification can wait for a change that another node of the server made.
func ExampleObserve() {
	client, stop := serve()
	defer stop()

	var answer latchkey.Answer
	key := must(client.CreateKey(latchkey.Observe(ctx, &answer), named("ci")))
	v := must(client.Verify(ctx, latchkey.VerifyRequest{Key: key.Secret, MinRevision: &answer.Revision}))
	fmt.Println(answer.Status, answer.Revision > 0, v.Outcome)
	// Output: 201 true valid
}

func ExampleClient_Verify() {
	client, stop := serve()
	defer stop()
	req := named("ci")
	req.Permissions = latchkey.Some([]string{"docs.read"})
	key := must(client.CreateKey(ctx, req))

	v := must(client.Verify(ctx, latchkey.VerifyRequest{Key: key.Secret, Permissions: new("docs.read AND docs.write")}))
	fmt.Println(v.Valid, v.Outcome)
	fmt.Println(v.Detail)
	// Output:
	// false insufficient_permissions
	// the key lacks what is required: docs.read AND docs.write
}

func ExampleClient_VerifyBatch() {
	client, stop := serve()
	defer stop()
	key := must(client.CreateKey(ctx, named("ci")))

	results := must(client.VerifyBatch(ctx, []latchkey.VerifyRequest{{Key: key.Secret}, {Key: "lk_guessed"}, {Key: ""}}))
	for _, r := range results {
		if r.Error != nil {
			fmt.Println("error:", r.Error.Code)
			continue
		}
		fmt.Println(r.Outcome)
	}
	// Output:
	// valid
	// not_found
	// error: invalid
}

func ExampleClient_Whoami() {
	client, stop := serve()
	defer stop()
	key := must(client.CreateKey(ctx, named("ci")))

	holder := &latchkey.Client{URL: client.URL, RootKey: key.Secret} // any key may ask
	self := must(holder.Whoami(ctx))
	fmt.Println(self.Kind, *self.Name, self.ID == key.ID)
	// Output: key ci true
}

func ExampleClient_EndSelf() {
	client, stop := serve()
	defer stop()
	key := must(client.CreateKey(ctx, named("ci")))

	leaked := &latchkey.Client{URL: client.URL, RootKey: key.Secret}
	done(leaked.EndSelf(ctx))
	fmt.Println(must(client.Verify(ctx, latchkey.VerifyRequest{Key: key.Secret})).Outcome)
	// Output: not_found
}

func ExampleClient_ListEvents() {
	client, stop := serve()
	defer stop()
	key := must(client.CreateKey(ctx, named("ci")))

	page := must(client.ListEvents(ctx, latchkey.EventQuery{Key: key.ID, Page: latchkey.Page{Limit: 1}}))
	fmt.Println(page.Data[0].Action, page.Data[0].Target.ID == key.ID)
	// Output: key.create true
}

func ExampleClient_Events() {
	client, stop := serve()
	defer stop()
	key := must(client.CreateKey(ctx, named("ci")))
	must(client.UpdateKey(ctx, key.ID, latchkey.KeySettings{Enabled: latchkey.Some(false)}))

	for event, err := range client.Events(ctx, latchkey.EventQuery{Key: key.ID}) {
		if err != nil {
			fmt.Println(err)
			break
		}
		fmt.Println(event.Action, "by a", event.Actor.Type)
	}
	// Output:
	// key.update by a root_key
	// key.create by a root_key
}

func ExampleClient_Server() {
	client, stop := serve()
	defer stop()

	fmt.Println(must(client.Server(ctx)).Dialects[0])
	// Output: native
}

func ExampleClient_OpenAPI() {
	client, stop := serve()
	defer stop()

	fmt.Println(must(client.OpenAPI(ctx)) == latchkey.OpenAPI) // as it is where both are of one version
	// Output: true
}

func ExampleClient_Problem() {
	client, stop := serve()
	defer stop()

	fmt.Println(must(client.Problem(ctx, latchkey.CodePreconditionFailed)))
	// Output:
	// precondition_failed (412)
	// It has changed since it was read.
	//
	// If-Match named another version than the present one. Read the resource again, and decide anew.
}
