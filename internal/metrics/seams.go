package metrics

import (
	"context"
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"latchkey/internal/keys"
)

// An operation times one method of a seam and counts its errors.
type operation struct {
	took   prometheus.Observer
	failed *prometheus.CounterVec // by code
}

func (m *Metrics) operation(name string) operation {
	return operation{
		took:   m.operationTime.WithLabelValues(name),
		failed: m.failures.MustCurryWith(prometheus.Labels{"operation": name}),
	}
}

// done is deferred with the moment at which the method began.
func (o *operation) done(began time.Time, err *error) {
	o.took.Observe(time.Since(began).Seconds())
	switch {
	case *err == nil:
	case errors.Is(*err, context.Canceled): // the caller went away
		o.failed.WithLabelValues("canceled").Inc()
	default:
		o.failed.WithLabelValues(string(keys.AsError(*err).Code)).Inc()
	}
}

// A ledger times a [keys.Ledger].
type ledger struct {
	keys.Ledger
	use, spend, change operation
}

// Ledger returns l with its operations timed.
func (m *Metrics) Ledger(l keys.Ledger) keys.Ledger {
	return &ledger{Ledger: l, use: m.operation("use_account"), spend: m.operation("spend_money"), change: m.operation("change_credits")}
}

func (l *ledger) Use(ctx context.Context, accountID string, c keys.Charge, also func(bool) (bool, error), now time.Time) (_ keys.Account, _ keys.Charged, _ keys.Outcome, err error) {
	defer l.use.done(time.Now(), &err)
	return l.Ledger.Use(ctx, accountID, c, also, now)
}

func (l *ledger) Spend(ctx context.Context, accountID string, micros int64, kind keys.SpendKind, now time.Time) (_ keys.Account, _ int64, err error) {
	defer l.spend.done(time.Now(), &err)
	return l.Ledger.Spend(ctx, accountID, micros, kind, now)
}

func (l *ledger) ChangeCredits(ctx context.Context, workspaceID, keyID string, change func(*keys.Credits) (*keys.Credits, error), ev keys.Event) (_ *keys.Credits, err error) {
	defer l.change.done(time.Now(), &err)
	return l.Ledger.ChangeCredits(ctx, workspaceID, keyID, change, ev)
}

// A store times those methods of a [keys.Store] that write most: keys, and
// usage. The others pass through.
type store struct {
	keys.Store
	insertKey, updateKey, deleteKey, addUsage operation
}

// Store returns s with what writes most timed.
func (m *Metrics) Store(s keys.Store) keys.Store {
	return &store{
		Store:     s,
		insertKey: m.operation("insert_key"),
		updateKey: m.operation("update_key"),
		deleteKey: m.operation("delete_key"),
		addUsage:  m.operation("add_usage"),
	}
}

func (s *store) InsertKey(ctx context.Context, k *keys.Key, ev keys.Event) (err error) {
	defer s.insertKey.done(time.Now(), &err)
	return s.Store.InsertKey(ctx, k, ev)
}

func (s *store) UpdateKey(ctx context.Context, workspaceID, keyID string, change func(*keys.Key) error, ev keys.Event) (_ keys.Key, err error) {
	defer s.updateKey.done(time.Now(), &err)
	return s.Store.UpdateKey(ctx, workspaceID, keyID, change, ev)
}

func (s *store) DeleteKey(ctx context.Context, workspaceID, keyID string, check func(*keys.Key) error, ev keys.Event) (err error) {
	defer s.deleteKey.done(time.Now(), &err)
	return s.Store.DeleteKey(ctx, workspaceID, keyID, check, ev)
}

func (s *store) AddUsage(ctx context.Context, counts []keys.Count, uses []keys.LastUse) (err error) {
	defer s.addUsage.done(time.Now(), &err)
	return s.Store.AddUsage(ctx, counts, uses)
}
