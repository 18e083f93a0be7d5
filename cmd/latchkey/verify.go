package main

import (
	"errors"
	"fmt"

	"latchkey"
)

var verifyCommand = command{
	use: "verify", short: "Ask whether a key is good, and take what the use costs",
	long: "Ask whether a key is good for a use, and take what the use costs. The key is read from standard\n" +
		"input, or from LATCHKEY_KEY. The exit status is 0 where it is good, and 1 where it is not.",
	example: "  latchkey key verify --permissions 'docs.read AND docs.write' < key\n" +
		"  LATCHKEY_KEY=$KEY latchkey key verify --quiet",
	flags: []member{
		{flag: "keyspace", path: "keyspace", kind: text, text: "`KEYSPACE` that the key must be of", clear: noClear},
		{flag: "permissions", path: "permissions", kind: text, text: "`QUERY` of what the key must be allowed to do, with AND, OR and parentheses", clear: noClear},
		{flag: "cost", path: "cost", kind: number, text: "credits to take (1); 0 looks and takes none", clear: noClear},
		{flag: "spend-micros", path: "spend_micros", kind: number, text: "money to take from the budget, in millionths of a US dollar", clear: noClear},
		{flag: "reserve", path: "reserve", kind: aside, text: "money to set aside from the budget, such as amount_micros=5000,ttl=5m", clear: noClear},
		{flag: "limit", path: "limits", kind: use, many: true, text: "`LIMIT` to take from, such as name=requests,cost=2; with max and window one that the key has not", clear: noClear},
		{flag: "lease-ttl", path: "lease_ttl", kind: text, text: "how long the use holds its places under concurrency limits, a `DURATION` (60s)", clear: noClear},
		{flag: "ip", path: "ip", kind: text, text: "`ADDRESS` of the end user", clear: noClear},
		{flag: "tag", path: "tags", kind: text, many: true, text: "`TAG` for usage", clear: noClear},
		{flag: "min-revision", path: "min_revision", kind: number, text: "answer only when this revision is in force", clear: noClear},
	},
	body: true, once: true, public: true, secret: true,
	run: verify,
}

func verify(c *call) error {
	in, err := body[latchkey.VerifyRequest, struct{}](c)
	if err != nil {
		return err
	}
	if in.Key == "" {
		if c.text("data") == "-" && variable(c.environ, "LATCHKEY_KEY") == "" {
			return errors.New("standard input had the request: the key must be its member key, or be in LATCHKEY_KEY")
		}
		if in.Key, err = c.secret(); err != nil {
			return err
		}
	}
	v, err := c.client.Verify(c.ctx, in)
	if err != nil {
		return err
	}
	if err := c.show(v); err != nil {
		return err
	}
	if v.Valid {
		return nil
	}
	if v.Outcome == latchkey.NotFound && c.client.RootKey == "" {
		fmt.Fprintln(c.cmd.ErrOrStderr(), "latchkey: LATCHKEY_ROOT_KEY is not set: "+
			"only keys of keyspaces that can be verified without a root key are found")
	}
	return errRefused
}
