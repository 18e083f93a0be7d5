package httpapi

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"latchkey/internal/keys"
	"latchkey/internal/token"
)

// TestCallers calls a route of each kind of caller with each kind of
// credential.
func TestCallers(t *testing.T) {
	in := install(t)
	handle := func(w http.ResponseWriter, _ *http.Request, c *Call) error {
		fmt.Fprint(w, c.Actor.Kind, " ", c.Secret.Len() > 0)
		return nil
	}
	a := apiOf()
	a.Verifier = in.verifier
	kinds := map[string]Caller{"/root": RootKey, "/optional": Optional, "/holder": Holder, "/nobody": Nobody, "/bearer": Bearer}
	d := &plain{name: "one", claims: []string{"/"}}
	for path, caller := range kinds {
		d.routes = append(d.routes, Route{Method: "GET", Path: path, Caller: caller, Handle: handle})
	}
	a.Dialects = []Dialect{d}
	h := Handler(a)

	none, root, key := "", "\nAuthorization: Bearer "+in.root.Reveal(), "\nAuthorization: Bearer "+in.secret.Reveal()
	refused := "one: unauthenticated"
	for _, tt := range []struct{ name, header, root, optional, holder, nobody, bearer string }{
		{"none", none, refused, "public false", refused, "public false", "public false"},
		{"root key", root, "root_key true", "root_key true", "root_key true", "public false", "public true"},
		{"key", key, refused, refused, "key true", "public false", "public true"},
		{"unknown", "\nAuthorization: Bearer lk_unknown", refused, refused, refused, "public false", "public true"},
		{"empty", "\nAuthorization:", refused, refused, refused, "public false", "public false"},
		{"bearer of nothing", "\nAuthorization: Bearer ", refused, refused, refused, "public false", "public false"},
		{"other scheme", "\nAuthorization: Basic " + in.root.Reveal(), refused, refused, refused, "public false", "public false"},
		{"no scheme", "\nAuthorization: " + in.root.Reveal(), refused, refused, refused, "public false", "public false"},
		{"two headers", root + root, refused, refused, refused, "public false", "public false"},
		{"two keys", "\nAuthorization: Bearer " + in.root.Reveal() + ", Bearer x", refused, refused, refused, "public false", "public true"},
		{"case and space", "\nauthorization: bEARER  " + in.root.Reveal() + " ", "root_key true", "root_key true", "root_key true", "public false", "public true"},
		{"unknown workspace", root + "\nLatchkey-Workspace: elsewhere", "one: not_found", "one: not_found", "root_key true", "public false", "public true"},
		{"own workspace", root + "\nLatchkey-Workspace: default", "root_key true", "root_key true", "root_key true", "public false", "public true"},
	} {
		for path, want := range map[string]string{
			"/root": tt.root, "/optional": tt.optional, "/holder": tt.holder, "/nobody": tt.nobody, "/bearer": tt.bearer,
		} {
			if w := answer(h, parse(t, "GET "+path+" HTTP/1.1\nHost: x"+tt.header)); w.Body.String() != want {
				t.Errorf("%s, %s: got %q, want %q", tt.name, path, w.Body, want)
			}
		}
	}
}

func TestBearerToken(t *testing.T) {
	for header, want := range map[string]string{
		"Bearer abc": "abc", "bearer abc": "abc", "BEARER   abc  ": "abc", "Bearer a b": "a b",
		"": "", "Bearer": "", "Bearer ": "", "Bearerabc": "", "Basic abc": "", " Bearer abc": "", "Bearer\tabc": "",
	} {
		got := BearerToken(&http.Request{Header: http.Header{"Authorization": {header}}})
		if !got.Equal(token.New(want)) {
			t.Errorf("%q: got %q, want %q", header, got.Reveal(), want)
		}
	}
}

// TestOriginReachesTheHandler is about what the audit log is told.
func TestOriginReachesTheHandler(t *testing.T) {
	var got keys.Origin
	h := Handler(apiOf(do("/x", func(w http.ResponseWriter, _ *http.Request, c *Call) error {
		got = c.Origin
		if c.Actor.Origin != c.Origin {
			t.Errorf("the actor's origin is %v, the call's %v", c.Actor.Origin, c.Origin)
		}
		return nil
	})))
	w := answer(h, parse(t, "POST /x HTTP/1.1\nHost: x\nX-Request-Id: mine-7"))
	if got.RequestID != "mine-7" || w.Header().Get("X-Request-Id") != "mine-7" || got.Addr.String() != "192.0.2.7" {
		t.Errorf("got %+v, answered X-Request-Id %q", got, w.Header().Get("X-Request-Id"))
	}
}

// TestErrorsAreTheDialects returns every kind of error from a handler.
func TestErrorsAreTheDialects(t *testing.T) {
	for _, tt := range []struct {
		name string
		err  error
		want string
	}{
		{"code", keys.Errorf(keys.Conflict, "no"), "one: conflict"},
		{"wrapped", fmt.Errorf("while: %w", keys.Errorf(keys.Forbidden, "no")), "one: forbidden"},
		{"not classified", errors.New("disk on fire"), "one: internal"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := answer(Handler(apiOf(do("/x", func(http.ResponseWriter, *http.Request, *Call) error { return tt.err }))),
				parse(t, "POST /x HTTP/1.1\nHost: x"))
			if w.Body.String() != tt.want {
				t.Errorf("got %q, want %q", w.Body, tt.want)
			}
		})
	}
}

const confided = "lk_very_secret_value"

// A confidant is an error that quotes a secret.
type confidant struct{ secret string }

func (c confidant) Error() string { return c.secret }

func TestPanicIsAnsweredAndLogged(t *testing.T) {
	for name, value := range map[string]any{
		"text": confided, "error": errors.New(confided), "struct": struct{ s string }{confided}, "own error": confidant{confided},
	} {
		t.Run(name, func(t *testing.T) {
			a := apiOf(do("/x", func(http.ResponseWriter, *http.Request, *Call) error { panic(value) }))
			log := logTo(&a, slog.LevelDebug)
			w := answer(Handler(a), parse(t, "POST /x HTTP/1.1\nHost: x"))
			if w.Code != 500 || w.Body.String() != "one: internal" {
				t.Errorf("got %d %q, want 500 from the dialect", w.Code, w.Body)
			}
			var line struct{ Level, Msg, Err string }
			if err := json.Unmarshal(log.Bytes(), &line); err != nil {
				t.Fatalf("the log is no line of JSON: %v: %s", err, log)
			}
			if line.Level != "ERROR" || !strings.Contains(line.Err, "panic of type "+fmt.Sprintf("%T", value)) || !strings.Contains(line.Err, "handler_test.go") {
				t.Errorf("the line tells no level, type or place: %+v", line)
			}
			if strings.Contains(log.String(), confided) {
				t.Errorf("the log has the panic's value: %s", log)
			}
		})
	}
}

// TestHalfAnAnswerIsCut breaks off in the midst of an answer: its reader must
// not take what came for the whole.
func TestHalfAnAnswerIsCut(t *testing.T) {
	for name, end := range map[string]func() error{
		"panic": func() error { panic(confided) },
		"error": func() error { return errors.New("broke off") },
		"abort": func() error { panic(http.ErrAbortHandler) },
	} {
		t.Run(name, func(t *testing.T) {
			a := apiOf(do("/x", func(w http.ResponseWriter, _ *http.Request, _ *Call) error {
				fmt.Fprint(w, "half of")
				_ = http.NewResponseController(w).Flush()
				return end()
			}))
			log := new(lockedBuffer)
			a.Log = slog.New(slog.NewTextHandler(log, nil))
			r := start(t, Handler(a), nil, time.Second)
			defer func() { r.stop(); r.wait(t, 2*time.Second) }()
			resp, err := http.Post("http://"+r.addr+"/x", "", nil)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			body, err := io.ReadAll(resp.Body)
			if err == nil {
				t.Errorf("the answer looks whole: %q", body)
			}
			errors := 1
			if name == "abort" {
				errors = 0 // it asks for silence
			}
			if got := strings.Count(log.String()+r.log.String(), "level=ERROR"); got != errors || strings.Contains(log.String()+r.log.String(), confided) {
				t.Errorf("the logs have %d errors, want %d: %s\n%s", got, errors, log, r.log)
			}
		})
	}
}

// TestObservers checks what metrics are told.
func TestObservers(t *testing.T) {
	a := apiOf(
		Route{Method: "GET", Path: "/x/{id}", Caller: Nobody, Handle: func(http.ResponseWriter, *http.Request, *Call) error { return nil }},
		do("/made", func(w http.ResponseWriter, _ *http.Request, _ *Call) error {
			w.WriteHeader(http.StatusEarlyHints)
			w.WriteHeader(http.StatusCreated)
			w.WriteHeader(http.StatusAccepted)
			return nil
		}),
		do("/written", func(w http.ResponseWriter, _ *http.Request, _ *Call) error {
			_, err := w.Write([]byte("x"))
			return err
		}),
		do("/verify", func(_ http.ResponseWriter, _ *http.Request, c *Call) error {
			c.Verified(keys.Valid)
			c.Verified(keys.Expired)
			return nil
		}),
		do("/broken", func(http.ResponseWriter, *http.Request, *Call) error { panic("x") }),
	)
	var seen, doors []string
	a.ObserveRoute = func(dialect, pattern string) func(int, time.Duration) {
		return func(status int, took time.Duration) {
			seen = append(seen, fmt.Sprint(dialect, " ", pattern, " ", status))
			if took < 0 || took > time.Minute {
				t.Errorf("%s took %v", pattern, took)
			}
		}
	}
	a.ObserveDoor = func(dialect string) func(keys.Outcome) {
		return func(o keys.Outcome) { doors = append(doors, dialect+" "+o.String()) }
	}
	h := Handler(a)
	for _, tt := range []struct{ request, want string }{
		{"GET /x/secret-7?secret=1", "one GET /x/{id} 200"},
		{"HEAD /x/secret-7", "one GET /x/{id} 200"},
		{"POST /made", "one POST /made 201"},
		{"POST /written", "one POST /written 200"},
		{"POST /verify", "one POST /verify 200"},
		{"POST /broken", "one POST /broken 500"},
		{"PUT /made", "one (unrouted) 405"},
		{"GET /secret-7", "one (unrouted) 404"},
		{"GET *", "rest (unrouted) 404"},
	} {
		seen = nil
		answer(h, parse(t, tt.request+" HTTP/1.1\nHost: x"))
		if len(seen) != 1 || seen[0] != tt.want {
			t.Errorf("%s: observed %q, want %q once", tt.request, seen, tt.want)
		}
	}
	if got := strings.Join(doors, ", "); got != "one valid, one expired" {
		t.Errorf("observed at the door %q, want one valid, one expired", got)
	}
}
