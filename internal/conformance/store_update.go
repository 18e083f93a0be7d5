package conformance

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"latchkey/internal/keys"
	"latchkey/internal/ratelimit"
)

var updateCases = []storeCase{
	{name: "Update/Everything", run: updateEverything},
	{name: "Update/ToNothing", run: updateToNothing},
	{name: "Update/Refused", run: updateRefused},
	{name: "Update/Nothing", run: updateNothing},
	{name: "Update/AtOnce", run: updateAtOnce},
	{name: "Update/Secrets", run: updateSecrets},
	{name: "Update/TakenHash", run: updateTakenHash},
	{name: "Update/Owner", run: updateOwner},
	{name: "Update/Credits", run: updateCredits},
	{name: "Update/ReadsMeanwhile", run: updateReadsMeanwhile},
	{name: "Update/Panic", run: updatePanic},
	{name: "Unavailable/CallerGone", run: callerGone},
	{name: "Unavailable/Closed", run: storeClosed, alone: true},
}

func updateEverything(h *home) {
	k := h.insert(h.bareKey())
	want := h.fullKey()
	want.ID, want.AccountID = k.ID, k.AccountID
	later := now.Add(time.Hour)
	ev := h.event("key.update")
	ev.At = later
	got, err := h.s.UpdateKey(h.Context(), h.ws.ID, k.ID, func(k *keys.Key) error {
		*k = want
		k.ID, k.WorkspaceID, k.AccountID, k.Version = "key_other", "ws_other", "key_other", 50
		return nil
	}, ev)
	h.ok(err)
	want.Owner.ID, want.Version, want.UpdatedAt = got.Owner.ID, 2, later
	h.equal("the key that was returned", got, want)
	h.equal("the key that was read", h.key(k.ID), want)
	whole(h.T, got, "Root", "MakeRoles", "MakeKeyspace", "LastUsedAt", "Secrets.LastUsedAt")

	// What change is given may be changed in place.
	got = h.update(k.ID, func(k *keys.Key) {
		k.Permissions[0], k.Roles[0] = "doc.purge", k.Roles[1]
		k.Roles = k.Roles[:1]
		k.AllowedIPs[0], k.Limits[0].Max = netip.MustParsePrefix("192.0.2.0/24"), 11
		k.Extra["dialect"] = `{}`
		k.Credits.Remaining, k.Credits.Refill.Day = 8, 1
		k.Money.Budget.Limit = 9
		k.Secrets[0].Sealed[0] = 9
		k.Aliases[0].Name += "!"
	})
	if got.Permissions[0] != "doc.purge" || len(got.Roles) != 1 || got.Limits[0].Max != 11 || got.Extra["dialect"] != "{}" ||
		got.Money.Budget.Limit != 9 || got.Credits.Remaining != 8 || got.Credits.Refill.Day != 1 || got.Secrets[0].Sealed[0] != 9 || got.Version != 3 {
		h.Errorf("a change in place is lost: %+v", got)
	}
	h.equal("the key that was read", h.key(k.ID), got)
}

func updateToNothing(h *home) {
	k := h.insert(h.fullKey())
	bare := h.bareKey()
	got := h.update(k.ID, func(k *keys.Key) {
		bare.ID, bare.AccountID, bare.CreatedAt = k.ID, k.AccountID, k.CreatedAt
		*k = bare
	})
	bare.Version, bare.UpdatedAt = 2, now
	h.equal("the key that was returned", got, bare)
	h.equal("the key that was read", h.key(k.ID), bare)
}

func updateRefused(h *home) {
	k := h.insert(h.fullKey())
	for _, refused := range []error{
		errors.New("no"), keys.Errorf(keys.Precondition, "no"), fmt.Errorf("no: %w", context.Canceled),
	} {
		h.untouched(k.ID, func() {
			_, err := h.s.UpdateKey(h.Context(), h.ws.ID, k.ID, func(k *keys.Key) error {
				k.Name, k.Secrets, k.Owner = "x", nil, keys.Owner{ExternalID: "fresh"}
				return refused
			}, h.event("key.update"))
			if err != refused {
				h.Errorf("err = %v, want %v unwrapped", err, refused)
			}
		})
	}

	// An event that cannot be written takes the change with it.
	ev := h.event("key.update")
	_, err := h.s.UpdateKey(h.Context(), h.ws.ID, k.ID, func(k *keys.Key) error { k.Name = "first"; return nil }, ev)
	h.ok(err)
	h.untouched(k.ID, func() {
		_, err := h.s.UpdateKey(h.Context(), h.ws.ID, k.ID, func(k *keys.Key) error { k.Name = "second"; return nil }, ev)
		h.code(err, keys.Conflict)
	})
}

func updateNothing(h *home) {
	k := h.insert(h.fullKey())
	h.untouched(k.ID, func() {
		h.equal("the key", h.update(k.ID, func(k *keys.Key) { k.Owner = keys.Owner{ExternalID: k.Owner.ExternalID} }), k)
	})
	ev := h.event("key.reveal")
	ev.At = now.Add(time.Hour)
	got, err := h.s.UpdateKey(h.Context(), h.ws.ID, k.ID, func(*keys.Key) error { return nil }, ev)
	h.ok(err)
	h.equal("the key after it was revealed", got, k)
	h.equal("the key that was read", h.key(k.ID), k)
	if got := h.actions(); got[len(got)-1] != "key.reveal" {
		h.Errorf("the actions are %v, want key.reveal at the end", got)
	}
}

func updateAtOnce(h *home) {
	k := h.bareKey()
	k.Limits = []ratelimit.Limit{fullLimit("rpm")}
	k = h.insert(k)
	atOnce(20, func(i int) {
		_, err := h.s.UpdateKey(h.Context(), h.ws.ID, k.ID, func(k *keys.Key) error {
			k.Limits[0].Max++
			k.Permissions = append(k.Permissions, fmt.Sprint("p", i))
			k.Secrets = append(k.Secrets, newSecret())
			return nil
		}, h.event("key.update"))
		if err != nil {
			h.Error(err)
		}
	})
	got := h.key(k.ID)
	if got.Limits[0].Max != 30 || len(got.Permissions) != 20 || len(got.Secrets) != 21 || got.Version != 21 {
		h.Errorf("after 20 updates at once: max %d, %d permissions, %d secrets, version %d; want 30, 20, 21, 21",
			got.Limits[0].Max, len(got.Permissions), len(got.Secrets), got.Version)
	}
}

func updateSecrets(h *home) {
	k := h.insert(h.fullKey())
	ended, lasting, fresh := k.Secrets[0], k.Secrets[1], newSecret()
	h.ok(h.s.AddUsage(h.Context(), nil, []keys.LastUse{{KeyID: k.ID, SecretID: ended.ID, At: now}}))
	got := h.update(k.ID, func(k *keys.Key) {
		k.Secrets = append(k.Secrets[1:], fresh)
		k.Secrets[0].ExpiresAt = now.Add(time.Minute)
	})
	lasting.ExpiresAt = now.Add(time.Minute)
	h.equal("the secrets", got.Secrets, []keys.Secret{lasting, fresh})
	h.equal("the key that was read", h.key(k.ID), got)
	if !got.LastUsedAt.Equal(now) {
		h.Errorf("the key was last used at %v, want %v as before its secret went", got.LastUsedAt, now)
	}
	_, err := h.s.FactsByHash(h.Context(), ended.Hash, now)
	h.code(err, keys.NotFound)
	for _, s := range got.Secrets {
		rec, err := h.s.FactsByHash(h.Context(), s.Hash, now)
		h.ok(err)
		h.equal("the secret of the record", rec.SecretID, s.ID)
	}
	got = h.update(k.ID, func(k *keys.Key) { k.Secrets[0], k.Secrets[1] = k.Secrets[1], k.Secrets[0] })
	h.equal("the secrets in another order", h.key(k.ID).Secrets, []keys.Secret{fresh, lasting})
}

func updateTakenHash(h *home) {
	k, other := h.insert(h.bareKey()), h.insert(h.bareKey())
	h.untouched(k.ID, func() {
		_, err := h.s.UpdateKey(h.Context(), h.ws.ID, k.ID, func(k *keys.Key) error {
			k.Name = "changed"
			k.Secrets = append(k.Secrets, keys.Secret{ID: "sec_fresh", Hash: other.Secrets[0].Hash, CreatedAt: now})
			return nil
		}, h.event("key.update"))
		h.code(err, keys.Conflict)
	})
}

func updateOwner(h *home) {
	k := h.insert(h.bareKey())
	user := h.identity("user 1")
	for _, c := range []struct{ give, want keys.Owner }{
		{keys.Owner{ID: user.ID}, keys.Owner{ID: user.ID, ExternalID: "user 1"}},
		{keys.Owner{}, keys.Owner{}},
		{keys.Owner{ExternalID: "user 1"}, keys.Owner{ID: user.ID, ExternalID: "user 1"}},
	} {
		got := h.update(k.ID, func(k *keys.Key) { k.Owner = c.give })
		h.equal("the owner", got.Owner, c.want)
		h.equal("the owner that was read", h.key(k.ID).Owner, c.want)
	}
	got := h.update(k.ID, func(k *keys.Key) { k.Owner = keys.Owner{ExternalID: "fresh"} })
	i, err := h.s.Identity(h.Context(), h.ws.ID, "fresh")
	h.ok(err)
	h.equal("the fresh owner", got.Owner, keys.Owner{ID: i.ID, ExternalID: "fresh"})
	h.untouched(k.ID, func() {
		_, err := h.s.UpdateKey(h.Context(), h.ws.ID, k.ID, func(k *keys.Key) error { k.Owner = keys.Owner{ID: "idn_unknown"}; return nil }, h.event("key.update"))
		h.field(err, "identity")
	})

	// An identity that is renamed is the owner by its new name.
	_, err = h.s.UpdateIdentity(h.Context(), h.ws.ID, i.ID, func(i *keys.Identity) error { i.ExternalID = "renamed"; return nil }, h.event("identity.update"))
	h.ok(err)
	h.equal("the owner after it was renamed", h.key(k.ID).Owner, keys.Owner{ID: i.ID, ExternalID: "renamed"})
}

func updateCredits(h *home) {
	k := h.insert(h.bareKey())
	for _, c := range []*keys.Credits{
		{Remaining: 5, RefilledAt: now},
		{Remaining: 5, RefilledAt: now, Refill: &keys.Refill{Amount: 1, Every: keys.Daily, Mode: keys.RefillSet}},
		nil,
		{Remaining: 0, RefilledAt: now},
	} {
		got := h.update(k.ID, func(k *keys.Key) { k.Credits = c })
		h.equal("the credits", got.Credits, c)
		h.equal("the credits that were read", h.key(k.ID).Credits, c)
	}
}

func updateReadsMeanwhile(h *home) {
	k := h.insert(h.bareKey())
	atOnce(30, func(i int) {
		_, err := h.s.UpdateKey(h.Context(), h.ws.ID, k.ID, func(k *keys.Key) error {
			k.Name = fmt.Sprint(i)
			_, err := h.s.Key(h.Context(), h.ws.ID, k.ID) // a change may read
			return err
		}, h.event("key.update"))
		if err != nil {
			h.Error(err)
		}
	})
	h.equal("the version", h.key(k.ID).Version, int64(31))
}

func updatePanic(h *home) {
	k := h.insert(h.bareKey())
	h.untouched(k.ID, func() {
		_, err := h.s.UpdateKey(h.Context(), h.ws.ID, k.ID, func(k *keys.Key) error { panic("a fault in a change") }, h.event("key.update"))
		if err == nil || keys.AsError(err).Code != keys.Internal {
			h.Errorf("err = %v, want an internal one", err)
		}
	})
	h.update(k.ID, func(k *keys.Key) { k.Name = "alive" })
}

func callerGone(h *home) {
	k := h.insert(h.bareKey())
	ctx := gone(h.T)
	h.untouched(k.ID, func() {
		_, err := h.s.UpdateKey(ctx, h.ws.ID, k.ID, func(k *keys.Key) error { k.Name = "x"; return nil }, h.event("key.update"))
		h.code(err, keys.Unavailable)
		if !errors.Is(err, context.Canceled) {
			h.Errorf("err = %v, want the context's as its cause", err)
		}
	})
	_, err := h.s.Key(ctx, h.ws.ID, k.ID)
	h.code(err, keys.Unavailable)
}

func storeClosed(h *home) {
	k := h.insert(h.bareKey())
	h.ok(h.s.Ping(h.Context()))
	h.ok(h.s.Close())
	_, err := h.s.Key(h.Context(), h.ws.ID, k.ID)
	h.code(err, keys.Unavailable)
	_, err = h.s.UpdateKey(h.Context(), h.ws.ID, k.ID, func(k *keys.Key) error { k.Name = "x"; return nil }, h.event("key.update"))
	h.code(err, keys.Unavailable)
	h.code(h.s.Ping(h.Context()), keys.Unavailable)
	h.ok(h.s.Close()) // twice is once
}
