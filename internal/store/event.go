package store

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"latchkey/internal/keys"
)

const eventFields = `id, workspace_id, at, action, actor_kind, actor_id, actor_name, target_type, target_id, key_id,
	request_id, addr, members_before, members_after`

// record writes an event.
func (t *txn) record(ev keys.Event) error {
	before, err := encodeMembers(ev.Before)
	if err != nil {
		return err
	}
	after, err := encodeMembers(ev.After)
	if err != nil {
		return err
	}
	t.events++
	addr := ""
	if ev.Addr.IsValid() {
		addr = ev.Addr.String()
	}
	return t.insert("an event with this id exists", `INSERT INTO events (`+eventFields+`) VALUES `+list(1, 14),
		ev.ID, ev.WorkspaceID, millis(ev.At), ev.Action, string(ev.Actor.Kind), ev.Actor.ID, ev.Actor.Name,
		ev.Target.Type, ev.Target.ID, ev.KeyID, ev.RequestID, addr, before, after)
}

// unchanged is what an update comes to that alters nothing: it leaves no trace,
// unless the event tells of something else than an update.
func (t *txn) unchanged(ev keys.Event, members []keys.Member) error {
	if strings.HasSuffix(ev.Action, ".update") {
		return nil
	}
	ev.Compare(members, members)
	return t.record(ev)
}

// Events implements [keys.EventStore].
func (s *Store) Events(ctx context.Context, workspaceID string, f keys.EventFilter) (out []keys.Event, err error) {
	w := new(conditions)
	w.add("workspace_id = ?", workspaceID)
	if f.KeyID != "" {
		w.add("key_id = ?", f.KeyID)
	}
	if f.ActorID != "" {
		w.add("actor_id = ?", f.ActorID)
	}
	if f.Action != "" {
		w.add("action = ?", f.Action)
	}
	if !f.From.IsZero() {
		w.add("at >= ?", millis(f.From))
	}
	if !f.To.IsZero() {
		w.add("at < ?", millis(f.To))
	}
	if f.Before != "" {
		w.add("id < ?", f.Before)
	}
	err = s.look(ctx, func(q *session) error {
		query := `SELECT ` + eventFields + ` FROM events WHERE ` + w.String() + ` ORDER BY id DESC LIMIT ` + w.arg(limit(f.Limit))
		return q.eachOnce(query, w.args, func(row scan) error {
			ev, err := scanEvent(row)
			out = append(out, ev)
			return err
		})
	})
	return out, err
}

func scanEvent(row scan) (ev keys.Event, err error) {
	var addr string
	err = row(text{&ev.ID}, text{&ev.WorkspaceID}, moment{&ev.At}, text{&ev.Action}, text{(*string)(&ev.Actor.Kind)}, text{&ev.Actor.ID},
		text{&ev.Actor.Name}, text{&ev.Target.Type}, text{&ev.Target.ID}, text{&ev.KeyID}, text{&ev.RequestID}, text{&addr},
		membersColumn{&ev.Before}, membersColumn{&ev.After})
	if err == nil && addr != "" {
		ev.Addr, err = netip.ParseAddr(addr)
	}
	return ev, err
}

// PruneEvents implements [keys.EventStore].
func (s *Store) PruneEvents(ctx context.Context, before time.Time, limit int) (int, error) {
	return s.prune(ctx, `DELETE FROM events WHERE id IN (SELECT id FROM events WHERE at < $1 ORDER BY at LIMIT $2)`, before, limit)
}

// prune runs a statement that deletes at most limit of what is older than
// before, and returns how many it deleted.
func (s *Store) prune(ctx context.Context, text string, before time.Time, limit int) (int, error) {
	var n int64
	err := s.writeOne(ctx, func(t *txn) (err error) {
		n, err = t.exec(text, before.UnixMilli(), int64(limit))
		return err
	})
	return int(n), err
}

// encodeMembers returns members as a JSON object in their order; nil is null.
func encodeMembers(members []keys.Member) (string, error) {
	var b strings.Builder
	e := jsontext.NewEncoder(&b, jsontext.AllowInvalidUTF8(true), jsontext.AllowDuplicateNames(true))
	var err error
	if members == nil {
		err = e.WriteToken(jsontext.Null)
	} else {
		err = writeMembers(e, members)
	}
	return strings.TrimSuffix(b.String(), "\n"), err
}

func writeMembers(e *jsontext.Encoder, members []keys.Member) error {
	if err := e.WriteToken(jsontext.BeginObject); err != nil {
		return err
	}
	for _, m := range members {
		if err := e.WriteToken(jsontext.String(m.Name)); err != nil {
			return err
		}
		if err := writeValue(e, m.Value); err != nil {
			return err
		}
	}
	return e.WriteToken(jsontext.EndObject)
}

func writeValue(e *jsontext.Encoder, value any) error {
	switch v := value.(type) {
	case nil:
		return e.WriteToken(jsontext.Null)
	case string:
		return e.WriteToken(jsontext.String(v))
	case bool:
		return e.WriteToken(jsontext.Bool(v))
	case int64:
		return e.WriteToken(jsontext.Int(v))
	case []keys.Member:
		return writeMembers(e, v)
	case []string:
		return writeList(e, v, func(s string) error { return e.WriteToken(jsontext.String(s)) })
	case [][]keys.Member:
		return writeList(e, v, func(m []keys.Member) error { return writeMembers(e, m) })
	}
	// The value itself is not told: it may be one that must not be logged.
	return fmt.Errorf("an event has a member of type %T", value)
}

func writeList[T any](e *jsontext.Encoder, list []T, write func(T) error) error {
	if err := e.WriteToken(jsontext.BeginArray); err != nil {
		return err
	}
	for _, v := range list {
		if err := write(v); err != nil {
			return err
		}
	}
	return e.WriteToken(jsontext.EndArray)
}

// membersColumn reads what [encodeMembers] wrote. An empty list is one of
// strings, since it does not say what it is a list of.
type membersColumn struct{ to *[]keys.Member }

func (c membersColumn) Scan(src any) error {
	var s string
	if err := (text{&s}).Scan(src); err != nil {
		return err
	}
	d := jsontext.NewDecoder(strings.NewReader(s), jsontext.AllowDuplicateNames(true))
	v, err := readValue(d)
	if err == nil {
		*c.to, _ = v.([]keys.Member)
	}
	return err
}

func readValue(d *jsontext.Decoder) (any, error) {
	t, err := d.ReadToken()
	if err != nil {
		return nil, err
	}
	switch t.Kind() {
	case '"':
		return t.String(), nil
	case 't', 'f':
		return t.Bool(), nil
	case '0':
		return t.Int()
	case '{':
		return readMembers(d)
	case '[':
		return readList(d)
	}
	return nil, nil
}

func readMembers(d *jsontext.Decoder) ([]keys.Member, error) {
	members := []keys.Member{}
	for d.PeekKind() != '}' {
		name, err := d.ReadToken()
		if err != nil {
			return nil, err
		}
		m := keys.Member{Name: name.String()}
		if m.Value, err = readValue(d); err != nil {
			return nil, err
		}
		members = append(members, m)
	}
	_, err := d.ReadToken()
	return members, err
}

func readList(d *jsontext.Decoder) (any, error) {
	texts, objects := []string{}, [][]keys.Member{}
	for d.PeekKind() != ']' {
		v, err := readValue(d)
		if err != nil {
			return nil, err
		}
		switch v := v.(type) {
		case string:
			texts = append(texts, v)
		case []keys.Member:
			objects = append(objects, v)
		}
	}
	_, err := d.ReadToken()
	if len(objects) > 0 {
		return objects, err
	}
	return texts, err
}
