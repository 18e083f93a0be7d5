package keys

import (
	"cmp"
	"context"
	"strings"
	"time"

	"latchkey/internal/token"
)

// A UsageQuery selects counts and says how to add them up. Where From or To are
// zero, the time ends with the present hour, and has as many buckets as
// [usageSpans] says; no Bucket is an hour.
type UsageQuery struct {
	UsageFilter
	Identity string // id or external id
	Keyspace string // id or slug
}

// usageSpans bounds how much time a query adds up at once.
var usageSpans = map[Bucket]struct {
	usual  int                       // buckets, where the query does not say from when
	latest func(time.Time) time.Time // the latest end for a beginning
	most   string
}{
	HourBucket:  {24, func(from time.Time) time.Time { return from.AddDate(0, 0, 31) }, "31 days"},
	DayBucket:   {30, func(from time.Time) time.Time { return from.AddDate(0, 0, 400) }, "400 days"},
	MonthBucket: {12, func(from time.Time) time.Time { return from.AddDate(10, 0, 0) }, "10 years"},
}

// complete fills in the times that the query leaves open, and reports what is
// wrong with it.
func (q *UsageQuery) complete(now time.Time) error {
	var faults Faults
	if q.KeyID != "" && !token.ValidID("key", q.KeyID) {
		faults.Add("key", "must be the id of a key")
	}
	if strings.HasPrefix(q.Identity, "idn_") && !token.ValidID("idn", q.Identity) {
		faults.Add("identity", "must be the id or the external id of an identity")
	}
	q.Bucket = cmp.Or(q.Bucket, HourBucket)
	span, ok := usageSpans[q.Bucket]
	if !ok {
		faults.Add("bucket", "must be one of hour, day, month")
		return faults.Err()
	}
	if q.To.IsZero() {
		q.To = HourBucket.After(HourBucket.Start(now), 1)
	}
	if q.From.IsZero() {
		q.From = q.Bucket.After(q.Bucket.Start(q.To.Add(-1)), 1-span.usual)
	}
	switch {
	case !q.From.Before(q.To):
		faults.Add("from", "must be before to, which is %s", moment(q.To))
	case q.To.After(span.latest(q.From)):
		faults.Add("from", "must be at most %s before to, which is %s, where the bucket is %s", span.most, moment(q.To), q.Bucket)
	}
	return faults.Err()
}

// Usage adds up counts of verifications, the newest first. It also returns
// the query with the times for which it was answered.
func (m *Manager) Usage(ctx context.Context, by Actor, q UsageQuery) ([]UsageSum, UsageQuery, error) {
	if err := by.Need(ResUsage, "*", "read"); err != nil {
		return nil, q, err
	}
	if err := q.complete(m.Clock()); err != nil {
		return nil, q, err
	}
	// Counts outlive what they are of: an id is not looked up.
	q.KeyspaceID, q.OwnerID = q.Keyspace, q.Identity
	if q.Keyspace != "" && !token.ValidID("ks", q.Keyspace) {
		ks, err := m.Store.Keyspace(ctx, by.WorkspaceID, q.Keyspace)
		if Is(err, NotFound) {
			return nil, q, Faults{{Field: "keyspace", Detail: "there is no such keyspace"}}.Err()
		}
		if err != nil {
			return nil, q, err
		}
		q.KeyspaceID = ks.ID
	}
	if q.Identity != "" && !token.ValidID("idn", q.Identity) {
		i, err := m.Store.Identity(ctx, by.WorkspaceID, q.Identity)
		if Is(err, NotFound) {
			return nil, q, nil
		}
		if err != nil {
			return nil, q, err
		}
		q.OwnerID = i.ID
	}
	sums, err := m.Counts.Sums(ctx, by.WorkspaceID, q.UsageFilter)
	return sums, q, err
}
