package main

import "latchkey"

var permissionCommand = command{
	use: "permission", short: "Permissions: what keys may be allowed to do",
	parts: []command{
		{use: "create", short: "Make a permission", body: true, once: true, flags: append([]member{
			{flag: "name", path: "name", kind: text, clear: noClear, text: "its name, of A-Z, a-z, 0-9 and _.:*/-; it stays"},
		}, permissionMembers...), run: create((*latchkey.Client).CreatePermission)},
		{use: "get PERMISSION", short: "Show a permission, by name or id", run: get((*latchkey.Client).GetPermission)},
		{use: "list", short: "List permissions, the newest first", list: true,
			run: every("id name slug description", (*latchkey.Client).Permissions)},
		{use: "update PERMISSION", short: "Change what is given of a permission", flags: permissionMembers, body: true,
			run: update((*latchkey.Client).UpdatePermission)},
		{use: "delete PERMISSION", short: "Delete a permission, and take it from all keys and roles", run: remove((*latchkey.Client).DeletePermission)},
	},
}

var permissionMembers = []member{
	{flag: "slug", path: "slug", kind: text, text: "another name of it"},
	{flag: "description", path: "description", kind: text, text: "what it allows"},
}
