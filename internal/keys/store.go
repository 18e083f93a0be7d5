package keys

import (
	"context"
	"time"

	"latchkey/internal/ratelimit"
	"latchkey/internal/token"
)

// Store is all the storage that the core needs.
//
// Every method is one atomic operation that has reached the disk when it
// returns. Every method that changes something takes an [Event] as its last
// argument and must record it with the change, or neither. A method that
// changes a thing does so by calling change on its present value; it may call
// change more than once, and an error from change must leave all as it was and
// come back unwrapped. change may read from the store, but must not call what
// changes something. A change that alters nothing leaves no trace, unless the
// event's action is another than an update. What does not exist is a
// [NotFound] error, what is taken a [Conflict], and an engine that cannot
// answer now is [Unavailable].
type Store interface {
	VerifyStore
	KeyStore
	SpendStore
	KeyspaceStore
	WorkspaceStore
	IdentityStore
	RoleStore
	PermissionStore
	ReferentStore
	OverrideStore
	EventStore
	ReplyStore
	CodeStore
	UsageStore
	Close() error
}

// VerifyStore is the storage that verification reads.
type VerifyStore interface {
	// FactsByHash must return all that a verification needs of the key with a
	// live secret of that hash, as of one moment, or a NotFound error. A
	// secret that has ended is not found.
	FactsByHash(ctx context.Context, hash token.Hash, now time.Time) (*Facts, error)

	// Observe must call fn for every change, after it is committed and before
	// the method that made it returns.
	Observe(fn func(Change))

	// Revision returns the number of the last committed change of which an
	// Event tells and observers have heard. It must grow with every one, in the
	// order in which they were committed.
	Revision() int64

	// Prefixes must return the apparent prefixes under which secrets with a
	// checksum were ever added, and those of secrets without one.
	Prefixes(ctx context.Context) (checked, unchecked []string, err error)

	// Ping reports whether the engine answers.
	Ping(ctx context.Context) error
}

// A Change tells what a commit has changed.
type Change struct {
	Kind ChangeKind
	ID   string // of the key or the identity, or [OverrideScope]
	// Prefix and Checked tell of a secret that was added: its apparent prefix,
	// and whether it carries a checksum.
	Prefix  string
	Checked bool
}

// A ChangeKind says how far a [Change] reaches.
type ChangeKind uint8

const (
	KeyChanged      ChangeKind = iota + 1 // one key
	IdentityChanged                       // the keys of one identity
	AnyChanged                            // a workspace, keyspace, role or permission: any key
	SecretAdded                           // a prefix is in use
	OverrideChanged                       // the overrides of one namespace
)

// KeyStore keeps keys.
type KeyStore interface {
	// InsertKey must add k, with its secrets, credits and aliases. Where
	// k.Owner names an external id alone, it must find or make that identity
	// and set k.Owner.ID; it must make the permissions that k names, which a
	// root key does not, since it has grants, and the roles where k.MakeRoles says
	// so, which is then false, and the keyspace k.MakeKeyspace, which is then nil;
	// a taken slug of its is a Conflict. Where the account of k has credits
	// already they stay as they are and k.Credits is set to them. A role
	// that does not exist is an Invalid error; a taken id, hash or alias a
	// Conflict. It sets k.Version to 1.
	InsertKey(ctx context.Context, k *Key, ev Event) error

	// UpdateKey must change a key, with its secrets, owner, permissions, roles and
	// credits as InsertKey does; credits are written only where change
	// replaced or changed them. Version and UpdatedAt move, the latter to
	// ev.At.
	UpdateKey(ctx context.Context, workspaceID, keyID string, change func(*Key) error, ev Event) (Key, error)

	// DeleteKey must delete a key and all that is its own, if check agrees.
	DeleteKey(ctx context.Context, workspaceID, keyID string, check func(*Key) error, ev Event) error

	// Key must return a key, ordinary or root.
	Key(ctx context.Context, workspaceID, keyID string) (Key, error)

	// Keys must list the keys that f selects, newest first unless f says
	// otherwise, and count how many f selects without its page.
	Keys(ctx context.Context, workspaceID string, f KeyFilter) ([]Key, int, error)
}

// SpendStore adds up what was spent.
type SpendStore interface {
	// Spent must add up what the accounts of a workspace's keys have ever spent,
	// those of keys that are gone too, as of one moment.
	Spent(ctx context.Context, workspaceID string) (own, byok int64, err error)
}

// KeyspaceStore keeps keyspaces.
type KeyspaceStore interface {
	// InsertKeyspace must add ks. A taken slug is a Conflict.
	InsertKeyspace(ctx context.Context, ks *Keyspace, ev Event) error

	// UpdateKeyspace must change a keyspace.
	UpdateKeyspace(ctx context.Context, workspaceID, ref string, change func(*Keyspace) error, ev Event) (Keyspace, error)

	// Keyspace must find a keyspace by id or slug.
	Keyspace(ctx context.Context, workspaceID, ref string) (Keyspace, error)

	// Keyspaces must list the keyspaces of a workspace, newest first.
	Keyspaces(ctx context.Context, workspaceID string, p Page) ([]Keyspace, error)

	// DeleteKeyspace must delete a keyspace and all its keys, if check agrees.
	DeleteKeyspace(ctx context.Context, workspaceID, ref string, check func(*Keyspace) error, ev Event) error
}

// A Page is a part of a list that is newest first.
type Page struct {
	Before string // ID of the last row of the page before; "": from the newest on
	Limit  int    // 0: all
}

// WorkspaceStore keeps workspaces.
type WorkspaceStore interface {
	// Initialize must, in one operation, insert the workspace, keyspace and
	// root key (nil: none) of a new installation, unless the installation has
	// a workspace already; then it changes nothing and made is false.
	Initialize(ctx context.Context, ws *Workspace, ks *Keyspace, root *Key, ev Event) (made bool, err error)

	// InsertWorkspace must add ws, with the keyspace that is its default one
	// (nil: none). A taken path is a Conflict, and a workspace above it that is not there an
	// Invalid error.
	InsertWorkspace(ctx context.Context, ws *Workspace, ks *Keyspace, ev Event) error

	// UpdateWorkspace must change a workspace.
	UpdateWorkspace(ctx context.Context, id string, change func(*Workspace) error, ev Event) (Workspace, error)

	// Workspace must find a workspace by id or path or, where only one below
	// the root has it, by UUID or slug.
	Workspace(ctx context.Context, ref string) (Workspace, error)

	WorkspaceTree
}

// WorkspaceTree is the part of [WorkspaceStore] that sees many workspaces.
type WorkspaceTree interface {
	// Workspaces must list the workspaces whose path is path or below it,
	// newest first.
	Workspaces(ctx context.Context, path string, p Page) ([]Workspace, error)

	// DeleteWorkspace must delete a workspace and all that is in it but its
	// events and usage, if check agrees. One that has workspaces below it is a
	// Conflict. ev is recorded in the workspace that it names.
	DeleteWorkspace(ctx context.Context, id string, check func(*Workspace) error, ev Event) error
}

// IdentityStore keeps identities.
type IdentityStore interface {
	// InsertIdentity must add i. A taken external id is a Conflict.
	InsertIdentity(ctx context.Context, i *Identity, ev Event) error

	// UpdateIdentity must change an identity.
	UpdateIdentity(ctx context.Context, workspaceID, ref string, change func(*Identity) error, ev Event) (Identity, error)

	// Identity must find an identity by id or external id.
	Identity(ctx context.Context, workspaceID, ref string) (Identity, error)

	// Identities must list the identities that f selects, newest first unless f
	// says otherwise, and count how many f selects without its page.
	Identities(ctx context.Context, workspaceID string, f IdentityFilter) ([]Identity, int, error)

	// DeleteIdentity must delete an identity, if check agrees. Its keys stay,
	// without owner.
	DeleteIdentity(ctx context.Context, workspaceID, ref string, check func(*Identity) error, ev Event) error
}

// An IdentityFilter selects identities of one workspace.
type IdentityFilter struct {
	Page
	Oldest     bool // the oldest first
	ExternalID string
	Kind       IdentityKind
	Enabled    *bool
}

// RoleStore keeps roles.
type RoleStore interface {
	// InsertRole must add r and make the permissions that it names. A taken
	// name is a Conflict.
	InsertRole(ctx context.Context, r *Role, ev Event) error

	// UpdateRole must change a role found by id or name.
	UpdateRole(ctx context.Context, workspaceID, ref string, change func(*Role) error, ev Event) (Role, error)

	// Role must find a role by id or name.
	Role(ctx context.Context, workspaceID, ref string) (Role, error)

	// Roles must list the roles of a workspace, newest first.
	Roles(ctx context.Context, workspaceID string, p Page) ([]Role, error)

	// DeleteRole must delete a role and take it from all keys, if check agrees.
	DeleteRole(ctx context.Context, workspaceID, ref string, check func(*Role) error, ev Event) error
}

// PermissionStore keeps permissions.
type PermissionStore interface {
	// InsertPermission must add p. A taken name is a Conflict.
	InsertPermission(ctx context.Context, p *Permission, ev Event) error

	// UpdatePermission must change a permission found by id or name, but for its
	// name.
	UpdatePermission(ctx context.Context, workspaceID, ref string, change func(*Permission) error, ev Event) (Permission, error)

	// Permission must find a permission by id or name.
	Permission(ctx context.Context, workspaceID, ref string) (Permission, error)

	// Permissions must list the permissions of a workspace, newest first.
	Permissions(ctx context.Context, workspaceID string, p Page) ([]Permission, error)

	// DeletePermission must delete a permission and take it from all keys and
	// roles, if check agrees.
	DeletePermission(ctx context.Context, workspaceID, ref string, check func(*Permission) error, ev Event) error
}

// OverrideStore keeps the overrides of limits that belong to no key.
type OverrideStore interface {
	// InsertOverride must add o. A pattern that the namespace has already is a
	// Conflict, and so is one more than most of those with a wildcard, or of
	// those without.
	InsertOverride(ctx context.Context, o *Override, most int, ev Event) error

	// UpdateOverride must change the override with a pattern.
	UpdateOverride(ctx context.Context, workspaceID, namespace, pattern string, change func(*Override) error, ev Event) (Override, error)

	// Override must find an override by its pattern.
	Override(ctx context.Context, workspaceID, namespace, pattern string) (Override, error)

	// Overrides must list the overrides of a namespace, newest first.
	Overrides(ctx context.Context, workspaceID, namespace string, p Page) ([]Override, error)

	// DeleteOverride must delete an override, if check agrees.
	DeleteOverride(ctx context.Context, workspaceID, namespace, pattern string, check func(*Override) error, ev Event) error
}

// EventStore keeps the audit log, which the other methods write.
type EventStore interface {
	// Events must list the events that f selects, newest first.
	Events(ctx context.Context, workspaceID string, f EventFilter) ([]Event, error)

	// PruneEvents must delete at most limit events older than before, and say
	// how many.
	PruneEvents(ctx context.Context, before time.Time, limit int) (int, error)
}

// A Reply is an answer that is kept for retries of its request.
type Reply struct {
	ID          string // of the caller, workspace and key of the request, hashed
	Fingerprint string // of the request
	Answer      []byte // sealed by the dialect that keeps it
	ExpiresAt   time.Time
}

// ReplyStore keeps the answers to requests that may be sent again.
type ReplyStore interface {
	// SaveReply must add r, or replace one that has expired. Where there is one
	// that has not, it is a Conflict.
	SaveReply(ctx context.Context, r Reply, now time.Time) error

	// Reply must return a reply that has not expired.
	Reply(ctx context.Context, id string, now time.Time) (Reply, error)

	// PruneReplies must delete at most limit replies that have expired.
	PruneReplies(ctx context.Context, now time.Time, limit int) (int, error)
}

// UsageStore keeps counts of verifications. They outlive the key.
type UsageStore interface {
	// AddUsage must add counts to those that are there, all or none, and move
	// last uses forward, never back.
	AddUsage(ctx context.Context, counts []Count, uses []LastUse) error

	// CountUsage must sum the counts of a key and outcome in [from, to).
	CountUsage(ctx context.Context, keyID string, outcome Outcome, from, to time.Time) (int64, error)

	// SumUsage must add up the counts that f selects, the newest bucket first
	// and within it by outcome, key, owner and tag. It may give up with an
	// Unavailable error when ctx ends.
	SumUsage(ctx context.Context, workspaceID string, f UsageFilter) ([]UsageSum, error)

	// PruneUsage must delete at most limit rows of counts that are older than
	// before, and say how many; none when none is left.
	PruneUsage(ctx context.Context, before time.Time, limit int) (int, error)
}

// Ledger keeps balances; beside the methods of [KeyStore], which give a key
// its first ones, nothing else changes them.
type Ledger interface {
	// Use must take a charge from an account as it is at now, by [Account.Take],
	// and keep a reservation of what is set aside: all of it, or nothing where
	// that refuses. also is called with the answer before anything is taken,
	// while nobody else can use the account, and says whether what else the use
	// needs was taken, or with false whether it would be; where it says no, the
	// outcome is [RateLimited] and nothing is taken. It may be called again where
	// the engine has to begin anew; nil stands for an also that always agrees.
	// Where the account is not what the charge knows, or no key has it, the
	// outcome is [KeyNotFound], and also is not called; of that, observers have
	// heard before, or hear soon. What was taken has reached the disk when Use
	// returns.
	Use(ctx context.Context, accountID string, c Charge, also func(taken bool) (bool, error), now time.Time) (Account, Charged, Outcome, error)

	// Spend must add to what was spent, whatever the budget says, or give back
	// where micros is below 0, by [Money.Spend], and return what that says. An
	// account that no key has is a NotFound error.
	Spend(ctx context.Context, accountID string, micros int64, kind SpendKind, now time.Time) (after Account, moved int64, err error)

	// EndReservation must end a reservation that is neither settled nor
	// released, if check agrees, and add micros to what was spent, by
	// [Account.End]. One that is ended already is a Conflict.
	EndReservation(ctx context.Context, workspaceID, id string, micros int64, kind SpendKind, now time.Time, check func(*Reservation) error) (Reservation, Account, error)

	// PruneReservations must delete at most limit reservations that expired
	// before a time, and say how many.
	PruneReservations(ctx context.Context, before time.Time, limit int) (int, error)

	// Account must return an account as it is at now. One that is not there has
	// nothing.
	Account(ctx context.Context, accountID string, now time.Time) (Account, error)

	// ChangeCredits must change the credits of a key, with refills given up to
	// ev.At before change is called with them; nil stands for none.
	ChangeCredits(ctx context.Context, workspaceID, keyID string, change func(*Credits) (*Credits, error), ev Event) (*Credits, error)
}

// Limiter counts what is taken under rate limits. What it says must hold for a
// clock too that steps back by no more than [ratelimit.Grace].
type Limiter interface {
	// Take must count all the spends, or none of them if one is refused, and
	// append a decision for each to out. It must equal the pure function
	// called in serial order, under any parallelism. A spend is decided with
	// those before it on the same counter, which is charged for them all. Where
	// one is refused, the decisions of those that are not show their counters
	// without the charge. What costs nothing, or asks for no lease, is never
	// refused.
	//
	// A lease holds its place until it ends by the clock; one that Take or Look
	// has found ended stays so. Where spends with a Most would give their owner
	// more counters than that, nothing is counted, out comes back as it was,
	// and the error is [ratelimit.ErrFull]: no counter is forgotten while it
	// counts. One that counts nothing for longer than the grace takes no room.
	//
	// Take must keep nothing of spends, which belong to the caller.
	Take(ctx context.Context, spends []ratelimit.Spend, out []ratelimit.Decision, now time.Time) ([]ratelimit.Decision, bool, error)

	// Look must answer as Take would, and count nothing.
	Look(ctx context.Context, spends []ratelimit.Spend, out []ratelimit.Decision, now time.Time) ([]ratelimit.Decision, bool, error)

	// Give must take back what Take counted at takenAt, as the pure function
	// does, and end the leases that it took. What was not taken, or has ended,
	// changes nothing.
	Give(ctx context.Context, spends []ratelimit.Spend, takenAt, now time.Time) error

	// Lease must find a lease that is held at now, with the Counter of the spend
	// that took it, and report whether there is one.
	Lease(ctx context.Context, id string, now time.Time) (ratelimit.Lease, bool, error)

	// Release must end a lease that is held at now, and report whether there
	// was one. Of two calls at once only one must report it.
	Release(ctx context.Context, id string, now time.Time) (bool, error)
}

// Recorder hears of uses. It must not block.
type Recorder interface {
	// Verified counts a use of a key, whatever its outcome, under its tags, with
	// what it took. It does not keep tags.
	Verified(rec *Record, outcome Outcome, tags []string, took Charged, now time.Time)

	// Spent notes money that was spent by a key outside of a verification, of
	// which nothing is counted; it may be less than none. Of k only its id,
	// workspace, keyspace and owner are asked.
	Spent(k *Key, micros int64, now time.Time)

	// Seen notes that a secret was presented and found good.
	Seen(rec *Record, now time.Time)
}

// Usage reads what a [Recorder] has counted.
type Usage interface {
	// Accepted must return how many uses of a key were accepted in [from, to).
	Accepted(ctx context.Context, keyID string, from, to time.Time) (int64, error)

	// Sums must add up what was counted, as [UsageStore.SumUsage] does.
	Sums(ctx context.Context, workspaceID string, f UsageFilter) ([]UsageSum, error)
}

// A Clock tells the time.
type Clock func() time.Time
