package server

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
)

// TestSyncBeforeValid watches the server's calls of the kernel: between the
// writing of what a call has spent and the writing of its answer there is a
// sync of the file. A kill cannot show that, since the kernel keeps what was
// written. That the watch sees what it should is shown by durability relaxed,
// and by a record from which the syncs are taken.
func TestSyncBeforeValid(t *testing.T) {
	if noTracer = tracer(); noTracer != nil {
		return // on record by TestMain
	}
	strict := traceSpending(t, "strict")
	if early := strict.early(); len(early) > 0 {
		t.Errorf("%d of %d calls were answered before what they spent was on the disk: %v", len(early), len(strict.keys), early)
	}
	if early := strict.without("fsync", "fdatasync").early(); len(early) != len(strict.keys) {
		t.Errorf("without any sync %d of %d calls are found to be answered early", len(early), len(strict.keys))
	}
	relaxed := traceSpending(t, "relaxed")
	if early := relaxed.early(); len(early) < len(relaxed.keys)/2 {
		t.Errorf("with durability relaxed %d of %d calls were answered before they were on the disk", len(early), len(relaxed.keys))
	}
}

// tracer reports why the server's calls of the kernel cannot be watched here.
func tracer() error {
	out, err := exec.Command("strace", "-D", "-f", "--seccomp-bpf", "-o", os.DevNull, "true").CombinedOutput()
	if err != nil {
		return fmt.Errorf("strace: %w %s", err, bytes.TrimSpace(out))
	}
	return nil
}

// A trace is what a server did while each of some keys was used once.
type trace struct {
	keys  []string // their ids
	calls []kernelCall
}

// A kernelCall is one that a server made. Those that write stand where they
// began; a sync stands where it began, and again where it was over.
type kernelCall struct {
	name string
	file string
	data []byte
	over bool
}

// traceSpending starts a server under strace, and uses keys that have credits:
// some one after the other, others a few at a time. Each is used once, so that
// the write that tells of it is that of its one call.
func traceSpending(t *testing.T, durability string) trace {
	t.Helper()
	const alone, atOnce, times = 30, 12, 5
	file := filepath.Join(t.TempDir(), "trace")
	by := []string{"strace", "-D", "-f", "--seccomp-bpf", "-qq", "-y", "-xx", "-s", "10000", "-e", "signal=none",
		"-e", "trace=fsync,fdatasync,pwrite64,write", "-o", file}
	p := launchBy(t, by, "quiet", t.TempDir(), "LATCHKEY_ROOT_KEY="+crashRoot, "LATCHKEY_DURABILITY="+durability).ready(t)
	var tr trace
	var secrets []string
	for range alone + atOnce*times {
		status, answer, ok := ask("POST", p.url+"/latchkey/v1/keys", `{"credits":{"remaining":9}}`)
		if !ok || status != http.StatusCreated {
			t.Fatalf("a key is not made: %d %v", status, answer)
		}
		tr.keys, secrets = append(tr.keys, answer["id"].(string)), append(secrets, answer["secret"].(string))
	}
	use := func(secret string) {
		if _, answer, _ := ask("POST", p.url+"/latchkey/v1/verify", fmt.Sprintf(`{"key":%q}`, secret)); answer["valid"] != true {
			t.Errorf("a good key is answered %v", answer)
		}
	}
	for _, secret := range secrets[:alone] {
		use(secret)
	}
	for n := range times {
		var wg sync.WaitGroup
		for i := range atOnce {
			wg.Go(func() { use(secrets[alone+n*atOnce+i]) })
		}
		wg.Wait()
	}
	p.terminate(t)
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	tr.calls = parseTrace(t, string(text))
	return tr
}

var (
	traceCall = regexp.MustCompile(`^(\d+) +(fsync|fdatasync|pwrite64|write)\(\d+<([^>]*)>(?:, "([^"]*)")?(.*)$`)
	traceEnd  = regexp.MustCompile(`^(\d+) +<\.\.\. (?:fsync|fdatasync) resumed>.*= 0$`)
)

// parseTrace reads what strace has written, in the order of the calls.
func parseTrace(t *testing.T, text string) (calls []kernelCall) {
	t.Helper()
	open := map[string]kernelCall{} // thread → the sync that it waits for
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		if m := traceEnd.FindStringSubmatch(line); m != nil {
			end := open[m[1]]
			end.over = true
			calls = append(calls, end)
			continue
		}
		m := traceCall.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		c := kernelCall{name: m[2], file: string(unhex(t, m[3])), data: unhex(t, m[4])}
		calls = append(calls, c)
		if strings.HasSuffix(m[2], "sync") && strings.HasSuffix(m[5], "<unfinished ...>") {
			open[m[1]] = c
		} else if strings.HasSuffix(m[2], "sync") && strings.HasSuffix(m[5], "= 0") {
			c.over = true
			calls = append(calls, c)
		}
	}
	return calls
}

func unhex(t *testing.T, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(text, `\x`, ""))
	if err != nil {
		t.Fatalf("strace wrote %q", text)
	}
	return b
}

// without returns the trace without the calls of some names.
func (tr trace) without(names ...string) trace {
	out := trace{keys: tr.keys}
	for _, c := range tr.calls {
		if !strings.Contains(strings.Join(names, " "), c.name) {
			out.calls = append(out.calls, c)
		}
	}
	return out
}

// early returns the keys whose VALID was sent before the write that tells of
// what it cost was followed by a whole sync of the same file, or never.
func (tr trace) early() (keys []string) {
	begin := tr.lastMade()
	for _, id := range tr.keys {
		if !tr.syncedBeforeValid(begin, id) {
			keys = append(keys, id)
		}
	}
	return keys
}

// lastMade returns where the answer stands that told of the last key. The rows
// of all keys were written before.
func (tr trace) lastMade() (at int) {
	last := []byte(tr.keys[len(tr.keys)-1])
	for i, c := range tr.calls {
		if c.answers(last) && bytes.Contains(c.data, []byte(`"secret"`)) {
			return i
		}
	}
	return 0
}

func (tr trace) syncedBeforeValid(begin int, id string) bool {
	const written, syncing, synced = 1, 2, 3
	state := 0
	for _, c := range tr.calls[begin+1:] {
		log := strings.HasSuffix(c.file, "/latchkey.db-wal")
		switch {
		case log && c.name == "pwrite64" && state == 0 && bytes.Contains(c.data, []byte(id)):
			state = written
		case log && strings.HasSuffix(c.name, "sync") && !c.over && state == written:
			state = syncing
		case log && strings.HasSuffix(c.name, "sync") && c.over && state == syncing:
			state = synced
		case c.answers([]byte(id)):
			return state == synced && bytes.Contains(c.data, []byte(`"valid":true`))
		}
	}
	return false
}

// answers reports whether the call sends an answer that names a key.
func (c kernelCall) answers(id []byte) bool {
	return c.name == "write" && strings.HasPrefix(c.file, "socket:") && bytes.HasPrefix(c.data, []byte("HTTP/1.1 20")) && bytes.Contains(c.data, id)
}
