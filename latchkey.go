// Package latchkey speaks with a latchkey server, which issues, verifies,
// limits, meters, rotates and audits API keys.
//
// The types here are the native API's wire types, member by member, and the
// server itself answers with them. The specification of the API is [OpenAPI].
// The package needs nothing outside the standard library.
package latchkey

import _ "embed"

// OpenAPI is the specification of the native API, as YAML.
//
//go:embed openapi.yaml
var OpenAPI string

// BasePath is where a server has the native API.
const BasePath = "/latchkey/v1"
