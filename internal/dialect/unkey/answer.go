package unkey

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"latchkey/internal/httpapi"
	"latchkey/internal/keys"
)

const jsonType = "application/json"

// anyOrigin is shared by all answers, which replace header values and never
// change them.
var anyOrigin = []string{"*"}

// common sets the headers that every answer has, errors too.
func common(h http.Header) {
	h["Access-Control-Allow-Origin"] = anyOrigin
	h["Unkey-Request-Id"] = h["X-Request-Id"]
}

// requestID returns the request's id, as headers and answers name it.
func requestID(h http.Header) string { return h.Get("X-Request-Id") }

// answer answers with v, indented where the query asks for it.
func answer(w http.ResponseWriter, r *http.Request, status int, v any) error {
	body, err := json.Marshal(v, json.Deterministic(true), jsontext.AllowInvalidUTF8(true))
	if err != nil {
		return err
	}
	return send(w, r, status, body)
}

// send answers with a body that is JSON.
func send(w http.ResponseWriter, r *http.Request, status int, body []byte) error {
	if pretty(r) {
		v := jsontext.Value(body)
		if err := v.Indent(jsontext.WithIndent("  ")); err != nil {
			return err
		}
		body = v
	}
	common(w.Header())
	httpapi.WriteBody(w, status, jsonType, body)
	return nil
}

// pretty reports whether the query has the parameter of that name, with a value
// or without.
func pretty(r *http.Request) bool {
	if !strings.Contains(r.URL.RawQuery, "pretty") {
		return false
	}
	values, _ := url.ParseQuery(r.URL.RawQuery)
	return values.Has("pretty")
}

// nothing is the answer of endpoints that have nothing to tell.
type nothing struct{}

// An endpoint answers a request that was read.
type endpoint[Req, Resp any] func(ctx context.Context, by keys.Actor, in *Req) (Resp, error)

// post adapts an endpoint whose request is a JSON body. What the vendor does not
// know it passes over.
func post[Req, Resp any](fn endpoint[Req, Resp]) httpapi.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request, c *httpapi.Call) error {
		var in Req
		body, err := httpapi.ReadBody(r, 0)
		if err == nil {
			err = httpapi.Decode(body, &in, httpapi.Decoding{Lenient: true})
		}
		if err != nil {
			return err
		}
		return managed(w, r, c, &in, fn)
	}
}

// get adapts an endpoint whose request is the query of the URL.
func get[Resp any](fn endpoint[params, Resp]) httpapi.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request, c *httpapi.Call) error {
		values, err := url.ParseQuery(r.URL.RawQuery)
		if err != nil {
			return keys.Errorf(keys.Invalid, "the query of the URL cannot be read")
		}
		return managed(w, r, c, &params{values: values}, fn)
	}
}

func managed[Req, Resp any](w http.ResponseWriter, r *http.Request, c *httpapi.Call, in *Req, fn endpoint[Req, Resp]) error {
	out, err := fn(r.Context(), c.Actor, in)
	if err != nil {
		return err
	}
	w.Header().Set("Cache-Control", "no-store")
	return answer(w, r, http.StatusOK, out)
}
