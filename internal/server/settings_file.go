package server

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"go.yaml.in/yaml/v4"
)

// readFile takes the settings of a YAML file. It walks the nodes instead of
// decoding into a struct, so that each fault has its line, and so that no
// error of the YAML library, which may cite a secret, is ever shown.
func (l *loader) readFile(source, path string) {
	data, err := os.ReadFile(path)
	if err != nil {
		l.fault(source, err.Error())
		return
	}
	var docs []yaml.Node
	if err := yaml.Load(data, &docs, yaml.WithAllDocuments()); err != nil {
		at := path
		if e, ok := errors.AsType[*yaml.LoadError](err); ok && e.Mark.Line > 0 {
			at = fmt.Sprintf("%s:%d", path, e.Mark.Line)
		}
		l.fault(at, "is not YAML")
		return
	}
	if len(docs) > 1 {
		l.fault(path, "has more than one document")
		return
	}
	if len(docs) == 0 || isNull(docs[0].Content[0]) {
		return // nothing but comments
	}
	root := docs[0].Content[0]
	if root.Kind != yaml.MappingNode {
		l.fault(fmt.Sprintf("%s:%d", path, root.Line), "is no mapping of settings to values")
		return
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(root.Content); i += 2 {
		l.readMember(path, root.Content[i], root.Content[i+1], seen)
	}
}

func (l *loader) readMember(path string, member, value *yaml.Node, seen map[string]bool) {
	source := fmt.Sprintf("%s:%d: %s", path, member.Line, member.Value)
	setting := memberSetting(member.Value)
	switch {
	case member.Kind != yaml.ScalarNode || setting == nil:
		l.fault(source, "there is no such setting")
		return
	case seen[setting.Name]:
		l.fault(source, "is given twice")
		return
	}
	seen[setting.Name] = true
	text, ok := scalar(value)
	if value.Kind == yaml.SequenceNode && setting.list {
		text, ok = sequence(value)
	}
	switch {
	case !ok && setting.list:
		l.fault(source, "must be a text or a sequence of texts")
	case !ok:
		l.fault(source, "must be a single value")
	case !isNull(value):
		l.set(setting, source, text)
	}
}

func memberSetting(name string) *Setting {
	for _, s := range Settings {
		if s.Name == name && !s.notInFile {
			return s
		}
	}
	return nil
}

func isNull(n *yaml.Node) bool {
	return n.Kind == yaml.ScalarNode && n.Tag == "!!null"
}

func scalar(n *yaml.Node) (string, bool) {
	return n.Value, n.Kind == yaml.ScalarNode
}

func sequence(n *yaml.Node) (string, bool) {
	items := make([]string, len(n.Content))
	for i, item := range n.Content {
		text, ok := scalar(item)
		if !ok {
			return "", false
		}
		items[i] = text
	}
	return strings.Join(items, ","), true
}
