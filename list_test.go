package latchkey_test

import (
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"

	"latchkey"
)

// TestIterator walks through 120 keys while more are made, by pages of several
// sizes: each of the 120 comes once, the newest first, and none of the others.
func TestIterator(t *testing.T) {
	client := start(t)
	var want []string
	for i := range 120 {
		want = append(want, must(client.CreateKey(t.Context(), named(fmt.Sprint("key ", i)))).ID)
	}
	for _, limit := range []int{0, 1, 7, 50, 60} {
		var newest string
		for key := range client.Keys(t.Context(), latchkey.KeyQuery{Page: latchkey.Page{Limit: 1}}) {
			newest = key.ID
			break
		}
		n, first := len(want), true
		for key, err := range client.Keys(t.Context(), latchkey.KeyQuery{Page: latchkey.Page{Limit: limit}}) {
			if err != nil {
				t.Fatal(err)
			}
			if first && key.ID != newest {
				t.Fatalf("pages of %d: the first is not the newest", limit)
			}
			first = false
			if key.Name == nil { // one that an earlier round made
				continue
			}
			if n--; n < 0 || key.ID != want[n] {
				t.Fatalf("pages of %d: key %d of 120 is %s, %s", limit, len(want)-n, key.ID, *key.Name)
			}
			if n%10 == 0 {
				must(client.CreateKey(t.Context(), latchkey.CreateKeyRequest{}))
			}
		}
		if n != 0 {
			t.Errorf("pages of %d: %d keys did not come", limit, n)
		}
	}
}

// TestIteratorRequests counts pages: an iterator asks for one when it needs it.
func TestIteratorRequests(t *testing.T) {
	client, met := faulty(t, "/roles")
	for i := range 5 {
		must(client.CreateRole(t.Context(), latchkey.RoleSettings{Name: latchkey.Some(fmt.Sprint("role", i))}))
	}
	met.Store(0)
	roles := client.Roles(t.Context())
	if met.Load() != 0 {
		t.Error("asked before anybody walked")
	}
	for range roles {
		break
	}
	for range roles { // again, from the start
	}
	if met.Load() != 2 {
		t.Errorf("%d requests for two walks of one page each", met.Load())
	}
	page := must(client.ListKeys(t.Context(), latchkey.KeyQuery{}))
	if page.Data == nil || len(page.Data) != 0 || page.NextCursor != nil {
		t.Errorf("an empty list is %+v", page)
	}
}

// TestIteratorFails: rows that came are good, and the error comes last.
func TestIteratorFails(t *testing.T) {
	pages := atomic.Int64{}
	client, stop := serveThrough(func(server http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Query().Has("cursor") && pages.Add(1) == 2 {
				r.Header.Del("Authorization")
			}
			server.ServeHTTP(w, r)
		})
	})
	t.Cleanup(stop)
	for range 5 {
		must(client.CreateKey(t.Context(), named("ci")))
	}
	rows, failures := 0, 0
	for key, err := range client.Keys(t.Context(), latchkey.KeyQuery{Page: latchkey.Page{Limit: 2}}) {
		if err == nil {
			rows++
			continue
		}
		failures++
		if e, ok := errors.AsType[*latchkey.Error](err); !ok || e.Status != 401 || key.ID != "" {
			t.Errorf("got %+v, %v", key, err)
		}
	}
	if rows != 4 || failures != 1 {
		t.Errorf("%d rows and %d errors", rows, failures)
	}
}
