package main

import "latchkey"

var workspaceCommand = command{
	use: "workspace", short: "Workspaces: tenants, in a tree",
	parts: []command{
		{use: "create", short: "Make a workspace below the one that is acted in", body: true, once: true, flags: append([]member{
			{flag: "slug", path: "slug", kind: text, clear: noClear, text: "its short name, 1 to 64 of a-z, 0-9 and -; it stays"},
		}, workspaceMembers...), run: create((*latchkey.Client).CreateWorkspace)},
		{use: "get WORKSPACE", short: "Show a workspace, by id, path or slug", run: get((*latchkey.Client).GetWorkspace)},
		{use: "list", short: "List workspaces, the newest first", list: true,
			run: every("id path name enabled created_at", (*latchkey.Client).Workspaces)},
		{use: "update WORKSPACE", short: "Change what is given of a workspace", flags: workspaceMembers, body: true,
			run: update((*latchkey.Client).UpdateWorkspace)},
		{use: "disable WORKSPACE", short: "Refuse all keys and callers of a workspace", run: send((*latchkey.Client).UpdateWorkspace, workspaceEnabled(false))},
		{use: "enable WORKSPACE", short: "Let a workspace work again", run: send((*latchkey.Client).UpdateWorkspace, workspaceEnabled(true))},
		{use: "delete WORKSPACE", short: "Delete a workspace, and end all that is in it", run: remove((*latchkey.Client).DeleteWorkspace)},
	},
}

var workspaceMembers = []member{
	{flag: "name", path: "name", kind: text, text: "what people call it"},
	{flag: "enabled", path: "enabled", kind: toggle, clear: noClear, text: "whether its keys and callers work (true)"},
	{flag: "prepaid-micros", path: "prepaid_micros", kind: number, text: "what was paid in for its keys, in millionths of a US dollar (0)"},
}

func workspaceEnabled(on bool) func(*call) latchkey.WorkspaceSettings {
	return func(*call) latchkey.WorkspaceSettings { return latchkey.WorkspaceSettings{Enabled: latchkey.Some(on)} }
}
