package keys

import (
	"fmt"
	"math"
	"net/netip"
	"runtime"
	"testing"
	"time"

	"latchkey/internal/ratelimit"
	"latchkey/internal/token"
)

// plainFacts are what a store reads of a key that has nothing but a name.
func plainFacts() *Facts {
	k := Key{ID: token.NewID("key"), WorkspaceID: "ws_1", KeyspaceID: "ks_1", Name: "bench", Enabled: true, Version: 1}
	k.AccountID = k.ID
	k.Secrets = []Secret{{ID: token.NewID("sec"), Start: "lk_abcd", End: "wxyz"}}
	return &Facts{
		Key: k, SecretID: k.Secrets[0].ID, Live: true,
		Keyspace:  Keyspace{ID: "ks_1", WorkspaceID: "ws_1", Slug: "default", Policy: Policy{Environments: []string{"live", "test"}}},
		Workspace: Workspace{ID: "ws_1", Slug: "default", Path: "default", Enabled: true},
	}
}

// TestRecordSize fills a cache with plain keys as look-ups do and asks the
// runtime what each takes: record, place in the table and share of what they
// share.
func TestRecordSize(t *testing.T) {
	const n, most = 100_000, 300
	c := &Cache{each: n}
	heap := func() uint64 {
		runtime.GC()
		runtime.GC() // what the first only marked
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := heap()
	for i := range n {
		rec := NewRecord(plainFacts())
		c.admit(rec, token.New(fmt.Sprint(i)).Sum(), 0)
		c.shards[rec.hash[0]%cacheShards].put(rec, c.each)
	}
	each := float64(heap()-before) / n
	if got := c.Stats().Records; got != n {
		t.Fatalf("the cache holds %d records", got)
	}
	if t.Logf("a cached plain key takes %.0f bytes", each); each > most {
		t.Errorf("a cached plain key takes %.0f bytes, want at most %d", each, most)
	}
}

// TestRecordFacts makes records of facts, and reads from them what the facts
// say.
func TestRecordFacts(t *testing.T) {
	now := time.Date(2030, 1, 15, 12, 0, 0, 0, time.UTC)
	for name, change := range map[string]func(*Facts){
		"plain":           func(*Facts) {},
		"without texts":   func(f *Facts) { f.Key.Name, f.SecretID = "", "" },
		"with all texts":  func(f *Facts) { f.Key.Name, f.Key.Environment = "name", "live" },
		"an environment":  func(f *Facts) { f.Key.Name, f.Key.Environment = "", "live" },
		"an end":          func(f *Facts) { f.Key.ExpiresAt = now },
		"a far end":       func(f *Facts) { f.Key.ExpiresAt = time.Date(9999, 12, 31, 23, 59, 59, 999e6, time.UTC) },
		"an owner":        func(f *Facts) { f.Owner = &Identity{ID: "idn_1"} },
		"a permission":    func(f *Facts) { f.Permissions = []string{"a"} },
		"a role":          func(f *Facts) { f.Key.Roles = []string{"r"} },
		"an address":      func(f *Facts) { f.Key.AllowedIPs = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")} },
		"a limit":         func(f *Facts) { f.Key.Limits = []ratelimit.Limit{{Name: "off", Disabled: true}} },
		"metadata":        func(f *Facts) { f.Key.Meta = `{"a":1}` },
		"another account": func(f *Facts) { f.Key.AccountID = "key_before" },
		"disabled":        func(f *Facts) { f.Key.Enabled = false },
		"not live":        func(f *Facts) { f.Live = false },
	} {
		f := plainFacts()
		change(f)
		r := NewRecord(f)
		k := &f.Key
		type texts struct{ id, secret, name, environment, account, owner string }
		got := texts{r.ID(), r.SecretID(), r.Name(), r.Environment(), r.AccountID(), r.OwnerID()}
		want := texts{k.ID, f.SecretID, k.Name, k.Environment, k.AccountID, ""}
		if f.Owner != nil {
			want.owner = f.Owner.ID
		}
		if got != want {
			t.Errorf("%s: %+v, want %+v", name, got, want)
		}
		if !r.ExpiresAt().Equal(k.ExpiresAt) || r.expired(now) != k.Expired(now) || r.expired(now.Add(-1)) != k.Expired(now.Add(-1)) {
			t.Errorf("%s: expires at %v, want %v", name, r.ExpiresAt(), k.ExpiresAt)
		}
		if fmt.Sprint(r.Owner, r.Permissions, r.Roles, r.AllowedIPs, r.Limits, r.Meta, r.Enabled, r.Live) !=
			fmt.Sprint(f.Owner, f.Permissions, k.Roles, k.AllowedIPs, k.Limits, k.Meta, k.Enabled, f.Live) {
			t.Errorf("%s: %+v", name, *r.Particulars)
		}
		few := map[string]bool{"plain": true, "without texts": true, "with all texts": true, "an environment": true,
			"an end": true, "a far end": true, "disabled": true, "not live": true}
		if shared := r.Particulars == &plain; shared != few[name] {
			t.Errorf("%s: shares what most keys do not have: %t", name, shared)
		}
	}
}

// TestSecretEnds asks whether a secret still works before and at its end.
func TestSecretEnds(t *testing.T) {
	f := plainFacts()
	if r := NewRecord(f); r.ends != math.MaxInt64 {
		t.Errorf("a secret without end ends at %d", r.ends)
	}
	end := time.Date(2030, 1, 15, 12, 0, 0, 5e6, time.UTC)
	f.Key.Secrets = append(f.Key.Secrets, Secret{ID: "sec_other", ExpiresAt: end.Add(time.Hour)})
	f.Key.Secrets[0].ExpiresAt = end
	if r := NewRecord(f); !r.secretLive(end.Add(-1)) || r.secretLive(end) {
		t.Error("the secret does not end when it should")
	}
}

// TestScopeTable shares what is equal, and nothing else.
func TestScopeTable(t *testing.T) {
	var table scopeTable
	scope := func(change func(*Facts)) *Scope {
		f := plainFacts()
		change(f)
		return table.share(newScope(f))
	}
	first := scope(func(*Facts) {})
	if scope(func(*Facts) {}) != first {
		t.Error("equal scopes are two")
	}
	for name, change := range map[string]func(*Facts){
		"not live":           func(f *Facts) { f.Live = false },
		"another path":       func(f *Facts) { f.Workspace.Path = "default.a" },
		"another policy":     func(f *Facts) { f.Keyspace.Policy.Environments[1] = "dev" },
		"another keyspace":   func(f *Facts) { f.Keyspace.ID = "ks_2" },
		"a root key's":       func(f *Facts) { f.Keyspace = Keyspace{} },
		"the keyspace moved": func(f *Facts) { f.Keyspace.Version++ },
	} {
		got := scope(change)
		f := plainFacts()
		change(f)
		if got == first || fmt.Sprint(*got) != fmt.Sprint(*newScope(f)) {
			t.Errorf("%s: shared %+v", name, *got)
		}
	}
	for i := range 3 * maxScopes {
		scope(func(f *Facts) { f.Keyspace.ID = fmt.Sprint(i) })
	}
	if n := len(table.scopes); n > maxScopes {
		t.Errorf("%d scopes are held", n)
	}
}
