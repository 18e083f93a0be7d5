package native

import (
	"bytes"
	"encoding/json"
	"net/http"
	"reflect"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"latchkey"
	"latchkey/internal/httpapi"
	"latchkey/internal/keys"
)

// readOnly are the members of a key that cannot be set, and may be sent back
// as they are.
type readOnly struct {
	ID         jsontext.Value `json:"id"`
	Hint       jsontext.Value `json:"hint"`
	Status     jsontext.Value `json:"status"`
	Secrets    jsontext.Value `json:"secrets"`
	LastUsedAt jsontext.Value `json:"last_used_at"`
	CreatedAt  jsontext.Value `json:"created_at"`
	UpdatedAt  jsontext.Value `json:"updated_at"`
}

type createKeyBody struct {
	latchkey.CreateKeyRequest
	readOnly
}

type updateKeyBody struct {
	Keyspace jsontext.Value `json:"keyspace"`
	latchkey.KeySettings
	readOnly
}

func (d *Dialect) createKey(w http.ResponseWriter, r *http.Request, c *httpapi.Call) error {
	var in createKeyBody
	if err := body(r, &in); err != nil {
		return err
	}
	var faults keys.Faults
	nk := keys.NewKey{Keyspace: in.Keyspace, KeySettings: settings(&in.KeySettings, &faults)}
	in.readOnly.check(nil, &faults)
	checkRefillsAt(&in.KeySettings, nil, &faults)
	if err := faults.Err(); err != nil {
		return err
	}
	k, secret, err := d.manager.CreateKey(r.Context(), c.Actor, nk)
	if err != nil {
		return err
	}
	wire, err := (&keyspaces{d: d}).wireKey(r.Context(), &k, d.clock())
	if err != nil {
		return err
	}
	return d.answer(w, r, resource{http.StatusCreated, k.Version, true, latchkey.KeyWithSecret{Key: wire, Secret: secret.Reveal()}})
}

func (d *Dialect) getKey(w http.ResponseWriter, r *http.Request, c *httpapi.Call) error {
	if err := query(r).faults.Err(); err != nil {
		return err
	}
	k, err := d.manager.Key(r.Context(), c.Actor, r.PathValue("id"))
	if err != nil {
		return err
	}
	return d.answerKey(w, r, &k)
}

func (d *Dialect) answerKey(w http.ResponseWriter, r *http.Request, k *keys.Key) error {
	wire, err := (&keyspaces{d: d}).wireKey(r.Context(), k, d.clock())
	if err != nil {
		return err
	}
	return d.answer(w, r, resource{http.StatusOK, k.Version, false, wire})
}

func (d *Dialect) listKeys(w http.ResponseWriter, r *http.Request, c *httpapi.Call) error {
	p := query(r, "limit", "cursor", "keyspace", "identity", "external_id", "status", "name", "environment", "start")
	limit := p.limit()
	q := keys.KeyQuery{
		Keyspace: p.text("keyspace"), Identity: p.text("identity"),
		KeyFilter: keys.KeyFilter{
			ExternalID: p.text("external_id"), Name: p.optional("name"), Environment: p.optional("environment"), Start: p.text("start"),
			Status: keys.Status(p.oneOf("status", "active", "disabled", "expired")),
			Before: p.cursor("key"), Limit: limit + 1,
		},
	}
	if err := p.faults.Err(); err != nil {
		return err
	}
	found, _, err := d.manager.Keys(r.Context(), c.Actor, q)
	if err != nil {
		return inQuery(err)
	}
	found, next := page(found, limit, func(k *keys.Key) string { return k.ID })
	list := latchkey.List[latchkey.Key]{Data: []latchkey.Key{}, NextCursor: next}
	ks := &keyspaces{d: d}
	for i := range found {
		wire, err := ks.wireKey(r.Context(), &found[i], d.clock())
		if err != nil {
			return err
		}
		list.Data = append(list.Data, wire)
	}
	return httpapi.WriteJSON(w, http.StatusOK, "application/json", list)
}

// inQuery says of the core's faults that they are about query parameters.
func inQuery(err error) error {
	e := *keys.AsError(err)
	e.Faults = nil
	for _, f := range keys.AsError(err).Faults {
		f.Field = parameter + f.Field
		e.Faults = append(e.Faults, f)
	}
	return &e
}

func (d *Dialect) updateKey(w http.ResponseWriter, r *http.Request, c *httpapi.Call) error {
	if err := checkType(r, "application/merge-patch+json"); err != nil {
		return err
	}
	var in updateKeyBody
	if err := body(r, &in, "application/merge-patch+json"); err != nil {
		return err
	}
	var faults keys.Faults
	s := settings(&in.KeySettings, &faults)
	if err := d.checkUnchanged(r, c, &in, &faults); err != nil {
		return err
	}
	if err := faults.Err(); err != nil {
		return err
	}
	k, err := d.manager.UpdateKey(r.Context(), c.Actor, r.PathValue("id"), s, match(r))
	if err != nil {
		return err
	}
	return d.answerKey(w, r, &k)
}

// checkUnchanged reports members that cannot be set and were sent with another
// than their present value.
func (d *Dialect) checkUnchanged(r *http.Request, c *httpapi.Call, in *updateKeyBody, faults *keys.Faults) error {
	if reflect.DeepEqual(in.readOnly, readOnly{}) && in.Keyspace == nil && !in.Credits.Value.RefillsAt.Given() {
		return nil
	}
	k, err := d.manager.Key(r.Context(), c.Actor, r.PathValue("id"))
	if err != nil {
		return err
	}
	wire, err := (&keyspaces{d: d}).wireKey(r.Context(), &k, d.clock())
	if err != nil {
		return err
	}
	in.readOnly.check(&wire, faults)
	if in.Keyspace != nil && !sameJSON(in.Keyspace, wire.Keyspace) && !sameJSON(in.Keyspace, k.KeyspaceID) {
		faults.Add("keyspace", "cannot be changed")
	}
	checkRefillsAt(&in.KeySettings, wire.Credits, faults)
	return nil
}

// check reports members whose value is not that of now; nil stands for a key
// that is not there yet.
func (ro *readOnly) check(now *latchkey.Key, faults *keys.Faults) {
	var have latchkey.Key
	if now != nil {
		have = *now
	}
	for _, m := range []struct {
		name string
		sent jsontext.Value
		have any
	}{
		{"id", ro.ID, have.ID}, {"hint", ro.Hint, have.Hint}, {"status", ro.Status, have.Status}, {"secrets", ro.Secrets, have.Secrets},
		{"last_used_at", ro.LastUsedAt, have.LastUsedAt}, {"created_at", ro.CreatedAt, have.CreatedAt}, {"updated_at", ro.UpdatedAt, have.UpdatedAt},
	} {
		switch {
		case m.sent == nil, now == nil && m.sent.Kind() == 'n':
		case now == nil:
			faults.Add(m.name, "cannot be set")
		case !sameJSON(m.sent, m.have):
			faults.Add(m.name, "cannot be set, and is not what it is now")
		}
	}
}

func checkRefillsAt(in *latchkey.KeySettings, now *latchkey.Credits, faults *keys.Faults) {
	sent := in.Credits.Value.RefillsAt
	if !sent.Given() || sent.IsNull() && (now == nil || now.RefillsAt == nil) {
		return
	}
	if now == nil || !sameJSON(jsontext.Value(sent.Value), now.RefillsAt) {
		faults.Add("credits/refills_at", "cannot be set")
	}
}

// sameJSON reports whether v is what was sent, as JSON values.
func sameJSON(sent jsontext.Value, v any) bool {
	have, err := jsonv2.Marshal(v)
	if err != nil {
		return false
	}
	return canonical(sent) == canonical(have)
}

// canonicalSpace returns a document without space between its tokens.
func canonicalSpace(doc json.RawMessage) string {
	v := jsontext.Value(bytes.Clone(doc))
	if err := v.Compact(); err != nil {
		return string(doc)
	}
	return string(v)
}

func (d *Dialect) deleteKey(w http.ResponseWriter, r *http.Request, c *httpapi.Call) error {
	if err := d.manager.DeleteKey(r.Context(), c.Actor, r.PathValue("id"), match(r)); err != nil {
		return err
	}
	return d.noContent(w, r)
}

func (d *Dialect) rotateKey(w http.ResponseWriter, r *http.Request, c *httpapi.Call) error {
	overlap, err := overlapOf(r)
	if err != nil {
		return err
	}
	k, secret, err := d.manager.RotateKey(r.Context(), c.Actor, r.PathValue("id"), overlap)
	if err != nil {
		return err
	}
	wire, err := (&keyspaces{d: d}).wireKey(r.Context(), &k, d.clock())
	if err != nil {
		return err
	}
	return d.answer(w, r, resource{http.StatusOK, k.Version, true, latchkey.KeyWithSecret{Key: wire, Secret: secret.Reveal()}})
}

func (d *Dialect) endSecret(w http.ResponseWriter, r *http.Request, c *httpapi.Call) error {
	if err := d.manager.EndSecret(r.Context(), c.Actor, r.PathValue("id"), r.PathValue("secret"), match(r)); err != nil {
		return err
	}
	return d.noContent(w, r)
}

func (d *Dialect) reveal(w http.ResponseWriter, r *http.Request, c *httpapi.Call) error {
	if err := noBody(r); err != nil {
		return err
	}
	secret, err := d.manager.Reveal(r.Context(), c.Actor, r.PathValue("id"))
	if err != nil {
		return err
	}
	return d.answer(w, r, resource{http.StatusOK, 0, true, latchkey.RevealedSecret{Secret: secret.Reveal()}})
}

func (d *Dialect) changeCredits(w http.ResponseWriter, r *http.Request, c *httpapi.Call) error {
	var in latchkey.ChangeCreditsRequest
	if err := body(r, &in); err != nil {
		return err
	}
	credits, err := d.manager.ChangeCredits(r.Context(), c.Actor, r.PathValue("id"), keys.CreditOperation(in.Operation), in.Amount)
	if err != nil {
		return err
	}
	return d.answer(w, r, resource{http.StatusOK, 0, false, latchkey.CreditBalance{Remaining: credits.Remaining}})
}

func (d *Dialect) changePermissions(w http.ResponseWriter, r *http.Request, c *httpapi.Call) error {
	var in latchkey.ChangeNamesRequest
	if err := body(r, &in); err != nil {
		return err
	}
	k, err := d.manager.ChangePermissions(r.Context(), c.Actor, r.PathValue("id"), keys.Delta{Add: in.Add, Remove: in.Remove})
	if err != nil {
		return err
	}
	return d.answer(w, r, resource{http.StatusOK, k.Version, false, latchkey.KeyPermissions{Permissions: k.Permissions}})
}

func (d *Dialect) changeRoles(w http.ResponseWriter, r *http.Request, c *httpapi.Call) error {
	var in latchkey.ChangeNamesRequest
	if err := body(r, &in); err != nil {
		return err
	}
	k, err := d.manager.ChangeRoles(r.Context(), c.Actor, r.PathValue("id"), keys.Delta{Add: in.Add, Remove: in.Remove})
	if err != nil {
		return err
	}
	return d.answer(w, r, resource{http.StatusOK, k.Version, false, latchkey.KeyRoles{Roles: k.Roles}})
}
