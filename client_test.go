package latchkey_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"latchkey"
	"latchkey/internal/dialect/native"
	"latchkey/internal/keys"
)

// A through is an [http.RoundTripper].
type through func(*http.Request) (*http.Response, error)

func (f through) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// to returns an HTTP client whose requests a handler answers, without a
// network.
func to(h http.HandlerFunc) *http.Client {
	return &http.Client{Transport: through(func(r *http.Request) (*http.Response, error) {
		if err := r.Context().Err(); err != nil {
			return nil, err
		}
		w := httptest.NewRecorder()
		h(w, r)
		return w.Result(), nil
	})}
}

// start is [serve] for a test.
func start(t *testing.T) *latchkey.Client {
	t.Helper()
	client, stop := serve()
	t.Cleanup(stop)
	return client
}

// methods are those of Client by name.
func methods() map[string]reflect.Method {
	all := map[string]reflect.Method{}
	for m := range reflect.TypeFor[*latchkey.Client]().Methods() {
		all[m.Name] = m
	}
	return all
}

// TestEveryRouteHasAMethod calls every method with arguments that are empty but
// for names, and looks where the requests go.
func TestEveryRouteHasAMethod(t *testing.T) {
	routes := http.NewServeMux()
	want := map[string]bool{} // pattern → whether a method went there
	for _, rt := range native.New(nil, &keys.Manager{}, nil, nil, nil).Routes() {
		pattern := rt.Method + " " + rt.Path
		routes.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			want[pattern] = true
			io.WriteString(w, `{"outcome":"valid"}`)
		})
		want[pattern] = false
	}
	client := &latchkey.Client{RootKey: rootKey, HTTP: to(routes.ServeHTTP)}
	for name, m := range methods() {
		if m.Type.NumIn() < 2 || m.Type.In(1) != reflect.TypeFor[context.Context]() {
			continue // those that print
		}
		args := []reflect.Value{reflect.ValueOf(client), reflect.ValueOf(t.Context())}
		for i := 2; i < m.Type.NumIn(); i++ {
			arg := reflect.New(m.Type.In(i)).Elem()
			if arg.Kind() == reflect.String {
				arg.SetString("a/name with #?% in it")
			}
			args = append(args, arg)
		}
		out := m.Func.Call(args)
		if len(out) == 1 && out[0].Kind() == reflect.Func { // an iterator
			for _, err := range out[0].Seq2() {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if err := out[len(out)-1].Interface(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, pattern := range slices.Sorted(maps.Keys(want)) {
		if !want[pattern] {
			t.Errorf("no method calls %s", pattern)
		}
	}
}

func TestEveryMethodHasAnExample(t *testing.T) {
	var text []byte
	for _, file := range must(filepath.Glob("example*_test.go")) {
		text = append(text, must(os.ReadFile(file))...)
	}
	for name := range methods() {
		if slices.Contains([]string{"GoString", "Format", "LogValue"}, name) {
			continue // as String
		}
		if !regexp.MustCompile(`\nfunc ExampleClient_` + name + `\(\) {`).Match(text) {
			t.Errorf("Client.%s has no example", name)
		}
	}
}

func TestRootKeyIsNeverShown(t *testing.T) {
	const secret = "lk_root_0123456789abcdefghijklmnopqrstuv"
	refuse := to(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusUnauthorized)
		io.WriteString(w, r.Header.Get("Authorization")) // as a proxy that repeats what it got
	})
	broken := &http.Client{Transport: through(func(*http.Request) (*http.Response, error) { return nil, io.ErrUnexpectedEOF })}
	c := &latchkey.Client{URL: "http://127.0.0.1:1", RootKey: secret, HTTP: refuse, Retries: -1}
	shown := map[string]string{} // how → what
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		shown[verb] = fmt.Sprintf(verb, c)
		shown[verb+" of the value"] = fmt.Sprintf(verb, *c)
		shown[verb+" in a struct"] = fmt.Sprintf(verb, struct{ C latchkey.Client }{*c})
	}
	for what, handler := range map[string]func(io.Writer) slog.Handler{
		"text log": func(w io.Writer) slog.Handler { return slog.NewTextHandler(w, nil) },
		"JSON log": func(w io.Writer) slog.Handler { return slog.NewJSONHandler(w, nil) },
	} {
		var out bytes.Buffer
		slog.New(handler(&out)).Info("a line", "client", c, "value", *c, "guard", latchkey.Guard{Client: c})
		shown[what] = out.String()
	}
	shown["JSON"] = string(must(json.Marshal(c)))
	_, err := c.Whoami(t.Context())
	shown["an error of a proxy"] = err.Error() + fmt.Sprintf("%+v %#v", err, err)
	c.HTTP = broken
	_, err = c.Whoami(t.Context())
	shown["a broken connection"] = err.Error()
	c.RootKey += "\n"
	_, err = c.Whoami(t.Context())
	shown["a root key with a line's end"] = err.Error()
	t.Setenv("LATCHKEY_ROOT_KEY", "two\n"+secret)
	_, err = latchkey.NewClientFromEnv()
	shown["a variable with a line's end"] = err.Error()
	for how, what := range shown {
		if what == "" || strings.Contains(what, secret) || strings.Contains(what, fmt.Sprintf("%x", secret)) {
			t.Errorf("%s shows %q", how, what)
		}
	}
}

func TestNewClientFromEnv(t *testing.T) {
	for _, tt := range []struct{ name, url, key, wantURL, wantErr string }{
		{"both", "https://keys.example.com/", " a-root-key\n", "https://keys.example.com/", ""},
		{"no URL", "", "a-root-key", "", ""},
		{"no root key", "", "", "", "LATCHKEY_ROOT_KEY is not set"},
		{"no scheme", "keys.example.com", "a-root-key", "", "LATCHKEY_URL: must be such as"},
		{"no host", "http:///", "a-root-key", "", "LATCHKEY_URL: must be such as"},
		{"not a URL", "http://[", "a-root-key", "", "LATCHKEY_URL: is not a URL"},
		{"a password", "http://u:pass-word@h", "a-root-key", "", "LATCHKEY_URL: must be without a user"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Setenv("LATCHKEY_URL", tt.url)
			t.Setenv("LATCHKEY_ROOT_KEY", tt.key)
			c, err := latchkey.NewClientFromEnv()
			if tt.wantErr != "" {
				if err == nil || !strings.Contains(err.Error(), tt.wantErr) || strings.Contains(err.Error(), "pass-word") {
					t.Errorf("got error %v, want %q", err, tt.wantErr)
				}
				return
			}
			if err != nil || c.URL != tt.wantURL || c.RootKey != "a-root-key" {
				t.Errorf("got %q, %q, %v", c.URL, c.RootKey, err)
			}
		})
	}
}

// TestRequests looks at what is sent.
func TestRequests(t *testing.T) {
	var got *http.Request
	var body []byte
	c := &latchkey.Client{URL: "https://h.example/keys/", RootKey: "root", Workspace: "default.acme", HTTP: to(func(w http.ResponseWriter, r *http.Request) {
		got, body = r, must(io.ReadAll(r.Body))
		io.WriteString(w, `{"outcome":"valid"}`)
	})}
	from := time.Date(2026, 11, 21, 9, 30, 0, 0, time.FixedZone("", 3600))
	for _, tt := range []struct {
		name    string
		call    func(context.Context) error
		want    string            // request line and body
		headers map[string]string // "+": there is one
	}{
		{"a list", func(ctx context.Context) error {
			_, err := c.ListKeys(ctx, latchkey.KeyQuery{Keyspace: "a&b", Name: new(""), Start: "lk_1", Page: latchkey.Page{Limit: 7, Cursor: "x"}})
			return err
		}, `GET https://h.example/keys/latchkey/v1/keys?cursor=x&keyspace=a%26b&limit=7&name=&start=lk_1 `,
			map[string]string{"Authorization": "Bearer root", "Latchkey-Workspace": "default.acme", "Idempotency-Key": "", "Content-Type": ""}},
		{"times", func(ctx context.Context) error {
			_, err := c.ListEvents(ctx, latchkey.EventQuery{From: from})
			return err
		}, `GET https://h.example/keys/latchkey/v1/events?from=2026-11-21T08%3A30%3A00.000Z `, nil},
		{"a name in a path", func(ctx context.Context) error { return c.DeleteIdentity(latchkey.IfMatch(ctx, `"v1"`), "a/b c?#%ä") },
			`DELETE https://h.example/keys/latchkey/v1/identities/a%2Fb%20c%3F%23%25%C3%A4 `, map[string]string{"If-Match": `"v1"`}},
		{"a change", func(ctx context.Context) error {
			_, err := c.UpdateKey(ctx, "key_1", latchkey.KeySettings{Name: latchkey.Null[string](), Enabled: latchkey.Some(true)})
			return err
		}, `PATCH https://h.example/keys/latchkey/v1/keys/key_1 {"name":null,"enabled":true}`,
			map[string]string{"Content-Type": "application/json", "Idempotency-Key": "", "If-Match": ""}},
		{"a POST", func(ctx context.Context) error { _, err := c.CreateKey(ctx, latchkey.CreateKeyRequest{}); return err },
			`POST https://h.example/keys/latchkey/v1/keys {}`, map[string]string{"Idempotency-Key": "+"}},
		{"a POST with a name", func(ctx context.Context) error {
			_, err := c.CreateKey(latchkey.IdempotencyKey(ctx, "mine"), latchkey.CreateKeyRequest{})
			return err
		}, `POST https://h.example/keys/latchkey/v1/keys {}`, map[string]string{"Idempotency-Key": "mine"}},
		{"a verification", func(ctx context.Context) error {
			_, err := c.Verify(ctx, latchkey.VerifyRequest{Key: "k"})
			return err
		}, `POST https://h.example/keys/latchkey/v1/verify {"key":"k"}`, map[string]string{"Idempotency-Key": "", "Authorization": "Bearer root"}},
		{"what anybody may ask", func(ctx context.Context) error { _, err := c.Server(ctx); return err },
			`GET https://h.example/keys/latchkey/v1/server `, map[string]string{"Authorization": "", "Latchkey-Workspace": ""}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got = nil
			if err := tt.call(t.Context()); err != nil {
				t.Fatal(err)
			}
			if line := got.Method + " " + got.URL.String() + " " + string(body); line != tt.want {
				t.Errorf("sent\n%s\nwant\n%s", line, tt.want)
			}
			for name, want := range tt.headers {
				if value := got.Header.Get(name); value != want && (want != "+" || value == "") {
					t.Errorf("%s: %q, want %q", name, value, want)
				}
			}
		})
	}
}

// TestNotSent has calls that are wrong before they are sent.
func TestNotSent(t *testing.T) {
	sent := false
	c := &latchkey.Client{HTTP: to(func(http.ResponseWriter, *http.Request) { sent = true })}
	_, noID := c.GetKey(t.Context(), "")
	_, condition := c.RotateKey(latchkey.IfMatch(t.Context(), `"v1"`), "key_1", latchkey.RotateRequest{})
	_, name := c.CreateKey(latchkey.IdempotencyKey(t.Context(), "a\r\nb"), latchkey.CreateKeyRequest{})
	_, url := (&latchkey.Client{URL: "ftp://h", HTTP: c.HTTP}).Whoami(t.Context())
	for what, err := range map[string]error{
		"an empty id": noID, "a condition on a POST": condition, "a name with a line's end": name, "a URL of another kind": url,
		"an empty secret's id": c.EndSecret(t.Context(), "key_1", ""),
	} {
		if err == nil || sent {
			t.Errorf("%s: got %v, sent %v", what, err, sent)
		}
	}
}

// TestRedirectsAreNotFollowed: a request carries credentials, and its answer
// would be somebody else's.
func TestRedirectsAreNotFollowed(t *testing.T) {
	n := 0
	c := &latchkey.Client{RootKey: "root", HTTP: to(func(w http.ResponseWriter, r *http.Request) {
		n++
		http.Redirect(w, r, "http://elsewhere.example/", http.StatusTemporaryRedirect)
	})}
	_, err := c.Whoami(t.Context())
	if e, ok := errors.AsType[*latchkey.Error](err); !ok || e.Status != 307 || e.Code != "" || n != 1 {
		t.Errorf("got %v after %d requests", err, n)
	}
}
