package keys_test

import (
	"reflect"
	"slices"
	"testing"
	"time"

	"latchkey/internal/keys"
	"latchkey/internal/token"
)

func TestTagSet(t *testing.T) {
	for _, tt := range []struct {
		name       string
		tags, want []string
	}{
		{"none", nil, nil},
		{"one", []string{"a"}, []string{"a"}},
		{"in another order, and twice", []string{"b", "a", "b"}, []string{"a", "b"}},
		{"with what no column holds", []string{"b\x00a", "\xff"}, []string{"b\uFFFDa", "\uFFFD"}},
		{"with lines and spaces", []string{" a", "a\n", "ä"}, []string{" a", "a\n", "ä"}},
	} {
		before := slices.Clone(tt.tags)
		set := keys.NewTagSet(tt.tags)
		if got := set.Tags(); !slices.Equal(got, tt.want) || set.Len() != len(tt.want) {
			t.Errorf("%s: %d tags, %q, want %q", tt.name, set.Len(), got, tt.want)
		}
		if !slices.Equal(tt.tags, before) {
			t.Errorf("%s: the tags became %q", tt.name, tt.tags)
		}
		slices.Reverse(before)
		if again := keys.NewTagSet(before); again != set {
			t.Errorf("%s: in another order they are %q, want %q", tt.name, again, set)
		}
	}
}

func TestBuckets(t *testing.T) {
	at := time.Date(2028, 2, 29, 23, 59, 59, 999_999_999, time.FixedZone("", -3600)) // the 1st of March in UTC
	for bucket, want := range map[keys.Bucket][]string{                              // start, the next one, the twelfth before
		keys.HourBucket:  {"2028-03-01T00", "2028-03-01T01", "2028-02-29T12"},
		keys.DayBucket:   {"2028-03-01T00", "2028-03-02T00", "2028-02-18T00"},
		keys.MonthBucket: {"2028-03-01T00", "2028-04-01T00", "2027-03-01T00"},
	} {
		start := bucket.Start(at)
		var got []string
		for _, at := range []time.Time{start, bucket.After(start, 1), bucket.After(start, -12)} {
			got = append(got, at.Format("2006-01-02T15"))
		}
		if !slices.Equal(got, want) || start.Location() != time.UTC || !bucket.Start(start).Equal(start) {
			t.Errorf("%s: %v, want %v", bucket, got, want)
		}
	}
}

// sums asks for usage by the root key.
func (h *home) sums(q keys.UsageQuery) []keys.UsageSum {
	h.Helper()
	sums, _, err := h.manager.Usage(h.Context(), h.root, q)
	h.ok(err)
	return sums
}

// TestUsageTellsWhatWasTaken verifies in every way and reads the counts.
func TestUsageTellsWhatWasTaken(t *testing.T) {
	h := newHome(t)
	charged, secret := h.create(keys.KeySettings{Credits: credits(10), Owner: owner("cust_42"), Permissions: keys.Some([]string{"a"})})
	free, freeSecret := h.create(keys.KeySettings{})
	limited, limitedSecret := h.create(keys.KeySettings{Credits: credits(10), Limits: limits(limit("l", 1))})
	use := func(req keys.VerifyRequest) {
		h.Helper()
		h.verify(req)
	}
	use(keys.VerifyRequest{Secret: secret})                                                   // 1
	use(keys.VerifyRequest{Secret: secret, Cost: ptr[int64](3), Tags: []string{"x"}})         // 4
	use(keys.VerifyRequest{Secret: secret, Cost: ptr[int64](0)})                              // looks
	use(keys.VerifyRequest{Secret: secret, Cost: ptr[int64](7)})                              // refused
	use(keys.VerifyRequest{Secret: secret, Cost: ptr[int64](7), Clamp: true})                 // the 6 that are left
	use(keys.VerifyRequest{Secret: secret, Query: query(t, "b"), Tags: []string{"x", "y"}})   // refused
	use(keys.VerifyRequest{Secret: secret, Mode: keys.Inspection, Tags: []string{"looking"}}) // not counted
	use(keys.VerifyRequest{Secret: freeSecret, Cost: ptr[int64](5)})                          // of which it has none
	use(keys.VerifyRequest{Secret: limitedSecret, Cost: ptr[int64](2)})
	use(keys.VerifyRequest{Secret: limitedSecret, Cost: ptr[int64](2)}) // refused
	use(keys.VerifyRequest{Secret: token.New("unheard-of")})            // nobody's

	type line struct {
		outcome    string
		n, credits int64
	}
	lines := func(q keys.UsageQuery) (out []line) {
		h.Helper()
		q.By.Outcome = true
		for _, u := range h.sums(q) {
			out = append(out, line{u.Outcome, u.N, u.Credits})
		}
		return out
	}
	of := func(k keys.Key) keys.UsageQuery { return keys.UsageQuery{UsageFilter: keys.UsageFilter{KeyID: k.ID}} }
	for _, tt := range []struct {
		name string
		q    keys.UsageQuery
		want []line
	}{
		{"with credits", of(charged), []line{{"credits_exhausted", 1, 0}, {"insufficient_permissions", 1, 0}, {"valid", 4, 10}}},
		{"without", of(free), []line{{"valid", 1, 0}}},
		{"limited", of(limited), []line{{"rate_limited", 1, 0}, {"valid", 1, 2}}},
		{"one tag", keys.UsageQuery{UsageFilter: keys.UsageFilter{Tag: "x"}}, []line{{"insufficient_permissions", 1, 0}, {"valid", 1, 3}}},
		{"a tag of an inspection", keys.UsageQuery{UsageFilter: keys.UsageFilter{Tag: "looking"}}, nil},
		{"by external id", keys.UsageQuery{Identity: "cust_42"}, []line{{"credits_exhausted", 1, 0}, {"insufficient_permissions", 1, 0}, {"valid", 4, 10}}},
		{"by id", keys.UsageQuery{Identity: charged.Owner.ID}, []line{{"credits_exhausted", 1, 0}, {"insufficient_permissions", 1, 0}, {"valid", 4, 10}}},
		{"nobody's", keys.UsageQuery{Identity: "cust_43"}, nil},
		{"one keyspace", keys.UsageQuery{Keyspace: keys.DefaultKeyspace}, []line{{"credits_exhausted", 1, 0}, {"insufficient_permissions", 1, 0}, {"rate_limited", 1, 0}, {"valid", 6, 12}}},
		{"by its id", keys.UsageQuery{Keyspace: free.KeyspaceID}, []line{{"credits_exhausted", 1, 0}, {"insufficient_permissions", 1, 0}, {"rate_limited", 1, 0}, {"valid", 6, 12}}},
	} {
		if got := lines(tt.q); !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
	elsewhere := h.below("acme")
	if sums, _, err := h.manager.Usage(t.Context(), elsewhere, of(free)); err != nil || len(sums) != 0 {
		t.Errorf("from another workspace: %v, %v", sums, err)
	}
}

// TestUsageOutlivesTheKey deletes the key, its owner and its keyspace.
func TestUsageOutlivesTheKey(t *testing.T) {
	h := newHome(t)
	_, err := h.manager.CreateKeyspace(t.Context(), h.root, keys.Keyspace{Slug: "gone", Policy: keys.DefaultPolicy()})
	h.ok(err)
	k, secret, err := h.manager.CreateKey(t.Context(), h.root, keys.NewKey{Keyspace: "gone", KeySettings: keys.KeySettings{Owner: owner("cust_42"), Credits: credits(5)}})
	h.ok(err)
	h.verify(keys.VerifyRequest{Secret: secret, Tags: []string{"x"}})
	h.ok(h.manager.DeleteKey(t.Context(), h.root, k.ID, keys.Match{})) // before anything of it is written
	h.usage.Spent(&k, 700, h.clock())                                  // as for what was set aside
	h.ok(h.manager.DeleteIdentity(t.Context(), h.root, k.Owner.ID, keys.Match{}))
	h.ok(h.manager.DeleteKeyspace(t.Context(), h.root, "gone", keys.Match{}))
	for name, q := range map[string]keys.UsageQuery{
		"by key": {UsageFilter: keys.UsageFilter{KeyID: k.ID}}, "by owner": {Identity: k.Owner.ID}, "by keyspace": {Keyspace: k.KeyspaceID},
	} {
		q.By = keys.UsageGroups{Key: true, Owner: true}
		want := []keys.UsageSum{{Start: h.clock(), KeyID: k.ID, Owner: keys.Owner{ID: k.Owner.ID}, N: 1, Charged: keys.Charged{Credits: 1, Micros: 700}}}
		if got := h.sums(q); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, want %+v", name, got, want)
		}
	}
	tagged := keys.UsageQuery{UsageFilter: keys.UsageFilter{Tag: "x"}}
	if got := h.sums(tagged); len(got) != 1 || got[0].N != 1 || got[0].Micros != 0 {
		t.Errorf("by tag: %+v", got)
	}
}

// TestUsageTimes has times that are left open, and some that are too far apart.
func TestUsageTimes(t *testing.T) {
	h := newHome(t)
	h.pass(30 * time.Minute)
	day := time.Date(2030, 1, 15, 0, 0, 0, 0, time.UTC)
	nextHour := day.Add(13 * time.Hour)
	for _, tt := range []struct {
		name     string
		bucket   keys.Bucket
		from, to time.Time
		wantFrom time.Time // zero: a fault
		wantTo   time.Time
	}{
		{name: "none", wantFrom: nextHour.Add(-24 * time.Hour), wantTo: nextHour},
		{name: "days", bucket: keys.DayBucket, wantFrom: day.AddDate(0, 0, -29), wantTo: nextHour},
		{name: "months", bucket: keys.MonthBucket, wantFrom: time.Date(2029, 2, 1, 0, 0, 0, 0, time.UTC), wantTo: nextHour},
		{name: "a beginning", bucket: keys.DayBucket, from: day.Add(1), wantFrom: day.Add(1), wantTo: nextHour},
		{name: "an end", bucket: keys.MonthBucket, to: day.AddDate(0, 0, -14), wantFrom: time.Date(2029, 1, 1, 0, 0, 0, 0, time.UTC), wantTo: day.AddDate(0, 0, -14)},
		{name: "as many hours as there may be", from: nextHour.AddDate(0, 0, -31), wantFrom: nextHour.AddDate(0, 0, -31), wantTo: nextHour},
		{name: "more hours", from: nextHour.AddDate(0, 0, -31).Add(-1)},
		{name: "as many days as there may be", bucket: keys.DayBucket, from: day.AddDate(0, 0, -400), to: day, wantFrom: day.AddDate(0, 0, -400), wantTo: day},
		{name: "more days", bucket: keys.DayBucket, from: day.AddDate(0, 0, -401), to: day},
		{name: "as many months as there may be", bucket: keys.MonthBucket, from: day.AddDate(-10, 0, 0), to: day, wantFrom: day.AddDate(-10, 0, 0), wantTo: day},
		{name: "more months", bucket: keys.MonthBucket, from: time.Date(1, 1, 1, 0, 0, 0, 1, time.UTC), to: day},
		{name: "nothing", from: day, to: day},
		{name: "backwards", from: day, to: day.Add(-1)},
		{name: "what is to come", from: day.AddDate(1, 0, 0)},
	} {
		f := keys.UsageFilter{Bucket: tt.bucket, From: tt.from, To: tt.to}
		_, q, err := h.manager.Usage(t.Context(), h.root, keys.UsageQuery{UsageFilter: f})
		if tt.wantFrom.IsZero() {
			if got := fields(err); !slices.Equal(got, []string{"from"}) {
				t.Errorf("%s: %v, want a fault in from", tt.name, err)
			}
		} else if err != nil || !q.From.Equal(tt.wantFrom) || !q.To.Equal(tt.wantTo) {
			t.Errorf("%s: %v to %v, %v, want %v to %v", tt.name, q.From, q.To, err, tt.wantFrom, tt.wantTo)
		}
	}
	for field, q := range map[string]keys.UsageQuery{
		"bucket": {UsageFilter: keys.UsageFilter{Bucket: "week"}}, "key": {UsageFilter: keys.UsageFilter{KeyID: "sec_00000000000000001"}},
		"identity": {Identity: "idn_1"}, "keyspace": {Keyspace: "unheard-of"},
	} {
		if _, _, err := h.manager.Usage(t.Context(), h.root, q); !slices.Equal(fields(err), []string{field}) {
			t.Errorf("%+v: %v, want a fault in %s", q, err, field)
		}
	}
}
