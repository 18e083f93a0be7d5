package httpapi

import (
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"latchkey/internal/token"
)

func TestClientAddr(t *testing.T) {
	trusted := []netip.Prefix{
		netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("192.0.2.1/32"), netip.MustParsePrefix("fd00::/8"),
	}
	for _, tt := range []struct {
		name, peer string
		forwarded  []string
		want       string
	}{
		{"no proxy", "203.0.113.9:1", nil, "203.0.113.9"},
		{"a stranger's header is not believed", "203.0.113.9:1", []string{"1.1.1.1"}, "203.0.113.9"},
		{"a neighbour of a proxy is a stranger", "192.0.2.2:1", []string{"1.1.1.1"}, "192.0.2.2"},
		{"one proxy", "192.0.2.1:1", []string{"1.1.1.1"}, "1.1.1.1"},
		{"what the client wrote stands left", "192.0.2.1:1", []string{"9.9.9.9, 1.1.1.1"}, "1.1.1.1"},
		{"a client that claims to be a proxy", "192.0.2.1:1", []string{"9.9.9.9, 10.0.0.1, 1.1.1.1"}, "1.1.1.1"},
		{"two proxies", "192.0.2.1:1", []string{"9.9.9.9, 1.1.1.1, 10.0.0.1"}, "1.1.1.1"},
		{"proxies alone", "192.0.2.1:1", []string{"10.0.0.2, 10.0.0.1"}, "10.0.0.2"},
		{"several lines are one list", "192.0.2.1:1", []string{"9.9.9.9", "1.1.1.1", "10.0.0.1"}, "1.1.1.1"},
		{"no header", "192.0.2.1:1", nil, "192.0.2.1"},
		{"empty header", "192.0.2.1:1", []string{""}, "192.0.2.1"},
		{"an entry that cannot be read", "192.0.2.1:1", []string{"1.1.1.1, unknown"}, "192.0.2.1"},
		{"the same behind a proxy", "192.0.2.1:1", []string{"1.1.1.1, 1.2.3, 10.0.0.1"}, "10.0.0.1"},
		{"an empty entry", "192.0.2.1:1", []string{"1.1.1.1,"}, "192.0.2.1"},
		{"a port that is none", "192.0.2.1:1", []string{"1.1.1.1:99999"}, "192.0.2.1"},
		{"a bracket alone", "192.0.2.1:1", []string{"[2001:db8::1"}, "192.0.2.1"},
		{"a name", "192.0.2.1:1", []string{"localhost"}, "192.0.2.1"},
		{"a network", "192.0.2.1:1", []string{"1.1.1.0/24"}, "192.0.2.1"},
		{"leading zeros", "192.0.2.1:1", []string{"01.1.1.1"}, "192.0.2.1"},
		{"with a port", "192.0.2.1:1", []string{"1.1.1.1:443"}, "1.1.1.1"},
		{"ipv6", "[fd00::1]:1", []string{"2001:DB8::1"}, "2001:db8::1"},
		{"ipv6 with a port", "[fd00::1]:1", []string{"[2001:db8::1]:443"}, "2001:db8::1"},
		{"ipv6 in brackets", "[fd00::1]:1", []string{"[2001:db8::1]"}, "2001:db8::1"},
		{"mapped peer", "[::ffff:192.0.2.1]:1", []string{"1.1.1.1"}, "1.1.1.1"},
		{"mapped entry", "192.0.2.1:1", []string{"9.9.9.9, ::ffff:1.1.1.1"}, "1.1.1.1"},
		{"mapped proxy", "192.0.2.1:1", []string{"1.1.1.1, ::ffff:10.0.0.1"}, "1.1.1.1"},
		{"mapped entry with a port", "192.0.2.1:1", []string{"[::ffff:1.1.1.1]:443"}, "1.1.1.1"},
		{"zone of the peer", "[fe80::1%eth0]:1", nil, "fe80::1"},
		{"zone of a proxy", "[fd00::1%eth0]:1", []string{"1.1.1.1"}, "1.1.1.1"},
		{"zone of an entry", "192.0.2.1:1", []string{"fe80::7%eth1"}, "fe80::7"},
		{"no peer", "", []string{"1.1.1.1"}, "invalid IP"},
		{"a socket's path", "@", []string{"1.1.1.1"}, "invalid IP"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := &http.Request{RemoteAddr: tt.peer, Header: http.Header{}}
			if tt.forwarded != nil {
				r.Header["X-Forwarded-For"] = tt.forwarded
			}
			if got := clientAddr(r, trusted); got.String() != tt.want {
				t.Errorf("got %v, want %s", got, tt.want)
			}
			if got := clientAddr(r, nil); tt.peer != "" && tt.peer != "@" && got != peerOf(tt.peer) {
				t.Errorf("with no proxy trusted: got %v, want the peer", got)
			}
		})
	}
}

func peerOf(s string) netip.Addr {
	return netip.MustParseAddrPort(s).Addr().Unmap().WithZone("")
}

func TestRequestID(t *testing.T) {
	secret := token.Form{Prefix: "lk", Format: token.Latchkey, Length: 30}.Mint().Reveal()
	long := strings.Repeat("a", 128)
	for _, tt := range []struct {
		name string
		sent []string
		kept bool
	}{
		{"every character", []string{"azAZ09._-"}, true},
		{"one character", []string{"-"}, true},
		{"128 characters", []string{long}, true},
		{"a uuid", []string{"0190163d-8694-739b-aea5-966c26f8ad91"}, true},
		{"none", nil, false},
		{"empty", []string{""}, false},
		{"129 characters", []string{long + "a"}, false},
		{"a space", []string{"a b"}, false},
		{"a line's end", []string{"a\nb"}, false},
		{"a letter beyond ASCII", []string{"ä"}, false},
		{"bytes that are no text", []string{"\xff\x00"}, false},
		{"a slash", []string{"a/b"}, false},
		{"given twice", []string{"a", "a"}, false},
		{"a secret", []string{secret}, false},
		{"a secret among other words", []string{"id." + secret}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := requestID(&http.Request{Header: http.Header{"X-Request-Id": tt.sent}})
			if kept := len(tt.sent) > 0 && got == tt.sent[0]; kept != tt.kept {
				t.Errorf("got %q", got)
			}
			if !validRequestID(got) {
				t.Errorf("%q is not fit to be shown", got)
			}
		})
	}
	seen := map[string]bool{}
	for range 1000 {
		id := newRequestID()
		if seen[id] {
			t.Fatalf("%s was given twice", id)
		}
		seen[id] = true
	}
}
