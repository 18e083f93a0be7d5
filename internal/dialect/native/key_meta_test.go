package native

import (
	"encoding/json"
	"reflect"
	"testing"

	"pgregory.net/rapid"

	"latchkey/internal/keys"
)

// TestMergeMeta has the cases of RFC 7396 whose documents are objects, and what
// we make of documents sent back as they are.
func TestMergeMeta(t *testing.T) {
	for _, tc := range []struct{ name, present, patch, want string }{
		{"replaced", `{"a":"b"}`, `{"a":"c"}`, `{"a":"c"}`},
		{"added", `{"a":"b"}`, `{"b":"c"}`, `{"a":"b","b":"c"}`},
		{"taken away", `{"a":"b"}`, `{"a":null}`, ``},
		{"one of two taken away", `{"a":"b","b":"c"}`, `{"a":null}`, `{"b":"c"}`},
		{"a list by a text", `{"a":["b"]}`, `{"a":"c"}`, `{"a":"c"}`},
		{"a text by a list", `{"a":"c"}`, `{"a":["b"]}`, `{"a":["b"]}`},
		{"nested", `{"a":{"b":"c"}}`, `{"a":{"b":"d","c":null}}`, `{"a":{"b":"d"}}`},
		{"lists are not merged", `{"a":[{"b":"c"}]}`, `{"a":[1]}`, `{"a":[1]}`},
		{"a null that was there stays", `{"e":null}`, `{"a":1}`, `{"e":null,"a":1}`},
		{"nulls in what is new are left out", ``, `{"a":{"bb":{"ccc":null}}}`, `{"a":{"bb":{}}}`},
		{"an object in the place of a text", `{"a":"foo"}`, `{"a":{"b":null,"c":1}}`, `{"a":{"c":1}}`},
		{"null empties", `{"a":1}`, ``, ``},
		{"an empty patch changes nothing", `{"a":1}`, `{}`, `{"a":1}`},
		{"sent back, nulls and all", `{"a":null,"b":{"c":null}}`, `{"b":{"c":null},"a":null}`, `{"a":null,"b":{"c":null}}`},
		{"names with escapes", `{"\"\\\n":1}`, `{"é":2}`, `{"\"\\\n":1,"é":2}`},
		{"numbers keep their digits", `{"n":12345678901234567890}`, `{"m":1.50}`, `{"n":12345678901234567890,"m":1.50}`},
	} {
		if got := mergeMeta(tc.present, tc.patch); got != tc.want {
			t.Errorf("%s: %s and %s make %s, want %s", tc.name, tc.present, tc.patch, got, tc.want)
		}
	}
}

// TestMetadata shows the one form in which documents are kept.
func TestMetadata(t *testing.T) {
	var faults keys.Faults
	if got, want := metadata(json.RawMessage(`{ "\u00e9" : "\/\u2028" , "n" : 1.50 }`), &faults), "{\"é\":\"/\u2028\",\"n\":1.50}"; got != want || faults != nil {
		t.Errorf("kept as %q, want %q; %v", got, want, faults)
	}
}

// anyObject draws objects in objects.
func anyObject(depth int) *rapid.Generator[map[string]any] {
	values := []*rapid.Generator[any]{
		rapid.Just[any](nil), rapid.Map(rapid.Bool(), func(b bool) any { return b }), rapid.Map(rapid.String(), func(s string) any { return s }),
	}
	if depth > 0 {
		values = append(values, rapid.Map(anyObject(depth-1), func(m map[string]any) any { return m }))
	}
	return rapid.MapOfN(rapid.StringN(0, 2, -1), rapid.OneOf(values...), 0, 3)
}

// merged is the function of RFC 7396, on what encoding/json knows.
func merged(target, patch any) any {
	changes, ok := patch.(map[string]any)
	if !ok {
		return patch
	}
	out := map[string]any{}
	if old, ok := target.(map[string]any); ok {
		for name, value := range old {
			out[name] = value
		}
	}
	for name, change := range changes {
		if change == nil {
			delete(out, name)
		} else {
			out[name] = merged(out[name], change)
		}
	}
	return out
}

func TestMergeMetaIsMergePatch(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		present, patch := anyObject(3).Draw(t, "present"), anyObject(3).Draw(t, "patch")
		want := merged(present, patch)
		if reflect.DeepEqual(present, patch) {
			want = present
		}
		keep := func(v map[string]any) string {
			doc, err := json.Marshal(v)
			if err != nil {
				t.Fatal(err)
			}
			var faults keys.Faults
			text := metadata(doc, &faults)
			if len(faults) > 0 {
				t.Fatalf("%s: %v", doc, faults)
			}
			return text
		}
		got := mergeMeta(keptMeta(keep(present)), keep(patch))
		var value any = map[string]any{}
		if got != "" {
			if err := json.Unmarshal([]byte(got), &value); err != nil {
				t.Fatalf("%v in %s", err, got)
			}
		}
		if !reflect.DeepEqual(value, want) {
			t.Fatalf("made %s, want %v", got, want)
		}
		if again := keptMeta(metadata(json.RawMessage(got), &keys.Faults{})); again != got {
			t.Fatalf("sent back, %s is kept as %s", got, again)
		}
	})
}
