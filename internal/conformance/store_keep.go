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
