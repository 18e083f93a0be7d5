package server

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"latchkey/internal/httpapi"
	"latchkey/internal/keys"
)

// hostileRequests is how many malformed and hostile requests are sent.
const hostileRequests = 10_000

// hostileKeyspaces have secrets of several forms, secrets that can be read
// again, and keys that anybody may verify.
const hostileKeyspaces = `
- {slug: open, policy: {verify_without_root_key: true}}
- {slug: kept, policy: {recoverable: true}}
- {slug: hex, policy: {prefix: sk-or-v1-, secret: {format: hex, length: 64}}}
- {slug: letters, policy: {prefix: "", secret: {format: letters, length: 64}}}
- {slug: bytes, policy: {prefix: b, secret: {format: base58-bytes, length: 24}}}
`

// A hostile sends one request after another that a well-meaning client would
// not, from a seed, so that a failure can be seen again.
type hostile struct {
	t      *testing.T
	rand   *rand.Rand
	addr   string
	root   string
	routes []httpapi.Route

	checked []string // secrets with a checksum, which are put everywhere
	others  []string // secrets that look like any text, which are put where no text is kept
	ids     []string // of keys
	spared  string   // the id of a key that no request is about, save smuggled ones

	mine   map[string]string // secrets that are sent → what each is
	banned needles           // what no error answer may have
	seen   *sync.Map         // status → true
	minted *sync.Map         // a secret that was answered → what it is

	conn net.Conn
	in   *bufio.Reader
}

// TestHostileRequests sends requests that are malformed or hostile over every
// endpoint. None is answered 5xx but 503 (and 501 or 505 for what is not
// HTTP/1.1), none makes the server fail, and no secret comes out anywhere.
func TestHostileRequests(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	cfg := Defaults()
	cfg.DataDir, cfg.Keyspaces = dir, filepath.Join(t.TempDir(), "keyspaces.yaml")
	writeFile(t, cfg.Keyspaces, hostileKeyspaces)
	var log lockedBuffer
	s, err := Open(t.Context(), cfg, Options{Log: slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))})
	if err != nil {
		t.Fatal(err)
	}
	addr, stop := serve(t, s)

	h := &hostile{
		t: t, addr: addr, root: s.RootKey.Reveal(), routes: append(routesOf(s, cfg), httpapi.Route{Method: "GET", Path: "/nowhere"}),
		seen: &sync.Map{}, minted: &sync.Map{},
	}
	spared := h.prepare()
	const clients = 8
	var wg sync.WaitGroup
	for n := range clients {
		wg.Go(func() { h.client(uint64(n)).run(hostileRequests / clients) })
	}
	wg.Wait()
	if status, answer := call(t, "POST", "http://"+addr+"/latchkey/v1/verify", h.root, `{"key":"`+spared+`"}`); !strings.Contains(answer, `"valid":true`) {
		t.Errorf("afterwards, a good key is answered %d %s", status, answer)
	}
	h.statuses(t)

	secrets := h.secrets(t, dir)
	allowed := map[string]string{rootKeyFile: h.root, secretFile: installationSecretOf(t, dir)}
	checkDirectory(t, dir, secrets, allowed) // while the log of the database is full
	stop()
	checkDirectory(t, dir, secrets, allowed)
	if found := inAnyForm(secrets).find([]byte(log.String())); found != nil {
		t.Errorf("the log has %q", found)
	}
	if line := grep(log.String(), `"level":"ERROR"`) + grep(log.String(), "panic"); line != "" {
		t.Errorf("the log tells of a breakdown:\n%s", line)
	}
}

// serve answers requests for s on a loopback port until stop, which closes s.
func serve(t *testing.T, s *Server) (addr string, stop func()) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- httpapi.Serve(ctx, s.log, l, s.Handler, nil, time.Second) }()
	return l.Addr().String(), func() {
		t.Helper()
		cancel()
		if err := errors.Join(<-served, s.Close()); err != nil {
			t.Error(err)
		}
	}
}

// routesOf lists every route that a server answers.
func routesOf(s *Server, cfg Config) []httpapi.Route {
	api := s.api(cfg, &keys.Verifier{Records: s.cache, Limiter: s.limiter, Ledger: s.store, Recorder: s.usage, Clock: s.clock})
	routes := api.Fallback.Routes()
	for _, d := range api.Dialects {
		routes = append(routes, d.Routes()...)
	}
	return routes
}

// prepare makes keys whose secrets are then put where they do not belong, and
// one that is left alone, whose secret it returns.
func (h *hostile) prepare() (spared string) {
	h.spared, spared = h.makeKey(`{}`)
	h.mine = map[string]string{h.root: "the root key"}
	for i := range 13 {
		h.renew(i)
	}
	return spared
}

// renew makes a key, and forgets one that requests may have ended by now.
func (h *hostile) renew(i int) {
	const settings = `"name":"k","credits":{"remaining":1000000},"limits":[{"name":"l","max":1000000,"window":"1h"}]`
	pool, ks, may := &h.checked, "default", `["read"]`
	switch i % 13 {
	case 0, 4:
		ks, may = "open", "[]"
	case 1, 6:
		ks = "kept"
	case 2, 5, 9:
		pool, ks = &h.others, []string{"", "", "hex", "", "", "letters", "", "", "", "bytes"}[i%13]
	}
	id, secret := h.makeKey(`{"keyspace":"` + ks + `","permissions":` + may + `,` + settings + `}`)
	h.ids, *pool = latest(h.ids, id, 13), latest(*pool, secret, 10)
	h.mine[secret] = "the secret of " + id
	h.banned = inAnyForm(h.mine)
}

// latest returns a new list with one more at its end, and at most n.
func latest(list []string, one string, n int) []string {
	list = append(slices.Clone(list), one)
	return list[max(0, len(list)-n):]
}

func (h *hostile) makeKey(body string) (id, secret string) {
	h.t.Helper()
	status, answer := call(h.t, "POST", "http://"+h.addr+"/latchkey/v1/keys", h.root, body)
	var k struct{ ID, Secret string }
	if err := json.Unmarshal([]byte(answer), &k); err != nil || status != http.StatusCreated {
		h.t.Fatalf("make a key: %d %s", status, answer)
	}
	h.minted.Store(k.Secret, "the secret of "+k.ID)
	return k.ID, k.Secret
}

// secrets returns all that must not leak.
func (h *hostile) secrets(t *testing.T, dir string) map[string]string { // text → what it is
	all := map[string]string{h.root: "the root key", installationSecretOf(t, dir): "the installation secret"}
	h.minted.Range(func(secret, what any) bool { all[secret.(string)] = what.(string); return true })
	if len(all) < 200 {
		t.Errorf("%d secrets were made, too few to tell anything", len(all))
	}
	return all
}

func installationSecretOf(t *testing.T, dir string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, secretFile))
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(text))
}

// client returns one of several that send at once.
func (h *hostile) client(seed uint64) *hostile {
	c := *h
	c.rand, c.mine = rand.New(rand.NewPCG(seed, 7)), maps.Clone(h.mine)
	return &c
}

func (h *hostile) run(requests int) {
	for i := range requests {
		if h.t.Failed() {
			break
		}
		if i%50 == 0 {
			h.renew(i / 50)
		}
		if request := h.request(); isWhole(request) {
			h.send(request)
		} else {
			h.hurl(request)
		}
	}
	h.hangUp()
}

// isWhole reports whether a text is one request from its beginning to its end,
// so that an answer must come.
func isWhole(request string) bool {
	in := bufio.NewReader(strings.NewReader(request))
	r, err := http.ReadRequest(in)
	if err != nil || r.Method == "PRI" {
		return false
	}
	if _, err = io.Copy(io.Discard, r.Body); err != nil {
		return false
	}
	_, err = in.ReadByte()
	return err == io.EOF
}

// send sends a whole request and judges the one answer.
func (h *hostile) send(request string) {
	resp, body, err := h.exchange(request)
	if err != nil { // perhaps the connection was at its end
		h.hangUp()
		resp, body, err = h.exchange(request)
	}
	if errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) {
		// What net/http refuses it does not read to its end, and the answer can be lost.
		h.hangUp()
		return
	}
	if err != nil {
		h.t.Errorf("no answer: %v\n%q", err, request)
		return
	}
	if resp.Close || h.rand.IntN(50) == 0 {
		h.hangUp()
	}
	h.judge(request, resp, body)
}

func (h *hostile) exchange(request string) (*http.Response, []byte, error) {
	if h.conn == nil {
		if err := h.dial(); err != nil {
			return nil, nil, err
		}
	}
	_, err := io.WriteString(h.conn, request)
	if err != nil {
		return nil, nil, err
	}
	return h.answer(request)
}

// answer reads the next answer that is the last word on a request.
func (h *hostile) answer(request string) (*http.Response, []byte, error) {
	method, _, _ := strings.Cut(request, " ")
	for {
		resp, err := http.ReadResponse(h.in, &http.Request{Method: method})
		if err != nil {
			return nil, nil, err
		}
		if resp.StatusCode < 200 {
			continue
		}
		body, err := io.ReadAll(resp.Body)
		return resp, body, err
	}
}

// hurl sends what is no request, or less than one, or more, and judges all that
// comes back until the server hangs up.
func (h *hostile) hurl(request string) {
	h.hangUp()
	if err := h.dial(); err != nil {
		h.t.Errorf("the server takes no connection: %v\n%q", err, request)
		return
	}
	defer h.hangUp()
	_, _ = io.WriteString(h.conn, request) // the server may have hung up before the end
	_ = h.conn.(*net.TCPConn).CloseWrite()
	for range 100 {
		resp, body, err := h.answer(request)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			h.t.Errorf("the server does not hang up\n%q", request)
		}
		if err != nil {
			return
		}
		h.judge(request, resp, body)
	}
}

var answeredSecret = regexp.MustCompile(`"(?:secret|key)":"([^"]+)"`)

func (h *hostile) judge(request string, resp *http.Response, body []byte) {
	h.seen.Store(resp.StatusCode, true)
	switch s := resp.StatusCode; {
	case s >= 300 && s < 400:
		h.t.Errorf("answered by a redirect\n%q", request)
	case s == http.StatusServiceUnavailable, s == http.StatusNotImplemented, s == http.StatusHTTPVersionNotSupported:
	case s >= 500:
		h.t.Errorf("answered %d %s\n%q", s, body, request)
	}
	if resp.StatusCode < 300 {
		for _, m := range answeredSecret.FindAllSubmatch(body, -1) {
			h.minted.LoadOrStore(string(m[1]), "a secret that was answered")
		}
		return
	}
	var header strings.Builder
	_ = resp.Header.Write(&header)
	if found := append(h.banned.find(body), h.banned.find([]byte(header.String()))...); found != nil {
		h.t.Errorf("the answer %d has %q\n%q\n%s%s", resp.StatusCode, found, request, header.String(), body)
	}
}

// statuses makes sure that the requests went past the first doors.
func (h *hostile) statuses(t *testing.T) {
	for _, s := range []int{200, 201, 204, 400, 401, 403, 404, 405, 409, 412, 413, 415, 431, 501, 505} {
		if _, ok := h.seen.Load(s); !ok {
			t.Errorf("no request was answered %d: the requests do not reach everything", s)
		}
	}
}

func (h *hostile) dial() error {
	conn, err := net.Dial("tcp", h.addr)
	if err != nil {
		return fmt.Errorf("dial: %w", err)
	}
	h.conn, h.in = conn, bufio.NewReader(conn)
	return conn.SetDeadline(time.Now().Add(20 * time.Second))
}

func (h *hostile) hangUp() {
	if h.conn != nil {
		h.conn.Close()
		h.conn = nil
	}
}

func grep(text, word string) string {
	for line := range strings.Lines(text) {
		if strings.Contains(line, word) {
			return line
		}
	}
	return ""
}

// TestHostileSecretsAreFound makes sure that the hostile test would see a
// secret in the directory: there is one, in the file that may have it.
func TestHostileSecretsAreFound(t *testing.T) {
	dir := t.TempDir()
	cfg := Defaults()
	cfg.DataDir = dir
	s, err := Open(t.Context(), cfg, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	text, err := os.ReadFile(filepath.Join(dir, rootKeyFile))
	if err != nil {
		t.Fatal(err)
	}
	if found := inClear(map[string]string{s.RootKey.Reveal(): "the root key"}).find(text); len(found) != 1 {
		t.Errorf("found %q in the root key's file, want the root key", found)
	}
}
