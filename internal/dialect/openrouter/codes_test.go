package openrouter_test

import (
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"latchkey/internal/keys"
)

// A verifier and its challenge, which are those of RFC 7636.
const (
	verifier  = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
	challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
)

// issue asks for a code that needs the verifier, with further members of the
// request.
func (s *running) issue(t testing.TB, more string) string {
	t.Helper()
	var made struct{ Data struct{ ID string } }
	s.do(t, "POST", "/api/v1/auth/keys/code", `{"callback_url":"https://app.example/cb?state=hidden","code_challenge":"`+challenge+`","code_challenge_method":"S256"`+more+`}`, &made)
	return made.Data.ID
}

// redeem shows a code and a verifier, and returns the status, the key and what
// is said.
func (s *running) redeem(t testing.TB, code, verifier string) (status int, key, said string) {
	t.Helper()
	w := s.call("POST", "/api/v1/auth/keys", "", `{"code":"`+code+`","code_verifier":"`+verifier+`"}`)
	var got struct {
		Key   string
		Error struct{ Message string }
	}
	if err := json.Unmarshal(w.Body.Bytes(), &got, json.MatchCaseInsensitiveNames(true)); err != nil {
		t.Errorf("%d %s: %v", w.Code, w.Body, err)
	}
	return w.Code, got.Key, got.Error.Message
}

const (
	badCode     = "Invalid code or code_verifier"
	expiredCode = "Authorization code expired"
)

// refusesCode shows a code that is refused in some words.
func (s *running) refusesCode(t testing.TB, what, code, verifier, want string) {
	t.Helper()
	if status, key, said := s.redeem(t, code, verifier); status != http.StatusForbidden || key != "" || said != want {
		t.Errorf("%s: %d %q, want %q", what, status, said, want)
	}
}

func TestCodeLife(t *testing.T) {
	s := start(t)
	code, late := s.issue(t, ""), s.issue(t, "")
	short := s.issue(t, `,"expires_at":"2026-11-21T09:31:00Z"`)
	s.moveTo(begin.Add(time.Minute))
	s.refusesCode(t, "a code whose key has expired", short, verifier, expiredCode)
	s.moveTo(begin.Add(10*time.Minute - time.Millisecond))
	status, key, said := s.redeem(t, code, verifier)
	if status != http.StatusOK {
		t.Fatalf("in the last millisecond: %d %s", status, said)
	}
	var current struct {
		Data struct {
			Label string `json:"label"`
		}
	}
	s.doAs(t, key, "GET", "/api/v1/key", "", &current)
	if want := key[:12] + "..." + key[len(key)-3:]; current.Data.Label != want {
		t.Errorf("the label is %s, want %s", current.Data.Label, want)
	}
	s.moveTo(begin.Add(10 * time.Minute))
	s.refusesCode(t, "after ten minutes", late, verifier, expiredCode)
	s.refusesCode(t, "without its verifier", late, "", badCode)
	s.refusesCode(t, "a code that was redeemed", code, verifier, badCode)
}

func TestCodeIsUsedOnce(t *testing.T) {
	s := start(t)
	code := s.issue(t, "")
	var mu sync.Mutex
	var made []string
	var wg sync.WaitGroup
	for range 12 {
		wg.Go(func() {
			status, key, said := s.redeem(t, code, verifier)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case status == http.StatusOK:
				made = append(made, key)
			case status != http.StatusForbidden || said != badCode:
				t.Errorf("%d %s", status, said)
			}
		})
	}
	wg.Wait()
	var list struct{ Data []keyView }
	s.do(t, "GET", "/api/v1/keys", "", &list)
	if len(made) != 1 || len(list.Data) != 1 {
		t.Errorf("%d keys were answered, and there are %d", len(made), len(list.Data))
	}
}

func TestCodeMisses(t *testing.T) {
	s := start(t)
	code := s.issue(t, "")
	for range keys.MaxMisses {
		s.refusesCode(t, "another verifier", code, challenge, badCode)
	}
	s.refusesCode(t, "a code that was missed too often", code, verifier, badCode)
}

// TestCodeOfDeletedRoot deletes the root key that has issued a code.
func TestCodeOfDeletedRoot(t *testing.T) {
	s := start(t)
	var root struct{ ID, Secret string }
	s.do(t, "POST", "/latchkey/v1/root-keys", `{"permissions":["keys.*.create"]}`, &root)
	var made struct{ Data struct{ ID string } }
	s.doAs(t, root.Secret, "POST", "/api/v1/auth/keys/code", `{"callback_url":"https://app.example"}`, &made)
	s.do(t, "DELETE", "/latchkey/v1/root-keys/"+root.ID, "", nil)
	s.refusesCode(t, "a code of nobody", made.Data.ID, "", badCode)
}

func TestCodeBounds(t *testing.T) {
	s := start(t)
	s.issue(t, `,"key_label":"`+strings.Repeat("é", 100)+`"`)
	for body, want := range map[string]int{
		`{"callback_url":"https://app.example","key_label":"` + strings.Repeat("a", 101) + `"}`:          http.StatusBadRequest,
		`{"callback_url":"https://` + strings.Repeat("a.", 400) + `example"}`:                            http.StatusOK, // whose key is named for a part of it
		`{"callback_url":"https://app.example/` + strings.Repeat("a", keys.MaxCallback) + `"}`:           http.StatusBadRequest,
		`{"callback_url":"https://app.example","x":"` + strings.Repeat("a", 64<<10) + `"}`:               http.StatusRequestEntityTooLarge,
		`{"callback_url":"https://app.example","code_challenge":"` + s.issue(t, "") + `"}`:               http.StatusOK, // which may be plain text
		`{"callback_url":"https://app.example","key_label":"` + s.issue(t, "") + `"}`:                    http.StatusBadRequest,
		`{"callback_url":"https://app.example","usage_limit_type":"daily","limit":0,"key_label":"none"}`: http.StatusOK,
	} {
		w := s.call("POST", "/api/v1/auth/keys/code", rootKey, body)
		checkAnswer(t, body[:40], w)
		if w.Code != want {
			t.Errorf("%.80s: %d %s, want %d", body, w.Code, w.Body, want)
		}
	}
	big := `{"code":"` + strings.Repeat("a", 64<<10) + `"}`
	if w := s.call("POST", "/api/v1/auth/keys", "", big); w.Code != http.StatusRequestEntityTooLarge {
		t.Errorf("a code beyond the bound of a body: %d %s", w.Code, w.Body)
	}
	if log := s.call("GET", "/latchkey/v1/events?limit=100", rootKey, "").Body.String(); strings.Contains(log, "hidden") || !strings.Contains(log, "https://app.example/cb") {
		t.Errorf("the audit log tells too much of a callback, or nothing: %s", log)
	}
}

// TestCodesAreBounded asks for more codes than may wait at once.
func TestCodesAreBounded(t *testing.T) {
	s := start(t)
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			for range keys.MaxCodes / 20 {
				s.issue(t, "")
			}
		})
	}
	wg.Wait()
	w := s.call("POST", "/api/v1/auth/keys/code", rootKey, `{"callback_url":"https://app.example"}`)
	checkAnswer(t, "one more", w)
	if w.Code != http.StatusTooManyRequests || w.Header().Get("Retry-After") == "" {
		t.Errorf("%d %v %s", w.Code, w.Header(), w.Body)
	}
	s.moveTo(begin.Add(10 * time.Minute))
	s.issue(t, "")
}

// FuzzCodes states that no request for a code breaks anything, and that a code
// which was issued is redeemed once by its verifier, and by nothing else.
func FuzzCodes(f *testing.F) {
	s := start(f)
	for _, seed := range []string{
		`{"callback_url":"https://app.example"}`, `{"callback_url":"http://[::1]:3000/\u00e9?a=b#c","code_challenge":"` + verifier + `"}`,
		`{"callback_url":"https://app.example","code_challenge":"` + verifier + `","code_challenge_method":"plain","limit":1e-7,"usage_limit_type":"daily"}`,
		`{"callback_url":"https://app.example","code_challenge":"` + challenge + `","code_challenge_method":"S256","key_label":"l","expires_at":"2027-12-31T23:59:59.1Z"}`,
		`{"callback_url":"https://xn--\ud800"}`, `{"callback_url":"https://\u0000"}`, `{"callback_url":null}`, `{"callback_url":"x","limit":"1"}`,
		`{"callback_url":"https://app.example","workspace_id":"0df9e665-d932-5740-b2c7-b52af166bc11"}`, `{`, `[]`, ``, "\xff",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		w := s.call("POST", "/api/v1/auth/keys/code", rootKey, body)
		checkAnswer(t, body, w)
		if w.Code != http.StatusOK {
			if w.Code != http.StatusBadRequest && w.Code != http.StatusRequestEntityTooLarge {
				t.Fatalf("%q: %d %s", body, w.Code, w.Body)
			}
			return
		}
		var sent struct {
			Challenge *string `json:"code_challenge"`
			Method    *string `json:"code_challenge_method"`
		}
		var made struct{ Data struct{ ID string } }
		if err := json.Unmarshal(w.Body.Bytes(), &made, json.MatchCaseInsensitiveNames(true)); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal([]byte(body), &sent); err != nil {
			t.Fatalf("%q was taken: %v", body, err)
		}
		code, proof := made.Data.ID, ""
		if sent.Challenge != nil {
			proof = *sent.Challenge
		}
		s.refusesCode(t, body, code, proof+"-", badCode)
		if sent.Method != nil && *sent.Method == "S256" {
			if proof != challenge { // nobody knows the verifier
				for range keys.MaxMisses - 1 {
					s.refusesCode(t, body, code, "", badCode)
				}
				return
			}
			proof = verifier
		}
		if status, _, said := s.redeem(t, code, proof); status != http.StatusOK {
			t.Fatalf("%q: %d %s", body, status, said)
		}
		s.refusesCode(t, body, code, proof, badCode)
	})
}

// FuzzExchange states that no body that is shown for a key breaks anything, or
// is one.
func FuzzExchange(f *testing.F) {
	s := start(f)
	for _, seed := range []string{
		`{"code":"CODE"}`, `{"code":"CODE","code_verifier":"x","code_challenge_method":"S256"}`, `{"code":"CODE","code_verifier":null,"code_challenge_method":null}`,
		`{"code":"CODE","code_challenge_method":"plain"}`, `{"code":"\u0000"}`, `{"code":"\ud800"}`, `{"code":null}`, `{"code":"a","code":"b"}`, `{`, `[]`, ``, "\xff",
	} {
		f.Add(seed)
	}
	code := s.issue(f, "")
	f.Fuzz(func(t *testing.T, body string) {
		w := s.call("POST", "/api/v1/auth/keys", "", strings.ReplaceAll(body, "CODE", code))
		checkAnswer(t, body, w)
		if w.Code != http.StatusBadRequest && w.Code != http.StatusForbidden && w.Code != http.StatusRequestEntityTooLarge {
			t.Fatalf("%q: %d %s", body, w.Code, w.Body)
		}
	})
}
