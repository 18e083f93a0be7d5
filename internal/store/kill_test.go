package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// spendIn makes this program, started by a test, spend from the store at a path
// until it is killed.
const spendIn = "STORE_SPEND_IN"

const killAccounts = 200

// spendUntilKilled spends at random and tells of every spending on its standard
// output before it begins and when it is done. The journal is short, so that
// rows are brought up to date all the time.
func spendUntilKilled(path string) {
	s, err := Open(context.Background(), "sqlite:"+path)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	s.balances.foldAfter, s.balances.deleteAfter = 20, 5
	for range 8 {
		go func() {
			for {
				account, cost := rand.IntN(killAccounts), 1+rand.Int64N(3)
				fmt.Fprintf(os.Stdout, "begin %d %d\n", account, cost)
				_, ok, err := spendCredits(context.Background(), s, fmt.Sprintf("account-%d", account), cost, time.Now())
				if !ok || err != nil {
					fmt.Fprintln(os.Stderr, ok, err)
					os.Exit(1)
				}
				fmt.Fprintf(os.Stdout, "done %d %d\n", account, cost)
			}
		}()
	}
	select {}
}

// TestKillWhileFolding kills a program at random moments while it spends and
// brings rows up to date, or while it starts, some times in a row. What is gone
// then is what it told of as done, or that and what it had begun.
func TestKillWhileFolding(t *testing.T) {
	path := filepath.Join(t.TempDir(), "latchkey.db")
	open := func() *Store {
		s, err := Open(t.Context(), "sqlite:"+path)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	s := open()
	const given = 1_000_000 // more than can be spent here
	ids := manyAccounts(t, s, killAccounts, given)
	spent, done := make([]int64, len(ids)), int64(0)
	for range 20 {
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		begun, ended := make([]int64, len(ids)), make([]int64, len(ids))
		for range 1 + rand.IntN(3) {
			spendAndKill(t, path, begun, ended)
		}
		s = open()
		for i, id := range ids {
			gone := given - left(t, s, id) - spent[i]
			if gone < ended[i] || gone > begun[i] {
				t.Errorf("%s: %d are gone, want %d to %d", id, gone, ended[i], begun[i])
			}
			spent[i] += gone
			done += ended[i]
		}
		if t.Failed() {
			break
		}
	}
	s.Close()
	if done < 300 {
		t.Errorf("%d were spent, too few to tell anything", done)
	}
}

// spendAndKill runs the program for a moment and adds up what it tells.
func spendAndKill(t *testing.T, path string, begun, ended []int64) {
	t.Helper()
	program := exec.Command(os.Args[0])
	program.Env = append(os.Environ(), spendIn+"="+path)
	out := &heard{first: make(chan struct{})}
	var complaint bytes.Buffer
	program.Stdout, program.Stderr = out, &complaint
	if err := program.Start(); err != nil {
		t.Fatal(err)
	}
	var killed sync.WaitGroup
	killed.Go(func() {
		after := rand.N(250 * time.Millisecond)
		if rand.IntN(3) > 0 {
			select { // else it may still be starting
			case <-out.first:
			case <-time.After(20 * time.Second):
			}
		}
		time.Sleep(after)
		_ = program.Process.Kill()
	})
	err := program.Wait()
	killed.Wait()
	if e, ok := errors.AsType[*exec.ExitError](err); !ok || e.Exited() || complaint.Len() > 0 {
		t.Fatalf("the program ended by itself: %v %s", err, &complaint)
	}
	for line := range strings.Lines(out.text.String()) {
		var what string
		var account int
		var cost int64
		if _, err := fmt.Sscanf(line, "%s %d %d\n", &what, &account, &cost); err != nil {
			t.Fatalf("the program wrote %q", line)
		}
		if what == "begin" {
			begun[account] += cost
		} else {
			ended[account] += cost
		}
	}
}

// heard keeps what a program writes, and tells when it begins to.
type heard struct {
	text  bytes.Buffer
	once  sync.Once
	first chan struct{}
}

func (h *heard) Write(p []byte) (int, error) {
	h.once.Do(func() { close(h.first) })
	return h.text.Write(p)
}
