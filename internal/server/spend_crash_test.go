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

// spendRounds is how often the server is killed over strict durability.
const spendRounds = 200

// TestKillWhileSpending kills the server at random moments of a load of 64
// clients that spend from a few keys and change what these have, and at random
// moments of its start. After each restart, what is gone from a key is what was
// accepted, or that and what was under way.
func TestKillWhileSpending(t *testing.T) {
	dir, startTime := t.TempDir(), measureStart(t)
	first := launch(t, "quiet", dir, "LATCHKEY_ROOT_KEY="+crashRoot).ready(t)
	purses := makePurses(t, first)
	first.kill()
	kills, early := 0, 0
	for kills < spendRounds && !t.Failed() {
		p := launch(t, "quiet", dir, "LATCHKEY_ROOT_KEY="+crashRoot)
		if rand.IntN(4) == 0 {
			time.Sleep(rand.N(startTime))
			p.kill()
			early++
		} else {
			p.ready(t)
			for _, f := range purses {
				f.check(t, p.url, dir, 0)
			}
			spending{after: 5*time.Millisecond + rand.N(120*time.Millisecond), idle: kills%50 == 10}.run(t, p, purses)
		}
		kills++
	}
	p := launch(t, "quiet", dir, "LATCHKEY_ROOT_KEY="+crashRoot).ready(t)
	for _, f := range purses {
		f.check(t, p.url, dir, 0)
	}
	var answered, pending, changes int64
	for _, f := range purses {
		answered, pending, changes = answered+f.answered, pending+f.doubts, changes+f.changes
	}
	t.Logf("%d kills, %d of them of a start; %d calls were accepted, %d times some were under way at a kill, %d changes", kills, early, answered, pending, changes)
	if answered < 1000 || pending < 100 || changes < 100 || early < 20 {
		t.Error("that is too little to tell anything")
	}
}

// relaxedLoss is how old an answer may be that a crash makes the server forget,
// with durability relaxed: 50 ms, and what a commit and the way of the answer
// take on a machine that is busy.
const relaxedLoss = 500 * time.Millisecond

// TestKillWhileSpendingRelaxed does the same where answers do not wait for the
// disk: never is more gone than was asked for, and what is forgotten is young.
func TestKillWhileSpendingRelaxed(t *testing.T) {
	dir := t.TempDir()
	start := func() *process {
		return launch(t, "quiet", dir, "LATCHKEY_ROOT_KEY="+crashRoot, "LATCHKEY_DURABILITY=relaxed").ready(t)
	}
	p := start()
	purses := makePurses(t, p)
	for n := range 8 {
		spending{after: relaxedLoss + rand.N(relaxedLoss), only: n%2 == 0}.run(t, p, purses)
		p = start()
		for _, f := range purses {
			f.check(t, p.url, dir, relaxedLoss)
		}
	}
	var answered int64
	for _, f := range purses {
		answered += f.answered
	}
	if answered < 1000 {
		t.Errorf("%d calls were accepted, which is too few to tell anything", answered)
	}
}

// measureStart returns how long the first start takes, and no later one takes
// longer, but for what a journal adds.
func measureStart(t *testing.T) time.Duration {
	begin := time.Now()
	launch(t, "quiet", t.TempDir()).ready(t).kill()
	return time.Since(begin)
}

// makePurses makes one key that is in great demand, some that are in less, and
// some that are empty again and again.
func makePurses(t *testing.T, p *process) []*purse {
	var purses []*purse
	for _, given := range []int64{1_000_000_000, 100_000, 100_000, 50, 50, 50} {
		status, answer, ok := ask("POST", p.url+"/latchkey/v1/keys", fmt.Sprintf(`{"credits":{"remaining":%d}}`, given))
		if !ok || status != http.StatusCreated {
			t.Fatalf("a key is not made: %d %v", status, answer)
		}
		purses = append(purses, &purse{id: answer["id"].(string), secret: answer["secret"].(string), given: given, most: given})
	}
	return purses
}

// A spending is a load that ends with a kill.
type spending struct {
	after time.Duration
	only  bool // nothing but verifications: no change takes what was spent along to the disk
	idle  bool // kill when the server puts its journal in order, since nobody comes any more
}

// run lets 64 clients do what they like until the server is killed.
func (s spending) run(t *testing.T, p *process, purses []*purse) {
	const clients = 64
	ctx, cancel := context.WithCancel(context.Background())
	transport := &http.Transport{MaxIdleConnsPerHost: clients}
	defer transport.CloseIdleConnections()
	by := &http.Client{Transport: transport}
	var wg sync.WaitGroup
	for range clients {
		wg.Go(func() {
			for ctx.Err() == nil {
				f := purses[0]
				if rand.IntN(10) < 4 {
					f = purses[rand.IntN(len(purses))]
				}
				if !f.step(t, by, p.url, s.only) {
					return
				}
			}
		})
	}
	time.Sleep(s.after)
	if s.idle {
		cancel()
		wg.Wait()
		time.Sleep(950*time.Millisecond + rand.N(100*time.Millisecond))
	}
	now := time.Now()
	p.kill()
	cancel()
	wg.Wait()
	for _, f := range purses {
		f.killed = now
	}
}
