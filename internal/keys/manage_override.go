package keys

import (
	"context"

	"latchkey/internal/token"
)

// Overrides lists the overrides of a namespace, newest first.
func (m *Manager) Overrides(ctx context.Context, by Actor, namespace string, p Page) ([]Override, error) {
	if err := by.Need(ResLimits, "*", "update"); err != nil {
		return nil, err
	}
	return m.Store.Overrides(ctx, by.WorkspaceID, namespace, p)
}

// Override returns an override by its pattern.
func (m *Manager) Override(ctx context.Context, by Actor, namespace, pattern string) (Override, error) {
	if err := by.Need(ResLimits, "*", "update"); err != nil {
		return Override{}, err
	}
	return m.Store.Override(ctx, by.WorkspaceID, namespace, pattern)
}

// ReplaceOverride makes the override with a pattern what it is told, and makes
// one where there is none. made says that it did. check may refuse to replace
// what is there.
func (m *Manager) ReplaceOverride(ctx context.Context, by Actor, want Override, check func(*Override) error, match Match) (o Override, made bool, err error) {
	if err := by.Need(ResLimits, "*", "update"); err != nil {
		return o, false, err
	}
	if err := want.Validate(); err != nil {
		return o, false, err
	}
	for range 3 { // another may make or delete it in between
		o, err = m.Store.Override(ctx, by.WorkspaceID, want.Namespace, want.Pattern)
		switch {
		case Is(err, NotFound) && match.Given:
			return o, false, Errorf(Precondition, "there is no such override")
		case Is(err, NotFound):
			if err := check(nil); err != nil {
				return o, false, err
			}
			if o, err = m.createOverride(ctx, by, want); !Is(err, Conflict) {
				return o, err == nil, err
			}
			continue
		case err != nil:
			return o, false, err
		}
		change := func(o *Override) error {
			if err := match.check(o.Version); err != nil {
				return err
			}
			if err := check(o); err != nil {
				return err
			}
			o.Max, o.Window = want.Max, want.Window
			return nil
		}
		ev := event(by, "override.update", Ref{"override", o.ID}, m.Clock())
		o, err = m.Store.UpdateOverride(ctx, by.WorkspaceID, want.Namespace, want.Pattern, change, ev)
		if !Is(err, NotFound) {
			return o, false, err
		}
	}
	return o, false, err
}

func (m *Manager) createOverride(ctx context.Context, by Actor, o Override) (Override, error) {
	now := m.Clock()
	o.ID, o.WorkspaceID, o.CreatedAt, o.UpdatedAt = token.NewID("ovr"), by.WorkspaceID, now, now
	err := m.Store.InsertOverride(ctx, &o, o.most(), event(by, "override.create", Ref{"override", o.ID}, now))
	return o, err
}

// DeleteOverride deletes an override.
func (m *Manager) DeleteOverride(ctx context.Context, by Actor, namespace, pattern string, match Match) error {
	if err := by.Need(ResLimits, "*", "update"); err != nil {
		return err
	}
	have, err := m.Store.Override(ctx, by.WorkspaceID, namespace, pattern)
	if err != nil {
		return err
	}
	check := func(o *Override) error { return match.check(o.Version) }
	return m.Store.DeleteOverride(ctx, by.WorkspaceID, namespace, pattern, check, event(by, "override.delete", Ref{"override", have.ID}, m.Clock()))
}
