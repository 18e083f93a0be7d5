package conformance

import (
	"bufio"
	"bytes"
	"flag"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/tools/txtar"
)

var update = flag.Bool("update", false, "rewrite the transcripts that are not as they were answered")

// Transcripts runs every testdata/*.txtar and testdata/seed/*.txtar, each
// against a handler of its own, which open returns with the variables that the
// transcript may use from the start.
//
// A transcript is a conversation: sections named "request" and "response" in
// turn. What stands before the first section, and in sections whose names begin
// with #, is comment.
//
// A request is a request line, headers, and after a blank line the body. It is
// sent as it stands, with a Host and a Content-Length if it has none. A
// response is the status, the headers that are to be looked at, and after a
// blank line the body. JSON is compared without regard to space and the order
// of members, any other body as text. In a section named "response exact" the
// order counts too; in one named "response partial" only the members that it
// has are compared, and without a body none.
//
// In a response, «name» stands for some text, or outside of quotation marks
// for a number or another literal, and binds it; «_» binds nothing. $name and
// ${name} stand for what was bound before, in requests and responses, and $$
// for a dollar sign.
func Transcripts(t *testing.T, open func(t *testing.T) (handler http.Handler, vars map[string]string)) {
	t.Helper()
	var files []string
	for _, pattern := range []string{"testdata/*.txtar", "testdata/seed/*.txtar"} {
		found, err := filepath.Glob(filepath.FromSlash(pattern))
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, found...)
	}
	if len(files) == 0 {
		t.Fatal("there are no transcripts in testdata")
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.ToSlash(file), ".txtar")
		t.Run(strings.TrimPrefix(name, "testdata/"), func(t *testing.T) {
			handler, vars := open(t)
			server := httptest.NewServer(handler)
			defer server.Close()
			transcript(t, file, server.Listener.Addr().String(), vars)
		})
	}
}

// transcript runs one file.
func transcript(t *testing.T, file, addr string, given map[string]string) {
	archive, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	turns, err := turnsOf(archive)
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	b := bindings{}
	maps.Copy(b, given)
	rewritten := false
	for i, turn := range turns {
		got, problem := turn.run(addr, b)
		if problem == "" {
			continue
		}
		if got != nil && *update {
			turn.response.Data = got.rewrite(turn.want, b)
			rewritten = true
			continue
		}
		// What follows needs what this one would have bound.
		t.Fatalf("%s: request %d: %s\n%s", file, i+1, firstLine(turn.request.Data), problem)
	}
	if rewritten {
		if err := os.WriteFile(file, txtar.Format(archive), 0o666); err != nil {
			t.Fatal(err)
		}
	}
}

// A turn is a request and the response that it is to have.
type turn struct {
	request, response *txtar.File
	want              *answer
}

// turnsOf pairs the sections of a transcript.
func turnsOf(archive *txtar.Archive) ([]*turn, error) {
	var turns []*turn
	var open *turn // its response has not come yet
	for i := range archive.Files {
		f := &archive.Files[i]
		switch {
		case strings.HasPrefix(f.Name, "#"):
		case f.Name == "request" && open == nil:
			open = &turn{request: f}
		case f.Name == "response" || f.Name == "response exact" || f.Name == "response partial":
			if open == nil {
				return nil, fmt.Errorf("section %d is a response without a request", i+1)
			}
			open.response = f
			turns, open = append(turns, open), nil
		case f.Name == "request":
			return nil, fmt.Errorf("section %d is a request, and the one before has no response", i+1)
		default:
			return nil, fmt.Errorf("section %d has the name %q, which means nothing", i+1, f.Name)
		}
	}
	if open != nil || len(turns) == 0 {
		return nil, fmt.Errorf("it does not end with a response")
	}
	return turns, nil
}

// run sends the request and compares the answer. It says what is not as it
// should be; without an answer, nothing came that could be written down.
func (tn *turn) run(addr string, b bindings) (got *answer, problem string) {
	request, err := b.expand(string(tn.request.Data))
	if err != nil {
		return nil, "the request: " + err.Error()
	}
	expected, err := b.expand(string(tn.response.Data))
	if err != nil {
		return nil, "the response: " + err.Error()
	}
	mode, _ := strings.CutPrefix(tn.response.Name, "response")
	if tn.want, err = parseAnswer(expected, strings.TrimSpace(mode)); err != nil {
		return nil, "the response: " + err.Error()
	}
	if got, err = send(addr, request); err != nil {
		return nil, err.Error()
	}
	if at := tn.want.compare(got, b); at != "" {
		return got, fmt.Sprintf("%s\ngot:\n%s\nwant:\n%s", at, got.text(), expected)
	}
	return got, ""
}

// bindings are the texts that names stand for: name → text.
type bindings map[string]string

var variable = regexp.MustCompile(`\$(?:\$|(\w+)|\{(\w+)\})`)

// expand puts in the place of each $name what it stands for.
func (b bindings) expand(text string) (string, error) {
	var unknown error
	out := variable.ReplaceAllStringFunc(text, func(ref string) string {
		name := strings.Trim(ref, "${}")
		if name == "" {
			return "$"
		}
		value, ok := b[name]
		if !ok {
			unknown = fmt.Errorf("%s was never bound", ref)
		}
		return value
	})
	return out, unknown
}

// contract is the reverse of expand, for a text as a whole.
func (b bindings) contract(text string) string {
	for _, name := range slices.Sorted(maps.Keys(b)) {
		if b[name] == text && text != "" {
			return "$" + name
		}
	}
	return strings.ReplaceAll(text, "$", "$$")
}

// bind notes what a name stands for, and reports whether it stood for nothing
// else before.
func (b bindings) bind(name, value string) bool {
	if name == "_" {
		return true
	}
	if before, ok := b[name]; ok {
		return before == value
	}
	b[name] = value
	return true
}

// send sends a request as it stands and reads the answer.
func send(addr, text string) (*answer, error) {
	raw, method, err := wireRequest(text)
	if err != nil {
		return nil, err
	}
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		return nil, err
	}
	if _, err := conn.Write(raw); err != nil {
		return nil, err
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: method})
	if err != nil {
		return nil, fmt.Errorf("no answer: %w", err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, fmt.Errorf("the answer's body: %w", err)
	}
	return &answer{status: resp.StatusCode, header: resp.Header, body: string(body), node: parseNode(string(body))}, nil
}

// wireRequest returns the bytes of a request.
func wireRequest(text string) (raw []byte, method string, err error) {
	head, body, _ := strings.Cut(text, "\n\n")
	body = strings.TrimSuffix(body, "\n")
	lines := strings.Split(strings.TrimSpace(head), "\n")
	method, target, ok := strings.Cut(lines[0], " ")
	if !ok {
		return nil, "", fmt.Errorf("%q is no request line", lines[0])
	}
	target = strings.TrimSuffix(target, " HTTP/1.1")
	var out bytes.Buffer
	fmt.Fprintf(&out, "%s %s HTTP/1.1\r\n", method, target)
	seen := map[string]bool{} // names of headers
	for _, line := range lines[1:] {
		name, _, ok := strings.Cut(line, ":")
		if !ok {
			return nil, "", fmt.Errorf("%q is no header", line)
		}
		seen[http.CanonicalHeaderKey(name)] = true
		out.WriteString(line + "\r\n")
	}
	if !seen["Host"] {
		out.WriteString("Host: latchkey.test\r\n")
	}
	if body != "" && !seen["Content-Length"] && !seen["Transfer-Encoding"] {
		out.WriteString("Content-Length: " + strconv.Itoa(len(body)) + "\r\n")
	}
	if !seen["Connection"] {
		out.WriteString("Connection: close\r\n")
	}
	out.WriteString("\r\n" + body)
	return out.Bytes(), method, nil
}

func firstLine(data []byte) string {
	line, _, _ := strings.Cut(string(data), "\n")
	return line
}
