package openrouter

import (
	"context"
	"net/http"

	"latchkey/internal/httpapi"
	"latchkey/internal/keys"
	"latchkey/internal/token"
)

// A success is the envelope of what is told of one thing or several.
type success struct {
	Data any `json:"data"`
}

func succeed(w http.ResponseWriter, data any) error {
	return answer(w, http.StatusOK, success{data})
}

func answer(w http.ResponseWriter, status int, v any) error {
	w.Header().Set("Cache-Control", "no-store")
	return httpapi.WriteJSON(w, status, "application/json", v)
}

// listKeys lists the keys of one workspace, a hundred at a time, the newest
// first.
func (d *Dialect) listKeys(w http.ResponseWriter, r *http.Request, c *httpapi.Call) error {
	if err := c.Actor.Need(keys.ResKeys, "", "read"); err != nil {
		return err
	}
	q, err := parseList(r.URL.RawQuery)
	if err != nil {
		return err
	}
	by, ws, err := d.manager.ActIn(r.Context(), c.Actor, q.workspace)
	if q.workspace != "" && keys.Is(err, keys.NotFound) {
		return succeed(w, []key{})
	}
	if err != nil {
		return err
	}
	list, _, err := d.manager.Keys(r.Context(), by, keys.KeyQuery{KeyFilter: q.filter})
	if err != nil {
		return err
	}
	now := d.clock()
	out := make([]key, len(list))
	for i := range list {
		out[i] = keyOf(&list[i], &ws, now)
	}
	return succeed(w, out)
}

// A createdKey has the key itself beside what is told of it, and, as some of the
// vendor's samples read it there, within.
type createdKey struct {
	Data key    `json:"data"`
	Key  string `json:"key"`
}

func (d *Dialect) createKey(w http.ResponseWriter, r *http.Request, c *httpapi.Call) error {
	if err := c.Actor.Need(keys.ResKeys, "", "create"); err != nil {
		return err
	}
	var in createBody
	if err := decode(r, &in); err != nil {
		return err
	}
	nk := in.newKey()
	by, ws, err := d.home(r.Context(), c.Actor, &in.WorkspaceID, &nk.Faults)
	if err != nil {
		return err
	}
	k, secret, err := d.manager.CreateKey(r.Context(), by, nk)
	if err != nil {
		return err
	}
	out := createdKey{Data: keyOf(&k, &ws, d.clock()), Key: secret.Reveal()}
	out.Data.Key = out.Key
	return answer(w, http.StatusCreated, out)
}

// home returns the caller as it acts in the workspace that a body names, which
// is its own where none is named. One that is not there is a fault.
func (d *Dialect) home(ctx context.Context, by keys.Actor, ref *httpapi.Maybe[string], faults *keys.Faults) (keys.Actor, keys.Workspace, error) {
	notNull(ref, "workspace_id", faults)
	id := ref.Pointer()
	if id != nil && !isUUID(*id) {
		faults.Add("workspace_id", "must be a UUID")
		id = nil
	}
	if id == nil {
		return d.manager.ActIn(ctx, by, "")
	}
	there, ws, err := d.manager.ActIn(ctx, by, uuid(*id))
	if keys.Is(err, keys.NotFound) {
		faults.Add("workspace_id", "there is no such workspace")
		err = faults.Err()
	}
	return there, ws, err
}

// find returns the key that a path names, if its caller may do the action.
func (d *Dialect) find(ctx context.Context, r *http.Request, by keys.Actor, action string) (keys.Found, error) {
	if err := by.Need(keys.ResKeys, "", action); err != nil {
		return keys.Found{}, err
	}
	hash, ok := token.ParseHash(r.PathValue("hash"))
	if !ok || hash.Hex() != r.PathValue("hash") { // upper case is none
		return keys.Found{}, errNoKey
	}
	f, err := d.manager.KeyByHash(ctx, by, hash, action)
	return f, named(err)
}

var errNoKey = keys.Errorf(noResource, "no such key")

// named tells a key that is not there from a path that is not.
func named(err error) error {
	if keys.Is(err, keys.NotFound) {
		return errNoKey
	}
	return err
}

func (d *Dialect) getKey(w http.ResponseWriter, r *http.Request, c *httpapi.Call) error {
	f, err := d.find(r.Context(), r, c.Actor, "read")
	if err != nil {
		return err
	}
	return succeed(w, keyOf(&f.Key, &f.Workspace, d.clock()))
}

func (d *Dialect) updateKey(w http.ResponseWriter, r *http.Request, c *httpapi.Call) error {
	f, err := d.find(r.Context(), r, c.Actor, "update")
	if err != nil {
		return err
	}
	var in updateBody
	if err := decode(r, &in); err != nil {
		return err
	}
	k, err := d.manager.UpdateKey(r.Context(), f.Actor, f.Key.ID, in.settings(), keys.Match{})
	if err != nil {
		return named(err)
	}
	return succeed(w, keyOf(&k, &f.Workspace, d.clock()))
}

type deletion struct {
	Deleted bool `json:"deleted"`
}

func (d *Dialect) deleteKey(w http.ResponseWriter, r *http.Request, c *httpapi.Call) error {
	f, err := d.find(r.Context(), r, c.Actor, "delete")
	if err != nil {
		return err
	}
	if err := d.manager.DeleteKey(r.Context(), f.Actor, f.Key.ID, keys.Match{}); err != nil {
		return named(err)
	}
	return answer(w, http.StatusOK, deletion{true})
}

// A balance is the account's: what was paid in, and what was spent of it, which
// is not what the customer's own provider keys were charged.
type balance struct {
	TotalCredits usd `json:"total_credits"`
	TotalUsage   usd `json:"total_usage"`
}

func (d *Dialect) credits(w http.ResponseWriter, r *http.Request, c *httpapi.Call) error {
	f, err := d.manager.Funds(r.Context(), c.Actor)
	if err != nil {
		return err
	}
	return succeed(w, balance{usd(f.Prepaid), usd(f.Own)})
}
