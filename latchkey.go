// Package latchkey speaks with a latchkey server, which issues, verifies,
// limits, meters, rotates and audits API keys.
//
//	client := &latchkey.Client{URL: "https://keys.example.com", RootKey: os.Getenv("LATCHKEY_ROOT_KEY")}
//
//	v, err := client.Verify(ctx, latchkey.VerifyRequest{Key: presented, Permissions: new("docs.read")})
//	switch {
//	case err != nil: // the server could not be asked
//	case !v.Valid: // v.Outcome and v.Detail say why
//	default: // v.Key says whose it is
//	}
//
// A [Guard] does this for every request to a [net/http.Handler].
//
// What the server refuses is an [*Error], whose Code and Errors say what was
// wrong and where. Calls that failed on the way, or that the server had no time
// for, are made again where that is safe: those that change something carry an
// idempotency key, so that they are carried out once. Lists are walked by
// iterators, such as [Client.Keys], or read page by page, as by
// [Client.ListKeys]. In settings a member is absent, null or a value, and
// [Some] and [Null] say which; [IfMatch] makes a change depend on what was read.
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
