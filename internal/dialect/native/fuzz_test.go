package native_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"

	"latchkey"
)

// answers checks what holds of every answer: no fault of ours, and a problem
// where it is none of success.
func answers(t *testing.T, w *httptest.ResponseRecorder, body string) {
	if w.Code >= 500 {
		t.Fatalf("%q: %d %s", body, w.Code, w.Body)
	}
	if w.Code < 300 {
		return
	}
	var p latchkey.Problem
	if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil || p.Status != w.Code || p.Code == "" || p.RequestID == "" || p.Detail == "" {
		t.Fatalf("%q: %d %v %s", body, w.Code, err, w.Body)
	}
	if p.Code == "invalid" && len(p.Errors) == 0 {
		t.Fatalf("%q: nothing is said to be wrong: %s", body, w.Body)
	}
}

func FuzzVerify(f *testing.F) {
	s := start(f)
	k := s.makeKey(f, `{"permissions":["a.*"],"limits":[{"name":"requests","max":3,"window":"1h"}],"credits":{"remaining":3}}`)
	for _, seed := range []string{
		`{"key":"KEY"}`, `{"key":"KEY","permissions":"a.b AND (c OR d)","cost":0,"limits":[{"name":"requests"},{"name":"x","max":1,"window":"1ms"}]}`,
		`{"key":"KEY","limits":[{"name":"x","max":1000000000000,"window":"366d","algorithm":"gcra","cost":1000000000000}]}`,
		`{"key":"KEY","ip":"fe80::1%eth0","tags":["a"]}`, `{"requests":[{"key":"KEY"},{"key":"KEY","cost":-1}]}`, `{"requests":[null]}`, `{`, `[]`, ``,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		text := strings.ReplaceAll(string(body), "KEY", k.Secret)
		if strings.Contains(text, "min_") {
			return // which would wait
		}
		answers(t, s.call("POST", "/verify", rootKey, text), text)
		answers(t, s.call("POST", "/verify/batch", rootKey, text), text)
	})
}

// FuzzCreate also shows that what was made can be sent back.
func FuzzCreate(f *testing.F) {
	s := start(f)
	for _, seed := range []string{
		`{}`, `{"keyspace":"payments","name":"x","environment":"live"}`, `{"external_id":"cust_1","meta":{"a":[null,1.0,"\u2028"]},"roles":["reader"]}`,
		`{"identity":{"id":null,"external_id":"person"},"permissions":["a.b"],"allowed_ips":["10.0.0.0/8","::1"]}`,
		`{"limits":[{"name":"a","max":1,"window":"1m","algorithm":"fixed","auto_apply":false}],"expires_at":"2030-01-01T00:00:00Z"}`,
		`{"credits":{"remaining":1,"refill":{"amount":1,"every":"monthly","day":31,"mode":"add"},"refills_at":null},"budget":null,"enabled":false}`,
		`{"id":null,"secret":null}`, `{"meta":{"a":1,"a":2}}`, `{`, `[]`, ``, `{"name":"\ud800"}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		w := s.call("POST", "/keys", rootKey, string(body))
		answers(t, w, string(body))
		if w.Code != http.StatusCreated {
			return
		}
		var k latchkey.Key
		if err := json.Unmarshal(w.Body.Bytes(), &k); err != nil {
			t.Fatal(err)
		}
		back := s.call("PATCH", "/keys/"+k.ID, rootKey, w.Body.String())
		if back.Code != http.StatusOK || back.Header().Get("ETag") != `"v1"` {
			t.Fatalf("%q made %s; sent back: %d %s", body, w.Body, back.Code, back.Body)
		}
		s.do(t, "DELETE", "/keys/"+k.ID, "", nil)
	})
}

// FuzzUsage asks for usage of a key that was used, by any words.
func FuzzUsage(f *testing.F) {
	s := start(f)
	k := s.makeKey(f, `{"external_id":"cust_42"}`)
	for _, tags := range []string{`["a","b"]`, `["c"]`} {
		s.do(f, "POST", "/verify", `{"key":"`+k.Secret+`","tags":`+tags+`}`, nil)
	}
	next := func(groups string) string {
		var page latchkey.List[latchkey.UsageSum]
		s.do(f, "GET", "/usage?limit=1&group_by="+groups, "", &page)
		return *page.NextCursor
	}
	f.Add(k.ID, "", "", "a", "2026-11-01T00:00:00Z", "", "day", "outcome,key,identity,tag", "")
	f.Add("", "cust_42", "default", "", "", "2026-12-01T00:00:00.999999999Z", "month", "tag", "")
	f.Add("", "", "", "", "", "", "", "tag", next("tag"))
	f.Add("", "", "", "", "", "", "", "tag", "eyJmIjotMSwidCI6OTIyMzM3MjAzNjg1NDc3NTgwNywiYiI6ImhvdXIiLCJnIjoidGFnIiwicyI6LTkyMjMzNzIwMzY4NTQ3NzU4MDd9")
	f.Add("", "idn_", "ks_", "\x00", "0000-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "month", ",", "e30")
	names := []string{"key", "identity", "keyspace", "tag", "from", "to", "bucket", "group_by", "cursor"}
	f.Fuzz(func(t *testing.T, key, identity, keyspace, tag, from, to, bucket, groupBy, cursor string) {
		q := url.Values{}
		for i, value := range []string{key, identity, keyspace, tag, from, to, bucket, groupBy, cursor} {
			if value != "" {
				q.Set(names[i], value)
			}
		}
		answers(t, s.call("GET", "/usage?"+q.Encode(), rootKey, ""), q.Encode())
	})
}
