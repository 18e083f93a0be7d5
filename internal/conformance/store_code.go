package conformance

import (
	"slices"
	"sync"
	"time"

	"latchkey/internal/keys"
	"latchkey/internal/token"
)

var codeCases = []storeCase{
	{name: "Code/ComesBack", run: codeComesBack},
	{name: "Code/MakeKeyspace", run: codeMakesKeyspace},
	{name: "Code/Redeem", run: codeRedeem},
	{name: "Code/RedeemRefuses", run: codeRedeemRefuses},
	{name: "Code/RedeemAtOnce", run: codeRedeemAtOnce},
	{name: "Code/Most", run: codeMost},
	{name: "Code/Miss", run: codeMiss},
	{name: "Code/MissAtOnce", run: codeMissAtOnce},
	{name: "Code/GoesWithItsHome", run: codeGoes},
	{name: "Code/Prune", run: codePrune, alone: true},
}

// bareCode returns a code with as little as a code can have.
func (h *home) bareCode() keys.OneTimeCode {
	id := token.NewID("code")
	return keys.OneTimeCode{ID: id, WorkspaceID: h.ws.ID, KeyspaceID: h.ks.ID, Hash: token.New(id).Sum(), CreatedAt: now, ExpiresAt: now.Add(keys.CodeLife)}
}

// fullCode returns a code in which everything is set.
func (h *home) fullCode() keys.OneTimeCode {
	c := h.bareCode()
	c.Issuer = keys.Issuer{Creator: keys.Creator{Kind: keys.RootKey, ID: "key_maker", Name: "maker"}, WorkspaceID: "ws_above", SecretID: "sec_maker"}
	c.Template = keys.Template{
		Name: "Schlüssel", ExpiresAt: now.Add(time.Hour), Budget: &keys.Budget{Limit: 5, Reset: keys.ResetWeekly, CountsBYOK: true},
		Owner: keys.Owner{ID: "idn_1", ExternalID: "customer"}, Extra: keys.Extra{"dialect": `{"x": null}`, "other": `[]`},
	}
	c.Method, c.Challenge = keys.S256Method, token.New("verifier").Sum()
	c.Callback, c.Misses = "https://app.example/cb?state=1#é", 2
	whole(h.T, c, "MakeKeyspace")
	return c
}

// oneTimeCode adds a code and returns it as it was added.
func (h *home) oneTimeCode(c keys.OneTimeCode) keys.OneTimeCode {
	h.Helper()
	h.ok(h.s.InsertCode(h.Context(), &c, 100, h.event("code.create")))
	return c
}

// redeem makes a key of a code.
func (h *home) redeem(c *keys.OneTimeCode, k *keys.Key) error {
	return h.s.RedeemCode(h.Context(), c.WorkspaceID, c.ID, func(*keys.OneTimeCode) (*keys.Key, error) { return k, nil }, h.event("code.redeem"))
}

// noCode checks that a code is gone.
func (h *home) noCode(c *keys.OneTimeCode) {
	h.Helper()
	_, err := h.s.Code(h.Context(), c.Hash)
	h.code(err, keys.NotFound)
}

func codeComesBack(h *home) {
	for _, full := range []keys.OneTimeCode{h.fullCode(), h.bareCode()} {
		given := full
		heard := h.listen(func() { h.ok(h.s.InsertCode(h.Context(), &given, 100, h.event("code.create"))) })
		h.equal("what was heard", heard, []keys.Change(nil))
		h.equal("the code that was inserted", given, full)
		got, err := h.s.Code(h.Context(), full.Hash)
		h.ok(err)
		h.equal("the code that was read", got, full)
		ev := h.lastEvent()
		h.equal("what the event tells", ev.After, keys.CodeMembers(&full))
		h.equal("what it was before", ev.Before, []keys.Member(nil))
	}
	_, err := h.s.Code(h.Context(), token.New("none").Sum())
	h.code(err, keys.NotFound)
	lost := h.bareCode()
	lost.WorkspaceID = "ws_none"
	h.untouched("", func() { h.code(h.s.InsertCode(h.Context(), &lost, 100, h.event("code.create")), keys.NotFound) })
}

// codeMakesKeyspace makes a keyspace with the first code of it: both or neither.
func codeMakesKeyspace(h *home) {
	first := func() keys.OneTimeCode {
		ks := h.newKeyspace("standing")
		c := h.bareCode()
		c.KeyspaceID, c.MakeKeyspace = ks.ID, &ks
		return c
	}
	c := first()
	h.untouched("", func() { h.code(h.s.InsertCode(h.Context(), &c, 0, h.event("code.create")), keys.Conflict) })
	if c.MakeKeyspace == nil {
		h.Error("what was not made is no longer to be made")
	}
	_, err := h.s.Keyspace(h.Context(), h.ws.ID, "standing")
	h.code(err, keys.NotFound)

	c = h.oneTimeCode(first())
	if c.MakeKeyspace != nil {
		h.Error("what was made is still to be made")
	}
	ks, err := h.s.Keyspace(h.Context(), h.ws.ID, "standing")
	h.ok(err)
	h.equal("the keyspace", ks.ID, c.KeyspaceID)
	c = first()
	h.code(h.s.InsertCode(h.Context(), &c, 100, h.event("code.create")), keys.Conflict)
	h.noCode(&c)
}

func codeRedeem(h *home) {
	full := h.oneTimeCode(h.fullCode())
	beside := h.oneTimeCode(h.bareCode())
	k := h.fullKey()
	var seen keys.OneTimeCode
	heard := h.listen(func() {
		h.ok(h.s.RedeemCode(h.Context(), h.ws.ID, full.ID, func(c *keys.OneTimeCode) (*keys.Key, error) { seen = *c; return &k, nil }, h.event("code.redeem")))
	})
	h.equal("the code that redeem was given", seen, full)
	h.equal("what was heard of the key", heard[len(heard)-1], keys.Change{Kind: keys.KeyChanged, ID: k.ID})
	if k.Owner.ID == "" || k.Version != 1 {
		h.Errorf("the key was not completed: %+v", k)
	}
	h.equal("the key that was read", h.key(k.ID), k)
	rec, err := h.s.FactsByHash(h.Context(), k.Secrets[1].Hash, now)
	h.ok(err)
	h.equal("the key of the secret", rec.Key.ID, k.ID)
	h.noCode(&full)
	_, err = h.s.Code(h.Context(), beside.Hash)
	h.ok(err)

	events, err := h.s.Events(h.Context(), h.ws.ID, keys.EventFilter{Limit: 100})
	h.ok(err)
	for _, ev := range events {
		switch ev.Action {
		case "code.redeem":
			h.equal("what the event of the code tells", ev.After, []keys.Member{{Name: "key", Value: k.ID}})
		case "key.create":
			h.equal("what the event of the key is about", []any{ev.Target, ev.KeyID, names(ev.After)},
				[]any{keys.Ref{Type: "key", ID: k.ID}, k.ID, names(keys.KeyMembers(&k))})
		}
	}
	for _, action := range []string{"code.redeem", "key.create"} {
		if !slices.Contains(h.actions(), action) {
			h.Errorf("no event %s", action)
		}
	}

	again := h.bareKey()
	h.untouched(again.ID, func() { h.code(h.redeem(&full, &again), keys.NotFound) })
	elsewhere := beside
	elsewhere.WorkspaceID = "ws_none"
	h.untouched(again.ID, func() { h.code(h.redeem(&elsewhere, &again), keys.NotFound) })
}

// codeRedeemRefuses leaves the code where there is no key.
func codeRedeemRefuses(h *home) {
	c := h.oneTimeCode(h.fullCode())
	there := h.insert(h.bareKey())
	taken := h.bareKey()
	taken.Secrets = there.Secrets
	lost := h.bareKey()
	lost.Roles = []string{"none"}
	for name, redeem := range map[string]func(*keys.OneTimeCode) (*keys.Key, error){
		"a refusal":                func(*keys.OneTimeCode) (*keys.Key, error) { return nil, errNo },
		"a hash that is taken":     func(*keys.OneTimeCode) (*keys.Key, error) { return &taken, nil },
		"a role that is not there": func(*keys.OneTimeCode) (*keys.Key, error) { return &lost, nil },
	} {
		h.untouched(there.ID, func() {
			err := h.s.RedeemCode(h.Context(), h.ws.ID, c.ID, redeem, h.event("code.redeem"))
			if err == nil || name == "a refusal" && err != errNo {
				h.Errorf("%s: %v", name, err)
			}
		})
		got, err := h.s.Code(h.Context(), c.Hash)
		h.ok(err)
		h.equal("the code after "+name, got, c)
	}
	for _, id := range []string{taken.ID, lost.ID} {
		_, err := h.s.Key(h.Context(), h.ws.ID, id)
		h.code(err, keys.NotFound)
	}
}

// codeRedeemAtOnce redeems a code many times at once: one key comes of it.
func codeRedeemAtOnce(h *home) {
	c := h.oneTimeCode(h.bareCode())
	var mu sync.Mutex
	made := 0
	atOnce(12, func(int) {
		k := h.bareKey()
		err := h.redeem(&c, &k)
		if err != nil {
			h.code(err, keys.NotFound)
			return
		}
		mu.Lock()
		defer mu.Unlock()
		made++
	})
	list, n, err := h.s.Keys(h.Context(), h.ws.ID, keys.KeyFilter{Limit: 100})
	h.ok(err)
	h.equal("how many were made, are listed and counted", []int{made, len(list), n}, []int{1, 1, 1})
	h.noCode(&c)
}

// codeMost adds at once more codes than a workspace may have.
func codeMost(h *home) {
	added := make([]bool, 12)
	atOnce(len(added), func(i int) {
		c := h.bareCode()
		err := h.s.InsertCode(h.Context(), &c, 4, h.event("code.create"))
		if added[i] = err == nil; err != nil {
			h.code(err, keys.Conflict)
		}
	})
	n := 0
	for _, ok := range added {
		if ok {
			n++
		}
	}
	h.equal("how many were added", n, 4)
	more := h.bareCode()
	h.untouched("", func() { h.code(h.s.InsertCode(h.Context(), &more, 4, h.event("code.create")), keys.Conflict) })

	other := newHome(h.T, h.s)
	other.oneTimeCode(other.bareCode()) // which has room of its own
	later := h.event("code.create")
	later.At = now.Add(keys.CodeLife)
	more.CreatedAt, more.ExpiresAt = later.At, later.At.Add(keys.CodeLife)
	h.ok(h.s.InsertCode(h.Context(), &more, 4, later)) // the others have expired
}

func codeMiss(h *home) {
	c, beside := h.oneTimeCode(h.bareCode()), h.oneTimeCode(h.bareCode())
	h.untouched("", func() {
		for i := range 3 {
			got, err := h.s.Code(h.Context(), c.Hash)
			h.ok(err)
			h.equal("the misses", got.Misses, i)
			h.ok(h.s.MissCode(h.Context(), h.ws.ID, c.ID, 3))
		}
	})
	h.noCode(&c)
	h.ok(h.s.MissCode(h.Context(), h.ws.ID, c.ID, 3))
	h.ok(h.s.MissCode(h.Context(), "ws_none", beside.ID, 3))
	got, err := h.s.Code(h.Context(), beside.Hash)
	h.ok(err)
	h.equal("the misses of another", got.Misses, 0)
	k := h.bareKey()
	h.code(h.redeem(&c, &k), keys.NotFound)
}

func codeMissAtOnce(h *home) {
	c := h.oneTimeCode(h.bareCode())
	atOnce(7, func(int) {
		if err := h.s.MissCode(h.Context(), h.ws.ID, c.ID, 8); err != nil {
			h.Error(err)
		}
	})
	got, err := h.s.Code(h.Context(), c.Hash)
	h.ok(err)
	h.equal("the misses", got.Misses, 7)
}

// codeGoes deletes a keyspace and a workspace: their codes go too.
func codeGoes(h *home) {
	ks := h.newKeyspace("goes")
	h.ok(h.s.InsertKeyspace(h.Context(), &ks, h.event("keyspace.create")))
	c, stays := h.bareCode(), h.oneTimeCode(h.bareCode())
	c.KeyspaceID = ks.ID
	c = h.oneTimeCode(c)
	h.ok(h.s.DeleteKeyspace(h.Context(), h.ws.ID, "goes", func(*keys.Keyspace) error { return nil }, h.event("keyspace.delete")))
	h.noCode(&c)
	_, err := h.s.Code(h.Context(), stays.Hash)
	h.ok(err)
	h.ok(h.s.DeleteWorkspace(h.Context(), h.ws.ID, func(*keys.Workspace) error { return nil }, h.event("workspace.delete")))
	h.noCode(&stays)
}

func codePrune(h *home) {
	var all []keys.OneTimeCode
	for n := range 5 {
		c := h.bareCode()
		c.ExpiresAt = now.Add(time.Duration(n) * time.Hour)
		all = append(all, h.oneTimeCode(c))
	}
	for _, want := range []int{2, 1, 0} { // of those that expire at now, 1h and 2h after
		n, err := h.s.PruneCodes(h.Context(), now.Add(2*time.Hour+time.Millisecond), 2)
		if n != want || err != nil {
			h.Errorf("PruneCodes = %d, %v; want %d", n, err, want)
		}
	}
	for n := range all {
		_, err := h.s.Code(h.Context(), all[n].Hash)
		if there := err == nil; there != (n > 2) {
			h.Errorf("code %d is there: %t", n, there)
		}
	}
}
