package native

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"latchkey"
	"latchkey/internal/keys"
	"latchkey/internal/span"
)

// everyMember sets every member of a policy to something else than the default.
const everyMember = `{
	"prefix":"pk","secret":{"format":"hex","length":40},"hint":{"store":false,"length":2},"environments":["live","test"],
	"name":{"required":true,"min":2,"max":20},"meta":{"allowed":false,"max_bytes":100},
	"expiry":{"required":true,"custom":false,"default":"2d","min":"1d","max":"90d"},
	"limits":[{"name":"requests","max":5,"window":"1m","algorithm":"fixed","auto_apply":false}],"permissions":["docs.read"],
	"credits":{"remaining":7,"refill":{"amount":3,"every":"monthly","day":5,"mode":"add"}},
	"grantable":["docs.*"],"permission_wildcards":false,"owner":"user","session":{"enabled":true,"headers":["x-key"]},
	"purge":{"expired":true,"used_up":true},"limiter_down":"refuse","recoverable":true,"self_list":false,"verify_without_root_key":true}`

// TestPolicyMembers sets every member of a policy by its name here: it reaches
// the core, and comes back as it was sent. Null takes all of them back.
func TestPolicyMembers(t *testing.T) {
	set := func(policy string) keys.Policy {
		ks, err := Keyspaces([]byte(`[{"slug":"all","policy":` + policy + `}]`))
		if err != nil {
			t.Fatal(err)
		}
		return ks[0].Policy
	}
	p, def := set(everyMember), keys.DefaultPolicy()
	sameMembers(t, "", reflect.ValueOf(p), reflect.ValueOf(def))

	var sent, back map[string]any
	if err := json.Unmarshal([]byte(everyMember), &sent); err != nil {
		t.Fatal(err)
	}
	sent["credits"].(map[string]any)["refills_at"] = nil // which a policy has not
	answer, err := json.Marshal(wirePolicy(&p))
	if err == nil {
		err = json.Unmarshal(answer, &back)
	}
	if err != nil || !reflect.DeepEqual(back, sent) {
		t.Errorf("%v: sent %v, answered %v", err, sent, back)
	}
	for _, f := range reflect.VisibleFields(reflect.TypeFor[latchkey.PolicySettings]()) {
		if name, _, _ := strings.Cut(f.Tag.Get("json"), ","); sent[name] == nil {
			t.Errorf("everyMember leaves out %s", name)
		}
	}

	ks := keys.Keyspace{Policy: p}
	nulls := `{"slug":"all","policy":{`
	for name := range sent {
		nulls += `"` + name + `":null,`
	}
	var in latchkey.KeyspaceSettings
	if err := json.Unmarshal([]byte(strings.TrimSuffix(nulls, ",")+`}}`), &in); err != nil {
		t.Fatal(err)
	}
	var faults keys.Faults
	if applyKeyspace(&ks, &in, &faults); len(faults) > 0 || !reflect.DeepEqual(wirePolicy(&ks.Policy), wirePolicy(&def)) {
		t.Errorf("null makes %+v, %v", ks.Policy, faults)
	}
}

// sameMembers reports members that are alike in two policies.
func sameMembers(t *testing.T, at string, a, b reflect.Value) {
	for f, member := range a.Fields() {
		path, other := at+"."+f.Name, b.FieldByIndex(f.Index)
		switch {
		case f.Type.Kind() == reflect.Struct && f.Type != reflect.TypeFor[span.Span]():
			sameMembers(t, path, member, other)
		case reflect.DeepEqual(member.Interface(), other.Interface()):
			t.Errorf("%s is not set by any member", path)
		}
	}
}
