package native_test

import (
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"latchkey"
)

// TestPagingWhileKeysAreMade reads a list page by page while keys are made: each
// key that was there at the start is on one page, in order.
func TestPagingWhileKeysAreMade(t *testing.T) {
	s := start(t)
	const there = 23
	var want []string
	for range there {
		want = append([]string{s.makeKey(t, `{"name":"there"}`).ID}, want...)
	}
	var wg sync.WaitGroup
	stop := make(chan struct{})
	for range 2 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if w := s.call("POST", "/keys", rootKey, `{"name":"new"}`); w.Code != http.StatusCreated {
					t.Errorf("make a key: %d %s", w.Code, w.Body)
					return
				}
			}
		})
	}
	for range 3 {
		var got []string
		last, query := "", "limit=4"
		for pages := 0; query != ""; pages++ {
			var list latchkey.List[latchkey.Key]
			s.do(t, "GET", "/keys?"+query, "", &list)
			for _, k := range list.Data {
				if last != "" && k.ID >= last {
					t.Fatalf("%s comes after %s", k.ID, last)
				}
				if last = k.ID; *k.Name == "there" {
					got = append(got, k.ID)
				}
			}
			if query = ""; list.NextCursor != nil {
				query = "limit=4&cursor=" + url.QueryEscape(*list.NextCursor)
			}
			if pages > 2000 {
				t.Fatal("the list does not end")
			}
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("got %d of the keys %v, want %d %v", len(got), got, len(want), want)
		}
	}
	close(stop)
	wg.Wait()
}

// TestOneOfManyChanges lets many change what they have read: one does.
func TestOneOfManyChanges(t *testing.T) {
	s := start(t)
	k := s.makeKey(t, `{}`)
	var mu sync.Mutex
	answers := map[int]int{} // status → how many
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			w := s.call("PATCH", "/keys/"+k.ID, rootKey, fmt.Sprintf(`{"name":"by %d"}`, i), "If-Match", `"v1"`)
			mu.Lock()
			defer mu.Unlock()
			answers[w.Code]++
		})
	}
	wg.Wait()
	if answers[http.StatusOK] != 1 || answers[http.StatusPreconditionFailed] != 7 {
		t.Errorf("8 changes of one version were answered %v (status → how many)", answers)
	}
}

// TestOneOfManyRetries sends one request many times at once: one key is made,
// and whoever is not told to wait is told of that one.
func TestOneOfManyRetries(t *testing.T) {
	s := start(t)
	var mu sync.Mutex
	made := map[string]int{} // id → answers
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			w := s.call("POST", "/keys", rootKey, `{"name":"once"}`, "Idempotency-Key", "once")
			if w.Code == http.StatusConflict {
				return
			}
			var k latchkey.Key
			if err := json.Unmarshal(w.Body.Bytes(), &k, json.RejectUnknownMembers(false)); err != nil || w.Code != http.StatusCreated {
				t.Errorf("%d %s", w.Code, w.Body)
			}
			mu.Lock()
			defer mu.Unlock()
			made[k.ID]++
		})
	}
	wg.Wait()
	var list latchkey.List[latchkey.Key]
	s.do(t, "GET", "/keys?name=once", "", &list)
	if len(made) != 1 || len(list.Data) != 1 || made[list.Data[0].ID] == 0 {
		t.Errorf("answered %v (id → answers), and there are %d keys", made, len(list.Data))
	}
}

// TestRevisionToCome asks for a revision that a write brings while the
// verification waits.
func TestRevisionToCome(t *testing.T) {
	s := start(t)
	k := s.makeKey(t, `{}`)
	var server latchkey.Server
	s.do(t, "GET", "/server", "", &server)
	var wg sync.WaitGroup
	wg.Go(func() {
		time.Sleep(50 * time.Millisecond)
		s.do(t, "PATCH", "/keys/"+k.ID, `{"enabled":false}`, nil)
	})
	var got latchkey.Verification
	s.do(t, "POST", "/verify", fmt.Sprintf(`{"key":%q,"min_revision":%d}`, k.Secret, server.Revision+1), &got)
	wg.Wait()
	if got.Outcome != latchkey.Disabled {
		t.Errorf("a verification at the revision of a change answered %+v", got)
	}
}

// TestBatchWaitsOnce shows that a batch waits no longer than one verification.
func TestBatchWaitsOnce(t *testing.T) {
	s := start(t)
	begun := time.Now()
	w := s.call("POST", "/verify/batch", rootKey, `{"requests":[{"key":"a","min_revision":1000000},{"key":"a","min_revision":1000000},{"key":"a","min_revision":1000000}]}`)
	if took := time.Since(begun); took < 900*time.Millisecond || took > 2900*time.Millisecond {
		t.Errorf("it took %s: %d %s", took, w.Code, w.Body)
	}
}
