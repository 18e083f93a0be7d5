package main

import (
	"iter"

	"latchkey"
)

var identityCommand = command{
	use: "identity", short: "Identities: the owners of keys",
	parts: []command{
		{use: "create", short: "Make an identity", flags: append([]member{
			{flag: "external-id", path: "external_id", kind: text, clear: noClear, text: "your own name for it, unique in the workspace"},
		}, identityMembers...), body: true, once: true, run: create((*latchkey.Client).CreateIdentity)},
		{use: "get IDENTITY", short: "Show an identity, by id or external id", run: get((*latchkey.Client).GetIdentity)},
		{use: "list", short: "List identities, the newest first", flags: []member{
			{flag: "external-id", kind: text, text: "the one with this external `ID`"},
			{flag: "kind", kind: text, values: kinds, text: "`KIND`: customer, user or organization"},
			{flag: "enabled", kind: toggle, text: "those that are enabled; =false: those that are not"},
		}, list: true, run: list("id external_id kind enabled created_at", identities)},
		{use: "update IDENTITY", short: "Change what is given of an identity", flags: append([]member{
			{flag: "external-id", path: "external_id", kind: text, clear: noClear, text: "your own name for it, unique in the workspace"},
		}, identityMembers...), body: true, run: update((*latchkey.Client).UpdateIdentity)},
		{use: "disable IDENTITY", short: "Refuse all keys of an identity", run: send((*latchkey.Client).UpdateIdentity, identityEnabled(false))},
		{use: "enable IDENTITY", short: "Let the keys of an identity work again", run: send((*latchkey.Client).UpdateIdentity, identityEnabled(true))},
		{use: "replace EXTERNAL_ID", short: "Make an identity what the flags say, whole, whether there is one or not",
			flags: identityMembers, body: true, run: change((*latchkey.Client).ReplaceIdentity)},
		{use: "delete IDENTITY", short: "Delete an identity; its keys stay, without an owner", run: remove((*latchkey.Client).DeleteIdentity)},
	},
}

// kinds are what an identity can be.
var kinds = []string{"customer", "user", "organization"}

var identityMembers = []member{
	{flag: "kind", path: "kind", kind: text, values: kinds, clear: noClear, text: "`KIND`: customer, user or organization (customer)"},
	{flag: "enabled", path: "enabled", kind: toggle, clear: noClear, text: "whether its keys work (true)"},
	metaMember,
	{flag: "limit", path: "limits", kind: limit, many: true, text: "`LIMIT` that its keys share, as with latchkey key create. May be given again"},
}

func identities(c *call) iter.Seq2[latchkey.Identity, error] {
	return c.client.Identities(c.ctx, latchkey.IdentityQuery{
		ExternalID: c.text("external-id"), Kind: c.text("kind"), Enabled: filter[bool](c, "enabled"), Page: c.page(),
	})
}

func identityEnabled(on bool) func(*call) latchkey.IdentitySettings {
	return func(*call) latchkey.IdentitySettings { return latchkey.IdentitySettings{Enabled: latchkey.Some(on)} }
}
