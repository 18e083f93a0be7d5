package server_test

import "time"

func cost(n int64) *int64 { return &n }

// asked is a question about limits alone.
func asked(limits ...limitAsked) question { return question{limits: limits} }

// vectors is the table: a name, the state of the key, and the question. What is
// answered stands in the column of each door.
var vectors = []vector{
	// What a key is.
	{"a good key", "good", question{}},
	{"a good key by another workspace's caller", "good", question{elsewhere: true}},
	{"a key for root keys alone", "of a keyspace for root keys alone", question{}},
	{"a disabled key", "disabled", question{}},
	{"a key that is enabled again", "enabled again", question{}},
	{"an expired key", "expired", question{}},
	{"a key before it expires", "to expire", question{}},
	{"a deleted key", "deleted", question{}},
	{"a secret that was never made", "never made", question{}},
	{"an empty secret", "empty", question{}},
	{"a text longer than any key", "longer than any key", question{}},
	{"a root key", "a root key", question{}},

	// Rotation.
	{"the old secret without an overlap", "rotated without overlap", question{}},
	{"the old secret in the overlap", "rotated, in the overlap", question{}},
	{"the old secret after the overlap", "rotated, after the overlap", question{}},
	{"the new secret", "the new secret", question{}},
	{"an old secret that was ended", "a secret that was ended", question{}},

	// What a key belongs to.
	{"the key's keyspace", "good", question{keyspace: "open"}},
	{"another keyspace", "good", question{keyspace: "other"}},
	{"a keyspace that is not there", "good", question{keyspace: "none"}},
	{"a keyspace that was deleted", "of a keyspace that was deleted", question{}},
	{"a key of an identity", "of an identity", question{}},
	{"a key of a disabled identity", "of a disabled identity", question{}},
	{"a key of a deleted identity", "of an identity that was deleted", question{}},
	{"a key of another workspace", "of another workspace", question{}},
	{"a key of a disabled workspace", "of a disabled workspace", question{}},
	{"a key of a disabled workspace's child", "of a workspace below a disabled one", question{}},
	{"a key of a deleted workspace", "of a workspace that was deleted", question{}},

	// Where it is used from.
	{"an address of the list", "for some addresses", question{from: "192.0.2.77"}},
	{"another address of the list", "for some addresses", question{from: "[2001:db8::7]"}},
	{"an address that is not of the list", "for some addresses", question{from: "192.0.3.1"}},
	{"a list and no end user's address", "for some addresses", question{}},
	{"any address without a list", "good", question{from: "192.0.2.77"}},

	// What it may do.
	{"a permission that is held", "with permissions", question{permissions: "docs.read"}},
	{"a permission that is missing", "with permissions", question{permissions: "docs.write"}},
	{"a permission held by a wildcard", "with a wildcard", question{permissions: "docs.write"}},
	{"a permission beside a wildcard", "with a wildcard", question{permissions: "files.write"}},
	{"a permission where stars are literal", "with a literal star", question{permissions: "docs.write"}},
	{"a literal star", "with a literal star", question{permissions: "docs.*"}},
	{"a permission held by a role", "with a role", question{permissions: "docs.read"}},
	{"a permission that the role has not", "with a role", question{permissions: "docs.write"}},
	{"both of two", "with permissions", question{permissions: all{"docs.read", "docs.list"}}},
	{"both of two, of which one is missing", "with permissions", question{permissions: all{"docs.read", "docs.write"}}},
	{"one of two", "with permissions", question{permissions: some{"docs.write", "docs.list"}}},
	{"one of two, both missing", "with permissions", question{permissions: some{"docs.write", "files.read"}}},
	{"a nest that holds", "with permissions", question{permissions: all{"docs.read", some{"docs.write", all{"docs.list", "docs.read"}}}}},
	{"a nest that does not", "with permissions", question{permissions: some{"docs.write", all{"docs.list", some{"files.read", "files.list"}}}}},
	{"a query of nothing", "with permissions", question{permissions: all{}}},

	// Credits.
	{"one credit", "with credits", question{}},
	{"three credits", "with credits", question{cost: cost(3)}},
	{"all that is left", "with 3 credits", question{cost: cost(3)}},
	{"more than is left", "with 3 credits", question{cost: cost(5)}},
	{"no credits left", "with no credits left", question{}},
	{"a budget with room", "with a budget", question{}},
	{"a budget that is used up", "with a budget that is used up", question{}},
	{"no cost, and a budget used up", "with a budget that is used up", question{cost: cost(0)}},
	{"no credits left, and a budget used up", "with a budget used up and no credits left", question{}},
	{"no cost, and no credits left", "with no credits left", question{cost: cost(0)}},
	{"a cost without credits", "good", question{cost: cost(5)}},
	{"a cost below 0", "with credits", question{cost: cost(-1)}},
	{"a refill that is due", "with a refill that is due", question{}},
	{"a refill that is not due", "with a refill to come", question{}},

	// Limits.
	{"a limit with room", "with a limit", question{}},
	{"a limit that is named", "with a limit", asked(limitAsked{name: "requests", cost: 2})},
	{"a limit named without cost", "with a limit", asked(limitAsked{name: "requests"})},
	{"a cost beyond the limit", "with a limit", asked(limitAsked{name: "requests", cost: 1001})},
	{"a limit named twice", "with a limit", asked(limitAsked{name: "requests", cost: 1}, limitAsked{name: "requests", cost: 2})},
	{"a cost below 0 of a limit", "with a limit", asked(limitAsked{name: "requests", cost: -1})},
	{"a limit that is not there", "with a limit", asked(limitAsked{name: "none", cost: 1})},
	{"a limit that is used up", "with a limit that is used up", question{}},
	{"a used-up limit named without cost", "with a limit that is used up", asked(limitAsked{name: "requests"})},
	{"a limit that is free again", "with a limit that is free again", question{}},
	{"one of two limits used up", "with one of two limits used up", question{}},
	{"a limit with room, and no credits left", "with a limit and no credits left", question{}},
	{"a limit for those who name it, named", "with a limit for those who name it", asked(limitAsked{name: "exports", cost: 3})},
	{"a limit for those who name it, not named", "with a limit for those who name it", question{}},
	{"a used-up limit for those who name it, named", "with a used-up limit for those who name it", asked(limitAsked{name: "exports", cost: 1})},
	{"a used-up limit for those who name it, not named", "with a used-up limit for those who name it", question{}},
	{"an identity's limit that is used up", "of an identity whose limit is used up", question{}},
	{"a place under a concurrency limit", "with places for many", question{}},
	{"a place that is not asked for", "with places for many", asked(limitAsked{name: "inflight"})},
	{"two places at once", "with places for many", asked(limitAsked{name: "inflight", cost: 2})},
	{"no place under a concurrency limit", "with no place left", question{}},
	{"no place, and none asked for", "with no place left", asked(limitAsked{name: "inflight"})},
	{"a place, and no credits left", "with places and no credits left", question{}},
	{"the request's own limit", "with credits", asked(limitAsked{name: "own", cost: 1, most: 1000, window: time.Hour})},
	{"the request's own limit in a limit's place", "with a limit", asked(limitAsked{name: "requests", cost: 1, most: 1000, window: time.Minute})},
	{"the request's own limit, beyond it", "with credits", asked(limitAsked{name: "own", cost: 6, most: 5, window: time.Hour})},
	{"the request's own limit, used up", "with a request's own limit used up", asked(limitAsked{name: "burst", cost: 1, most: 1, window: time.Hour})},
	{"half a limit of the request's own", "with credits", asked(limitAsked{name: "own", cost: 1, most: 5})},

	// Several faults at once: the first of them is told.
	{"all faults", "with every fault from the workspace on", worst},
	{"all faults from the identity on", "with every fault from the identity on", worst},
	{"all faults from the key on", "with every fault from the key on", worst},
	{"all faults from the keyspace on", "with every fault from expiry on", worst},
	{"all faults from expiry on", "with every fault from expiry on", but(worst, func(q *question) { q.keyspace = "open" })},
	{"all faults from the address on", "with every fault from the address on", but(worst, func(q *question) { q.keyspace = "open" })},
	{"all faults from the permissions on", "with every fault from the limit on", but(worst, func(q *question) { q.keyspace = "open" })},
	{"all faults from the limit on", "with every fault from the limit on", question{keyspace: "open", cost: cost(3), from: "203.0.113.9"}},
	{"all faults from the credits on", "with every fault from the credits on", question{keyspace: "open", cost: cost(3), from: "203.0.113.9"}},
	{"all faults of a key in a shut workspace, asked simply", "with every fault from the workspace on", outside},
	{"all faults of a key of a disabled identity, asked simply", "with every fault from the identity on", outside},
	{"all faults of a disabled key, asked simply", "with every fault from the key on", outside},
	{"all faults of an expired key, asked simply", "with every fault from expiry on", outside},
	{"all faults of a key for some addresses, asked simply", "with every fault from the address on", outside},
	{"all faults of a used-up key, asked simply", "with every fault from the limit on", outside},
}

// outside asks nothing more, from an address that no list has.
var outside = question{from: "203.0.113.9"}

// worst asks for all that a faulty key has not.
var worst = question{keyspace: "other", permissions: "docs.write", cost: cost(3), from: "203.0.113.9"}

// but returns a question with a change.
func but(q question, change func(*question)) question {
	change(&q)
	return q
}
