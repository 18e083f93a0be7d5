package main

import (
	"iter"
	"strings"

	"latchkey"
)

var usageCommand = command{
	use: "usage", short: "Add up verifications by time, with the credits and the money that they took",
	long: "Add up verifications by time, the newest first, with the credits and the money that they took; of\n" +
		"keys that were deleted too. All times are in UTC. Without --from and --to it is about the last 24\n" +
		"hours, 30 days or 12 months.",
	example: "  latchkey usage --key key_… --group-by outcome\n" +
		"  latchkey usage --bucket month --from 2026-01-01 --group-by identity --json",
	flags: []member{
		{flag: "key", kind: text, text: "of one key, by `ID`; also one that was deleted"},
		{flag: "identity", kind: text, text: "of the keys of one `IDENTITY`, by id or external id"},
		{flag: "keyspace", kind: text, text: "of the keys of one `KEYSPACE`, by id or slug"},
		{flag: "tag", kind: text, text: "with this `TAG` among others"},
		{flag: "from", kind: moment, text: "not before this `TIME`, or day"},
		{flag: "to", kind: moment, text: "before this `TIME`, or day"},
		{flag: "bucket", kind: text, values: []string{"hour", "day", "month"}, text: "add up by `BUCKET`: hour, day or month (hour)"},
		{flag: "group-by", kind: text, many: true, values: []string{"outcome", "key", "identity", "tag"},
			text: "keep sums apart by `MEMBERS`: outcome, key, identity or tag, with commas between several. May be given again"},
	},
	list: true, run: usage,
}

// usage lists sums with a column for each member that they are grouped by.
func usage(c *call) error {
	var by []string
	if v := c.given["group-by"]; v.set() {
		for _, names := range v.given {
			by = append(by, strings.Split(names.(string), ",")...)
		}
	}
	columns := "start "
	for _, name := range by {
		if name == "identity" {
			name = "identity.id identity.external_id"
		}
		columns += name + " "
	}
	return list(columns+"count credits spend_micros", func(c *call) iter.Seq2[latchkey.UsageSum, error] {
		return c.client.Usage(c.ctx, latchkey.UsageQuery{
			Key: c.text("key"), Identity: c.text("identity"), Keyspace: c.text("keyspace"), Tag: c.text("tag"),
			From: c.time("from"), To: c.time("to"), Bucket: c.text("bucket"), GroupBy: by, Page: c.page(),
		})
	})(c)
}
