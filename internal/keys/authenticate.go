package keys

import (
	"context"
	"crypto/subtle"
	"slices"
	"sync/atomic"
	"time"

	"latchkey/internal/permission"
	"latchkey/internal/ratelimit"
	"latchkey/internal/token"
)

// Authenticate turns the secret of a live root key into the actor that calls
// by it. workspace names one below its own to act in; "" is its own.
func (vr *Verifier) Authenticate(ctx context.Context, secret token.Secret, workspace string, from Origin) (Actor, error) {
	now := vr.Clock()
	rec, err := vr.caller(ctx, secret, from, now)
	if err != nil {
		return Actor{}, err
	}
	if !rec.root {
		return Actor{}, noCaller(Valid, "this key is not a root key")
	}
	if len(rec.spends) > 0 {
		if err := vr.throttle(ctx, rec, now); err != nil {
			return Actor{}, err
		}
	}
	vr.seen(rec, now)
	by := holder(rec, from)
	if workspace == "" || workspace == rec.Workspace.ID || workspace == rec.Workspace.Path {
		return by, nil
	}
	return vr.actIn(ctx, by, workspace)
}

// Holder turns the secret of any live key, ordinary or root, into the actor
// that holds it.
func (vr *Verifier) Holder(ctx context.Context, secret token.Secret, from Origin) (Actor, error) {
	now := vr.Clock()
	rec, err := vr.caller(ctx, secret, from, now)
	if err != nil {
		return Actor{}, err
	}
	vr.seen(rec, now)
	return holder(rec, from), nil
}

// Present answers whoever shows an ordinary key and asks about it by that key
// alone: an inspection, in which the key must allow query. A root key is not
// found. Only with [Valid] is there an actor, the key's holder.
func (vr *Verifier) Present(ctx context.Context, secret token.Secret, from Origin, query permission.Query) (Verification, Actor, error) {
	now := vr.Clock()
	v, err := vr.inspect(ctx, secret, from, query, now)
	if err != nil {
		return v, Actor{}, err
	}
	if v.Record != nil && v.Record.root {
		return Verification{Outcome: KeyNotFound, At: now}, Actor{}, nil
	}
	if v.Outcome != Valid {
		return v, Actor{}, nil
	}
	vr.seen(v.Record, now)
	return v, holder(v.Record, from), nil
}

// Inspect answers whoever shows a key, ordinary or root, and asks about it by
// that key alone: an inspection that leaves no trace. Only with [Valid] is there
// an actor, the key's holder.
func (vr *Verifier) Inspect(ctx context.Context, secret token.Secret, from Origin) (Verification, Actor, error) {
	v, err := vr.inspect(ctx, secret, from, permission.Query{}, vr.Clock())
	if err != nil || v.Outcome != Valid {
		return v, Actor{}, err
	}
	return v, holder(v.Record, from), nil
}

// seen tells the recorder that a secret was presented, once in a second: a root
// key is presented with every call, and all of them would meet there.
func (vr *Verifier) seen(rec *Record, now time.Time) {
	if s := uint32(now.Unix()); atomic.LoadUint32(&rec.seen) != s {
		atomic.StoreUint32(&rec.seen, s)
		vr.Recorder.Seen(rec, now)
	}
}

// holder returns the actor that calls by a key.
func holder(rec *Record, from Origin) Actor {
	kind := Holder
	if rec.root {
		kind = RootKey
	}
	return Actor{
		Kind: kind, ID: rec.ID(), Name: rec.Name(), Record: rec, Grants: rec.grants,
		WorkspaceID: rec.Workspace.ID, Path: rec.Workspace.Path, Origin: from,
	}
}

// caller finds the live key behind a bearer secret.
func (vr *Verifier) caller(ctx context.Context, secret token.Secret, from Origin, now time.Time) (*Record, error) {
	if secret.IsZero() {
		return nil, noCaller(Valid, "no key was sent: Authorization: Bearer KEY")
	}
	rec, err := vr.findCaller(ctx, secret, now)
	if Is(err, NotFound) {
		return nil, noCaller(KeyNotFound, "this key is not known")
	}
	if err != nil {
		return nil, err
	}
	if rec.openAt(now) {
		return rec, nil
	}
	switch o := vr.check(rec, &VerifyRequest{Addr: from.Addr}, now); o {
	case Valid:
		return rec, nil
	case WorkspaceDisabled:
		return nil, noCaller(o, "the workspace of this key is disabled")
	case Expired:
		return nil, noCaller(o, "this key has expired")
	case AddressRefused:
		return nil, noCaller(o, "this key may not be used from this address")
	default:
		return nil, noCaller(o, "this key is disabled")
	}
}

// inspect finds the key behind a bearer secret, ordinary or root, and runs the
// checks that take nothing.
func (vr *Verifier) inspect(ctx context.Context, secret token.Secret, from Origin, query permission.Query, now time.Time) (Verification, error) {
	v := Verification{Outcome: KeyNotFound, At: now}
	if secret.IsZero() {
		return v, nil
	}
	rec, err := vr.findCaller(ctx, secret, now)
	if Is(err, NotFound) {
		return v, nil
	}
	if err != nil {
		return v, err
	}
	v.Record, v.Outcome = rec, vr.check(rec, &VerifyRequest{Addr: from.Addr, Query: query}, now)
	if v.Outcome == InsufficientPermissions {
		v.Missing = query
	}
	return v, nil
}

func (vr *Verifier) findCaller(ctx context.Context, secret token.Secret, now time.Time) (*Record, error) {
	if d := vr.Declared; d != nil {
		sum := secret.Sum()
		if subtle.ConstantTimeCompare(sum[:], d.hash[:]) == 1 {
			return d, nil
		}
	}
	return vr.Records.Find(ctx, secret, now)
}

func noCaller(refused Outcome, message string) error {
	return &Error{Code: Unauthenticated, Message: message, Refused: refused}
}

// throttle takes one call from the root key's own limits.
func (vr *Verifier) throttle(ctx context.Context, rec *Record, now time.Time) error {
	var buf [8]ratelimit.Decision
	decisions, ok, err := vr.Limiter.Take(ctx, rec.spends, buf[:0], now)
	if err != nil || ok {
		return err
	}
	e := Errorf(Throttled, "this key's own rate limit is used up")
	e.Limits = slices.Clone(decisions)
	for _, d := range decisions {
		if !d.Allowed && d.RetryAt.After(now) {
			e.RetryAfter = max(e.RetryAfter, d.RetryAt.Sub(now))
		}
	}
	return e
}

// actIn moves an actor to a workspace below its own. One that is not there, or
// not below, or where it may not act, is not found.
func (vr *Verifier) actIn(ctx context.Context, by Actor, ref string) (Actor, error) {
	ws, err := vr.Records.Workspace(ctx, ref)
	if Is(err, NotFound) {
		return Actor{}, errNoWorkspace
	}
	if err != nil {
		return Actor{}, err
	}
	return by.reach(&ws)
}

// DeclaredID is the id by which the root key that the configuration gives is
// known in the audit log.
var DeclaredID = token.ZeroID("key")

// declaredKey returns the root key that the configuration gives.
func declaredKey(root string) Key {
	return Key{ID: DeclaredID, WorkspaceID: root, Root: true, Name: "LATCHKEY_ROOT_KEY", Enabled: true, Permissions: []string{"*"}, Version: 1}
}

// Declare returns the record of a root key that the configuration gives. It is
// stored nowhere.
func Declare(secret token.Secret, root Workspace) *Record {
	k := declaredKey(root.ID)
	r := NewRecord(&Facts{Key: k, Workspace: root, Live: true, Permissions: k.Permissions})
	r.hash = secret.Sum()
	return r
}
