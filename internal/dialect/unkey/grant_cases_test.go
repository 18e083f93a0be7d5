package unkey_test

import "fmt"

// asIs is what is asked by a case that is about nothing, or all. In it $api is
// the API.
func asIs(ask string) func(*granting) string {
	return func(*granting) string { return ask }
}

// about is what is asked about something that make makes; %s stands for its id.
func about(make func(*granting) string, ask string) func(*granting) string {
	return func(f *granting) string { return fmt.Sprintf(ask, make(f)) }
}

// inAPI is what is asked about the API; %s stands for its id.
func inAPI(ask string) func(*granting) string {
	return func(f *granting) string { return fmt.Sprintf(ask, f.api) }
}

func aKey(f *granting) string {
	return f.fresh("keys.createKey", `{"apiId":"`+f.api+`","name":"key %d","remaining":100}`, "keyId")
}

func anAPI(f *granting) string { return f.fresh("apis.createApi", `{"name":"made %d"}`, "apiId") }
func anIdentity(f *granting) string {
	return f.fresh("identities.createIdentity", `{"externalId":"made-%d"}`, "identityId")
}
func aPermission(f *granting) string {
	return f.fresh("permissions.createPermission", `{"name":"made-%d"}`, "permissionId")
}
func aRole(f *granting) string {
	return f.fresh("permissions.createRole", `{"name":"made-%d"}`, "roleId")
}

// aSecret makes a key and returns what is shown of it once.
func aSecret(f *granting) string {
	return f.fresh("keys.createKey", `{"apiId":"`+f.api+`","name":"key %d"}`, "key")
}

// aKeyAnd makes a key and something else, and returns a body that names both.
func aKeyAnd(make func(*granting) string, list string) func(*granting) string {
	return func(f *granting) string {
		return fmt.Sprintf(`{"keyId":"%s","%s":[{"id":"%s"}]}`, aKey(f), list, make(f))
	}
}

// aKeyAndNew names a key, and a new name in a list that is to be made.
func aKeyAndNew(list string) func(*granting) string {
	return func(f *granting) string {
		id := aKey(f)
		return fmt.Sprintf(`{"keyId":"%s","%s":[{"name":"new-%d","create":true}]}`, id, list, f.made)
	}
}

func needs(grants ...string) []string { return grants }

// Grants that many methods need.
const (
	createKeys = "keys.$api.create"
	readKeys   = "keys.$api.read"
	updateKeys = "keys.$api.update"
	makeRoles  = "roles.*.create"
)

// grantCases has a case for every method that not anybody may call, and one for
// every grant that a method can need.
var grantCases = []grantCase{
	{method: "apis.createApi", needs: needs("keyspaces.*.create"), ask: asIs(`{"name":"tried"}`)},
	{method: "apis.getApi", needs: needs("keyspaces.*.read"), ask: about(anAPI, "apiId=%s")},
	{method: "apis.listKeys", needs: needs("keyspaces.*.read", readKeys), ask: inAPI("apiId=%s")},
	{method: "apis.deleteApi", needs: needs("keyspaces.*.delete"), ask: about(anAPI, `{"apiId":"%s"}`)},

	{method: "keys.createKey", needs: needs(createKeys), ask: inAPI(`{"apiId":"%s"}`)},
	{method: "keys.createKey", needs: needs(createKeys, makeRoles), ask: inAPI(`{"apiId":"%s","permissions":["made.by.a.key"]}`)},
	{method: "keys.createKey", needs: needs(createKeys, makeRoles), ask: inAPI(`{"apiId":"%s","roles":["made by a key"]}`)},
	{method: "keys.getKey", needs: needs(readKeys), ask: about(aKey, "keyId=%s")},
	{method: "keys.getKey", needs: needs(readKeys, "keys.$api.reveal"), ask: about(aKey, "keyId=%s&decrypt=true")},
	{method: "keys.whoami", needs: needs(readKeys), ask: about(aSecret, `{"key":"%s"}`), hidden: true},
	{method: "keys.updateKey", needs: needs(updateKeys), ask: about(aKey, `{"keyId":"%s","name":"other"}`)},
	{method: "keys.updateKey", needs: needs(updateKeys, makeRoles), ask: aKeyAndNew("permissions")},
	{method: "keys.updateKey", needs: needs(updateKeys, makeRoles), ask: aKeyAndNew("roles")},
	{method: "keys.deleteKey", needs: needs("keys.$api.delete"), ask: about(aKey, `{"keyId":"%s"}`)},
	{method: "keys.updateRemaining", needs: needs(updateKeys), ask: about(aKey, `{"keyId":"%s","op":"decrement","value":1}`)},
	{method: "keys.updateRemaining", needs: needs(updateKeys), ask: about(aKey, `{"keyId":"%s","op":"set","value":null}`)},
	{method: "keys.addPermissions", needs: needs(updateKeys), ask: aKeyAnd(aPermission, "permissions")},
	{method: "keys.addPermissions", needs: needs(updateKeys, makeRoles), ask: aKeyAndNew("permissions")},
	{method: "keys.setPermissions", needs: needs(updateKeys), ask: aKeyAnd(aPermission, "permissions")},
	{method: "keys.setPermissions", needs: needs(updateKeys, makeRoles), ask: aKeyAndNew("permissions")},
	{method: "keys.removePermissions", needs: needs(updateKeys), ask: aKeyAnd(aPermission, "permissions")},
	{method: "keys.addRoles", needs: needs(updateKeys), ask: aKeyAnd(aRole, "roles")},
	{method: "keys.addRoles", needs: needs(updateKeys, makeRoles), ask: aKeyAndNew("roles")},
	{method: "keys.setRoles", needs: needs(updateKeys), ask: aKeyAnd(aRole, "roles")},
	{method: "keys.setRoles", needs: needs(updateKeys, makeRoles), ask: aKeyAndNew("roles")},
	{method: "keys.removeRoles", needs: needs(updateKeys), ask: aKeyAnd(aRole, "roles")},

	{method: "permissions.createPermission", needs: needs(makeRoles), ask: asIs(`{"name":"tried"}`)},
	{method: "permissions.getPermission", needs: needs("roles.*.read"), ask: about(aPermission, "permissionId=%s")},
	{method: "permissions.listPermissions", needs: needs("roles.*.read"), ask: asIs("")},
	{method: "permissions.deletePermission", needs: needs("roles.*.delete"), ask: about(aPermission, `{"permissionId":"%s"}`)},
	{method: "permissions.createRole", needs: needs(makeRoles), ask: asIs(`{"name":"tried"}`)},
	{method: "permissions.getRole", needs: needs("roles.*.read"), ask: about(aRole, "roleId=%s")},
	{method: "permissions.listRoles", needs: needs("roles.*.read"), ask: asIs("")},
	{method: "permissions.deleteRole", needs: needs("roles.*.delete"), ask: about(aRole, `{"roleId":"%s"}`)},

	{method: "identities.createIdentity", needs: needs("identities.*.create"), ask: asIs(`{"externalId":"tried"}`)},
	{method: "identities.getIdentity", needs: needs("identities.*.read"), ask: about(anIdentity, "identityId=%s")},
	{method: "identities.listIdentities", needs: needs("identities.*.read"), ask: asIs("")},
	{method: "identities.updateIdentity", needs: needs("identities.*.update"), ask: about(anIdentity, `{"identityId":"%s","meta":{"a":1}}`)},
	{method: "identities.deleteIdentity", needs: needs("identities.*.delete"), ask: about(anIdentity, `{"identityId":"%s"}`)},
}
