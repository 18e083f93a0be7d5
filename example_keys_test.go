package latchkey_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"latchkey"
)

func ExampleClient_CreateKey() {
	client, stop := serve()
	defer stop()

	key := must(client.CreateKey(ctx, latchkey.CreateKeyRequest{KeySettings: latchkey.KeySettings{
		Name:      latchkey.Some("ci"),
		Meta:      latchkey.Some(json.RawMessage(`{"plan":"pro"}`)),
		ExpiresAt: latchkey.Some(latchkey.Time{Time: time.Now().AddDate(0, 3, 0)}),
		Credits:   latchkey.Some(latchkey.CreditSettings{Remaining: latchkey.Some(int64(1000))}),
	}}))
	fmt.Println(key.Status, key.Credits.Remaining, strings.HasPrefix(key.Secret, "lk_"))
	// Output: active 1000 true
}

func ExampleClient_GetKey() {
	client, stop := serve()
	defer stop()
	made := must(client.CreateKey(ctx, named("ci")))

	key := must(client.GetKey(ctx, made.ID))
	fmt.Println(*key.Name, key.Keyspace, key.ETag != "")
	// Output: ci default true
}

func ExampleClient_ListKeys() {
	client, stop := serve()
	defer stop()
	for _, name := range []string{"first", "second", "third"} {
		must(client.CreateKey(ctx, named(name)))
	}

	page := must(client.ListKeys(ctx, latchkey.KeyQuery{Page: latchkey.Page{Limit: 2}}))
	fmt.Println(*page.Data[0].Name, *page.Data[1].Name)
	page = must(client.ListKeys(ctx, latchkey.KeyQuery{Page: latchkey.Page{Limit: 2, Cursor: *page.NextCursor}}))
	fmt.Println(*page.Data[0].Name, page.NextCursor == nil)
	// Output:
	// third second
	// first true
}

func ExampleClient_Keys() {
	client, stop := serve()
	defer stop()
	for _, name := range []string{"first", "second", "third"} {
		must(client.CreateKey(ctx, named(name)))
	}

	for key, err := range client.Keys(ctx, latchkey.KeyQuery{Status: "active"}) {
		if err != nil {
			fmt.Println(err)
			break
		}
		fmt.Println(*key.Name)
	}
	// Output:
	// third
	// second
	// first
}

func ExampleClient_UpdateKey() {
	client, stop := serve()
	defer stop()
	key := must(client.CreateKey(ctx, named("ci")))

	changed := must(client.UpdateKey(ctx, key.ID, latchkey.KeySettings{
		Name:       latchkey.Null[string](), // cleared
		AllowedIPs: latchkey.Some([]string{"10.0.0.0/8"}),
	}))
	fmt.Println(changed.Name == nil, changed.AllowedIPs)
	// Output: true [10.0.0.0/8]
}

func ExampleClient_DeleteKey() {
	client, stop := serve()
	defer stop()
	key := must(client.CreateKey(ctx, named("ci")))

	done(client.DeleteKey(ctx, key.ID))
	fmt.Println(must(client.Verify(ctx, latchkey.VerifyRequest{Key: key.Secret})).Outcome)
	// Output: not_found
}

func ExampleClient_RotateKey() {
	client, stop := serve()
	defer stop()
	key := must(client.CreateKey(ctx, named("ci")))

	rotated := must(client.RotateKey(ctx, key.ID, latchkey.RotateRequest{Overlap: "24h"}))
	for _, secret := range []string{key.Secret, rotated.Secret} {
		fmt.Println(must(client.Verify(ctx, latchkey.VerifyRequest{Key: secret})).Outcome)
	}
	// Output:
	// valid
	// valid
}

func ExampleClient_EndSecret() {
	client, stop := serve()
	defer stop()
	key := must(client.CreateKey(ctx, named("ci")))
	rotated := must(client.RotateKey(ctx, key.ID, latchkey.RotateRequest{Overlap: "24h"}))

	done(client.EndSecret(ctx, key.ID, rotated.Secrets[0].ID))
	fmt.Println(must(client.Verify(ctx, latchkey.VerifyRequest{Key: key.Secret})).Outcome)
	// Output: not_found
}

func ExampleClient_RevealKey() {
	client, stop := serve()
	defer stop()
	must(client.CreateKeyspace(ctx, latchkey.KeyspaceSettings{
		Slug: "kept", Policy: latchkey.Some(latchkey.PolicySettings{Recoverable: latchkey.Some(true)}),
	}))
	key := must(client.CreateKey(ctx, latchkey.CreateKeyRequest{Keyspace: "kept"}))

	secret := must(client.RevealKey(ctx, key.ID))
	fmt.Println(secret == key.Secret)
	// Output: true
}

func ExampleClient_ChangeCredits() {
	client, stop := serve()
	defer stop()
	key := must(client.CreateKey(ctx, named("ci")))

	balance := must(client.ChangeCredits(ctx, key.ID, latchkey.ChangeCreditsRequest{Operation: "set", Amount: 100}))
	fmt.Println(balance.Remaining)
	balance = must(client.ChangeCredits(ctx, key.ID, latchkey.ChangeCreditsRequest{Operation: "decrement", Amount: 30}))
	fmt.Println(balance.Remaining)
	// Output:
	// 100
	// 70
}

func ExampleClient_ChangePermissions() {
	client, stop := serve()
	defer stop()
	key := must(client.CreateKey(ctx, named("ci")))

	must(client.ChangePermissions(ctx, key.ID, latchkey.ChangeNamesRequest{Add: []string{"docs.read", "docs.write"}}))
	now := must(client.ChangePermissions(ctx, key.ID, latchkey.ChangeNamesRequest{Remove: []string{"docs.write"}}))
	fmt.Println(now.Permissions)
	// Output: [docs.read]
}

func ExampleClient_ChangeRoles() {
	client, stop := serve()
	defer stop()
	must(client.CreateRole(ctx, latchkey.RoleSettings{Name: latchkey.Some("reader"), Permissions: latchkey.Some([]string{"docs.read"})}))
	key := must(client.CreateKey(ctx, named("ci")))

	must(client.ChangeRoles(ctx, key.ID, latchkey.ChangeNamesRequest{Add: []string{"reader"}}))
	v := must(client.Verify(ctx, latchkey.VerifyRequest{Key: key.Secret, Permissions: new("docs.read")}))
	fmt.Println(v.Outcome, v.Key.Roles)
	// Output: valid [reader]
}

func ExampleClient_CreateKeyspace() {
	client, stop := serve()
	defer stop()

	must(client.CreateKeyspace(ctx, latchkey.KeyspaceSettings{
		Slug: "payments",
		Policy: latchkey.Some(latchkey.PolicySettings{
			Prefix: latchkey.Some("pay"),
			Expiry: latchkey.Some(latchkey.ExpirySettings{Default: latchkey.Some("30d")}),
		}),
	}))
	key := must(client.CreateKey(ctx, latchkey.CreateKeyRequest{Keyspace: "payments"}))
	fmt.Println(key.Secret[:4], key.ExpiresAt != nil)
	// Output: pay_ true
}

func ExampleClient_GetKeyspace() {
	client, stop := serve()
	defer stop()

	keyspace := must(client.GetKeyspace(ctx, "default"))
	fmt.Println(keyspace.Policy.Prefix, keyspace.Policy.Secret.Length)
	// Output: lk 30
}

func ExampleClient_ListKeyspaces() {
	client, stop := serve()
	defer stop()
	must(client.CreateKeyspace(ctx, latchkey.KeyspaceSettings{Slug: "payments"}))

	page := must(client.ListKeyspaces(ctx, latchkey.Page{Limit: 1}))
	fmt.Println(page.Data[0].Slug, page.NextCursor != nil)
	// Output: payments true
}

func ExampleClient_Keyspaces() {
	client, stop := serve()
	defer stop()
	must(client.CreateKeyspace(ctx, latchkey.KeyspaceSettings{Slug: "payments"}))
	must(client.CreateKeyspace(ctx, latchkey.KeyspaceSettings{Slug: "search"}))

	for keyspace, err := range client.Keyspaces(ctx) {
		if err != nil || keyspace.Slug == "default" {
			break
		}
		fmt.Println(keyspace.Slug)
	}
	// Output:
	// search
	// payments
}

func ExampleClient_UpdateKeyspace() {
	client, stop := serve()
	defer stop()
	must(client.CreateKeyspace(ctx, latchkey.KeyspaceSettings{Slug: "payments"}))

	keyspace := must(client.UpdateKeyspace(ctx, "payments", latchkey.KeyspaceSettings{
		Policy: latchkey.Some(latchkey.PolicySettings{Environments: latchkey.Some([]string{"live", "test"})}),
	}))
	fmt.Println(*keyspace.Policy.Environments)
	// Output: [live test]
}

func ExampleClient_DeleteKeyspace() {
	client, stop := serve()
	defer stop()
	must(client.CreateKeyspace(ctx, latchkey.KeyspaceSettings{Slug: "payments"}))
	key := must(client.CreateKey(ctx, latchkey.CreateKeyRequest{Keyspace: "payments"}))

	done(client.DeleteKeyspace(ctx, "payments"))
	fmt.Println(must(client.Verify(ctx, latchkey.VerifyRequest{Key: key.Secret})).Outcome)
	// Output: not_found
}
