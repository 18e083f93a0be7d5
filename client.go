package latchkey

import (
	"cmp"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"time"
)

// DefaultURL is where a server listens that was told nothing else.
const DefaultURL = "http://127.0.0.1:8080"

// A Client calls one server. The zero Client calls the one at [DefaultURL]
// without a root key, which is good for the keyspaces that can be verified
// without. Its fields must not change once it is in use; it may be used by many
// goroutines at once, and copied.
//
// A method returns an [*Error] where the server refused, whose Code says why.
// A key that is not good is no error: [Client.Verify] answers it.
type Client struct {
	// URL is the server's base URL; "" is [DefaultURL].
	URL string

	// RootKey is the credential that every call carries; "" sends none. It is
	// never printed, and no error repeats it. [Client.Whoami] and
	// [Client.EndSelf] take any key in its place.
	RootKey string `json:"-"`

	// Workspace is the workspace to act in, by id or path; "" is that of the
	// root key.
	Workspace string

	// HTTP makes the requests; nil is a client of the package's own, which
	// gives a request up after half a minute. Redirects are never followed.
	HTTP *http.Client `json:"-"`

	// Retries is how often a call is tried again at most; 0 is 3, and less
	// than 0 is never.
	Retries int

	// RetryFor is how long after its begin a call is tried again at most; 0 is
	// 15 s.
	RetryFor time.Duration
}

// NewClientFromEnv returns a client of the server that the variables
// LATCHKEY_URL and LATCHKEY_ROOT_KEY name. Without the first, it is the one at
// [DefaultURL].
func NewClientFromEnv() (*Client, error) {
	c := &Client{
		URL:     strings.TrimSpace(os.Getenv("LATCHKEY_URL")),
		RootKey: strings.TrimSpace(os.Getenv("LATCHKEY_ROOT_KEY")),
	}
	if _, err := c.baseURL(); err != nil {
		return nil, fmt.Errorf("latchkey: LATCHKEY_URL: %w", err)
	}
	if c.RootKey == "" {
		return nil, fmt.Errorf("latchkey: LATCHKEY_ROOT_KEY is not set")
	}
	if err := checkHeader(c.RootKey); err != nil {
		return nil, fmt.Errorf("latchkey: LATCHKEY_ROOT_KEY %w", err)
	}
	return c, nil
}

// String tells where the client's calls go, without the root key.
func (c Client) String() string {
	url, err := c.baseURL()
	if err != nil {
		url = "(a URL that is none)"
	}
	if c.Workspace != "" {
		url += " in " + c.Workspace
	}
	return "latchkey client of " + url
}

// GoString is [Client.String].
func (c Client) GoString() string { return c.String() }

// Format prints [Client.String], whatever the verb.
func (c Client) Format(f fmt.State, _ rune) { io.WriteString(f, c.String()) }

// LogValue is [Client.String] for logs.
func (c Client) LogValue() slog.Value { return slog.StringValue(c.String()) }

// httpClient is what makes requests where a Client brings nothing. A service
// that verifies keeps many calls to one server open.
var httpClient = &http.Client{
	Timeout: 30 * time.Second,
	Transport: &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: 5 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		TLSHandshakeTimeout:   5 * time.Second,
		ForceAttemptHTTP2:     true,
		MaxIdleConns:          256,
		MaxIdleConnsPerHost:   64,
		IdleConnTimeout:       90 * time.Second,
		ExpectContinueTimeout: time.Second,
	},
}

// caller returns what makes the client's requests. It follows no redirect:
// requests carry credentials, and the server sends none.
func (c *Client) caller() *http.Client {
	h := *cmp.Or(c.HTTP, httpClient)
	h.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &h
}
