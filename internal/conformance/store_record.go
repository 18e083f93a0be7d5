package conformance

import (
	"fmt"
	"sync/atomic"
	"time"

	"latchkey/internal/keys"
	"latchkey/internal/token"
)

var recordCases = []storeCase{
	{name: "Record/Full", run: fullRecord},
	{name: "Record/Root", run: rootRecord},
	{name: "Record/Secrets", run: recordSecrets},
	{name: "Record/Permissions", run: recordPermissions},
	{name: "Record/LiveWorkspaces", run: recordLive},
	{name: "Record/OneMoment", run: recordOneMoment},
	{name: "Record/UsedPrefixes", run: usedPrefixes, alone: true},
}

// record reads the record of a secret that must be there.
func (h *home) record(s keys.Secret, at time.Time) *keys.Facts {
	h.Helper()
	rec, err := h.s.FactsByHash(h.Context(), s.Hash, at)
	if err != nil {
		h.Error(err) // not Fatal: cases read from goroutines
		return &keys.Facts{}
	}
	return rec
}

func fullRecord(h *home) {
	h.ks.Policy = fullPolicy()
	ks, err := h.s.UpdateKeyspace(h.Context(), h.ws.ID, h.ks.ID, func(ks *keys.Keyspace) error { ks.Policy = fullPolicy(); return nil }, h.event("keyspace.update"))
	h.ok(err)
	k := h.insert(h.fullKey())
	owner, err := h.s.UpdateIdentity(h.Context(), h.ws.ID, k.Owner.ID, func(i *keys.Identity) error {
		i.Meta, i.Limits, i.Extra = `{}`, k.Limits, keys.Extra{"dialect": "1"}
		return nil
	}, h.event("identity.update"))
	h.ok(err)

	rec := h.record(k.Secrets[0], now)
	h.equal("the key", rec.Key, h.key(k.ID))
	h.equal("the secret", rec.SecretID, k.Secrets[0].ID)
	h.equal("the keyspace", rec.Keyspace, ks)
	h.equal("the workspace", rec.Workspace, h.ws)
	h.equal("the owner", *rec.Owner, owner)
	h.equal("the permissions", rec.Permissions, []string{"doc.read", "doc.write"})
	h.equal("that it is live", rec.Live, true)
	whole(h.T, *rec, "Key.Root", "Key.MakeRoles", "Key.MakeKeyspace", "Key.LastUsedAt", "Key.Secrets.LastUsedAt")

	bare := h.insert(h.bareKey())
	rec = h.record(bare.Secrets[0], now)
	h.equal("the bare key", rec.Key, bare)
	h.equal("the bare key's owner", rec.Owner, (*keys.Identity)(nil))
	_, err = h.s.FactsByHash(h.Context(), token.Hash{1}, now)
	h.code(err, keys.NotFound)
}

func rootRecord(h *home) {
	k := h.bareKey()
	k.Root, k.KeyspaceID, k.Permissions = true, "", []string{"*"}
	k = h.insert(k)
	rec := h.record(k.Secrets[0], now)
	h.equal("the key", rec.Key, k)
	h.equal("the keyspace", rec.Keyspace, keys.Keyspace{})
	h.equal("the workspace", rec.Workspace, h.ws)
	h.equal("the permissions", rec.Permissions, []string{"*"})
}

func recordSecrets(h *home) {
	k := h.insert(h.fullKey()) // expires tomorrow; its first secret in an hour
	ending, lasting := k.Secrets[0], k.Secrets[1]
	end := ending.ExpiresAt
	h.equal("the secrets before one ends", h.record(lasting, end.Add(-time.Millisecond)).Key.Secrets, k.Secrets)
	h.equal("the secrets when one ends", h.record(lasting, end).Key.Secrets, k.Secrets[1:])
	h.record(ending, end.Add(-time.Millisecond))
	_, err := h.s.FactsByHash(h.Context(), ending.Hash, end)
	h.code(err, keys.NotFound)

	// An expired key is found, so that it can be told from none.
	if rec := h.record(lasting, k.ExpiresAt.Add(time.Hour)); !rec.Key.Expired(k.ExpiresAt.Add(time.Hour)) {
		h.Error("the key has not expired")
	}
}

func recordPermissions(h *home) {
	editor := h.role("editor", "doc.write", "doc.read")
	reader := h.role("reader", "doc.read", "doc.list")
	k := h.bareKey()
	k.Permissions, k.Roles = []string{"own", "doc.list"}, []string{"reader", "editor"}
	k = h.insert(k)
	permissions := func() []string { return h.record(k.Secrets[0], now).Permissions }
	h.equal("the permissions", permissions(), []string{"doc.list", "doc.read", "doc.write", "own"})

	_, err := h.s.UpdateRole(h.Context(), h.ws.ID, editor.ID, func(r *keys.Role) error { r.Permissions = []string{"doc.publish"}; return nil }, h.event("role.update"))
	h.ok(err)
	h.equal("the permissions after the role has changed", permissions(), []string{"doc.list", "doc.publish", "doc.read", "own"})

	_, err = h.s.UpdateRole(h.Context(), h.ws.ID, reader.ID, func(r *keys.Role) error { r.Name, r.Permissions = "lector", nil; return nil }, h.event("role.update"))
	h.ok(err)
	rec := h.record(k.Secrets[0], now)
	h.equal("the permissions after the role was emptied", rec.Permissions, []string{"doc.list", "doc.publish", "own"})
	h.equal("the roles after one was renamed", rec.Key.Roles, []string{"lector", "editor"})
	h.equal("the key", rec.Key, h.key(k.ID))
}

func recordLive(h *home) {
	path := h.ws.Path
	var chain []keys.Workspace
	for _, slug := range []string{"a", "a_b", "c"} {
		path += "." + slug
		ws := newWorkspace(path)
		h.ok(h.s.InsertWorkspace(h.Context(), &ws, nil, h.event("workspace.create")))
		chain = append(chain, ws)
	}
	sibling := newWorkspace(h.ws.Path + ".axb") // what a pattern with a_b in it would take for an ancestor
	sibling.Path = h.ws.Path + ".a.axb"
	sibling.Enabled = false
	h.ok(h.s.InsertWorkspace(h.Context(), &sibling, nil, h.event("workspace.create")))

	leaf := &home{T: h.T, s: h.s, ws: chain[2]}
	leaf.ks = leaf.newKeyspace("default")
	h.ok(h.s.InsertKeyspace(h.Context(), &leaf.ks, leaf.event("keyspace.create")))
	k := leaf.insert(leaf.bareKey())
	enable := func(ws keys.Workspace, on bool) {
		_, err := h.s.UpdateWorkspace(h.Context(), ws.ID, func(ws *keys.Workspace) error { ws.Enabled = on; return nil }, h.event("workspace.update"))
		h.ok(err)
	}
	h.equal("that it is live", leaf.record(k.Secrets[0], now).Live, true)
	for _, ws := range append(chain, h.ws) {
		enable(ws, false)
		h.equal("that it is live below the disabled "+ws.Path, leaf.record(k.Secrets[0], now).Live, false)
		enable(ws, true)
		h.equal("that it is live below the enabled "+ws.Path, leaf.record(k.Secrets[0], now).Live, true)
	}
}

// recordOneMoment changes two things that stand in different rows together, and
// reads them meanwhile: they are never seen apart.
func recordOneMoment(h *home) {
	k := h.insert(h.bareKey())
	hash := k.Secrets[0].Hash
	var done atomic.Bool
	atOnce(3, func(i int) {
		if i == 0 {
			defer done.Store(true)
			for n := range 60 {
				h.update(k.ID, func(k *keys.Key) {
					k.Name, k.Secrets[0].Start, k.Aliases = fmt.Sprint(n), fmt.Sprint(n), []keys.Alias{{Scheme: "vendor", Name: k.ID + fmt.Sprint("/", n)}}
				})
			}
			return
		}
		for !done.Load() {
			rec, err := h.s.FactsByHash(h.Context(), hash, now)
			if err != nil {
				h.Error(err)
				return
			}
			k := &rec.Key
			if k.Secrets[0].Start != k.Name || k.Name != "" && k.Aliases[0].Name != k.ID+"/"+k.Name {
				h.Errorf("read %q with %q and %v", k.Name, k.Secrets[0].Start, k.Aliases)
				return
			}
		}
	})
}

func usedPrefixes(h *home) {
	expect := func(wantChecked, wantUnchecked []string) {
		h.Helper()
		checked, unchecked, err := h.s.Prefixes(h.Context())
		h.ok(err)
		h.equal("the prefixes with a checksum", checked, wantChecked)
		h.equal("the prefixes without one", unchecked, wantUnchecked)
	}
	expect(nil, nil)
	add := func(f token.Form) []keys.Change {
		k := h.bareKey()
		k.Form = f
		var added []keys.Change
		for _, c := range h.listen(func() { h.insert(k) }) {
			if c.Kind == keys.SecretAdded {
				added = append(added, c)
			}
		}
		return added
	}
	for _, c := range []struct {
		form token.Form
		want []keys.Change
	}{
		{token.Form{Prefix: "lk", Format: token.Latchkey, Length: 30}, []keys.Change{{Kind: keys.SecretAdded, Prefix: "lk", Checked: true}}},
		{token.Form{Prefix: "lk", Format: token.Latchkey, Length: 40}, nil},
		{token.Form{Prefix: "a_b", Format: token.Latchkey, Length: 30}, []keys.Change{{Kind: keys.SecretAdded, Prefix: "a_b", Checked: true}}},
		{token.Form{Prefix: "sk_live_", Format: token.Hex, Length: 40}, []keys.Change{{Kind: keys.SecretAdded, Prefix: "sk_live"}}},
		{token.Form{Prefix: "sk_live", Format: token.Hex, Length: 40}, []keys.Change{{Kind: keys.SecretAdded, Prefix: "sk"}}},
		{token.Form{Prefix: "sk-or-v1-", Format: token.Hex, Length: 64}, []keys.Change{{Kind: keys.SecretAdded}}},
		{token.Form{Format: token.Letters, Length: 64}, nil},
		{token.Form{Prefix: "b58", Format: token.Base58Bytes, Length: 20}, []keys.Change{{Kind: keys.SecretAdded, Prefix: "b58"}}},
		{token.Form{Prefix: "lk", Format: token.Base58Bytes, Length: 20}, []keys.Change{{Kind: keys.SecretAdded, Prefix: "lk"}}},
	} {
		h.equal(fmt.Sprintf("what was added with %+v", c.form), add(c.form), c.want)
		s := c.form.Mint().Reveal()
		if prefix := token.Apparent(s); c.want != nil && prefix != c.want[0].Prefix {
			h.Errorf("the prefix of %s is %q, want %q", s, prefix, c.want[0].Prefix)
		}
	}
	expect([]string{"a_b", "lk"}, []string{"", "b58", "lk", "sk", "sk_live"})

	// An update adds its secrets' prefixes too, and they outlive the secrets.
	k := h.insert(h.bareKey())
	h.update(k.ID, func(k *keys.Key) {
		k.Form, k.Secrets = token.Form{Prefix: "later", Format: token.Latchkey, Length: 30}, append(k.Secrets, newSecret())
	})
	h.ok(h.s.DeleteKey(h.Context(), h.ws.ID, k.ID, func(*keys.Key) error { return nil }, h.event("key.delete")))
	expect([]string{"a_b", "later", "lk"}, []string{"", "b58", "lk", "sk", "sk_live"})
}
