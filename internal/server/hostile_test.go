package server

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"latchkey/internal/httpapi"
	"latchkey/internal/keys"
)

// hostileRequests is how many malformed and hostile requests are sent.
const hostileRequests = 10_000

// A hostile sends one request after another that a well-meaning client would
// not, from a seed, so that a failure can be seen again.
type hostile struct {
	t       *testing.T
	rand    *rand.Rand
	addr    string
	root    string
	routes  []httpapi.Route
	keys    []string          // live secrets
	ids     []string          // of keys
	secrets map[string]string // all that must not leak → what it is
	banned  needles
	seen    *sync.Map // status → true
	conn    net.Conn
	in      *bufio.Reader
}

// TestHostileRequests sends requests that are malformed or hostile over every
// endpoint. None is answered 5xx but 503 (and 501 or 505 for what is not
// HTTP/1.1), none makes the server fail, and no secret comes out anywhere.
func TestHostileRequests(t *testing.T) {
	dir := t.TempDir()
	var log lockedBuffer
	cfg := Defaults()
	cfg.DataDir = dir
	s, err := Open(t.Context(), cfg, Options{Log: slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))})
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- httpapi.Serve(ctx, s.log, l, s.Handler, nil, time.Second) }()

	h := &hostile{
		t: t, addr: l.Addr().String(), root: s.RootKey.Reveal(),
		routes: append(routesOf(s, cfg), httpapi.Route{Method: "GET", Path: "/nowhere"}), secrets: map[string]string{}, seen: &sync.Map{},
	}
	h.prepare()
	const clients = 8
	var wg sync.WaitGroup
	for n := range clients {
		wg.Go(func() { h.client(uint64(n)).run(hostileRequests / clients) })
	}
	wg.Wait()
	_, answer := call(t, "POST", "http://"+h.addr+"/latchkey/v1/keys", h.root, `{}`)
	var fresh struct{ Secret string }
	if err := json.Unmarshal([]byte(answer), &fresh); err != nil || fresh.Secret == "" {
		t.Fatalf("afterwards, no key can be made: %s", answer)
	}
	if status, answer := call(t, "POST", "http://"+h.addr+"/latchkey/v1/verify", h.root, `{"key":"`+fresh.Secret+`"}`); !strings.Contains(answer, `"valid":true`) {
		t.Errorf("afterwards, a good key is answered %d %s", status, answer)
	}
	h.statuses(t)
	cancel()
	if err := <-served; err != nil {
		t.Error(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}

	if found := inAnyForm(h.secrets).find([]byte(log.String())); found != nil {
		t.Errorf("the log has %q", found)
	}
	if strings.Contains(log.String(), "panic") {
		t.Errorf("the log tells of a panic:\n%s", grep(log.String(), "panic"))
	}
	checkDirectory(t, dir, h.secrets, map[string]string{rootKeyFile: h.root})
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

// prepare makes keys whose secrets are then put where they do not belong.
func (h *hostile) prepare() {
	h.secrets[h.root] = "the root key"
	for i := range 20 {
		body := `{"name":"k","permissions":["a.b"],"credits":{"remaining":1000000},"limits":[{"name":"l","max":1000000,"window":"1h"}]}`
		status, answer := call(h.t, "POST", "http://"+h.addr+"/latchkey/v1/keys", h.root, body)
		var k struct{ ID, Secret string }
		if err := json.Unmarshal([]byte(answer), &k); err != nil || status != http.StatusCreated {
			h.t.Fatalf("make a key: %d %s", status, answer)
		}
		h.keys, h.ids = append(h.keys, k.Secret), append(h.ids, k.ID)
		h.secrets[k.Secret] = "the secret of key " + strconv.Itoa(i)
	}
	h.banned = inAnyForm(h.secrets)
}

// client returns one of several that send at once.
func (h *hostile) client(seed uint64) *hostile {
	c := *h
	c.rand = rand.New(rand.NewPCG(seed, 7))
	return &c
}

func (h *hostile) run(requests int) {
	for i := range requests {
		if h.t.Failed() || h.conn == nil && !h.dial() {
			return
		}
		h.send(i)
	}
	if h.conn != nil {
		h.hangUp()
	}
}

// send sends one request and judges the answer.
func (h *hostile) send(i int) {
	request := h.request()
	h.conn.SetDeadline(time.Now().Add(time.Second))
	if _, err := io.WriteString(h.conn, request); err != nil {
		h.hangUp() // the server had closed the connection after the answer before
		return
	}
	resp, err := http.ReadResponse(h.in, &http.Request{Method: methodOf(request)})
	if err != nil {
		h.hangUp() // no answer is an answer to what is no request
		return
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.Close || i%50 == 0 {
		h.hangUp()
	}
	h.judge(i, request, resp, body)
}

func (h *hostile) judge(i int, request string, resp *http.Response, body []byte) {
	h.seen.Store(resp.StatusCode, true)
	switch s := resp.StatusCode; {
	case s >= 300 && s < 400:
		h.t.Errorf("request %d is answered by a redirect\n%q", i, request)
	case s == http.StatusServiceUnavailable, s == http.StatusNotImplemented, s == http.StatusHTTPVersionNotSupported:
	case s >= 500:
		h.t.Errorf("request %d is answered %d %s\n%q", i, s, body, request)
	case s >= 400:
		if found := h.banned.find(body); found != nil {
			h.t.Errorf("the answer %d to request %d has %q\n%q\n%s", s, i, found, request, body)
		}
	}
}

// statuses makes sure that the requests went past the first doors.
func (h *hostile) statuses(t *testing.T) {
	for _, s := range []int{200, 201, 204, 400, 401, 404, 405, 409, 412, 413, 415, 505} {
		if _, ok := h.seen.Load(s); !ok {
			t.Errorf("no request was answered %d: the requests do not reach everything", s)
		}
	}
}

func (h *hostile) dial() bool {
	conn, err := net.Dial("tcp", h.addr)
	if err != nil {
		h.t.Errorf("the server takes no connection any more: %v", err)
		return false
	}
	h.conn, h.in = conn, bufio.NewReader(conn)
	return true
}

func (h *hostile) hangUp() {
	h.conn.Close()
	h.conn = nil
}

func methodOf(request string) string {
	m, _, _ := strings.Cut(request, " ")
	return m
}

func (h *hostile) one(list ...string) string { return list[h.rand.IntN(len(list))] }

func (h *hostile) secret() string { return h.one(append(h.keys, h.root)...) }

// request makes one request: a route that there is, with one or more things
// about it wrong.
func (h *hostile) request() string {
	rt := h.routes[h.rand.IntN(len(h.routes))]
	method := rt.Method
	if h.rand.IntN(12) == 0 {
		method = h.one("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "CONNECT", "BREW", "get", "", "G\x00T", "PRI")
	}
	version := "HTTP/1.1"
	if h.rand.IntN(40) == 0 {
		version = h.one("HTTP/1.0", "HTTP/0.9", "HTTP/2.0", "HTTP/3", "HTTP/1.1 ", "", "http/1.1", "HTTP/9999999999.1")
	}
	body := h.body(rt.Path)
	head := method + " " + h.target(rt.Path) + " " + version + "\r\nHost: " + h.one("a.example", "a.example", "a.example", "", "a\tb", "[::1", "a.example:x") + "\r\n"
	return head + h.headers() + h.framed(body)
}

// target fills the wildcards of a path, and does something to it.
func (h *hostile) target(path string) string {
	for {
		open, shut := strings.IndexByte(path, '{'), strings.IndexByte(path, '}')
		if open < 0 || shut < open {
			break
		}
		id := h.one(h.ids...)
		path = path[:open] + h.one(id, id, id, id, id, h.secret(), "key_", "..", ".", "%2e%2e", "%2F", "%00", "%ff", "a%20b", "'; DROP TABLE keys; --",
			strings.Repeat("x", 3000), "key_00000000000000000", "\u00e4", "-1", "*", "{id}", "%zz", "invalid") + path[shut+1:]
	}
	switch h.rand.IntN(14) {
	case 0:
		path = "/" + path
	case 1:
		path += "/"
	case 2:
		path = strings.Replace(path, "/", "/./", 1)
	case 3:
		path = strings.Replace(path, "/v1", "/v1/../v1", 1)
	case 4:
		path = h.one("*", "", "//", "http://a.example"+path, "?", "/%", path+"#x", strings.ToUpper(path), path+"\x00")
	}
	switch h.rand.IntN(5) {
	case 0:
		path += "?" + h.one("limit", "cursor", "key", "status", "month", "offset", "name", "from", "start", "external_id", h.secret()) + "=" +
			h.one("-1", "0", "99999999999999999999", "%00", "%ff%fe", h.secret(), "a&a=b", "", "1;2", "%", "2026-13", "ÿ", strings.Repeat("9", 2000), "bGFsYQ")
	}
	return path
}

// headers makes header lines, some of which are wrong.
func (h *hostile) headers() string {
	var b strings.Builder
	switch h.rand.IntN(6) {
	case 0:
	case 1:
		fmt.Fprintf(&b, "Authorization: %s\r\n", h.one("Bearer", "Bearer ", "Basic "+h.secret(), "Bearer "+h.secret()+"x", "Bearer \x00", "bearer  "+h.keys[0],
			"Bearer "+strings.Repeat("x", 9000), h.secret(), "Bearer lk_", "Bearer ü"))
	default:
		fmt.Fprintf(&b, "Authorization: Bearer %s\r\n", h.one(h.root, h.root, h.root, h.keys[0]))
	}
	fmt.Fprintf(&b, "Content-Type: %s\r\n", h.one("application/json", "application/json", "application/json", "application/merge-patch+json", "text/plain", "", "a/b; c=\"", ";;", "application/json; charset=utf-8"))
	for range h.rand.IntN(3) {
		name := h.one("X-Request-Id", "Idempotency-Key", "If-Match", "If-Match", "Latchkey-Workspace", "X-Forwarded-For", "X-Forwarded-For", "Forwarded", "Expect", "Range",
			"Accept", "Connection", "Cookie", "X-HTTP-Method-Override", "Upgrade", "bad name", "", "Content-Encoding", "Origin")
		value := h.one(h.secret(), "*", `"v1"`, `W/"v1"`, "1.2.3.4, 5.6.7.8", "::1", "100-continue", "close, keep-alive", "\x01", "default", "ws_x", strings.Repeat("y", 400),
			"websocket", "gzip", "\"", ",,,", "lk'", "a\r\n b", "é")
		fmt.Fprintf(&b, "%s: %s\r\n", name, value)
	}
	if h.rand.IntN(100) == 0 {
		b.WriteString("X-Long: " + strings.Repeat("z", 30_000) + "\r\n")
	}
	return b.String()
}

// framed ends the header and adds the body, by length, in chunks, or wrongly.
func (h *hostile) framed(body string) string {
	switch h.rand.IntN(25) {
	case 0:
		return fmt.Sprintf("Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", len(body), body)
	case 1:
		return "Transfer-Encoding: chunked\r\n\r\nzz\r\n" + body
	case 2:
		return fmt.Sprintf("Content-Length: %d\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n%s", len(body), body)
	case 3:
		return fmt.Sprintf("Content-Length: %d\r\nContent-Length: %d\r\n\r\n%s", len(body), len(body)+1, body)
	case 4:
		return "Content-Length: " + h.one("-1", "abc", "99999999999999999999", "1e3", "+5") + "\r\n\r\n" + body
	case 5:
		return "Content-Length: 9999999\r\n\r\n" + body + "\r\n"
	}
	return fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(body), body)
}

// body makes a body for a path: a good one in which something is changed, one
// of another path, or none at all.
func (h *hostile) body(path string) string {
	k := h.keys[h.rand.IntN(len(h.keys))]
	bodies := map[string]string{ // end of a path → a good body
		"/verify":       `{"key":"` + k + `","permissions":"a.b AND (c OR d)","cost":1,"limits":[{"name":"l","cost":2},{"name":"x","max":5,"window":"1m"}],"ip":"1.2.3.4","tags":["t"],"min_revision":1,"keyspace":"default"}`,
		"/verify/batch": `{"requests":[{"key":"` + k + `"},{"key":"nope","cost":-1}]}`,
		"/keys":         `{"name":"n","keyspace":"default","environment":"live","enabled":true,"external_id":"o","meta":{"a":{"b":[1,2]}},"permissions":["p.q"],"roles":[],"allowed_ips":["10.0.0.0/8"],"expires_at":"2099-01-01T00:00:00Z","limits":[{"name":"l","max":1,"window":"1m","algorithm":"gcra","auto_apply":false}],"credits":{"remaining":5,"refill":{"amount":1,"every":"monthly","day":31,"mode":"add"}},"budget":null}`,
		"/keys/{id}":    `{"name":"n","environment":null,"enabled":true,"meta":{"a":null},"permissions":["p"],"limits":[],"credits":null}`,
		"/rotate":       `{"overlap":"1h"}`,
		"/credits":      `{"operation":"increment","amount":5}`,
		"/permissions":  `{"add":["x"],"remove":["y"]}`,
		"/roles":        `{"add":[],"remove":["y"]}`,
		"/whoami":       `{}`,
	}
	ends := slices.Sorted(maps.Keys(bodies))
	good := bodies[h.one(ends...)]
	if i := slices.IndexFunc(ends, func(end string) bool { return strings.HasSuffix(path, end) }); i >= 0 && h.rand.IntN(4) > 0 {
		good = bodies[ends[i]]
	}
	switch h.rand.IntN(16) {
	case 0:
		return ""
	case 1:
		return good[:h.rand.IntN(len(good))]
	case 2:
		return good + good
	case 3:
		return strings.Repeat("[", 20_000)
	case 4:
		return strings.Repeat(`{"a":`, 2_000) + "1" + strings.Repeat("}", 2_000)
	case 5:
		return strings.Repeat("x", 70_000)
	case 6:
		return h.one("null", "[]", "1", `"text"`, "\xff\xfe", "\x00", "{\"key\":\"\xff\"}", `{"key":"`+"\\ud800"+`"}`, "NaN", "{'a':1}", "\ufeff{}", h.secret())
	case 7:
		b := []byte(good)
		for range 1 + h.rand.IntN(4) {
			b[h.rand.IntN(len(b))] = byte(h.rand.IntN(256))
		}
		return string(b)
	case 8, 9, 10:
		return good
	}
	return h.twist(good)
}

// twist puts something else in the place of one or two members' values.
func (h *hostile) twist(good string) string {
	var doc any
	if json.Unmarshal([]byte(good), &doc) != nil {
		return good
	}
	for range 1 + h.rand.IntN(2) {
		h.twistOne(doc.(map[string]any))
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if enc.Encode(doc) != nil {
		return good
	}
	out := b.String()
	if h.rand.IntN(6) == 0 { // a member given twice
		out = strings.Replace(out, "{", `{"`+h.one("key", "name", "enabled", "cost", h.secret())+`":`+h.one("1", "null", `"a"`)+",", 1)
	}
	return out
}

func (h *hostile) twistOne(m map[string]any) {
	names := []string{h.one("extra", h.secret(), "", "__proto__", "a/b~c", "id", "hint", "secrets", "created_at", "\u2028", strings.Repeat("n", 5000))}
	for name := range m {
		names = append(names, name)
	}
	name := names[h.rand.IntN(len(names))]
	if inner, ok := m[name].(map[string]any); ok && h.rand.IntN(2) == 0 && len(inner) > 0 {
		h.twistOne(inner)
		return
	}
	if list, ok := m[name].([]any); ok && len(list) > 0 && h.rand.IntN(2) == 0 {
		if inner, ok := list[0].(map[string]any); ok {
			h.twistOne(inner)
		} else {
			list[0] = h.value()
		}
		return
	}
	m[name] = h.value()
}

// value returns a value that most members cannot have.
func (h *hostile) value() any {
	values := []any{
		nil, true, false, 0, -1, 1.5, 1e300, json.Number("99999999999999999999"), json.Number("-0"), json.Number("1e2"), "", "a", h.secret(), "\x00", "\u202e",
		strings.Repeat("long", 5000), []any{}, []any{nil}, []any{h.secret()}, map[string]any{}, map[string]any{h.secret(): h.secret()},
		"99999999999999999999d", "0s", "1h30m", "2026-02-30T00:00:00Z", "9999-12-31T23:59:59Z", "0001-01-01T00:00:00Z", "::ffff:1.2.3.4/200", "1.2.3.4/33",
		"a AND", "((((", strings.Repeat("(", 999), "a OR OR b", "keys.*.*", "🗝️", "key_00000000000000000", "default", map[string]any{"id": h.ids[0]},
	}
	return values[h.rand.IntN(len(values))]
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
