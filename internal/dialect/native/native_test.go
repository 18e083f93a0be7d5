package native_test

import (
	"net/http"
	"testing"

	"latchkey/internal/conformance"
)

func TestTranscripts(t *testing.T) {
	conformance.Transcripts(t, func(t *testing.T) (http.Handler, map[string]string) {
		s := start(t)
		return s, s.vars
	})
}
