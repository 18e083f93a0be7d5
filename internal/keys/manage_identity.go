package keys

import (
	"context"
	"strings"

	"latchkey/internal/token"
)

// MaxMeta bounds the metadata of an identity, in bytes of JSON.
const MaxMeta = 64_000

// Validate reports everything that is wrong with the identity.
func (i *Identity) Validate() error {
	var faults Faults
	if !ValidExternalID(i.ExternalID) {
		faults.Add("external_id", "must be 1 to %d characters and not begin with idn_", MaxText)
	}
	switch i.Kind {
	case Customer, UserIdentity, Organization:
	default:
		faults.Add("kind", `must be "customer", "user" or "organization"`)
	}
	if len(i.Meta) > MaxMeta {
		faults.Add("meta", "must be at most %d bytes of JSON", MaxMeta)
	}
	validateLimits("limits", i.Limits, &faults)
	return faults.Err()
}

// CreateIdentity makes an identity.
func (m *Manager) CreateIdentity(ctx context.Context, by Actor, i Identity) (Identity, error) {
	if err := by.Need(ResIdentities, "*", "create"); err != nil {
		return Identity{}, err
	}
	if err := i.Validate(); err != nil {
		return Identity{}, err
	}
	now := m.Clock()
	i.ID, i.WorkspaceID, i.CreatedAt, i.UpdatedAt = token.NewID("idn"), by.WorkspaceID, now, now
	err := m.Store.InsertIdentity(ctx, &i, event(by, "identity.create", Ref{"identity", i.ID}, now))
	return i, err
}

// ReplaceIdentity makes the identity with an external id what it is told, and
// makes one where there is none. made says that it did.
func (m *Manager) ReplaceIdentity(ctx context.Context, by Actor, want Identity, match Match) (i Identity, made bool, err error) {
	if !by.May(ResIdentities, "*", "update") { // else whether it is there would be told to anybody
		if err := by.Need(ResIdentities, "*", "create"); err != nil {
			return i, false, err
		}
	}
	if err := want.Validate(); err != nil {
		return i, false, err
	}
	for range 3 { // another may make or delete it in between
		i, err = m.Store.Identity(ctx, by.WorkspaceID, want.ExternalID)
		if Is(err, NotFound) {
			if match.Given {
				return i, false, Errorf(Precondition, "there is no such identity")
			}
			if i, err = m.CreateIdentity(ctx, by, want); !Is(err, Conflict) {
				return i, err == nil, err
			}
			continue
		}
		if err != nil {
			return i, false, err
		}
		i, err = m.UpdateIdentity(ctx, by, i.ID, func(i *Identity) error {
			i.Kind, i.Enabled, i.Meta, i.Limits = want.Kind, want.Enabled, want.Meta, want.Limits
			return nil
		}, match)
		if !Is(err, NotFound) {
			return i, false, err
		}
	}
	return i, false, err
}

// Identity returns an identity by id or external id.
func (m *Manager) Identity(ctx context.Context, by Actor, ref string) (Identity, error) {
	if err := by.Need(ResIdentities, "*", "read"); err != nil {
		return Identity{}, err
	}
	return m.Store.Identity(ctx, by.WorkspaceID, ref)
}

// Identities lists identities, newest first, and counts all that f selects.
func (m *Manager) Identities(ctx context.Context, by Actor, f IdentityFilter) ([]Identity, int, error) {
	if err := by.Need(ResIdentities, "*", "read"); err != nil {
		return nil, 0, err
	}
	return m.Store.Identities(ctx, by.WorkspaceID, f)
}

// UpdateIdentity changes an identity as change says. Disabled, it refuses all
// its keys at once.
func (m *Manager) UpdateIdentity(ctx context.Context, by Actor, ref string, change func(*Identity) error, match Match) (Identity, error) {
	if err := by.Need(ResIdentities, "*", "update"); err != nil {
		return Identity{}, err
	}
	have, err := m.Store.Identity(ctx, by.WorkspaceID, ref)
	if err != nil {
		return Identity{}, err
	}
	checked := func(i *Identity) error {
		if err := match.check(i.Version); err != nil {
			return err
		}
		if err := change(i); err != nil {
			return err
		}
		return i.Validate()
	}
	return m.Store.UpdateIdentity(ctx, by.WorkspaceID, have.ID, checked, event(by, "identity.update", Ref{"identity", have.ID}, m.Clock()))
}

// DeleteIdentity deletes an identity. Its keys stay, without owner.
func (m *Manager) DeleteIdentity(ctx context.Context, by Actor, ref string, match Match) error {
	if err := by.Need(ResIdentities, "*", "delete"); err != nil {
		return err
	}
	have, err := m.Store.Identity(ctx, by.WorkspaceID, ref)
	if err != nil {
		return err
	}
	check := func(i *Identity) error { return match.check(i.Version) }
	return m.Store.DeleteIdentity(ctx, by.WorkspaceID, have.ID, check, event(by, "identity.delete", Ref{"identity", have.ID}, m.Clock()))
}

// clean reports text that is fit for a name: not empty, not too long, and not
// what an id looks like.
func clean(s, kind string) bool {
	return s != "" && len([]rune(s)) <= MaxText && !strings.HasPrefix(s, kind+"_")
}
