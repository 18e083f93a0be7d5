package server_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"strings"

	"latchkey/internal/span"
)

// A nativeDoor asks by the native API.
type nativeDoor struct {
	called string
	bearer string // "": none
	batch  bool
	column map[string]string
}

var nativeDoors = []door{
	nativeDoor{"native", rootKey, false, nativeColumn},
	nativeDoor{"native batch", rootKey, true, nativeColumn},
	nativeDoor{"native without a root key", "", false, nativePublicColumn},
}

func (d nativeDoor) name() string               { return d.called }
func (d nativeDoor) takes() bool                { return true }
func (d nativeDoor) answers() map[string]string { return d.column }

func (d nativeDoor) request(of *subject, q *question) *http.Request {
	body := map[string]any{"key": of.secret}
	if q.permissions != nil {
		body["permissions"] = nativeQuery(q.permissions)
	}
	if q.keyspace != "" {
		body["keyspace"] = q.keyspace
	}
	if q.cost != nil {
		body["cost"] = *q.cost
	}
	if q.from != "" {
		body["ip"] = strings.Trim(q.from, "[]")
	}
	var limits []any
	for _, l := range q.limits {
		limit := map[string]any{"name": l.name, "cost": l.cost}
		if l.most != 0 {
			limit["max"], limit["algorithm"] = l.most, "fixed"
		}
		if l.window != 0 {
			limit["window"] = span.Of(l.window).String()
		}
		limits = append(limits, limit)
	}
	if limits != nil {
		body["limits"] = limits
	}
	path := "/latchkey/v1/verify"
	if d.batch {
		path, body = path+"/batch", map[string]any{"requests": []any{body}}
	}
	r := newRequest("POST", path, "", d.bearer, jsonText(body))
	switch {
	case d.bearer == "":
	case q.elsewhere:
		r.Header.Set("Latchkey-Workspace", "acme")
	case of.workspace != "":
		r.Header.Set("Latchkey-Workspace", of.workspace)
	}
	return r
}

// nativeQuery writes a query as the native API has it.
func nativeQuery(q any) string {
	var parts []string
	word := " AND "
	switch q := q.(type) {
	case string:
		return q
	case all:
		for _, p := range q {
			parts = append(parts, nativeQuery(p))
		}
	case some:
		for _, p := range q {
			parts = append(parts, nativeQuery(p))
		}
		word = " OR "
	}
	if parts == nil {
		return ""
	}
	return "(" + strings.Join(parts, word) + ")"
}

func jsonText(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(text)
}

func (d nativeDoor) verdict(status int, body []byte) (bool, string) {
	type verdict struct {
		Valid         bool
		Outcome, Code string
	}
	var v struct {
		verdict
		Results []struct {
			verdict
			Error *struct {
				Status int
				Code   string
			}
		}
	}
	if err := json.Unmarshal(body, &v); err != nil {
		return false, err.Error()
	}
	if status != http.StatusOK {
		return false, short(status, v.Code)
	}
	one := v.verdict
	if d.batch {
		if len(v.Results) != 1 {
			return false, "not one result"
		}
		if e := v.Results[0].Error; e != nil {
			return false, short(e.Status, e.Code)
		}
		one = v.Results[0].verdict
	}
	if one.Valid != (one.Outcome == "valid") {
		return false, "valid and outcome differ"
	}
	return one.Valid, short(status, one.Outcome)
}

var nativeMakers = []maker{{"made natively", func(s *site) *subject { return s.key("") }}}

var nativeEnders = []ender{
	{"deleted natively", "a deleted key", func(s *site, of *subject) { s.manage("", "DELETE", "/keys/"+of.id, "", nil) }},
	{"disabled natively", "a disabled key", func(s *site, of *subject) { s.patch(of, `{"enabled":false}`) }},
	{"rotated natively", "the old secret without an overlap", func(s *site, of *subject) { s.rotate(of, "0s") }},
	{"ended by its holder", "a deleted key", func(s *site, of *subject) {
		if status, body := s.do(newRequest("DELETE", "/latchkey/v1/whoami", "", of.secret, "")); status != http.StatusNoContent {
			s.Fatalf("a key that ends itself: %d %s", status, body)
		}
	}},
}

// nativePublicColumn: without a root key a key is found wherever it is,
// if its keyspace says so.
var nativePublicColumn = with(nativeColumn, map[string]string{
	"a good key by another workspace's caller": "200 valid",
	"a key for root keys alone":                "200 not_found",
})

// with returns a column in which some cells are others.
func with(column, cells map[string]string) map[string]string {
	out := maps.Clone(column)
	maps.Copy(out, cells)
	return out
}

// nativeColumn is what the native API answers to a root key.
var nativeColumn = map[string]string{
	"a good key": "200 valid",
	"a good key by another workspace's caller":                 "200 not_found",
	"a key for root keys alone":                                "200 valid",
	"a disabled key":                                           "200 disabled",
	"a key that is enabled again":                              "200 valid",
	"an expired key":                                           "200 expired",
	"a key before it expires":                                  "200 valid",
	"a deleted key":                                            "200 not_found",
	"a secret that was never made":                             "200 not_found",
	"an empty secret":                                          "400 invalid",
	"a text longer than any key":                               "400 invalid",
	"a root key":                                               "200 not_found",
	"the old secret without an overlap":                        "200 not_found",
	"the old secret in the overlap":                            "200 valid",
	"the old secret after the overlap":                         "200 not_found",
	"the new secret":                                           "200 valid",
	"an old secret that was ended":                             "200 not_found",
	"the key's keyspace":                                       "200 valid",
	"another keyspace":                                         "200 forbidden",
	"a keyspace that is not there":                             "200 forbidden",
	"a keyspace that was deleted":                              "200 not_found",
	"a key of an identity":                                     "200 valid",
	"a key of a disabled identity":                             "200 disabled",
	"a key of a deleted identity":                              "200 valid",
	"a key of another workspace":                               "200 valid",
	"a key of a disabled workspace":                            "200 forbidden",
	"a key of a disabled workspace's child":                    "200 forbidden",
	"a key of a deleted workspace":                             "200 not_found",
	"an address of the list":                                   "200 valid",
	"another address of the list":                              "200 valid",
	"an address that is not of the list":                       "200 forbidden",
	"a list and no end user's address":                         "200 forbidden",
	"any address without a list":                               "200 valid",
	"a permission that is held":                                "200 valid",
	"a permission that is missing":                             "200 insufficient_permissions",
	"a permission held by a wildcard":                          "200 valid",
	"a permission beside a wildcard":                           "200 insufficient_permissions",
	"a permission where stars are literal":                     "200 insufficient_permissions",
	"a literal star":                                           "200 valid",
	"a permission held by a role":                              "200 valid",
	"a permission that the role has not":                       "200 insufficient_permissions",
	"both of two":                                              "200 valid",
	"both of two, of which one is missing":                     "200 insufficient_permissions",
	"one of two":                                               "200 valid",
	"one of two, both missing":                                 "200 insufficient_permissions",
	"a nest that holds":                                        "200 valid",
	"a nest that does not":                                     "200 insufficient_permissions",
	"a query of nothing":                                       "400 invalid",
	"one credit":                                               "200 valid",
	"three credits":                                            "200 valid",
	"all that is left":                                         "200 valid",
	"more than is left":                                        "200 usage_exceeded",
	"a budget with room":                                       "200 valid",
	"a budget that is used up":                                 "200 usage_exceeded",
	"no cost, and a budget used up":                            "200 usage_exceeded",
	"no credits left, and a budget used up":                    "200 usage_exceeded",
	"no credits left":                                          "200 usage_exceeded",
	"no cost, and no credits left":                             "200 valid",
	"a cost without credits":                                   "200 valid",
	"a cost below 0":                                           "400 invalid",
	"a refill that is due":                                     "200 valid",
	"a refill that is not due":                                 "200 usage_exceeded",
	"a limit with room":                                        "200 valid",
	"a limit that is named":                                    "200 valid",
	"a limit named without cost":                               "200 valid",
	"a cost beyond the limit":                                  "200 rate_limited",
	"a limit named twice":                                      "400 invalid",
	"a cost below 0 of a limit":                                "400 invalid",
	"a limit that is not there":                                "400 invalid",
	"a limit that is used up":                                  "200 rate_limited",
	"a used-up limit named without cost":                       "200 valid",
	"a limit that is free again":                               "200 valid",
	"one of two limits used up":                                "200 rate_limited",
	"a limit with room, and no credits left":                   "200 usage_exceeded",
	"a limit for those who name it, named":                     "200 valid",
	"a limit for those who name it, not named":                 "200 valid",
	"a used-up limit for those who name it, named":             "200 rate_limited",
	"a used-up limit for those who name it, not named":         "200 valid",
	"an identity's limit that is used up":                      "200 rate_limited",
	"a place under a concurrency limit":                        "200 valid",
	"a place that is not asked for":                            "200 valid",
	"two places at once":                                       "400 invalid",
	"no place under a concurrency limit":                       "200 rate_limited",
	"no place, and none asked for":                             "200 valid",
	"a place, and no credits left":                             "200 usage_exceeded",
	"the request's own limit":                                  "200 valid",
	"the request's own limit in a limit's place":               "200 valid",
	"the request's own limit, beyond it":                       "200 rate_limited",
	"the request's own limit, used up":                         "200 rate_limited",
	"half a limit of the request's own":                        "400 invalid",
	"all faults":                                               "200 forbidden",
	"all faults from the identity on":                          "200 disabled",
	"all faults from the key on":                               "200 disabled",
	"all faults from the keyspace on":                          "200 forbidden",
	"all faults from expiry on":                                "200 expired",
	"all faults from the address on":                           "200 forbidden",
	"all faults from the permissions on":                       "200 insufficient_permissions",
	"all faults from the limit on":                             "200 rate_limited",
	"all faults from the credits on":                           "200 usage_exceeded",
	"all faults of a key in a shut workspace, asked simply":    "200 forbidden",
	"all faults of a key of a disabled identity, asked simply": "200 disabled",
	"all faults of a disabled key, asked simply":               "200 disabled",
	"all faults of an expired key, asked simply":               "200 expired",
	"all faults of a key for some addresses, asked simply":     "200 forbidden",
	"all faults of a used-up key, asked simply":                "200 rate_limited",
}
