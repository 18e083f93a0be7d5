package main

import (
	"bufio"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestHelloHasTheSizeThatWasAsked(t *testing.T) {
	for _, size := range []helloSize{{"plain", 200, 250}, {"limits", 171, 1500}, {"large", 190, 5000}} {
		server := httptest.NewServer(hello{"/hello/" + size.name: answerOf(size)})
		conn, err := dial(server.Listener.Addr().String(), time.Now().Add(answerWithin))
		if err != nil {
			t.Fatal(err)
		}
		a, err := conn.do([]byte(verifyRequest("/hello/"+size.name, "root", "key")))
		if err == nil {
			err = a.check([]byte(helloMarker))
		}
		if err != nil {
			t.Fatal(err)
		}
		if a.head != size.head || len(a.body) != size.body || !json.Valid(a.body) {
			t.Errorf("%s: head of %d and body of %d %.60q; want %d and %d, JSON", size.name, a.head, len(a.body), a.body, size.head, size.body)
		}
		conn.close()
		server.Close()
	}
}

func TestRequestsToHelloAreOfTheSameForm(t *testing.T) {
	given := verifyRequest("/latchkey/v1/verify", "root", "lk_1")
	got := toHello([]string{given}, "plain")[0]
	if want := verifyRequest("/hello/plain", "root", "lk_1"); got != want {
		t.Errorf("toHello gave %q, want %q", got, want)
	}
	req, err := http.ReadRequest(bufio.NewReader(strings.NewReader(given)))
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(req.Body)
	if err != nil || string(body) != `{"key":"lk_1"}` || req.Header.Get("Authorization") != "Bearer root" {
		t.Errorf("%q reads as %v with body %q, %v", given, req.Header, body, err)
	}
}
