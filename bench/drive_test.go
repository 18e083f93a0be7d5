package main

import (
	"net"
	"strings"
	"testing"
	"time"
)

// answering gives a connection to a peer that reads one request and writes the
// chunks, one write each, and then closes.
func answering(t *testing.T, chunks ...string) *clientConn {
	t.Helper()
	client, server := net.Pipe()
	go func() {
		defer server.Close()
		if _, err := server.Read(make([]byte, 1024)); err != nil {
			return
		}
		for _, chunk := range chunks {
			if _, err := server.Write([]byte(chunk)); err != nil {
				return
			}
		}
	}()
	t.Cleanup(func() { client.Close() })
	return &clientConn{conn: client, buf: make([]byte, 64)}
}

func TestClientReadsAnswers(t *testing.T) {
	const head = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\n"
	long := strings.Repeat("y", 5000)
	longHead := "HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n"
	tests := []struct {
		name   string
		chunks []string
		want   answer
	}{
		{"in one piece", []string{head + "hello"}, answer{200, len(head), []byte("hello")}},
		{"body apart", []string{head, "hel", "lo"}, answer{200, len(head), []byte("hello")}},
		{"byte by byte", strings.Split(head+"hello", ""), answer{200, len(head), []byte("hello")}},
		{"empty body", []string{"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"}, answer{404, 45, nil}},
		{"small letters", []string{"HTTP/1.1 200 OK\r\ncontent-length:2\r\n\r\nok"}, answer{200, 37, []byte("ok")}},
		{"longer than the buffer", []string{longHead, long}, answer{200, len(longHead), []byte(long)}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := answering(t, test.chunks...).do([]byte("request"))
			if err != nil {
				t.Fatal(err)
			}
			if got.status != test.want.status || got.head != test.want.head || string(got.body) != string(test.want.body) {
				t.Errorf("got %d, head of %d, body %q; want %d, %d, %q",
					got.status, got.head, got.body, test.want.status, test.want.head, test.want.body)
			}
		})
	}
}

func TestClientRefusesWhatIsNoAnswer(t *testing.T) {
	tests := []struct{ name, sent, want string }{
		{"closed at once", "", "after 0 bytes"},
		{"cut in the head", "HTTP/1.1 200 OK\r\nConte", "after 22 bytes"},
		{"cut in the body", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel", "EOF"},
		{"no HTTP", "SSH-2.0-x\r\n\r\n", "no status line"},
		{"no number", "HTTP/1.1 two\r\n\r\n", "no status line"},
		{"no length", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "without a Content-Length"},
		{"length below 0", "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", "bad header"},
		{"length too great", "HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n", "bad header"},
		{"more than was said", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP", "4 bytes follow"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := answering(t, test.sent).do([]byte("request"))
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%q gave %v and error %v, want one with %q", test.sent, got, err, test.want)
			}
		})
	}
}

func TestAnswerIsRightOnlyWithStatusAndMarker(t *testing.T) {
	tests := []struct {
		answer answer
		right  bool
	}{
		{answer{status: 200, body: []byte(`{"valid":true}`)}, true},
		{answer{status: 200, body: []byte(`{"valid":false,"outcome":"rate_limited"}`)}, false},
		{answer{status: 503, body: []byte(`{"valid":true}`)}, false},
		{answer{status: 200}, false},
	}
	for _, test := range tests {
		if err := test.answer.check([]byte(validMarker)); (err == nil) != test.right {
			t.Errorf("check of %d %q: %v, want right = %v", test.answer.status, test.answer.body, err, test.right)
		}
	}
}

// raw answers the n-th request of each connection with these bytes.
func raw(t *testing.T, answer func(n int) []byte) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				buf := make([]byte, 1024)
				for n := 0; ; n++ {
					if _, err := conn.Read(buf); err != nil {
						return
					}
					if _, err := conn.Write(answer(n)); err != nil {
						return
					}
				}
			}()
		}
	}()
	return listener.Addr().String()
}

var (
	good = []byte("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood")
	bad  = []byte("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nbad")
)

func TestDriveAllocatesNothingForARequest(t *testing.T) {
	addr := raw(t, func(int) []byte { return good })
	conn, err := dial(addr, time.Now().Add(answerWithin))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.close()
	request, marker := []byte("request"), []byte("good")
	perRun := testing.AllocsPerRun(100, func() {
		a, err := conn.do(request)
		if err == nil {
			err = a.check(marker)
		}
		if err != nil {
			t.Error(err)
		}
	})
	if perRun > 0 {
		t.Errorf("%v allocations a request, want none", perRun)
	}
}
