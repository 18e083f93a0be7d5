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
	"slices"
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
	unsure   bool // an unanswered call may have disabled or enabled it
	deleting bool // an unanswered call may have deleted it
	deleted  bool
	rotating bool  // an unanswered rotation may have ended the secrets
	given    int64 // credits
	spent    int64
	mayHave  int64 // spent by unanswered calls
	events   map[string]int
}

const (
	crashCredits = 1_000_000
	crashGift    = 7 // credits that are added now and then
	crashReady   = 5 * time.Second
)

// TestKill kills the server at random moments of a load, and finds after each
// restart all that was acknowledged and nothing that is half there.
func TestKill(t *testing.T) {
	dir := t.TempDir()
	var facts []*fact
	for round := range 20 {
		p := restart(t, dir, facts)
		if t.Failed() {
			t.Fatalf("after kill %d", round)
		}
		facts = append(facts, crashLoad(t, p, time.Duration(20+rand.IntN(280))*time.Millisecond)...)
	}
	restart(t, dir, facts)
	deleted, spent := 0, int64(0)
	for _, f := range facts {
		spent += f.spent
		if f.deleted {
			deleted++
		}
	}
	if len(facts) < 100 || deleted < 10 || spent < 100 {
		t.Errorf("the load was too small to tell anything: %d keys, %d deleted, %d credits spent", len(facts), deleted, spent)
	}
}

// restart starts the server after a kill and checks what it has.
func restart(t *testing.T, dir string, facts []*fact) *process {
	t.Helper()
	begin := time.Now()
	p := launch(t, "quiet", dir, "LATCHKEY_ROOT_KEY="+crashRoot).ready(t)
	if took := time.Since(begin); took > crashReady {
		t.Errorf("the server was ready %v after its start, want %v", took, crashReady)
	}
	for _, f := range facts {
		f.check(t, p.url)
	}
	checkWhole(t, p.url, facts)
	checkHalves(t, dir)
	return p
}

// crashLoad makes and changes keys from several clients, and kills the server
// in the middle of it. It returns what is known of the keys.
func crashLoad(t *testing.T, p *process, after time.Duration) []*fact {
	ctx, cancel := context.WithCancel(context.Background())
	var mu sync.Mutex
	var facts []*fact
	var clients sync.WaitGroup
	for range 8 {
		clients.Go(func() {
			for ctx.Err() == nil {
				f := createFact(t, p.url)
				if f == nil {
					return
				}
				mu.Lock()
				facts = append(facts, f)
				mu.Unlock()
				for range rand.IntN(12) {
					if !f.step(t, p.url) {
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
	return askBy(http.DefaultClient, method, url, body, "")
}

// askBy is [ask] by a client, with an id of the request where one is given.
func askBy(by *http.Client, method, url, body, requestID string) (status int, answer map[string]any, ok bool) {
	r, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		panic(err)
	}
	r.Header.Set("Authorization", "Bearer "+crashRoot)
	if requestID != "" {
		r.Header.Set("X-Request-Id", requestID)
	}
	resp, err := by.Do(r)
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

func createFact(t *testing.T, url string) *fact {
	name := fmt.Sprintf("made-%d", rand.Int64())
	body := fmt.Sprintf(`{"name":%q,"permissions":["p.%d"],"external_id":"owner-%d","credits":{"remaining":%d}}`,
		name, rand.IntN(500), rand.IntN(500), crashCredits)
	status, answer, ok := ask("POST", url+"/latchkey/v1/keys", body)
	if !ok {
		return nil
	}
	if status != http.StatusCreated {
		t.Errorf("under load, a key is not made: %d %v", status, answer)
		return nil
	}
	return &fact{
		id: answer["id"].(string), secrets: []string{answer["secret"].(string)}, name: name, enabled: true,
		given: crashCredits, events: map[string]int{"key.create": 1},
	}
}

// step does one thing to the key, and reports whether it was answered.
func (f *fact) step(t *testing.T, url string) (answered bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.deleted {
		return true
	}
	at := url + "/latchkey/v1/keys/" + f.id
	do := func(method, url, body string, want int) (answer map[string]any, ok bool) {
		status, answer, ok := ask(method, url, body)
		if ok && status != want {
			t.Errorf("under load, %s %s is answered %d %v", method, url, status, answer)
		}
		return answer, ok
	}
	switch rand.IntN(9) {
	case 0:
		name := fmt.Sprintf("renamed-%d", rand.Int64())
		if _, ok := do("PATCH", at, fmt.Sprintf(`{"name":%q}`, name), http.StatusOK); !ok {
			f.maybe = append(f.maybe, name)
			return false
		}
		f.name = name
		f.events["key.update"]++
	case 1:
		if _, ok := do("PATCH", at, fmt.Sprintf(`{"enabled":%t}`, !f.enabled), http.StatusOK); !ok {
			f.unsure = true
			return false
		}
		f.enabled = !f.enabled
		f.events["key.update"]++
	case 2:
		answer, ok := do("POST", at+"/rotate", `{}`, http.StatusOK)
		if !ok {
			f.rotating = true
			return false
		}
		f.ended, f.secrets = append(f.ended, f.secrets...), []string{answer["secret"].(string)}
		f.events["key.rotate"]++
	case 3:
		if _, ok := do("DELETE", at, "", http.StatusNoContent); !ok {
			f.deleting = true
			return false
		}
		f.deleted = true
		f.events["key.delete"]++
	case 4:
		if _, ok := do("POST", at+"/credits", fmt.Sprintf(`{"operation":"increment","amount":%d}`, crashGift), http.StatusOK); !ok {
			return false
		}
		f.events["key.credits"]++
	default:
		cost := int64(1 + rand.IntN(9))
		answer, ok := do("POST", url+"/latchkey/v1/verify", fmt.Sprintf(`{"key":%q,"cost":%d}`, f.secrets[0], cost), http.StatusOK)
		if !ok {
			f.mayHave += cost
			return false
		}
		if answer["valid"] == true {
			f.spent += cost
		} else if f.enabled {
			t.Errorf("under load, a good key is refused: %v", answer)
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
		if !f.deleted && !f.deleting {
			t.Errorf("%s was acknowledged and is gone", f.id)
		}
		f.deleted = true
	} else if f.deleted {
		t.Errorf("%s was deleted and is there", f.id)
	}
	f.deleting = false
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
	if name != f.name && !slices.Contains(f.maybe, name) {
		t.Errorf("%s is named %s, want %s or one of %q", f.id, name, f.name, f.maybe)
	}
	f.name, f.maybe = name, nil
	enabled := key["enabled"].(bool)
	if enabled != f.enabled && !f.unsure {
		t.Errorf("%s: enabled is %t, want %t", f.id, enabled, f.enabled)
	}
	f.enabled, f.unsure = enabled, false
	if p := key["permissions"].([]any); len(p) != 1 || !strings.HasPrefix(p[0].(string), "p.") || key["identity"] == nil || len(key["secrets"].([]any)) == 0 {
		t.Errorf("%s is half there: %v", f.id, key)
	}
}

func (f *fact) checkSecrets(t *testing.T, url string) {
	for _, s := range f.ended {
		f.refused(t, url, s)
	}
	_, v, _ := ask("POST", url+"/latchkey/v1/verify", fmt.Sprintf(`{"key":%q,"cost":0}`, f.secrets[0]))
	found := v["outcome"] != "not_found"
	if found && (v["outcome"] == "disabled") == f.enabled {
		t.Errorf("%s: a secret of a key whose enabled is %t is %v", f.id, f.enabled, v["outcome"])
	}
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
	taken := f.given - left
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
		if got[action] < n || got[action] > n+1 {
			t.Errorf("%s: %d events %s, want %d, or one more by a call that was not answered", f.id, got[action], action, n)
		}
	}
	f.events, f.given = got, crashCredits+crashGift*int64(got["key.credits"])
}

// TestKillAtFirstStart kills the very first start at random moments. The next
// one always comes to a usable root key.
func TestKillAtFirstStart(t *testing.T) {
	begin := time.Now()
	launch(t, "quiet", filepath.Join(t.TempDir(), "data")).ready(t).kill()
	whole := time.Since(begin)
	for range 10 {
		dir := filepath.Join(t.TempDir(), "data")
		for range 2 {
			p := launch(t, "quiet", dir)
			time.Sleep(rand.N(whole))
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
		var roots int
		if err := openDatabase(t, dir).QueryRow(`SELECT count(*) FROM keys WHERE root`).Scan(&roots); err != nil || roots != 1 {
			t.Errorf("there are %d root keys, %v; want the one in the file", roots, err)
		}
		if found, _ := filepath.Glob(filepath.Join(dir, "*.new")); found != nil {
			t.Errorf("left behind: %q", found)
		}
		p.terminate(t)
	}
}
