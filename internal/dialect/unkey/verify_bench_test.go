package unkey_test

import (
	"bytes"
	"net/http"
	"testing"
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

func newDoor(t testing.TB, s *running, body string) *door {
	d := &door{handler: s.Handler, sent: []byte(body), body: new(bytes.Reader), header: http.Header{}}
	var err error
	if d.request, err = http.NewRequest("POST", "/v1/keys.verifyKey", nil); err != nil {
		t.Fatal(err)
	}
	d.request.Header = http.Header{"Authorization": {"Bearer public"}, "Content-Type": {"application/json"}}
	d.request.RemoteAddr, d.request.Body, d.request.ContentLength = "192.0.2.1:5000", d, int64(len(body))
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
// may cost through the whole handler: some more than it does, since the
// race detector makes pools forget.
func doors(t testing.TB) []struct {
	name    string
	door    *door
	ceiling float64
} {
	s := start(t)
	api := s.makeAPI(t)
	_, plain := s.makeKey(t, api, `,"name":"plain","permissions":["docs.read"],"meta":{"plan":"pro"}`)
	_, limited := s.makeKey(t, api, `,"ratelimit":{"limit":1000000000000,"duration":60000}`)
	return []struct {
		name    string
		door    *door
		ceiling float64
	}{
		{"plain", newDoor(t, s, `{"key":"`+plain+`"}`), 8},
		{"api", newDoor(t, s, `{"apiId":"`+api+`","key":"`+plain+`"}`), 9},
		{"permissions", newDoor(t, s, `{"key":"`+plain+`","authorization":{"permissions":"docs.read"}}`), 16},
		{"limit", newDoor(t, s, `{"key":"`+limited+`"}`), 8},
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
