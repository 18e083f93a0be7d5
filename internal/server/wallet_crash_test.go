package server

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"testing"
	"time"
)

// A wallet is what the test knows of the money of one key: what was spent for
// certain, what may have been, and what is set aside.
type wallet struct {
	id, secret string
	limit      int64
	reports    bool // beyond the budget too

	mu      sync.Mutex
	spent   int64            // by answers that were read
	pending int64            // by calls that are not answered
	held    map[string]int64 // reservations that were answered and not ended → amount
	doubts  int              // calls that were under way at a kill
	moved   int
}

// walletRounds is how often the server is killed while money is spent.
const walletRounds = 200

// TestKillWhileSpendingMoney kills the server at random moments of a load of 64
// clients that spend from budgets: with verifications, by reports, and by
// reservations that are settled or released. After each restart, what was spent
// is what was answered, or that and what was under way; what was set aside is so
// still; and where nothing is reported, no budget is overdrawn.
func TestKillWhileSpendingMoney(t *testing.T) {
	dir := t.TempDir()
	start := func() *process { return launch(t, "quiet", dir, "LATCHKEY_ROOT_KEY="+crashRoot).ready(t) }
	p := start()
	var wallets []*wallet
	for i, limit := range []int64{1_000_000_000, 3_000, 3_000, 1_000_000} {
		status, answer, ok := ask("POST", p.url+"/latchkey/v1/keys", fmt.Sprintf(`{"budget":{"limit_micros":%d}}`, limit))
		if !ok || status != http.StatusCreated {
			t.Fatalf("a key is not made: %d %v", status, answer)
		}
		wallets = append(wallets, &wallet{id: answer["id"].(string), secret: answer["secret"].(string), limit: limit, reports: i == 3, held: map[string]int64{}})
	}
	for range walletRounds {
		useWallets(t, p, wallets, 10*time.Millisecond+rand.N(120*time.Millisecond))
		p = start()
		for _, w := range wallets {
			w.check(t, p.url)
		}
		if t.Failed() {
			return
		}
	}
	moved, doubts := 0, 0
	for _, w := range wallets {
		moved, doubts = moved+w.moved, doubts+w.doubts
	}
	t.Logf("%d calls moved money, %d were under way at a kill", moved, doubts)
	if moved < 500 || doubts < walletRounds {
		t.Error("that is too little to tell anything")
	}
}

func useWallets(t *testing.T, p *process, wallets []*wallet, after time.Duration) {
	ctx, cancel := context.WithCancel(context.Background())
	transport := &http.Transport{MaxIdleConnsPerHost: 64}
	defer transport.CloseIdleConnections()
	by := &http.Client{Transport: transport}
	var wg sync.WaitGroup
	for range 64 {
		wg.Go(func() {
			for ctx.Err() == nil && wallets[rand.IntN(len(wallets))].step(t, by, p.url) {
			}
		})
	}
	time.Sleep(after)
	p.kill()
	cancel()
	wg.Wait()
}

// step does one thing with the wallet, and reports whether it was answered.
func (w *wallet) step(t *testing.T, by *http.Client, url string) bool {
	micros := int64(1 + rand.IntN(9))
	switch n := rand.IntN(10); {
	case n < 5:
		return w.call(t, by, micros, url+"/latchkey/v1/verify", fmt.Sprintf(`{"key":%q,"spend_micros":%d}`, w.secret, micros))
	case n == 5 && w.reports:
		return w.call(t, by, micros, url+"/latchkey/v1/keys/"+w.id+"/spend", fmt.Sprintf(`{"amount_micros":%d}`, micros))
	case n < 8:
		return w.setAside(t, by, url, micros)
	}
	id, held := w.takeHeld()
	if id == "" {
		return true
	}
	if rand.IntN(3) == 0 {
		_, _, ok := askBy(by, "POST", url+"/latchkey/v1/reservations/"+id+"/release", "", "")
		return ok
	}
	settled := rand.Int64N(held + 1)
	return w.call(t, by, settled, url+"/latchkey/v1/reservations/"+id+"/settle", fmt.Sprintf(`{"amount_micros":%d}`, settled))
}

// call makes a call that spends an amount.
func (w *wallet) call(t *testing.T, by *http.Client, micros int64, url, body string) bool {
	w.mu.Lock()
	w.pending += micros
	w.mu.Unlock()
	status, answer, ok := askBy(by, "POST", url, body, "")
	if !ok {
		w.mu.Lock()
		w.doubts++
		w.mu.Unlock()
		return false
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.pending -= micros
	if valid, asked := answer["valid"].(bool); status != http.StatusOK || asked && !valid && answer["outcome"] != "usage_exceeded" {
		t.Errorf("%s is answered %d %v", url, status, answer)
	} else if valid || !asked {
		w.spent += micros
		w.moved++
	}
	return true
}

func (w *wallet) setAside(t *testing.T, by *http.Client, url string, micros int64) bool {
	status, answer, ok := askBy(by, "POST", url+"/latchkey/v1/keys/"+w.id+"/reservations", fmt.Sprintf(`{"amount_micros":%d,"ttl":"24h"}`, micros), "")
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case !ok:
		w.doubts++
	case status == http.StatusCreated:
		w.held[answer["id"].(string)] = micros
		w.moved++
	case status != http.StatusOK || answer["outcome"] != "usage_exceeded":
		t.Errorf("setting aside is answered %d %v", status, answer)
	}
	return ok
}

// takeHeld returns a reservation that nobody else is about to end.
func (w *wallet) takeHeld() (id string, micros int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for id, micros = range w.held {
		delete(w.held, id)
		return id, micros
	}
	return "", 0
}

// check compares what the server has after a restart with what is known, and
// takes it as known from then on.
func (w *wallet) check(t *testing.T, url string) {
	t.Helper()
	_, answer, ok := ask("GET", url+"/latchkey/v1/keys/"+w.id, "")
	if !ok {
		t.Fatalf("%s: no answer", w.id)
	}
	budget := answer["budget"].(map[string]any)
	figure := func(name string) int64 { return int64(budget[name+"_micros"].(float64)) }
	spent := figure("spent")
	if spent < w.spent || spent > w.spent+w.pending {
		t.Errorf("%s: %d were spent, want %d to %d", w.id, spent, w.spent, w.spent+w.pending)
	}
	var held int64
	for _, micros := range w.held {
		held += micros
	}
	if left := figure("remaining"); left > max(0, w.limit-spent-held) {
		t.Errorf("%s: %d are left of %d, with %d spent and %d set aside", w.id, left, w.limit, spent, held)
	}
	if over := figure("overdrawn"); over > 0 && !w.reports {
		t.Errorf("%s: %d were spent of %d", w.id, spent, w.limit)
	}
	w.spent, w.pending = spent, 0
}
