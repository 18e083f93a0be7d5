package native

import (
	"bytes"
	"encoding/json"

	"github.com/go-json-experiment/json/jsontext"

	"latchkey/internal/keys"
)

// noMeta is a document without members, which is kept as "".
const noMeta = "{}"

// metadata returns a document in the form in which it is kept and answered, so
// that what is sent back as it came is the same; "" is null.
func metadata(doc json.RawMessage, faults *keys.Faults) string {
	if len(doc) == 0 {
		return ""
	}
	if doc[0] != '{' {
		faults.Add("meta", "must be an object")
		return ""
	}
	v := jsontext.Value(bytes.Clone(doc))
	if err := v.Compact(jsontext.PreserveRawStrings(false)); err != nil {
		faults.Add("meta", "is not valid JSON")
		return ""
	}
	return string(v)
}

// keptMeta returns the metadata of a new key.
func keptMeta(doc string) string {
	if doc == noMeta {
		return ""
	}
	return doc
}

// mergeMeta returns the document that a patch makes of the present one (RFC
// 7396). No patch can ask for a null in it; one that sends the present document
// back, nulls and all, leaves it.
func mergeMeta(present, patch string) string {
	if patch == "" {
		return ""
	}
	if canonical([]byte(present)) == canonical([]byte(patch)) {
		return present
	}
	return keptMeta(string(mergePatch(jsontext.Value(present), jsontext.Value(patch))))
}

// mergePatch merges two valid JSON values; nil stands for none. Members keep
// their order.
func mergePatch(present, patch jsontext.Value) jsontext.Value {
	if patch.Kind() != '{' {
		return patch
	}
	names, values := membersOf(present)
	changed, changes := membersOf(patch)
	for _, name := range changed {
		old, there := values[name]
		if !there {
			names = append(names, name)
		}
		values[name] = nil
		if change := changes[name]; change.Kind() != 'n' {
			values[name] = mergePatch(old, change)
		}
	}
	out := []byte{'{'}
	for _, name := range names {
		if values[name] == nil {
			continue
		}
		if len(out) > 1 {
			out = append(out, ',')
		}
		out, _ = jsontext.AppendQuote(out, name) // which has been read, and is UTF-8
		out = append(append(out, ':'), values[name]...)
	}
	return append(out, '}')
}

// membersOf returns the names of an object's members in their order, and their
// values; none of what is no object.
func membersOf(v jsontext.Value) (names []string, values map[string]jsontext.Value) {
	values = map[string]jsontext.Value{}
	if v.Kind() != '{' {
		return nil, values
	}
	d := jsontext.NewDecoder(bytes.NewReader(v))
	d.ReadToken()
	for d.PeekKind() == '"' {
		name, err := d.ReadToken()
		if err != nil {
			break
		}
		key := name.String()
		value, err := d.ReadValue()
		if err != nil {
			break
		}
		names, values[key] = append(names, key), value.Clone()
	}
	return names, values
}
