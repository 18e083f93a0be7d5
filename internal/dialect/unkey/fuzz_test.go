package unkey_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
)

// answers checks what holds of every answer: no fault of ours, and an envelope
// where it is none of success.
func answers(t *testing.T, w *httptest.ResponseRecorder, sent string) {
	t.Helper()
	if w.Code >= 500 {
		t.Fatalf("%q: %d %s", sent, w.Code, w.Body)
	}
	if w.Code < 300 {
		return
	}
	var out struct {
		Error struct{ Code, Docs, Message, RequestID string } `json:"error"`
	}
	err := json.Unmarshal(w.Body.Bytes(), &out, json.MatchCaseInsensitiveNames(true))
	if e := out.Error; err != nil || w.Code == http.StatusUnauthorized || e.Code == "" || e.Docs == "" || e.Message == "" || e.RequestID == "" {
		t.Fatalf("%q: %d %v %s", sent, w.Code, err, w.Body)
	}
}

// FuzzVerify states that no question breaks anything, and that what the fast
// decoder takes is taken too with a member before it that is not known.
func FuzzVerify(f *testing.F) {
	s := start(f)
	_, key := s.makeKey(f, s.makeAPI(f), `,"permissions":["a.b"],"ratelimit":{"limit":1000000000,"duration":3600000}`)
	for _, seed := range []string{
		`{"key":"KEY"}`, `{"key":"KEY","apiId":"x","tags":["a"]}`, `{"key":"KEY","authorization":{"permissions":{"and":["a.b",{"or":["c",null]}]}}}`,
		`{"key":"KEY","ratelimits":[{"name":"default","cost":0},{"name":"x","limit":1,"duration":1}],"ratelimit":{"cost":2},"remaining":{"cost":0}}`,
		`{"key":"KEY","key":"KEY"}`, `{"key":null}`, `{"key":"KEY","ratelimits":[null]}`, `{"key":"KEY","ratelimits":[{"name":null}]}`,
		`{"key":"KEY","authorization":{"permissions":["x"]}}`, `{"key":"KEY","tags":[null,"\ud800"]}`, `{"key":"KEY","apiId":"\u0000"}`, `{`, `[]`, ``, "\xff",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		body = strings.ReplaceAll(body, "KEY", key)
		w := s.call("POST", "/v1/keys.verifyKey", "", body)
		answers(t, w, body)
		inner, ok := strings.CutPrefix(strings.TrimSpace(body), "{")
		if !ok || w.Code != http.StatusOK {
			return
		}
		patient := s.call("POST", "/v1/keys.verifyKey", "", `{"a word that is long":["nobody knows it",null],`+inner)
		if strings.TrimSpace(inner) != "}" && patient.Code != w.Code {
			t.Fatalf("%q: %s, and with a member that is not known: %s", body, w.Body, patient.Body)
		}
	})
}

// FuzzBodies states that no body breaks an endpoint, and that a key which was
// made by one is shown, verified and deleted.
func FuzzBodies(f *testing.F) {
	s := start(f)
	api := s.makeAPI(f)
	id, _ := s.makeKey(f, api, "")
	for _, seed := range []string{
		`{"apiId":"API","prefix":"a","byteLength":20,"name":"x","externalId":"user_1","meta":{"a":[null,1.0,"\u2028"]},"roles":["r"],"permissions":["a.b"]}`,
		`{"apiId":"API","expires":4102444800000,"remaining":1,"refill":{"interval":"monthly","amount":1,"refillDay":31},"ratelimit":{"limit":1,"duration":1000}}`,
		`{"keyId":"KEYID","name":null,"ownerId":null,"meta":null,"expires":null,"remaining":null,"ratelimit":null,"refill":null,"enabled":true}`,
		`{"keyId":"KEYID","permissions":[{"name":"a.b","create":true},{"id":"x"}],"roles":[{"name":"r"}]}`,
		`{"keyId":"KEYID","op":"set","value":5}`, `{"name":"a.b","slug":"c.d","description":"e"}`, `{"externalId":"user_9","meta":{},"ratelimits":[{"name":"a","limit":1,"duration":1000}]}`,
		`{"key":"KEYID"}`, `{"identityId":"x"}`, `{"apiId":"API","meta":{"a":1,"a":2}}`, `{"apiId":"API","name":"\ud800"}`, `{"apiId":"API","environment":"\u0000"}`, `{`, `[]`, ``,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		body = strings.NewReplacer("API", api, "KEYID", id).Replace(body)
		for _, path := range []string{
			"keys.updateKey", "keys.updateRemaining", "keys.whoami", "keys.addPermissions", "keys.setPermissions", "keys.removePermissions",
			"keys.addRoles", "keys.setRoles", "keys.removeRoles", "permissions.createPermission", "permissions.createRole", "permissions.deleteRole",
			"identities.createIdentity", "identities.updateIdentity", "identities.deleteIdentity",
		} {
			answers(t, s.call("POST", "/v1/"+path, rootKey, body), path+" "+body)
		}
		w := s.call("POST", "/v1/keys.createKey", rootKey, body)
		answers(t, w, body)
		if w.Code != http.StatusOK {
			return
		}
		var made struct{ KeyID, Key string }
		if err := json.Unmarshal(w.Body.Bytes(), &made, json.MatchCaseInsensitiveNames(true)); err != nil {
			t.Fatal(err)
		}
		if v := s.verify(t, made.Key, ""); v.KeyID != made.KeyID || v.Code != "VALID" && v.Code != "DISABLED" {
			t.Fatalf("%q made %s, which is %+v", body, w.Body, v)
		}
		s.do(t, "GET", "/v1/keys.getKey?keyId="+made.KeyID, "", nil)
		s.do(t, "POST", "/v1/keys.deleteKey", `{"keyId":"`+made.KeyID+`"}`, nil)
	})
}

// FuzzQueries states that no query of a URL breaks an endpoint.
func FuzzQueries(f *testing.F) {
	s := start(f)
	s.makeKey(f, "kept", "")
	for _, q := range []string{
		"", "apiId=kept", "apiId=kept&limit=1&cursor=x&decrypt=true", "keyId=x&decrypt", "limit=-1", "limit=1e3", "limit=99999999999999999999",
		"identityId=x&externalId=y", "environment=test", "permissionId=%00", "roleId=\xff", "%zz", "a;b", "pretty",
	} {
		f.Add(q)
	}
	f.Fuzz(func(t *testing.T, query string) {
		for _, path := range []string{
			"apis.getApi", "apis.listKeys", "keys.getKey", "permissions.getPermission", "permissions.listPermissions", "permissions.getRole",
			"permissions.listRoles", "identities.getIdentity", "identities.listIdentities", "liveness",
		} {
			r := httptest.NewRequest("GET", "/", nil)
			r.URL = &url.URL{Path: "/v1/" + path, RawQuery: query}
			r.Header.Set("Authorization", "Bearer "+rootKey)
			w := httptest.NewRecorder()
			s.ServeHTTP(w, r)
			answers(t, w, path+"?"+query)
		}
	})
}
