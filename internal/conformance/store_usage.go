package conformance

import (
	"context"
	"fmt"
	"slices"
	"time"

	"latchkey/internal/keys"
	"latchkey/internal/token"
)

var usageCases = []storeCase{
	{name: "Usage/AddsUp", run: usageAddsUp},
	{name: "Usage/AtOnce", run: usageAtOnce},
	{name: "Usage/LastUse", run: usageLastUse},
	{name: "Usage/ManyLastUses", run: usageManyLastUses},
	{name: "Usage/OfWhatGoes", run: usageOfWhatGoes},
	{name: "Usage/Prune", run: usagePrune, alone: true},
	{name: "Usage/Sums", run: usageSums},
	{name: "Usage/SumsByTime", run: usageSumsByTime},
	{name: "Usage/SumsInPages", run: usageSumsInPages},
	{name: "Usage/SumsInTime", run: usageSumsInTime},
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
	c := keys.Count{WorkspaceID: h.ws.ID, KeyspaceID: h.ks.ID, KeyID: keyID, OwnerID: "idn_1", Outcome: outcome, Tags: keys.NewTagSet([]string{"b", "a"}),
		Hour: now.Truncate(time.Hour).Add(time.Duration(hour) * time.Hour), N: n, Charged: keys.Charged{Credits: 2 * n, Micros: 3 * n}}
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
	for n := -1; n != 0; {
		var err error
		if n, err = h.s.PruneUsage(h.Context(), before, 2); n < 0 || n > 2 || err != nil {
			h.Fatalf("PruneUsage = %d, %v; want at most 2", n, err)
		}
	}
	h.equal("what is left", h.count(id, keys.Valid, 0, 9), int64(2))
}

// usageManyLastUses moves more last uses than go into one statement.
func usageManyLastUses(h *home) {
	var all []keys.Key
	var uses []keys.LastUse
	for n := range 75 {
		k := h.insert(h.bareKey())
		all = append(all, k)
		uses = append(uses, keys.LastUse{KeyID: k.ID, SecretID: k.Secrets[0].ID, At: now.Add(time.Duration(n) * time.Second)})
	}
	h.ok(h.s.AddUsage(h.Context(), nil, uses))
	for n, k := range all {
		if got := h.key(k.ID); !got.LastUsedAt.Equal(uses[n].At) || !got.Secrets[0].LastUsedAt.Equal(uses[n].At) {
			h.Errorf("key %d was last used at %v, its secret at %v, want %v", n, got.LastUsedAt, got.Secrets[0].LastUsedAt, uses[n].At)
		}
	}
}

// A usageScene has counts of two keys of two owners in two keyspaces.
type usageScene struct {
	a, b         string // keys
	owned        keys.Identity
	gone         string // the id of an owner that is not there
	other        string // another keyspace
	begin, after time.Time
}

// usageScene writes counts whose numbers are powers of two.
func (h *home) usageScene() usageScene {
	h.Helper()
	s := usageScene{a: token.NewID("key"), b: token.NewID("key"), gone: token.NewID("idn"), other: token.NewID("ks"), begin: now.Truncate(time.Hour)}
	s.after = s.begin.Add(2 * time.Hour)
	s.owned = keys.Identity{ID: token.NewID("idn"), WorkspaceID: h.ws.ID, ExternalID: "cust_42", Kind: keys.Customer, Enabled: true, CreatedAt: now, UpdatedAt: now}
	h.ok(h.s.InsertIdentity(h.Context(), &s.owned, h.event("identity.create")))
	count := func(key, owner, keyspace string, outcome keys.Outcome, hour int, n int64, tags ...string) keys.Count {
		c := h.usage(key, outcome, hour, n)
		c.OwnerID, c.KeyspaceID, c.Tags = owner, keyspace, keys.NewTagSet(tags)
		return c
	}
	elsewhere := count(s.a, s.owned.ID, h.ks.ID, keys.Valid, 0, 1024, "x")
	elsewhere.WorkspaceID = token.NewID("ws")
	h.ok(h.s.AddUsage(h.Context(), []keys.Count{
		count(s.a, s.owned.ID, h.ks.ID, keys.Valid, 0, 1),
		count(s.a, s.owned.ID, h.ks.ID, keys.Valid, 0, 2, "x"),
		count(s.a, s.owned.ID, h.ks.ID, keys.Valid, 1, 4, "x", "y"),
		count(s.a, s.owned.ID, h.ks.ID, keys.WrongKeyspace, 0, 8, "x"),
		count(s.a, s.owned.ID, h.ks.ID, keys.AddressRefused, 0, 16),
		count(s.b, s.gone, s.other, keys.Valid, 0, 32, "y"),
		count(s.b, "", s.other, keys.Valid, 0, 64),
		count(s.b, s.gone, s.other, keys.Valid, -1, 128, "x"),
		count(s.b, s.gone, s.other, keys.Valid, 2, 256, "x"),
		elsewhere,
	}, nil))
	return s
}

// lines returns sums as short lines. What they took is checked against their
// number.
func (h *home) lines(begin time.Time, names map[string]string, sums []keys.UsageSum) (out []string) {
	h.Helper()
	for _, u := range sums {
		if want := (keys.Charged{Credits: 2 * u.N, Micros: 3 * u.N}); u.Charged != want {
			h.Errorf("%d uses took %+v, want %+v", u.N, u.Charged, want)
		}
		line := fmt.Sprintf("%v:", u.Start.Sub(begin).Hours())
		for _, word := range []string{u.Outcome, names[u.KeyID], names[u.Owner.ID], u.Owner.ExternalID, u.Tag} {
			if word != "" {
				line += " " + word
			}
		}
		out = append(out, fmt.Sprintf("%s %d", line, u.N))
	}
	return out
}

func usageSums(h *home) {
	s := h.usageScene()
	names := map[string]string{s.a: "a", s.b: "b", s.owned.ID: "owned", s.gone: "gone"}
	word := func(o keys.Outcome) string {
		if o == keys.WrongKeyspace || o == keys.AddressRefused {
			return "forbidden"
		}
		return o.String()
	}
	for _, c := range []struct {
		name string
		f    keys.UsageFilter
		want []string
	}{
		{"all", keys.UsageFilter{}, []string{"1: 4", "0: 123"}},
		{"one key", keys.UsageFilter{KeyID: s.a}, []string{"1: 4", "0: 27"}},
		{"one owner", keys.UsageFilter{OwnerID: s.gone}, []string{"0: 32"}},
		{"one keyspace", keys.UsageFilter{KeyspaceID: s.other}, []string{"0: 96"}},
		{"one keyspace and key", keys.UsageFilter{KeyspaceID: s.other, KeyID: s.a}, nil},
		{"one tag", keys.UsageFilter{Tag: "x"}, []string{"1: 4", "0: 10"}},
		{"one tag and key", keys.UsageFilter{Tag: "y", KeyID: s.b}, []string{"0: 32"}},
		{"one tag, owner and keyspace", keys.UsageFilter{Tag: "x", OwnerID: s.owned.ID, KeyspaceID: h.ks.ID}, []string{"1: 4", "0: 10"}},
		{"a tag that is none", keys.UsageFilter{Tag: "a"}, nil},
		{"by outcome", keys.UsageFilter{By: keys.UsageGroups{Outcome: true}},
			[]string{"1: valid 4", "0: address_refused 16", "0: valid 99", "0: wrong_keyspace 8"}},
		{"by the word for the outcome", keys.UsageFilter{By: keys.UsageGroups{Outcome: true}, Word: word},
			[]string{"1: valid 4", "0: forbidden 24", "0: valid 99"}},
		{"by key", keys.UsageFilter{By: keys.UsageGroups{Key: true}}, []string{"1: a 4", "0: a 27", "0: b 96"}},
		{"by owner", keys.UsageFilter{By: keys.UsageGroups{Owner: true}},
			[]string{"1: owned cust_42 4", "0: 64", "0: owned cust_42 27", "0: gone 32"}},
		{"by tag", keys.UsageFilter{By: keys.UsageGroups{Tag: true}}, []string{"1: x 4", "1: y 4", "0: x 10", "0: y 32"}},
		{"one tag by tag", keys.UsageFilter{Tag: "x", By: keys.UsageGroups{Tag: true}}, []string{"1: x 4", "0: x 10"}},
		{"by everything", keys.UsageFilter{By: keys.UsageGroups{Outcome: true, Key: true, Owner: true, Tag: true}, Word: word},
			[]string{"1: valid a owned cust_42 x 4", "1: valid a owned cust_42 y 4", "0: forbidden a owned cust_42 x 8",
				"0: valid a owned cust_42 x 2", "0: valid b gone y 32"}},
	} {
		c.f.From, c.f.To, c.f.Bucket = s.begin, s.after, keys.HourBucket
		got, err := h.s.SumUsage(h.Context(), h.ws.ID, c.f)
		h.ok(err)
		if s.gone < s.owned.ID { // owners are in the order of their ids, which are as old as each other
			slices.Sort(c.want)
			lines := h.lines(s.begin, names, got)
			slices.Sort(lines)
			h.equal(c.name, lines, c.want)
			continue
		}
		h.equal(c.name, h.lines(s.begin, names, got), c.want)
	}
}

// usageSumsByTime has counts at the ends of days, months and a leap of a year.
func usageSumsByTime(h *home) {
	var counts []keys.Count
	for i, at := range []string{
		"2028-02-28T23:00:00Z", "2028-02-29T00:00:00Z", "2028-02-29T23:00:00Z", "2028-03-01T00:00:00Z", "2028-12-31T23:00:00Z",
		"2029-01-01T00:00:00Z", "2029-02-28T23:00:00Z", "2029-03-01T00:00:00Z", "2029-03-31T23:00:00Z", "2029-04-01T00:00:00Z",
	} {
		c := h.usage(token.NewID("key"), keys.Valid, 0, 1<<i)
		c.Hour, _ = time.Parse(time.RFC3339, at)
		counts = append(counts, c)
	}
	h.ok(h.s.AddUsage(h.Context(), counts, nil))
	from, to := time.Date(2028, 2, 28, 23, 0, 0, 0, time.UTC), time.Date(2029, 4, 1, 0, 0, 0, 1, time.UTC)
	for _, c := range []struct {
		bucket   keys.Bucket
		from, to time.Time
		want     map[string]int64
	}{
		{keys.MonthBucket, from, to, map[string]int64{"2028-02-01T00": 7, "2028-03-01T00": 8, "2028-12-01T00": 16, "2029-01-01T00": 32,
			"2029-02-01T00": 64, "2029-03-01T00": 384, "2029-04-01T00": 512}},
		{keys.MonthBucket, from.Add(1), to.Add(-1), map[string]int64{"2028-02-01T00": 6, "2028-03-01T00": 8, "2028-12-01T00": 16,
			"2029-01-01T00": 32, "2029-02-01T00": 64, "2029-03-01T00": 384}},
		{keys.DayBucket, from, from.AddDate(0, 0, 2), map[string]int64{"2028-02-28T00": 1, "2028-02-29T00": 6, "2028-03-01T00": 8}},
		{keys.HourBucket, from, from.Add(2 * time.Hour), map[string]int64{"2028-02-28T23": 1, "2028-02-29T00": 2}},
	} {
		for _, f := range []keys.UsageFilter{{}, {By: keys.UsageGroups{Outcome: true}, OwnerID: "idn_1"}, {Tag: "a"}} {
			f.Bucket, f.From, f.To = c.bucket, c.from, c.to
			sums, err := h.s.SumUsage(h.Context(), h.ws.ID, f)
			h.ok(err)
			got := map[string]int64{}
			for i, u := range sums {
				got[u.Start.Format("2006-01-02T15")] = u.N
				if i > 0 && !u.Start.Before(sums[i-1].Start) {
					h.Errorf("%v comes after %v", u.Start, sums[i-1].Start)
				}
			}
			h.equal(fmt.Sprintf("by %s from %v to %v", c.bucket, c.from, c.to), got, c.want)
		}
	}
}

// usageSumsInPages reads page after page while more is counted.
func usageSumsInPages(h *home) {
	s := h.usageScene()
	for _, bucket := range []keys.Bucket{keys.HourBucket, keys.DayBucket, keys.MonthBucket} {
		f := keys.UsageFilter{From: s.begin.Add(-time.Hour), To: s.begin.Add(3 * time.Hour), Bucket: bucket,
			By: keys.UsageGroups{Outcome: true, Key: true, Owner: true, Tag: true}}
		whole, err := h.s.SumUsage(h.Context(), h.ws.ID, f)
		h.ok(err)
		var paged []keys.UsageSum
		f.Limit = 2
		for {
			page, err := h.s.SumUsage(h.Context(), h.ws.ID, f)
			h.ok(err)
			paged = append(paged, page...)
			if len(page) < f.Limit {
				break
			}
			f.After = &page[1]
			h.ok(h.s.AddUsage(h.Context(), []keys.Count{h.usage(s.b, keys.Valid, 9, 1)}, nil)) // after To
		}
		h.equal("the pages by "+string(bucket), paged, whole)
		if len(whole) < 5 {
			h.Errorf("there are %d rows by %s, too few to tell anything", len(whole), bucket)
		}
	}
}

func usageSumsInTime(h *home) {
	ctx, cancel := context.WithCancel(h.Context())
	cancel()
	_, err := h.s.SumUsage(ctx, h.ws.ID, keys.UsageFilter{From: now, To: now.Add(time.Hour), Bucket: keys.HourBucket})
	h.code(err, keys.Unavailable)
}
