package server

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"latchkey/internal/span"
	"latchkey/internal/token"
)

// Shortest and longest secret that an operator may give, in characters.
const (
	minSecret = 32
	maxSecret = 512
)

func parseAddr(v string) (string, error) {
	host, port, err := net.SplitHostPort(v)
	if err != nil {
		return "", fmt.Errorf("%q is not HOST:PORT", v)
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return "", fmt.Errorf("%q has no port between 0 and 65535", v)
	}
	if strings.ContainsAny(host, " /") {
		return "", fmt.Errorf("%q has no host that one could listen on", v)
	}
	return v, nil
}

func parseOptionalAddr(v string) (string, error) {
	if v == "" {
		return "", nil
	}
	return parseAddr(v)
}

// loopback reports whether an address that parseAddr took is reached from this
// machine alone. A name other than localhost could be anything.
func loopback(addr string) bool {
	host, _, _ := net.SplitHostPort(addr)
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}

// parseSecret says nothing of the value in its error.
func parseSecret(v string) (token.Secret, error) {
	n := utf8.RuneCountInString(v)
	switch {
	case n < minSecret:
		return token.Secret{}, fmt.Errorf("needs at least %d characters", minSecret)
	case n > maxSecret:
		return token.Secret{}, fmt.Errorf("has more than %d characters", maxSecret)
	case !utf8.ValidString(v) || strings.ContainsFunc(v, unicode.IsControl):
		return token.Secret{}, errors.New("has characters that cannot be typed")
	}
	return token.New(v), nil
}

func parsePrefixes(v string) ([]netip.Prefix, error) {
	var prefixes []netip.Prefix
	var bad []string
	for _, item := range split(v) {
		if p, err := netip.ParsePrefix(item); err == nil {
			prefixes = append(prefixes, p.Masked())
		} else if ip, err := netip.ParseAddr(item); err == nil && ip.Zone() == "" {
			ip = ip.Unmap()
			prefixes = append(prefixes, netip.PrefixFrom(ip, ip.BitLen()))
		} else {
			bad = append(bad, strconv.Quote(item))
		}
	}
	if bad != nil {
		return nil, fmt.Errorf("%s: no address and no network such as 10.0.0.0/8", strings.Join(bad, ", "))
	}
	return prefixes, nil
}

func parseBool(v string) (bool, error) {
	v, err := parseOneOf(v, "true", "false")
	return v == "true", err
}

func parseDuration(v string) (time.Duration, error) {
	if v == "0" {
		return 0, nil
	}
	s, err := span.Parse(v)
	if err != nil {
		return 0, fmt.Errorf("%q: %w", v, err)
	}
	return s.Duration(), nil
}

func parseGrace(v string) (time.Duration, error) {
	d, err := parseDuration(v)
	if err == nil && d > maxGrace {
		return 0, fmt.Errorf("%q is more than %v", v, maxGrace)
	}
	return d, err
}

func parseLevel(v string) (slog.Level, error) {
	var level slog.Level
	if _, err := parseOneOf(v, "debug", "info", "warn", "error"); err != nil {
		return level, err
	}
	err := level.UnmarshalText([]byte(v))
	return level, err
}

func parseOneOf(v string, words ...string) (string, error) {
	if !slices.Contains(words, v) {
		last := len(words) - 1
		return "", fmt.Errorf("%q is not %s or %s", v, strings.Join(words[:last], ", "), words[last])
	}
	return v, nil
}

// split returns the items of a list, without the empty ones.
func split(v string) []string {
	var items []string
	for item := range strings.SplitSeq(v, ",") {
		if item = strings.TrimSpace(item); item != "" {
			items = append(items, item)
		}
	}
	return items
}
