package native

import (
	"context"
	"slices"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"latchkey"
	"latchkey/internal/keys"
	"latchkey/internal/token"
)

// readOnly are the members of a key that cannot be set, and may be sent back
// as they are.
type readOnly struct {
	ID         jsontext.Value `json:"id"`
	Hint       jsontext.Value `json:"hint"`
	Status     jsontext.Value `json:"status"`
	Secrets    jsontext.Value `json:"secrets"`
	LastUsedAt jsontext.Value `json:"last_used_at"`
	CreatedAt  jsontext.Value `json:"created_at"`
	UpdatedAt  jsontext.Value `json:"updated_at"`
	Secret     jsontext.Value `json:"secret" secret:"true"`
}

// A sentMember is a member that cannot be set, and what it is now.
type sentMember struct {
	name string
	sent jsontext.Value
	have any
}

// members lists what was sent beside what there is.
func (ro *readOnly) members(now *latchkey.Key) []sentMember {
	return []sentMember{
		{"id", ro.ID, now.ID}, {"hint", ro.Hint, now.Hint}, {"status", ro.Status, now.Status}, {"secrets", ro.Secrets, now.Secrets},
		{"last_used_at", ro.LastUsedAt, now.LastUsedAt}, {"created_at", ro.CreatedAt, now.CreatedAt}, {"updated_at", ro.UpdatedAt, now.UpdatedAt},
	}
}

// checkNew reports members that a key which is not there yet cannot have.
func (ro *readOnly) checkNew(faults *keys.Faults) {
	for _, m := range append(ro.members(&latchkey.Key{}), sentMember{name: "secret", sent: ro.Secret}) {
		if m.sent != nil && m.sent.Kind() != 'n' {
			faults.Add(m.name, "cannot be set")
		}
	}
}

// given reports whether there is anything to compare.
func (in *updateKeyBody) given() bool {
	sent := slices.ContainsFunc(in.members(&latchkey.Key{}), func(m sentMember) bool { return m.sent != nil })
	return sent || in.Secret != nil || in.Keyspace != nil || in.Credits.Value.Remaining.Given() || in.Credits.Value.RefillsAt.Given() ||
		in.Budget.Given()
}

// compare reports members that cannot be set and are not what was sent.
func (in *updateKeyBody) compare(ctx context.Context, d *Dialect, k *keys.Key, faults *keys.Faults) error {
	now, err := (&keyspaces{d: d}).wireKey(ctx, k, d.clock())
	if err != nil {
		return err
	}
	for _, m := range in.members(&now) {
		if m.sent != nil && !sameJSON(m.sent, m.have) {
			faults.Add(m.name, "cannot be set, and is not what it is now")
		}
	}
	if in.Keyspace != nil && !sameJSON(in.Keyspace, now.Keyspace) && !sameJSON(in.Keyspace, k.KeyspaceID) {
		faults.Add("keyspace", "cannot be changed")
	}
	if in.Secret != nil && !isSecretOf(in.Secret, k) {
		faults.Add("secret", "cannot be set; POST /keys/{id}/rotate makes a new one")
	}
	compareCredits(&in.Credits.Value, now.Credits, faults)
	compareBudget(&in.Budget.Value, now.Budget, faults)
	return nil
}

// isSecretOf reports whether a text that was sent is a live secret of the key.
func isSecretOf(sent jsontext.Value, k *keys.Key) bool {
	var text string
	if err := json.Unmarshal(sent, &text); err != nil {
		return false
	}
	sum := token.New(text).Sum()
	return slices.ContainsFunc(k.Secrets, func(s keys.Secret) bool { return s.Hash == sum })
}

// compareCredits reports figures of credits that are not what was sent. They
// change while the key is used: what an update overwrites might have been
// spent in between.
func compareCredits(in *latchkey.CreditSettings, now *latchkey.Credits, faults *keys.Faults) {
	if in.Remaining.Given() && now != nil && in.Remaining.Value != now.Remaining {
		faults.Add("credits/remaining", "is not what it is now; POST /keys/{id}/credits changes it")
	}
	if !in.RefillsAt.Given() {
		return
	}
	sent, have := time.Time{}, time.Time{} // zero: null
	if !in.RefillsAt.IsNull() {
		sent = in.RefillsAt.Value.Time
	}
	if now != nil && now.RefillsAt != nil {
		have = now.RefillsAt.Time
	}
	if !sent.Equal(have) {
		faults.Add("credits/refills_at", "cannot be set, and is not what it is now")
	}
}
