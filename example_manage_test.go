package latchkey_test

import (
	"encoding/json"
	"errors"
	"fmt"

	"latchkey"
)

// customer asks for an identity.
func customer(externalID string) latchkey.IdentitySettings {
	return latchkey.IdentitySettings{ExternalID: latchkey.Some(externalID)}
}

func ExampleClient_CreateIdentity() {
	client, stop := serve()
	defer stop()

	must(client.CreateIdentity(ctx, latchkey.IdentitySettings{
		ExternalID: latchkey.Some("cust_42"),
		Limits:     latchkey.Some([]latchkey.Limit{{Name: "shared", Max: 1, Window: "1h"}}), // by all its keys
	}))
	for range 2 {
		key := must(client.CreateKey(ctx, latchkey.CreateKeyRequest{KeySettings: latchkey.KeySettings{ExternalID: latchkey.Some("cust_42")}}))
		fmt.Println(must(client.Verify(ctx, latchkey.VerifyRequest{Key: key.Secret})).Outcome)
	}
	// Output:
	// valid
	// rate_limited
}

func ExampleClient_GetIdentity() {
	client, stop := serve()
	defer stop()
	made := must(client.CreateIdentity(ctx, customer("cust_42")))

	identity := must(client.GetIdentity(ctx, "cust_42"))
	fmt.Println(identity.ID == made.ID, identity.Kind)
	// Output: true customer
}

func ExampleClient_ListIdentities() {
	client, stop := serve()
	defer stop()
	must(client.CreateIdentity(ctx, customer("cust_1")))
	must(client.CreateIdentity(ctx, customer("cust_2")))

	page := must(client.ListIdentities(ctx, latchkey.IdentityQuery{Kind: "customer", Page: latchkey.Page{Limit: 1}}))
	fmt.Println(page.Data[0].ExternalID, page.NextCursor != nil)
	// Output: cust_2 true
}

func ExampleClient_Identities() {
	client, stop := serve()
	defer stop()
	must(client.CreateIdentity(ctx, customer("cust_1")))
	must(client.CreateIdentity(ctx, customer("cust_2")))
	must(client.UpdateIdentity(ctx, "cust_1", latchkey.IdentitySettings{Enabled: latchkey.Some(false)}))

	for identity, err := range client.Identities(ctx, latchkey.IdentityQuery{Enabled: new(false)}) {
		if err != nil {
			fmt.Println(err)
			break
		}
		fmt.Println(identity.ExternalID)
	}
	// Output: cust_1
}

func ExampleClient_UpdateIdentity() {
	client, stop := serve()
	defer stop()
	must(client.CreateIdentity(ctx, customer("cust_42")))
	key := must(client.CreateKey(ctx, latchkey.CreateKeyRequest{KeySettings: latchkey.KeySettings{ExternalID: latchkey.Some("cust_42")}}))

	must(client.UpdateIdentity(ctx, "cust_42", latchkey.IdentitySettings{Enabled: latchkey.Some(false)}))
	fmt.Println(must(client.Verify(ctx, latchkey.VerifyRequest{Key: key.Secret})).Detail)
	// Output: the identity that owns the key is disabled
}

func ExampleClient_ReplaceIdentity() {
	client, stop := serve()
	defer stop()

	settings := latchkey.ReplaceIdentitySettings{Meta: latchkey.Some(json.RawMessage(`{"plan":"pro"}`))}
	for range 2 { // the second time, it is there
		var answer latchkey.Answer
		identity := must(client.ReplaceIdentity(latchkey.Observe(ctx, &answer), "cust_42", settings))
		fmt.Println(answer.Status, string(identity.Meta))
	}
	// Output:
	// 201 {"plan":"pro"}
	// 200 {"plan":"pro"}
}

func ExampleClient_DeleteIdentity() {
	client, stop := serve()
	defer stop()
	key := must(client.CreateKey(ctx, latchkey.CreateKeyRequest{KeySettings: latchkey.KeySettings{ExternalID: latchkey.Some("cust_42")}}))

	done(client.DeleteIdentity(ctx, "cust_42"))
	fmt.Println(must(client.GetKey(ctx, key.ID)).Identity == nil)
	// Output: true
}

func ExampleClient_CreateRole() {
	client, stop := serve()
	defer stop()

	role := must(client.CreateRole(ctx, latchkey.RoleSettings{
		Name: latchkey.Some("reader"), Permissions: latchkey.Some([]string{"docs.read", "docs.list"}),
	}))
	fmt.Println(role.Name, role.Permissions)
	// Output: reader [docs.read docs.list]
}

func ExampleClient_GetRole() {
	client, stop := serve()
	defer stop()
	made := must(client.CreateRole(ctx, latchkey.RoleSettings{Name: latchkey.Some("reader")}))

	fmt.Println(must(client.GetRole(ctx, "reader")).ID == made.ID)
	// Output: true
}

func ExampleClient_ListRoles() {
	client, stop := serve()
	defer stop()
	must(client.CreateRole(ctx, latchkey.RoleSettings{Name: latchkey.Some("reader")}))

	fmt.Println(must(client.ListRoles(ctx, latchkey.Page{})).Data[0].Name)
	// Output: reader
}

func ExampleClient_Roles() {
	client, stop := serve()
	defer stop()
	must(client.CreateRole(ctx, latchkey.RoleSettings{Name: latchkey.Some("reader")}))
	must(client.CreateRole(ctx, latchkey.RoleSettings{Name: latchkey.Some("editor")}))

	for role, err := range client.Roles(ctx) {
		fmt.Println(role.Name, err)
	}
	// Output:
	// editor <nil>
	// reader <nil>
}

func ExampleClient_UpdateRole() {
	client, stop := serve()
	defer stop()
	must(client.CreateRole(ctx, latchkey.RoleSettings{Name: latchkey.Some("reader")}))

	role := must(client.UpdateRole(ctx, "reader", latchkey.RoleSettings{Permissions: latchkey.Some([]string{"docs.*"})}))
	fmt.Println(role.Permissions)
	// Output: [docs.*]
}

func ExampleClient_DeleteRole() {
	client, stop := serve()
	defer stop()
	must(client.CreateRole(ctx, latchkey.RoleSettings{Name: latchkey.Some("reader")}))

	done(client.DeleteRole(ctx, "reader"))
	fmt.Println(len(must(client.ListRoles(ctx, latchkey.Page{})).Data))
	// Output: 0
}

func ExampleClient_CreatePermission() {
	client, stop := serve()
	defer stop()

	permission := must(client.CreatePermission(ctx, latchkey.PermissionSettings{
		Name: latchkey.Some("docs.read"), Description: latchkey.Some("May read documents"),
	}))
	fmt.Println(permission.Name, *permission.Description)
	// Output: docs.read May read documents
}

func ExampleClient_GetPermission() {
	client, stop := serve()
	defer stop()
	req := named("ci")
	req.Permissions = latchkey.Some([]string{"docs.read"}) // naming one makes it
	must(client.CreateKey(ctx, req))

	fmt.Println(must(client.GetPermission(ctx, "docs.read")).Name)
	// Output: docs.read
}

func ExampleClient_ListPermissions() {
	client, stop := serve()
	defer stop()
	must(client.CreatePermission(ctx, latchkey.PermissionSettings{Name: latchkey.Some("docs.read")}))

	fmt.Println(must(client.ListPermissions(ctx, latchkey.Page{})).Data[0].Name)
	// Output: docs.read
}

func ExampleClient_Permissions() {
	client, stop := serve()
	defer stop()
	must(client.CreatePermission(ctx, latchkey.PermissionSettings{Name: latchkey.Some("docs.read")}))
	must(client.CreatePermission(ctx, latchkey.PermissionSettings{Name: latchkey.Some("docs.write")}))

	for permission, err := range client.Permissions(ctx) {
		fmt.Println(permission.Name, err)
	}
	// Output:
	// docs.write <nil>
	// docs.read <nil>
}

func ExampleClient_UpdatePermission() {
	client, stop := serve()
	defer stop()
	must(client.CreatePermission(ctx, latchkey.PermissionSettings{Name: latchkey.Some("docs.read")}))

	permission := must(client.UpdatePermission(ctx, "docs.read", latchkey.PermissionSettings{Slug: latchkey.Some("read")}))
	fmt.Println(*permission.Slug)
	// Output: read
}

func ExampleClient_DeletePermission() {
	client, stop := serve()
	defer stop()
	must(client.CreatePermission(ctx, latchkey.PermissionSettings{Name: latchkey.Some("docs.read")}))

	done(client.DeletePermission(ctx, "docs.read"))
	_, err := client.GetPermission(ctx, "docs.read")
	e, _ := errors.AsType[*latchkey.Error](err)
	fmt.Println(e.Status)
	// Output: 404
}

// A root key for a service that verifies the keys of one keyspace, and can do
// nothing else.
func ExampleClient_CreateRootKey() {
	client, stop := serve()
	defer stop()
	must(client.CreateKeyspace(ctx, latchkey.KeyspaceSettings{Slug: "payments"}))

	root := must(client.CreateRootKey(ctx, latchkey.RootKeySettings{Permissions: latchkey.Some([]string{"keys.payments.verify"})}))
	verifier := &latchkey.Client{URL: client.URL, RootKey: root.Secret}
	_, err := verifier.CreateKey(ctx, latchkey.CreateKeyRequest{Keyspace: "payments"})
	e, _ := errors.AsType[*latchkey.Error](err)
	fmt.Println(e.Code)
	// Output: forbidden
}

func ExampleClient_GetRootKey() {
	client, stop := serve()
	defer stop()
	made := must(client.CreateRootKey(ctx, latchkey.RootKeySettings{Name: latchkey.Some("deploy")}))

	fmt.Println(*must(client.GetRootKey(ctx, made.ID)).Name)
	// Output: deploy
}

func ExampleClient_ListRootKeys() {
	client, stop := serve()
	defer stop()
	must(client.CreateRootKey(ctx, latchkey.RootKeySettings{Name: latchkey.Some("deploy")}))

	page := must(client.ListRootKeys(ctx, latchkey.RootKeyQuery{Name: new("deploy")}))
	fmt.Println(len(page.Data), page.Data[0].Status)
	// Output: 1 active
}

func ExampleClient_RootKeys() {
	client, stop := serve()
	defer stop()
	must(client.CreateRootKey(ctx, latchkey.RootKeySettings{Name: latchkey.Some("deploy")}))

	for root, err := range client.RootKeys(ctx, latchkey.RootKeyQuery{Name: new("deploy")}) {
		fmt.Println(root.Status, err)
	}
	// Output: active <nil>
}

func ExampleClient_UpdateRootKey() {
	client, stop := serve()
	defer stop()
	made := must(client.CreateRootKey(ctx, latchkey.RootKeySettings{Permissions: latchkey.Some([]string{"*"})}))

	root := must(client.UpdateRootKey(ctx, made.ID, latchkey.RootKeySettings{Permissions: latchkey.Some([]string{"keys.*.read"})}))
	fmt.Println(root.Permissions)
	// Output: [keys.*.read]
}

func ExampleClient_DeleteRootKey() {
	client, stop := serve()
	defer stop()
	made := must(client.CreateRootKey(ctx, latchkey.RootKeySettings{Name: latchkey.Some("deploy")}))

	done(client.DeleteRootKey(ctx, made.ID))
	_, err := (&latchkey.Client{URL: client.URL, RootKey: made.Secret}).Whoami(ctx)
	e, _ := errors.AsType[*latchkey.Error](err)
	fmt.Println(e.Code)
	// Output: unauthenticated
}

func ExampleClient_RotateRootKey() {
	client, stop := serve()
	defer stop()
	made := must(client.CreateRootKey(ctx, latchkey.RootKeySettings{Name: latchkey.Some("deploy")}))

	rotated := must(client.RotateRootKey(ctx, made.ID, latchkey.RotateRequest{Overlap: "15m"}))
	fmt.Println(len(rotated.Secrets), rotated.Secret != made.Secret)
	// Output: 2 true
}

func ExampleClient_EndRootSecret() {
	client, stop := serve()
	defer stop()
	made := must(client.CreateRootKey(ctx, latchkey.RootKeySettings{Name: latchkey.Some("deploy")}))
	rotated := must(client.RotateRootKey(ctx, made.ID, latchkey.RotateRequest{Overlap: "15m"}))

	done(client.EndRootSecret(ctx, made.ID, rotated.Secrets[0].ID))
	fmt.Println(len(must(client.GetRootKey(ctx, made.ID)).Secrets))
	// Output: 1
}

// A client acts in a workspace below that of its root key where it is told to.
func ExampleClient_CreateWorkspace() {
	client, stop := serve()
	defer stop()

	acme := must(client.CreateWorkspace(ctx, latchkey.WorkspaceSettings{Slug: latchkey.Some("acme")}))
	inside := &latchkey.Client{URL: client.URL, RootKey: client.RootKey, Workspace: acme.Path}
	must(inside.CreateKey(ctx, named("ci")))
	fmt.Println(acme.Path, len(must(inside.ListKeys(ctx, latchkey.KeyQuery{})).Data), len(must(client.ListKeys(ctx, latchkey.KeyQuery{})).Data))
	// Output: default.acme 1 0
}

func ExampleClient_GetWorkspace() {
	client, stop := serve()
	defer stop()

	fmt.Println(must(client.GetWorkspace(ctx, "default")).Enabled)
	// Output: true
}

func ExampleClient_ListWorkspaces() {
	client, stop := serve()
	defer stop()

	fmt.Println(must(client.ListWorkspaces(ctx, latchkey.Page{})).Data[0].Path)
	// Output: default
}

func ExampleClient_Workspaces() {
	client, stop := serve()
	defer stop()
	must(client.CreateWorkspace(ctx, latchkey.WorkspaceSettings{Slug: latchkey.Some("acme")}))

	for workspace, err := range client.Workspaces(ctx) {
		fmt.Println(workspace.Path, err)
	}
	// Output:
	// default.acme <nil>
	// default <nil>
}

func ExampleClient_UpdateWorkspace() {
	client, stop := serve()
	defer stop()
	must(client.CreateWorkspace(ctx, latchkey.WorkspaceSettings{Slug: latchkey.Some("acme")}))

	workspace := must(client.UpdateWorkspace(ctx, "acme", latchkey.WorkspaceSettings{Enabled: latchkey.Some(false)}))
	fmt.Println(workspace.Enabled)
	// Output: false
}

func ExampleClient_DeleteWorkspace() {
	client, stop := serve()
	defer stop()
	must(client.CreateWorkspace(ctx, latchkey.WorkspaceSettings{Slug: latchkey.Some("acme")}))

	done(client.DeleteWorkspace(ctx, "acme"))
	fmt.Println(len(must(client.ListWorkspaces(ctx, latchkey.Page{})).Data))
	// Output: 1
}
