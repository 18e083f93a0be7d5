package native

import (
	"encoding/json"
	"net/http"

	"latchkey"
	"latchkey/internal/httpapi"
	"latchkey/internal/keys"
)

func (d *Dialect) listEvents(w http.ResponseWriter, r *http.Request, c *httpapi.Call) error {
	p := query(r, "limit", "cursor", "key", "actor", "action", "from", "to")
	limit := p.limit()
	f := keys.EventFilter{
		KeyID: p.text("key"), ActorID: p.text("actor"), Action: p.text("action"), From: p.time("from"), To: p.time("to"),
		Before: p.cursor("evt"), Limit: limit + 1,
	}
	if err := p.faults.Err(); err != nil {
		return err
	}
	events, err := d.manager.Events(r.Context(), c.Actor, f)
	if err != nil {
		return err
	}
	events, next := page(events, limit, func(e *keys.Event) string { return e.ID })
	list := latchkey.List[latchkey.Event]{Data: []latchkey.Event{}, NextCursor: next}
	for i := range events {
		wire, err := wireEvent(&events[i])
		if err != nil {
			return err
		}
		list.Data = append(list.Data, wire)
	}
	return httpapi.WriteJSON(w, http.StatusOK, "application/json", list)
}

func wireEvent(e *keys.Event) (latchkey.Event, error) {
	out := latchkey.Event{
		ID: e.ID, At: latchkey.Time{Time: e.At}, Action: e.Action,
		Actor: latchkey.Ref{Type: string(e.Actor.Kind), ID: e.Actor.ID}, Target: latchkey.Ref{Type: e.Target.Type, ID: e.Target.ID},
		RequestID: textOrNull(e.RequestID),
	}
	if e.Addr.IsValid() {
		out.IP = textOrNull(e.Addr.String())
	}
	var err error
	if out.Before, err = wireMembers(e.Before); err != nil {
		return out, err
	}
	out.After, err = wireMembers(e.After)
	return out, err
}

// wireMembers returns members as a JSON object, or null for nil.
func wireMembers(members []keys.Member) (json.RawMessage, error) {
	if members == nil {
		return json.RawMessage("null"), nil
	}
	return json.Marshal(plain(members))
}

// plain turns members into what encoding/json knows.
func plain(v any) any {
	switch v := v.(type) {
	case []keys.Member:
		out := map[string]any{}
		for _, m := range v {
			out[m.Name] = plain(m.Value)
		}
		return out
	case [][]keys.Member:
		out := []any{}
		for _, m := range v {
			out = append(out, plain(m))
		}
		return out
	}
	return v
}
