package main

import "latchkey"

var roleCommand = command{
	use: "role", short: "Roles: named sets of permissions",
	parts: []command{
		{use: "create", short: "Make a role", flags: roleMembers, body: true, once: true,
			example: "  latchkey role create --name reader --permission docs.read",
			run:     create((*latchkey.Client).CreateRole)},
		{use: "get ROLE", short: "Show a role, by name or id", run: get((*latchkey.Client).GetRole)},
		{use: "list", short: "List roles, the newest first", list: true,
			run: every("id name permissions description", (*latchkey.Client).Roles)},
		{use: "update ROLE", short: "Change what is given of a role", flags: roleMembers, body: true, run: update((*latchkey.Client).UpdateRole)},
		{use: "delete ROLE", short: "Delete a role, and take it from all keys", run: remove((*latchkey.Client).DeleteRole)},
	},
}

var roleMembers = []member{
	{flag: "name", path: "name", kind: text, clear: noClear, text: "its name, unique in the workspace"},
	{flag: "slug", path: "slug", kind: text, text: "another name of it"},
	{flag: "description", path: "description", kind: text, text: "what it is for"},
	{flag: "permission", path: "permissions", kind: text, many: true, text: "`NAME` of a permission that it gives; made where there is none. May be given again"},
}
