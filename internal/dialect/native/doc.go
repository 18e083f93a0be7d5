package native

import (
	"reflect"

	"latchkey"
)

// An operation describes a route for the specification, which a test writes
// from it and from the wire types.
type operation struct {
	id, summary string
	tag         string
	query       []queryParam
	request     reflect.Type // nil: no body
	bodyOmitted bool         // the body may be left out
	response    reflect.Type // nil: 204, or text
	status      int
	text        string // media type of an answer that is not JSON
	conditional bool   // takes If-Match
	keeps       bool   // takes Idempotency-Key
}

type queryParam struct {
	name, about string
	integer     bool
}

func typeOf[T any]() reflect.Type { return reflect.TypeFor[T]() }

var pageParams = []queryParam{
	{name: "limit", about: "Rows in a page, 1 to 200; 50 where absent.", integer: true},
	{name: "cursor", about: "next_cursor of the page before."},
}

var (
	verifyDoc = operation{id: "verify", tag: "Verification", summary: "Verify a key", status: 200, keeps: true,
		request: typeOf[latchkey.VerifyRequest](), response: typeOf[latchkey.Verification]()}
	batchDoc = operation{id: "verifyBatch", tag: "Verification", summary: "Verify many keys", status: 200, keeps: true,
		request: typeOf[latchkey.VerifyBatchRequest](), response: typeOf[latchkey.VerifyBatch]()}

	createKeyDoc = operation{id: "createKey", tag: "Keys", summary: "Make a key", status: 201, keeps: true,
		request: typeOf[latchkey.CreateKeyRequest](), response: typeOf[latchkey.KeyWithSecret]()}
	listKeysDoc = operation{id: "listKeys", tag: "Keys", summary: "List keys", status: 200,
		query: append([]queryParam{
			{name: "keyspace", about: "Keys of one keyspace, by id or slug."},
			{name: "identity", about: "Keys of one owner, by id or external id."},
			{name: "external_id", about: "Keys of the owner with this external id."},
			{name: "status", about: "active, disabled or expired; disabled goes before expired."},
			{name: "name", about: "Keys with exactly this name."},
			{name: "environment", about: "Keys of one environment."},
			{name: "start", about: "The part of a hint before the ellipsis."},
		}, pageParams...), response: typeOf[latchkey.List[latchkey.Key]]()}
	getKeyDoc    = operation{id: "getKey", tag: "Keys", summary: "Read a key", status: 200, response: typeOf[latchkey.Key]()}
	updateKeyDoc = operation{id: "updateKey", tag: "Keys", summary: "Change a key", status: 200, conditional: true,
		request: typeOf[latchkey.KeySettings](), response: typeOf[latchkey.Key]()}
	deleteKeyDoc = operation{id: "deleteKey", tag: "Keys", summary: "Delete a key", status: 204, conditional: true}
	rotateKeyDoc = operation{id: "rotateKey", tag: "Keys", summary: "Give a key a new secret", status: 200, keeps: true,
		request: typeOf[latchkey.RotateRequest](), bodyOmitted: true, response: typeOf[latchkey.KeyWithSecret]()}
	endSecretDoc     = operation{id: "endSecret", tag: "Keys", summary: "End one secret of a key", status: 204, conditional: true}
	revealDoc        = operation{id: "revealKey", tag: "Keys", summary: "Read a key's secret again", status: 200, response: typeOf[latchkey.RevealedSecret]()}
	changeCreditsDoc = operation{id: "changeCredits", tag: "Keys", summary: "Change a key's balance", status: 200, keeps: true,
		request: typeOf[latchkey.ChangeCreditsRequest](), response: typeOf[latchkey.CreditBalance]()}
	changePermissionsDoc = operation{id: "changePermissions", tag: "Keys", summary: "Add permissions to a key and take some away", status: 200, keeps: true,
		request: typeOf[latchkey.ChangeNamesRequest](), response: typeOf[latchkey.KeyPermissions]()}
	changeRolesDoc = operation{id: "changeRoles", tag: "Keys", summary: "Add roles to a key and take some away", status: 200, keeps: true,
		request: typeOf[latchkey.ChangeNamesRequest](), response: typeOf[latchkey.KeyRoles]()}

	whoamiDoc     = operation{id: "whoami", tag: "Self", summary: "What the presented key is", status: 200, response: typeOf[latchkey.Whoami]()}
	endSelfDoc    = operation{id: "endSelf", tag: "Self", summary: "End the presented key", status: 204}
	listEventsDoc = operation{id: "listEvents", tag: "Audit", summary: "Read the audit log", status: 200,
		query: append([]queryParam{
			{name: "key", about: "Events that concern one key, its secrets and credits too."},
			{name: "actor", about: "Events by one actor, by id."},
			{name: "action", about: "Events of one action, such as key.update."},
			{name: "from", about: "Not before this time."},
			{name: "to", about: "Before this time."},
		}, pageParams...), response: typeOf[latchkey.List[latchkey.Event]]()}

	serverDoc  = operation{id: "server", tag: "Server", summary: "Version, schema, revision and dialects", status: 200, response: typeOf[latchkey.Server]()}
	openAPIDoc = operation{id: "openapi", tag: "Server", summary: "This specification", status: 200, text: "application/yaml"}
	problemDoc = operation{id: "problem", tag: "Server", summary: "What a problem's code means", status: 200, text: "text/plain"}
)
