package unkey

import (
	"context"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"latchkey/internal/keys"
	"latchkey/internal/token"
)

type createdKey struct {
	KeyID string `json:"keyId"`
	Key   string `json:"key"`
}

func (d *Dialect) createKey(ctx context.Context, by keys.Actor, in *createKeyBody) (createdKey, error) {
	// 1. Where it goes, and whether the caller may put it there.
	if err := by.Need(keys.ResKeys, "", "create"); err != nil {
		return createdKey{}, err
	}
	ks, err := d.manager.Store.Keyspace(ctx, by.WorkspaceID, in.APIID)
	if keys.Is(err, keys.NotFound) {
		err = errNoAPI
	}
	if err == nil {
		err = by.Need(keys.ResKeys, ks.ID, "create")
	}
	if err != nil {
		return createdKey{}, err
	}

	// 2. What it is.
	nk, err := in.newKey(&ks)
	if err != nil {
		return createdKey{}, err
	}
	if in.Recoverable != nil && *in.Recoverable && !ks.Policy.Recoverable {
		return createdKey{}, keys.Errorf(keys.Precondition, "the api does not keep keys so that they can be read again")
	}

	// 3. What it may do, which is made where the caller may make it.
	if err := d.mayName(ctx, &by, in.Permissions); err != nil {
		return createdKey{}, err
	}
	if err := d.makeRoles(ctx, &by, in.Roles); err != nil {
		return createdKey{}, err
	}
	k, secret, err := d.manager.CreateKey(ctx, by, nk)
	if err != nil {
		return createdKey{}, err
	}
	return createdKey{k.ID, secret.Reveal()}, nil
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
	out, err := d.view(by.WorkspaceID).key(ctx, &k)
	if err == nil && p.flag("decrypt") {
		err = d.decrypt(ctx, by, &out)
	}
	return out, err
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
	k, err := d.mayUpdate(ctx, &by, in.KeyID)
	if err != nil {
		return nothing{}, err
	}
	s, err := in.settings(&k)
	if err != nil {
		return nothing{}, err
	}
	if in.Permissions != nil {
		names, err := d.permissionNames(ctx, &by, in.Permissions)
		if err != nil {
			return nothing{}, err
		}
		s.Permissions = keys.Some(names)
	}
	if in.Roles != nil {
		names, err := d.roleNames(ctx, &by, in.Roles)
		if err != nil {
			return nothing{}, err
		}
		s.Roles = keys.Some(names)
	}
	_, err = d.manager.UpdateKey(ctx, by, in.KeyID, s, keys.Match{})
	return nothing{}, err
}

// mayUpdate returns a key that the caller may change. It is asked for before
// anything that goes with the change is made.
func (d *Dialect) mayUpdate(ctx context.Context, by *keys.Actor, id string) (keys.Key, error) {
	if err := by.Need(keys.ResKeys, "", "update"); err != nil {
		return keys.Key{}, err
	}
	k, err := d.manager.Store.Key(ctx, by.WorkspaceID, id)
	if err == nil && k.Root {
		err = keys.Errorf(keys.NotFound, "no such key")
	}
	if err == nil {
		err = by.Need(keys.ResKeys, k.KeyspaceID, "update")
	}
	return k, err
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
	KeyID string          `json:"keyId" required:"true"`
	Op    string          `json:"op" required:"true"`
	Value optional[int64] `json:"value" required:"true"`
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
	case in.Value.null && op != keys.CreditSet:
		faults.Add("value", "must not be null with %s", in.Op)
	case in.Value.value < 0 || in.Value.value > keys.MaxCredits:
		faults.Add("value", "must be an integer from 0 to %d", int64(keys.MaxCredits))
	}
	if err := faults.Err(); err != nil {
		return balance{}, err
	}
	if in.Value.null {
		_, err := d.manager.UpdateKey(ctx, by, in.KeyID, keys.KeySettings{Credits: keys.Some[*keys.CreditSettings](nil)}, keys.Match{})
		return balance{}, err
	}
	c, err := d.changeCredits(ctx, by, in.KeyID, op, in.Value.value)
	if err != nil {
		return balance{}, err
	}
	return balance{&c.Remaining}, nil
}

// changeCredits changes a balance, of which a decrement leaves 0 at least.
func (d *Dialect) changeCredits(ctx context.Context, by keys.Actor, id string, op keys.CreditOperation, amount int64) (*keys.Credits, error) {
	for {
		c, err := d.manager.ChangeCredits(ctx, by, id, op, amount)
		if !keys.Is(err, keys.Conflict) {
			return c, err
		}
		// The caller may change the key, which was asked for first.
		k, e := d.manager.Store.Key(ctx, by.WorkspaceID, id)
		switch {
		case e != nil:
			return nil, e
		case k.Credits == nil:
			return nil, keys.Errorf(keys.Invalid, "the key has unlimited remaining requests; set gives it a number")
		case op != keys.CreditDecrement:
			return nil, err
		}
		amount = min(amount, k.Credits.At(d.clock()).Remaining)
	}
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
	if err := by.Need(keys.ResKeys, "", "read"); err != nil {
		return shownKey{}, err
	}
	if in.Key == "" {
		return shownKey{}, keys.Faults{{Field: "key", Detail: "must not be empty"}}.Err()
	}
	rec, err := d.verifier.Records.Find(ctx, token.New(in.Key), d.clock())
	var k keys.Key
	if err == nil {
		k, err = d.manager.Key(ctx, by, rec.Key.ID)
	}
	if keys.Is(err, keys.NotFound) || keys.Is(err, keys.Forbidden) {
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
