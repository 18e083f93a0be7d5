package native

import (
	"maps"
	"net/http"
	"slices"

	"latchkey"
	"latchkey/internal/httpapi"
	"latchkey/internal/keys"
)

// manageRoutes are the routes of what keys belong to and hold, and of root
// keys.
func (d *Dialect) manageRoutes() []httpapi.Route {
	return []httpapi.Route{
		{Method: "POST", Path: "/keyspaces", Handle: d.replies.keep(0, d.createKeyspace), Doc: createKeyspaceDoc},
		{Method: "GET", Path: "/keyspaces", Handle: d.listKeyspaces, Doc: listKeyspacesDoc},
		{Method: "GET", Path: "/keyspaces/{ref}", Handle: d.getKeyspace, Doc: getKeyspaceDoc},
		{Method: "PATCH", Path: "/keyspaces/{ref}", Handle: d.updateKeyspace, Doc: updateKeyspaceDoc},
		{Method: "DELETE", Path: "/keyspaces/{ref}", Handle: d.deleteKeyspace, Doc: deleteKeyspaceDoc},

		{Method: "POST", Path: "/identities", Handle: d.replies.keep(0, d.createIdentity), Doc: createIdentityDoc},
		{Method: "GET", Path: "/identities", Handle: d.listIdentities, Doc: listIdentitiesDoc},
		{Method: "GET", Path: "/identities/{ref}", Handle: d.getIdentity, Doc: getIdentityDoc},
		{Method: "PATCH", Path: "/identities/{ref}", Handle: d.updateIdentity, Doc: updateIdentityDoc},
		{Method: "DELETE", Path: "/identities/{ref}", Handle: d.deleteIdentity, Doc: deleteIdentityDoc},
		{Method: "PUT", Path: "/identities/by-external-id/{external_id}", Handle: d.replaceIdentity, Doc: replaceIdentityDoc},

		{Method: "POST", Path: "/roles", Handle: d.replies.keep(0, d.createRole), Doc: createRoleDoc},
		{Method: "GET", Path: "/roles", Handle: d.listRoles, Doc: listRolesDoc},
		{Method: "GET", Path: "/roles/{ref}", Handle: d.getRole, Doc: getRoleDoc},
		{Method: "PATCH", Path: "/roles/{ref}", Handle: d.updateRole, Doc: updateRoleDoc},
		{Method: "DELETE", Path: "/roles/{ref}", Handle: d.deleteRole, Doc: deleteRoleDoc},
		{Method: "POST", Path: "/permissions", Handle: d.replies.keep(0, d.createPermission), Doc: createPermissionDoc},
		{Method: "GET", Path: "/permissions", Handle: d.listPermissions, Doc: listPermissionsDoc},
		{Method: "GET", Path: "/permissions/{ref}", Handle: d.getPermission, Doc: getPermissionDoc},
		{Method: "PATCH", Path: "/permissions/{ref}", Handle: d.updatePermission, Doc: updatePermissionDoc},
		{Method: "DELETE", Path: "/permissions/{ref}", Handle: d.deletePermission, Doc: deletePermissionDoc},

		{Method: "POST", Path: "/root-keys", Handle: d.replies.keep(0, d.createRootKey), Doc: createRootKeyDoc},
		{Method: "GET", Path: "/root-keys", Handle: d.listRootKeys, Doc: listRootKeysDoc},
		{Method: "GET", Path: "/root-keys/{id}", Handle: d.getRootKey, Doc: getRootKeyDoc},
		{Method: "PATCH", Path: "/root-keys/{id}", Handle: d.updateRootKey, Doc: updateRootKeyDoc},
		{Method: "DELETE", Path: "/root-keys/{id}", Handle: d.deleteRootKey, Doc: deleteRootKeyDoc},
		{Method: "POST", Path: "/root-keys/{id}/rotate", Handle: d.replies.keep(0, d.rotateRootKey), Doc: rotateRootKeyDoc},
		{Method: "DELETE", Path: "/root-keys/{id}/secrets/{secret}", Handle: d.endRootSecret, Doc: endRootSecretDoc},

		{Method: "POST", Path: "/workspaces", Handle: d.replies.keep(0, d.createWorkspace), Doc: createWorkspaceDoc},
		{Method: "GET", Path: "/workspaces", Handle: d.listWorkspaces, Doc: listWorkspacesDoc},
		{Method: "GET", Path: "/workspaces/{ref}", Handle: d.getWorkspace, Doc: getWorkspaceDoc},
		{Method: "PATCH", Path: "/workspaces/{ref}", Handle: d.updateWorkspace, Doc: updateWorkspaceDoc},
		{Method: "DELETE", Path: "/workspaces/{ref}", Handle: d.deleteWorkspace, Doc: deleteWorkspaceDoc},
	}
}

// patch reads the body of a PATCH, a merge patch.
func patch(r *http.Request, v any) (keys.Faults, error) {
	return body(r, v, "application/merge-patch+json")
}

// list serves a list that has no filters.
func list[T, Wire any](w http.ResponseWriter, r *http.Request, kind string, find func(keys.Page) ([]T, error), wire func(*T) Wire, id func(*T) string) error {
	p := query(r, "limit", "cursor")
	limit := p.limit()
	at := keys.Page{Before: p.cursor(kind), Limit: limit + 1}
	if err := p.faults.Err(); err != nil {
		return err
	}
	found, err := find(at)
	if err != nil {
		return err
	}
	return writeList(w, found, limit, wire, id)
}

// writeList answers one page of rows, of which one more than the limit was
// asked for.
func writeList[T, Wire any](w http.ResponseWriter, found []T, limit int, wire func(*T) Wire, id func(*T) string) error {
	found, next := page(found, limit, id)
	out := latchkey.List[Wire]{Data: []Wire{}, NextCursor: next}
	for i := range found {
		out.Data = append(out.Data, wire(&found[i]))
	}
	return httpapi.WriteJSON(w, http.StatusOK, "application/json", out)
}

func sortedNames[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

func wireSecrets(secrets []keys.Secret) []latchkey.Secret {
	out := []latchkey.Secret{}
	for _, s := range secrets {
		out = append(out, latchkey.Secret{
			ID: s.ID, Hint: hint(&s), CreatedAt: latchkey.Time{Time: s.CreatedAt},
			ExpiresAt: wireTime(s.ExpiresAt), LastUsedAt: wireTime(s.LastUsedAt),
		})
	}
	return out
}
