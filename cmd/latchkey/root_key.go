package main

import (
	"iter"

	"latchkey"
)

var rootKeyCommand = command{
	use: "root-key", short: "Root keys: who may manage, and what",
	parts: []command{
		{use: "create", short: "Make a root key, and print its secret this once", flags: rootKeyMembers, body: true, once: true,
			example: "  latchkey root-key create --name gateway --permission keys.payments.verify --quiet > secret",
			run:     create((*latchkey.Client).CreateRootKey)},
		{use: "get ROOT_KEY", short: "Show a root key", run: get((*latchkey.Client).GetRootKey)},
		{use: "list", short: "List root keys, the newest first", flags: []member{statusMember, nameFilter, startMember}, list: true,
			run: list("id name hint status permissions expires_at last_used_at", rootKeys)},
		{use: "update ROOT_KEY", short: "Change what is given of a root key", flags: rootKeyMembers, body: true, run: update((*latchkey.Client).UpdateRootKey)},
		{use: "disable ROOT_KEY", short: "Refuse a root key from now on", run: send((*latchkey.Client).UpdateRootKey, rootKeyEnabled(false))},
		{use: "enable ROOT_KEY", short: "Let a root key work again", run: send((*latchkey.Client).UpdateRootKey, rootKeyEnabled(true))},
		{use: "rotate ROOT_KEY", short: "Give a root key a new secret, and print it this once", flags: rotateMembers, body: true, once: true,
			run: change((*latchkey.Client).RotateRootKey)},
		{use: "delete ROOT_KEY", short: "Delete a root key, which is refused from then on", run: remove((*latchkey.Client).DeleteRootKey)},
		{use: "secrets", short: "A root key's secrets that work", parts: []command{
			{use: "list ROOT_KEY", short: "List them", run: secretsOf((*latchkey.Client).GetRootKey, func(k latchkey.RootKey) []latchkey.Secret { return k.Secrets })},
			{use: "end ROOT_KEY SECRET", short: "End one now, though not the last", run: endSecret((*latchkey.Client).EndRootSecret)},
		}},
	},
}

var rootKeyMembers = []member{
	{flag: "name", path: "name", kind: text, text: "what people call it"},
	{flag: "enabled", path: "enabled", kind: toggle, text: "whether it works (true)", clear: noClear},
	metaMember,
	{flag: "permission", path: "permissions", kind: text, many: true, text: "`PERMISSION` to manage: RESOURCE.SCOPE.ACTION, where * matches any segment; a lone * is everything. May be given again"},
	allowedIPMember, expiresAtMember, expiresInMember, limitMember,
}

func rootKeys(c *call) iter.Seq2[latchkey.RootKey, error] {
	return c.client.RootKeys(c.ctx, latchkey.RootKeyQuery{
		Status: c.text("status"), Name: filter[string](c, "name"), Start: c.text("start"), Page: c.page(),
	})
}

func rootKeyEnabled(on bool) func(*call) latchkey.RootKeySettings {
	return func(*call) latchkey.RootKeySettings { return latchkey.RootKeySettings{Enabled: latchkey.Some(on)} }
}
