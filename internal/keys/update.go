package keys

import (
	"context"
	"slices"
	"time"

	"latchkey/internal/token"
)

// UpdateKey changes what is given of an ordinary key's settings.
func (m *Manager) UpdateKey(ctx context.Context, by Actor, id string, s KeySettings, match Match) (Key, error) {
	k, err := m.key(ctx, by, id, "update")
	if err != nil {
		return Key{}, err
	}
	ks, err := m.Store.Keyspace(ctx, by.WorkspaceID, k.KeyspaceID)
	if err != nil {
		return Key{}, err
	}
	now := m.Clock()
	return m.update(ctx, by, id, "key.update", now, func(k *Key) error {
		if err := match.check(k.Version); err != nil {
			return err
		}
		var faults Faults
		chosen := s.ExpiresAt.Set && !s.ExpiresAt.Value.Equal(k.ExpiresAt)
		ks.Policy.check(&s, chosen, false, now, &faults)
		s.apply(k, now, &faults)
		if s.Owner.Set {
			if err := m.checkOwner(ctx, &ks, k, &faults); err != nil {
				return err
			}
		}
		return faults.Err()
	})
}

func (m *Manager) update(ctx context.Context, by Actor, id, action string, now time.Time, change func(*Key) error) (Key, error) {
	k, err := m.Store.UpdateKey(ctx, by.WorkspaceID, id, change, event(by, action, Ref{"key", id}, now))
	if err != nil {
		return Key{}, err
	}
	return m.asOf(k, now), nil
}

// MaxOverlap bounds how long a secret works on after its key was rotated.
const MaxOverlap = 30 * 24 * time.Hour

// RotateKey gives a key a new secret. The ones that it has work until the
// overlap ends, and never longer than they would have.
func (m *Manager) RotateKey(ctx context.Context, by Actor, id string, overlap time.Duration) (Key, token.Secret, error) {
	if overlap < 0 || overlap > MaxOverlap {
		return Key{}, token.Secret{}, Faults{{Field: "overlap", Detail: "must be from 0s to 30d"}}.Err()
	}
	k, err := m.key(ctx, by, id, "rotate")
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
	if _, err := m.key(ctx, by, id, "rotate"); err != nil {
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
}

func (d Delta) apply(names []string) []string {
	kept := slices.DeleteFunc(slices.Clone(names), func(n string) bool { return slices.Contains(d.Remove, n) })
	return unique(append(kept, d.Add...))
}

func (d Delta) check(faults *Faults) {
	for i, n := range d.Add {
		if slices.Contains(d.Remove, n) {
			faults.Add("add/"+itoa(i), "%q is in both lists", n)
		}
	}
}

// ChangePermissions changes a key's own permissions by what differs.
func (m *Manager) ChangePermissions(ctx context.Context, by Actor, id string, d Delta) (Key, error) {
	var faults Faults
	validatePermissions("add", d.Add, &faults)
	return m.changeNames(ctx, by, id, d, faults, MaxPermissions, func(k *Key) *[]string { return &k.Permissions })
}

// ChangeRoles changes a key's roles by what differs.
func (m *Manager) ChangeRoles(ctx context.Context, by Actor, id string, d Delta) (Key, error) {
	return m.changeNames(ctx, by, id, d, nil, MaxRoles, func(k *Key) *[]string { return &k.Roles })
}

func (m *Manager) changeNames(ctx context.Context, by Actor, id string, d Delta, faults Faults, most int, of func(*Key) *[]string) (Key, error) {
	d.check(&faults)
	if err := faults.Err(); err != nil {
		return Key{}, err
	}
	if _, err := m.key(ctx, by, id, "update"); err != nil {
		return Key{}, err
	}
	return m.update(ctx, by, id, "key.update", m.Clock(), func(k *Key) error {
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

// ChangeCredits changes a key's balance. A decrement that would go below 0
// takes nothing.
func (m *Manager) ChangeCredits(ctx context.Context, by Actor, id string, op CreditOperation, amount int64) (*Credits, error) {
	var faults Faults
	switch op {
	case CreditSet, CreditIncrement, CreditDecrement:
	default:
		faults.Add("operation", `must be "set", "increment" or "decrement"`)
	}
	if amount < 0 || amount > MaxCredits {
		faults.Add("amount", "must be an integer from 0 to %d", int64(MaxCredits))
	}
	if err := faults.Err(); err != nil {
		return nil, err
	}
	if _, err := m.key(ctx, by, id, "update"); err != nil {
		return nil, err
	}
	now := m.Clock()
	change := func(c *Credits) (*Credits, error) { return op.apply(c, amount, now) }
	return m.Ledger.ChangeCredits(ctx, by.WorkspaceID, id, change, event(by, "key.credits", Ref{"key", id}, now))
}

func (op CreditOperation) apply(c *Credits, amount int64, now time.Time) (*Credits, error) {
	if c == nil {
		if op != CreditSet {
			return nil, Errorf(Conflict, "the key has no credits; set gives it some")
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
