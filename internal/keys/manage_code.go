package keys

import (
	"context"
	"slices"
	"time"

	"latchkey/internal/token"
)

var codeForm = token.Form{Prefix: "lk_code", Format: token.Latchkey, Length: 30}

// IssueCode issues a code for a key that the actor may make. All that would be
// wrong with the key is found now.
func (m *Manager) IssueCode(ctx context.Context, by Actor, nc NewCode) (OneTimeCode, token.Secret, error) {
	now := m.Clock().Truncate(time.Millisecond) // as it is kept, since the key is settled by it again
	nc.ExpiresAt = nc.ExpiresAt.Truncate(time.Millisecond)

	// 1. The key, as it would be made now.
	nk := nc.Template.newKey()
	nk.Keyspace, nk.Standing = nc.Keyspace, nc.Standing
	c := OneTimeCode{
		ID: token.NewID("code"), WorkspaceID: by.WorkspaceID, Template: nc.Template, Callback: nc.Callback,
		CreatedAt: now, ExpiresAt: now.Add(CodeLife),
	}
	c.challenge(&nc)
	checkCallback(nc.Callback, &nc.Faults)
	nk.Faults = nc.Faults
	k, ks, err := m.draft(ctx, by, nk, now)
	if err != nil {
		return OneTimeCode{}, token.Secret{}, err
	}
	if !k.ExpiresAt.IsZero() && k.ExpiresAt.Before(c.ExpiresAt) {
		c.ExpiresAt = k.ExpiresAt
	}

	// 2. Who issues it, which is asked again when it is redeemed.
	c.Issuer.Creator = k.CreatedBy
	if rec := by.Record; rec != nil {
		c.Issuer.WorkspaceID, c.Issuer.SecretID = rec.Workspace.ID, rec.SecretID()
	} else if by.Kind != Operator {
		return OneTimeCode{}, token.Secret{}, Errorf(Forbidden, "only root keys issue codes")
	}

	// 3. The code itself.
	c.MakeKeyspace = ks.begin(now)
	c.KeyspaceID = ks.ID
	secret := codeForm.Mint()
	c.Hash = secret.Sum()
	err = m.Store.InsertCode(ctx, &c, MaxCodes, event(by, "code.create", Ref{"code", c.ID}, now))
	if m.raced(ctx, c.MakeKeyspace, err) {
		return m.IssueCode(ctx, by, nc)
	}
	if Is(err, Conflict) {
		err = &Error{Code: Throttled, Message: "too many codes of this workspace wait to be redeemed", Err: err, RetryAfter: time.Minute}
	}
	if err != nil {
		return OneTimeCode{}, token.Secret{}, err
	}
	return c, secret, nil
}

// RedeemCode makes the key that a code stands for. It asks for no actor: the
// proof is all. The key is made as its issuer would have made it when the code
// was issued, if they still may.
func (m *Manager) RedeemCode(ctx context.Context, p Proof) (Key, token.Secret, error) {
	now := m.Clock()
	if p.Method != NoChallenge && p.Method != PlainMethod && p.Method != S256Method {
		return Key{}, token.Secret{}, ErrCodeMethod
	}

	// 1. The code, of which nothing changes but that it goes.
	c, err := m.Store.Code(ctx, p.Code.Sum())
	if Is(err, NotFound) {
		err = ErrCode
	}
	if err != nil {
		return Key{}, token.Secret{}, err
	}
	if err := c.refuse(&p, now); err != nil {
		if err == ErrCode && now.Before(c.ExpiresAt) {
			if missed := m.Store.MissCode(ctx, c.WorkspaceID, c.ID, MaxMisses); missed != nil {
				return Key{}, token.Secret{}, missed
			}
		}
		return Key{}, token.Secret{}, err
	}

	// 2. The key.
	var k Key
	var secret token.Secret
	redeem := func(c *OneTimeCode) (*Key, error) {
		var err error
		k, secret, err = m.redeemed(ctx, c, now)
		return &k, err
	}
	by := Actor{Kind: Public, WorkspaceID: c.WorkspaceID, Origin: p.Origin}
	err = m.Store.RedeemCode(ctx, c.WorkspaceID, c.ID, redeem, event(by, "code.redeem", Ref{"code", c.ID}, now))
	if err == nil {
		return k, secret, nil
	}
	switch AsError(err).Code {
	case Invalid, Forbidden, NotFound, Conflict, Precondition:
		err = ErrCode // somebody else had it, or the key is no longer to be had
	}
	return Key{}, token.Secret{}, err
}

// redeemed returns the key of a code, with its secret.
func (m *Manager) redeemed(ctx context.Context, c *OneTimeCode, now time.Time) (Key, token.Secret, error) {
	by, err := m.issuer(ctx, c, now)
	if err != nil {
		return Key{}, token.Secret{}, err
	}
	nk := c.Template.newKey()
	nk.Keyspace = c.KeyspaceID
	k, ks, err := m.draft(ctx, by, nk, c.CreatedAt)
	if err != nil {
		return Key{}, token.Secret{}, err
	}
	k.CreatedBy, k.CreatedAt, k.UpdatedAt = c.Issuer.Creator, now, now
	secret, s, err := m.mint(&ks, k.Form, now)
	k.Secrets = []Secret{s}
	return k, secret, err
}

// issuer returns who issued a code as the actor that they are now, where the
// code is good. It is refused where their key or the secret is gone, disabled or
// expired, or the workspace of the code is not live; what they may do is for the
// caller to ask.
func (m *Manager) issuer(ctx context.Context, c *OneTimeCode, now time.Time) (Actor, error) {
	ws, err := m.Store.Workspace(ctx, c.WorkspaceID)
	if err != nil {
		return Actor{}, err
	}
	for _, path := range Ancestors(ws.Path) {
		above, err := m.Store.Workspace(ctx, path)
		if err == nil && !above.Enabled {
			err = ErrCode
		}
		if err != nil {
			return Actor{}, err
		}
	}
	is := c.Issuer
	if is.Kind == Operator {
		return OperatorIn(ws), nil
	}
	home, err := m.Store.Workspace(ctx, is.WorkspaceID)
	if err != nil {
		return Actor{}, err
	}
	by := Actor{Kind: is.Kind, ID: is.ID, Name: is.Name, WorkspaceID: home.ID, Path: home.Path}
	if is.ID == DeclaredID && m.DeclaredRoot {
		by.Grants = ParseGrants([]string{"*"})
		return by.reach(&ws)
	}
	k, err := m.Store.Key(ctx, is.WorkspaceID, is.ID)
	if err != nil {
		return Actor{}, err
	}
	its := func(s Secret) bool { return s.ID == is.SecretID }
	if !k.Root || k.Status(now) != StatusActive || !slices.ContainsFunc(k.LiveSecrets(now), its) {
		return Actor{}, ErrCode
	}
	by.Grants = ParseGrants(k.Permissions)
	return by.reach(&ws)
}
