package main

import (
	"iter"

	"latchkey"
)

var eventsCommand = command{
	use: "events", short: "The audit log: what was done, by whom and when",
	parts: []command{
		{use: "list", short: "List events, the newest first", flags: []member{
			{flag: "key", kind: text, text: "that concern one key, by `ID`; its secrets and credits too"},
			{flag: "actor", kind: text, text: "by one actor, by `ID`"},
			{flag: "action", kind: text, text: "of one `ACTION`, such as key.update"},
			{flag: "from", kind: moment, text: "not before this `TIME`, or day"},
			{flag: "to", kind: moment, text: "before this `TIME`, or day"},
		}, list: true,
			example: "  latchkey events list --action key.delete --from 2026-11-21",
			run:     list("id at action actor.id target.id ip request_id", events)},
	},
}

func events(c *call) iter.Seq2[latchkey.Event, error] {
	return c.client.Events(c.ctx, latchkey.EventQuery{
		Key: c.text("key"), Actor: c.text("actor"), Action: c.text("action"), From: c.time("from"), To: c.time("to"), Page: c.page(),
	})
}
