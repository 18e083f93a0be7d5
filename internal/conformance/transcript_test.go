package conformance

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"
)

// echo answers with the body of a request, the status that its path names, and
// two headers.
func echo(t *testing.T) string {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var status int
		if _, err := fmt.Sscanf(r.URL.Path, "/%d", &status); err != nil {
			status = 200
		}
		w.Header().Set("Content-Type", "text/plain")
		w.Header().Set("Target", r.RequestURI)
		w.WriteHeader(status)
		io.Copy(w, r.Body)
	}))
	t.Cleanup(server.Close)
	return server.Listener.Addr().String()
}

// section returns a turn that sends sent and wants what is written in a section.
func section(sent, name, wanted string) *turn {
	request := "POST /200\n"
	if sent != "" {
		request += "\n" + sent + "\n"
	}
	return &turn{request: &txtar.File{Data: []byte(request)}, response: &txtar.File{Name: name, Data: []byte(wanted)}}
}

func TestTranscriptCompares(t *testing.T) {
	addr := echo(t)
	for _, c := range []struct{ name, section, sent, want, problem string }{
		{"members in another order", "response", `{"a":1,"b":[true]}`, "200\n\n{\"b\":[true],\n\"a\":1}\n", ""},
		{"exact order", "response exact", `{"a":1,"b":2}`, "200\n\n{ \"a\": 1, \"b\": 2 }\n", ""},
		{"wrong exact order", "response exact", `{"a":1,"b":2}`, "200\n\n{\"b\":2,\"a\":1}\n", "in another order"},
		{"a member more", "response", `{"a":1,"b":2}`, "200\n\n{\"a\":1}\n", "/b is not wanted"},
		{"a member less", "response", `{"a":1}`, "200\n\n{\"a\":1,\"b\":2}\n", "/b is missing"},
		{"a member more in a part", "response partial", `{"a":{"x":1,"y":2},"b":2}`, "200\n\n{\"a\":{\"y\":2}}\n", ""},
		{"a part that is not there", "response partial", `{"a":{"x":1}}`, "200\n\n{\"a\":{\"y\":2}}\n", "/a/y is missing"},
		{"a part without a body", "response partial", `{"a":1}`, "200\n", ""},
		{"no body wanted", "response", `{"a":1}`, "200\n", "the body is another one"},
		{"no body sent", "response", "", "200\n\n{}\n", "the body is another one"},
		{"no body at all", "response", "", "200\n", ""},
		{"another item", "response", `[1,2]`, "200\n\n[1,3]\n", "/1 is another value"},
		{"an item more", "response partial", `[1,2]`, "200\n\n[1]\n", "has 2 items, not 1"},
		{"a number written otherwise", "response", `{"a":1.0}`, "200\n\n{\"a\":1}\n", "another value"},
		{"a number as text", "response", `{"a":"1"}`, "200\n\n{\"a\":1}\n", "another type"},
		{"null for text", "response", `{"a":null}`, "200\n\n{\"a\":\"«a»\"}\n", "another type"},
		{"a member twice", "response", `{"a":1,"a":1}`, "200\n\n{\"a\":1}\n", "the body is another one"},
		{"a hole for text", "response", `{"a":"key_1"}`, "200\n\n{\"a\":\"key_«n»\"}\n", ""},
		{"a hole for nothing", "response", `{"a":""}`, "200\n\n{\"a\":\"«n»\"}\n", "another text"},
		{"a hole for a number", "response", `{"a":12}`, "200\n\n{\"a\": «n»}\n", ""},
		{"a bare hole for text", "response", `{"a":"12"}`, "200\n\n{\"a\": «n»}\n", "not what the hole stands for"},
		{"one hole for two texts", "response", `["x","y"]`, "200\n\n[\"«n»\",\"«n»\"]\n", "another text"},
		{"one hole for one text", "response", `["x","x"]`, "200\n\n[\"«n»\",\"«n»\"]\n", ""},
		{"holes without a name", "response", `["x","y"]`, "200\n\n[\"«_»\",\"«_»\"]\n", ""},
		{"plain text", "response", "pong\n", "200\n\npong\n", ""},
		{"plain text with a hole", "response", "pong 17", "200\n\npong «n»\n", ""},
		{"other text", "response", "ping", "200\n\npong\n", "another one"},
		{"another status", "response", "", "204\n", "the status is 200, not 204"},
		{"a header", "response", "", "200\nContent-Type: text/plain\n", ""},
		{"another header", "response", "", "200\nContent-Type: text/html\n", "the header Content-Type"},
		{"what was bound", "response", `"was $$5"`, "200\n\n\"$word $$5\"\n", ""},
		{"what was never bound", "response", `"was"`, "200\n\n\"$other\"\n", "$other was never bound"},
		{"bad JSON wanted", "response", `{}`, "200\n\n{\"a\":1,}\n", "looks like JSON"},
		{"no status", "response", `{}`, "OK\n", "no status"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, problem := section(c.sent, c.section, c.want).run(addr, bindings{"word": "was"})
			if (problem == "") != (c.problem == "") || !strings.Contains(problem, c.problem) {
				t.Errorf("sent %s, wanted %q: the problem is %q, want %q", c.sent, c.want, problem, c.problem)
			}
		})
	}
}

func TestTranscriptBinds(t *testing.T) {
	addr := echo(t)
	b := bindings{}
	first := section(`{"id":"key_17","n":5,"at":"2024"}`, "response", "200\nTarget: /«code»\n\n{\"id\":\"key_«id»\",\"n\":«n»,\"at\":\"«_»\"}\n")
	if _, problem := first.run(addr, b); problem != "" {
		t.Fatal(problem)
	}
	if len(b) != 3 || b["id"] != "17" || b["n"] != "5" || b["code"] != "200" {
		t.Fatalf("bound %v", b)
	}
	then := section(`["$id","${id}0",$n]`, "response", "200\n\n[\"17\",\"170\",5]\n")
	if _, problem := then.run(addr, b); problem != "" {
		t.Fatal(problem)
	}
}

func TestTranscriptSends(t *testing.T) {
	raw, method, err := wireRequest("PUT //a/../b?c=%2f HTTP/1.1\nAuthorization: Bearer x\n\n{\"a\":1}\n")
	want := "PUT //a/../b?c=%2f HTTP/1.1\r\nAuthorization: Bearer x\r\nHost: latchkey.test\r\nContent-Length: 7\r\nConnection: close\r\n\r\n{\"a\":1}"
	if err != nil || method != "PUT" || string(raw) != want {
		t.Errorf("sends %q by %s, %v; want %q", raw, method, err, want)
	}
	raw, _, err = wireRequest("POST /a\nHost: h\nContent-Length: 0\nConnection: close\n")
	if want = "POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"; err != nil || string(raw) != want {
		t.Errorf("sends %q, %v; want %q", raw, err, want)
	}
	for _, text := range []string{"GET\n", "GET /a\nno header\n"} {
		if raw, _, err := wireRequest(text); err == nil {
			t.Errorf("%q sends %q", text, raw)
		}
	}
}

func TestTranscriptSections(t *testing.T) {
	for names, ok := range map[string]bool{
		"request,response": true,
		"#a,request,#b,response exact,request,response": true,
		"request,response partial,# to end":             true,
		"request":                                       false,
		"response":                                      false,
		"request,request":                               false,
		"request,response,response":                     false,
		"request,response,request":                      false,
		"request,answer":                                false,
		"# only comment":                                false,
		"request,response sloppy":                       false,
	} {
		a := &txtar.Archive{}
		for name := range strings.SplitSeq(names, ",") {
			a.Files = append(a.Files, txtar.File{Name: name})
		}
		if _, err := turnsOf(a); (err == nil) != ok {
			t.Errorf("sections %s: %v", names, err)
		}
	}
}

func TestTranscriptRewrites(t *testing.T) {
	addr := echo(t)
	for _, c := range []struct{ name, section, sent, want, rewritten string }{
		{
			"holes that fit stay, and what was bound gets its name", "response",
			`{"z":"key_1","a":{"n":7,"who":"secret","cost":"$$1"}}`,
			"201\nContent-Type: text/html\n\n{\"z\":\"key_«id»\",\"a\":{\"n\":«n»,\"who\":\"you\"}}\n",
			"200\nContent-Type: text/plain\n\n{\n  \"z\": \"key_«id»\",\n  \"a\": {\n    \"n\": «n»,\n    \"who\": \"$key\",\n    \"cost\": \"$$1\"\n  }\n}\n",
		},
		{
			"a part stays a part", "response partial",
			`{"a":[1],"b":{},"c":2}`,
			"200\n\n{\"b\":[],\"a\":[2]}\n",
			"200\n\n{\n  \"a\": [\n    1\n  ],\n  \"b\": {}\n}\n",
		},
		{"a part without a body stays one", "response partial", `{"a":1}`, "204\n", "200\n"},
		{"text", "response", "pong", "200\n\nping\n", "200\n\npong\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := bindings{"key": "secret"}
			tn := section(c.sent, c.section, c.want)
			got, problem := tn.run(addr, b)
			if problem == "" {
				t.Fatal("it was as wanted")
			}
			rewritten := got.rewrite(tn.want, b)
			if string(rewritten) != c.rewritten {
				t.Fatalf("rewritten:\n%s\nwant:\n%s", rewritten, c.rewritten)
			}
			if _, problem := section(c.sent, c.section, string(rewritten)).run(addr, b); problem != "" {
				t.Errorf("what was rewritten does not hold: %s", problem)
			}
		})
	}
}
