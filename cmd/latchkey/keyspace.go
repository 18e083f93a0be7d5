package main

import "latchkey"

var keyspaceCommand = command{
	use: "keyspace", short: "Keyspaces: the keys of one API, with their policy",
	parts: []command{
		{use: "create", short: "Make a keyspace", flags: keyspaceMembers, body: true, once: true,
			example: "  latchkey keyspace create --slug payments --prefix pay --environment live --environment test",
			run:     create((*latchkey.Client).CreateKeyspace)},
		{use: "get KEYSPACE", short: "Show a keyspace, by id or slug", run: get((*latchkey.Client).GetKeyspace)},
		{use: "list", short: "List keyspaces, the newest first", list: true,
			run: every("id slug name policy.prefix created_at", (*latchkey.Client).Keyspaces)},
		{use: "update KEYSPACE", short: "Change what is given of a keyspace", flags: keyspaceMembers, body: true,
			run: update((*latchkey.Client).UpdateKeyspace)},
		{use: "delete KEYSPACE", short: "Delete a keyspace, and refuse all its keys", run: remove((*latchkey.Client).DeleteKeyspace)},
	},
}

// keyspaceMembers are what can be set of a keyspace and its policy. What
// --clear makes null takes its default again.
var keyspaceMembers = []member{
	{flag: "slug", path: "slug", kind: text, clear: noClear, text: "its short name, 1 to 64 of a-z, 0-9 and -"},
	{flag: "name", path: "name", kind: text, text: "what people call it"},
	{flag: "prefix", path: "policy.prefix", kind: text, text: "how secrets begin (lk)"},
	{flag: "secret-format", path: "policy.secret.format", kind: text, values: []string{"latchkey", "base62", "base58", "hex", "letters", "base58-bytes"},
		text: "`FORMAT` of secrets: latchkey, base62, base58, hex, letters or base58-bytes"},
	{flag: "secret-length", path: "policy.secret.length", kind: number, text: "characters after the prefix (30); with base58-bytes: random bytes"},
	{flag: "hint-store", path: "policy.hint.store", kind: toggle, text: "whether some of a secret is kept to be shown (true)"},
	{flag: "hint-length", path: "policy.hint.length", kind: number, text: "characters after the prefix that are kept (4)"},
	{flag: "environment", path: "policy.environments", kind: text, many: true, text: "`NAME` that keys may have as environment; the first is the default. May be given again"},
	{flag: "name-required", path: "policy.name.required", kind: toggle, text: "whether keys must have a name"},
	{flag: "name-min", path: "policy.name.min", kind: number, text: "characters of a name, at least (1)"},
	{flag: "name-max", path: "policy.name.max", kind: number, text: "characters of a name, at most (256)"},
	{flag: "meta-allowed", path: "policy.meta.allowed", kind: toggle, text: "whether keys may have metadata (true)"},
	{flag: "meta-max-bytes", path: "policy.meta.max_bytes", kind: number, text: "bytes of metadata, at most (16384)"},
	{flag: "expiry-required", path: "policy.expiry.required", kind: toggle, text: "whether keys must expire"},
	{flag: "expiry-custom", path: "policy.expiry.custom", kind: toggle, text: "whether who makes a key may choose (true)"},
	{flag: "expiry-default", path: "policy.expiry.default", kind: text, text: "life of a key where nobody chooses, a `DURATION`"},
	{flag: "expiry-min", path: "policy.expiry.min", kind: text, text: "life of a key, at least, a `DURATION`"},
	{flag: "expiry-max", path: "policy.expiry.max", kind: text, text: "life of a key, at most, a `DURATION`"},
	{flag: "limit", path: "policy.limits", kind: limit, many: true, text: "`LIMIT` that keys get, as with latchkey key create. May be given again"},
	{flag: "permission", path: "policy.permissions", kind: text, many: true, text: "`NAME` of a permission that keys get. May be given again"},
	{flag: "credits", path: "policy.credits.remaining", kind: number, clear: "policy.credits", text: "credits that keys get"},
	{flag: "refill", path: "policy.credits.refill", kind: refill, text: "`REFILL` of those credits, as with latchkey key create"},
	{flag: "grantable", path: "policy.grantable", kind: text, many: true, text: "`NAME` of a permission that sessions may give. May be given again"},
	{flag: "permission-wildcards", path: "policy.permission_wildcards", kind: toggle, text: "whether * in a key's permission matches a segment (true)"},
	{flag: "owner", path: "policy.owner", kind: text, values: []string{"any", "user", "organization"}, text: "`KIND` of owner that keys must have: any, user or organization (any)"},
	{flag: "session-enabled", path: "policy.session.enabled", kind: toggle, text: "whether a key is good as its owner's session"},
	{flag: "session-header", path: "policy.session.headers", kind: text, many: true, text: "`HEADER` that such a key comes in (x-api-key). May be given again"},
	{flag: "purge-expired", path: "policy.purge.expired", kind: toggle, text: "whether a key goes at the verification that finds it expired"},
	{flag: "purge-used-up", path: "policy.purge.used_up", kind: toggle, text: "whether a key goes at the verification that finds it used up"},
	{flag: "limiter-down", path: "policy.limiter_down", kind: text, values: []string{"local", "refuse", "allow"}, text: "`WHAT` to do where the limiter of several nodes cannot be reached: local, refuse or allow (local)"},
	{flag: "recoverable", path: "policy.recoverable", kind: toggle, text: "whether secrets are kept so that they can be revealed"},
	{flag: "self-list", path: "policy.self_list", kind: toggle, text: "whether a key's holder may list its owner's keys (true)"},
	{flag: "verify-without-root-key", path: "policy.verify_without_root_key", kind: toggle, text: "whether anybody may verify its keys"},
}
