package openrouter_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
)

// FuzzCreate states that no body breaks the making of a key, and that a key
// which was made is shown as it was answered, and is deleted.
func FuzzCreate(f *testing.F) {
	for _, seed := range []string{
		`{"name":"n"}`, `{"name":"n","limit":1e-7,"limit_reset":"daily","include_byok_in_limit":true,"expires_at":"2027-12-31T23:59:59.1Z"}`,
		`{"name":"n","limit":null,"limit_reset":"monthly","expires_at":null,"creator_user_id":"user_1","external":{"user":"u"}}`,
		`{"name":"\u0000"}`, `{"name":"\ud800"}`, `{"name":"n","limit":-0}`, `{"name":"n","limit":1e999999999}`, `{"name":"n","limit":"1"}`,
		`{"name":"n","external":{"user":"idn_1"}}`, `{"name":"n","workspace_id":"0df9e665-d932-5740-b2c7-b52af166bc11"}`, `{"name":"n","name":"m"}`,
		`{`, `[]`, ``, "\xff", `null`, `{"name":null}`, `{"name":"n","expires_at":"0000-00-00T00:00:00Z"}`,
	} {
		f.Add(seed)
	}
	s := start(f)
	f.Fuzz(func(t *testing.T, body string) {
		w := s.call("POST", "/api/v1/keys", rootKey, body)
		checkAnswer(t, body, w)
		if w.Code != http.StatusCreated {
			if w.Code != http.StatusBadRequest && w.Code != http.StatusRequestEntityTooLarge {
				t.Fatalf("%q: %d %s", body, w.Code, w.Body)
			}
			return
		}
		var made, shown struct {
			Data map[string]any `json:"data"`
		}
		if err := json.Unmarshal(w.Body.Bytes(), &made); err != nil {
			t.Fatal(err)
		}
		delete(made.Data, "key")
		path := "/api/v1/keys/" + made.Data["hash"].(string)
		got := s.call("GET", path, rootKey, "")
		if err := json.Unmarshal(got.Body.Bytes(), &shown); err != nil || got.Code != http.StatusOK {
			t.Fatalf("%q: %d %s %v", body, got.Code, got.Body, err)
		}
		if len(made.Data) != 22 || len(shown.Data) != 22 {
			t.Fatalf("%q: a member is missing: %s\n%s", body, w.Body, got.Body)
		}
		for name, value := range made.Data {
			if shown.Data[name] != value {
				t.Fatalf("%q: %s was %v, and is %v", body, name, value, shown.Data[name])
			}
		}
		if w := s.call("DELETE", path, rootKey, ""); w.Code != http.StatusOK {
			t.Fatalf("%q: %d %s", body, w.Code, w.Body)
		}
	})
}

// FuzzUpdate states that no body and no path breaks a change, that one which is
// refused changes nothing, and that one which is accepted is accepted again and
// changes nothing more.
func FuzzUpdate(f *testing.F) {
	for _, seed := range []string{
		`{}`, `{"disabled":false,"include_byok_in_limit":true,"limit":75,"limit_reset":"daily","name":"Updated API Key Name"}`,
		`{"limit":null}`, `{"limit_reset":null,"include_byok_in_limit":false}`, `{"limit_reset":"never"}`, `{"name":""}`, `{"disabled":null}`,
		`{"limit":0.0000005}`, `{"limit":1000000000}`, `{"limit":1e9,"limit":1}`, `{"usage":1,"expires_at":7}`, `{`, ``, `[{}]`, "\xff",
	} {
		f.Add("HASH", seed)
	}
	f.Add("HASH/", `{}`)
	f.Add("%2e%2e", `{}`)
	f.Add("HASH?x=%zz#y", `{}`)
	s := start(f)
	made, _ := s.makeKey(f, "")
	f.Fuzz(func(t *testing.T, place, body string) {
		if strings.Trim(place, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz./%?#=-_") != "" || strings.Contains(place, "%") {
			place = "HASH" // what no request line may have
		}
		path := "/api/v1/keys/" + strings.ReplaceAll(place, "HASH", made.Hash)
		before := s.call("GET", "/api/v1/keys/"+made.Hash, rootKey, "").Body.String()
		w := s.call("PATCH", path, rootKey, body)
		checkAnswer(t, body, w)
		if w.Code >= 500 {
			t.Fatalf("%s %q: %d %s", path, body, w.Code, w.Body)
		}
		after := s.call("GET", "/api/v1/keys/"+made.Hash, rootKey, "").Body.String()
		if w.Code == http.StatusOK && after != w.Body.String() || w.Code != http.StatusOK && after != before {
			t.Fatalf("%s %q: %d %s\nbefore %s\nafter %s", path, body, w.Code, w.Body, before, after)
		}
		if w.Code == http.StatusOK {
			if again := s.call("PATCH", path, rootKey, body); again.Body.String() != after {
				t.Fatalf("%s %q, again: %d %s\nafter %s", path, body, again.Code, again.Body, after)
			}
		}
	})
}

// FuzzList states that no query breaks the list, and that it is one of keys or a
// bad request.
func FuzzList(f *testing.F) {
	for _, q := range []string{
		"", "include_disabled=true&offset=0", "offset=-1", "offset=1e3", "offset=99999999999999999999", "offset=0.0", "include_disabled=%00", "offset=%zz",
		"workspace_id=0df9e665-d932-5740-b2c7-b52af166bc11", "workspace_id=\xff", "a;b", "&&=", "offset=1&offset=2",
	} {
		f.Add(q)
	}
	s := start(f)
	s.makeKey(f, "")
	f.Fuzz(func(t *testing.T, query string) {
		r, err := http.NewRequest("GET", "/api/v1/keys", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.URL.RawQuery = query
		r.Header.Set("Authorization", "Bearer "+rootKey)
		w := s.send(r)
		checkAnswer(t, query, w)
		if w.Code != http.StatusOK && w.Code != http.StatusBadRequest {
			t.Fatalf("%q: %d %s", query, w.Code, w.Body)
		}
	})
}
