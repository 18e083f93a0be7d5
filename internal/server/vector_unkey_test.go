package server_test

import (
	"encoding/json"
	"net/http"
)

// An unkeyDoor asks by Unkey's API of version 1, as whoever was shown a key or
// by a root key.
type unkeyDoor struct {
	called, bearer string
	column         map[string]string
}

var unkeyDoors = []door{
	unkeyDoor{"unkey v1", "public", unkeyColumn},
	unkeyDoor{"unkey v1 by a root key", rootKey, with(unkeyColumn, map[string]string{"a key for root keys alone": "200 VALID"})},
}

func (d unkeyDoor) name() string               { return d.called }
func (d unkeyDoor) takes() bool                { return true }
func (d unkeyDoor) answers() map[string]string { return d.column }

func (d unkeyDoor) request(of *subject, q *question) *http.Request {
	if q.elsewhere {
		return nil // nobody acts in a workspace
	}
	body := map[string]any{"key": of.secret}
	if q.permissions != nil {
		body["authorization"] = map[string]any{"permissions": unkeyQuery(q.permissions)}
	}
	if q.keyspace != "" {
		body["apiId"] = q.keyspace
	}
	if q.cost != nil {
		body["remaining"] = map[string]any{"cost": *q.cost}
	}
	var limits []any
	for _, l := range q.limits {
		limit := map[string]any{"name": l.name, "cost": l.cost}
		if l.most != 0 {
			limit["limit"] = l.most
		}
		if l.window != 0 {
			limit["duration"] = l.window.Milliseconds()
		}
		limits = append(limits, limit)
	}
	if limits != nil {
		body["ratelimits"] = limits
	}
	return newRequest("POST", "/v1/keys.verifyKey", q.from, d.bearer, jsonText(body))
}

// unkeyQuery writes a query as Unkey has it.
func unkeyQuery(q any) any {
	list := func(qs []any) []any {
		out := []any{}
		for _, q := range qs {
			out = append(out, unkeyQuery(q))
		}
		return out
	}
	switch q := q.(type) {
	case all:
		return map[string]any{"and": list(q)}
	case some:
		return map[string]any{"or": list(q)}
	}
	return q
}

func (d unkeyDoor) verdict(status int, body []byte) (bool, string) {
	var v struct {
		Valid bool
		Code  string
		Error struct{ Code string }
	}
	if err := json.Unmarshal(body, &v); err != nil {
		return false, err.Error()
	}
	if status != http.StatusOK {
		return false, short(status, v.Error.Code)
	}
	if v.Valid != (v.Code == "VALID") {
		return false, "valid and code differ"
	}
	return v.Valid, short(status, v.Code)
}

var unkeyMakers = []maker{{"made by unkey", func(s *site) *subject {
	var ks struct{ ID string }
	s.manage("", "GET", "/keyspaces/open", "", &ks)
	var made struct{ KeyID, Key string }
	s.unkey("keys.createKey", map[string]any{"apiId": ks.ID}, &made)
	return &subject{id: made.KeyID, secret: made.Key}
}}}

var unkeyEnders = []ender{
	{"deleted by unkey", "a deleted key", func(s *site, of *subject) {
		s.unkey("keys.deleteKey", map[string]any{"keyId": of.id}, nil)
	}},
	{"disabled by unkey", "a disabled key", func(s *site, of *subject) {
		s.unkey("keys.updateKey", map[string]any{"keyId": of.id, "enabled": false}, nil)
	}},
}

// unkey calls Unkey's API by the root key, for a success that it reads into to.
func (s *site) unkey(method string, body map[string]any, to any) {
	s.Helper()
	status, answer := s.do(newRequest("POST", "/v1/"+method, "", rootKey, jsonText(body)))
	if status != http.StatusOK {
		s.Fatalf("%s %v: %d %s", method, body, status, answer)
	}
	if to == nil {
		return
	}
	if err := json.Unmarshal(answer, to); err != nil {
		s.Fatalf("%s: %v in %s", method, err, answer)
	}
}

// unkeyColumn is what Unkey's API answers. A cost beyond what is left takes what
// is left, and of two limits by one name the last counts.
var unkeyColumn = map[string]string{
	"a good key": "200 VALID",
	"a good key by another workspace's caller":                 cannotAsk,
	"a key for root keys alone":                                "200 NOT_FOUND",
	"a disabled key":                                           "200 DISABLED",
	"a key that is enabled again":                              "200 VALID",
	"an expired key":                                           "200 EXPIRED",
	"a key before it expires":                                  "200 VALID",
	"a deleted key":                                            "200 NOT_FOUND",
	"a secret that was never made":                             "200 NOT_FOUND",
	"an empty secret":                                          "400 BAD_REQUEST",
	"a text longer than any key":                               "200 NOT_FOUND",
	"a root key":                                               "200 NOT_FOUND",
	"the old secret without an overlap":                        "200 NOT_FOUND",
	"the old secret in the overlap":                            "200 VALID",
	"the old secret after the overlap":                         "200 NOT_FOUND",
	"the new secret":                                           "200 VALID",
	"an old secret that was ended":                             "200 NOT_FOUND",
	"the key's keyspace":                                       "200 VALID",
	"another keyspace":                                         "200 FORBIDDEN",
	"a keyspace that is not there":                             "200 FORBIDDEN",
	"a keyspace that was deleted":                              "200 NOT_FOUND",
	"a key of an identity":                                     "200 VALID",
	"a key of a disabled identity":                             "200 DISABLED",
	"a key of a deleted identity":                              "200 VALID",
	"a key of another workspace":                               "200 VALID",
	"a key of a disabled workspace":                            "403 FORBIDDEN",
	"a key of a disabled workspace's child":                    "403 FORBIDDEN",
	"a key of a deleted workspace":                             "200 NOT_FOUND",
	"an address of the list":                                   "200 VALID",
	"another address of the list":                              "200 VALID",
	"an address that is not of the list":                       "200 FORBIDDEN",
	"a list and no end user's address":                         "200 FORBIDDEN",
	"any address without a list":                               "200 VALID",
	"a permission that is held":                                "200 VALID",
	"a permission that is missing":                             "200 INSUFFICIENT_PERMISSIONS",
	"a permission held by a wildcard":                          "200 VALID",
	"a permission beside a wildcard":                           "200 INSUFFICIENT_PERMISSIONS",
	"a permission where stars are literal":                     "200 INSUFFICIENT_PERMISSIONS",
	"a literal star":                                           "200 VALID",
	"a permission held by a role":                              "200 VALID",
	"a permission that the role has not":                       "200 INSUFFICIENT_PERMISSIONS",
	"both of two":                                              "200 VALID",
	"both of two, of which one is missing":                     "200 INSUFFICIENT_PERMISSIONS",
	"one of two":                                               "200 VALID",
	"one of two, both missing":                                 "200 INSUFFICIENT_PERMISSIONS",
	"a nest that holds":                                        "200 VALID",
	"a nest that does not":                                     "200 INSUFFICIENT_PERMISSIONS",
	"a query of nothing":                                       "400 BAD_REQUEST",
	"one credit":                                               "200 VALID",
	"three credits":                                            "200 VALID",
	"all that is left":                                         "200 VALID",
	"more than is left":                                        "200 VALID",
	"a budget with room":                                       "200 VALID",
	"a budget that is used up":                                 "200 USAGE_EXCEEDED",
	"no cost, and a budget used up":                            "200 USAGE_EXCEEDED",
	"no credits left, and a budget used up":                    "200 USAGE_EXCEEDED",
	"no credits left":                                          "200 USAGE_EXCEEDED",
	"no cost, and no credits left":                             "200 VALID",
	"a cost without credits":                                   "200 VALID",
	"a cost below 0":                                           "400 BAD_REQUEST",
	"a refill that is due":                                     "200 VALID",
	"a refill that is not due":                                 "200 USAGE_EXCEEDED",
	"a limit with room":                                        "200 VALID",
	"a limit that is named":                                    "200 VALID",
	"a limit named without cost":                               "200 VALID",
	"a cost beyond the limit":                                  "200 RATE_LIMITED",
	"a limit named twice":                                      "200 VALID",
	"a cost below 0 of a limit":                                "400 BAD_REQUEST",
	"a limit that is not there":                                "400 BAD_REQUEST",
	"a limit that is used up":                                  "200 RATE_LIMITED",
	"a used-up limit named without cost":                       "200 VALID",
	"a limit that is free again":                               "200 VALID",
	"one of two limits used up":                                "200 RATE_LIMITED",
	"a limit with room, and no credits left":                   "200 USAGE_EXCEEDED",
	"a limit for those who name it, named":                     "200 VALID",
	"a limit for those who name it, not named":                 "200 VALID",
	"a used-up limit for those who name it, named":             "200 RATE_LIMITED",
	"a used-up limit for those who name it, not named":         "200 VALID",
	"an identity's limit that is used up":                      "200 RATE_LIMITED",
	"a place under a concurrency limit":                        "200 VALID",
	"a place that is not asked for":                            "200 VALID",
	"two places at once":                                       "400 BAD_REQUEST",
	"no place under a concurrency limit":                       "200 RATE_LIMITED",
	"no place, and none asked for":                             "200 VALID",
	"a place, and no credits left":                             "200 USAGE_EXCEEDED",
	"the request's own limit":                                  "200 VALID",
	"the request's own limit in a limit's place":               "200 VALID",
	"the request's own limit, beyond it":                       "200 RATE_LIMITED",
	"the request's own limit, used up":                         "200 RATE_LIMITED",
	"half a limit of the request's own":                        "400 BAD_REQUEST",
	"all faults":                                               "403 FORBIDDEN",
	"all faults from the identity on":                          "200 DISABLED",
	"all faults from the key on":                               "200 DISABLED",
	"all faults from the keyspace on":                          "200 FORBIDDEN",
	"all faults from expiry on":                                "200 EXPIRED",
	"all faults from the address on":                           "200 FORBIDDEN",
	"all faults from the permissions on":                       "200 INSUFFICIENT_PERMISSIONS",
	"all faults from the limit on":                             "200 RATE_LIMITED",
	"all faults from the credits on":                           "200 USAGE_EXCEEDED",
	"all faults of a key in a shut workspace, asked simply":    "403 FORBIDDEN",
	"all faults of a key of a disabled identity, asked simply": "200 DISABLED",
	"all faults of a disabled key, asked simply":               "200 DISABLED",
	"all faults of an expired key, asked simply":               "200 EXPIRED",
	"all faults of a key for some addresses, asked simply":     "200 FORBIDDEN",
	"all faults of a used-up key, asked simply":                "200 RATE_LIMITED",
}
