package openrouter

import (
	"strings"
	"testing"

	"latchkey/internal/httpapi"
	"latchkey/internal/keys"
	"latchkey/internal/token"
)

// TestExternalKey keeps what a partner sends as its hash alone, at the bounds of
// its length.
func TestExternalKey(t *testing.T) {
	for sent, good := range map[string]bool{
		strings.Repeat("k", 31): false, strings.Repeat("k", 32): true,
		strings.Repeat("k", keys.MaxSecret): true, strings.Repeat("k", keys.MaxSecret+1): false,
	} {
		var in createBody
		body := `{"name":"n","external":{"user":"u","api_key":"` + sent + `"}}`
		if err := httpapi.Decode([]byte(body), &in, httpapi.Decoding{Lenient: true}); err != nil {
			t.Fatal(err)
		}
		nk := in.newKey()
		err := nk.Faults.Err()
		if (err == nil) != good {
			t.Errorf("%d characters: %v", len(sent), err)
		}
		if err != nil {
			continue
		}
		doc := nk.Extra[dialectName]
		if want := `{"external_api_key_sha256":"` + token.New(sent).Sum().Hex() + `"}`; doc != want {
			t.Errorf("kept %s, want %s", doc, want)
		}
	}
}
