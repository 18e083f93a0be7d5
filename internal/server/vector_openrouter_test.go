package server_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
)

// An openrouterDoor asks by one of the paths at which OpenRouter's API tells a
// key about itself. They look, and take nothing.
type openrouterDoor struct{ path string }

var openrouterDoors = []door{
	openrouterDoor{"/api/v1/key"},
	openrouterDoor{"/api/v1/auth/key/"},
}

func (d openrouterDoor) name() string               { return "openrouter " + d.path }
func (d openrouterDoor) takes() bool                { return false }
func (d openrouterDoor) answers() map[string]string { return openrouterColumn }

// request shows the key as bearer, from the address of its user. There are no
// words for anything else.
func (d openrouterDoor) request(of *subject, q *question) *http.Request {
	if q.permissions != nil || q.keyspace != "" || q.cost != nil || q.limits != nil || q.elsewhere {
		return nil
	}
	return newRequest("GET", d.path, q.from, of.secret, "")
}

func (d openrouterDoor) verdict(status int, body []byte) (bool, string) {
	var v struct {
		Data  *struct{ Label string }
		Error struct {
			Code    int
			Message string
		}
	}
	if err := json.Unmarshal(body, &v); err != nil {
		return false, err.Error()
	}
	if v.Data != nil {
		return status == http.StatusOK, short(status, "told")
	}
	if v.Error.Code != status {
		return false, "status and code differ"
	}
	return false, short(status, v.Error.Message)
}

var openrouterMakers = []maker{{"made by openrouter", func(s *site) *subject {
	// Its keyspace is there already, and lets anybody verify.
	s.do(newRequest("POST", "/latchkey/v1/keyspaces", "", rootKey,
		`{"slug":"openrouter","policy":{"prefix":"sk-or-v1-","secret":{"format":"hex","length":64},"verify_without_root_key":true}}`))
	var made struct{ Key string }
	s.openrouter("POST", "", map[string]any{"name": "made"}, &made)
	of := &subject{secret: made.Key, live: made.Key}
	var self struct{ ID string }
	status, body := s.do(newRequest("GET", "/latchkey/v1/whoami", "", made.Key, ""))
	if err := json.Unmarshal(body, &self); err != nil || status != http.StatusOK {
		s.Fatalf("whoami: %d %s", status, body)
	}
	of.id = self.ID
	return of
}}}

var openrouterEnders = []ender{
	{"deleted by openrouter", "a deleted key", func(s *site, of *subject) { s.openrouter("DELETE", "/"+hashOf(of), nil, nil) }},
	{"disabled by openrouter", "a disabled key", func(s *site, of *subject) {
		s.openrouter("PATCH", "/"+hashOf(of), map[string]any{"disabled": true}, nil)
	}},
}

// hashOf returns what OpenRouter's API addresses a key by.
func hashOf(of *subject) string {
	sum := sha256.Sum256([]byte(of.secret))
	return hex.EncodeToString(sum[:])
}

// openrouter calls OpenRouter's API of keys by the root key, for a success that
// it reads into to.
func (s *site) openrouter(method, path string, body map[string]any, to any) {
	s.Helper()
	status, answer := s.do(newRequest(method, "/api/v1/keys"+path, "", rootKey, jsonText(body)))
	if status < 200 || status > 299 {
		s.Fatalf("%s %s %v: %d %s", method, path, body, status, answer)
	}
	if to == nil {
		return
	}
	if err := json.Unmarshal(answer, to); err != nil {
		s.Fatalf("%s %s: %v in %s", method, path, err, answer)
	}
}

// openrouterColumn is what OpenRouter's API answers. To tell a key about itself
// takes nothing, so that neither limits, credits nor a budget refuse it, and a
// root key is told too.
var openrouterColumn = map[string]string{
	"a good key": "200 told",
	"a good key by another workspace's caller":                 cannotAsk,
	"a key for root keys alone":                                "200 told",
	"a disabled key":                                           "401 User not found.",
	"a key that is enabled again":                              "200 told",
	"an expired key":                                           "401 User not found.",
	"a key before it expires":                                  "200 told",
	"a deleted key":                                            "401 User not found.",
	"a secret that was never made":                             "401 User not found.",
	"an empty secret":                                          "401 Missing Authentication header",
	"a text longer than any key":                               "401 User not found.",
	"a root key":                                               "200 told",
	"the old secret without an overlap":                        "401 User not found.",
	"the old secret in the overlap":                            "200 told",
	"the old secret after the overlap":                         "401 User not found.",
	"the new secret":                                           "200 told",
	"an old secret that was ended":                             "401 User not found.",
	"the key's keyspace":                                       cannotAsk,
	"another keyspace":                                         cannotAsk,
	"a keyspace that is not there":                             cannotAsk,
	"a keyspace that was deleted":                              "401 User not found.",
	"a key of an identity":                                     "200 told",
	"a key of a disabled identity":                             "401 User not found.",
	"a key of a deleted identity":                              "200 told",
	"a key of another workspace":                               "200 told",
	"a key of a disabled workspace":                            "401 User not found.",
	"a key of a disabled workspace's child":                    "401 User not found.",
	"a key of a deleted workspace":                             "401 User not found.",
	"an address of the list":                                   "200 told",
	"another address of the list":                              "200 told",
	"an address that is not of the list":                       "403 This key may not be used from this address",
	"a list and no end user's address":                         "403 This key may not be used from this address",
	"any address without a list":                               "200 told",
	"a permission that is held":                                cannotAsk,
	"a permission that is missing":                             cannotAsk,
	"a permission held by a wildcard":                          cannotAsk,
	"a permission beside a wildcard":                           cannotAsk,
	"a permission where stars are literal":                     cannotAsk,
	"a literal star":                                           cannotAsk,
	"a permission held by a role":                              cannotAsk,
	"a permission that the role has not":                       cannotAsk,
	"both of two":                                              cannotAsk,
	"both of two, of which one is missing":                     cannotAsk,
	"one of two":                                               cannotAsk,
	"one of two, both missing":                                 cannotAsk,
	"a nest that holds":                                        cannotAsk,
	"a nest that does not":                                     cannotAsk,
	"a query of nothing":                                       cannotAsk,
	"one credit":                                               "200 told",
	"three credits":                                            cannotAsk,
	"all that is left":                                         cannotAsk,
	"more than is left":                                        cannotAsk,
	"a budget with room":                                       "200 told",
	"a budget that is used up":                                 "200 told",
	"no cost, and a budget used up":                            "-",
	"no credits left, and a budget used up":                    "200 told",
	"no credits left":                                          "200 told",
	"no cost, and no credits left":                             cannotAsk,
	"a cost without credits":                                   cannotAsk,
	"a cost below 0":                                           cannotAsk,
	"a refill that is due":                                     "200 told",
	"a refill that is not due":                                 "200 told",
	"a limit with room":                                        "200 told",
	"a limit that is named":                                    cannotAsk,
	"a limit named without cost":                               cannotAsk,
	"a cost beyond the limit":                                  cannotAsk,
	"a limit named twice":                                      cannotAsk,
	"a cost below 0 of a limit":                                cannotAsk,
	"a limit that is not there":                                cannotAsk,
	"a limit that is used up":                                  "200 told",
	"a used-up limit named without cost":                       cannotAsk,
	"a limit that is free again":                               "200 told",
	"one of two limits used up":                                "200 told",
	"a limit with room, and no credits left":                   "200 told",
	"a limit for those who name it, named":                     cannotAsk,
	"a limit for those who name it, not named":                 "200 told",
	"a used-up limit for those who name it, named":             cannotAsk,
	"a used-up limit for those who name it, not named":         "200 told",
	"an identity's limit that is used up":                      "200 told",
	"a place under a concurrency limit":                        "200 told",
	"a place that is not asked for":                            cannotAsk,
	"two places at once":                                       cannotAsk,
	"no place under a concurrency limit":                       "200 told",
	"no place, and none asked for":                             cannotAsk,
	"a place, and no credits left":                             "200 told",
	"the request's own limit":                                  cannotAsk,
	"the request's own limit in a limit's place":               cannotAsk,
	"the request's own limit, beyond it":                       cannotAsk,
	"the request's own limit, used up":                         cannotAsk,
	"half a limit of the request's own":                        cannotAsk,
	"all faults":                                               cannotAsk,
	"all faults from the identity on":                          cannotAsk,
	"all faults from the key on":                               cannotAsk,
	"all faults from the keyspace on":                          cannotAsk,
	"all faults from expiry on":                                cannotAsk,
	"all faults from the address on":                           cannotAsk,
	"all faults from the permissions on":                       cannotAsk,
	"all faults from the limit on":                             cannotAsk,
	"all faults from the credits on":                           cannotAsk,
	"all faults of a key in a shut workspace, asked simply":    "401 User not found.",
	"all faults of a key of a disabled identity, asked simply": "401 User not found.",
	"all faults of a disabled key, asked simply":               "401 User not found.",
	"all faults of an expired key, asked simply":               "401 User not found.",
	"all faults of a key for some addresses, asked simply":     "403 This key may not be used from this address",
	"all faults of a used-up key, asked simply":                "200 told",
}
