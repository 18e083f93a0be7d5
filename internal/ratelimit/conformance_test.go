package ratelimit_test

import (
	"testing"

	"latchkey/internal/conformance"
	"latchkey/internal/keys"
	"latchkey/internal/ratelimit"
)

func TestLocalConforms(t *testing.T) {
	conformance.Limiter(t, func(*testing.T) keys.Limiter { return new(ratelimit.Local) })
}
