package native_test

import (
	"fmt"
	"net/http"

	"latchkey"
)

// A preparation makes what an operation is about, and returns the request.
type preparation = func(f *granting) (path, body string, headers []string)

// asIs is the request of a case that is about nothing, or all.
func asIs(path, body string) preparation {
	return func(*granting) (string, string, []string) { return path, body, nil }
}

// on is the request of a case about what make makes, whose path it returns.
func on(make func(*granting) string, more, body string) preparation {
	return func(f *granting) (string, string, []string) { return make(f) + more, body, nil }
}

// fresh makes something by a POST and returns its path. In the body %d stands
// for a number that nothing else has.
func (f *granting) fresh(list, body string) string {
	f.Helper()
	f.made++
	var made struct {
		ID string `json:"id"`
	}
	f.do(f, "POST", list, fmt.Sprintf(body, f.made), &made)
	return list + "/" + made.ID
}

func aKey(f *granting) string {
	return f.fresh("/keys", `{"keyspace":"payments","name":"key %d","credits":{"remaining":100}}`)
}

func aKeptKey(f *granting) string  { return f.fresh("/keys", `{"keyspace":"kept","name":"key %d"}`) }
func aKeyspace(f *granting) string { return f.fresh("/keyspaces", `{"slug":"made-%d"}`) }
func anIdentity(f *granting) string {
	return f.fresh("/identities", `{"external_id":"made-%d"}`)
}
func aRole(f *granting) string       { return f.fresh("/roles", `{"name":"made-%d"}`) }
func aPermission(f *granting) string { return f.fresh("/permissions", `{"name":"made-%d"}`) }
func aRootKey(f *granting) string    { return f.fresh("/root-keys", `{"name":"made-%d"}`) }
func aWorkspace(f *granting) string  { return f.fresh("/workspaces", `{"slug":"made-%d"}`) }

// anOldSecret rotates what make makes, and returns the path of its old secret.
func anOldSecret(make func(*granting) string) func(*granting) string {
	return func(f *granting) string {
		path := make(f)
		var was latchkey.Key
		f.do(f, "GET", path, "", &was)
		f.do(f, "POST", path+"/rotate", `{"overlap":"1h"}`, nil)
		return path + "/secrets/" + was.Secrets[0].ID
	}
}

// aLease is a place that a verification holds.
func aLease(f *granting) string {
	f.Helper()
	key := f.makeKey(f, `{"keyspace":"payments","limits":[{"name":"inflight","concurrent":9}]}`)
	var v latchkey.Verification
	f.do(f, "POST", "/verify", `{"key":"`+key.Secret+`"}`, &v)
	return "/leases/" + v.Leases[0].ID
}

// aReservation is money that is set aside.
func aReservation(f *granting) string {
	f.Helper()
	var made latchkey.Reservation
	f.do(f, "POST", aKey(f)+"/reservations", `{"amount_micros":5}`, &made)
	return "/reservations/" + made.ID
}

// anOverride makes one for b* in a namespace, and returns the path of its list.
func anOverride(f *granting) string {
	f.Helper()
	f.made++
	list := fmt.Sprintf("/limits/made-%d/overrides", f.made)
	f.do(f, "PUT", list+"/b%2A", `{"max":1,"window":"1h"}`, nil)
	return list
}

// theQuestion is a verification of a good key, put into a frame.
func theQuestion(path, frame string) preparation {
	return func(f *granting) (string, string, []string) {
		secret := f.makeKey(f, `{"keyspace":"payments"}`).Secret
		return path, fmt.Sprintf(frame, `{"key":"`+secret+`"}`), nil
	}
}

// replaced is the request of a case that replaces an identity.
func replaced(f *granting) (string, string, []string) {
	anIdentity(f)
	return fmt.Sprintf("/identities/by-external-id/made-%d", f.made), `{"kind":"user"}`, nil
}

func needs(permissions ...string) []string { return permissions }

// grantCases has a case for every operation, and one for every permission that
// an operation can need.
var grantCases = []grantCase{
	{operation: "verify", needs: needs("keys.payments.verify"), prepare: theQuestion("/verify", `%s`), outcome: "not_found"},
	{operation: "verifyBatch", needs: needs("keys.payments.verify"), prepare: theQuestion("/verify/batch", `{"requests":[%s]}`), outcome: "not_found"},

	{operation: "createKey", needs: needs("keys.payments.create"), prepare: asIs("/keys", `{"keyspace":"payments"}`)},
	{operation: "listKeys", needs: needs("keys.payments.read"), prepare: asIs("/keys?keyspace=payments", "")},
	{operation: "getKey", needs: needs("keys.payments.read"), prepare: on(aKey, "", "")},
	{operation: "updateKey", needs: needs("keys.payments.update"), prepare: on(aKey, "", `{"name":"other"}`)},
	{operation: "deleteKey", needs: needs("keys.payments.delete"), prepare: on(aKey, "", "")},
	{operation: "rotateKey", needs: needs("keys.payments.rotate"), prepare: on(aKey, "/rotate", `{"overlap":"1h"}`)},
	{operation: "endSecret", needs: needs("keys.payments.rotate"), prepare: on(anOldSecret(aKey), "", "")},
	{operation: "revealKey", needs: needs("keys.kept.reveal"), prepare: on(aKeptKey, "/reveal", "")},
	{operation: "spend", needs: needs("keys.payments.spend"), prepare: on(aKey, "/spend", `{"amount_micros":1}`)},
	{operation: "reserve", needs: needs("keys.payments.spend"), status: http.StatusCreated, prepare: on(aKey, "/reservations", `{"amount_micros":1}`)},
	{operation: "settle", needs: needs("keys.payments.spend"), prepare: on(aReservation, "/settle", `{"amount_micros":1}`)},
	{operation: "releaseReservation", needs: needs("keys.payments.spend"), prepare: on(aReservation, "/release", "")},
	{operation: "refund", needs: needs("keys.payments.spend"), prepare: on(aKey, "/refund", `{"amount_micros":1}`)},
	{operation: "changeCredits", needs: needs("keys.payments.update"), prepare: on(aKey, "/credits", `{"operation":"decrement","amount":1}`)},
	{operation: "changePermissions", needs: needs("keys.payments.update"), prepare: on(aKey, "/permissions", `{"add":["docs.read"]}`)},
	{operation: "changeRoles", needs: needs("keys.payments.update"), prepare: on(aKey, "/roles", `{"add":["reader"]}`)},

	{operation: "releaseLease", needs: needs("keys.payments.verify"), prepare: on(aLease, "/release", "")},
	{operation: "checkLimit", needs: needs("limits.*.check"), prepare: asIs("/limits/check", `{"namespace":"api","identifier":"a","max":9,"window":"1h"}`)},
	{operation: "listOverrides", needs: needs("limits.*.update"), prepare: on(anOverride, "", "")},
	{operation: "replaceOverride", needs: needs("limits.*.update"), prepare: asIs("/limits/made/overrides/a%2A", `{"max":1,"window":"1h"}`), status: http.StatusCreated},
	{operation: "replaceOverride", needs: needs("limits.*.update"), prepare: on(anOverride, "/b%2A", `{"max":2,"window":"1h"}`)},
	{operation: "getOverride", needs: needs("limits.*.update"), prepare: on(anOverride, "/b%2A", "")},
	{operation: "deleteOverride", needs: needs("limits.*.update"), prepare: on(anOverride, "/b%2A", "")},

	{operation: "createKeyspace", needs: needs("keyspaces.*.create"), prepare: asIs("/keyspaces", `{"slug":"tried"}`)},
	{operation: "listKeyspaces", needs: needs("keyspaces.*.read"), prepare: asIs("/keyspaces", "")},
	{operation: "getKeyspace", needs: needs("keyspaces.*.read"), prepare: asIs("/keyspaces/payments", "")},
	{operation: "updateKeyspace", needs: needs("keyspaces.*.update"), prepare: on(aKeyspace, "", `{"policy":{"recoverable":true}}`)},
	{operation: "deleteKeyspace", needs: needs("keyspaces.*.delete"), prepare: on(aKeyspace, "", "")},

	{operation: "createIdentity", needs: needs("identities.*.create"), prepare: asIs("/identities", `{"external_id":"tried"}`)},
	{operation: "listIdentities", needs: needs("identities.*.read"), prepare: asIs("/identities", "")},
	{operation: "getIdentity", needs: needs("identities.*.read"), prepare: on(anIdentity, "", "")},
	{operation: "updateIdentity", needs: needs("identities.*.update"), prepare: on(anIdentity, "", `{"enabled":false}`)},
	{operation: "deleteIdentity", needs: needs("identities.*.delete"), prepare: on(anIdentity, "", "")},
	{operation: "replaceIdentity", needs: needs("identities.*.create"), prepare: asIs("/identities/by-external-id/put", `{}`), status: http.StatusCreated},
	{operation: "replaceIdentity", needs: needs("identities.*.update"), prepare: replaced},

	{operation: "createRole", needs: needs("roles.*.create"), prepare: asIs("/roles", `{"name":"tried"}`)},
	{operation: "listRoles", needs: needs("roles.*.read"), prepare: asIs("/roles", "")},
	{operation: "getRole", needs: needs("roles.*.read"), prepare: on(aRole, "", "")},
	{operation: "updateRole", needs: needs("roles.*.update"), prepare: on(aRole, "", `{"permissions":["docs.read"]}`)},
	{operation: "deleteRole", needs: needs("roles.*.delete"), prepare: on(aRole, "", "")},
	{operation: "createPermission", needs: needs("roles.*.create"), prepare: asIs("/permissions", `{"name":"tried"}`)},
	{operation: "listPermissions", needs: needs("roles.*.read"), prepare: asIs("/permissions", "")},
	{operation: "getPermission", needs: needs("roles.*.read"), prepare: on(aPermission, "", "")},
	{operation: "updatePermission", needs: needs("roles.*.update"), prepare: on(aPermission, "", `{"description":"tried"}`)},
	{operation: "deletePermission", needs: needs("roles.*.delete"), prepare: on(aPermission, "", "")},

	{operation: "createRootKey", needs: needs("root_keys.*.create"), prepare: asIs("/root-keys", `{"name":"tried"}`)},
	{operation: "listRootKeys", needs: needs("root_keys.*.read"), prepare: asIs("/root-keys", "")},
	{operation: "getRootKey", needs: needs("root_keys.*.read"), prepare: on(aRootKey, "", "")},
	{operation: "updateRootKey", needs: needs("root_keys.*.update"), prepare: on(aRootKey, "", `{"enabled":false}`)},
	{operation: "deleteRootKey", needs: needs("root_keys.*.delete"), prepare: on(aRootKey, "", "")},
	{operation: "rotateRootKey", needs: needs("root_keys.*.update"), prepare: on(aRootKey, "/rotate", `{"overlap":"1h"}`)},
	{operation: "endRootSecret", needs: needs("root_keys.*.update"), prepare: on(anOldSecret(aRootKey), "", "")},

	{operation: "createWorkspace", needs: needs("workspaces.*.create"), prepare: asIs("/workspaces", `{"slug":"tried"}`)},
	{operation: "listWorkspaces", needs: needs("workspaces.*.read"), prepare: asIs("/workspaces", "")},
	{operation: "getWorkspace", needs: needs("workspaces.*.read"), prepare: on(aWorkspace, "", "")},
	{operation: "updateWorkspace", needs: needs("workspaces.*.update"), prepare: on(aWorkspace, "", `{"enabled":false}`)},
	{operation: "deleteWorkspace", needs: needs("workspaces.*.delete"), prepare: on(aWorkspace, "", "")},

	{operation: "listEvents", needs: needs("events.*.read"), prepare: asIs("/events", "")},
	{operation: "listUsage", needs: needs("usage.*.read"), prepare: asIs("/usage?group_by=key", "")},

	// Who need nothing.
	{operation: "whoami", prepare: asIs("/whoami", "")},
	{operation: "endSelf", prepare: asIs("/whoami", "")},
	{operation: "server", prepare: asIs("/server", "")},
	{operation: "openapi", prepare: asIs("/openapi.yaml", "")},
	{operation: "problem", prepare: asIs("/problems/forbidden", "")},

	// What is no operation by itself.
	{needs: needs("metrics.*.read"), prepare: asIs("/metrics", "")},
	{needs: needs("workspaces.*.act", "keyspaces.*.read"), hidden: "workspaces.*.act", prepare: func(*granting) (string, string, []string) {
		return "/keyspaces", "", []string{"Latchkey-Workspace", "acme"}
	}},
}
