package native_test

import (
	"bytes"
	"net/http"
	"strings"
	"testing"

	"latchkey"
)

// A door sends the same verification again and again, and uses what it needs
// for that again, so that what is measured is ours.
type door struct {
	handler http.Handler
	request *http.Request
	sent    []byte
	body    *bytes.Reader
	header  http.Header
	status  int
	answer  []byte
}

var (
	_ http.ResponseWriter = (*door)(nil)
	_ interface {
		Read([]byte) (int, error)
		Close() error
	} = (*door)(nil)
)

func newDoor(t testing.TB, s *running, path, body string) *door {
	d := &door{handler: s.Handler, sent: []byte(body), body: new(bytes.Reader), header: http.Header{}}
	var err error
	if d.request, err = http.NewRequest("POST", latchkey.BasePath+path, nil); err != nil {
		t.Fatal(err)
	}
	d.request.Header = http.Header{"Authorization": {"Bearer " + rootKey}, "Content-Type": {"application/json"}}
	d.request.RemoteAddr, d.request.Body, d.request.ContentLength = "127.0.0.1:5000", d, int64(len(body))
	return d
}

func (d *door) Read(p []byte) (int, error) { return d.body.Read(p) }
func (d *door) Close() error               { return nil }
func (d *door) Header() http.Header        { return d.header }
func (d *door) WriteHeader(status int)     { d.status = status }
func (d *door) Write(p []byte) (n int, err error) {
	d.answer = append(d.answer, p...)
	return len(p), nil
}

func (d *door) send() {
	clear(d.header)
	d.body.Reset(d.sent)
	d.answer = d.answer[:0]
	d.handler.ServeHTTP(d, d.request)
}

// doors are the verifications that are measured, and how many allocations each
// may cost through the whole handler, and no more.
func doors(t testing.TB) []struct {
	name    string
	door    *door
	ceiling float64
} {
	s := start(t)
	plain := s.makeKey(t, `{"name":"plain","permissions":["docs.read"],"meta":{"plan":"pro"}}`)
	limited := s.makeKey(t, `{"limits":[{"name":"a","max":1000000000000,"window":"1m"},{"name":"b","max":1000000000000,"window":"1h"}]}`)
	key := func(secret, more string) string { return `{"key":"` + secret + `"` + more + `}` }
	return []struct {
		name    string
		door    *door
		ceiling float64
	}{
		{"plain", newDoor(t, s, "/verify", key(plain.Secret, "")), 8},
		{"permissions", newDoor(t, s, "/verify", key(plain.Secret, `,"permissions":"docs.read OR docs.write"`)), 18},
		{"two limits", newDoor(t, s, "/verify", key(limited.Secret, "")), 8},
		{"named limits", newDoor(t, s, "/verify", key(limited.Secret, `,"limits":[{"name":"a","cost":2},{"name":"c","max":1000000000000,"window":"1m"}]`)), 24},
		{"batch of 10", newDoor(t, s, "/verify/batch", `{"requests":[`+strings.Repeat(key(plain.Secret, "")+",", 9)+key(plain.Secret, "")+`]}`), 24},
	}
}

func TestVerifyAllocations(t *testing.T) {
	for _, tc := range doors(t) {
		got := testing.AllocsPerRun(200, tc.door.send)
		if tc.door.status != http.StatusOK || !bytes.Contains(tc.door.answer, []byte(`"valid":true`)) {
			t.Errorf("%s: %d %s", tc.name, tc.door.status, tc.door.answer)
		}
		if got > tc.ceiling {
			t.Errorf("%s: %v allocations, at most %v are wanted", tc.name, got, tc.ceiling)
		}
		t.Logf("%s: %v allocations", tc.name, got)
	}
}

func BenchmarkVerify(b *testing.B) {
	for _, bc := range doors(b) {
		b.Run(bc.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				bc.door.send()
			}
			if !bytes.Contains(bc.door.answer, []byte(`"valid":true`)) {
				b.Fatalf("%d %s", bc.door.status, bc.door.answer)
			}
		})
	}
}
