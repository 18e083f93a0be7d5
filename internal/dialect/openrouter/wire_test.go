package openrouter_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"

	"latchkey/internal/token"
)

// request returns a request with the lines of a header.
func request(method, path, body string, header ...string) *http.Request {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	for _, line := range header {
		name, value, _ := strings.Cut(line, ": ")
		r.Header.Add(name, value)
	}
	return r
}

// TestContentTypes sends what clients and samples send: no type, one of a body
// that is not there, and others. It is the body that is looked at.
func TestContentTypes(t *testing.T) {
	s := start(t)
	bearer := "Authorization: Bearer " + rootKey
	for _, ct := range []string{"", "application/json", "application/json; charset=utf-8", "text/plain", "application/x-www-form-urlencoded", ";;="} {
		k, _ := s.makeKey(t, "")
		path := "/api/v1/keys/" + k.Hash
		for _, c := range []struct {
			method, path, body string
			status             int
		}{
			{"GET", path, "", 200}, {"GET", "/api/v1/keys", "", 200}, {"GET", "/api/v1/key", "", 200}, {"GET", path, "no JSON", 200},
			{"POST", "/api/v1/keys", `{"name":"n"}`, 201}, {"PATCH", path, `{}`, 200}, {"DELETE", path, "", 200},
		} {
			r := request(c.method, c.path, c.body, bearer)
			if ct != "" {
				r.Header.Set("Content-Type", ct)
			}
			w := s.send(r)
			checkAnswer(t, c.method+" "+c.path, w)
			if w.Code != c.status {
				t.Errorf("%s %s as %q: %d %s, want %d", c.method, c.path, ct, w.Code, w.Body, c.status)
			}
		}
	}
}

// TestAuthorization sends a good key in all the ways in which one may be sent,
// and in some in which it may not.
func TestAuthorization(t *testing.T) {
	s := start(t)
	_, key := s.makeKey(t, "")
	const good, missing, unknown = 200, "Missing Authentication header", "User not found."
	for _, c := range []struct {
		header []string
		want   any
	}{
		{[]string{"authorization: bearer " + key}, good},
		{[]string{"AUTHORIZATION: BEARER " + key}, good},
		{[]string{"Authorization: Bearer   " + key + " "}, good},
		{[]string{"Authorization: Bearer " + key, "Cookie: "}, good},
		{nil, missing},
		{[]string{"Authorization: "}, missing},
		{[]string{"Authorization: Bearer"}, missing},
		{[]string{"Authorization: Bearer  "}, missing},
		{[]string{"Authorization: " + key}, missing},
		{[]string{"Authorization: Basic " + key}, missing},
		{[]string{"Authorization: Bearer " + key, "Authorization: Bearer " + key}, missing},
		{[]string{"Cookie: session=" + key, "X-Api-Key: " + key, "Proxy-Authorization: Bearer " + key}, missing},
		{[]string{"Authorization: Bearer " + strings.ToUpper(key)}, unknown},
		{[]string{"Authorization: Bearer " + key + "," + key}, unknown},
		{[]string{"Authorization: Bearer \xff\xfe"}, unknown},
		{[]string{"Authorization: Bearer " + token.New(key).Sum().Hex()}, unknown},
	} {
		w := s.send(request("GET", "/api/v1/key", "", c.header...))
		checkAnswer(t, fmt.Sprintf("%.40q", c.header), w)
		if c.want == good && w.Code != good {
			t.Errorf("%.60q: %d %s", c.header, w.Code, w.Body)
		}
		if said, bad := c.want.(string); bad && (w.Code != http.StatusUnauthorized || !strings.Contains(w.Body.String(), said)) {
			t.Errorf("%.60q: %d %s, want %q", c.header, w.Code, w.Body, said)
		}
	}
}

// TestRootKeysAreNotManaged looks for root keys by their hashes, that of the
// caller among them.
func TestRootKeysAreNotManaged(t *testing.T) {
	s := start(t)
	var root struct{ Secret string }
	s.do(t, "POST", "/latchkey/v1/root-keys", `{"name":"root","permissions":["*"]}`, &root)
	for _, secret := range []string{rootKey, root.Secret} {
		path := "/api/v1/keys/" + token.New(secret).Sum().Hex()
		for method, body := range map[string]string{"GET": "", "PATCH": `{"disabled":true}`, "DELETE": ""} {
			if w := s.call(method, path, root.Secret, body); w.Code != http.StatusNotFound || !strings.Contains(w.Body.String(), "Resource not found") {
				t.Errorf("%s of a root key: %d %s", method, w.Code, w.Body)
			}
		}
	}
	var list struct{ Data []keyView }
	s.doAs(t, root.Secret, "GET", "/api/v1/keys?include_disabled=true", "", &list)
	if len(list.Data) != 0 {
		t.Errorf("root keys are listed: %+v", list.Data)
	}
}

// TestLateBodies sends bodies of which the length is not told, at the bound and
// beyond.
func TestLateBodies(t *testing.T) {
	s := start(t)
	for size, want := range map[int]int{64 << 10: http.StatusCreated, 64<<10 + 1: http.StatusRequestEntityTooLarge} {
		const rest = `{"name":"n","x":""}`
		r := request("POST", "/api/v1/keys", `{"name":"n","x":"`+strings.Repeat("x", size-len(rest))+`"}`, "Authorization: Bearer "+rootKey)
		r.ContentLength = -1
		w := s.send(r)
		checkAnswer(t, fmt.Sprint(size), w)
		if w.Code != want {
			t.Errorf("%d bytes: %d %.200s, want %d", size, w.Code, w.Body, want)
		}
	}
	deep := `{"name":"n","x":` + strings.Repeat("[", 30_000) + strings.Repeat("]", 30_000) + `}`
	if w := s.call("POST", "/api/v1/keys", rootKey, deep); w.Code != http.StatusBadRequest {
		t.Errorf("a body that is too deep: %d %.200s", w.Code, w.Body)
	}
}

// TestChangesOfAll changes every subset of what can be changed, and compares
// what is answered and then read with what was.
func TestChangesOfAll(t *testing.T) {
	s := start(t)
	k, _ := s.makeKey(t, `,"limit":10,"limit_reset":"weekly"`)
	path := "/api/v1/keys/" + k.Hash
	members := []string{`"name":"other"`, `"disabled":true`, `"limit":3.5`, `"limit_reset":"daily"`, `"include_byok_in_limit":true`}
	limit, reset := 3.5, "daily"
	for subset := range 1 << len(members) {
		var was, got struct{ Data keyView }
		s.do(t, "PATCH", path, `{"name":"made","disabled":false,"limit":10,"limit_reset":"weekly","include_byok_in_limit":false}`, &was)
		var sent []string
		want := was.Data
		for i, member := range members {
			if subset&(1<<i) == 0 {
				continue
			}
			sent = append(sent, member)
			switch i {
			case 0:
				want.Name = "other"
			case 1:
				want.Disabled = true
			case 2:
				want.Limit, want.LimitRemaining = &limit, &limit
			case 3:
				want.LimitReset = &reset
			case 4:
				want.IncludeBYOK = true
			}
		}
		body := "{" + strings.Join(sent, ",") + "}"
		s.do(t, "PATCH", path, body, &got)
		got.Data.UpdatedAt, want.UpdatedAt = nil, nil
		read := s.getKey(t, k.Hash)
		read.UpdatedAt = nil
		if !reflect.DeepEqual(got.Data, want) || !reflect.DeepEqual(read, want) {
			t.Errorf("%s: %+v, and is read as %+v; want %+v", body, got.Data, read, want)
		}
	}
}
