package native

import (
	"encoding/json"
	"slices"

	"github.com/danielgtaylor/huma/v2"
	"go.yaml.in/yaml/v4"
)

// A documentOrder says in which order people read a document.
type documentOrder struct {
	paths   []string            // in the order of the routes
	members map[string][]string // schema → its members, in the order of the wire
}

// objectOrder is the order of what the objects of OpenAPI and JSON Schema have,
// whatever the object. What is not here follows by the alphabet.
var objectOrder = []string{
	"openapi", "info", "servers", "tags", "paths", "components",
	"title", "version", "name", "in", "operationId", "get", "put", "post", "patch", "delete",
	"$ref", "summary", "description", "license", "identifier", "security", "parameters", "requestBody", "responses",
	"headers", "type", "format", "enum", "const", "minimum", "maximum", "default", "items", "oneOf", "required",
	"additionalProperties", "properties", "content", "schema", "examples", "schemas", "securitySchemes", "scheme", "value",
}

// yaml writes a document in order, in block style.
func (o *documentOrder) yaml(doc *huma.OpenAPI) ([]byte, error) {
	b, err := json.Marshal(doc)
	if err != nil {
		return nil, err
	}
	var n yaml.Node
	if err := yaml.Unmarshal(b, &n); err != nil {
		return nil, err
	}
	o.arrange(&n, "", "")
	return yaml.Dump(&n, yaml.WithLineWidth(110), yaml.WithQuotePreference(yaml.QuoteDouble))
}

// arrange puts the members of what stands under a key in order. schema is the
// name of the schema that it is part of.
func (o *documentOrder) arrange(n *yaml.Node, key, schema string) {
	n.Style = 0
	switch key {
	case "value": // an example is as it is sent
		asSent(n)
		return
	case "required", "enum", "type":
		if n.Kind == yaml.SequenceNode {
			n.Style = yaml.FlowStyle
		}
	}
	if n.Kind != yaml.MappingNode {
		for _, item := range n.Content {
			o.arrange(item, "", schema)
		}
		return
	}
	sortMembers(n, o.of(key, schema))
	for i := 0; i < len(n.Content); i += 2 {
		name, value := n.Content[i], n.Content[i+1]
		name.Style = 0
		if key == "schemas" {
			schema = name.Value
		}
		o.arrange(value, name.Value, schema)
	}
}

// asSent leaves the order of an example's members as it is.
func asSent(n *yaml.Node) {
	n.Style = 0
	for _, c := range n.Content {
		asSent(c)
	}
}

// of returns the order of the members of what stands under a key.
func (o *documentOrder) of(key, schema string) []string {
	switch key {
	case "paths":
		return o.paths
	case "properties":
		return o.members[schema]
	case "responses":
		return nil // by status
	}
	return objectOrder
}

// sortMembers sorts the members of a mapping that are in order as they are
// there, before all others.
func sortMembers(n *yaml.Node, order []string) {
	rank := func(name string) int {
		if i := slices.Index(order, name); i >= 0 {
			return i
		}
		return len(order)
	}
	members := slices.Collect(slices.Chunk(n.Content, 2))
	slices.SortStableFunc(members, func(a, b []*yaml.Node) int { return rank(a[0].Value) - rank(b[0].Value) })
	n.Content = slices.Concat(members...)
}
