package openrouter_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestSecret makes keys in the vendor's form, whose hash is that of the whole
// key, and whose label has three characters of either side.
func TestSecret(t *testing.T) {
	s := start(t)
	for range 20 {
		k, secret := s.makeKey(t, "")
		if !regexp.MustCompile(`^sk-or-v1-[0-9a-f]{64}$`).MatchString(secret) {
			t.Fatalf("a key has another form, of %d characters", len(secret))
		}
		sum := sha256.Sum256([]byte(secret))
		if k.Hash != hex.EncodeToString(sum[:]) {
			t.Errorf("the hash is %s, want %x", k.Hash, sum)
		}
		if want := secret[:12] + "..." + secret[len(secret)-3:]; k.Label != want {
			t.Errorf("the label is %s, want %s", k.Label, want)
		}
		for _, path := range []string{"/api/v1/keys", "/api/v1/keys/" + k.Hash} {
			if w := s.call("GET", path, rootKey, ""); strings.Contains(w.Body.String(), secret[12:]) {
				t.Errorf("%s has the secret", path)
			}
		}
		if w := s.call("GET", "/api/v1/key", secret, ""); strings.Contains(w.Body.String(), secret[12:]) || strings.Contains(w.Body.String(), k.Hash) {
			t.Errorf("a key is told its secret or hash: %s", w.Body)
		}
	}
}

// TestPages reads 101 keys as a page of 100 and one of 1, the newest first.
func TestPages(t *testing.T) {
	s := start(t)
	var want []string
	for i := range 101 {
		k, _ := s.makeKey(t, fmt.Sprintf(`,"limit":%d`, i))
		want = append([]string{k.Hash}, want...)
	}
	page := func(query string) (hashes []string) {
		var got struct{ Data []keyView }
		s.do(t, "GET", "/api/v1/keys"+query, "", &got)
		if got.Data == nil {
			t.Errorf("%q: a list is null", query)
		}
		for _, k := range got.Data {
			hashes = append(hashes, k.Hash)
		}
		return hashes
	}
	for query, of := range map[string][]string{
		"": want[:100], "?offset=0": want[:100], "?offset=100": want[100:], "?offset=101": nil, "?offset=37": want[37:],
		"?offset=1&include_disabled=true": want[1:],
	} {
		if got := page(query); !slices.Equal(got, of) {
			t.Errorf("%q has %d keys, or others; want %d", query, len(got), len(of))
		}
	}
	// Those that are disabled leave no holes.
	for _, i := range []int{0, 50, 99} {
		s.do(t, "PATCH", "/api/v1/keys/"+want[i], `{"disabled":true}`, nil)
	}
	if a, b := page(""), page("?offset=100"); len(a) != 98 || b != nil || slices.Contains(a, want[50]) {
		t.Errorf("of 98 keys there are pages of %d and %d", len(a), len(b))
	}
	if a, b := page("?include_disabled=true"), page("?include_disabled=true&offset=100"); !slices.Equal(a, want[:100]) || !slices.Equal(b, want[100:]) {
		t.Errorf("of all keys there are pages of %d and %d", len(a), len(b))
	}
}

// TestOutage shows that nothing is called bad or gone because it cannot be
// looked up, and that a client is told to come again.
func TestOutage(t *testing.T) {
	s := start(t)
	k, secret := s.makeKey(t, "")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ method, path, bearer, body string }{
		{"GET", "/api/v1/key", "another", ""},
		{"GET", "/api/v1/auth/key", secret, ""},
		{"GET", "/api/v1/keys", rootKey, ""},
		{"GET", "/api/v1/keys", "another", ""},
		{"POST", "/api/v1/keys", rootKey, `{"name":"x"}`},
		{"GET", "/api/v1/keys/" + k.Hash, rootKey, ""},
		{"PATCH", "/api/v1/keys/" + k.Hash, rootKey, `{}`},
		{"DELETE", "/api/v1/keys/" + k.Hash, rootKey, ""},
		{"GET", "/api/v1/credits", rootKey, ""},
		{"POST", "/api/v1/auth/keys/code", rootKey, `{"callback_url":"https://app.example"}`},
		{"POST", "/api/v1/auth/keys", "", `{"code":"any"}`},
	} {
		w := s.call(c.method, c.path, c.bearer, c.body)
		checkAnswer(t, c.method+" "+c.path, w)
		if w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" {
			t.Errorf("%s %s: %d %v %s", c.method, c.path, w.Code, w.Header(), w.Body)
		}
	}
}

// TestNeverRedirects asks for paths that a server might tidy up.
func TestNeverRedirects(t *testing.T) {
	s := start(t)
	k, _ := s.makeKey(t, "")
	for path, status := range map[string]int{
		"/api/v1/key": 200, "/api/v1/key/": 200, "//api/v1/key": 200, "/api//v1/key//": 200, "/api/v1/auth/key/": 200, "/api/v1/auth//key": 200,
		"/api/v1/keys": 200, "/api/v1/keys/": 200, "/api/v1/keys//": 200, "/api/v1/keys/" + k.Hash: 200, "/api/v1/keys//" + k.Hash + "//": 200,
		"/api/v1/credits": 200, "/api/v1/credits/": 200,
		"/api/v1": 404, "/api/v1/": 404, "/api/v1/./key": 404, "/api/v1/../v1/key": 404, "/api/v1/keys/..": 404, "/api/v1/keys/%2e%2e/key": 404,
		"/api/v1/KEYS": 404, "/api/v1/auth": 404, "/api/v1/auth/": 404, "/api/v1/key/x": 404, "/api/v1/keys/" + k.Hash + "/x": 404, "/api/v1/keys%2F": 404,
		"/api/v1/keys/" + k.Hash + "%2F": 404, "/api/v1/keys/" + strings.ToUpper(k.Hash): 404, "/api/v1/keys/" + k.Hash[1:]: 404,
		"/api/v1/keys/" + k.Hash[:63] + "g": 404, "/api/v1/keys/%00": 404, "/api/v1/keys/key_00000000000000000": 404,
	} {
		for _, method := range []string{"GET", "POST", "HEAD", "DELETE", "PATCH", "PUT", "OPTIONS"} {
			if method != "GET" && strings.Contains(strings.ToLower(path), k.Hash) {
				continue // it is to stay
			}
			r := httptest.NewRequest(method, "/", nil)
			target, err := url.Parse("http://latchkey.test" + path)
			if err != nil {
				t.Fatal(err)
			}
			r.URL.Path, r.URL.RawPath = target.Path, target.RawPath
			r.Header.Set("Authorization", "Bearer "+rootKey)
			w := httptest.NewRecorder()
			s.ServeHTTP(w, r)
			checkAnswer(t, method+" "+path, w)
			if w.Code >= 300 && w.Code < 400 {
				t.Errorf("%s %s: %d to %q", method, path, w.Code, w.Header().Get("Location"))
			}
			if method == "GET" && w.Code != status {
				t.Errorf("%s %s: %d %s, want %d", method, path, w.Code, w.Body, status)
			}
		}
	}
}
