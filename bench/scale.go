package main

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	_ "modernc.org/sqlite" // the engine that the data directory is written with
)

// A scale is what many keys cost.
type scale struct {
	Case   string  `json:"case"` // "scale"
	Keys   int     `json:"keys"` // in the database
	Start  float64 `json:"start_ms"`
	Cached int     `json:"cached"` // keys that were verified, once each
	PerKey float64 `json:"cached_key_bytes"`
}

func (s *scale) String() string {
	return fmt.Sprintf("With %d keys in the database, the first verification was accepted %.0f ms after the start of the process.\n"+
		"Each of %d plain keys that were verified takes %.0f bytes of memory.", s.Keys, s.Start, s.Cached, s.PerKey)
}

// mostCached bounds the keys that are verified to fill the cache.
const mostCached = 200_000

// measureScale starts latchkey on a database of n plain keys, and verifies
// many of them.
func (s *stage) measureScale(ctx context.Context, n int) (*scale, error) {
	fmt.Fprintf(s.progress, "making a database of %d keys\n", n)
	const setting = "GODEBUG=gctrace=1" // which tells what is alive after each collection
	few, err := s.startLatchkey(ctx, setting)
	if err != nil {
		return nil, err
	}
	secrets, err := few.createKeys(ctx, `{}`, 1)
	if err != nil {
		return nil, err
	}
	few.stop()
	if err := multiply(ctx, filepath.Join(few.dataDir, "latchkey.db"), sha256.Sum256([]byte(secrets[0])), n); err != nil {
		return nil, fmt.Errorf("make a database of %d keys: %w", n, err)
	}

	fmt.Fprintf(s.progress, "starting on it and verifying %d of them\n", min(n, mostCached))
	begun := time.Now()
	args := []string{s.binary, "serve"}
	env := []string{"LATCHKEY_DATA_DIR=" + few.dataDir, "LATCHKEY_ADDR=" + few.addr, "LATCHKEY_ROOT_KEY=" + few.rootKey, setting}
	p, err := startProcess(ctx, s.dir, "many", args, env, nil)
	if err != nil {
		return nil, err
	}
	p.addr = few.addr
	defer p.stop()
	request := func(i int) []byte { return []byte(verifyRequest("/latchkey/v1/verify", few.rootKey, madeSecret(i))) }
	if err := firstAnswer(ctx, p, request(n/2)); err != nil {
		return nil, err
	}
	out := &scale{Case: "scale", Keys: n, Start: round(micros(time.Since(begun))/1000, 0), Cached: min(n, mostCached)}

	rounds := 1 + 5*out.Cached/mostCached
	before, err := p.live(request(n/2), rounds)
	if err != nil {
		return nil, err
	}
	if err := each(p.addr, out.Cached, request); err != nil {
		return nil, err
	}
	after, err := p.live(request(n/2), rounds)
	if err != nil {
		return nil, err
	}
	out.PerKey = round(float64(after-before)*(1<<20)/float64(out.Cached), 0)
	return out, nil
}

// madeSecret is the secret of the i-th key.
func madeSecret(i int) string {
	sum := sha256.Sum256(binary.BigEndian.AppendUint64([]byte("bench"), uint64(i)))
	return "many_" + hex.EncodeToString(sum[:20])
}

// multiply adds n copies of a key to a database that no server has open, with
// secrets of their own.
func multiply(ctx context.Context, path string, hash [sha256.Size]byte, n int) error {
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=synchronous(0)")
	if err != nil {
		return err
	}
	defer db.Close()
	db.SetMaxOpenConns(1) // temporary tables are a connection's own
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	for _, statement := range []string{
		`CREATE TEMP TABLE one_secret AS SELECT * FROM secrets WHERE hash = ?1`,
		`CREATE TEMP TABLE one_key AS SELECT * FROM keys WHERE id = (SELECT key_id FROM one_secret)`,
	} {
		if _, err := tx.ExecContext(ctx, statement, hash[:]); err != nil {
			return err
		}
	}
	var copies []*sql.Stmt
	for _, statement := range []string{
		`UPDATE one_key SET id = ?1, account_id = ?1`,
		`INSERT INTO keys SELECT * FROM one_key`,
		`UPDATE one_secret SET id = ?2, key_id = ?1, hash = ?3`,
		`INSERT INTO secrets SELECT * FROM one_secret`,
	} {
		prepared, err := tx.PrepareContext(ctx, statement)
		if err != nil {
			return err
		}
		copies = append(copies, prepared)
	}
	for i := range n {
		digits := fmt.Sprintf("%017d", i)
		sum := sha256.Sum256([]byte(madeSecret(i)))
		for j, args := range [][]any{{"key_" + digits}, nil, {"key_" + digits, "sec_" + digits, sum[:]}, nil} {
			if _, err := copies[j].ExecContext(ctx, args...); err != nil {
				return err
			}
		}
	}
	return tx.Commit()
}

// firstAnswer waits until the server accepts a verification.
func firstAnswer(ctx context.Context, p *process, request []byte) error {
	for deadline := time.Now().Add(answerWithin); ; {
		if conn, err := dial(p.addr, deadline); err == nil {
			defer conn.close()
			a, err := conn.do(request)
			if err == nil {
				err = a.check([]byte(validMarker))
			}
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-p.done:
			return fmt.Errorf("%s ended at once: %w%s", p.name, endOf(p.err), p.tail())
		case <-time.After(time.Millisecond):
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%s did not answer within %s%s", p.name, answerWithin, p.tail())
		}
	}
}

// each sends one request for each of n keys, over a few connections.
func each(addr string, n int, request func(int) []byte) error {
	const workers = 16
	failed := make(chan error, workers)
	for w := range workers {
		go func() {
			failed <- func() error {
				conn, err := dial(addr, time.Now().Add(5*time.Minute))
				if err != nil {
					return err
				}
				defer conn.close()
				for i := w; i < n; i += workers {
					a, err := conn.do(request(i))
					if err == nil {
						err = a.check([]byte(validMarker))
					}
					if err != nil {
						return fmt.Errorf("verify key %d of %d: %w", i, n, err)
					}
				}
				return nil
			}()
		}()
	}
	var all []error
	for range workers {
		all = append(all, <-failed)
	}
	return errors.Join(all...)
}

// collection is what the runtime prints of one: how much there was when it
// began and when it ended, and what of it is alive.
var collection = regexp.MustCompile(`(?m)^gc \d+ .*?(\d+)->(\d+)->(\d+) MB`)

// live returns the megabytes that are alive in the server once it has written
// what was counted, for which it waits a few rounds. It sends one request again
// and again, as only allocations lead to a collection.
func (p *process) live(request []byte, rounds int) (int, error) {
	again := func(int) []byte { return request }
	least := 0
	for range rounds {
		time.Sleep(2 * time.Second)
		if err := each(p.addr, 60_000, again); err != nil {
			return 0, err
		}
		text, err := os.ReadFile(p.log)
		if err != nil {
			return 0, fmt.Errorf("read what %s printed: %w", p.name, err)
		}
		found := collection.FindAllStringSubmatch(strings.ToValidUTF8(string(text), "?"), -1)
		if len(found) == 0 {
			continue
		}
		mb, err := strconv.Atoi(found[len(found)-1][3])
		if err != nil {
			return 0, fmt.Errorf("read what %s printed: %w", p.name, err)
		}
		if least == 0 || mb < least {
			least = mb
		}
	}
	if least == 0 {
		return 0, fmt.Errorf("%s has not collected its garbage", p.name)
	}
	return least, nil
}
