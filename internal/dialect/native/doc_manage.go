package native

import "latchkey"

var (
	createKeyspaceDoc = operation{id: "createKeyspace", tag: "Keyspaces", summary: "Make a keyspace", status: 201, keeps: true,
		request: typeOf[latchkey.KeyspaceSettings](), response: typeOf[latchkey.Keyspace]()}
	listKeyspacesDoc = operation{id: "listKeyspaces", tag: "Keyspaces", summary: "List keyspaces", status: 200,
		query: pageParams, response: typeOf[latchkey.List[latchkey.Keyspace]]()}
	getKeyspaceDoc    = operation{id: "getKeyspace", tag: "Keyspaces", summary: "Read a keyspace", status: 200, response: typeOf[latchkey.Keyspace]()}
	updateKeyspaceDoc = operation{id: "updateKeyspace", tag: "Keyspaces", summary: "Change a keyspace", status: 200, conditional: true,
		request: typeOf[latchkey.KeyspaceSettings](), response: typeOf[latchkey.Keyspace]()}
	deleteKeyspaceDoc = operation{id: "deleteKeyspace", tag: "Keyspaces", summary: "Delete a keyspace", status: 204, conditional: true}

	createIdentityDoc = operation{id: "createIdentity", tag: "Identities", summary: "Make an identity", status: 201, keeps: true,
		request: typeOf[latchkey.IdentitySettings](), response: typeOf[latchkey.Identity]()}
	listIdentitiesDoc = operation{id: "listIdentities", tag: "Identities", summary: "List identities", status: 200,
		query: append([]queryParam{
			{name: "external_id", about: "The identity with this external id."},
			{name: "kind", about: "customer, user or organization."},
			{name: "enabled", about: "true or false."},
		}, pageParams...), response: typeOf[latchkey.List[latchkey.Identity]]()}
	getIdentityDoc    = operation{id: "getIdentity", tag: "Identities", summary: "Read an identity", status: 200, response: typeOf[latchkey.Identity]()}
	updateIdentityDoc = operation{id: "updateIdentity", tag: "Identities", summary: "Change an identity", status: 200, conditional: true,
		request: typeOf[latchkey.IdentitySettings](), response: typeOf[latchkey.Identity]()}
	deleteIdentityDoc  = operation{id: "deleteIdentity", tag: "Identities", summary: "Delete an identity", status: 204, conditional: true}
	replaceIdentityDoc = operation{id: "replaceIdentity", tag: "Identities", summary: "Make an identity what it is to be, whole", status: 200, conditional: true,
		request: typeOf[latchkey.ReplaceIdentitySettings](), response: typeOf[latchkey.Identity]()}

	createRoleDoc = operation{id: "createRole", tag: "Roles and permissions", summary: "Make a role", status: 201, keeps: true,
		request: typeOf[latchkey.RoleSettings](), response: typeOf[latchkey.Role]()}
	listRolesDoc = operation{id: "listRoles", tag: "Roles and permissions", summary: "List roles", status: 200,
		query: pageParams, response: typeOf[latchkey.List[latchkey.Role]]()}
	getRoleDoc    = operation{id: "getRole", tag: "Roles and permissions", summary: "Read a role", status: 200, response: typeOf[latchkey.Role]()}
	updateRoleDoc = operation{id: "updateRole", tag: "Roles and permissions", summary: "Change a role", status: 200, conditional: true,
		request: typeOf[latchkey.RoleSettings](), response: typeOf[latchkey.Role]()}
	deleteRoleDoc = operation{id: "deleteRole", tag: "Roles and permissions", summary: "Delete a role", status: 204, conditional: true}

	createPermissionDoc = operation{id: "createPermission", tag: "Roles and permissions", summary: "Make a permission", status: 201, keeps: true,
		request: typeOf[latchkey.PermissionSettings](), response: typeOf[latchkey.Permission]()}
	listPermissionsDoc = operation{id: "listPermissions", tag: "Roles and permissions", summary: "List permissions", status: 200,
		query: pageParams, response: typeOf[latchkey.List[latchkey.Permission]]()}
	getPermissionDoc    = operation{id: "getPermission", tag: "Roles and permissions", summary: "Read a permission", status: 200, response: typeOf[latchkey.Permission]()}
	updatePermissionDoc = operation{id: "updatePermission", tag: "Roles and permissions", summary: "Change a permission", status: 200, conditional: true,
		request: typeOf[latchkey.PermissionSettings](), response: typeOf[latchkey.Permission]()}
	deletePermissionDoc = operation{id: "deletePermission", tag: "Roles and permissions", summary: "Delete a permission", status: 204, conditional: true}

	createRootKeyDoc = operation{id: "createRootKey", tag: "Root keys", summary: "Make a root key", status: 201, keeps: true,
		request: typeOf[latchkey.RootKeySettings](), response: typeOf[latchkey.RootKeyWithSecret]()}
	listRootKeysDoc = operation{id: "listRootKeys", tag: "Root keys", summary: "List root keys", status: 200,
		query: append([]queryParam{
			{name: "status", about: "active, disabled or expired; disabled goes before expired."},
			{name: "name", about: "Root keys with exactly this name."},
			{name: "start", about: "The part of a hint before the ellipsis."},
		}, pageParams...), response: typeOf[latchkey.List[latchkey.RootKey]]()}
	getRootKeyDoc    = operation{id: "getRootKey", tag: "Root keys", summary: "Read a root key", status: 200, response: typeOf[latchkey.RootKey]()}
	updateRootKeyDoc = operation{id: "updateRootKey", tag: "Root keys", summary: "Change a root key", status: 200, conditional: true,
		request: typeOf[latchkey.RootKeySettings](), response: typeOf[latchkey.RootKey]()}
	deleteRootKeyDoc = operation{id: "deleteRootKey", tag: "Root keys", summary: "Delete a root key", status: 204, conditional: true}
	rotateRootKeyDoc = operation{id: "rotateRootKey", tag: "Root keys", summary: "Give a root key a new secret", status: 200, keeps: true,
		request: typeOf[latchkey.RotateRequest](), bodyOmitted: true, response: typeOf[latchkey.RootKeyWithSecret]()}
	endRootSecretDoc = operation{id: "endRootSecret", tag: "Root keys", summary: "End one secret of a root key", status: 204, conditional: true}

	createWorkspaceDoc = operation{id: "createWorkspace", tag: "Workspaces", summary: "Make a workspace", status: 201, keeps: true,
		request: typeOf[latchkey.WorkspaceSettings](), response: typeOf[latchkey.Workspace]()}
	listWorkspacesDoc = operation{id: "listWorkspaces", tag: "Workspaces", summary: "List workspaces", status: 200,
		query: pageParams, response: typeOf[latchkey.List[latchkey.Workspace]]()}
	getWorkspaceDoc    = operation{id: "getWorkspace", tag: "Workspaces", summary: "Read a workspace", status: 200, response: typeOf[latchkey.Workspace]()}
	updateWorkspaceDoc = operation{id: "updateWorkspace", tag: "Workspaces", summary: "Change a workspace", status: 200, conditional: true,
		request: typeOf[latchkey.WorkspaceSettings](), response: typeOf[latchkey.Workspace]()}
	deleteWorkspaceDoc = operation{id: "deleteWorkspace", tag: "Workspaces", summary: "Delete a workspace", status: 204, conditional: true}
)
