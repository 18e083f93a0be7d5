package store

import (
	"context"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"latchkey/internal/keys"
	"latchkey/internal/token"
)

// A bazaar is a workspace in which keys come, spend, change and go all the time.
type bazaar struct {
	*testing.T
	*Store
	ws     keys.Workspace
	moved  atomic.Int64
	mu     sync.Mutex
	spaces []string
	all    []keys.Key // some of which are gone
}

func (z *bazaar) event(action string) keys.Event {
	return keys.Event{ID: token.NewID("evt"), WorkspaceID: z.ws.ID, At: time.Now(), Action: action}
}

// tolerate fails the test for an error that is not one of what is gone.
func (z *bazaar) tolerate(what string, err error) {
	if err != nil && !keys.Is(err, keys.NotFound) {
		z.Errorf("%s: %v", what, err)
	}
}

// open adds a keyspace with some keys.
func (z *bazaar) open() {
	ctx := context.Background()
	ks := keys.Keyspace{ID: token.NewID("ks"), WorkspaceID: z.ws.ID, Slug: token.NewID("x")[2:], Policy: keys.DefaultPolicy()}
	if err := z.InsertKeyspace(ctx, &ks, z.event("keyspace.create")); err != nil {
		z.Error(err)
	}
	var made []keys.Key
	for range 6 {
		id := token.NewID("key")
		k := keys.Key{ID: id, WorkspaceID: z.ws.ID, KeyspaceID: ks.ID, AccountID: id, Enabled: true}
		if rand.IntN(2) == 0 {
			k.Money = &keys.Money{Budget: &keys.Budget{Limit: 1_000_000}}
		}
		if err := z.InsertKey(ctx, &k, z.event("key.create")); err != nil {
			z.Error(err)
		}
		made = append(made, k)
	}
	z.mu.Lock()
	defer z.mu.Unlock()
	z.spaces, z.all = append(z.spaces, ks.ID), append(z.all, made...)
}

func (z *bazaar) anyKey() keys.Key {
	z.mu.Lock()
	defer z.mu.Unlock()
	return z.all[rand.IntN(len(z.all))]
}

func (z *bazaar) anySpace() string {
	z.mu.Lock()
	defer z.mu.Unlock()
	i := rand.IntN(len(z.spaces))
	id := z.spaces[i]
	z.spaces = append(z.spaces[:i], z.spaces[i+1:]...)
	return id
}

// trade spends with keys, until keys have changed and gone as often as is asked.
func (z *bazaar) trade(changes int) {
	ctx := context.Background()
	var wg sync.WaitGroup
	var over atomic.Bool
	for range 4 {
		wg.Go(func() {
			for !over.Load() {
				k, n := z.anyKey(), 1+rand.Int64N(9)
				if rand.IntN(2) == 0 {
					_, took, _, err := z.Use(ctx, k.AccountID, keys.Charge{Micros: n, Bounded: k.Money != nil}, nil, time.Now())
					z.tolerate("use", err)
					z.moved.Add(took.Micros)
				} else {
					_, moved, err := z.Spend(ctx, k.AccountID, n, keys.SpendOwn, time.Now())
					z.tolerate("spend", err)
					z.moved.Add(moved)
				}
			}
		})
	}
	for range changes {
		k := z.anyKey()
		switch rand.IntN(8) {
		case 0:
			z.open()
			err := z.DeleteKeyspace(ctx, z.ws.ID, z.anySpace(), func(*keys.Keyspace) error { return nil }, z.event("keyspace.delete"))
			z.tolerate("delete a keyspace", err)
		case 1, 2:
			err := z.DeleteKey(ctx, z.ws.ID, k.ID, func(*keys.Key) error { return nil }, z.event("key.delete"))
			z.tolerate("delete a key", err)
		case 3:
			_, err := z.ChangeCredits(ctx, z.ws.ID, k.ID, func(*keys.Credits) (*keys.Credits, error) {
				return &keys.Credits{Remaining: 1_000_000}, nil
			}, z.event("key.credits"))
			z.tolerate("change credits", err)
		case 4:
			// Whatever is at rest is let go from memory, as if it had been for long.
			z.tolerate("sweep", z.write(ctx, func(*txn) error {
				z.balances.swept = time.Time{}
				z.balances.sweep(time.Now().Add(time.Hour))
				z.balances.swept = time.Now()
				return nil
			}))
		default:
			_, err := z.UpdateKey(ctx, z.ws.ID, k.ID, func(k *keys.Key) error {
				m := keys.Money{}
				if k.Money != nil {
					m = *k.Money
				}
				m.Budget = &keys.Budget{Limit: 1_000_000 + rand.Int64N(100)}
				k.Money = &m
				return nil
			}, z.event("key.update"))
			z.tolerate("update", err)
		}
	}
	over.Store(true)
	wg.Wait()
}

// TestNothingIsLostWhateverGoes lets keys come and go at random while others spend,
// with a journal that is short: what was moved is what was spent, in memory and
// after a crash.
func TestNothingIsLostWhateverGoes(t *testing.T) {
	for name, relaxed := range map[string]bool{"strict": false, "relaxed": true} {
		t.Run(name, func(t *testing.T) {
			z := &bazaar{T: t}
			var path string
			z.Store, z.ws, path = newSQLite(t)
			for round := range 2 {
				z.balances.foldAfter, z.balances.deleteAfter = 20, 5
				if relaxed {
					z.Relax()
				}
				for range 4 {
					z.open()
				}
				z.trade(60)
				check := func(what string, s *Store) {
					if own, _, err := s.Spent(t.Context(), z.ws.ID); err != nil || own != z.moved.Load() {
						t.Errorf("round %d, %s: %d were spent, %v; want %d", round, what, own, err, z.moved.Load())
					}
				}
				check("in memory", z.Store)
				if !relaxed {
					check("after a crash", crash(t, path))
				}
				if err := z.Close(); err != nil {
					t.Fatal(err)
				}
				var err error
				if z.Store, err = Open(t.Context(), "sqlite:"+path); err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { z.Store.Close() })
				check("after a stop", z.Store)
			}
			if z.moved.Load() == 0 {
				t.Error("nothing was spent")
			}
		})
	}
}
