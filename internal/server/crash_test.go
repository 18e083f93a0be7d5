package server

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

const crashRoot = "crash-test-root-key-0123456789-0123456789"

// A fact is what the test knows of one key: what was acknowledged, and what
// was under way when the server was killed and may have happened or not.
type fact struct {
	mu sync.Mutex

	id       string
	secrets  []string // that must work while the key does
	ended    []string // that must not
	name     string
	maybe    []string // names that an unanswered change may have given
	enabled  bool
	unsure   bool // an unanswered call may have disabled, enabled or deleted it
	deleted  bool
	rotating bool // an unanswered rotation may have ended the secrets
	spent    int64
	mayHave  int64 // spent by unanswered calls
	events   map[string]int
}

const crashCredits = 1_000_000

// TestKill kills the server at random moments of a load, and finds after each
// restart all that was acknowledged and nothing that is half there.
func TestKill(t *testing.T) {
	dir := t.TempDir()
	var facts []*fact
	for round := range 20 {
		p := launch(t, "quiet", dir, "LATCHKEY_ROOT_KEY="+crashRoot).ready(t)
		for _, f := range facts {
			f.check(t, p.url)
		}
		checkWhole(t, p.url, facts)
		if t.Failed() {
			t.Fatalf("after kill %d", round)
		}
		facts = append(facts, crashLoad(p, time.Duration(20+rand.IntN(280))*time.Millisecond)...)
	}
	p := launch(t, "quiet", dir, "LATCHKEY_ROOT_KEY="+crashRoot).ready(t)
	deleted, spent := 0, int64(0)
	for _, f := range facts {
		f.check(t, p.url)
		spent += f.spent
		if f.deleted {
			deleted++
		}
	}
	checkWhole(t, p.url, facts)
	if len(facts) < 100 || deleted < 10 || spent < 100 {
		t.Errorf("the load was too small to tell anything: %d keys, %d deleted, %d credits spent", len(facts), deleted, spent)
	}
}

// crashLoad makes and changes keys from several clients, and kills the server
// in the middle of it. It returns what is known of the keys.
func crashLoad(p *process, after time.Duration) []*fact {
	ctx, cancel := context.WithCancel(context.Background())
	var mu sync.Mutex
	var facts []*fact
	var clients sync.WaitGroup
	for range 8 {
		clients.Go(func() {
			for ctx.Err() == nil {
				f := createFact(p.url)
				if f == nil {
					return
				}
				mu.Lock()
				facts = append(facts, f)
				mu.Unlock()
				for range rand.IntN(12) {
					if !f.step(p.url) {
						return
					}
				}
			}
		})
	}
	time.Sleep(after)
	p.kill()
	cancel()
	clients.Wait()
	return facts
}

// ask sends one request with the root key. ok is false where no whole answer
// came, so that nobody knows whether it was carried out.
func ask(method, url, body string) (status int, answer map[string]any, ok bool) {
	r, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		panic(err)
	}
	r.Header.Set("Authorization", "Bearer "+crashRoot)
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, nil, false
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, nil, false
	}
	if len(b) > 0 && json.Unmarshal(b, &answer) != nil {
		return 0, nil, false
	}
	return resp.StatusCode, answer, true
}

func createFact(url string) *fact {
	name := fmt.Sprintf("made-%d", rand.Int64())
	body := fmt.Sprintf(`{"name":%q,"permissions":["a.b"],"external_id":"owner-%d","credits":{"remaining":%d}}`, name, rand.IntN(50), crashCredits)
	status, answer, ok := ask("POST", url+"/latchkey/v1/keys", body)
	if !ok || status != http.StatusCreated {
		return nil
	}
	return &fact{id: answer["id"].(string), secrets: []string{answer["secret"].(string)}, name: name, enabled: true, events: map[string]int{"key.create": 1}}
}

// step does one thing to the key, and reports whether it was answered.
func (f *fact) step(url string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.deleted {
		return true
	}
	at := url + "/latchkey/v1/keys/" + f.id
	switch rand.IntN(8) {
	case 0:
		name := fmt.Sprintf("renamed-%d", rand.Int64())
		if _, _, ok := ask("PATCH", at, fmt.Sprintf(`{"name":%q}`, name)); !ok {
			f.maybe = append(f.maybe, name)
			return false
		}
		f.name = name
		f.events["key.update"]++
	case 1:
		if _, _, ok := ask("PATCH", at, fmt.Sprintf(`{"enabled":%t}`, !f.enabled)); !ok {
			f.unsure = true
			return false
		}
		f.enabled = !f.enabled
		f.events["key.update"]++
	case 2:
		_, answer, ok := ask("POST", at+"/rotate", `{}`)
		if !ok {
			f.rotating = true
			return false
		}
		f.ended, f.secrets = append(f.ended, f.secrets...), []string{answer["secret"].(string)}
		f.events["key.rotate"]++
	case 3:
		if _, _, ok := ask("DELETE", at, ""); !ok {
			f.unsure = true
			return false
		}
		f.deleted = true
		f.events["key.delete"]++
	default:
		cost := int64(1 + rand.IntN(9))
		_, answer, ok := ask("POST", url+"/latchkey/v1/verify", fmt.Sprintf(`{"key":%q,"cost":%d}`, f.secrets[0], cost))
		if !ok {
			f.mayHave += cost
			return false
		}
		if answer["valid"] == true {
			f.spent += cost
		}
	}
	return true
}

// check compares the key as it is after a restart with what is known, and takes
// what it finds as known from then on.
func (f *fact) check(t *testing.T, url string) {
	t.Helper()
	status, key, ok := ask("GET", url+"/latchkey/v1/keys/"+f.id, "")
	if !ok {
		t.Errorf("%s: no answer", f.id)
		return
	}
	f.checkEvents(t, url)
	if status == http.StatusNotFound {
		if !f.deleted && !f.unsure {
			t.Errorf("%s was acknowledged and is gone", f.id)
		}
		f.deleted = true
	} else if f.deleted {
		t.Errorf("%s was deleted and is there", f.id)
	}
	if f.deleted {
		for _, s := range append(f.ended, f.secrets...) {
			f.refused(t, url, s)
		}
		return
	}
	f.checkSettings(t, key)
	f.checkSecrets(t, url)
	f.checkCredits(t, key)
}

func (f *fact) checkSettings(t *testing.T, key map[string]any) {
	name := key["name"].(string)
	if name != f.name && !contains(f.maybe, name) {
		t.Errorf("%s is named %s, want %s or one of %q", f.id, name, f.name, f.maybe)
	}
	f.name, f.maybe = name, nil
	enabled := key["enabled"].(bool)
	if enabled != f.enabled && !f.unsure {
		t.Errorf("%s: enabled is %t, want %t", f.id, enabled, f.enabled)
	}
	f.enabled, f.unsure = enabled, false
	if p := key["permissions"].([]any); len(p) != 1 || p[0] != "a.b" || key["identity"] == nil || len(key["secrets"].([]any)) == 0 {
		t.Errorf("%s is half there: %v", f.id, key)
	}
}

func (f *fact) checkSecrets(t *testing.T, url string) {
	for _, s := range f.ended {
		f.refused(t, url, s)
	}
	_, v, _ := ask("POST", url+"/latchkey/v1/verify", fmt.Sprintf(`{"key":%q,"cost":0}`, f.secrets[0]))
	found := v["outcome"] != "not_found"
	if !found && !f.rotating {
		t.Errorf("%s: a live secret is not found", f.id)
	}
	if !found {
		// The rotation was carried out, and its new secret never arrived.
		_, answer, _ := ask("POST", url+"/latchkey/v1/keys/"+f.id+"/rotate", `{}`)
		f.ended, f.secrets = append(f.ended, f.secrets...), []string{answer["secret"].(string)}
		f.events["key.rotate"]++
	}
	f.rotating = false
}

func (f *fact) checkCredits(t *testing.T, key map[string]any) {
	left := int64(key["credits"].(map[string]any)["remaining"].(float64))
	taken := crashCredits - left
	if taken < f.spent || taken > f.spent+f.mayHave {
		t.Errorf("%s: %d credits are gone, want %d to %d", f.id, taken, f.spent, f.spent+f.mayHave)
	}
	f.spent, f.mayHave = taken, 0
}

func (f *fact) refused(t *testing.T, url, secret string) {
	t.Helper()
	if _, v, _ := ask("POST", url+"/latchkey/v1/verify", fmt.Sprintf(`{"key":%q,"cost":0}`, secret)); v["outcome"] != "not_found" {
		t.Errorf("%s: a secret that was ended is %v", f.id, v["outcome"])
	}
}

// checkEvents finds an event for every acknowledged change.
func (f *fact) checkEvents(t *testing.T, url string) {
	t.Helper()
	_, answer, _ := ask("GET", url+"/latchkey/v1/events?limit=200&key="+f.id, "")
	got := map[string]int{}
	for _, e := range answer["data"].([]any) {
		got[e.(map[string]any)["action"].(string)]++
	}
	for action, n := range f.events {
		if got[action] < n {
			t.Errorf("%s: %d events %s, want %d at least", f.id, got[action], action, n)
		}
	}
}

// checkWhole finds, for every key in the list that no client knows of, that it
// is whole and has its event: its creation was not answered.
func checkWhole(t *testing.T, url string, facts []*fact) {
	t.Helper()
	known := map[string]bool{}
	for _, f := range facts {
		known[f.id] = true
	}
	for cursor := ""; ; {
		_, answer, ok := ask("GET", url+"/latchkey/v1/keys?limit=200"+cursor, "")
		if !ok {
			t.Fatal("the list is not answered")
		}
		for _, row := range answer["data"].([]any) {
			key := row.(map[string]any)
			if known[key["id"].(string)] {
				continue
			}
			f := fact{id: key["id"].(string), events: map[string]int{"key.create": 1}}
			f.checkEvents(t, url)
			if len(key["secrets"].([]any)) != 1 || key["credits"] == nil || key["identity"] == nil || len(key["permissions"].([]any)) != 1 {
				t.Errorf("a key that was not acknowledged is half there: %v", key)
			}
		}
		next, more := answer["next_cursor"].(string)
		if !more {
			return
		}
		cursor = "&cursor=" + next
	}
}

func contains(list []string, s string) bool {
	for _, l := range list {
		if l == s {
			return true
		}
	}
	return false
}

// TestKillAtFirstStart kills the very first start at random moments. The next
// one always comes to a usable root key.
func TestKillAtFirstStart(t *testing.T) {
	for range 8 {
		dir := filepath.Join(t.TempDir(), "data")
		for range 2 {
			p := launch(t, "quiet", dir)
			time.Sleep(time.Duration(rand.IntN(150)) * time.Millisecond)
			p.kill()
		}
		p := launch(t, "quiet", dir).ready(t)
		text, err := os.ReadFile(filepath.Join(dir, "root-key"))
		if err != nil {
			t.Fatalf("no root key after a start that was killed: %v", err)
		}
		if status, answer := call(t, "GET", p.url+"/latchkey/v1/keys", strings.TrimSpace(string(text)), ""); status != http.StatusOK {
			t.Errorf("the root key in the file is answered %d %s", status, answer)
		}
		p.terminate(t)
	}
}
