package native

import (
	"reflect"

	"latchkey"
)

// An operation describes a route for the specification, which a test writes
// from it and from the wire types.
type operation struct {
	id, summary string
	about       string // what the summary leaves open
	permission  string // what a root key needs
	replaces    string // what it needs instead where the operation replaces something
	tag         string
	query       reflect.Type // its members are the query parameters
	request     reflect.Type // nil: no body
	bodyOmitted bool         // the body may be left out
	sentBack    reflect.Type // an answer whose other members the body may have, as they are
	response    reflect.Type // nil: 204, or text
	status      int
	orMakes     bool   // answers 201 where it makes what it names
	text        string // media type of an answer that is not JSON
	versioned   bool   // the answer has an ETag
	secret      bool   // the answer holds a secret
	conditional bool   // takes If-Match
	keeps       bool   // takes Idempotency-Key
	counts      bool   // changes counters alone, which have no revision
}

func typeOf[T any]() reflect.Type { return reflect.TypeFor[T]() }

// A keyQuery has the query parameters of GET /keys.
type keyQuery struct {
	Keyspace    string `json:"keyspace" doc:"Keys of one keyspace, by id or slug."`
	Identity    string `json:"identity" doc:"Keys of one owner, by id or external id."`
	ExternalID  string `json:"external_id" doc:"Keys of the owner with this external id."`
	Status      string `json:"status" enum:"active,disabled,expired" doc:"Keys of one status; disabled goes before expired."`
	Name        string `json:"name" doc:"Keys with exactly this name; empty: keys without."`
	Environment string `json:"environment" doc:"Keys of one environment; empty: keys without."`
	Start       string `json:"start" doc:"Keys whose hint has this before its ellipsis."`
	pageQuery
}

// An eventQuery has the query parameters of GET /events.
type eventQuery struct {
	Key    string        `json:"key" doc:"Events that concern one key, its secrets and credits too, by its id."`
	Actor  string        `json:"actor" doc:"Events by one actor, by id."`
	Action string        `json:"action" doc:"Events of one action, such as key.update."`
	From   latchkey.Time `json:"from" doc:"Not before this time."`
	To     latchkey.Time `json:"to" doc:"Before this time."`
	pageQuery
}

// A usageQuery has the query parameters of GET /usage.
type usageQuery struct {
	Key      string        `json:"key" doc:"Of one key, by its id, also after it was deleted."`
	Identity string        `json:"identity" doc:"Of the keys of one owner, by id or external id."`
	Keyspace string        `json:"keyspace" doc:"Of the keys of one keyspace, by id or slug."`
	Tag      string        `json:"tag" doc:"With this tag, whatever others there are."`
	From     latchkey.Time `json:"from" doc:"Hours that begin at this time or later; where absent 24 hours, 30 days or 12 months before to."`
	To       latchkey.Time `json:"to" doc:"Hours that begin before this time; where absent the end of the present hour."`
	Bucket   string        `json:"bucket" enum:"hour,day,month" default:"hour" doc:"What is added up to one row, in UTC. Hours may reach over 31 days, days over 400, months over 10 years."`
	GroupBy  string        `json:"group_by" doc:"What rows are kept apart by, separated by commas: outcome, key, identity, tag."`
	pageQuery
}

// A pageQuery has the query parameters of every list.
type pageQuery struct {
	Limit  int64  `json:"limit" minimum:"1" maximum:"200" default:"50" doc:"Rows in a page."`
	Cursor string `json:"cursor" doc:"The next_cursor of the page before."`
}

var (
	verifyDoc = operation{id: "verify", tag: "Verification", summary: "Verify a key", status: 200, keeps: true,
		about: "Answers 200 whatever the outcome: `valid` and `outcome` tell it. A refusal takes nothing. " +
			"A root key finds the keys of keyspaces for which it has `keys.KEYSPACE.verify`; without a root key, " +
			"keys of keyspaces with the policy `verify_without_root_key` are found. Any other key is `not_found`.",
		request: typeOf[latchkey.VerifyRequest](), response: typeOf[latchkey.Verification]()}
	batchDoc = operation{id: "verifyBatch", tag: "Verification", summary: "Verify many keys", status: 200, keeps: true,
		about: "Answers in the order of the requests. What is wrong with one request is that request's answer, " +
			"and the others have theirs.",
		request: typeOf[latchkey.VerifyBatchRequest](), response: typeOf[latchkey.VerifyBatch]()}

	createKeyDoc = operation{id: "createKey", tag: "Keys", summary: "Make a key", status: 201, permission: "keys.KEYSPACE.create",
		about:   "The answer holds the key's secret, which is shown this once.",
		request: typeOf[latchkey.CreateKeyRequest](), response: typeOf[latchkey.KeyWithSecret](), versioned: true, secret: true, keeps: true}
	listKeysDoc = operation{id: "listKeys", tag: "Keys", summary: "List keys", status: 200, permission: "keys.KEYSPACE.read",
		about: "The newest first, of the keyspaces that the root key may read. To name another one is forbidden.",
		query: typeOf[keyQuery](), response: typeOf[latchkey.List[latchkey.Key]]()}
	getKeyDoc = operation{id: "getKey", tag: "Keys", summary: "Read a key", status: 200, permission: "keys.KEYSPACE.read",
		response: typeOf[latchkey.Key](), versioned: true}
	updateKeyDoc = operation{id: "updateKey", tag: "Keys", summary: "Change a key", status: 200, permission: "keys.KEYSPACE.update",
		about: "A JSON Merge Patch (RFC 7396): an absent member stays as it is, null clears it, a list replaces the one that is there. " +
			"Anything seen in an answer can be sent back, and changes nothing.",
		request: typeOf[latchkey.KeySettings](), sentBack: typeOf[latchkey.KeyWithSecret](), response: typeOf[latchkey.Key](),
		versioned: true, conditional: true}
	deleteKeyDoc = operation{id: "deleteKey", tag: "Keys", summary: "Delete a key", status: 204, permission: "keys.KEYSPACE.delete",
		about: "Its secrets are refused as `not_found` from then on.", conditional: true}
	rotateKeyDoc = operation{id: "rotateKey", tag: "Keys", summary: "Give a key a new secret", status: 200, permission: "keys.KEYSPACE.rotate",
		about: "The answer holds the new secret, which is shown this once. The key keeps its id and all else. " +
			"The old secrets work until the overlap ends. An expired key is a conflict.",
		request: typeOf[latchkey.RotateRequest](), bodyOmitted: true, response: typeOf[latchkey.KeyWithSecret](), versioned: true, secret: true, keeps: true}
	endSecretDoc = operation{id: "endSecret", tag: "Keys", summary: "End one secret of a key", status: 204, permission: "keys.KEYSPACE.rotate",
		about: "To end the last one is a conflict.", conditional: true}
	revealDoc = operation{id: "revealKey", tag: "Keys", summary: "Read a key's secret again", status: 200, permission: "keys.KEYSPACE.reveal",
		about:    "Where the keyspace keeps secrets recoverable; elsewhere it is a conflict. The audit log tells of it.",
		response: typeOf[latchkey.RevealedSecret](), secret: true}
	changeCreditsDoc = operation{id: "changeCredits", tag: "Keys", summary: "Change a key's balance", status: 200, permission: "keys.KEYSPACE.update",
		about:   "A decrement below 0 is a conflict and takes nothing. Of a key without credits, `set` gives it some; all else is a conflict.",
		request: typeOf[latchkey.ChangeCreditsRequest](), response: typeOf[latchkey.CreditBalance](), keeps: true}
	spendDoc = operation{id: "spend", tag: "Keys", summary: "Report what was spent with a key", status: 200, permission: "keys.KEYSPACE.spend",
		about: "Recorded whole, beyond the budget too: then `remaining_micros` is 0, `overdrawn_micros` says by how much, and the next " +
			"use is refused until the budget recovers. Recorded for a key without a budget too.",
		request: typeOf[latchkey.SpendRequest](), response: typeOf[latchkey.BudgetAnswer](), keeps: true}
	reserveDoc = operation{id: "reserve", tag: "Keys", summary: "Set money of a key aside", status: 200, orMakes: true, permission: "keys.KEYSPACE.spend",
		about: "For a use whose cost is not known yet. Where the budget has not as much left, the status is 200, `outcome` says so, and " +
			"nothing is set aside.",
		request: typeOf[latchkey.ReserveRequest](), response: typeOf[latchkey.Reservation](), keeps: true}
	settleDoc = operation{id: "settle", tag: "Keys", summary: "End a reservation with what was spent", status: 200, permission: "keys.KEYSPACE.spend",
		about:   "Recorded like a report of spending, for 30 days after the reservation has expired too. To end one that was settled or released is a conflict.",
		request: typeOf[latchkey.SpendRequest](), response: typeOf[latchkey.BudgetAnswer](), keeps: true}
	releaseReservationDoc = operation{id: "releaseReservation", tag: "Keys", summary: "End a reservation of which nothing was spent", status: 204,
		permission: "keys.KEYSPACE.spend", about: "To end one that was settled or released is a conflict."}
	refundDoc = operation{id: "refund", tag: "Keys", summary: "Give back what was spent with a key", status: 200, permission: "keys.KEYSPACE.spend",
		about:   "To the present window of the budget, and at most what was spent in it.",
		request: typeOf[latchkey.SpendRequest](), response: typeOf[latchkey.BudgetAnswer](), keeps: true}
	changePermissionsDoc = operation{id: "changePermissions", tag: "Keys", summary: "Add permissions to a key and take some away", status: 200,
		permission: "keys.KEYSPACE.update", request: typeOf[latchkey.ChangeNamesRequest](), response: typeOf[latchkey.KeyPermissions](), versioned: true, keeps: true}
	changeRolesDoc = operation{id: "changeRoles", tag: "Keys", summary: "Add roles to a key and take some away", status: 200,
		permission: "keys.KEYSPACE.update", request: typeOf[latchkey.ChangeNamesRequest](), response: typeOf[latchkey.KeyRoles](), versioned: true, keeps: true}

	whoamiDoc = operation{id: "whoami", tag: "Self", summary: "Read what the presented key is", status: 200,
		about: "Takes nothing from its limits and credits.", response: typeOf[latchkey.Whoami](), versioned: true}
	endSelfDoc = operation{id: "endSelf", tag: "Self", summary: "End the presented key", status: 204,
		about: "Whoever finds a leaked key can end it. The last root key that may do everything is a conflict.", conditional: true}
	listEventsDoc = operation{id: "listEvents", tag: "Audit", summary: "Read the audit log", status: 200, permission: "events.*.read",
		about: "The newest first.", query: typeOf[eventQuery](), response: typeOf[latchkey.List[latchkey.Event]]()}
	listUsageDoc = operation{id: "listUsage", tag: "Usage", summary: "Add up verifications", status: 200, permission: "usage.*.read",
		about: "By the hour, day or month, the newest first and then by what they are grouped by. Every use is counted, refused or not, " +
			"and what was counted stays when a key is deleted. Grouped by tag, a verification is in the row of each of its tags, and in none " +
			"where it has none; of a key with more than 1,000 different sets of tags in an hour the rest is counted with the tag `other`. " +
			"A crash may lose the counts of the last 5 seconds. Adding up for more than 5 seconds is given up as `unavailable`.",
		query: typeOf[usageQuery](), response: typeOf[latchkey.List[latchkey.UsageSum]]()}

	serverDoc  = operation{id: "server", tag: "Server", summary: "Read version, schema, revision and dialects", status: 200, response: typeOf[latchkey.Server]()}
	openAPIDoc = operation{id: "openapi", tag: "Server", summary: "Read this specification", status: 200, text: "application/yaml"}
	problemDoc = operation{id: "problem", tag: "Server", summary: "Read what a problem's code means", status: 200, text: "text/plain"}
)
