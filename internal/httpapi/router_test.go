package httpapi

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// routed mounts two dialects whose routes and claims overlap.
func routed() http.Handler {
	a := apiOf()
	a.Dialects = []Dialect{
		&plain{name: "one", claims: []string{"/one/", "/shared/"}, routes: []Route{
			echo("GET", "/one/things"), echo("POST", "/one/things"),
			echo("GET", "/one/things/{id}", "id"), echo("DELETE", "/one/things/{id}", "id"),
			echo("POST", "/one/things/search"), // a word in the place of a wildcard that takes other methods
			echo("GET", "/one/tree/{rest...}", "rest"), echo("GET", "/one/end/{$}"), echo("GET", "/one/dir/"),
			echo("GET", "/shared/path"),
		}},
		&plain{name: "two", claims: []string{"/one/two/", "/two"}, routes: []Route{
			echo("POST", "/two"), echo("POST", "/shared/path"), echo("GET", "/two/{a}/x/{b}", "a", "b"),
		}},
	}
	a.Fallback = &plain{name: "rest", routes: []Route{echo("GET", "/healthz")}}
	return Handler(a)
}

func TestRouting(t *testing.T) {
	h := routed()
	for _, tt := range []struct {
		request string
		status  int
		body    string
		allow   string
	}{
		// What the routes take.
		{"GET /one/things", 200, "GET /one/things", ""},
		{"POST /one/things?a=b", 200, "POST /one/things", ""},
		{"HEAD /one/things", 200, "GET /one/things", ""},
		{"GET /one/things/7", 200, `GET /one/things/{id} id="7"`, ""},
		{"HEAD /one/things/7", 200, `GET /one/things/{id} id="7"`, ""},
		{"POST /one/things/search", 200, "POST /one/things/search", ""},
		{"GET /one/things/search", 200, `GET /one/things/{id} id="search"`, ""},
		{"GET /healthz", 200, "GET /healthz", ""},
		{"GET http://elsewhere/one/things", 200, "GET /one/things", ""},
		{"GET /one/thing%73", 200, "GET /one/things", ""},
		{"GET /one/things/%2e%2e", 200, `GET /one/things/{id} id=".."`, ""},
		{"GET /one/things/a%2Fb", 200, `GET /one/things/{id} id="a/b"`, ""},
		{"GET /one/things/a%00%ff", 200, `GET /one/things/{id} id="a\x00\xff"`, ""},
		{"GET /one/things/.hidden", 200, `GET /one/things/{id} id=".hidden"`, ""},
		{"GET /shared/path", 200, "GET /shared/path", ""},
		{"POST /shared/path", 200, "POST /shared/path", ""},

		// Doubled slashes are collapsed; one that is encoded is data.
		{"GET //one/things", 200, "GET /one/things", ""},
		{"POST ///one////things", 200, "POST /one/things", ""},
		{"GET /one//things/a%2Fb", 200, `GET /one/things/{id} id="a/b"`, ""},
		{"GET /one%2Fthings", 404, "one: not_found", ""},
		{"GET /one/things/a%2F/b", 404, "one: not_found", ""},
		{"GET /two/a%2F/x/b", 200, `GET /two/{a}/x/{b} a="a/" b="b"`, ""},
		{"GET /two/a%2F%2Fb/x/%2Fb", 200, `GET /two/{a}/x/{b} a="a//b" b="/b"`, ""},

		// Open ends match what stands below them, and nobody is sent there.
		{"GET /one/tree/a/b", 200, `GET /one/tree/{rest...} rest="a/b"`, ""},
		{"GET /one/tree/", 200, `GET /one/tree/{rest...} rest=""`, ""},
		{"GET /one/tree", 404, "one: not_found", ""},
		{"GET /one/end/", 200, "GET /one/end/{$}", ""},
		{"GET /one/end", 404, "one: not_found", ""},
		{"GET /one/dir/x", 200, "GET /one/dir/", ""},
		{"GET /one/dir", 404, "one: not_found", ""},

		// Nothing there: the longest claim answers.
		{"GET /one/things/", 404, "one: not_found", ""},
		{"GET /one/things/7/", 404, "one: not_found", ""},
		{"GET /one/two/x", 404, "two: not_found", ""},
		{"GET /one/two", 404, "one: not_found", ""},
		{"GET /twofold", 404, "two: not_found", ""},
		{"GET /one", 404, "rest: not_found", ""},
		{"GET /", 404, "rest: not_found", ""},
		{"GET /one/./things", 404, "one: not_found", ""},
		{"GET /one/../two", 404, "one: not_found", ""},
		{"GET /one/things/..", 404, "one: not_found", ""},
		{"GET //one/two/../things", 404, "two: not_found", ""},
		{"OPTIONS *", 404, "rest: not_found", ""},
		{"GET *", 404, "rest: not_found", ""},
		{"CONNECT example.org:443", 404, "rest: not_found", ""},
		{"GET http://elsewhere", 404, "rest: not_found", ""},

		// Another method, in the form of the dialect whose path it is.
		{"DELETE /one/things", 405, "one: method_not_allowed", "GET, HEAD, POST"},
		{"POST /one/things/7", 405, "one: method_not_allowed", "DELETE, GET, HEAD"},
		{"PUT /one/things/search", 405, "one: method_not_allowed", "DELETE, GET, HEAD, POST"},
		{"GET /two", 405, "two: method_not_allowed", "POST"},
		{"PUT /shared/path", 405, "one: method_not_allowed", "GET, HEAD, POST"},
		{"CONNECT /one/things", 405, "one: method_not_allowed", "GET, HEAD, POST"},
		{"OPTIONS /one//things", 405, "one: method_not_allowed", "GET, HEAD, POST"},
		{"PRI /one/end/", 405, "one: method_not_allowed", "GET, HEAD"},
		{"get /healthz", 405, "rest: method_not_allowed", "GET, HEAD"},
	} {
		t.Run(tt.request, func(t *testing.T) {
			w := answer(h, parse(t, tt.request+" HTTP/1.1\nHost: latchkey"))
			if w.Code != tt.status || w.Body.String() != tt.body || w.Header().Get("Allow") != tt.allow {
				t.Errorf("got %d %q, Allow %q; want %d %q, %q", w.Code, w.Body, w.Header().Get("Allow"), tt.status, tt.body, tt.allow)
			}
			if w.Header().Get("X-Request-Id") == "" {
				t.Error("the answer has no request id")
			}
		})
	}
}

// TestNothingRedirects tries every path of up to four segments that are odd.
func TestNothingRedirects(t *testing.T) {
	h := routed()
	segments := []string{"", ".", "..", "%2e", "%2E%2e", "%2f", "one", "things", "tree", "end", "dir", "x"}
	var paths []string
	for _, a := range segments {
		for _, b := range segments {
			for _, c := range segments {
				paths = append(paths, "/"+a+"/"+b+"/"+c, "/one/"+a+"/"+b+"/"+c)
			}
		}
	}
	for _, path := range paths {
		u, err := url.ParseRequestURI(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, method := range []string{"GET", "POST", "CONNECT"} {
			at := *u
			w := answer(h, &http.Request{Method: method, URL: &at, Host: "latchkey", Header: http.Header{}, RequestURI: path, Body: http.NoBody})
			if w.Code/100 == 3 || w.Header().Get("Location") != "" {
				t.Errorf("%s %s is answered by a redirect: %d %s", method, path, w.Code, w.Header().Get("Location"))
			}
			if w.Header().Get("X-Request-Id") == "" {
				t.Errorf("%s %s was answered past the dialects: %d %q", method, path, w.Code, w.Body)
			}
		}
	}
}

func TestOneRouteInTwoDialects(t *testing.T) {
	for _, other := range []string{"/x/{id}", "/x/{name}"} {
		a := apiOf(echo("GET", "/x/{id}"))
		a.Dialects = append(a.Dialects, &plain{name: "two", routes: []Route{echo("GET", other)}})
		if mounts(a) {
			t.Errorf("two dialects with GET /x/{id} and GET %s were mounted", other)
		}
	}
	a := apiOf(echo("GET", "/x/{id}"))
	a.Fallback = &plain{name: "rest", routes: []Route{echo("GET", "/x/{id}")}}
	if mounts(a) {
		t.Error("a dialect and the fallback with one route were mounted")
	}
}

func mounts(a API) (ok bool) {
	defer func() { ok = recover() == nil }()
	Handler(a)
	return true
}

// TestFixedAgreesWithMux compares the short way of paths without wildcards with
// the mux, which a doubled slash makes all others take.
func TestFixedAgreesWithMux(t *testing.T) {
	h := routed()
	for _, path := range []string{"/one/things", "/one/things/search", "/healthz", "/shared/path", "/two", "/one/dir/"} {
		for _, method := range []string{"GET", "POST", "HEAD", "PUT"} {
			short := answer(h, parse(t, method+" "+path+" HTTP/1.1\nHost: latchkey"))
			long := answer(h, parse(t, method+" /"+path+" HTTP/1.1\nHost: latchkey"))
			if short.Code != long.Code || short.Body.String() != long.Body.String() {
				t.Errorf("%s %s: %d %q, and by the mux %d %q", method, path, short.Code, short.Body, long.Code, long.Body)
			}
		}
	}
}

func TestHostIsNoPartOfRouting(t *testing.T) {
	for _, host := range []string{"", "a.example", "[::1]:80", "one:2:3", strings.Repeat("h", 300)} {
		w := answer(routed(), parse(t, "GET /one/things HTTP/1.1\nHost: "+host))
		if w.Code != 200 {
			t.Errorf("Host %q: %d %q, want 200", host, w.Code, w.Body)
		}
	}
}
