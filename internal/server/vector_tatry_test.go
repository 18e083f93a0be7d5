package server_test

import (
	"encoding/json"
	"net/http"
)

// A tatryDoor asks by one of the forms in which Tatry's API validates. They
// look, and take nothing.
type tatryDoor struct{ method, path string }

var tatryDoors = []door{
	tatryDoor{"GET", "/v1/auth/validate"},
	tatryDoor{"POST", "/v1/auth/validate"},
	tatryDoor{"GET", "/v1/validate"},
	tatryDoor{"POST", "/v1/validate"},
}

func (d tatryDoor) name() string               { return "tatry " + d.method + " " + d.path }
func (d tatryDoor) takes() bool                { return false }
func (d tatryDoor) answers() map[string]string { return tatryColumn }

// request shows the key as bearer, from the address of its user. There are no
// words for anything else.
func (d tatryDoor) request(of *subject, q *question) *http.Request {
	if q.permissions != nil || q.keyspace != "" || q.cost != nil || q.limits != nil || q.elsewhere {
		return nil
	}
	return newRequest(d.method, d.path, q.from, of.secret, "")
}

func (d tatryDoor) verdict(status int, body []byte) (bool, string) {
	var v struct {
		Status string
		Data   *struct{ Valid bool }
		Error  struct{ Code string }
	}
	if err := json.Unmarshal(body, &v); err != nil {
		return false, err.Error()
	}
	if v.Data == nil {
		return false, short(status, v.Error.Code)
	}
	if status != http.StatusOK || !v.Data.Valid {
		return false, "valid and status differ"
	}
	return true, short(status, v.Status)
}

// tatryColumn is what Tatry's API answers. To show a key takes nothing, so that
// neither limits nor credits refuse it.
var tatryColumn = map[string]string{
	"a good key": "200 success",
	"a good key by another workspace's caller":                 cannotAsk,
	"a key for root keys alone":                                "200 success",
	"a disabled key":                                           "401 auth_invalid_key",
	"a key that is enabled again":                              "200 success",
	"an expired key":                                           "401 auth_expired_key",
	"a key before it expires":                                  "200 success",
	"a deleted key":                                            "401 auth_invalid_key",
	"a secret that was never made":                             "401 auth_invalid_key",
	"an empty secret":                                          "401 auth_invalid_key",
	"a text longer than any key":                               "401 auth_invalid_key",
	"a root key":                                               "401 auth_invalid_key",
	"the old secret without an overlap":                        "401 auth_invalid_key",
	"the old secret in the overlap":                            "200 success",
	"the old secret after the overlap":                         "401 auth_invalid_key",
	"the new secret":                                           "200 success",
	"an old secret that was ended":                             "401 auth_invalid_key",
	"the key's keyspace":                                       cannotAsk,
	"another keyspace":                                         cannotAsk,
	"a keyspace that is not there":                             cannotAsk,
	"a keyspace that was deleted":                              "401 auth_invalid_key",
	"a key of an identity":                                     "200 success",
	"a key of a disabled identity":                             "401 auth_invalid_key",
	"a key of a deleted identity":                              "200 success",
	"a key of another workspace":                               "200 success",
	"a key of a disabled workspace":                            "401 auth_invalid_key",
	"a key of a disabled workspace's child":                    "401 auth_invalid_key",
	"a key of a deleted workspace":                             "401 auth_invalid_key",
	"an address of the list":                                   "200 success",
	"another address of the list":                              "200 success",
	"an address that is not of the list":                       "403 auth_permission_denied",
	"a list and no end user's address":                         "403 auth_permission_denied",
	"any address without a list":                               "200 success",
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
	"one credit":                                               "200 success",
	"three credits":                                            cannotAsk,
	"all that is left":                                         cannotAsk,
	"more than is left":                                        cannotAsk,
	"a budget with room":                                       "200 success",
	"a budget that is used up":                                 "200 success",
	"no cost, and a budget used up":                            "-",
	"no credits left, and a budget used up":                    "200 success",
	"no credits left":                                          "200 success",
	"no cost, and no credits left":                             cannotAsk,
	"a cost without credits":                                   cannotAsk,
	"a cost below 0":                                           cannotAsk,
	"a refill that is due":                                     "200 success",
	"a refill that is not due":                                 "200 success",
	"a limit with room":                                        "200 success",
	"a limit that is named":                                    cannotAsk,
	"a limit named without cost":                               cannotAsk,
	"a cost beyond the limit":                                  cannotAsk,
	"a limit named twice":                                      cannotAsk,
	"a cost below 0 of a limit":                                cannotAsk,
	"a limit that is not there":                                cannotAsk,
	"a limit that is used up":                                  "200 success",
	"a used-up limit named without cost":                       cannotAsk,
	"a limit that is free again":                               "200 success",
	"one of two limits used up":                                "200 success",
	"a limit with room, and no credits left":                   "200 success",
	"a limit for those who name it, named":                     cannotAsk,
	"a limit for those who name it, not named":                 "200 success",
	"a used-up limit for those who name it, named":             cannotAsk,
	"a used-up limit for those who name it, not named":         "200 success",
	"an identity's limit that is used up":                      "200 success",
	"a place under a concurrency limit":                        "200 success",
	"a place that is not asked for":                            cannotAsk,
	"two places at once":                                       cannotAsk,
	"no place under a concurrency limit":                       "200 success",
	"no place, and none asked for":                             cannotAsk,
	"a place, and no credits left":                             "200 success",
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
	"all faults of a key in a shut workspace, asked simply":    "401 auth_invalid_key",
	"all faults of a key of a disabled identity, asked simply": "401 auth_invalid_key",
	"all faults of a disabled key, asked simply":               "401 auth_invalid_key",
	"all faults of an expired key, asked simply":               "401 auth_expired_key",
	"all faults of a key for some addresses, asked simply":     "403 auth_permission_denied",
	"all faults of a used-up key, asked simply":                "200 success",
}
