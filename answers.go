package latchkey

import "encoding/json"

// A Problem is how the server answers an error (RFC 9457).
type Problem struct {
	Type              string  `json:"type"`
	Title             string  `json:"title"`
	Status            int     `json:"status"`
	Detail            string  `json:"detail"`
	Code              string  `json:"code"`
	RequestID         string  `json:"request_id"`
	MissingPermission string  `json:"missing_permission,omitempty" doc:"With forbidden: what the caller lacks."`
	Errors            []Fault `json:"errors,omitempty" doc:"With invalid: all that is wrong, at once."`
}

// A Fault is one thing that is wrong with a request.
type Fault struct {
	Pointer   *string `json:"pointer,omitzero" doc:"JSON pointer to the member."`
	Parameter string  `json:"parameter,omitempty" doc:"The query parameter."`
	Detail    string  `json:"detail"`
	Position  *int    `json:"position,omitempty" doc:"The character of the member's text, from 0."`
}

// Whoami is what the holder of a key may know of it.
type Whoami struct {
	Kind        string       `json:"kind" enum:"key,root_key"`
	ID          string       `json:"id"`
	Name        *string      `json:"name"`
	Hint        *string      `json:"hint" doc:"Of the secret that was presented."`
	Workspace   string       `json:"workspace" doc:"The path of the workspace."`
	Keyspace    *string      `json:"keyspace" doc:"Null for a root key."`
	Identity    *IdentityRef `json:"identity"`
	Permissions []string     `json:"permissions" doc:"The effective ones."`
	Roles       []string     `json:"roles"`
	ExpiresAt   *Time        `json:"expires_at"`
	Limits      []LimitState `json:"limits"`
	Credits     *CreditState `json:"credits"`
	Budget      *Budget      `json:"budget"`
}

// An Event is one line of the audit log.
type Event struct {
	ID        string          `json:"id"`
	At        Time            `json:"at"`
	Action    string          `json:"action" doc:"RESOURCE.create, .update or .delete, or what else was done, such as key.rotate."`
	Actor     Ref             `json:"actor"`
	Target    Ref             `json:"target"`
	RequestID *string         `json:"request_id"`
	IP        *string         `json:"ip"`
	Before    json.RawMessage `json:"before" nullable:"true" doc:"The changed members as they were; null on create."`
	After     json.RawMessage `json:"after" nullable:"true" doc:"The changed members as they are; null on delete."`
}

// A Ref names a thing by type and id.
type Ref struct {
	Type string `json:"type"`
	ID   string `json:"id"`
}

// Server is what a server tells of itself.
type Server struct {
	Version  string   `json:"version"`
	Schema   int64    `json:"schema"`
	Revision int64    `json:"revision"`
	Dialects []string `json:"dialects"`
}
