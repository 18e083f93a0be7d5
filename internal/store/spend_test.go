package store

import (
	"context"
	"time"

	"latchkey/internal/keys"
)

// spendCredits takes credits alone from an account, or looks where cost is 0.
func spendCredits(ctx context.Context, l keys.Ledger, accountID string, cost int64, now time.Time) (*keys.Credits, bool, error) {
	if cost == 0 {
		a, err := l.Account(ctx, accountID, now)
		return a.Credits, err == nil, err
	}
	a, _, o, err := l.Use(ctx, accountID, keys.Charge{Credits: cost}, nil, now)
	return a.Credits, o == keys.Valid && err == nil, err
}
