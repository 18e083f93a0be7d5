package main

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// serverOf returns a server that gives one answer to everything.
func serverOf(t *testing.T, status int, contentType, body string) (environ []string) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		w.WriteHeader(status)
		io.WriteString(w, body)
	}))
	t.Cleanup(srv.Close)
	return []string{"LATCHKEY_URL=" + srv.URL, "LATCHKEY_ROOT_KEY=" + rootOfTests}
}

const rootOfTests = "root-key-of-the-tests-0123456789"

// TestNothingMovesTheCursor has a server whose names would rewrite a terminal.
func TestNothingMovesTheCursor(t *testing.T) {
	const evil = `a\u001b[2Jb\u0007c\u009bd\u202ee\u2028f\r\ng\th`
	const key = `{"id":"key_00000000000000000","name":"` + evil + `","meta":{"` + evil + `":"` + evil + `"},"limits":[{"name":"` + evil + `"}],"permissions":["` + evil + `"]}`
	environ := serverOf(t, 200, "application/json", `{"data":[`+key+`],"next_cursor":null}`)
	one := serverOf(t, 200, "application/json", key)
	refusing := serverOf(t, 404, "application/problem+json", `{"code":"not_found","detail":"`+evil+`","request_id":"`+evil+`"}`)
	const raw = "\x1b\a\u009b\u202e\u2028\r\t"
	for _, tt := range []struct {
		name    string
		environ []string
		args    []string
		code    int
		lines   int
	}{
		{"a table", environ, []string{"key", "list"}, 0, 2},
		{"ids", environ, []string{"key", "list", "-q"}, 0, 1},
		{"a list as JSON", environ, []string{"key", "list", "--json"}, 0, 1},
		{"one", one, []string{"key", "get", "key_00000000000000000"}, 0, 20},
		{"one as JSON", one, []string{"key", "get", "key_00000000000000000", "--json"}, 0, 1},
		{"a refusal", refusing, []string{"key", "list"}, 1, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var stdout, stderr strings.Builder
			code := run(t.Context(), tt.args, tt.environ, strings.NewReader(""), &stdout, &stderr)
			text := stdout.String() + stderr.String()
			if code != tt.code || strings.ContainsAny(text, raw) || strings.Count(text, "\n") != tt.lines {
				t.Errorf("got %d and %d lines, %q", code, strings.Count(text, "\n"), text)
			}
			if tt.args[len(tt.args)-1] != "--json" {
				return
			}
			var got, want any
			if json.Unmarshal([]byte(text), &got) != nil || json.Unmarshal([]byte(`"`+evil+`"`), &want) != nil {
				t.Fatalf("no JSON: %q", text)
			}
			if rows, ok := got.([]any); ok {
				got = rows[0]
			}
			if name := got.(map[string]any)["name"]; name != want {
				t.Errorf("JSON has the name %q, want %q", name, want)
			}
		})
	}
}

// TestWhoIsAtFault has the exit codes of what servers, and others at their
// address, can answer.
func TestWhoIsAtFault(t *testing.T) {
	problem := func(code string) string { return `{"code":"` + code + `","detail":"a detail","request_id":"req_1"}` }
	for _, tt := range []struct {
		name   string
		status int
		typ    string
		body   string
		code   int
		stderr string
	}{
		{"refused", 403, "application/problem+json", problem("forbidden"), 1, "latchkey: forbidden: a detail (request req_1)\n"},
		{"rate limited", 429, "application/problem+json", problem("rate_limited"), 1, "latchkey: rate_limited: "},
		{"broken", 500, "application/problem+json", problem("internal"), 2, "latchkey: internal: a detail (request req_1)\n"},
		{"busy", 503, "application/problem+json", problem("unavailable"), 2, "latchkey: unavailable: "},
		{"somebody else", 404, "text/html", rootOfTests, 2, "latchkey: 404 Not Found, and the answer is not latchkey's own\n"},
		{"a redirect", 302, "text/html", "", 2, "latchkey: 302 Found, "},
		{"no JSON", 200, "application/json", "<html>", 2, "read the answer"},
		{"no verification", 200, "application/json", "{}", 2, "not latchkey's own"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			environ := append(serverOf(t, tt.status, tt.typ, tt.body), "LATCHKEY_KEY=lk_the_key")
			var stdout, stderr strings.Builder
			code := run(t.Context(), []string{"key", "verify"}, environ, strings.NewReader(""), &stdout, &stderr)
			if code != tt.code || !strings.Contains(stderr.String(), tt.stderr) || stdout.Len() > 0 {
				t.Errorf("got %d, stdout %q, stderr %q; want %d, %q", code, &stdout, &stderr, tt.code, tt.stderr)
			}
			if strings.Contains(stderr.String(), rootOfTests) || strings.Contains(stderr.String(), "lk_the_key") || strings.Count(stderr.String(), "latchkey: ") != 1 {
				t.Errorf("stderr is %q", &stderr)
			}
		})
	}
}

// TestListsAreWholeOrNot: a list that fails in its middle prints nothing.
func TestListsAreWholeOrNot(t *testing.T) {
	calls := 0
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if calls++; calls > 1 {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		io.WriteString(w, `{"data":[{"id":"role_1"}],"next_cursor":"next"}`)
	}))
	defer srv.Close()
	for _, format := range []string{"--json", "--quiet", "--max=5"} {
		calls = 0
		var stdout, stderr strings.Builder
		code := run(t.Context(), []string{"role", "list", format}, []string{"LATCHKEY_URL=" + srv.URL, "LATCHKEY_ROOT_KEY=r"}, strings.NewReader(""), &stdout, &stderr)
		if code != exitBroken || stdout.Len() > 0 {
			t.Errorf("%s: got %d, %q, %q", format, code, &stdout, &stderr)
		}
	}
}
