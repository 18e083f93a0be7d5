package latchkey

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// What a call may carry beside its arguments.
type (
	ifMatchKey     struct{}
	idempotencyKey struct{}
	answerKey      struct{}
)

// IfMatch makes a change under the returned context conditional: it is carried
// out only if the resource still is what it was when an answer had this ETag,
// and else fails with the code precondition_failed.
//
//	role, err := client.GetRole(ctx, "reader")
//	…
//	_, err = client.UpdateRole(latchkey.IfMatch(ctx, role.ETag), "reader", settings)
func IfMatch(ctx context.Context, etag string) context.Context {
	return context.WithValue(ctx, ifMatchKey{}, etag)
}

// IdempotencyKey names one call under the returned context, 1 to 255
// characters, so that it can be made again later, by another process too: for
// 24 hours the server gives the same answer to the same call, and carries it
// out once. A name stands for one call; another one under it is refused.
//
// Methods that change something choose a name of their own where none is given.
// [Client.Verify] and [Client.VerifyBatch] do not, because the server writes
// every named answer to its disk: name a verification whose cost must never be
// taken twice, whatever the network does.
func IdempotencyKey(ctx context.Context, key string) context.Context {
	return context.WithValue(ctx, idempotencyKey{}, key)
}

// An Answer is what the server tells beside what a method returns.
type Answer struct {
	Status    int
	RequestID string // of the call, in the server's log and audit log too
	ETag      string // of a single resource
	Revision  int64  // with a write: send it as MinRevision with a verification that must know of it
	Replayed  bool   // this is the kept answer to an earlier call with the same idempotency key
}

// Observe lets the calls under the returned context tell of their answers: each
// writes to it, refused or not. Where no answer comes it stays as it was.
func Observe(ctx context.Context, to *Answer) context.Context {
	return context.WithValue(ctx, answerKey{}, to)
}

// Versioned is part of every single resource.
type Versioned struct {
	// ETag names the state of the resource's settings, for [IfMatch]. It is no
	// member of the JSON, and rows of lists are without.
	ETag string `json:"-"`
}

func (v *Versioned) readHeader(h http.Header) { v.ETag = h.Get("ETag") }

// A call is one operation, to be sent once or more often.
type call struct {
	method string
	path   string     // under BasePath, escaped
	query  url.Values // nil: none
	in     any        // nil: no body
	public bool       // goes without a credential
	single bool       // carries an idempotency key only where the caller gives one
	ends   bool       // is done once what it names is not there

	idempotency string
	ifMatch     string
}

// exchange makes a call whose answer is a T.
func exchange[T any](ctx context.Context, c *Client, q call) (T, error) {
	var out T
	body, h, err := c.send(ctx, &q)
	if err != nil {
		return out, err
	}
	if err := json.Unmarshal(body, &out); err != nil {
		var none T
		return none, fmt.Errorf("latchkey: %s %s: read the answer: %w", q.method, q.path, err)
	}
	if r, ok := any(&out).(interface{ readHeader(http.Header) }); ok {
		r.readHeader(h)
	}
	return out, nil
}

// run makes a call that answers nothing.
func run(ctx context.Context, c *Client, q call) error {
	_, _, err := c.send(ctx, &q)
	return err
}

// request returns the request that a call is.
func (c *Client) request(ctx context.Context, q *call) (*http.Request, error) {
	if err := q.complete(ctx); err != nil {
		return nil, err
	}
	base, err := c.baseURL()
	if err != nil {
		return nil, fmt.Errorf("the client's URL %w", err)
	}
	target := base + BasePath + q.path
	if len(q.query) > 0 {
		target += "?" + q.query.Encode()
	}
	var body []byte
	if q.in != nil {
		if body, err = json.Marshal(q.in); err != nil {
			return nil, fmt.Errorf("write the request: %w", err)
		}
	}
	r, err := http.NewRequestWithContext(ctx, q.method, target, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	return r, c.setHeaders(r, q)
}

// complete adds to a call what its context says of it.
func (q *call) complete(ctx context.Context) error {
	if strings.Contains(q.path+"/", "//") {
		return errors.New("a name or an id is empty")
	}
	q.ifMatch, _ = ctx.Value(ifMatchKey{}).(string)
	if q.method != http.MethodPost {
		return nil
	}
	if q.ifMatch != "" {
		return errors.New("this call cannot be conditional")
	}
	name, given := ctx.Value(idempotencyKey{}).(string)
	if !given && !q.single {
		name = rand.Text()
	}
	q.idempotency = name
	return nil
}

func (c *Client) setHeaders(r *http.Request, q *call) error {
	h := map[string]string{"User-Agent": "latchkey-go", "Idempotency-Key": q.idempotency, "If-Match": q.ifMatch}
	if q.in != nil {
		h["Content-Type"] = "application/json"
	}
	if !q.public {
		h["Latchkey-Workspace"] = c.Workspace
	}
	if !q.public && c.RootKey != "" {
		h["Authorization"] = "Bearer " + c.RootKey
	}
	for name, value := range h {
		if err := checkHeader(value); err != nil {
			return fmt.Errorf("the value of %s %w", name, err)
		}
		if value != "" {
			r.Header.Set(name, value)
		}
	}
	return nil
}

// maxAnswer bounds what is read of an answer.
const maxAnswer = 64 << 20

// attempt sends a request once. An error that is no [*Error] says that there
// was no answer.
func (c *Client) attempt(r *http.Request) ([]byte, http.Header, error) {
	var err error
	if r.Body, err = r.GetBody(); err != nil {
		return nil, nil, fmt.Errorf("latchkey: %w", err)
	}
	resp, err := c.caller().Do(r)
	if err != nil {
		return nil, nil, fmt.Errorf("latchkey: %w", err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return nil, nil, fmt.Errorf("latchkey: read the answer to %s %s: %w", r.Method, r.URL.Path, err)
	}
	if to, ok := r.Context().Value(answerKey{}).(*Answer); ok {
		*to = answer(resp)
	}
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return nil, nil, problem(resp, body)
	}
	return body, resp.Header, nil
}

func answer(resp *http.Response) Answer {
	h := resp.Header
	revision, _ := strconv.ParseInt(h.Get("Latchkey-Revision"), 10, 64) // 0 where there is none
	return Answer{
		Status: resp.StatusCode, RequestID: h.Get("X-Request-Id"), ETag: h.Get("ETag"),
		Revision: revision, Replayed: h.Get("Idempotent-Replayed") == "true",
	}
}

// baseURL returns the server's URL without a slash at its end.
func (c *Client) baseURL() (string, error) {
	if c.URL == "" {
		return DefaultURL, nil
	}
	u, err := url.Parse(c.URL)
	switch {
	case err != nil: // whose text repeats the URL, and with it a password
		return "", errors.New("is not a URL")
	case u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		return "", fmt.Errorf("must be such as %s or https://keys.example.com", DefaultURL)
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return "", errors.New("must be without a user, a query and a fragment")
	}
	return strings.TrimRight(c.URL, "/"), nil
}

// checkHeader refuses what no header can hold, without repeating it.
func checkHeader(value string) error {
	if strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return errors.New("has a line's end or another control character in it")
	}
	return nil
}

// pathOf returns the path of a thing. The parts in odd places are names that
// anybody chose. One of dots alone would be taken for a way up.
func pathOf(parts ...string) string {
	var b strings.Builder
	for i, part := range parts {
		if i%2 == 1 {
			if part = url.PathEscape(part); part == "." || part == ".." {
				part = strings.ReplaceAll(part, ".", "%2E")
			}
			part = "/" + part
		}
		b.WriteString(part)
	}
	return b.String()
}
