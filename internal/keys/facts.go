package keys

// Facts are all that the store has about the key with a secret, as of one
// moment. They make a [Record].
type Facts struct {
	SecretID  string // of the secret that was presented
	Key       Key
	Keyspace  Keyspace // the zero one for a root key
	Workspace Workspace
	Live      bool      // the workspace and all above it are enabled
	Owner     *Identity // nil: nobody's

	// Permissions are the effective ones: the key's own and those of its roles,
	// each once, in order.
	Permissions []string
}
