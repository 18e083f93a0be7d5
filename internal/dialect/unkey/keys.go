package unkey

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"latchkey/internal/httpapi"
	"latchkey/internal/keys"
	"latchkey/internal/token"
)

type createdKey struct {
	KeyID string `json:"keyId"`
	Key   string `json:"key"`
}

// createKey makes a key, with the permissions and roles that it names and are not
// there yet.
func (d *Dialect) createKey(ctx context.Context, by keys.Actor, in *createKeyBody) (createdKey, error) {
	nk, err := in.newKey()
	if err != nil {
		return createdKey{}, err
	}
	k, secret, err := d.manager.CreateKey(ctx, by, nk)
	noAPI := func(f keys.Fault) bool { return f.Field == "keyspace" }
	switch {
	case err == nil:
		return createdKey{k.ID, secret.Reveal()}, nil
	case slices.ContainsFunc(keys.AsError(err).Faults, noAPI):
		err = errNoAPI
	case keys.Is(err, keys.Precondition):
		err = keys.Errorf(keys.Precondition, "the api does not keep keys so that they can be read again")
	}
	return createdKey{}, err
}

func (d *Dialect) getKey(ctx context.Context, by keys.Actor, p *params) (key, error) {
	id := p.required("keyId")
	if err := p.faults.Err(); err != nil {
		return key{}, err
	}
	k, err := d.manager.Key(ctx, by, id)
	if err != nil {
		return key{}, err
	}
	shown, err := d.shown(ctx, by, []keys.Key{k})
	if err == nil && p.flag("decrypt") {
		err = d.decrypt(ctx, by, &shown[0])
	}
	if err != nil {
		return key{}, err
	}
	return shown[0], nil
}

// decrypt adds the key itself, where its API keeps it so that it can be read
// again.
func (d *Dialect) decrypt(ctx context.Context, by keys.Actor, k *key) error {
	secret, err := d.manager.Reveal(ctx, by, k.ID)
	switch {
	case keys.Is(err, keys.Conflict):
		return nil
	case keys.Is(err, keys.Forbidden):
		return keys.Errorf(notDecrypted, "%s", keys.AsError(err).Message)
	case err != nil:
		return err
	}
	k.Plaintext = secret.Reveal()
	return nil
}

func (d *Dialect) updateKey(ctx context.Context, by keys.Actor, in *updateKeyBody) (nothing, error) {
	k, err := d.manager.KeyFor(ctx, by, in.KeyID, "update")
	if err != nil {
		return nothing{}, err
	}
	s, err := in.settings(&k)
	if err != nil {
		return nothing{}, err
	}
	if in.Permissions != nil {
		s.Permissions.Set, s.Make = true, true
		if s.Permissions.Value, err = d.permissionNames(ctx, by, in.Permissions); err != nil {
			return nothing{}, err
		}
	}
	if in.Roles != nil {
		s.Roles.Set, s.Make = true, true
		if s.Roles.Value, err = d.roleNames(ctx, by, in.Roles); err != nil {
			return nothing{}, err
		}
	}
	_, err = d.manager.UpdateKey(ctx, by, in.KeyID, s, keys.Match{})
	return nothing{}, err
}

// A deleteKeyBody names a key. Whether it goes for good makes no difference: no
// secret is ever made twice, and a key that is gone stays on the audit log.
type deleteKeyBody struct {
	KeyID     string `json:"keyId" required:"true"`
	Permanent *bool  `json:"permanent"`
}

func (d *Dialect) deleteKey(ctx context.Context, by keys.Actor, in *deleteKeyBody) (nothing, error) {
	return nothing{}, d.manager.DeleteKey(ctx, by, in.KeyID, keys.Match{})
}

type updateRemainingBody struct {
	KeyID string               `json:"keyId" required:"true"`
	Op    string               `json:"op" required:"true"`
	Value httpapi.Maybe[int64] `json:"value" required:"true"`
}

type balance struct {
	Remaining *int64 `json:"remaining"` // null: unlimited
}

func (d *Dialect) updateRemaining(ctx context.Context, by keys.Actor, in *updateRemainingBody) (balance, error) {
	op := keys.CreditOperation(in.Op)
	var faults keys.Faults
	switch {
	case op != keys.CreditSet && op != keys.CreditIncrement && op != keys.CreditDecrement:
		faults.Add("op", `must be "increment", "decrement" or "set"`)
	case in.Value.Null && op != keys.CreditSet:
		faults.Add("value", "must not be null with %s", in.Op)
	case in.Value.Value < 0 || in.Value.Value > keys.MaxCredits:
		faults.Add("value", "must be an integer from 0 to %d", int64(keys.MaxCredits))
	}
	if err := faults.Err(); err != nil {
		return balance{}, err
	}
	var c *keys.Credits
	var err error
	switch {
	case in.Value.Null:
		_, err := d.manager.UpdateKey(ctx, by, in.KeyID, keys.KeySettings{Credits: keys.Some[*keys.CreditSettings](nil)}, keys.Match{})
		return balance{}, err
	case op == keys.CreditDecrement:
		c, err = d.manager.DrainCredits(ctx, by, in.KeyID, in.Value.Value)
	default:
		c, err = d.manager.ChangeCredits(ctx, by, in.KeyID, op, in.Value.Value)
	}
	switch {
	case err == nil:
		return balance{&c.Remaining}, nil
	case errors.Is(err, keys.ErrNoCredits):
		err = keys.Errorf(keys.Invalid, "the key has unlimited remaining requests; set gives it a number")
	}
	return balance{}, err
}

type whoamiBody struct {
	Key string `json:"key" required:"true" secret:"true"`
}

type shownKey struct {
	ID          string         `json:"id"`
	Name        string         `json:"name,omitzero"`
	Remaining   *int64         `json:"remaining,omitzero"`
	Identity    *identityOf    `json:"identity,omitzero"`
	Meta        jsontext.Value `json:"meta,omitzero"`
	CreatedAt   int64          `json:"createdAt"`
	Enabled     bool           `json:"enabled"`
	Environment string         `json:"environment,omitzero"`
}

// whoami tells which key a secret is of. One that the caller may not read is not
// there.
func (d *Dialect) whoami(ctx context.Context, by keys.Actor, in *whoamiBody) (shownKey, error) {
	if in.Key == "" {
		return shownKey{}, keys.Faults{{Field: "key", Detail: "must not be empty"}}.Err()
	}
	k, err := d.manager.KeyBySecret(ctx, by, token.New(in.Key))
	if keys.Is(err, keys.NotFound) {
		err = keys.Errorf(keys.NotFound, "Key not found")
	}
	if err != nil {
		return shownKey{}, err
	}
	out := shownKey{
		ID: k.ID, Name: k.Name, Remaining: remaining(&k), Meta: rawMeta(k.Meta), CreatedAt: millis(k.CreatedAt),
		Enabled: k.Enabled, Environment: k.Environment,
	}
	if o := k.Owner; !o.IsZero() {
		out.Identity = &identityOf{ID: o.ID, ExternalID: externalID(o.ID, o.ExternalID)}
	}
	return out, nil
}

func millis(t time.Time) int64 { return t.UnixMilli() }
