package conformance

import (
	"slices"
	"time"

	"latchkey/internal/keys"
	"latchkey/internal/token"
)

var keepCases = []storeCase{
	{name: "Reply/ComesBack", run: replyComesBack},
	{name: "Reply/AtOnce", run: replyAtOnce},
	{name: "Reply/Prune", run: replyPrune, alone: true},
	{name: "Usage/AddsUp", run: usageAddsUp},
	{name: "Usage/AtOnce", run: usageAtOnce},
	{name: "Usage/LastUse", run: usageLastUse},
	{name: "Usage/OfWhatGoes", run: usageOfWhatGoes},
	{name: "Usage/Prune", run: usagePrune, alone: true},
}

func replyComesBack(h *home) {
	r := keys.Reply{ID: token.NewID("reply"), Fingerprint: "print", Answer: []byte{0, 1, 255}, ExpiresAt: now.Add(time.Hour)}
	whole(h.T, r)
	_, err := h.s.Reply(h.Context(), r.ID, now)
	h.code(err, keys.NotFound)
	h.ok(h.s.SaveReply(h.Context(), r, now))
	got, err := h.s.Reply(h.Context(), r.ID, r.ExpiresAt.Add(-time.Millisecond))
	h.ok(err)
	h.equal("the reply", got, r)

	next := r
	next.Fingerprint, next.Answer, next.ExpiresAt = "other", []byte("x"), now.Add(3*time.Hour)
	h.code(h.s.SaveReply(h.Context(), next, r.ExpiresAt.Add(-time.Millisecond)), keys.Conflict)
	got, err = h.s.Reply(h.Context(), r.ID, now)
	h.ok(err)
	h.equal("the reply after another was refused", got, r)

	_, err = h.s.Reply(h.Context(), r.ID, r.ExpiresAt)
	h.code(err, keys.NotFound)
	h.ok(h.s.SaveReply(h.Context(), next, r.ExpiresAt))
	got, err = h.s.Reply(h.Context(), r.ID, r.ExpiresAt)
	h.ok(err)
	h.equal("the reply that took the place of an expired one", got, next)
}

func replyAtOnce(h *home) {
	errs := make([]error, 10)
	id := token.NewID("reply")
	atOnce(len(errs), func(i int) {
		errs[i] = h.s.SaveReply(h.Context(), keys.Reply{ID: id, Answer: []byte{byte(i)}, ExpiresAt: now.Add(time.Hour)}, now)
	})
	saved := slices.Index(errs, nil)
	if saved < 0 {
		h.Fatalf("none was saved: %v", errs)
	}
	for i, err := range errs {
		if i != saved {
			h.code(err, keys.Conflict)
		}
	}
	got, err := h.s.Reply(h.Context(), id, now)
	h.ok(err)
	h.equal("the answer", got.Answer, []byte{byte(saved)})
}

func replyPrune(h *home) {
	for n := range 5 {
		h.ok(h.s.SaveReply(h.Context(), keys.Reply{ID: token.NewID("reply"), Answer: []byte("x"), ExpiresAt: now.Add(time.Duration(n) * time.Hour)}, now.Add(-time.Hour)))
	}
	for _, want := range []int{2, 1, 0} { // of those that expire at now, 1h and 2h after
		n, err := h.s.PruneReplies(h.Context(), now.Add(2*time.Hour), 2)
		if n != want || err != nil {
			h.Errorf("PruneReplies = %d, %v; want %d", n, err, want)
		}
	}
}

// count returns how often a key had an outcome in the hours from one to
// another, counted from the hour of now.
func (h *home) count(keyID string, outcome keys.Outcome, from, to int) int64 {
	h.Helper()
	hour := now.Truncate(time.Hour)
	n, err := h.s.CountUsage(h.Context(), keyID, outcome, hour.Add(time.Duration(from)*time.Hour), hour.Add(time.Duration(to)*time.Hour))
	h.ok(err)
	return n
}

func (h *home) usage(keyID string, outcome keys.Outcome, hour int, n int64) keys.Count {
	c := keys.Count{WorkspaceID: h.ws.ID, KeyspaceID: h.ks.ID, KeyID: keyID, OwnerID: "idn_1", Outcome: outcome, Hour: now.Truncate(time.Hour).Add(time.Duration(hour) * time.Hour), N: n}
	if outcome != keys.Valid && hour != 0 {
		whole(h.T, c)
	}
	return c
}

func usageAddsUp(h *home) {
	id := token.NewID("key")
	h.ok(h.s.AddUsage(h.Context(), nil, nil))
	h.equal("the count of nothing", h.count(id, keys.Valid, -100, 100), int64(0))
	owned := h.usage(id, keys.Valid, 0, 4)
	owned.OwnerID = "idn_2" // its owner changed within the hour
	h.ok(h.s.AddUsage(h.Context(), []keys.Count{
		h.usage(id, keys.Valid, 0, 1), h.usage(id, keys.Valid, 0, 2), owned, h.usage(id, keys.Expired, 0, 8),
		h.usage(id, keys.Valid, 1, 16), h.usage(token.NewID("key"), keys.Valid, 0, 32),
	}, nil))
	h.ok(h.s.AddUsage(h.Context(), []keys.Count{h.usage(id, keys.Valid, 0, 64), h.usage(id, keys.Expired, 1, 128)}, nil))
	for _, c := range []struct {
		outcome  keys.Outcome
		from, to int
		want     int64
	}{
		{keys.Valid, 0, 1, 71}, {keys.Valid, 0, 2, 87}, {keys.Valid, 1, 2, 16}, {keys.Valid, 2, 9, 0}, {keys.Valid, -9, 0, 0},
		{keys.Expired, 0, 1, 8}, {keys.Expired, -9, 9, 136}, {keys.Disabled, -9, 9, 0},
	} {
		if got := h.count(id, c.outcome, c.from, c.to); got != c.want {
			h.Errorf("%v in [%d, %d) = %d, want %d", c.outcome, c.from, c.to, got, c.want)
		}
	}
}

func usageAtOnce(h *home) {
	a, b := token.NewID("key"), token.NewID("key")
	atOnce(20, func(i int) {
		counts := []keys.Count{h.usage(a, keys.Valid, 0, 1), h.usage(b, keys.Valid, 0, 1)}
		if i%2 == 0 {
			slices.Reverse(counts)
		}
		if err := h.s.AddUsage(h.Context(), counts, nil); err != nil {
			h.Error(err)
		}
	})
	h.equal("the counts", []int64{h.count(a, keys.Valid, 0, 1), h.count(b, keys.Valid, 0, 1)}, []int64{20, 20})
}

func usageLastUse(h *home) {
	k := h.bareKey()
	k.Secrets = append(k.Secrets, newSecret())
	k = h.insert(k)
	first, second := k.Secrets[0].ID, k.Secrets[1].ID
	use := func(uses ...keys.LastUse) {
		h.Helper()
		h.ok(h.s.AddUsage(h.Context(), nil, uses))
	}
	check := func(key, one, two time.Duration) {
		h.Helper()
		got := h.key(k.ID)
		h.equal("the last uses", []time.Duration{got.LastUsedAt.Sub(now), got.Secrets[0].LastUsedAt.Sub(now), got.Secrets[1].LastUsedAt.Sub(now)}, []time.Duration{key, one, two})
	}
	never := time.Time{}.Sub(now)
	check(never, never, never)
	use(keys.LastUse{KeyID: k.ID, SecretID: first, At: now.Add(time.Minute)})
	check(time.Minute, time.Minute, never)
	use(keys.LastUse{KeyID: k.ID, SecretID: second, At: now.Add(time.Second)})
	check(time.Minute, time.Minute, time.Second)
	use(keys.LastUse{KeyID: k.ID, SecretID: first, At: now})
	check(time.Minute, time.Minute, time.Second)
	use(keys.LastUse{KeyID: k.ID, SecretID: second, At: now.Add(time.Hour)}, keys.LastUse{KeyID: k.ID, SecretID: second, At: now})
	check(time.Hour, time.Minute, time.Hour)

	// What is gone, or another's, is passed over.
	other := h.insert(h.bareKey())
	use(keys.LastUse{KeyID: "key_gone", SecretID: "sec_gone", At: now}, keys.LastUse{KeyID: other.ID, SecretID: first, At: now.Add(9 * time.Hour)},
		keys.LastUse{KeyID: k.ID, SecretID: "sec_gone", At: now.Add(2 * time.Hour)})
	check(2*time.Hour, time.Minute, time.Hour)
	if got := h.key(k.ID); got.Version != 1 || !got.UpdatedAt.Equal(now) {
		h.Errorf("a use moved the key to version %d of %v", got.Version, got.UpdatedAt)
	}
}

// usageOfWhatGoes counts uses of keys while they are deleted: the counts stay,
// and nothing fails.
func usageOfWhatGoes(h *home) {
	var all []keys.Key
	for range 30 {
		all = append(all, h.insert(h.bareKey()))
	}
	atOnce(3, func(i int) {
		for n, k := range all {
			var err error
			if i == 0 {
				err = h.s.DeleteKey(h.Context(), h.ws.ID, k.ID, func(*keys.Key) error { return nil }, h.event("key.delete"))
			} else {
				err = h.s.AddUsage(h.Context(), []keys.Count{h.usage(k.ID, keys.Valid, 0, 1)},
					[]keys.LastUse{{KeyID: k.ID, SecretID: k.Secrets[0].ID, At: now.Add(time.Duration(n) * time.Second)}})
			}
			if err != nil {
				h.Error(err)
			}
		}
	})
	for _, k := range all {
		h.equal("the count of a deleted key", h.count(k.ID, keys.Valid, 0, 1), int64(2))
	}
}

func usagePrune(h *home) {
	id := token.NewID("key")
	for n := range 5 {
		h.ok(h.s.AddUsage(h.Context(), []keys.Count{h.usage(id, keys.Valid, n, 1)}, nil))
	}
	before := now.Truncate(time.Hour).Add(3*time.Hour + 30*time.Minute) // in the midst of the fourth hour
	for _, want := range []int{2, 1, 0} {
		n, err := h.s.PruneUsage(h.Context(), before, 2)
		if n != want || err != nil {
			h.Errorf("PruneUsage = %d, %v; want %d", n, err, want)
		}
	}
	h.equal("what is left", h.count(id, keys.Valid, 0, 9), int64(2))
}
