package main

import (
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"

	"latchkey/internal/httpapi"
)

const (
	helloName   = "hello"
	helloMarker = `"hello":true`
)

// helloSize says how long hello's answer is in one case, in bytes.
type helloSize struct {
	name       string
	head, body int // head includes the blank line that ends it
}

// defaultHelloSize is for hello alone; it is near that of a plain verification.
var defaultHelloSize = helloSize{name: "plain", head: 170, body: 250}

// helloAnswer is what hello writes, ready as header values and body.
type helloAnswer struct {
	length, padding []string
	body            []byte
}

// hello is the bare handler: it reads a body and writes a fixed answer.
type hello map[string]helloAnswer // path → answer

var jsonType = []string{"application/json"}

func (h hello) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	answer, ok := h[r.URL.Path]
	if !ok {
		http.NotFound(w, r)
		return
	}
	if _, err := io.ReadAll(r.Body); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	header := w.Header()
	header["Content-Type"] = jsonType
	header["Content-Length"] = answer.length
	if answer.padding != nil {
		header["X-Request-Id"] = answer.padding
	}
	w.Write(answer.body)
}

// answerOf makes the answer of the given size. Below what the frame needs, the
// answer is the frame.
func answerOf(size helloSize) helloAnswer {
	frame := `{` + helloMarker + `,"text":""}`
	pad := strings.Repeat("x", max(0, size.body-len(frame)))
	body := strings.TrimSuffix(frame, `"}`) + pad + `"}`
	answer := helloAnswer{length: []string{strconv.Itoa(len(body))}, body: []byte(body)}
	bare := len("HTTP/1.1 200 OK\r\nContent-Length: \r\nContent-Type: application/json\r\n"+
		"Date: Mon, 02 Jan 2006 15:04:05 GMT\r\n\r\n") + len(answer.length[0])
	if n := size.head - bare - len("X-Request-Id: \r\n"); n > 0 {
		answer.padding = []string{strings.Repeat("0", n)}
	}
	return answer
}

// runHello serves hello until the process is ended. Its arguments are the
// address and, for each case, NAME=HEAD,BODY.
func runHello(args []string) error {
	h := hello{readyPath: answerOf(helloSize{})}
	flags := flag.NewFlagSet("hello", flag.ContinueOnError)
	addr := flags.String("addr", "127.0.0.1:0", "address to listen on")
	flags.Func("answer", "NAME=HEAD,BODY: a case and the bytes of its answer", func(text string) error {
		name, sizes, _ := strings.Cut(text, "=")
		size := helloSize{name: name}
		if _, err := fmt.Sscanf(sizes, "%d,%d", &size.head, &size.body); err != nil {
			return fmt.Errorf("parse %q: %w", text, err)
		}
		h["/hello/"+name] = answerOf(size)
		return nil
	})
	if err := flags.Parse(args); err != nil {
		return err
	}
	httpapi.TuneRuntime()
	listener, err := net.Listen("tcp", *addr)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	return httpapi.NewServer(h).Serve(listener)
}
