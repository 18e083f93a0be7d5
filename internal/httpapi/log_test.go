package httpapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"latchkey/internal/keys"
)

// lines returns the log's lines.
func lines(b *bytes.Buffer) []string {
	return strings.FieldsFunc(b.String(), func(r rune) bool { return r == '\n' })
}

// TestAccessLog sends one request to each of many handlers, with a secret
// wherever one can be put.
func TestAccessLog(t *testing.T) {
	verified := func(outcomes ...keys.Outcome) HandlerFunc {
		return func(_ http.ResponseWriter, _ *http.Request, c *Call) error {
			for _, o := range outcomes {
				c.Verified(o)
			}
			return nil
		}
	}
	failing := func(err error) HandlerFunc {
		return func(http.ResponseWriter, *http.Request, *Call) error { return err }
	}
	quoting := func(code keys.Code) HandlerFunc {
		return failing(&keys.Error{Code: code, Message: "it is " + confided, Faults: keys.Faults{{Field: confided, Detail: confided}}})
	}
	for _, tt := range []struct {
		name   string
		quiet  bool
		handle HandlerFunc
		level  string // "": no line
		has    string
	}{
		{"a call that went well", false, failing(nil), "INFO", `"status":200`},
		{"a quiet one", true, failing(nil), "", ""},
		{"an accepted verification", true, verified(keys.Valid), "", ""},
		{"an accepted verification on a route that is not quiet", false, verified(keys.Valid), "", ""},
		{"an unknown key", true, verified(keys.KeyNotFound), "", ""},
		{"a refusal", true, verified(keys.Expired), "INFO", `"outcome":"expired"`},
		{"a batch that was accepted", true, verified(keys.Valid, keys.KeyNotFound, keys.Valid), "", ""},
		{"a batch with refusals", true, verified(keys.Valid, keys.RateLimited, keys.Disabled, keys.Valid), "INFO", `"outcome":"rate_limited"`},
		{"no caller", true, quoting(keys.Unauthenticated), "INFO", `"err":"unauthenticated"`},
		{"a request that is not valid", true, quoting(keys.Invalid), "INFO", `"err":"invalid"`},
		{"a conflict", false, quoting(keys.Conflict), "INFO", `"err":"conflict"`},
		{"an outage", true, failing(&keys.Error{Code: keys.Unavailable, Message: "no", Err: errors.New("disk full")}), "WARN", "disk full"},
		{"a breakdown", true, failing(errors.New("disk on fire")), "ERROR", "disk on fire"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			rt := do("/x/{id}", tt.handle)
			rt.Quiet = tt.quiet
			a := apiOf(rt)
			log := logTo(&a, slog.LevelDebug)
			answer(Handler(a), parse(t, "POST /x/"+confided+"?q="+confided+" HTTP/1.1\nHost: "+confided+
				"\nAuthorization: Bearer "+confided+"\nUser-Agent: "+confided+"\nReferer: "+confided+"\nX-Request-Id: id-7"))
			if tt.level == "" {
				if log.Len() > 0 {
					t.Errorf("logged, want silence: %s", log)
				}
				return
			}
			if n := len(lines(log)); n != 1 || !strings.Contains(log.String(), tt.has) {
				t.Errorf("got %d lines, want one that has %s: %s", n, tt.has, log)
			}
			var line map[string]any
			if err := json.Unmarshal(log.Bytes(), &line); err != nil {
				t.Fatal(err)
			}
			for name, want := range map[string]any{
				"level": tt.level, "dialect": "one", "route": "POST /x/{id}", "request_id": "id-7", "addr": "192.0.2.7",
			} {
				if line[name] != want {
					t.Errorf("%s is %v, want %v", name, line[name], want)
				}
			}
			if strings.Contains(log.String(), confided) {
				t.Errorf("the log has what was sent: %s", log)
			}
		})
	}
}

// TestAccessLogOfWhatIsNotThere is about paths that are nobody's.
func TestAccessLogOfWhatIsNotThere(t *testing.T) {
	a := apiOf(do("/x", func(http.ResponseWriter, *http.Request, *Call) error { return nil }))
	log := logTo(&a, slog.LevelDebug)
	h := Handler(a)
	for _, request := range []string{"GET /" + confided, "GET /x/../" + confided, "PUT /x?" + confided, "GET //x//" + confided} {
		answer(h, parse(t, request+" HTTP/1.1\nHost: x"))
	}
	if n := len(lines(log)); n != 4 || strings.Contains(log.String(), confided) || strings.Count(log.String(), `"route":"(unrouted)"`) != 4 {
		t.Errorf("got %d lines, want 4 that say unrouted and nothing of the path: %s", n, log)
	}
}

// TestAccessLogNamesTheCaller by its id.
func TestAccessLogNamesTheCaller(t *testing.T) {
	in := install(t)
	a := apiOf(Route{Method: "GET", Path: "/me", Caller: Holder, Handle: func(http.ResponseWriter, *http.Request, *Call) error { return nil }})
	a.Verifier = in.verifier
	log := logTo(&a, slog.LevelInfo)
	answer(Handler(a), parse(t, "GET /me HTTP/1.1\nHost: x\nAuthorization: Bearer "+in.secret.Reveal()))
	if !strings.Contains(log.String(), `"actor":"`+in.key.ID+`"`) || !strings.Contains(log.String(), `"workspace":"`+in.key.WorkspaceID+`"`) {
		t.Errorf("the line names no caller: %s", log)
	}
}

// TestRefusalsAreSampled sends many refusals of both kinds, which share what is
// let through in a second; breakdowns are all told.
func TestRefusalsAreSampled(t *testing.T) {
	const each = 60
	a := apiOf(
		do("/refused", func(_ http.ResponseWriter, _ *http.Request, c *Call) error { c.Verified(keys.Expired); return nil }),
		do("/stranger", func(http.ResponseWriter, *http.Request, *Call) error {
			return keys.Errorf(keys.Unauthenticated, "who?")
		}),
		do("/broken", func(http.ResponseWriter, *http.Request, *Call) error { return errors.New("broken") }),
	)
	log := logTo(&a, slog.LevelDebug)
	h := Handler(a)
	begin := time.Now()
	for range each {
		for _, path := range []string{"/refused", "/stranger", "/broken"} {
			answer(h, parse(t, "POST "+path+" HTTP/1.1\nHost: x"))
		}
	}
	seconds := time.Now().Unix() - begin.Unix() + 1
	broken := strings.Count(log.String(), "POST /broken")
	rest := len(lines(log)) - broken
	if broken != each || rest < 10 || rest > int(10*seconds) {
		t.Errorf("%d breakdowns and %d refusals were logged, want %d and 10 a second, of which there were %d", broken, rest, each, seconds)
	}
}

func TestSampler(t *testing.T) {
	s := newSampler(3)
	at := time.Unix(1_800_000_000, 0)
	taken := func(now time.Time, tries int) (n int) {
		for range tries {
			if s.take(now) {
				n++
			}
		}
		return n
	}
	for i, step := range []struct {
		after time.Duration
		tries int
		want  int
	}{{0, 5, 3}, {999 * time.Millisecond, 5, 0}, {time.Second, 2, 2}, {1500 * time.Millisecond, 5, 1}, {time.Hour, 5, 3}} {
		if got := taken(at.Add(step.after), step.tries); got != step.want {
			t.Errorf("step %d: %d of %d were let through, want %d", i, got, step.tries, step.want)
		}
	}
}
