// Package keys is the core: what an API key is, and what may be done with it.
//
// A [Key] belongs to a [Keyspace], which belongs to a [Workspace]; it may
// belong to an [Identity], its owner. [Verifier.Verify] is the hot path: it
// answers a presented secret with a [Verification]. [Manager] has everything
// else.
//
// The package holds every rule and knows nothing of HTTP, SQL or JSON. It
// reaches them through the interfaces of store.go, which are all the seams
// there are.
package keys
