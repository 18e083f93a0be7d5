package server

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// TestStopUnderLoad ends the program by SIGTERM while clients make keys and
// verify them. Every request on a connection that it had accepted is answered,
// and what was answered and counted is in the database.
func TestStopUnderLoad(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	p := launch(t, "quiet", dir, "LATCHKEY_ROOT_KEY="+testRoot).ready(t)
	var made sync.Map // id → true
	var verified atomic.Int64
	var clients sync.WaitGroup
	for range 8 {
		clients.Go(func() {
			client := &http.Client{Timeout: 15 * time.Second, Transport: &http.Transport{}}
			defer client.CloseIdleConnections()
			for {
				var k struct{ ID, Secret string }
				if !callOnce(t, client, p.url+"/latchkey/v1/keys", `{}`, &k) {
					return
				}
				made.Store(k.ID, true)
				for range 20 {
					var v struct{ Valid bool }
					if !callOnce(t, client, p.url+"/latchkey/v1/verify", `{"key":"`+k.Secret+`"}`, &v) {
						return
					}
					if !v.Valid {
						t.Error("a good key was refused")
					}
					verified.Add(1)
				}
			}
		})
	}
	for deadline := time.Now().Add(10 * time.Second); verified.Load() < 5_000 && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond)
	}
	begin := time.Now()
	p.terminate(t)
	if took := time.Since(begin); took > 5*time.Second {
		t.Errorf("ending took %v with requests that take no time", took)
	}
	clients.Wait()

	if log := p.stderr.String(); strings.Contains(log, `"level":"WARN"`) || strings.Contains(log, `"level":"ERROR"`) || !strings.Contains(log, "stopped listening") {
		t.Errorf("the log of a stop under load:\n%.2000s", log)
	}
	db := openDatabase(t, dir)
	n := 0
	made.Range(func(id, _ any) bool {
		n++
		var there int
		if err := db.QueryRow(`SELECT count(*) FROM keys WHERE id = $1`, id).Scan(&there); err != nil || there != 1 {
			t.Errorf("%v was acknowledged, and there are %d, %v", id, there, err)
		}
		return true
	})
	var counted int64
	if err := db.QueryRow(`SELECT coalesce(sum(n), 0) FROM usage_hours WHERE outcome = 'valid'`).Scan(&counted); err != nil || counted != verified.Load() {
		t.Errorf("%d verifications were accepted, %d are counted, %v", verified.Load(), counted, err)
	}
	if n < 8 || verified.Load() < 100 {
		t.Errorf("the load was too small to tell anything: %d keys, %d verifications", n, verified.Load())
	}
}

// callOnce sends one request, which the client may not repeat, and reads the
// answer into to. It returns false when the server takes no connection any
// more; an accepted connection that goes without an answer fails the test.
func callOnce(t *testing.T, client *http.Client, url, body string, to any) bool {
	reused := false
	ctx := httptrace.WithClientTrace(context.Background(), &httptrace.ClientTrace{GotConn: func(i httptrace.GotConnInfo) { reused = i.Reused }})
	r, err := http.NewRequestWithContext(ctx, "POST", url, io.MultiReader(strings.NewReader(body))) // which hides that it could be sent twice
	if err != nil {
		t.Error(err)
		return false
	}
	r.ContentLength = int64(len(body))
	r.Header.Set("Authorization", "Bearer "+testRoot)
	resp, err := client.Do(r)
	if err != nil {
		if reused {
			t.Errorf("a request on a connection in use was not answered: %v", err)
		}
		return false
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode > 299 {
		t.Errorf("answered %d %s, %v", resp.StatusCode, answer, err)
		return false
	}
	if err := json.Unmarshal(answer, to); err != nil {
		t.Error(err)
	}
	return true
}

// TestStopWhileStarting cancels a start; what it began must not be in the way
// of the next one.
func TestStopWhileStarting(t *testing.T) {
	cfg := Defaults()
	cfg.DataDir, cfg.Addr = filepath.Join(t.TempDir(), "data"), "127.0.0.1:0"
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := Run(ctx, cfg, io.Discard, false); err != nil && !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want an end", err)
	}
	open(t, cfg)
}

// TestAddressTaken has one of two listeners that cannot be had.
func TestAddressTaken(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	free.Close()
	for _, tt := range []struct{ name, addr, metrics string }{
		{"the main one", l.Addr().String(), free.Addr().String()},
		{"that of the metrics", free.Addr().String(), l.Addr().String()},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cfg := Defaults()
			cfg.DataDir, cfg.Addr, cfg.MetricsAddr = filepath.Join(t.TempDir(), "data"), tt.addr, tt.metrics
			ended := make(chan error, 1)
			go func() { ended <- Run(t.Context(), cfg, io.Discard, false) }()
			select {
			case err := <-ended:
				if err == nil || !strings.Contains(err.Error(), "listen on "+l.Addr().String()) {
					t.Errorf("got %v, want that it cannot listen on %s", err, l.Addr())
				}
			case <-time.After(10 * time.Second):
				t.Fatal("it runs on without the listener")
			}
			if conn, err := net.Dial("tcp", free.Addr().String()); err == nil {
				conn.Close()
				t.Error("the other listener is still there")
			}
			open(t, cfg)
		})
	}
}

// TestMetricsListener asks for the figures where they have a listener of their
// own.
func TestMetricsListener(t *testing.T) {
	p := launch(t, "quiet", filepath.Join(t.TempDir(), "data"), "LATCHKEY_METRICS_ADDR=127.0.0.1:0", "LATCHKEY_ROOT_KEY="+testRoot).ready(t)
	at := "http://" + p.listening("metrics")
	if status, answer := call(t, "GET", at+"/metrics", "", ""); status != http.StatusOK || !strings.Contains(answer, "latchkey_http_requests_total") {
		t.Errorf("/metrics is answered %d %.100s", status, answer)
	}
	for _, path := range []string{"/", "/healthz", "/latchkey/v1/server"} {
		if status, _ := call(t, "GET", at+path, "", ""); status != http.StatusNotFound {
			t.Errorf("%s on the listener of the metrics is answered %d, want 404", path, status)
		}
	}
	if status, _ := call(t, "GET", p.url+"/metrics", testRoot, ""); status != http.StatusNotFound {
		t.Errorf("/metrics on the main listener is answered %d, want 404", status)
	}
	p.terminate(t)
}

// TestTLS serves over TLS from files.
func TestTLS(t *testing.T) {
	dir := t.TempDir()
	certs := httptest.NewTLSServer(nil)
	defer certs.Close()
	pair := certs.TLS.Certificates[0]
	der, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	cert, key := filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
	writeFile(t, cert, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: pair.Certificate[0]})))
	writeFile(t, key, string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})))

	p := launch(t, "quiet", filepath.Join(dir, "data"), "LATCHKEY_TLS_CERT="+cert, "LATCHKEY_TLS_KEY="+key, "LATCHKEY_METRICS_ADDR=127.0.0.1:0")
	for p.listening("requests") == "" {
		select {
		case <-p.ended:
			t.Fatalf("ended: %v\n%s", p.err, &p.stderr)
		case <-time.After(5 * time.Millisecond):
		}
	}
	for _, url := range []string{p.listening("requests") + "/readyz", p.listening("metrics") + "/metrics"} {
		resp, err := certs.Client().Get("https://" + url)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || resp.StatusCode != http.StatusOK || len(body) == 0 || resp.TLS.Version < tls.VersionTLS12 {
			t.Errorf("%s over TLS: %d %.100q, %v", url, resp.StatusCode, body, err)
		}
		if status, answer := call(t, "GET", "http://"+url, "", ""); status != http.StatusBadRequest {
			t.Errorf("%s in clear is answered %d %q, want 400", url, status, answer)
		}
	}
	p.terminate(t)
}

// TestLogForms writes the log as text, and as JSON where nobody watches.
func TestLogForms(t *testing.T) {
	for form, want := range map[string]string{"text": "msg=listening", "json": `"msg":"listening"`, "auto": `"msg":"listening"`} {
		p := launch(t, "quiet", filepath.Join(t.TempDir(), "data"), "LATCHKEY_LOG_FORMAT="+form)
		deadline := time.Now().Add(10 * time.Second)
		for !strings.Contains(p.stderr.String(), "listening") && time.Now().Before(deadline) {
			time.Sleep(5 * time.Millisecond)
		}
		if log := p.stderr.String(); !strings.Contains(log, want) {
			t.Errorf("%s: the log is %.500q, want %s in it", form, log, want)
		}
		p.kill()
	}
}
