package main

import (
	"iter"

	"latchkey"
)

var keyCommand = command{
	use: "key", short: "Keys: make, verify, change, rotate, delete",
	parts: []command{
		{use: "create", short: "Make a key, and print its secret this once",
			example: "  latchkey key create --name ci --external-id cust_42 --permission docs.read \\\n" +
				"    --limit name=requests,max=100,window=1m\n" +
				"  latchkey key create --name ci --quiet > secret",
			flags: append([]member{{flag: "keyspace", path: "keyspace", kind: text, clear: noClear,
				text: "`KEYSPACE` to make it in, by id or slug (the workspace's default one)"}}, keyMembers...),
			body: true, once: true, run: create((*latchkey.Client).CreateKey)},
		{use: "get KEY", short: "Show a key", run: get((*latchkey.Client).GetKey)},
		{use: "list", short: "List keys, the newest first", flags: keyFilters, list: true,
			run: list("id keyspace name hint status identity.external_id expires_at last_used_at", keys)},
		{use: "update KEY", short: "Change what is given of a key", flags: keyMembers, body: true,
			example: "  latchkey key update key_… --permission docs.read --permission docs.write --clear expires-at",
			run:     update((*latchkey.Client).UpdateKey)},
		{use: "disable KEY", short: "Refuse a key from now on", run: send((*latchkey.Client).UpdateKey, keyEnabled(false))},
		{use: "enable KEY", short: "Let a key work again", run: send((*latchkey.Client).UpdateKey, keyEnabled(true))},
		{use: "rotate KEY", short: "Give a key a new secret, and print it this once", flags: rotateMembers, body: true, once: true,
			example: "  latchkey key rotate key_… --overlap 24h",
			run:     change((*latchkey.Client).RotateKey)},
		{use: "delete KEY", short: "Delete a key, which is refused from then on", run: remove((*latchkey.Client).DeleteKey)},
		verifyCommand,
		{use: "reveal KEY", short: "Print a key's secret again, where its keyspace is recoverable", run: reveal},
		creditsCommand,
		{use: "spend KEY", short: "Report what was spent with a key", flags: spendMembers, body: true, once: true,
			example: "  latchkey key spend key_… --amount-micros 1500", run: change((*latchkey.Client).Spend)},
		{use: "reserve KEY", short: "Set money of a key aside for a use whose cost is not known yet", flags: []member{
			{flag: "amount-micros", path: "amount_micros", kind: number, clear: noClear, text: "the amount, in millionths of a US dollar"},
			{flag: "ttl", path: "ttl", kind: text, clear: noClear, text: "how long, a `DURATION` (10m)"},
		}, body: true, once: true, run: setAside},
		{use: "settle RESERVATION", short: "End a reservation with what was really spent", flags: spendMembers, body: true, once: true,
			run: change((*latchkey.Client).Settle)},
		{use: "release RESERVATION", short: "End a reservation of which nothing was spent", once: true, run: remove((*latchkey.Client).ReleaseReservation)},
		{use: "refund KEY", short: "Give back what was spent with a key in the present window", flags: spendMembers, body: true, once: true,
			run: change((*latchkey.Client).Refund)},
		{use: "permissions", short: "A key's own permissions", parts: []command{
			{use: "list KEY", short: "Show them", run: ownPermissions},
			{use: "add KEY NAME...", short: "Add some", once: true, run: changePermissions(added)},
			{use: "remove KEY NAME...", short: "Take some away", once: true, run: changePermissions(removed)},
			{use: "set KEY NAME...", short: "Replace them; without a name, by none", run: setPermissions},
		}},
		{use: "roles", short: "A key's roles", parts: []command{
			{use: "list KEY", short: "Show them", run: ownRoles},
			{use: "add KEY ROLE...", short: "Add some", once: true, run: changeRoles(added)},
			{use: "remove KEY ROLE...", short: "Take some away", once: true, run: changeRoles(removed)},
			{use: "set KEY ROLE...", short: "Replace them; without a role, by none", run: setRoles},
		}},
		{use: "secrets", short: "A key's secrets that work", parts: []command{
			{use: "list KEY", short: "List them", run: secretsOf((*latchkey.Client).GetKey, func(k latchkey.Key) []latchkey.Secret { return k.Secrets })},
			{use: "end KEY SECRET", short: "End one now, though not the last", run: endSecret((*latchkey.Client).EndSecret)},
		}},
		{use: "whoami", short: "Tell what the key on standard input is, as its holder may know", public: true, secret: true, run: whoamiOfKey},
		{use: "end", short: "End the key on standard input, whoever found it", public: true, secret: true, run: endKey},
	},
}

// keyMembers are what can be set of a key.
var keyMembers = []member{
	{flag: "name", path: "name", kind: text, text: "what people call it"},
	{flag: "environment", path: "environment", kind: text, text: "one of the keyspace's environments, if it lists any"},
	{flag: "enabled", path: "enabled", kind: toggle, text: "whether it works (true)", clear: noClear},
	{flag: "identity", path: "identity", kind: owner, text: "`IDENTITY` that owns it, by id or external id"},
	{flag: "external-id", path: "external_id", kind: text, text: "owner by external `ID`; made where there is none", clear: noClear},
	metaMember,
	{flag: "permission", path: "permissions", kind: text, many: true, text: "`NAME` of what it may do; made where there is none. May be given again"},
	{flag: "role", path: "roles", kind: text, many: true, text: "`ROLE` that it has. May be given again"},
	allowedIPMember, expiresAtMember, expiresInMember, limitMember,
	{flag: "credits", path: "credits.remaining", kind: number, clear: "credits", text: "how many uses it has left. Where it has credits already, see latchkey key credits"},
	{flag: "budget", path: "budget.limit_micros", kind: number, clear: "budget", text: "how much may be spent in a window, in millionths of a US dollar"},
	{flag: "budget-reset", path: "budget.reset", kind: text, text: "when the budget begins anew: daily, weekly or monthly"},
	{flag: "budget-counts-byok", path: "budget.counts_byok", kind: toggle, clear: noClear, text: "whether what is spent with the customer's own provider keys counts (false)"},
	{flag: "refill", path: "credits.refill", kind: refill, text: "`REFILL` of the credits, such as amount=100,every=monthly,day=1,mode=set; every: daily, monthly, or a duration"},
}

var spendMembers = []member{
	{flag: "amount-micros", path: "amount_micros", kind: number, clear: noClear, text: "the amount, in millionths of a US dollar"},
	{flag: "kind", path: "kind", kind: text, clear: noClear, text: "with whose provider keys: own, or byok for the customer's (own)"},
}

// Members that several nouns have.
var (
	metaMember      = member{flag: "meta", path: "meta", kind: object, text: "your own data, an object; an update merges it"}
	allowedIPMember = member{flag: "allowed-ip", path: "allowed_ips", kind: text, many: true, text: "`ADDRESS` or range that it may be used from. May be given again"}
	expiresAtMember = member{flag: "expires-at", path: "expires_at", kind: moment, text: "when it ends"}
	expiresInMember = member{flag: "expires-in", path: "expires_at", kind: fromNow, text: "when it ends, from now: an integer and ms, s, m, h or d"}
	limitMember     = member{flag: "limit", path: "limits", kind: limit, many: true,
		text: "`LIMIT` on its use, such as name=requests,max=100,window=1m; also algorithm=sliding|fixed|fixed_from_first|gcra and auto_apply=false; or name=…,concurrent=10. May be given again"}
	rotateMembers = []member{{flag: "overlap", path: "overlap", kind: text, clear: noClear, text: "how long the old secrets still work, a `DURATION` (0s)"}}
	statusMember  = member{flag: "status", kind: text, values: []string{"active", "disabled", "expired"}, text: "`STATUS`: active, disabled or expired"}
	startMember   = member{flag: "start", kind: text, text: "with hints that begin so"}
	nameFilter    = member{flag: "name", kind: text, text: "with exactly this name"}
)

var keyFilters = []member{
	{flag: "keyspace", kind: text, text: "of one `KEYSPACE`, by id or slug"},
	{flag: "identity", kind: text, text: "of one `IDENTITY`, by id or external id"},
	{flag: "external-id", kind: text, text: "of the owner with this external `ID`"},
	statusMember, nameFilter,
	{flag: "environment", kind: text, text: "of one environment"},
	startMember,
}

func keys(c *call) iter.Seq2[latchkey.Key, error] {
	return c.client.Keys(c.ctx, latchkey.KeyQuery{
		Keyspace: c.text("keyspace"), Identity: c.text("identity"), ExternalID: c.text("external-id"), Status: c.text("status"),
		Name: filter[string](c, "name"), Environment: filter[string](c, "environment"), Start: c.text("start"), Page: c.page(),
	})
}

func keyEnabled(on bool) func(*call) latchkey.KeySettings {
	return func(*call) latchkey.KeySettings { return latchkey.KeySettings{Enabled: latchkey.Some(on)} }
}

func reveal(c *call) error {
	secret, err := c.client.RevealKey(c.ctx, c.args[0])
	if err != nil {
		return err
	}
	return c.show(latchkey.RevealedSecret{Secret: secret})
}

func whoamiOfKey(c *call) error {
	var err error
	if c.client.RootKey, err = c.secret(); err != nil {
		return err
	}
	return c.reply(c.client.Whoami(c.ctx))
}

func endKey(c *call) error {
	var err error
	if c.client.RootKey, err = c.secret(); err != nil {
		return err
	}
	return c.client.EndSelf(c.ctx)
}

// setAside reserves money; that there is not enough is a verdict.
func setAside(c *call) error {
	in, err := body[latchkey.ReserveRequest, latchkey.Reservation](c)
	if err != nil {
		return err
	}
	reservation, err := c.client.Reserve(c.ctx, c.args[0], in)
	if err := c.reply(reservation, err); err != nil {
		return err
	}
	if reservation.Outcome != "" {
		return errRefused
	}
	return nil
}
