package server

import (
	"database/sql"
	"fmt"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// A purse is what the test knows of the credits of one key since the last time
// that it was checked. What was given is read from the audit log, which tells
// of every change by others than verifications what was there before it and
// after it.
type purse struct {
	id, secret string
	most       int64 // that it is set to

	given     int64  // at first and by changes, all in all
	spent     int64  // given less the balance, at the last check
	lastEvent string // that was read

	mu       sync.Mutex
	accepted []acceptance // in answers that were read
	pending  int64        // the cost of calls that are not answered
	acked    []string     // requests that changed something and were answered
	killed   time.Time

	answered, doubts, changes int64 // all in all
}

type acceptance struct {
	at   time.Time
	cost int64
}

// step does one thing to the key, and reports whether it was answered.
func (f *purse) step(t *testing.T, by *http.Client, url string, onlySpend bool) (answered bool) {
	if onlySpend {
		return f.spend(t, by, url, int64(1+rand.IntN(9)))
	}
	at := url + "/latchkey/v1/keys/" + f.id
	operation := func(op string, most int64) bool {
		return f.change(t, by, "POST", at+"/credits", fmt.Sprintf(`{"operation":%q,"amount":%d}`, op, 1+rand.Int64N(most)))
	}
	switch rand.IntN(40) {
	case 0:
		return operation("increment", 300)
	case 1:
		return operation("decrement", 100)
	case 2:
		return operation("set", f.most)
	case 3: // far from being due
		return f.change(t, by, "PATCH", at, fmt.Sprintf(`{"credits":{"refill":{"amount":%d,"every":"366d","mode":"add"}}}`, 1+rand.IntN(1e9)))
	case 4:
		return f.change(t, by, "PATCH", at, fmt.Sprintf(`{"name":"n%d"}`, rand.Int64()))
	case 5:
		return f.spend(t, by, url, 0)
	}
	return f.spend(t, by, url, int64(1+rand.IntN(9)))
}

// spend verifies the key at a cost.
func (f *purse) spend(t *testing.T, by *http.Client, url string, cost int64) (answered bool) {
	f.mu.Lock()
	f.pending += cost
	f.mu.Unlock()
	status, answer, ok := askBy(by, "POST", url+"/latchkey/v1/verify", fmt.Sprintf(`{"key":%q,"cost":%d}`, f.secret, cost), "")
	if !ok {
		return false
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.pending -= cost
	valid := answer["valid"] == true
	if status != http.StatusOK || !valid && answer["outcome"] != "usage_exceeded" {
		t.Errorf("a verification is answered %d %v", status, answer)
		return false
	}
	left := remaining(answer)
	if left < 0 || !valid && left >= cost {
		t.Errorf("at a cost of %d: %v", cost, answer)
	}
	if valid {
		f.answered++
		f.accepted = append(f.accepted, acceptance{time.Now(), cost})
	}
	return true
}

// change changes the key, under an id by which its event will be found. A
// decrement of what is not there is refused.
func (f *purse) change(t *testing.T, by *http.Client, method, url, body string) (answered bool) {
	id := fmt.Sprintf("change-%d", rand.Int64())
	status, answer, ok := askBy(by, method, url, body, id)
	if !ok {
		return false
	}
	switch {
	case status == http.StatusOK:
		f.mu.Lock()
		f.acked = append(f.acked, id)
		f.changes++
		f.mu.Unlock()
	case status != http.StatusConflict || !strings.Contains(body, "decrement"):
		t.Errorf("%s %s %s is answered %d %v", method, url, body, status, answer)
	}
	return true
}

// remaining is the balance that an answer shows.
func remaining(answer map[string]any) int64 {
	return int64(answer["credits"].(map[string]any)["remaining"].(float64))
}

// check compares what is gone from the key after a restart with what is known,
// and takes what it finds as known from then on. Acceptances that were younger
// than forgets when the server was killed need not count.
func (f *purse) check(t *testing.T, url, dir string, forgets time.Duration) {
	t.Helper()
	_, answer, ok := ask("GET", url+"/latchkey/v1/keys/"+f.id, "")
	if !ok {
		t.Fatalf("%s: no answer", f.id)
	}
	left := remaining(answer)
	if _, v, _ := ask("POST", url+"/latchkey/v1/verify", fmt.Sprintf(`{"key":%q,"cost":0}`, f.secret)); remaining(v) != left {
		t.Errorf("%s: a look finds %d, and the key has %d", f.id, remaining(v), left)
	}
	if row := f.row(t, dir); row != left || left < 0 {
		t.Errorf("%s: after a start the row has %d and the key %d", f.id, row, left)
	}
	f.checkChanges(t, url)

	least, most := int64(0), f.pending
	for _, a := range f.accepted {
		most += a.cost
		if forgets == 0 || a.at.Before(f.killed.Add(-forgets)) {
			least += a.cost
		}
	}
	if gone := f.given - left - f.spent; gone < least || gone > most {
		t.Errorf("%s: %d credits are gone since the last kill, want %d to %d", f.id, gone, least, most)
	}
	if f.pending > 0 {
		f.doubts++
	}
	f.spent, f.accepted, f.pending = f.given-left, f.accepted[:0], 0
}

// checkChanges reads from the audit log what was given since the last time, and
// finds every change that was acknowledged.
func (f *purse) checkChanges(t *testing.T, url string) {
	t.Helper()
	newest := f.lastEvent
	for cursor := ""; ; {
		_, answer, ok := ask("GET", url+"/latchkey/v1/events?limit=200&key="+f.id+cursor, "")
		if !ok {
			t.Fatalf("%s: the audit log is not answered", f.id)
		}
		for _, row := range answer["data"].([]any) {
			ev := row.(map[string]any)
			id := ev["id"].(string)
			if newest = max(newest, id); id == f.lastEvent || ev["action"] == "key.create" {
				cursor = ""
				break
			}
			f.note(ev)
		}
		next, more := answer["next_cursor"].(string)
		if !more || newest != "" && f.seen(answer) {
			break
		}
		cursor = "&cursor=" + next
	}
	f.lastEvent = newest
	if len(f.acked) > 0 {
		t.Errorf("%s: changes that were acknowledged are lost: %v", f.id, f.acked)
	}
	f.acked = nil
}

// seen reports whether the last event that was known before is on a page.
func (f *purse) seen(answer map[string]any) bool {
	return slices.ContainsFunc(answer["data"].([]any), func(row any) bool { return row.(map[string]any)["id"] == f.lastEvent })
}

// note takes from an event which change it is of, and what that gave.
func (f *purse) note(ev map[string]any) {
	if i := slices.Index(f.acked, ev["request_id"].(string)); i >= 0 {
		f.acked = slices.Delete(f.acked, i, i+1)
	}
	before, had := balanceIn(ev["before"])
	after, has := balanceIn(ev["after"])
	if !had || !has {
		return
	}
	f.given += after - before
}

func balanceIn(members any) (int64, bool) {
	m, _ := members.(map[string]any)
	c, ok := m["credits"].(map[string]any)
	if !ok {
		return 0, false
	}
	return int64(c["remaining"].(float64)), true
}

// row reads the balance from the database of a server that runs.
func (f *purse) row(t *testing.T, dir string) (left int64) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(dir, "latchkey.db")+"?_query_only=1&_pragma=busy_timeout(5000)")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.QueryRow(`SELECT remaining FROM credits WHERE account_id = ?`, f.id).Scan(&left); err != nil {
		t.Fatal(err)
	}
	return left
}
