package keys

import (
	"context"
	"time"

	"latchkey/internal/token"
)

// A NewKey says what key to make.
type NewKey struct {
	KeySettings
	Keyspace string     // id or slug; "": the workspace's default one
	Standing *Keyspace  // stands ready in every workspace, and is made with the first that goes to it
	Form     token.Form // zero: the keyspace's
	Aliases  []Alias

	// Shape changes the form; nil leaves it.
	Shape func(token.Form) token.Form

	// Recoverable asks that the secret can be read again, which is for the
	// keyspace to say.
	Recoverable bool
}

// CreateKey makes an ordinary key, and returns it with its secret, which can
// not be had again unless the keyspace says recoverable.
func (m *Manager) CreateKey(ctx context.Context, by Actor, nk NewKey) (Key, token.Secret, error) {
	now := m.Clock()
	k, ks, err := m.draft(ctx, by, nk, now)
	if err != nil {
		return Key{}, token.Secret{}, err
	}
	secret, s, err := m.mint(&ks, k.Form, now)
	if err != nil {
		return Key{}, token.Secret{}, err
	}
	k.Secrets = []Secret{s}
	k.MakeKeyspace = ks.begin(now)
	k.KeyspaceID = ks.ID
	err = m.Store.InsertKey(ctx, &k, event(by, "key.create", Ref{"key", k.ID}, now))
	if m.raced(ctx, k.MakeKeyspace, err) {
		return m.CreateKey(ctx, by, nk)
	}
	if err != nil {
		return Key{}, token.Secret{}, err
	}
	return k, secret, nil
}

// draft returns a new key without its secret, and the keyspace that it goes to,
// if the actor may make it.
func (m *Manager) draft(ctx context.Context, by Actor, nk NewKey, now time.Time) (Key, Keyspace, error) {
	// 1. Where it goes, and whether the actor may put it there.
	if err := by.Need(ResKeys, "", "create"); err != nil {
		return Key{}, Keyspace{}, err
	}
	ks, err := m.keyspaceFor(ctx, by, &nk)
	if err == nil {
		err = m.mayMakeNames(ctx, by, &nk.KeySettings)
	}
	if err != nil {
		return Key{}, Keyspace{}, err
	}

	// 2. What it is.
	k := Key{
		ID: token.NewID("key"), WorkspaceID: by.WorkspaceID, KeyspaceID: ks.ID,
		Form: nk.Form, Aliases: nk.Aliases,
		CreatedBy: Creator{Kind: by.Kind, ID: by.ID, Name: by.Name}, CreatedAt: now, UpdatedAt: now,
	}
	k.AccountID = k.ID
	if k.Form == (token.Form{}) {
		k.Form = ks.Policy.Secret
	}
	if nk.Shape != nil {
		k.Form = nk.Shape(k.Form)
	}
	if err := m.settle(ctx, &ks, &k, nk.KeySettings, now); err != nil {
		return Key{}, Keyspace{}, err
	}
	if nk.Recoverable && !ks.Policy.Recoverable {
		return Key{}, Keyspace{}, Errorf(Precondition, "the keyspace does not keep secrets so that they can be read again")
	}
	return k, ks, m.mayGive(ctx, &by, &ks, new(Key), nk.Permissions.Value, nk.Roles.Value)
}

// keyspaceFor finds the keyspace that a new key goes to. One that is not there
// is a fault of the request, whose other faults are found with a policy that
// asks for nothing.
func (m *Manager) keyspaceFor(ctx context.Context, by Actor, nk *NewKey) (Keyspace, error) {
	ref := nk.Keyspace
	if nk.Standing != nil {
		ref = nk.Standing.Slug
	} else if ref == "" {
		ref = DefaultKeyspace
	}
	ks, err := m.Store.Keyspace(ctx, by.WorkspaceID, ref)
	if Is(err, NotFound) && nk.Standing != nil {
		return m.standing(by, *nk.Standing)
	}
	if Is(err, NotFound) {
		nk.Faults.Merge(Faults{{Field: "keyspace", Detail: "there is no such keyspace"}})
		p := DefaultPolicy()
		p.Name.Min, p.Meta.MaxBytes = 0, maxMeta
		return Keyspace{Policy: p}, nil
	}
	if err == nil {
		err = by.Need(ResKeys, ks.ID, "create")
	}
	return ks, err
}

// standing returns a keyspace that stands ready in every workspace, as it is to
// be made. It has no id yet.
func (m *Manager) standing(by Actor, ks Keyspace) (Keyspace, error) {
	if err := by.Need(ResKeys, "*", "create"); err != nil {
		return Keyspace{}, err
	}
	ks.WorkspaceID = by.WorkspaceID
	return ks, ks.Validate()
}

// begin returns the keyspace, with an id, if it is to be made with the first that
// goes to it; nil: it is there.
func (ks *Keyspace) begin(now time.Time) *Keyspace {
	if ks.ID != "" {
		return nil
	}
	ks.ID, ks.CreatedAt, ks.UpdatedAt = token.NewID("ks"), now, now
	return ks
}

// raced reports whether what should have made a keyspace was not inserted since
// somebody else has made it at the same time.
func (m *Manager) raced(ctx context.Context, made *Keyspace, err error) bool {
	if made == nil || !Is(err, Conflict) {
		return false
	}
	_, err = m.Store.Keyspace(ctx, made.WorkspaceID, made.Slug)
	return err == nil
}

// settle gives a new key its settings, those of the keyspace where its creator
// says nothing.
func (m *Manager) settle(ctx context.Context, ks *Keyspace, k *Key, s KeySettings, now time.Time) error {
	chosen := s.ExpiresAt.Set
	ks.Policy.defaults(&s, now)
	var faults Faults
	if err := k.Form.Validate(); err != nil {
		faults.Add("secret", "%v", err)
	}
	ks.Policy.check(&s, chosen, true, now, &faults)
	s.apply(k, now, &faults)
	if err := m.checkOwner(ctx, ks, k, &faults); err != nil {
		return err
	}
	return m.allFaults(ctx, k, s.Faults, faults)
}

// checkOwner reports an owner that is not there, or not of the kind that the
// keyspace asks for.
func (m *Manager) checkOwner(ctx context.Context, ks *Keyspace, k *Key, faults *Faults) error {
	kind := Customer
	if !k.Owner.IsZero() {
		ref, field := k.Owner.ID, "identity"
		if ref == "" {
			ref, field = k.Owner.ExternalID, "external_id"
		}
		i, err := m.Store.Identity(ctx, k.WorkspaceID, ref)
		switch {
		case err == nil:
			is := Owner{ID: i.ID, ExternalID: i.ExternalID}
			if !k.Owner.names(is) {
				faults.Add(field+"/external_id", "is not that of the identity with this id")
			}
			k.Owner, kind = is, i.Kind
		case !Is(err, NotFound):
			return err
		case field == "identity":
			faults.Add(field, "there is no such identity")
		}
	}
	if want := ks.Policy.Owner; want != "" && (k.Owner.IsZero() || kind != want) {
		faults.Add("identity", "the keyspace wants an owner of kind %s", want)
	}
	return nil
}

// mint makes a secret and what is kept of it.
func (m *Manager) mint(ks *Keyspace, form token.Form, now time.Time) (token.Secret, Secret, error) {
	secret := form.Mint()
	s := Secret{ID: token.NewID("sec"), Hash: secret.Sum(), CreatedAt: now}
	if p := ks.Policy.Hint; p.Store {
		s.Start, s.End = form.Hint(secret, p.Length)
	}
	if ks.Policy.Recoverable {
		if err := m.Vault.seal(&s, secret); err != nil {
			return token.Secret{}, s, err
		}
	}
	return secret, s, nil
}
