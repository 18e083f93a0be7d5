package store

import (
	"context"

	"latchkey/internal/keys"
	"latchkey/internal/span"
)

const overrideColumns = `id, workspace_id, namespace, pattern, max, window_text, version, created_at, updated_at`

// spanColumn reads a duration as it was written.
type spanColumn struct{ to *span.Span }

func (c spanColumn) Scan(src any) error {
	var s string
	if err := (text{&s}).Scan(src); err != nil {
		return err
	}
	return c.to.UnmarshalText([]byte(s))
}

func overrideTargets(o *keys.Override) []any {
	return []any{text{&o.ID}, text{&o.WorkspaceID}, text{&o.Namespace}, text{&o.Pattern}, integer{&o.Max}, spanColumn{&o.Window},
		integer{&o.Version}, moment{&o.CreatedAt}, moment{&o.UpdatedAt}}
}

// InsertOverride implements [keys.OverrideStore].
func (s *Store) InsertOverride(ctx context.Context, o *keys.Override, most int, ev keys.Event) error {
	out := *o
	out.Version, out.CreatedAt, out.UpdatedAt = 1, kept(o.CreatedAt), kept(o.UpdatedAt)
	err := s.write(ctx, func(t *txn) error {
		if err := t.roomForOverride(&out, int64(most)); err != nil {
			return err
		}
		err := t.insert("the namespace has an override with this pattern", `INSERT INTO overrides
			(`+overrideColumns+`, wild) VALUES `+list(1, 10), out.ID, out.WorkspaceID, out.Namespace, out.Pattern, out.Max,
			out.Window.String(), out.Version, millis(out.CreatedAt), millis(out.UpdatedAt), out.Wild())
		if err != nil {
			return err
		}
		return t.overrideChanged(ev, nil, &out)
	})
	if err == nil {
		*o = out
	}
	return err
}

// roomForOverride refuses one more than a namespace may have of its kind. The
// row of the workspace lets one in at a time.
func (t *txn) roomForOverride(o *keys.Override, most int64) error {
	var id string
	err := t.row(`SELECT id FROM workspaces WHERE id = $1`+t.engine.forUpdate, []any{o.WorkspaceID}, text{&id})
	if err != nil {
		return found(err, "workspace")
	}
	var n int64
	err = t.row(`SELECT count(*) FROM overrides WHERE workspace_id = $1 AND namespace = $2 AND wild = $3`,
		[]any{o.WorkspaceID, o.Namespace, o.Wild()}, integer{&n})
	if err != nil {
		return err
	}
	if n >= most {
		kind := "without a wildcard"
		if o.Wild() {
			kind = "with a wildcard"
		}
		return keys.Errorf(keys.Conflict, "the namespace has %d overrides %s, which is the most", n, kind)
	}
	return nil
}

// overrideChanged tells of a change, and records it.
func (t *txn) overrideChanged(ev keys.Event, before, after *keys.Override) error {
	var was, is []keys.Member
	of := after
	if before != nil {
		was, of = keys.OverrideMembers(before), before
	}
	if after != nil {
		is = keys.OverrideMembers(after)
	}
	t.changed(keys.OverrideChanged, keys.OverrideScope(of.WorkspaceID, of.Namespace))
	ev.Compare(was, is)
	return t.record(ev)
}

// UpdateOverride implements [keys.OverrideStore].
func (s *Store) UpdateOverride(ctx context.Context, workspaceID, namespace, pattern string, change func(*keys.Override) error, ev keys.Event) (keys.Override, error) {
	var o keys.Override
	err := s.write(ctx, func(t *txn) error {
		old, err := t.override(workspaceID, namespace, pattern, t.engine.forUpdate)
		if err != nil {
			return err
		}
		o = old
		if err := change(&o); err != nil {
			return refusal{err}
		}
		changed := old
		changed.Max, changed.Window = o.Max, o.Window
		if o = changed; o == old {
			return t.unchanged(ev, keys.OverrideMembers(&o))
		}
		o.Version, o.UpdatedAt = old.Version+1, kept(ev.At)
		_, err = t.exec(`UPDATE overrides SET max = $2, window_text = $3, version = $4, updated_at = $5 WHERE id = $1`,
			o.ID, o.Max, o.Window.String(), o.Version, millis(o.UpdatedAt))
		if err != nil {
			return err
		}
		return t.overrideChanged(ev, &old, &o)
	})
	if err != nil {
		return keys.Override{}, err
	}
	return o, nil
}

// Override implements [keys.OverrideStore].
func (s *Store) Override(ctx context.Context, workspaceID, namespace, pattern string) (o keys.Override, err error) {
	err = s.look(ctx, func(q *session) error {
		o, err = q.override(workspaceID, namespace, pattern, "")
		return err
	})
	return o, err
}

func (q *session) override(workspaceID, namespace, pattern, lock string) (o keys.Override, err error) {
	err = q.row(`SELECT `+overrideColumns+` FROM overrides WHERE workspace_id = $1 AND namespace = $2 AND pattern = $3`+lock,
		[]any{workspaceID, namespace, pattern}, overrideTargets(&o)...)
	return o, found(err, "override")
}

// Overrides implements [keys.OverrideStore].
func (s *Store) Overrides(ctx context.Context, workspaceID, namespace string, p keys.Page) (out []keys.Override, err error) {
	w := new(conditions)
	w.add("workspace_id = ? AND namespace = ?", workspaceID, namespace)
	err = s.look(ctx, func(q *session) error {
		return q.eachOnce(`SELECT `+overrideColumns+` FROM overrides`+w.page("id", p), w.args, func(row scan) error {
			var o keys.Override
			err := row(overrideTargets(&o)...)
			out = append(out, o)
			return err
		})
	})
	return out, err
}

// DeleteOverride implements [keys.OverrideStore].
func (s *Store) DeleteOverride(ctx context.Context, workspaceID, namespace, pattern string, check func(*keys.Override) error, ev keys.Event) error {
	return s.write(ctx, func(t *txn) error {
		o, err := t.override(workspaceID, namespace, pattern, t.engine.forUpdate)
		if err != nil {
			return err
		}
		if err := check(&o); err != nil {
			return refusal{err}
		}
		if _, err := t.exec(`DELETE FROM overrides WHERE id = $1`, o.ID); err != nil {
			return err
		}
		return t.overrideChanged(ev, &o, nil)
	})
}
