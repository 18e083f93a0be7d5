package server

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
)

// TestSyncBeforeAnswers watches the server's calls of the kernel: between the
// writing of what a call has spent or set aside and the writing of its answer
// there is a sync of the file. A kill cannot show that, since the kernel keeps
// what was written. That the watch sees what it should is shown by durability
// relaxed, and by a record from which the syncs are taken.
func TestSyncBeforeAnswers(t *testing.T) {
	if noTracer = tracer(); noTracer != nil {
		return // on record by TestMain
	}
	strict := traceUses(t, "strict")
	if early := strict.early(""); len(early) > 0 {
		t.Errorf("%d of %d calls were answered before what they did was on the disk: %q", len(early), len(strict.uses), early)
	}
	if early := strict.without("fsync", "fdatasync").early(""); len(early) != len(strict.uses) {
		t.Errorf("without any sync %d of %d calls are found to be answered early", len(early), len(strict.uses))
	}
	relaxed := traceUses(t, "relaxed")
	for _, what := range []string{"credits", "verify", "spend"} {
		if early, all := relaxed.early(what), relaxed.of(what); len(early) < all/2 || all == 0 {
			t.Errorf("with durability relaxed %d of %d calls of %s were answered before they were on the disk", len(early), all, what)
		}
	}
	for _, what := range []string{"reserve", "settle"} { // always by the one writer
		if early, all := relaxed.early(what), relaxed.of(what); len(early) > 0 || all == 0 {
			t.Errorf("with durability relaxed %d of %d calls to %s were answered before they were on the disk", len(early), all, what)
		}
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

// A trace is what a server did while each of some keys was used.
type trace struct {
	uses  []use
	made  string // the id of the last key, all of which were made before they were used
	calls []kernelCall
}

// A use is one call that must be durable when it is answered, and how to know
// it in a trace: by what nothing else writes or tells.
type use struct {
	what  string
	wrote [][]byte // of which the first write that tells of it has one
	told  []byte   // which its answer has
}

// A kernelCall is one that a server made. Those that write stand where they
// began; a sync stands where it began, and again where it was over.
type kernelCall struct {
	name string
	file string
	data []byte
	over bool
}

// traceUses starts a server under strace, and uses keys that have credits or a
// budget: some one after the other, others a few at a time.
func traceUses(t *testing.T, durability string) trace {
	t.Helper()
	const alone, atOnce, times = 32, 12, 5
	file := filepath.Join(t.TempDir(), "trace")
	by := []string{"strace", "-D", "-f", "--seccomp-bpf", "-qq", "-y", "-xx", "-s", "10000", "-e", "signal=none",
		"-e", "trace=fsync,fdatasync,pwrite64,write", "-o", file}
	p := launchBy(t, by, "quiet", t.TempDir(), "LATCHKEY_ROOT_KEY="+crashRoot, "LATCHKEY_DURABILITY="+durability).ready(t)
	var tr trace
	var users []*user
	for i := range alone + atOnce*times {
		u := &user{what: []string{"credits", "verify", "spend", "reserve"}[i%4], url: p.url + "/latchkey/v1"}
		u.make(t)
		users, tr.made = append(users, u), u.id
	}
	for _, u := range users[:alone] {
		u.use(t)
	}
	for n := range times {
		var wg sync.WaitGroup
		for i := range atOnce {
			wg.Go(func() { users[alone+n*atOnce+i].use(t) })
		}
		wg.Wait()
	}
	p.terminate(t)
	for _, u := range users {
		tr.uses = append(tr.uses, u.uses...)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	tr.calls = parseTrace(t, string(text))
	return tr
}

// A user uses one key in one way.
type user struct {
	what, url  string
	id, secret string
	uses       []use
}

func (u *user) make(t *testing.T) {
	t.Helper()
	settings := `{"budget":{"limit_micros":1000000000000000}}`
	if u.what == "credits" {
		settings = `{"credits":{"remaining":9}}`
	}
	status, answer, ok := ask("POST", u.url+"/keys", settings)
	if !ok || status != http.StatusCreated {
		t.Fatalf("a key is not made: %d %v", status, answer)
	}
	u.id, u.secret = answer["id"].(string), answer["secret"].(string)
}

// use uses the key. The write that tells of credits names the key, as no other
// does since it was made; that of money has the amount, which is random.
func (u *user) use(t *testing.T) {
	micros := 100_000_000_000_000 + rand.Int64N(800_000_000_000_000)
	amount := fmt.Sprintf(`"amount_micros":%d`, micros)
	switch u.what {
	case "credits":
		u.ask(t, "/verify", fmt.Sprintf(`"key":%q`, u.secret))
		u.uses = append(u.uses, use{u.what, [][]byte{[]byte(u.id)}, []byte(u.id)})
	case "verify":
		u.ask(t, "/verify", fmt.Sprintf(`"key":%q,"spend_micros":%d`, u.secret, micros))
		u.spent("verify", micros, u.id) // of the budget it is told what remains
	case "spend":
		u.ask(t, "/keys/"+u.id+"/spend", amount)
		u.spent("spend", micros, fmt.Sprint(micros))
	case "reserve":
		answer := u.ask(t, "/keys/"+u.id+"/reservations", amount)
		id, _ := answer["id"].(string)
		u.uses = append(u.uses, use{"reserve", [][]byte{[]byte(id)}, []byte(id)})
		micros /= 2
		u.ask(t, "/reservations/"+id+"/settle", fmt.Sprintf(`"amount_micros":%d`, micros))
		u.spent("settle", micros, fmt.Sprint(micros))
	}
}

func (u *user) ask(t *testing.T, path, members string) map[string]any {
	t.Helper()
	status, answer, _ := ask("POST", u.url+path, "{"+members+"}")
	if valid, asked := answer["valid"].(bool); status/100 != 2 || asked && !valid {
		t.Errorf("%s of a good key is answered %d %v", path, status, answer)
	}
	return answer
}

// spent notes a use by the amount that it spent, as the journal has it and as
// the rows do, and by what its answer has.
func (u *user) spent(what string, micros int64, told string) {
	u.uses = append(u.uses, use{what, [][]byte{binary.AppendVarint(nil, micros), fmt.Append(nil, micros)}, []byte(told)})
}

var (
	traceCall = regexp.MustCompile(`^(\d+) +(fsync|fdatasync|pwrite64|write)\(\d+<([^>]*)>(.*)$`)
	traceEnd  = regexp.MustCompile(`^(\d+) +<\.\.\. (?:fsync|fdatasync) resumed>.*= 0$`)
)

// parseTrace reads what strace has written, in the order of the calls.
func parseTrace(t *testing.T, text string) (calls []kernelCall) {
	t.Helper()
	open := map[string]kernelCall{} // thread → the sync that it waits for
	for line := range strings.Lines(text) {
		line, data := cutData(strings.TrimSuffix(line, "\n"))
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
		c := kernelCall{name: m[2], file: string(unhex(t, m[3])), data: unhex(t, data)}
		calls = append(calls, c)
		if strings.HasSuffix(m[2], "sync") && strings.HasSuffix(m[4], "<unfinished ...>") {
			open[m[1]] = c
		} else if strings.HasSuffix(m[2], "sync") && strings.HasSuffix(m[4], "= 0") {
			c.over = true
			calls = append(calls, c)
		}
	}
	return calls
}

// cutData takes from a line the data that it quotes, which are long.
func cutData(line string) (rest, data string) {
	before, after, _ := strings.Cut(line, `"`)
	data, after, _ = strings.Cut(after, `"`)
	return before + after, data
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
	out := trace{uses: tr.uses, made: tr.made}
	for _, c := range tr.calls {
		if !slices.Contains(names, c.name) {
			out.calls = append(out.calls, c)
		}
	}
	return out
}

// of counts the uses of one kind.
func (tr trace) of(what string) (n int) {
	for _, u := range tr.uses {
		if u.what == what {
			n++
		}
	}
	return n
}

// early returns the uses of one kind, or of all, that were answered before the
// write that tells of them was followed by a whole sync of the same file, or
// never.
func (tr trace) early(what string) (early []string) {
	begin := tr.lastMade()
	for _, u := range tr.uses {
		if (what == "" || u.what == what) && !tr.syncedBefore(begin, u) {
			early = append(early, fmt.Sprintf("%s %s", u.what, u.told))
		}
	}
	return early
}

// lastMade returns where the answer stands that told of the last key. The rows
// of all keys were written before.
func (tr trace) lastMade() (at int) {
	for i, c := range tr.calls {
		if c.answers([]byte(tr.made)) && bytes.Contains(c.data, []byte(`"secret"`)) {
			return i
		}
	}
	return 0
}

// syncedBefore reports whether a use was answered, and not before a sync.
func (tr trace) syncedBefore(begin int, u use) bool {
	const written, syncing, synced = 1, 2, 3
	state := 0
	for _, c := range tr.calls[begin+1:] {
		log := strings.HasSuffix(c.file, "/latchkey.db-wal")
		switch {
		case log && c.name == "pwrite64" && state == 0 && u.writtenIn(c.data):
			state = written
		case log && strings.HasSuffix(c.name, "sync") && !c.over && state == written:
			state = syncing
		case log && strings.HasSuffix(c.name, "sync") && c.over && state == syncing:
			state = synced
		case c.answers(u.told):
			return state == synced
		}
	}
	return false
}

func (u use) writtenIn(data []byte) bool {
	return slices.ContainsFunc(u.wrote, func(b []byte) bool { return bytes.Contains(data, b) })
}

// answers reports whether the call sends an answer that has some text.
func (c kernelCall) answers(text []byte) bool {
	return c.name == "write" && strings.HasPrefix(c.file, "socket:") && bytes.HasPrefix(c.data, []byte("HTTP/1.1 20")) && bytes.Contains(c.data, text)
}
