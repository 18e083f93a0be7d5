package native

import (
	"encoding/base64"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json"

	"latchkey"
	"latchkey/internal/httpapi"
	"latchkey/internal/keys"
)

// groups are what usage can be grouped by.
var groups = []string{"outcome", "key", "identity", "tag"}

func (d *Dialect) listUsage(w http.ResponseWriter, r *http.Request, c *httpapi.Call) error {
	p := query(r, "limit", "cursor", "key", "identity", "keyspace", "tag", "from", "to", "bucket", "group_by")
	limit := p.limit()
	q := keys.UsageQuery{
		Identity: p.text("identity"), Keyspace: p.text("keyspace"),
		UsageFilter: keys.UsageFilter{
			KeyID: p.text("key"), Tag: p.usageTag(), From: p.time("from"), To: p.time("to"),
			Bucket: keys.Bucket(p.oneOf("bucket", "hour", "day", "month")), By: p.groups(),
			Word: func(o keys.Outcome) string { return outcomes[o] }, Limit: limit + 1,
		},
	}
	p.usageCursor(&q)
	if err := p.faults.Err(); err != nil {
		return err
	}
	sums, q, err := d.manager.Usage(r.Context(), c.Actor, q)
	if err != nil {
		return inQuery(err)
	}
	out := latchkey.List[latchkey.UsageSum]{Data: []latchkey.UsageSum{}}
	if len(sums) > limit {
		sums = sums[:limit]
		next := usageCursorAfter(&q, &sums[limit-1], p.values.Get("group_by"))
		out.NextCursor = &next
	}
	for i := range sums {
		out.Data = append(out.Data, wireUsage(&sums[i], q.By))
	}
	return httpapi.WriteJSON(w, http.StatusOK, "application/json", out)
}

func wireUsage(u *keys.UsageSum, by keys.UsageGroups) latchkey.UsageSum {
	out := latchkey.UsageSum{
		Start: latchkey.Time{Time: u.Start}, Outcome: u.Outcome, Key: u.KeyID, Tag: u.Tag,
		Count: u.N, Credits: u.Credits, SpendMicros: u.Micros,
	}
	switch {
	case !by.Owner:
	case u.Owner.ID == "":
		out.Identity = latchkey.Null[latchkey.IdentityRef]()
	default:
		out.Identity = latchkey.Some(latchkey.IdentityRef{ID: u.Owner.ID, ExternalID: textOrNull(u.Owner.ExternalID)})
	}
	return out
}

// usageTag returns a tag as it is counted.
func (p *params) usageTag() string {
	tag := p.text("tag")
	if utf8.RuneCountInString(tag) > 128 {
		p.faults.Add(parameter+"tag", "must be 1 to 128 characters")
	}
	return string(keys.NewTagSet([]string{tag}))
}

func (p *params) groups() (by keys.UsageGroups) {
	text := p.text("group_by")
	if text == "" {
		return by
	}
	names := strings.Split(text, ",")
	for i, name := range names {
		if !slices.Contains(groups, name) || slices.Contains(names[:i], name) {
			p.faults.Add(parameter+"group_by", "must be some of %s, each once, separated by commas", strings.Join(groups, ", "))
			break
		}
	}
	has := func(name string) bool { return slices.Contains(names, name) }
	return keys.UsageGroups{Outcome: has("outcome"), Key: has("key"), Owner: has("identity"), Tag: has("tag")}
}

// A usagePlace is what the cursor of a page says: the last row, and what was
// asked, since that may depend on the time of the first page.
type usagePlace struct {
	From     int64  `json:"f"` // milliseconds
	To       int64  `json:"t"`
	Bucket   string `json:"b"`
	GroupBy  string `json:"g"`
	Start    int64  `json:"s"`
	Outcome  string `json:"o"`
	Key      string `json:"k"`
	Identity string `json:"i"`
	Tag      string `json:"l"`
}

func usageCursorAfter(q *keys.UsageQuery, last *keys.UsageSum, groupBy string) string {
	b, err := json.Marshal(usagePlace{
		From: q.From.UnixMilli(), To: q.To.UnixMilli(), Bucket: string(q.Bucket), GroupBy: groupBy,
		Start: last.Start.UnixMilli(), Outcome: last.Outcome, Key: last.KeyID, Identity: last.Owner.ID, Tag: last.Tag,
	})
	if err != nil {
		panic(err) // texts and numbers
	}
	return base64.RawURLEncoding.EncodeToString(b)
}

// usageCursor goes on after the last row of the page before, in the time that
// the first page was about.
func (p *params) usageCursor(q *keys.UsageQuery) {
	if !p.values.Has("cursor") {
		return
	}
	var at usagePlace
	b, err := base64.RawURLEncoding.DecodeString(p.values.Get("cursor"))
	if err == nil {
		err = json.Unmarshal(b, &at, json.RejectUnknownMembers(true))
	}
	bucket := q.Bucket
	if bucket == "" {
		bucket = keys.HourBucket
	}
	if err != nil || at.Bucket != string(bucket) || at.GroupBy != p.values.Get("group_by") {
		p.faults.Add(parameter+"cursor", "is not one that a list of these has answered")
		return
	}
	if q.From.IsZero() {
		q.From = time.UnixMilli(at.From).UTC()
	}
	if q.To.IsZero() {
		q.To = time.UnixMilli(at.To).UTC()
	}
	q.After = &keys.UsageSum{Start: time.UnixMilli(at.Start).UTC(), Outcome: at.Outcome, KeyID: at.Key,
		Owner: keys.Owner{ID: at.Identity}, Tag: at.Tag}
}
