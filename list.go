package latchkey

import (
	"context"
	"iter"
	"net/url"
	"strconv"
	"time"
)

// A Page says which part of a list to answer. It is part of every query.
type Page struct {
	Limit  int    // rows in a page, 1 to 200; 0: 50, or 200 for an iterator
	Cursor string // NextCursor of the page before; "": the first page
}

func (p Page) values() url.Values {
	v := url.Values{}
	if p.Limit != 0 {
		v.Set("limit", strconv.Itoa(p.Limit))
	}
	setText(v, "cursor", p.Cursor)
	return v
}

func setText(v url.Values, name, s string) {
	if s != "" {
		v.Set(name, s)
	}
}

func setOptional(v url.Values, name string, s *string) {
	if s != nil {
		v.Set(name, *s)
	}
}

func setTime(v url.Values, name string, t time.Time) {
	if !t.IsZero() {
		v.Set(name, t.UTC().Format(TimeForm))
	}
}

// list answers one page.
func list[T any](ctx context.Context, c *Client, path string, query url.Values) (List[T], error) {
	return exchange[List[T]](ctx, c, call{method: "GET", path: path, query: query})
}

// all yields the rows of a list one by one, page after page. Where a page
// fails, the last pair holds the error.
func all[T any](ctx context.Context, c *Client, path string, query url.Values) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		v := url.Values{"limit": {"200"}}
		for name, values := range query {
			v[name] = values
		}
		for {
			page, err := list[T](ctx, c, path, v)
			if err != nil {
				var none T
				yield(none, err)
				return
			}
			for _, row := range page.Data {
				if !yield(row, nil) {
					return
				}
			}
			if page.NextCursor == nil {
				return
			}
			v.Set("cursor", *page.NextCursor)
		}
	}
}
