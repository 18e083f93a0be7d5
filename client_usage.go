package latchkey

import (
	"context"
	"iter"
	"net/url"
	"strings"
	"time"
)

// A UsageQuery says which verifications to add up, and by what. Its zero value
// adds up all of the last 24 hours, by the hour.
type UsageQuery struct {
	Key      string // of one key, by id, also one that was deleted
	Identity string // of the keys of one owner, by id or external id
	Keyspace string // of the keys of one keyspace, by id or slug
	Tag      string // with this tag among others

	// Hours that begin in [From, To). Zero: To is the end of the present hour,
	// and From is 24 hours, 30 days or 12 months before. Hours may reach over 31
	// days, days over 400, months over 10 years.
	From, To time.Time

	Bucket string // hour, day or month; "": hour

	// GroupBy names what sums are kept apart by: outcome, key, identity, tag.
	// By tag, a verification is in the sum of each of its tags.
	GroupBy []string

	Page
}

func (q UsageQuery) values() url.Values {
	v := q.Page.values()
	setText(v, "key", q.Key)
	setText(v, "identity", q.Identity)
	setText(v, "keyspace", q.Keyspace)
	setText(v, "tag", q.Tag)
	setTime(v, "from", q.From)
	setTime(v, "to", q.To)
	setText(v, "bucket", q.Bucket)
	setText(v, "group_by", strings.Join(q.GroupBy, ","))
	return v
}

// ListUsage returns one page of sums of verifications, the newest first.
func (c *Client) ListUsage(ctx context.Context, q UsageQuery) (List[UsageSum], error) {
	return list[UsageSum](ctx, c, "/usage", q.values())
}

// Usage yields sums of verifications, the newest first. An error ends it.
func (c *Client) Usage(ctx context.Context, q UsageQuery) iter.Seq2[UsageSum, error] {
	return all[UsageSum](ctx, c, "/usage", q.values())
}
