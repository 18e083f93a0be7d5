package latchkey_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"latchkey"
)

// A fault is what comes between a client and a server. It reports whether the
// request has met its end.
type fault func(server http.Handler, w http.ResponseWriter, r *http.Request) bool

// cut lets the server carry the request out, and cuts the connection in place
// of its answer.
func cut(server http.Handler, _ http.ResponseWriter, r *http.Request) bool {
	server.ServeHTTP(httptest.NewRecorder(), r)
	panic(http.ErrAbortHandler)
}

// half lets the server carry the request out, and cuts its answer off.
func half(server http.Handler, w http.ResponseWriter, r *http.Request) bool {
	rec := httptest.NewRecorder()
	server.ServeHTTP(rec, r)
	w.Header().Set("Content-Length", strconv.Itoa(rec.Body.Len()+1))
	w.WriteHeader(rec.Code)
	w.Write(rec.Body.Bytes())
	panic(http.ErrAbortHandler)
}

// late lets the server carry the request out, and answers as a proxy that has
// waited for too long.
func late(server http.Handler, w http.ResponseWriter, r *http.Request) bool {
	server.ServeHTTP(httptest.NewRecorder(), r)
	w.WriteHeader(http.StatusGatewayTimeout)
	return true
}

// away answers as a proxy whose server is not there.
func away(_ http.Handler, w http.ResponseWriter, _ *http.Request) bool {
	w.Header().Set("Retry-After", "0")
	w.WriteHeader(http.StatusServiceUnavailable)
	return true
}

// unavailable answers as the server itself does when it cannot.
func unavailable(_ http.Handler, w http.ResponseWriter, _ *http.Request) bool {
	w.Header().Set("Content-Type", "application/problem+json")
	w.Header().Set("Retry-After", "1")
	w.WriteHeader(http.StatusServiceUnavailable)
	io.WriteString(w, `{"code":"unavailable","detail":"not now"}`)
	return true
}

// faulty starts a server of which the first requests under a path meet faults,
// one each. met counts all requests under it.
func faulty(t *testing.T, path string, faults ...fault) (client *latchkey.Client, met *atomic.Int64) {
	t.Helper()
	met = new(atomic.Int64)
	client, stop := serveThrough(func(server http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if strings.HasPrefix(r.URL.Path, latchkey.BasePath+path) {
				n := int(met.Add(1))
				if n <= len(faults) && faults[n-1](server, w, r) {
					return
				}
			}
			server.ServeHTTP(w, r)
		})
	})
	t.Cleanup(stop)
	// One connection a request: net/http tries again by itself on one that it used before.
	client.HTTP = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	return client, met
}

// TestRetriedOnce: whatever happens on the way, what was asked for is done once.
func TestRetriedOnce(t *testing.T) {
	for _, tt := range []struct {
		name   string
		faults []fault
	}{
		{"unavailable", []fault{unavailable}},
		{"a proxy without its server", []fault{away, away}},
		{"no answer", []fault{cut}},
		{"half an answer", []fault{half}},
		{"an answer too late", []fault{late}},
		{"one after the other", []fault{cut, away, late}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			client, met := faulty(t, "/keys", tt.faults...)
			begin := time.Now()
			key, err := client.CreateKey(t.Context(), named("ci"))
			if err != nil {
				t.Fatal(err)
			}
			if n := int(met.Load()); n != len(tt.faults)+1 {
				t.Errorf("%d requests", n)
			}
			if tt.name == "unavailable" && time.Since(begin) < time.Second {
				t.Errorf("tried again after %v, before the server wanted it", time.Since(begin))
			}
			list := must(client.ListKeys(t.Context(), latchkey.KeyQuery{}))
			if len(list.Data) != 1 || list.Data[0].ID != key.ID {
				t.Errorf("made %d keys", len(list.Data))
			}
			if v := must(client.Verify(t.Context(), latchkey.VerifyRequest{Key: key.Secret})); !v.Valid {
				t.Errorf("the secret that came last is %s", v.Outcome)
			}
		})
	}
}

// TestRetriedMethods says which calls are tried again after which failures.
func TestRetriedMethods(t *testing.T) {
	type op func(ctx context.Context, c *latchkey.Client, k latchkey.KeyWithSecret) error
	verify := func(ctx context.Context, c *latchkey.Client, k latchkey.KeyWithSecret) error {
		_, err := c.Verify(ctx, latchkey.VerifyRequest{Key: k.Secret})
		return err
	}
	update := func(ctx context.Context, c *latchkey.Client, k latchkey.KeyWithSecret) error {
		_, err := c.UpdateKey(ctx, k.ID, latchkey.KeySettings{Name: latchkey.Some("new")})
		return err
	}
	for _, tt := range []struct {
		name    string
		path    string
		fault   fault
		op      op
		retried bool
		left    int64 // credits of 10
	}{
		{"a verification, unavailable", "/verify", unavailable, verify, true, 9},
		{"a verification, no answer", "/verify", cut, verify, false, 9},
		{"a verification, too late", "/verify", late, verify, false, 9},
		{"a verification with a name, no answer", "/verify", cut, func(ctx context.Context, c *latchkey.Client, k latchkey.KeyWithSecret) error {
			return verify(latchkey.IdempotencyKey(ctx, "this-one"), c, k)
		}, true, 9},
		{"a batch, no answer", "/verify/batch", cut, func(ctx context.Context, c *latchkey.Client, k latchkey.KeyWithSecret) error {
			_, err := c.VerifyBatch(ctx, []latchkey.VerifyRequest{{Key: k.Secret}, {Key: k.Secret}})
			return err
		}, false, 8},
		{"credits, no answer", "/keys/", cut, func(ctx context.Context, c *latchkey.Client, k latchkey.KeyWithSecret) error {
			_, err := c.ChangeCredits(ctx, k.ID, latchkey.ChangeCreditsRequest{Operation: "decrement", Amount: 3})
			return err
		}, true, 7},
		{"a reading, no answer", "/keys/", cut, func(ctx context.Context, c *latchkey.Client, k latchkey.KeyWithSecret) error {
			_, err := c.GetKey(ctx, k.ID)
			return err
		}, true, 10},
		{"a change, unavailable", "/keys/", unavailable, update, true, 10},
		{"a change, no answer", "/keys/", cut, update, false, 10},
		{"a change, too late", "/keys/", late, update, false, 10},
		{"a replacement, too late", "/identities/", late, func(ctx context.Context, c *latchkey.Client, _ latchkey.KeyWithSecret) error {
			_, err := c.ReplaceIdentity(ctx, "cust_42", latchkey.ReplaceIdentitySettings{})
			return err
		}, true, 10},
		{"a replacement on a condition, too late", "/identities/", late, func(ctx context.Context, c *latchkey.Client, _ latchkey.KeyWithSecret) error {
			_, err := c.ReplaceIdentity(latchkey.IfMatch(ctx, "*"), "cust_42", latchkey.ReplaceIdentitySettings{})
			return err
		}, false, 10},
		{"a deletion, no answer", "/root-keys/", cut, func(ctx context.Context, c *latchkey.Client, _ latchkey.KeyWithSecret) error {
			root := must(c.CreateRootKey(ctx, latchkey.RootKeySettings{}))
			return c.DeleteRootKey(ctx, root.ID) // the second time it is not found
		}, true, 10},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			client, met := faulty(t, tt.path, tt.fault)
			key := must(client.CreateKey(t.Context(), latchkey.CreateKeyRequest{KeySettings: latchkey.KeySettings{
				Credits: latchkey.Some(latchkey.CreditSettings{Remaining: latchkey.Some(int64(10))}),
			}}))
			if _, err := client.CreateIdentity(t.Context(), customer("cust_42")); err != nil {
				t.Fatal(err)
			}
			err := tt.op(t.Context(), client, key)
			want := int64(1)
			if tt.retried {
				want = 2
			}
			if n := met.Load(); n != want || (err == nil) != tt.retried {
				t.Errorf("%d requests, error %v; want %d", n, err, want)
			}
			if left := must(client.GetKey(t.Context(), key.ID)).Credits.Remaining; left != tt.left {
				t.Errorf("%d credits are left, want %d", left, tt.left)
			}
		})
	}
}

// TestEndSelfRetried: the key that ended is no longer good for asking whether it
// has.
func TestEndSelfRetried(t *testing.T) {
	client, met := faulty(t, "/whoami", cut)
	key := must(client.CreateKey(t.Context(), named("leaked")))
	leaked := *client
	leaked.RootKey = key.Secret
	if err := leaked.EndSelf(t.Context()); err != nil || met.Load() != 2 {
		t.Errorf("got %v after %d requests", err, met.Load())
	}
	if err := leaked.EndSelf(t.Context()); err == nil {
		t.Error("a key that had ended before ended again")
	}
}

// TestStillRunning has a second request come while the first of that name has
// no answer.
func TestStillRunning(t *testing.T) {
	release := make(chan struct{})
	slow := func(server http.Handler, w http.ResponseWriter, r *http.Request) bool {
		held := &heldAnswer{httptest.NewRecorder(), make(chan struct{}), release}
		first := r.Clone(context.WithoutCancel(r.Context()))
		first.Body = io.NopCloser(bytes.NewReader(must(io.ReadAll(r.Body))))
		go server.ServeHTTP(held, first)
		<-held.begun
		time.AfterFunc(300*time.Millisecond, func() { close(release) })
		panic(http.ErrAbortHandler)
	}
	client, met := faulty(t, "/keys", slow)
	key, err := client.CreateKey(t.Context(), named("ci"))
	if err != nil || met.Load() != 3 { // the second is told to wait
		t.Fatalf("%d requests, %v", met.Load(), err)
	}
	list := must(client.ListKeys(t.Context(), latchkey.KeyQuery{}))
	if len(list.Data) != 1 || list.Data[0].ID != key.ID {
		t.Errorf("made %d keys", len(list.Data))
	}
}

// A heldAnswer is one whose sending takes until it is released.
type heldAnswer struct {
	*httptest.ResponseRecorder
	begun, release chan struct{}
}

func (a *heldAnswer) WriteHeader(int) {
	close(a.begun)
	<-a.release
}

// TestPermanentErrors are not tried again, whatever the method.
func TestPermanentErrors(t *testing.T) {
	for _, status := range []int{301, 400, 401, 403, 404, 405, 409, 412, 413, 415, 422, 500, 501} {
		n := 0
		c := &latchkey.Client{RootKey: rootKey, HTTP: to(func(w http.ResponseWriter, _ *http.Request) {
			n++
			w.WriteHeader(status)
		})}
		_, read := c.GetKey(t.Context(), "key_1")
		_, made := c.CreateKey(t.Context(), named("ci"))
		if read == nil || made == nil || n != 2 {
			t.Errorf("%d: %d requests for 2 calls, %v, %v", status, n, read, made)
		}
	}
}

// TestConnections has servers that cannot be reached.
func TestConnections(t *testing.T) {
	closed := httptest.NewServer(http.NotFoundHandler())
	closed.Close()
	secure := httptest.NewTLSServer(http.NotFoundHandler())
	defer secure.Close()
	plain := httptest.NewServer(http.NotFoundHandler())
	defer plain.Close()
	for _, tt := range []struct {
		name, url string
		tries     int64
	}{
		{"nobody listens", closed.URL, 3},
		{"a certificate that is not trusted", secure.URL, 1},
		{"no TLS", strings.Replace(plain.URL, "http:", "https:", 1), 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var dialed atomic.Int64
			dial := func(ctx context.Context, network, addr string) (net.Conn, error) {
				dialed.Add(1)
				return new(net.Dialer).DialContext(ctx, network, addr)
			}
			c := &latchkey.Client{URL: tt.url, RootKey: rootKey, Retries: 2, HTTP: &http.Client{Transport: &http.Transport{DialContext: dial}}}
			_, verify := c.Verify(t.Context(), latchkey.VerifyRequest{Key: "k"}) // which nobody received
			_, read := c.Whoami(t.Context())
			for _, err := range []error{verify, read} {
				if _, ok := errors.AsType[*latchkey.Error](err); err == nil || ok {
					t.Errorf("got %v", err)
				}
			}
			if n := dialed.Load(); n != 2*tt.tries {
				t.Errorf("%d tries for 2 calls, want %d each; %v", n, tt.tries, read)
			}
		})
	}
}
