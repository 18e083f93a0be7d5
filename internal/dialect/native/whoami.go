package native

import (
	"net/http"

	"latchkey"
	"latchkey/internal/httpapi"
	"latchkey/internal/keys"
)

func (d *Dialect) whoami(w http.ResponseWriter, r *http.Request, c *httpapi.Call) error {
	rec := c.Actor.Record
	v, err := d.verifier.Figures(r.Context(), rec)
	if err != nil {
		return err
	}
	k, err := d.manager.OwnKey(r.Context(), c.Actor)
	if err != nil {
		return err
	}
	out := latchkey.Whoami{
		Kind: "key", ID: k.ID, Name: textOrNull(k.Name), Workspace: rec.Workspace.Path, Keyspace: textOrNull(rec.Keyspace.Slug),
		Identity: wireOwner(k.Owner), Permissions: rec.Permissions, Roles: k.Roles, ExpiresAt: wireTime(k.ExpiresAt), Hint: ownHint(&k, rec),
	}
	if k.Root {
		out.Kind = "root_key"
	}
	for _, l := range v.Limits {
		out.Limits = append(out.Limits, limitState(&l))
	}
	if v.Credits != nil {
		out.Credits = &latchkey.CreditState{Remaining: v.Credits.Remaining, RefillsAt: wireTime(v.Credits.RefillsAt())}
	}
	out.Budget = wireBudget(v.Money, v.At)
	return d.answer(w, r, resource{http.StatusOK, k.Version, false, out})
}

// ownHint is the hint of the secret that was presented.
func ownHint(k *keys.Key, rec *keys.Record) *string {
	for _, s := range k.Secrets {
		if s.ID == rec.SecretID() {
			return hint(&s)
		}
	}
	return nil
}

func (d *Dialect) endSelf(w http.ResponseWriter, r *http.Request, c *httpapi.Call) error {
	if err := d.manager.EndSelf(r.Context(), c.Actor, match(r)); err != nil {
		return err
	}
	return d.noContent(w, r)
}
