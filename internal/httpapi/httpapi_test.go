package httpapi

import (
	"bufio"
	"bytes"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"latchkey/internal/keys"
	"latchkey/internal/ratelimit"
	"latchkey/internal/store"
	"latchkey/internal/token"
	"latchkey/internal/usage"
)

// A plain is a dialect whose errors are easy to read: its name and the code.
type plain struct {
	name   string
	routes []Route
	claims []string
}

func (d *plain) Name() string                            { return d.name }
func (d *plain) Routes() []Route                         { return d.routes }
func (d *plain) Claims() []string                        { return d.claims }
func (d *plain) Credential(r *http.Request) token.Secret { return BearerToken(r) }

var plainStatus = map[keys.Code]int{
	keys.Invalid: 400, keys.Unauthenticated: 401, keys.Forbidden: 403, keys.NotFound: 404, MethodNotAllowed: 405,
	keys.Conflict: 409, TooLarge: 413, keys.Throttled: 429, keys.Internal: 500, keys.Unavailable: 503,
}

func (d *plain) WriteError(w http.ResponseWriter, _ *http.Request, e *keys.Error) {
	w.WriteHeader(plainStatus[e.Code])
	fmt.Fprintf(w, "%s: %s", d.name, e.Code)
}

// echo is a route for anybody that answers its pattern and the values of its
// wildcards.
func echo(method, path string, wildcards ...string) Route {
	rt := Route{Method: method, Path: path, Caller: Nobody}
	pattern := rt.Pattern()
	rt.Handle = func(w http.ResponseWriter, r *http.Request, _ *Call) error {
		fmt.Fprint(w, pattern)
		for _, name := range wildcards {
			fmt.Fprintf(w, " %s=%q", name, r.PathValue(name))
		}
		return nil
	}
	return rt
}

// do is a route for anybody that does what fn does.
func do(path string, fn HandlerFunc) Route {
	return Route{Method: "POST", Path: path, Caller: Nobody, Handle: fn}
}

// apiOf returns an API of one dialect, which logs to nobody.
func apiOf(routes ...Route) API {
	return API{
		Log:      slog.New(slog.DiscardHandler),
		Dialects: []Dialect{&plain{name: "one", routes: routes, claims: []string{"/"}}},
		Fallback: &plain{name: "rest"},
	}
}

// parse reads a request as a server does.
func parse(t *testing.T, head string) *http.Request {
	t.Helper()
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(strings.ReplaceAll(head, "\n", "\r\n") + "\r\n\r\n")))
	if err != nil {
		t.Fatalf("%q: %v", head, err)
	}
	r.RemoteAddr = "192.0.2.7:1234"
	return r
}

func answer(h http.Handler, r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// logTo makes an API log to a buffer, as JSON and from level on.
func logTo(a *API, level slog.Level) *bytes.Buffer {
	b := new(bytes.Buffer)
	a.Log = slog.New(slog.NewJSONHandler(b, &slog.HandlerOptions{Level: level}))
	return b
}

// An installation is a core over a real store, with a root key and a key.
type installation struct {
	manager  *keys.Manager
	verifier *keys.Verifier
	root     token.Secret
	key      keys.Key
	secret   token.Secret
}

func install(t *testing.T) *installation {
	t.Helper()
	ctx := t.Context()
	s, err := store.Open(ctx, "sqlite:"+filepath.Join(t.TempDir(), "test.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	cache, err := keys.NewCache(ctx, s, 100, 4)
	if err != nil {
		t.Fatal(err)
	}
	in := &installation{
		manager:  &keys.Manager{Store: s, Ledger: s, Clock: time.Now},
		verifier: &keys.Verifier{Records: cache, Limiter: &ratelimit.Local{}, Ledger: s, Recorder: usage.New(s), Clock: time.Now},
	}
	ws, err := in.manager.Install(ctx, func(secret token.Secret) error { in.root = secret; return nil })
	if err == nil {
		in.key, in.secret, err = in.manager.CreateKey(ctx, keys.OperatorIn(ws), keys.NewKey{})
	}
	if err != nil {
		t.Fatal(err)
	}
	return in
}
