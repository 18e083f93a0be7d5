package keys

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"latchkey/internal/token"
)

// UpdateKey changes what is given of an ordinary key's settings.
func (m *Manager) UpdateKey(ctx context.Context, by Actor, id string, s KeySettings, match Match) (Key, error) {
	k, err := m.KeyFor(ctx, by, id, "update")
	if err != nil {
		return Key{}, err
	}
	ks, err := m.Store.Keyspace(ctx, by.WorkspaceID, k.KeyspaceID)
	if err != nil {
		return Key{}, err
	}
	now := m.Clock()
	if err := m.mayMakeNames(ctx, by, &s); err != nil {
		return Key{}, err
	}
	return m.update(ctx, by, id, "key.update", now, func(k *Key) error {
		if err := match.check(k.Version); err != nil {
			return err
		}
		s, had, present := s, *k, m.asOf(*k, now)
		var faults Faults
		if s.Complete != nil {
			s.Complete(&present, &s)
		}
		if s.Present != nil {
			if err := s.Present(&present, &faults); err != nil {
				return err
			}
		}
		s.changes(k)
		ks.Policy.check(&s, s.ExpiresAt.Set, false, now, &faults)
		s.apply(k, now, &faults)
		if s.Owner.Set {
			if err := m.checkOwner(ctx, &ks, k, &faults); err != nil {
				return err
			}
		}
		if err := m.allFaults(ctx, k, s.Faults, faults); err != nil {
			return err
		}
		return m.mayGive(ctx, &by, &ks, &had, s.Permissions.Value, s.Roles.Value)
	})
}

// allFaults returns what is wrong with the settings that k was given, as one
// error: what was known before, and what was found now. The store reports roles
// that are not there, which it is not asked for where there are faults already.
func (m *Manager) allFaults(ctx context.Context, k *Key, known, found Faults) error {
	all := slices.Clone(known)
	all.Merge(found)
	if len(all) == 0 {
		return nil
	}
	if k.MakeRoles {
		return all.Err()
	}
	var roles Faults
	if err := m.checkRoles(ctx, k.WorkspaceID, "roles", k.Roles, &roles); err != nil {
		return err
	}
	all.Merge(roles)
	return all.Err()
}

// checkRoles reports roles that are not there.
func (m *Manager) checkRoles(ctx context.Context, workspaceID, field string, names []string, faults *Faults) error {
	if len(names) > MaxRoles {
		return nil // which is reported anyway
	}
	for i, name := range names {
		r, err := m.Store.Role(ctx, workspaceID, name)
		if err != nil && !Is(err, NotFound) {
			return err
		}
		if err != nil || r.Name != name {
			faults.Add(field+"/"+itoa(i), "there is no such role")
		}
	}
	return nil
}

// update changes a key, ordinary or root, which the action begins with.
func (m *Manager) update(ctx context.Context, by Actor, id, action string, now time.Time, change func(*Key) error) (Key, error) {
	kind, _, _ := strings.Cut(action, ".")
	k, err := m.Store.UpdateKey(ctx, by.WorkspaceID, id, change, event(by, action, Ref{kind, id}, now))
	if err != nil {
		return Key{}, err
	}
	return m.asOf(k, now), nil
}

// MaxOverlap bounds how long a secret works on after its key was rotated.
const MaxOverlap = 30 * 24 * time.Hour

// CheckOverlap reports an overlap that no rotation may have.
func CheckOverlap(overlap time.Duration) (faults Faults) {
	if overlap < 0 || overlap > MaxOverlap {
		faults.Add("overlap", "must be from 0s to 30d")
	}
	return faults
}

// RotateKey gives a key a new secret. The ones that it has work until the
// overlap ends, and never longer than they would have.
func (m *Manager) RotateKey(ctx context.Context, by Actor, id string, overlap time.Duration) (Key, token.Secret, error) {
	if err := CheckOverlap(overlap).Err(); err != nil {
		return Key{}, token.Secret{}, err
	}
	k, err := m.KeyFor(ctx, by, id, "rotate")
	if err != nil {
		return Key{}, token.Secret{}, err
	}
	ks, err := m.Store.Keyspace(ctx, by.WorkspaceID, k.KeyspaceID)
	if err != nil {
		return Key{}, token.Secret{}, err
	}
	now := m.Clock()
	secret, s, err := m.mint(&ks, k.Form, now)
	if err != nil {
		return Key{}, token.Secret{}, err
	}
	k, err = m.update(ctx, by, id, "key.rotate", now, func(k *Key) error {
		return k.rotate(s, overlap, now)
	})
	return k, secret, err
}

func (k *Key) rotate(s Secret, overlap time.Duration, now time.Time) error {
	if k.Expired(now) {
		return Errorf(Conflict, "the key has expired")
	}
	end := now.Add(overlap)
	if !k.ExpiresAt.IsZero() && k.ExpiresAt.Before(end) {
		end = k.ExpiresAt
	}
	old := k.LiveSecrets(now)
	if overlap == 0 {
		old = nil
	}
	if len(old) >= MaxSecrets {
		return Errorf(Conflict, "the key has %d secrets that still work; end one of them first", len(old))
	}
	for i := range old {
		if old[i].ExpiresAt.IsZero() || end.Before(old[i].ExpiresAt) {
			old[i].ExpiresAt = end
		}
	}
	k.Secrets = append(old, s)
	return nil
}

// EndSecret ends one of a key's secrets now.
func (m *Manager) EndSecret(ctx context.Context, by Actor, id, secretID string, match Match) error {
	if _, err := m.KeyFor(ctx, by, id, "rotate"); err != nil {
		return err
	}
	now := m.Clock()
	_, err := m.update(ctx, by, id, "key.end_secret", now, func(k *Key) error { return k.endSecret(secretID, match, now) })
	return err
}

func (k *Key) endSecret(secretID string, match Match, now time.Time) error {
	if err := match.check(k.Version); err != nil {
		return err
	}
	live := k.LiveSecrets(now)
	i := slices.IndexFunc(live, func(s Secret) bool { return s.ID == secretID })
	switch {
	case i < 0:
		return Errorf(NotFound, "the key has no such secret")
	case len(live) == 1:
		return Errorf(Conflict, "this is the key's last secret; delete the key instead")
	}
	k.Secrets = slices.Delete(live, i, i+1)
	return nil
}

// A Delta adds names to a list and takes names from it.
type Delta struct {
	Add, Remove []string
	Make        bool // as in [KeySettings]
}

func (d Delta) apply(names []string) []string {
	kept := slices.DeleteFunc(slices.Clone(names), func(n string) bool { return slices.Contains(d.Remove, n) })
	return eachOnce(append(kept, d.Add...))
}

// CheckRoles reports what is wrong with a delta of roles, whatever there is.
func (d Delta) CheckRoles() (faults Faults) {
	if len(d.Add) > MaxRoles {
		faults.Add("add", "must be at most %d roles", MaxRoles)
	}
	d.checkBoth(&faults)
	return faults
}

// CheckPermissions reports what is wrong with a delta of permissions.
func (d Delta) CheckPermissions() (faults Faults) {
	validatePermissions("add", d.Add, &faults)
	d.checkBoth(&faults)
	return faults
}

func (d Delta) checkBoth(faults *Faults) {
	for i, n := range d.Add {
		if slices.Contains(d.Remove, n) {
			faults.Add("add/"+itoa(i), "is in both lists")
		}
	}
}

// ChangePermissions changes a key's own permissions by what differs.
func (m *Manager) ChangePermissions(ctx context.Context, by Actor, id string, d Delta) (Key, error) {
	if err := d.CheckPermissions().Err(); err != nil {
		return Key{}, err
	}
	k, err := m.KeyFor(ctx, by, id, "update")
	if err != nil {
		return Key{}, err
	}
	if err := m.mayChangeNames(ctx, &by, &k, d.Add, nil); err != nil {
		return Key{}, err
	}
	if d.Make {
		if err := m.mayMake(ctx, by, Refs{Permissions: d.Add}); err != nil {
			return Key{}, err
		}
	}
	return m.changeNames(ctx, by, id, d, MaxPermissions, func(k *Key) *[]string { return &k.Permissions })
}

// ChangeRoles changes a key's roles by what differs.
func (m *Manager) ChangeRoles(ctx context.Context, by Actor, id string, d Delta) (Key, error) {
	if err := d.CheckRoles().Err(); err != nil {
		return Key{}, err
	}
	k, err := m.KeyFor(ctx, by, id, "update")
	if err != nil {
		return Key{}, err
	}
	var faults Faults
	if d.Make {
		checkNewRoles("add", d.Add, &faults)
		err = m.mayMake(ctx, by, Refs{Roles: d.Add})
	} else {
		err = m.checkRoles(ctx, by.WorkspaceID, "add", d.Add, &faults)
	}
	if err := cmp.Or(err, faults.Err()); err != nil {
		return Key{}, err
	}
	if err := m.mayChangeNames(ctx, &by, &k, nil, d.Add); err != nil {
		return Key{}, err
	}
	return m.changeNames(ctx, by, id, d, MaxRoles, func(k *Key) *[]string { return &k.Roles })
}

func (m *Manager) changeNames(ctx context.Context, by Actor, id string, d Delta, most int, of func(*Key) *[]string) (Key, error) {
	return m.update(ctx, by, id, "key.update", m.Clock(), func(k *Key) error {
		k.MakeRoles = d.Make
		names := of(k)
		if *names = d.apply(*names); len(*names) > most {
			return Faults{{Field: "add", Detail: "the key would have more than " + itoa(most)}}.Err()
		}
		return nil
	})
}

// A CreditOperation says how to change a balance.
type CreditOperation string

const (
	CreditSet       CreditOperation = "set"
	CreditIncrement CreditOperation = "increment"
	CreditDecrement CreditOperation = "decrement"
)

// Check reports what is wrong with a change by an amount, whatever the balance.
func (op CreditOperation) Check(amount int64) (faults Faults) {
	switch op {
	case CreditSet, CreditIncrement, CreditDecrement:
	default:
		faults.Add("operation", `must be "set", "increment" or "decrement"`)
	}
	if amount < 0 || amount > MaxCredits {
		faults.Add("amount", "must be an integer from 0 to %d", int64(MaxCredits))
	}
	return faults
}

// ChangeCredits changes a key's balance. A decrement that would go below 0
// takes nothing.
func (m *Manager) ChangeCredits(ctx context.Context, by Actor, id string, op CreditOperation, amount int64) (*Credits, error) {
	if err := op.Check(amount).Err(); err != nil {
		return nil, err
	}
	return m.changeCredits(ctx, by, id, func(c *Credits, now time.Time) (*Credits, error) { return op.apply(c, amount, now) })
}

// DrainCredits takes an amount from a key's balance, and what there is where
// that is less.
func (m *Manager) DrainCredits(ctx context.Context, by Actor, id string, amount int64) (*Credits, error) {
	if err := CreditDecrement.Check(amount).Err(); err != nil {
		return nil, err
	}
	return m.changeCredits(ctx, by, id, func(c *Credits, now time.Time) (*Credits, error) {
		if c == nil {
			return nil, ErrNoCredits
		}
		return CreditDecrement.apply(c, min(amount, c.Remaining), now)
	})
}

func (m *Manager) changeCredits(ctx context.Context, by Actor, id string, change func(*Credits, time.Time) (*Credits, error)) (*Credits, error) {
	if _, err := m.KeyFor(ctx, by, id, "update"); err != nil {
		return nil, err
	}
	now := m.Clock()
	at := func(c *Credits) (*Credits, error) { return change(c, now) }
	return m.Ledger.ChangeCredits(ctx, by.WorkspaceID, id, at, event(by, "key.credits", Ref{"key", id}, now))
}

// ErrNoCredits is the Conflict of what can be done to a balance alone.
var ErrNoCredits = Errorf(Conflict, "the key has no credits; set gives it some")

func (op CreditOperation) apply(c *Credits, amount int64, now time.Time) (*Credits, error) {
	if c == nil {
		if op != CreditSet {
			return nil, ErrNoCredits
		}
		return &Credits{Remaining: amount, RefilledAt: now}, nil
	}
	out := *c
	switch op {
	case CreditSet:
		out.Remaining = amount
	case CreditIncrement:
		if out.Remaining += amount; out.Remaining > MaxCredits {
			return nil, Errorf(Conflict, "the balance would be above %d", int64(MaxCredits))
		}
	case CreditDecrement:
		if out.Remaining -= amount; out.Remaining < 0 {
			return nil, Errorf(Conflict, "the balance is %d; nothing was taken", c.Remaining)
		}
	}
	return &out, nil
}
