package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// maxData is how much is read of --data, somewhat more than the server takes.
const maxData = 1 << 20

// body returns the request of a call: the document of --data, with the changes
// that flags make to it. Members of the document that only answers have, of
// type R, are left out with a word on stderr: what a get has printed may be sent
// back as it is.
func body[S, R any](c *call) (S, error) {
	var in S
	// 1. The document.
	doc := map[string]any{}
	if name := c.text("data"); name != "" {
		var err error
		if doc, err = readData(c, name); err != nil {
			return in, fmt.Errorf("--data: %w", err)
		}
		if ref, ok := doc["identity"].(string); ok { // the text may stand in the place of the object
			doc["identity"], _ = readOwner(ref)
		}
	}
	// 2. The flags.
	if err := c.putFlags(doc); err != nil {
		return in, err
	}
	// 3. The type. What is lost on the way to it and back cannot be sent.
	again, err := convert(doc, &in)
	if err != nil {
		return in, err
	}
	lost := missing("", doc, again)
	if len(lost) == 0 {
		return in, nil
	}
	var answer R
	answered, err := members(answer)
	if err != nil {
		return in, err
	}
	for _, path := range lost {
		if _, ok := answered[path]; !ok {
			return in, fmt.Errorf("--data: %s: there is no such member, or it is empty", path)
		}
	}
	fmt.Fprintf(c.cmd.ErrOrStderr(), "latchkey: left out, since it cannot be set: %s\n", strings.Join(lost, ", "))
	return in, nil
}

// readData reads the document in a file, or on standard input.
func readData(c *call, name string) (map[string]any, error) {
	from := c.cmd.InOrStdin()
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		from = f
	}
	text, err := c.readAll(from, maxData+1)
	switch {
	case err != nil:
		return nil, err
	case len(text) > maxData:
		return nil, errors.New("the document is too large")
	}
	return readDocument(text)
}

// readDocument reads an object in JSON, without duplicate members, and numbers
// as they are.
func readDocument(text []byte) (map[string]any, error) {
	d := jsontext.NewDecoder(bytes.NewReader(text))
	whole, err := d.ReadValue()
	if err != nil {
		e, ok := errors.AsType[*jsontext.SyntacticError](err)
		if !ok {
			return nil, errors.New("there is no document in JSON")
		}
		return nil, fmt.Errorf("the document is no JSON, at byte %d%s", e.ByteOffset, place(string(e.JSONPointer)))
	}
	whole = whole.Clone() // what is read next takes its place
	if _, err := d.ReadToken(); !errors.Is(err, io.EOF) {
		return nil, errors.New("there is something after the document")
	}
	if whole.Kind() != jsontext.KindBeginObject {
		return nil, errors.New("the document must be an object in JSON")
	}
	return decodeObject(whole)
}

func place(pointer string) string {
	if pointer == "" {
		return ""
	}
	return ", in " + strings.TrimPrefix(pointer, "/")
}

func decodeObject(text []byte) (map[string]any, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var doc map[string]any
	return doc, d.Decode(&doc)
}

// putFlags changes a document by the flags that were given.
func (c *call) putFlags(doc map[string]any) error {
	by := map[string]string{} // path → flag that was given for it
	if v := c.given["clear"]; v.set() {
		names := clearable(c.flags)
		for _, name := range v.given {
			if !slices.Contains(names, name.(string)) {
				return fmt.Errorf("--clear takes %s", strings.Join(names, ", "))
			}
			at := slices.IndexFunc(c.flags, func(m member) bool { return m.flag == name })
			path := c.flags[at].cleared()
			by[path] = "clear " + c.flags[at].flag
			put(doc, path, nil)
		}
	}
	for _, m := range c.flags {
		v := c.given[m.flag]
		if !v.set() {
			continue
		}
		for path, other := range by {
			if path == m.path || strings.HasPrefix(m.path, path+".") {
				return fmt.Errorf("--%s and --%s contradict each other", other, m.flag)
			}
		}
		by[m.path] = m.flag
		put(doc, m.path, v.json())
	}
	return nil
}

// put sets the member at a path, and makes the objects around it.
func put(doc map[string]any, path string, v any) {
	name, rest, deeper := strings.Cut(path, ".")
	if !deeper {
		doc[name] = v
		return
	}
	inner, ok := doc[name].(map[string]any)
	if !ok {
		inner = map[string]any{}
		doc[name] = inner
	}
	put(inner, rest, v)
}

// convert makes the value at to what a document says, and returns what that
// value has as a document of its own.
func convert(doc map[string]any, to any) (map[string]any, error) {
	text, err := json.Marshal(doc)
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(text, to); err != nil {
		if e, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
			kind, _, _ := strings.Cut(e.Value, " ") // a number's digits come after it
			return nil, fmt.Errorf("%s: has a wrong type, or is too large: %s", e.Field, kind)
		}
		return nil, err
	}
	return members(to)
}

// members returns a value as a document.
func members(v any) (map[string]any, error) {
	text, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	return decodeObject(text)
}

// missing returns the paths of members that a document has and another has not.
func missing(at string, doc, other any) []string {
	var paths []string
	join := func(name string) string { return strings.TrimPrefix(at+"."+name, ".") }
	switch doc := doc.(type) {
	case map[string]any:
		other, ok := other.(map[string]any)
		for _, name := range slices.Sorted(maps.Keys(doc)) {
			if _, has := other[name]; !has && ok {
				paths = append(paths, join(name))
				continue
			}
			paths = append(paths, missing(join(name), doc[name], other[name])...)
		}
	case []any:
		other, _ := other.([]any)
		for i := range min(len(doc), len(other)) {
			paths = append(paths, missing(join(strconv.Itoa(i)), doc[i], other[i])...)
		}
	}
	return paths
}
