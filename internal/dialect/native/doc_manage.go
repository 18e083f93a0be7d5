package native

import "latchkey"

// An identityQuery has the query parameters of GET /identities.
type identityQuery struct {
	ExternalID string `json:"external_id" doc:"The identity with this external id."`
	Kind       string `json:"kind" enum:"customer,user,organization" doc:"Identities of one kind."`
	Enabled    string `json:"enabled" enum:"true,false" doc:"Identities that are enabled, or that are not."`
	pageQuery
}

// A rootKeyQuery has the query parameters of GET /root-keys.
type rootKeyQuery struct {
	Status string `json:"status" enum:"active,disabled,expired" doc:"Root keys of one status; disabled goes before expired."`
	Name   string `json:"name" doc:"Root keys with exactly this name."`
	Start  string `json:"start" doc:"Root keys whose hint has this before its ellipsis."`
	pageQuery
}

var (
	createKeyspaceDoc = operation{permission: "keyspaces.*.create", id: "createKeyspace", tag: "Keyspaces", summary: "Make a keyspace", status: 201, keeps: true,
		request: typeOf[latchkey.KeyspaceSettings](), response: typeOf[latchkey.Keyspace](), versioned: true}
	listKeyspacesDoc = operation{permission: "keyspaces.*.read", id: "listKeyspaces", tag: "Keyspaces", summary: "List keyspaces", status: 200,
		query: typeOf[pageQuery](), response: typeOf[latchkey.List[latchkey.Keyspace]]()}
	getKeyspaceDoc    = operation{permission: "keyspaces.*.read", id: "getKeyspace", tag: "Keyspaces", summary: "Read a keyspace", status: 200, response: typeOf[latchkey.Keyspace](), versioned: true}
	updateKeyspaceDoc = operation{permission: "keyspaces.*.update", id: "updateKeyspace", tag: "Keyspaces", summary: "Change a keyspace", status: 200, conditional: true,
		request: typeOf[latchkey.KeyspaceSettings](), response: typeOf[latchkey.Keyspace](), versioned: true, sentBack: typeOf[latchkey.Keyspace]()}
	deleteKeyspaceDoc = operation{permission: "keyspaces.*.delete", id: "deleteKeyspace", tag: "Keyspaces", summary: "Delete a keyspace", status: 204, conditional: true}

	createIdentityDoc = operation{permission: "identities.*.create", id: "createIdentity", tag: "Identities", summary: "Make an identity", status: 201, keeps: true,
		request: typeOf[latchkey.IdentitySettings](), response: typeOf[latchkey.Identity](), versioned: true}
	listIdentitiesDoc = operation{permission: "identities.*.read", id: "listIdentities", tag: "Identities", summary: "List identities", status: 200,
		query: typeOf[identityQuery](), response: typeOf[latchkey.List[latchkey.Identity]]()}
	getIdentityDoc    = operation{permission: "identities.*.read", id: "getIdentity", tag: "Identities", summary: "Read an identity", status: 200, response: typeOf[latchkey.Identity](), versioned: true}
	updateIdentityDoc = operation{permission: "identities.*.update", id: "updateIdentity", tag: "Identities", summary: "Change an identity", status: 200, conditional: true,
		request: typeOf[latchkey.IdentitySettings](), response: typeOf[latchkey.Identity](), versioned: true, sentBack: typeOf[latchkey.Identity]()}
	deleteIdentityDoc  = operation{permission: "identities.*.delete", id: "deleteIdentity", tag: "Identities", summary: "Delete an identity", status: 204, conditional: true}
	replaceIdentityDoc = operation{permission: "identities.*.create", replaces: "identities.*.update", id: "replaceIdentity", orMakes: true, tag: "Identities", summary: "Make an identity what it is to be, whole", status: 200, conditional: true,
		request: typeOf[latchkey.ReplaceIdentitySettings](), response: typeOf[latchkey.Identity](), versioned: true}

	createRoleDoc = operation{permission: "roles.*.create", id: "createRole", tag: "Roles and permissions", summary: "Make a role", status: 201, keeps: true,
		request: typeOf[latchkey.RoleSettings](), response: typeOf[latchkey.Role](), versioned: true}
	listRolesDoc = operation{permission: "roles.*.read", id: "listRoles", tag: "Roles and permissions", summary: "List roles", status: 200,
		query: typeOf[pageQuery](), response: typeOf[latchkey.List[latchkey.Role]]()}
	getRoleDoc    = operation{permission: "roles.*.read", id: "getRole", tag: "Roles and permissions", summary: "Read a role", status: 200, response: typeOf[latchkey.Role](), versioned: true}
	updateRoleDoc = operation{permission: "roles.*.update", id: "updateRole", tag: "Roles and permissions", summary: "Change a role", status: 200, conditional: true,
		request: typeOf[latchkey.RoleSettings](), response: typeOf[latchkey.Role](), versioned: true, sentBack: typeOf[latchkey.Role]()}
	deleteRoleDoc = operation{permission: "roles.*.delete", id: "deleteRole", tag: "Roles and permissions", summary: "Delete a role", status: 204, conditional: true}

	createPermissionDoc = operation{permission: "roles.*.create", id: "createPermission", tag: "Roles and permissions", summary: "Make a permission", status: 201, keeps: true,
		request: typeOf[latchkey.PermissionSettings](), response: typeOf[latchkey.Permission](), versioned: true}
	listPermissionsDoc = operation{permission: "roles.*.read", id: "listPermissions", tag: "Roles and permissions", summary: "List permissions", status: 200,
		query: typeOf[pageQuery](), response: typeOf[latchkey.List[latchkey.Permission]]()}
	getPermissionDoc    = operation{permission: "roles.*.read", id: "getPermission", tag: "Roles and permissions", summary: "Read a permission", status: 200, response: typeOf[latchkey.Permission](), versioned: true}
	updatePermissionDoc = operation{permission: "roles.*.update", id: "updatePermission", tag: "Roles and permissions", summary: "Change a permission", status: 200, conditional: true,
		request: typeOf[latchkey.PermissionSettings](), response: typeOf[latchkey.Permission](), versioned: true, sentBack: typeOf[latchkey.Permission]()}
	deletePermissionDoc = operation{permission: "roles.*.delete", id: "deletePermission", tag: "Roles and permissions", summary: "Delete a permission", status: 204, conditional: true}

	createRootKeyDoc = operation{permission: "root_keys.*.create", id: "createRootKey", tag: "Root keys", summary: "Make a root key", status: 201, keeps: true,
		request: typeOf[latchkey.RootKeySettings](), response: typeOf[latchkey.RootKeyWithSecret](), versioned: true, secret: true}
	listRootKeysDoc = operation{permission: "root_keys.*.read", id: "listRootKeys", tag: "Root keys", summary: "List root keys", status: 200,
		query: typeOf[rootKeyQuery](), response: typeOf[latchkey.List[latchkey.RootKey]]()}
	getRootKeyDoc    = operation{permission: "root_keys.*.read", id: "getRootKey", tag: "Root keys", summary: "Read a root key", status: 200, response: typeOf[latchkey.RootKey](), versioned: true}
	updateRootKeyDoc = operation{permission: "root_keys.*.update", id: "updateRootKey", tag: "Root keys", summary: "Change a root key", status: 200, conditional: true,
		request: typeOf[latchkey.RootKeySettings](), response: typeOf[latchkey.RootKey](), versioned: true, sentBack: typeOf[latchkey.RootKey]()}
	deleteRootKeyDoc = operation{permission: "root_keys.*.delete", id: "deleteRootKey", tag: "Root keys", summary: "Delete a root key", status: 204, conditional: true}
	rotateRootKeyDoc = operation{permission: "root_keys.*.update", id: "rotateRootKey", tag: "Root keys", summary: "Give a root key a new secret", status: 200, keeps: true,
		request: typeOf[latchkey.RotateRequest](), bodyOmitted: true, response: typeOf[latchkey.RootKeyWithSecret](), versioned: true, secret: true}
	endRootSecretDoc = operation{permission: "root_keys.*.update", id: "endRootSecret", tag: "Root keys", summary: "End one secret of a root key", status: 204, conditional: true}

	createWorkspaceDoc = operation{permission: "workspaces.*.create", id: "createWorkspace", tag: "Workspaces", summary: "Make a workspace", status: 201, keeps: true,
		request: typeOf[latchkey.WorkspaceSettings](), response: typeOf[latchkey.Workspace](), versioned: true}
	listWorkspacesDoc = operation{permission: "workspaces.*.read", id: "listWorkspaces", tag: "Workspaces", summary: "List workspaces", status: 200,
		query: typeOf[pageQuery](), response: typeOf[latchkey.List[latchkey.Workspace]]()}
	getWorkspaceDoc    = operation{permission: "workspaces.*.read", id: "getWorkspace", tag: "Workspaces", summary: "Read a workspace", status: 200, response: typeOf[latchkey.Workspace](), versioned: true}
	updateWorkspaceDoc = operation{permission: "workspaces.*.update", id: "updateWorkspace", tag: "Workspaces", summary: "Change a workspace", status: 200, conditional: true,
		request: typeOf[latchkey.WorkspaceSettings](), response: typeOf[latchkey.Workspace](), versioned: true, sentBack: typeOf[latchkey.Workspace]()}
	deleteWorkspaceDoc = operation{permission: "workspaces.*.delete", id: "deleteWorkspace", tag: "Workspaces", summary: "Delete a workspace", status: 204, conditional: true}
)
