package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"unicode"
	"unicode/utf16"

	"github.com/go-json-experiment/json/jsontext"
)

// A field is a member of what is shown, under the path of its name.
type field struct{ name, text string }

// none is what stands for null and for an empty list.
const none = "-"

// show prints one thing, as the flags want it.
func (c *call) show(v any) error {
	doc, err := encode(v)
	if err != nil {
		return err
	}
	out := c.cmd.OutOrStdout()
	if c.is("json") {
		_, err := fmt.Fprintf(out, "%s\n", doc)
		return err
	}
	fields, err := flatten("", doc)
	if err != nil {
		return err
	}
	if c.is("quiet") {
		_, err := fmt.Fprintln(out, essence(fields))
		return err
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, f := range fields {
		fmt.Fprintf(w, "%s\t%s\n", f.name, f.text)
	}
	isSecret := func(f field) bool { return f.name == "secret" }
	if len(fields) > 1 && slices.ContainsFunc(fields, isSecret) { // alone, it was revealed
		fmt.Fprintf(w, "\nThe secret is shown this once: keep it where only its holder can read it.\n")
	}
	return w.Flush()
}

// showList prints rows, as the flags want them. The columns are paths.
func (c *call) showList(columns []string, rows any) error {
	doc, err := encode(rows)
	if err != nil {
		return err
	}
	out := c.cmd.OutOrStdout()
	if c.is("json") {
		_, err := fmt.Fprintf(out, "%s\n", doc)
		return err
	}
	var docs []json.RawMessage
	if err := json.Unmarshal(doc, &docs); err != nil {
		return err
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	if !c.is("quiet") {
		fmt.Fprintln(w, strings.ToUpper(strings.Join(columns, "\t")))
	}
	for _, row := range docs {
		fields, err := flatten("", jsontext.Value(row))
		if err != nil {
			return err
		}
		if c.is("quiet") {
			fmt.Fprintln(w, essence(fields))
			continue
		}
		fmt.Fprintln(w, strings.Join(cells(columns, fields), "\t"))
	}
	return w.Flush()
}

// cells returns the fields that the columns name.
func cells(columns []string, fields []field) []string {
	row := make([]string, len(columns))
	for i, column := range columns {
		row[i] = none
		if at := slices.IndexFunc(fields, func(f field) bool { return f.name == column }); at >= 0 {
			row[i] = fields[at].text
		}
	}
	return row
}

// is returns a flag that every client has.
func (c *call) is(flag string) bool {
	on, err := c.cmd.Flags().GetBool(flag)
	return on && err == nil
}

// essence is what --quiet prints.
func essence(fields []field) string {
	for _, name := range []string{"secret", "count", "outcome", "id"} {
		if at := slices.IndexFunc(fields, func(f field) bool { return f.name == name }); at >= 0 {
			return fields[at].text
		}
	}
	return fields[0].text
}

// encode writes JSON in which nothing moves a terminal's cursor.
func encode(v any) (jsontext.Value, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	var out []byte
	for _, r := range string(bytes.TrimSpace(b.Bytes())) {
		if !unsafeRune(r) {
			out = fmt.Appendf(out, "%c", r)
			continue
		}
		for _, unit := range utf16.Encode([]rune{r}) {
			out = fmt.Appendf(out, `\u%04x`, unit)
		}
	}
	return out, nil
}

// unsafeRune reports whether a character does something to a terminal beside
// being shown.
func unsafeRune(r rune) bool {
	return unicode.IsControl(r) || unicode.In(r, unicode.Bidi_Control, unicode.Zl, unicode.Zp)
}

// printable returns a text for a terminal. What it replaces can be seen, so that
// two names that differ never look the same.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unsafeRune(r) {
			return unicode.ReplacementChar
		}
		return r
	}, s)
}

// opaque are the members whose content is somebody else's, and is shown as JSON.
var opaque = []string{"meta", "key.meta", "key.identity.meta", "before", "after"}

// flatten returns the members of a document, in its order: those of an object
// under paths, and a list of objects as one field for each.
func flatten(path string, doc jsontext.Value) ([]field, error) {
	switch kind := doc.Kind(); {
	case kind == jsontext.KindNull:
		return []field{{path, none}}, nil
	case slices.Contains(opaque, path):
		return []field{{path, printable(string(doc))}}, nil
	case kind == jsontext.KindBeginObject:
		return flattenObject(path, doc)
	case kind == jsontext.KindBeginArray:
		return flattenList(path, doc)
	}
	return []field{{path, scalar(doc)}}, nil
}

func flattenObject(path string, doc jsontext.Value) ([]field, error) {
	var fields []field
	err := walk(doc, func(name string, member jsontext.Value) error {
		if path != "" {
			name = path + "." + name
		}
		inner, err := flatten(name, member)
		fields = append(fields, inner...)
		return err
	})
	return fields, err
}

// flattenList joins a list of texts, and writes each object on a line.
func flattenList(path string, doc jsontext.Value) ([]field, error) {
	var texts []string
	var fields []field
	err := walk(doc, func(_ string, element jsontext.Value) error {
		if element.Kind() != jsontext.KindBeginObject {
			texts = append(texts, scalar(element))
			return nil
		}
		inner, err := flattenObject("", element)
		var line []string
		for _, f := range inner {
			if f.text != none {
				line = append(line, f.name+"="+f.text)
			}
		}
		fields = append(fields, field{path, strings.Join(line, " ")})
		return err
	})
	if len(fields) == 0 {
		text := strings.Join(texts, ", ")
		if text == "" {
			text = none
		}
		fields = []field{{path, text}}
	}
	return fields, err
}

// walk calls a function with each member of an object, or each element of a
// list, in order.
func walk(doc jsontext.Value, do func(name string, v jsontext.Value) error) error {
	d := jsontext.NewDecoder(bytes.NewReader(doc))
	begin, err := d.ReadToken()
	if err != nil {
		return err
	}
	for d.PeekKind() != jsontext.KindEndObject && d.PeekKind() != jsontext.KindEndArray {
		name := ""
		if begin.Kind() == jsontext.KindBeginObject {
			token, err := d.ReadToken()
			if err != nil {
				return err
			}
			name = token.String()
		}
		v, err := d.ReadValue()
		if err != nil {
			return err
		}
		if err := do(name, v.Clone()); err != nil {
			return err
		}
	}
	if _, err := d.ReadToken(); err != io.EOF && err != nil {
		return err
	}
	return nil
}

// scalar returns a text without quotes, and anything else as JSON has it.
func scalar(doc jsontext.Value) string {
	if doc.Kind() != jsontext.KindString {
		return printable(string(doc))
	}
	var s string
	if err := json.Unmarshal(doc, &s); err != nil {
		return none
	}
	return printable(s)
}
