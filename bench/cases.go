package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// benchCase is one way to verify a key. Its keys are made with the body that
// stands here; every verification of them must be valid.
type benchCase struct {
	name    string
	key     string
	setting string // of the server, as a variable; "": its defaults
}

// cases are all that can be measured against hello, in the order of the report.
var cases = []benchCase{
	{name: "plain", key: `{"name":"bench"}`},
	{name: "limits", key: `{"name":"bench","limits":[` +
		`{"name":"a","max":1000000000000,"window":"1h"},` +
		`{"name":"b","max":1000000000000,"window":"1m"}]}`},
	{name: "credits-strict", key: withCredits},
	{name: "credits-relaxed", key: withCredits, setting: "LATCHKEY_DURABILITY=relaxed"},
}

const withCredits = `{"name":"bench","credits":{"remaining":1000000000000}}`

const validMarker = `"valid":true`

func caseNames() string {
	names := []string{helloName}
	for _, c := range cases {
		names = append(names, c.name)
	}
	return strings.Join(names, ",")
}

// parseCases reads a comma-separated list of case names; hello alone gives none.
func parseCases(list string) ([]benchCase, error) {
	var chosen []benchCase
	for name := range strings.SplitSeq(list, ",") {
		name = strings.TrimSpace(name)
		i := slices.IndexFunc(cases, func(c benchCase) bool { return c.name == name })
		switch {
		case name == helloName:
		case i < 0:
			return nil, fmt.Errorf("-cases: there is no case %q; there are %s", name, caseNames())
		case slices.Contains(chosen, cases[i]):
			return nil, fmt.Errorf("-cases: %s stands twice", name)
		default:
			chosen = append(chosen, cases[i])
		}
	}
	return chosen, nil
}

// latchkey is the started server and the root key that it was given.
type latchkey struct {
	*process
	rootKey string
	dataDir string
}

// startLatchkey starts a server with a setting, unless it runs.
func (s *stage) startLatchkey(ctx context.Context, setting string) (*latchkey, error) {
	if l := s.latchkeys[setting]; l != nil {
		return l, nil
	}
	if s.binary == "" {
		fmt.Fprintln(s.progress, "building latchkey")
		var err error
		if s.binary, err = buildLatchkey(ctx, s.dir); err != nil {
			return nil, err
		}
	}
	addr, err := freeAddr()
	if err != nil {
		return nil, err
	}
	rootKey := (rand.Text() + rand.Text())[:40]
	dataDir := fmt.Sprintf("%s/data%d", s.dir, len(s.latchkeys))
	settings := []string{"LATCHKEY_DATA_DIR=" + dataDir, "LATCHKEY_ADDR=" + addr, "LATCHKEY_ROOT_KEY=" + rootKey}
	if setting != "" {
		settings = append(settings, setting)
	}
	p, err := startServer(ctx, s.dir, fmt.Sprintf("latchkey%d", len(s.latchkeys)), addr, []string{s.binary, "serve"}, settings...)
	if p != nil {
		s.servers = append(s.servers, p)
	}
	l := &latchkey{process: p, rootKey: rootKey, dataDir: dataDir}
	s.latchkeys[setting] = l
	return l, err
}

// prepare makes the keys of a case and asks once about one of them, which shows
// how much hello must write in this case.
func (l *latchkey) prepare(ctx context.Context, c benchCase, keys int) (*target, helloSize, error) {
	size := helloSize{name: c.name}
	secrets, err := l.createKeys(ctx, c.key, keys)
	if err != nil {
		return nil, size, err
	}
	t := &target{process: l.process, Addr: l.addr, PID: l.pid(), Marker: validMarker}
	for _, secret := range secrets {
		t.Requests = append(t.Requests, verifyRequest("/latchkey/v1/verify", l.rootKey, secret))
	}
	conn, err := dial(l.addr, time.Now().Add(answerWithin))
	if err != nil {
		return nil, size, err
	}
	defer conn.close()
	a, err := conn.do([]byte(t.Requests[0]))
	if err != nil {
		return nil, size, fmt.Errorf("first verification: %w", err)
	}
	if err := a.check([]byte(validMarker)); err != nil {
		return nil, size, fmt.Errorf("first verification: %w", err)
	}
	size.head, size.body = a.head, len(a.body)
	return t, size, nil
}

// createKeys makes n keys, several at a time as the server commits together
// what waits together.
func (l *latchkey) createKeys(ctx context.Context, body string, n int) ([]string, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	const workers = 16
	client := &http.Client{Timeout: answerWithin, Transport: &http.Transport{MaxIdleConnsPerHost: workers}}
	defer client.CloseIdleConnections()
	secrets := make([]string, n)
	var next atomic.Int64
	var group sync.WaitGroup
	for range workers {
		group.Go(func() {
			for i := next.Add(1) - 1; i < int64(n) && ctx.Err() == nil; i = next.Add(1) - 1 {
				var err error
				if secrets[i], err = l.createKey(ctx, client, body); err != nil {
					cancel(err)
				}
			}
		})
	}
	group.Wait()
	return secrets, context.Cause(ctx)
}

func (l *latchkey) createKey(ctx context.Context, client *http.Client, body string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+l.addr+"/latchkey/v1/keys", strings.NewReader(body))
	if err != nil {
		return "", fmt.Errorf("create a key: %w", err)
	}
	req.Header.Set("Authorization", "Bearer "+l.rootKey)
	req.Header.Set("Content-Type", "application/json")
	resp, err := client.Do(req)
	if err != nil {
		return "", fmt.Errorf("create a key: %w", err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		return "", fmt.Errorf("create a key: %w", err)
	}
	if resp.StatusCode != http.StatusCreated {
		return "", fmt.Errorf("create a key: status %d: %s", resp.StatusCode, bytes.TrimSpace(answer))
	}
	var key struct {
		Secret string `json:"secret"`
	}
	if err := json.Unmarshal(answer, &key); err != nil {
		return "", fmt.Errorf("create a key: %w", err)
	}
	if key.Secret == "" {
		return "", fmt.Errorf("create a key: the answer has no secret")
	}
	return key.Secret, nil
}

// verifyRequest is the text of one request. The host is not the server's own,
// so that requests to both servers are equal but for the path.
func verifyRequest(path, rootKey, secret string) string {
	body := `{"key":"` + secret + `"}`
	return fmt.Sprintf("POST %s HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer %s\r\n"+
		"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", path, rootKey, len(body), body)
}

// toHello turns requests for latchkey into those for hello of the same size.
func toHello(requests []string, name string) []string {
	var turned []string
	for _, r := range requests {
		turned = append(turned, strings.Replace(r, "/latchkey/v1/verify", "/hello/"+name, 1))
	}
	return turned
}
