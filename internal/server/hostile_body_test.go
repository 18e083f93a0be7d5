package server

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strings"
)

// bodies returns a good body for each end of a path.
func (h *hostile) bodies() map[string]string {
	k, id := h.one(slices.Concat(h.checked, h.others)...), h.one(h.ids...)
	return map[string]string{
		"/verify":       `{"key":"` + k + `","permissions":"a.b AND (c OR d)","cost":1,"limits":[{"name":"l","cost":2},{"name":"x","max":5,"window":"1m","algorithm":"gcra"}],"ip":"1.2.3.4","tags":["t"],"min_revision":1,"keyspace":"default"}`,
		"/verify/batch": `{"requests":[{"key":"` + k + `"},{"key":"nope","cost":-1},{"key":"` + k + `","cost":0,"limits":[]}]}`,
		"/keys":         `{"name":"n","keyspace":"default","environment":"live","enabled":true,"external_id":"o","meta":{"a":{"b":[1,2]}},"permissions":["p.q"],"roles":[],"allowed_ips":["10.0.0.0/8"],"expires_at":"2099-01-01T00:00:00Z","limits":[{"name":"l","max":1,"window":"1m","algorithm":"gcra","auto_apply":false}],"credits":{"remaining":5,"refill":{"amount":1,"every":"monthly","day":31,"mode":"add"}},"budget":null}`,
		"/keys/{id}":    `{"name":"n","environment":null,"enabled":true,"meta":{"a":null},"permissions":["read"],"limits":[],"credits":null}`,
		"/rotate":       `{"overlap":"1h"}`,
		"/credits":      `{"operation":"increment","amount":5}`,
		"/permissions":  `{"add":["x"],"remove":["y"]}`,
		"/roles":        `{"add":[],"remove":["y"]}`,

		"/api/v1/keys": `{"name":"n","limit":5.5,"limit_reset":"monthly","include_byok_in_limit":true,"expires_at":"2099-01-01T00:00:00Z","creator_user_id":"n","external":{"user":"n"},"label":"n"}`,
		"/keys/{hash}": `{"name":"n","disabled":false,"limit":1,"limit_reset":null,"include_byok_in_limit":false}`,

		".verifyKey":        `{"key":"` + k + `","apiId":"default","authorization":{"permissions":{"and":["read",{"or":["a",null,"b"]}]}},"remaining":{"cost":1},"ratelimit":{"cost":1},"ratelimits":[{"name":"l","cost":2},{"name":"x","limit":5,"duration":60000}],"tags":["t"]}`,
		".createKey":        `{"apiId":"default","prefix":"n","byteLength":20,"name":"n","externalId":"o","meta":{"a":[1]},"roles":["n"],"permissions":["p.n"],"expires":4102444800000,"remaining":5,"refill":{"interval":"monthly","amount":1,"refillDay":31},"ratelimit":{"limit":1,"duration":1000},"enabled":true,"environment":"n"}`,
		".updateKey":        `{"keyId":"` + id + `","name":null,"ownerId":"n","meta":null,"expires":null,"remaining":7,"refill":{"interval":"daily","amount":1},"ratelimit":null,"permissions":[{"name":"n","create":true}],"roles":[{"name":"n","create":true}]}`,
		".updateRemaining":  `{"keyId":"` + id + `","op":"decrement","value":1}`,
		".addPermissions":   `{"keyId":"` + id + `","permissions":[{"id":"n"},{"name":"n","slug":"n","create":true}]}`,
		".addRoles":         `{"keyId":"` + id + `","roles":[{"name":"n","create":true}]}`,
		".whoami":           `{"key":"` + k + `"}`,
		".createIdentity":   `{"externalId":"n n n","meta":{"n":1},"ratelimits":[{"name":"n","limit":1,"duration":1000}]}`,
		".updateIdentity":   `{"externalId":"o","meta":{"n":1},"ratelimits":[{"name":"n","limit":1,"duration":1000}]}`,
		".createPermission": `{"name":"p.n","slug":"p.n","description":"n"}`,
	}
}

// body makes a body for a path: a good one in which something is changed, one
// of another path, or what is none.
func (h *hostile) body(path string) string {
	bodies := h.bodies()
	ends := slices.Sorted(maps.Keys(bodies))
	good := bodies[h.one(ends...)]
	if i := slices.IndexFunc(ends, func(end string) bool { return strings.HasSuffix(path, end) }); i >= 0 && h.rand.IntN(6) > 0 {
		good = bodies[ends[i]]
	}
	switch h.rand.IntN(20) {
	case 0, 1:
		return ""
	case 2:
		return good[:h.rand.IntN(len(good))]
	case 3:
		return good + h.one(good, "x", "}", " \x00", "[]")
	case 4:
		return h.one(strings.Repeat("[", 20_000), strings.Repeat("[", 30_000)+strings.Repeat("]", 30_000),
			strings.Repeat(`{"a":`, 2_000)+"1"+strings.Repeat("}", 2_000), `{"meta":`+strings.Repeat("[", 9_000)+strings.Repeat("]", 9_000)+`}`)
	case 5:
		return h.one(strings.Repeat("x", 70_000), `{"name":"`+strings.Repeat("n", 60_000)+`"}`, `{`+strings.Repeat(`"n":1,`, 10_000)+`"n":1}`,
			`{"permissions":[`+strings.Repeat(`"p",`, 12_000)+`"p"]}`, `{"requests":[`+strings.Repeat("{},", 20_000)+"{}]}")
	case 6:
		return h.one("null", "[]", "1", `"text"`, "\xff\xfe", "\x00", "{\"key\":\"\xff\"}", `{"key":"`+`\ud800`+`"}`, "NaN", "{'a':1}", "\ufeff{}", h.anySecret(), `"`+h.anySecret()+`"`)
	case 7, 8:
		b := []byte(good)
		for range 1 + h.rand.IntN(4) {
			b[h.rand.IntN(len(b))] = byte(h.rand.IntN(256))
		}
		return string(b)
	case 9, 10, 11, 12:
		return good
	}
	return h.twist(good)
}

// twist changes one to three members, and names one twice now and then.
func (h *hostile) twist(good string) string {
	var doc map[string]any
	if err := json.Unmarshal([]byte(good), &doc); err != nil {
		h.t.Errorf("a good body is none: %v: %s", err, good)
		return good
	}
	for range 1 + h.rand.IntN(3) {
		h.twistOne(doc)
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(doc); err != nil {
		h.t.Errorf("a twisted body cannot be written: %v", err)
	}
	out := b.String()
	switch h.rand.IntN(12) {
	case 0, 1:
		out = strings.Replace(out, "{", `{"`+h.one("key", "name", "enabled", "cost", "meta", h.secret())+`":`+h.one("1", "null", `"a"`, "{}")+",", 1)
	case 2: // numbers that no encoder writes
		out = strings.Replace(out, ":1", ":"+h.one("1e999", "-0", "01", "0x1", "1.", ".5", "+1", "-", "1e", "Infinity", strings.Repeat("9", 5000)), 1)
	case 3: // the same by other bytes
		out = strings.Replace(out, `"n`, `"\u006e`, 1)
	}
	return out
}

func (h *hostile) twistOne(m map[string]any) {
	names := append(slices.Sorted(maps.Keys(m)), h.one("extra", h.secret(), "", "__proto__", "a/b~c", "id", "hint", "secrets", "created_at", "secret", "identity",
		"\u2028", "\x00", strings.Repeat("n", 5000)))
	name := h.one(names...)
	switch v := m[name].(type) {
	case map[string]any:
		if len(v) > 0 && h.rand.IntN(2) == 0 {
			h.twistOne(v)
			return
		}
	case []any:
		if len(v) > 0 && h.rand.IntN(2) == 0 {
			at := h.rand.IntN(len(v))
			if inner, ok := v[at].(map[string]any); ok {
				h.twistOne(inner)
			} else {
				v[at] = h.value()
			}
			return
		}
	}
	switch h.rand.IntN(8) {
	case 0:
		delete(m, name)
	case 1: // under another name
		m[h.one(h.secret(), strings.ToUpper(name), name+"x", "constructor")] = m[name]
		delete(m, name)
	default:
		m[name] = h.value()
	}
}

// value returns a value that most members cannot have.
func (h *hostile) value() any {
	if h.rand.IntN(4) == 0 {
		return h.one(h.secret(), h.secret(), "Bearer "+h.secret())
	}
	values := []any{
		nil, true, false, 0, -1, 1.5, 1e300, json.Number("99999999999999999999"), json.Number("-9223372036854775809"), json.Number("1e2"), "", "a", " ",
		"\x00", "\u202e", "\ufffd", strings.Repeat("long", 5000), strings.Repeat("\u00e4", 257),
		[]any{}, []any{nil}, []any{h.secret()}, []any{"p", "p"}, map[string]any{}, map[string]any{h.secret(): h.secret()}, map[string]any{"a": []any{h.secret()}},
		"99999999999999999999d", "0s", "-1s", "1h30m", "366d", "2026-02-30T00:00:00Z", "9999-12-31T23:59:59Z", "0001-01-01T00:00:00Z", "1999-01-01T00:00:00Z",
		"::ffff:1.2.3.4/200", "1.2.3.4/33", "fe80::1%eth0", "a AND", "((((", strings.Repeat("(", 999), "a OR OR b", strings.Repeat("a AND ", 200) + "a", "keys.*.*", "*",
		"\U0001f5dd", "key_00000000000000000", "default", "nowhere", "%s%n", "${jndi:ldap://a}", "' OR 1=1 --", map[string]any{"id": h.ids[0]}, map[string]any{"external_id": "o"},
		map[string]any{"remaining": 1e15, "refill": nil}, []any{map[string]any{"name": "l", "max": 1, "window": "1s"}, map[string]any{"name": "l", "max": 1, "window": "1s"}},
	}
	return values[h.rand.IntN(len(values))]
}
