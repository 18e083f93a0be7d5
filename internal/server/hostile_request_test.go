package server

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
)

func (h *hostile) one(list ...string) string { return list[h.rand.IntN(len(list))] }

// often returns the first of the texts in all but one of n cases.
func (h *hostile) often(n int, usual string, others ...string) string {
	if h.rand.IntN(n) > 0 {
		return usual
	}
	return h.one(others...)
}

// secret returns one with a checksum. It may be put wherever text is kept: it
// is refused there.
func (h *hostile) secret() string {
	return h.one(append(h.checked[:len(h.checked):len(h.checked)], h.root)...)
}

// anySecret returns one of any form. Those of other forms look like any text,
// so they are put only where no text is kept.
func (h *hostile) anySecret() string {
	if h.rand.IntN(3) == 0 {
		return h.one(h.others...)
	}
	return h.secret()
}

// request makes one request: a route that there is, with one or more things
// about it wrong, or something that is hardly a request.
func (h *hostile) request() string {
	if h.rand.IntN(20) == 0 {
		return h.noise()
	}
	rt := h.routes[h.rand.IntN(len(h.routes))]
	if rt.Method == "GET" { // those that change something are worth more
		rt = h.routes[h.rand.IntN(len(h.routes))]
	}
	method := h.often(12, rt.Method, "GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "CONNECT", "BREW", "get", "", "G\x00T", "PRI")
	version := h.often(40, "HTTP/1.1", "HTTP/1.0", "HTTP/0.9", "HTTP/2.0", "HTTP/3", "HTTP/1.1 ", "", "http/1.1", "HTTP/9999999999.1")
	host := h.often(30, "a.example", "", "a\tb", "[::1", "a.example:x", "a.example\r\nHost: b.example", "a/b", "\xff", h.anySecret())
	head := method + " " + h.target(rt.Path) + " " + version + "\r\nHost: " + host + "\r\n"
	return head + h.headers() + h.framed(h.body(rt.Path))
}

// target fills the wildcards of a path, and does something to it.
func (h *hostile) target(path string) string {
	for {
		open, shut := strings.IndexByte(path, '{'), strings.IndexByte(path, '}')
		if open < 0 || shut < open {
			break
		}
		known := h.one(h.ids...)
		if path[open:shut+1] == "{hash}" {
			sum := sha256.Sum256([]byte(h.one(h.checked...)))
			known = hex.EncodeToString(sum[:])
		}
		path = path[:open] + h.often(3, known, h.anySecret(), "key_", "..", ".", "%2e%2e", "%2F", "a%2Fb", "%00", "%ff", "%c0%ae", "a%20b",
			"'; DROP TABLE keys; --", strings.Repeat("x", 3000), "key_00000000000000000", "\u00e4", "-1", "*", "{id}", "%zz", "invalid", "\\", ";x=1") + path[shut+1:]
	}
	switch h.rand.IntN(16) {
	case 0:
		path = "/" + path
	case 1:
		path += "/"
	case 2:
		path = strings.Replace(path, "/", h.one("/./", "/%2e/", "/..//", "/%00/"), 1)
	case 3:
		path = strings.Replace(path, "/v1", h.one("/v1/../v1", "/v1/%2e%2e/v1", "//v1", "/%76%31", "/V1"), 1)
	case 4:
		path = h.one("*", "", "//", "http://a.example"+path, "https://", "?", "/%", path+"#x", strings.ToUpper(path), path+"\x00", path+"\x7f", path+" x", "/"+h.anySecret())
	}
	if h.rand.IntN(5) == 0 {
		path += "?" + h.query()
		if h.rand.IntN(3) == 0 {
			path += h.one("&", ";", "&&", "?") + h.query()
		}
	}
	return path
}

func (h *hostile) query() string {
	return h.one("limit", "cursor", "key", "status", "month", "offset", "include_disabled", "workspace_id", "name", "from", "to", "actor", "action", "start", "external_id", "keyspace", "", "%ff", "%zz",
		h.anySecret(), strings.Repeat("q", 500)) +
		h.one("=", "=", "=", "=", "", "[]=", "%3D") +
		h.one("-1", "0", "1e3", "99999999999999999999", "%00", "%ff%fe", h.anySecret(), "a&a=b", "", "1;2", "%", "2026-13", "2026-02-30T00:00:00Z", "\xc3\xbf",
			strings.Repeat("9", 2000), "bGFsYQ", "true", "a2V5XzAwMDAwMDAwMDAwMDAwMDAw", "active", "+", "%2e%2e", "key.create")
}

// headers makes header lines, some of which are wrong.
func (h *hostile) headers() string {
	var b strings.Builder
	switch h.rand.IntN(10) {
	case 0:
	case 1:
		fmt.Fprintf(&b, "Authorization: %s\r\n", h.one("Bearer", "Bearer ", "Basic "+h.anySecret(), "Bearer "+h.secret()+"x", "Bearer \x00", "bearer  "+h.checked[0],
			"Bearer "+strings.Repeat("x", 9000), h.anySecret(), "Bearer lk_", "Bearer \u00fc", "Bearer \xff", "Bearer "+h.root+", Bearer "+h.root,
			"Bearer "+h.root+"\r\nAuthorization: Bearer "+h.anySecret()))
	default:
		fmt.Fprintf(&b, "Authorization: Bearer %s\r\n", h.often(8, h.root, h.anySecret()))
	}
	if h.rand.IntN(10) > 0 {
		fmt.Fprintf(&b, "Content-Type: %s\r\n", h.often(5, "application/json", "application/merge-patch+json", "text/plain", "", "a/b; c=\"", ";;",
			"application/json; charset=utf-8", "application/json\r\nContent-Type: text/plain", "\xff", h.anySecret()))
	}
	for range h.rand.IntN(3) {
		name := h.one("X-Request-Id", "Idempotency-Key", "Idempotency-Key", "If-Match", "If-Match", "Latchkey-Workspace", "X-Forwarded-For", "X-Forwarded-For", "X-Real-Ip",
			"Forwarded", "Expect", "Range", "Accept", "Accept-Encoding", "Connection", "Cookie", "X-HTTP-Method-Override", "Upgrade", "bad name", "", "Content-Encoding",
			"Origin", "Trailer", "TE", "If-None-Match", "Proxy-Authorization", "X-Api-Key", "User-Agent", "Referer", "x\x00")
		secret := h.anySecret()
		if name == "X-Request-Id" {
			secret = h.secret() // it is kept
		}
		value := h.one(secret, secret, "*", `"v1"`, `W/"v1"`, `"v1", "v2"`, `"v99999999999999999999"`, "1.2.3.4, 5.6.7.8", "::1", "for=\"[::1]\"", "100-continue", "close, keep-alive",
			"\x01", "default", "ws_x", strings.Repeat("y", 400), "websocket", "gzip", "\"", ",,,", "lk'", "a\r\n b", "\u00e9", "same", "same", "")
		fmt.Fprintf(&b, "%s: %s\r\n", name, value)
	}
	switch h.rand.IntN(150) {
	case 0:
		b.WriteString("X-Long: " + strings.Repeat("z", 30_000) + "\r\n")
	case 1:
		b.WriteString(strings.Repeat("X-Many: z\r\n", 3_000))
	case 2:
		b.WriteString("X-Bare: z\nX-Other: z\r\r\n")
	}
	return b.String()
}

// framed ends the header and adds the body, by length, in chunks, or wrongly.
func (h *hostile) framed(body string) string {
	n := len(body)
	smuggled := fmt.Sprintf("DELETE /latchkey/v1/keys/%s HTTP/1.1\r\nHost: a.example\r\nAuthorization: Bearer %s\r\n\r\n", h.spared, h.root)
	switch h.rand.IntN(40) {
	case 0, 1:
		return fmt.Sprintf("Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", n, body)
	case 2:
		return "Transfer-Encoding: chunked\r\n\r\n" + h.one("zz", "-1", "", "fffffffffffffffffff", "5;x=\xff", "0x5", " 5") + "\r\n" + body
	case 3:
		return fmt.Sprintf("Content-Length: %d\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n%s", len(smuggled)+5, smuggled)
	case 4:
		return fmt.Sprintf("Content-Length: %d\r\nContent-Length: %d\r\n\r\n%s", n, n+len(smuggled), body+smuggled)
	case 5:
		return "Content-Length: " + h.one("-1", "abc", "99999999999999999999", "1e3", "+5", "0x10", "1, 2", "") + "\r\n\r\n" + body
	case 6:
		return "Content-Length: 9999999\r\n\r\n" + body
	case 7:
		return "Transfer-Encoding: " + h.one("gzip", "identity", "chunked, chunked", "xchunked", "chunked\r\nTransfer-Encoding: chunked", "\x0bchunked") +
			"\r\nContent-Length: 0\r\n\r\n" + smuggled
	case 8:
		return "Transfer-Encoding : chunked\r\nContent-Length: 0\r\n\r\n" + smuggled
	case 9:
		return fmt.Sprintf("Transfer-Encoding: chunked\r\nTrailer: Authorization\r\n\r\n%x\r\n%s\r\n0\r\nAuthorization: Bearer %s\r\n\r\n", n, body, h.root)
	case 10:
		return body // no end of the header
	}
	return fmt.Sprintf("Content-Length: %d\r\n\r\n%s", n, body)
}

// noise makes what is hardly a request.
func (h *hostile) noise() string {
	binary := make([]byte, 1+h.rand.IntN(600))
	for i := range binary {
		binary[i] = byte(h.rand.IntN(256))
	}
	return h.one(
		string(binary), string(binary)+"\r\n\r\n", "GET "+string(binary)+" HTTP/1.1\r\nHost: x\r\n\r\n",
		"", "\r\n", "\n\n\n\n", " ", "\x00\x00\x00\x00", "GET", "GET /", "GET /\r\n\r\n", "GET /healthz\r\n", "GET  /healthz  HTTP/1.1\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n",
		"GET /healthz HTTP/1.1\r\n\r\n", "GET /healthz HTTP/1.1\nHost: x\n\n", "\r\nGET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", "GET /healthz HTTP/1.1\r\nHost: x\r\n",
		"GET /healthz HTTP/1.1\r\nHost: x\r\n"+strings.Repeat("A", 40_000), "GET /"+strings.Repeat("a", 40_000)+" HTTP/1.1\r\nHost: x\r\n\r\n",
		"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00", "PRI * HTTP/1.1\r\nHost: x\r\n\r\n",
		"GET /healthz HTTP/1.1\r\nHost: x\r\nUpgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n",
		"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"+strings.Repeat("\x11", 100), "SSH-2.0-OpenSSH_9.9\r\n", "*1\r\n$4\r\nPING\r\n", "EHLO a.example\r\n",
		"GET /healthz HTTP/1.1\r\nHost: x\r\nExpect: a-miracle\r\n\r\n", "POST /latchkey/v1/verify HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n",
		"GET /healthz HTTP/1.1\r\nHost: x\r\n: empty\r\n\r\n", "GET /healthz HTTP/1.1\r\n Host: x\r\n\r\n", "GET /healthz HTTP/1.1\r\nHost: x\r\nA\r\n\r\n",
		"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\nGET /readyz HTTP/1.1\r\nHost: x\r\n\r\nGET /nowhere HTTP/1.0\r\n\r\n",
		h.anySecret()+"\r\n\r\n", "GET /"+h.anySecret()+" HTTP/1.1\r\n"+h.anySecret()+"\r\n\r\n", h.anySecret()+" / HTTP/1.1\r\nHost: x\r\n\r\n",
		"GET / "+h.anySecret()+"\r\nHost: x\r\n\r\n", "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", "CONNECT a.example:443 HTTP/1.1\r\nHost: a.example:443\r\n\r\n",
	)
}
