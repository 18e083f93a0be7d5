package native

import (
	"net/http"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"latchkey"
	"latchkey/internal/httpapi"
	"latchkey/internal/keys"
	"latchkey/internal/span"
)

// A createKeyBody is a [latchkey.CreateKeyRequest] as it may be sent.
type createKeyBody struct {
	Keyspace latchkey.Optional[string] `json:"keyspace"`
	Identity jsontext.Value            `json:"identity"`
	latchkey.CreateKeyRequest
	readOnly
}

// An updateKeyBody is [latchkey.KeySettings] as they may be sent.
type updateKeyBody struct {
	Keyspace jsontext.Value `json:"keyspace"`
	Identity jsontext.Value `json:"identity"`
	latchkey.KeySettings
	readOnly
}

func (d *Dialect) createKey(w http.ResponseWriter, r *http.Request, c *httpapi.Call) error {
	var in createKeyBody
	known, err := body(r, &in)
	if err != nil {
		return err
	}
	var faults keys.Faults
	nk := keys.NewKey{Keyspace: in.Keyspace.Value, KeySettings: settings(&in.KeySettings, in.Identity, &faults)}
	nk.Meta.Value = keptMeta(nk.Meta.Value)
	if in.Keyspace.Given() && nk.Keyspace == "" {
		faults.Add("keyspace", "must be an id or a slug")
	}
	in.checkNew(&faults)
	compareCredits(&in.Credits.Value, nil, &faults)
	compareBudget(&in.Budget.Value, nil, &faults)
	known.Merge(faults)
	nk.Faults = known
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

func (d *Dialect) updateKey(w http.ResponseWriter, r *http.Request, c *httpapi.Call) error {
	var in updateKeyBody
	known, err := body(r, &in, "application/merge-patch+json")
	if err != nil {
		return err
	}
	var faults keys.Faults
	s := settings(&in.KeySettings, in.Identity, &faults)
	s.MergeMeta = mergeMeta
	if in.given() {
		s.Present = func(k *keys.Key, faults *keys.Faults) error { return in.compare(r.Context(), d, k, faults) }
	}
	known.Merge(faults)
	s.Faults = known
	k, err := d.manager.UpdateKey(r.Context(), c.Actor, r.PathValue("id"), s, match(r))
	if err != nil {
		return err
	}
	return d.answerKey(w, r, &k)
}

func (d *Dialect) deleteKey(w http.ResponseWriter, r *http.Request, c *httpapi.Call) error {
	if err := d.manager.DeleteKey(r.Context(), c.Actor, r.PathValue("id"), match(r)); err != nil {
		return err
	}
	return d.noContent(w, r)
}

// A rotateBody is a [latchkey.RotateRequest] as it may be sent.
type rotateBody struct {
	Overlap *string `json:"overlap"`
}

// overlapOf reads the body of a rotation.
func overlapOf(r *http.Request) (time.Duration, error) {
	var in rotateBody
	faults, err := optionalBody(r, &in)
	if err != nil {
		return 0, err
	}
	var overlap time.Duration
	if in.Overlap != nil {
		s, err := span.Parse(*in.Overlap)
		if err != nil {
			faults.Merge(keys.Faults{{Field: "overlap", Detail: err.Error()}})
		}
		overlap = s.Duration()
	}
	faults.Merge(keys.CheckOverlap(overlap))
	return overlap, faults.Err()
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
	faults, err := body(r, &in)
	if err != nil {
		return err
	}
	operation := keys.CreditOperation(in.Operation)
	faults.Merge(operation.Check(in.Amount))
	if err := faults.Err(); err != nil {
		return err
	}
	credits, err := d.manager.ChangeCredits(r.Context(), c.Actor, r.PathValue("id"), operation, in.Amount)
	if err != nil {
		return err
	}
	return d.answer(w, r, resource{http.StatusOK, 0, false, latchkey.CreditBalance{Remaining: credits.Remaining}})
}

func (d *Dialect) changePermissions(w http.ResponseWriter, r *http.Request, c *httpapi.Call) error {
	delta, err := readDelta(r, keys.Delta.CheckPermissions)
	if err != nil {
		return err
	}
	k, err := d.manager.ChangePermissions(r.Context(), c.Actor, r.PathValue("id"), delta)
	if err != nil {
		return err
	}
	return d.answer(w, r, resource{http.StatusOK, k.Version, false, latchkey.KeyPermissions{Permissions: k.Permissions}})
}

func (d *Dialect) changeRoles(w http.ResponseWriter, r *http.Request, c *httpapi.Call) error {
	delta, err := readDelta(r, keys.Delta.CheckRoles)
	if err != nil {
		return err
	}
	k, err := d.manager.ChangeRoles(r.Context(), c.Actor, r.PathValue("id"), delta)
	if err != nil {
		return err
	}
	return d.answer(w, r, resource{http.StatusOK, k.Version, false, latchkey.KeyRoles{Roles: k.Roles}})
}

// readDelta reads which names to add and which to remove.
func readDelta(r *http.Request, check func(keys.Delta) keys.Faults) (keys.Delta, error) {
	var in latchkey.ChangeNamesRequest
	faults, err := body(r, &in)
	if err != nil {
		return keys.Delta{}, err
	}
	delta := keys.Delta{Add: in.Add, Remove: in.Remove}
	faults.Merge(check(delta))
	return delta, faults.Err()
}
