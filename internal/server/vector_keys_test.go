package server_test

import (
	"fmt"
	"strings"
)

// A keyState is a state that a key can be in, and how one comes to be in it.
type keyState struct {
	name string
	make func(*site) *subject
}

// keyStates lists every state of keys that is asked about. Times in it are
// those of begin and a year after; what expires does so within aging.
func keyStates() []keyState {
	return append([]keyState{
		{"good", func(s *site) *subject { return s.key(`,"name":"good","meta":{"plan":"pro"}`) }},
		{"of a keyspace for root keys alone", func(s *site) *subject { return s.makeKey("", `{"name":"closed"}`, nil) }},
		{"disabled", func(s *site) *subject { return s.key(`,"enabled":false`) }},
		{"enabled again", func(s *site) *subject { return s.patch(s.key(`,"enabled":false`), `{"enabled":true}`) }},
		{"expired", func(s *site) *subject { return s.key(`,"expires_at":` + soon) }},
		{"to expire", func(s *site) *subject { return s.key(`,"expires_at":"2027-11-21T00:00:00Z"`) }},
		{"deleted", func(s *site) *subject {
			of := s.key("")
			s.manage("", "DELETE", "/keys/"+of.id, "", nil)
			return of
		}},
		{"never made", func(s *site) *subject {
			return &subject{secret: "lk_7Yd2mQ4vTz9LrK1wXc8BnE5sHj3Gp0f6Ra2W"}
		}},
		{"empty", func(s *site) *subject { return &subject{} }},
		{"longer than any key", func(s *site) *subject { return &subject{secret: strings.Repeat("a", 600)} }},
		{"a root key", func(s *site) *subject { return &subject{secret: rootKey} }},

		{"rotated without overlap", func(s *site) *subject { of := s.key(""); s.rotate(of, "0s"); return of }},
		{"rotated, in the overlap", func(s *site) *subject { of := s.key(""); s.rotate(of, "1d"); return of }},
		{"rotated, after the overlap", func(s *site) *subject { of := s.key(""); s.rotate(of, "1h"); return of }},
		{"the new secret", func(s *site) *subject { return s.rotate(s.key(""), "1h") }},
		{"a secret that was ended", func(s *site) *subject {
			of := s.key("")
			s.rotate(of, "1d")
			var key struct{ Secrets []struct{ ID string } }
			s.manage("", "GET", "/keys/"+of.id, "", &key)
			s.manage("", "DELETE", "/keys/"+of.id+"/secrets/"+key.Secrets[0].ID, "", nil)
			return of
		}},

		{"of a keyspace that was deleted", func(s *site) *subject {
			s.manage("", "POST", "/keyspaces", `{"slug":"gone","policy":{"verify_without_root_key":true}}`, nil)
			of := s.makeKey("", `{"keyspace":"gone"}`, nil)
			s.manage("", "DELETE", "/keyspaces/gone", "", nil)
			return of
		}},
		{"of an identity", func(s *site) *subject { return s.key(`,"external_id":"cust_42"`) }},
		{"of a disabled identity", func(s *site) *subject {
			s.identity("", "frozen", `,"enabled":false`)
			return s.key(`,"external_id":"frozen"`)
		}},
		{"of an identity that was deleted", func(s *site) *subject {
			of := s.key(`,"external_id":"left"`)
			s.manage("", "DELETE", "/identities/left", "", nil)
			return of
		}},
		{"of another workspace", func(s *site) *subject {
			s.workspaceOf("", "acme")
			return s.makeKey("acme", `{"keyspace":"open"}`, nil)
		}},
		{"of a disabled workspace", func(s *site) *subject {
			s.workspaceOf("", "shut")
			of := s.makeKey("shut", `{"keyspace":"open"}`, nil)
			s.manage("", "PATCH", "/workspaces/shut", `{"enabled":false}`, nil)
			return of
		}},
		{"of a workspace below a disabled one", func(s *site) *subject {
			s.workspaceOf("", "upper")
			s.workspaceOf("upper", "lower")
			of := s.makeKey("lower", `{"keyspace":"open"}`, nil)
			s.manage("", "PATCH", "/workspaces/upper", `{"enabled":false}`, nil)
			return of
		}},
		{"of a workspace that was deleted", func(s *site) *subject {
			s.workspaceOf("", "ended")
			of := s.makeKey("ended", `{"keyspace":"open"}`, nil)
			s.manage("", "DELETE", "/workspaces/ended", "", nil)
			of.workspace = ""
			return of
		}},
		{"for some addresses", func(s *site) *subject { return s.key(`,"allowed_ips":["192.0.2.0/24","2001:db8::7"]`) }},

		{"with permissions", func(s *site) *subject { return s.key(`,"permissions":["docs.read","docs.list"]`) }},
		{"with a wildcard", func(s *site) *subject { return s.key(`,"permissions":["docs.*"]`) }},
		{"with a literal star", func(s *site) *subject {
			return s.makeKey("", `{"keyspace":"literal","permissions":["docs.*"]}`, nil)
		}},
		{"with a role", func(s *site) *subject { return s.key(`,"roles":["reader"]`) }},
	}, append(meteredStates(), faultyStates()...)...)
}

// soon is when what expires does.
const soon = `"2026-11-21T10:30:00Z"`

// A long limit is not free again before all is asked.
func long(name string, most int, auto bool) string {
	return fmt.Sprintf(`{"name":%q,"max":%d,"window":"30d","algorithm":"fixed_from_first","auto_apply":%t}`, name, most, auto)
}

// meteredStates are those of keys with credits and limits.
func meteredStates() []keyState {
	open := func(s *site, limits map[string]bool, more string) *subject {
		return s.makeKey("", `{"keyspace":"open"`+more+`}`, limits)
	}
	requests := map[string]bool{"requests": true}
	inflight := map[string]bool{"inflight": true}
	plenty := `,"limits":[` + long("requests", 1000, true) + `]`
	return []keyState{
		{"with credits", func(s *site) *subject { return s.key(`,"credits":{"remaining":1000}`) }},
		{"with 3 credits", func(s *site) *subject {
			of := s.key(`,"credits":{"remaining":3}`)
			of.before = func() { s.manage("", "POST", "/keys/"+of.id+"/credits", `{"operation":"set","amount":3}`, nil) }
			return of
		}},
		{"with a budget", func(s *site) *subject { return s.key(`,"budget":{"limit_micros":1000}`) }},
		{"with a budget that is used up", func(s *site) *subject { return s.key(`,"budget":{"limit_micros":0}`) }},
		{"with a budget used up and no credits left", func(s *site) *subject {
			return s.key(`,"credits":{"remaining":0},"budget":{"limit_micros":0}`)
		}},
		{"with no credits left", func(s *site) *subject { return s.use(s.key(`,"credits":{"remaining":1}`), "") }},
		{"with a refill that is due", func(s *site) *subject {
			return s.key(`,"credits":{"remaining":0,"refill":{"amount":1000,"every":"1h"}}`)
		}},
		{"with a refill to come", func(s *site) *subject {
			return s.key(`,"credits":{"remaining":0,"refill":{"amount":1000,"every":"daily"}}`)
		}},

		{"with a limit", func(s *site) *subject { return open(s, requests, plenty) }},
		{"with a limit and no credits left", func(s *site) *subject { return open(s, requests, plenty+`,"credits":{"remaining":0}`) }},
		{"with a limit that is used up", func(s *site) *subject {
			return s.use(open(s, requests, `,"credits":{"remaining":10},"limits":[`+long("requests", 1, true)+`]`), "")
		}},
		{"with a limit that is free again", func(s *site) *subject {
			of := open(s, requests, `,"limits":[{"name":"requests","max":30,"window":"1h","algorithm":"fixed"}]`)
			return s.use(of, `,"limits":[{"name":"requests","cost":30}]`)
		}},
		{"with one of two limits used up", func(s *site) *subject {
			of := open(s, map[string]bool{"requests": true, "few": true}, `,"limits":[`+long("requests", 1000, true)+`,`+long("few", 1, true)+`]`)
			return s.use(of, "")
		}},
		{"with a limit for those who name it", func(s *site) *subject {
			return open(s, map[string]bool{"requests": true, "exports": false}, `,"limits":[`+long("requests", 1000, true)+`,`+long("exports", 1000, false)+`]`)
		}},
		{"with a used-up limit for those who name it", func(s *site) *subject {
			of := open(s, map[string]bool{"exports": false}, `,"limits":[`+long("exports", 1, false)+`]`)
			return s.use(of, `,"limits":[{"name":"exports","cost":1}]`)
		}},
		{"of an identity whose limit is used up", func(s *site) *subject {
			s.identity("", "team", `,"limits":[`+long("shared", 1, true)+`]`)
			shared := map[string]bool{"shared": true}
			s.use(open(s, shared, `,"external_id":"team"`), "")
			return open(s, shared, `,"external_id":"team","credits":{"remaining":10}`)
		}},
		{"with places for many", func(s *site) *subject { return open(s, inflight, `,"limits":[{"name":"inflight","concurrent":1000}]`) }},
		{"with places and no credits left", func(s *site) *subject {
			return open(s, inflight, `,"limits":[{"name":"inflight","concurrent":1000}],"credits":{"remaining":0}`)
		}},
		{"with no place left", func(s *site) *subject {
			of := open(s, inflight, `,"limits":[{"name":"inflight","concurrent":1}],"credits":{"remaining":1000}`)
			of.before = func() {
				of.before = nil
				s.use(of, `,"cost":0`)
			}
			return of
		}},
		{"with a request's own limit used up", func(s *site) *subject {
			of := s.key(`,"credits":{"remaining":10}`)
			of.before = func() {
				of.before = nil
				s.use(of, `,"cost":0,"limits":[{"name":"burst","max":1,"window":"1h","algorithm":"fixed","cost":1}]`)
			}
			return of
		}},
	}
}

// faults are what can be wrong with a key at once, in the order in which it is
// told. Questions add another keyspace and missing permissions to them.
var faults = []string{"the workspace", "the identity", "the key", "expiry", "the address", "the limit", "the credits"}

// faultyStates are those of keys with all faults from one on.
func faultyStates() (out []keyState) {
	for first := range faults {
		out = append(out, keyState{"with every fault from " + faults[first] + " on", func(s *site) *subject { return s.faulty(first) }})
	}
	return out
}

// faulty makes a key of a workspace of its own that has all faults from one on.
func (s *site) faulty(first int) *subject {
	s.Helper()
	slug := fmt.Sprintf("faulty-%d", first)
	s.workspaceOf("", slug)
	of := s.makeKey(slug, `{"keyspace":"open","external_id":"owner","credits":{"remaining":2},"limits":[`+long("requests", 1, true)+`]}`, map[string]bool{"requests": true})
	if s.use(of, `,"limits":[{"name":"requests","cost":0}]`); first <= 5 {
		s.use(of, "")
	} else {
		s.use(of, `,"limits":[{"name":"requests","cost":0}]`)
	}
	for i := first; i < len(faults); i++ {
		switch i {
		case 0:
			s.manage("", "PATCH", "/workspaces/"+slug, `{"enabled":false}`, nil)
		case 1:
			s.manage(slug, "PATCH", "/identities/owner", `{"enabled":false}`, nil)
		case 2:
			s.patch(of, `{"enabled":false}`)
		case 3:
			s.patch(of, `{"expires_at":`+soon+`}`)
		case 4:
			s.patch(of, `{"allowed_ips":["192.0.2.0/24"]}`)
		}
	}
	return of
}
