package keys

import "context"

// CheckAmount reports what is wrong with an amount of money and its kind.
func CheckAmount(micros int64, kind SpendKind) Faults {
	var faults Faults
	if micros < 0 || micros > MaxMicros {
		faults.Add("amount_micros", "must be an integer from 0 to %d", int64(MaxMicros))
	}
	if kind != SpendOwn && kind != SpendBYOK {
		faults.Add("kind", `must be "own" or "byok"`)
	}
	return faults
}

// Spend records what was spent with a key, whole, whatever its budget says, and
// returns its money after it.
func (m *Manager) Spend(ctx context.Context, by Actor, id string, micros int64, kind SpendKind) (*Money, error) {
	return m.spend(ctx, by, id, micros, kind, 1)
}

// Refund gives back what was spent with a key: to the present window of its
// budget, and at most what was spent in it.
func (m *Manager) Refund(ctx context.Context, by Actor, id string, micros int64, kind SpendKind) (*Money, error) {
	return m.spend(ctx, by, id, micros, kind, -1)
}

func (m *Manager) spend(ctx context.Context, by Actor, id string, micros int64, kind SpendKind, sign int64) (*Money, error) {
	if err := CheckAmount(micros, kind).Err(); err != nil {
		return nil, err
	}
	k, err := m.KeyFor(ctx, by, id, "spend")
	if err != nil {
		return nil, err
	}
	now := m.Clock()
	a, moved, err := m.Ledger.Spend(ctx, k.AccountID, sign*micros, kind, now)
	if err != nil {
		return nil, err
	}
	m.Recorder.Spent(&k, moved, now)
	return a.Money, nil
}
