package native

import "latchkey/internal/httpapi"

// An Operation is a route as the specification tells of it.
type Operation struct {
	ID, Method string
	Permission string // what a root key needs; "" for nothing, or nothing that it is told
	Replaces   string // what it needs instead to replace what is there
	Status     int    // of a success
	Caller     httpapi.Caller
}

// Operations lists every operation for the tests outside of this package.
func Operations() (out []Operation) {
	for _, rt := range new(Dialect).Routes() {
		doc := rt.Doc.(operation)
		out = append(out, Operation{doc.id, rt.Method, doc.permission, doc.replaces, doc.status, rt.Caller})
	}
	return out
}
