package store

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"latchkey/internal/keys"
	"latchkey/internal/pgtest"
	"latchkey/internal/token"
)

// A room is a workspace with a keyspace, a key that has spent, and a code.
type room struct {
	*Store
	ctx  context.Context
	ws   keys.Workspace
	ks   keys.Keyspace
	k    keys.Key
	code keys.OneTimeCode
}

func (r *room) event(action string) keys.Event {
	return keys.Event{ID: token.NewID("evt"), WorkspaceID: r.ws.ID, At: time.Now(), Action: action}
}

func (r *room) newKey() keys.Key {
	id := token.NewID("key")
	return keys.Key{ID: id, WorkspaceID: r.ws.ID, KeyspaceID: r.ks.ID, AccountID: id, Enabled: true}
}

func (r *room) newCode() keys.OneTimeCode {
	id := token.NewID("code")
	return keys.OneTimeCode{ID: id, WorkspaceID: r.ws.ID, KeyspaceID: r.ks.ID, Hash: token.New(id).Sum(), ExpiresAt: time.Now().Add(time.Hour)}
}

func newRoom(t *testing.T, s *Store) *room {
	t.Helper()
	id := token.NewID("ws")
	r := &room{Store: s, ctx: t.Context(), ws: keys.Workspace{ID: id, UUID: id, Slug: id, Path: id, Enabled: true}}
	r.ks = keys.Keyspace{ID: token.NewID("ks"), WorkspaceID: id, Slug: "default", Policy: keys.DefaultPolicy()}
	err := s.InsertWorkspace(r.ctx, &r.ws, &r.ks, r.event("workspace.create"))
	if err == nil {
		r.k = r.newKey()
		err = s.InsertKey(r.ctx, &r.k, r.event("key.create"))
	}
	if err == nil {
		_, _, err = s.Spend(r.ctx, r.k.AccountID, 5, keys.SpendOwn, time.Now())
	}
	if err == nil {
		r.code = r.newCode()
		err = s.InsertCode(r.ctx, &r.code, 100, r.event("code.create"))
	}
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// operations are those that lock more than one row; pause is called in their
// midst, where they have one.
var operations = map[string]func(r *room, pause func()) error{
	"DeleteKey": func(r *room, pause func()) error {
		return r.DeleteKey(r.ctx, r.ws.ID, r.k.ID, func(*keys.Key) error { pause(); return nil }, r.event("key.delete"))
	},
	"DeleteKeyspace": func(r *room, pause func()) error {
		return r.DeleteKeyspace(r.ctx, r.ws.ID, r.ks.ID, func(*keys.Keyspace) error { pause(); return nil }, r.event("keyspace.delete"))
	},
	"DeleteWorkspace": func(r *room, pause func()) error {
		return r.DeleteWorkspace(r.ctx, r.ws.ID, func(*keys.Workspace) error { pause(); return nil }, r.event("workspace.delete"))
	},
	"RedeemCode": func(r *room, pause func()) error {
		return r.RedeemCode(r.ctx, r.ws.ID, r.code.ID, func(*keys.OneTimeCode) (*keys.Key, error) {
			pause()
			k := r.newKey()
			k.Owner.ExternalID = "redeemer"
			return &k, nil
		}, r.event("code.redeem"))
	},
	"UpdateKey": func(r *room, pause func()) error {
		_, err := r.UpdateKey(r.ctx, r.ws.ID, r.k.ID, func(k *keys.Key) error {
			pause()
			k.Owner = keys.Owner{ExternalID: "owner"}
			return nil
		}, r.event("key.update"))
		return err
	},
	"ChangeCredits": func(r *room, pause func()) error {
		_, err := r.ChangeCredits(r.ctx, r.ws.ID, r.k.ID, func(*keys.Credits) (*keys.Credits, error) {
			pause()
			return &keys.Credits{Remaining: 1}, nil
		}, r.event("key.credits"))
		return err
	},
	"InsertKey": func(r *room, _ func()) error {
		k := r.newKey()
		k.Owner.ExternalID = "newcomer"
		return r.InsertKey(r.ctx, &k, r.event("key.create"))
	},
	"InsertHeir": func(r *room, _ func()) error {
		k := r.newKey()
		k.AccountID = r.k.AccountID
		return r.InsertKey(r.ctx, &k, r.event("key.create"))
	},
	"InsertCode": func(r *room, _ func()) error {
		c := r.newCode()
		return r.InsertCode(r.ctx, &c, 100, r.event("code.create"))
	},
	"MissCode": func(r *room, _ func()) error { return r.MissCode(r.ctx, r.ws.ID, r.code.ID, 1) },
	"Spend": func(r *room, _ func()) error {
		_, _, err := r.Spend(r.ctx, r.k.AccountID, 1, keys.SpendOwn, time.Now())
		return err
	},
}

// TestPostgresNoDeadlock lets every operation that can be paused wait in its midst
// until another has begun, and then go on: neither may wait for the other in a
// ring. One that finds nothing any more says so.
func TestPostgresNoDeadlock(t *testing.T) {
	if ok, _ := pgtest.Available(); !ok {
		return
	}
	url := pgtest.URL(t)
	s, err := Open(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	install(t, s)
	for first, op := range operations {
		for second, other := range operations {
			r := newRoom(t, s)
			var wg sync.WaitGroup
			var errs [2]error
			paused := false
			began := time.Now()
			errs[0] = op(r, func() {
				if paused {
					return // it was called again
				}
				paused = true
				done := make(chan struct{})
				wg.Go(func() { errs[1] = other(r, func() {}); close(done) })
				untilBlocked(t, s, done)
			})
			wg.Wait()
			for _, err := range errs {
				if err != nil && !keys.Is(err, keys.NotFound) && !keys.Is(err, keys.Invalid) {
					t.Errorf("%s, and %s in its midst: %v", first, second, errs)
				}
			}
			if took := time.Since(began); took > 700*time.Millisecond {
				t.Logf("%s, and %s in its midst, took %v", first, second, took)
			}
			if !paused {
				break
			}
		}
	}
	if err := s.Close(); err != nil { // so that the connections tell what they have counted
		t.Fatal(err)
	}
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	for others, deadlocks := 1, 0; others > 0; {
		err := conn.QueryRow(t.Context(), `SELECT (SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()),
			deadlocks FROM pg_stat_database WHERE datname = current_database()`).Scan(&others, &deadlocks)
		if err != nil {
			t.Fatal(err)
		}
		if others == 0 && deadlocks > 0 {
			t.Errorf("there were %d deadlocks", deadlocks)
		}
	}
}

// untilBlocked waits until an operation waits for a lock, or is done.
func untilBlocked(t *testing.T, s *Store, done chan struct{}) {
	for {
		select {
		case <-done:
			return
		default:
		}
		var n int64
		err := s.look(t.Context(), func(q *session) error {
			return q.row(`SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`, nil, integer{&n})
		})
		if err != nil {
			t.Error(err)
			return
		}
		if n > 0 {
			return
		}
	}
}
