package latchkey

import (
	"context"
	"iter"
	"net/url"
	"time"
)

// selfPath is the path of the key that a call carries.
const selfPath = "/whoami"

// Whoami tells what the key is that the client carries, any key, and takes
// nothing from it.
func (c *Client) Whoami(ctx context.Context) (Whoami, error) {
	return exchange[Whoami](ctx, c, call{method: "GET", path: selfPath})
}

// EndSelf ends the key that the client carries, any key: who finds one that
// leaked can kill it.
func (c *Client) EndSelf(ctx context.Context) error {
	return run(ctx, c, call{method: "DELETE", path: selfPath})
}

// An EventQuery says which events to list; its zero value lists all.
type EventQuery struct {
	Key    string    // events that concern one key, its secrets and credits too
	Actor  string    // events by one actor, by id
	Action string    // events of one action, such as key.update
	From   time.Time // not before this time
	To     time.Time // before this time
	Page
}

func (q EventQuery) values() url.Values {
	v := q.Page.values()
	setText(v, "key", q.Key)
	setText(v, "actor", q.Actor)
	setText(v, "action", q.Action)
	setTime(v, "from", q.From)
	setTime(v, "to", q.To)
	return v
}

// ListEvents returns one page of the audit log, the newest first.
func (c *Client) ListEvents(ctx context.Context, q EventQuery) (List[Event], error) {
	return list[Event](ctx, c, "/events", q.values())
}

// Events yields the audit log, the newest first. An error ends it.
func (c *Client) Events(ctx context.Context, q EventQuery) iter.Seq2[Event, error] {
	return all[Event](ctx, c, "/events", q.values())
}

// Server tells the server's version, its revision and its dialects, to anybody.
func (c *Client) Server(ctx context.Context) (Server, error) {
	return exchange[Server](ctx, c, call{method: "GET", path: "/server", public: true})
}

// OpenAPI returns the specification of the server's native API, as YAML. That
// of this package is the variable [OpenAPI].
func (c *Client) OpenAPI(ctx context.Context) (string, error) {
	body, _, err := c.send(ctx, &call{method: "GET", path: "/openapi.yaml", public: true})
	return string(body), err
}

// Problem returns a short text about a code of an [Error].
func (c *Client) Problem(ctx context.Context, code string) (string, error) {
	body, _, err := c.send(ctx, &call{method: "GET", path: pathOf("/problems", code), public: true})
	return string(body), err
}
