package main

import (
	"errors"
	"iter"

	"latchkey"
)

var limitCommand = command{
	use: "limit", short: "Limits that belong to no key: anybody, by any name",
	parts: []command{
		{use: "check", short: "Ask whether somebody may go on, and take the cost",
			long: "Ask whether somebody may go on under a limit that belongs to no key, and take the cost. The exit\n" +
				"status is 0 where it is allowed, and 1 where it is not.",
			example: "  latchkey limit check --namespace signups --identifier 192.0.2.7 --max 2 --window 1d",
			flags: []member{
				{flag: "namespace", path: "namespace", kind: text, clear: noClear, text: "what is limited"},
				{flag: "identifier", path: "identifier", kind: text, clear: noClear, text: "who is limited: an address, an account, or any other text"},
				{flag: "max", path: "max", kind: number, clear: noClear, text: "units in each window, unless an override says otherwise"},
				{flag: "window", path: "window", kind: text, clear: noClear, text: "`DURATION`: an integer and ms, s, m, h or d"},
				{flag: "cost", path: "cost", kind: number, clear: noClear, text: "units to take (1); 0 looks and takes none"},
				{flag: "algorithm", path: "algorithm", kind: text, clear: noClear, values: []string{"sliding", "fixed", "fixed_from_first", "gcra"},
					text: "`ALGORITHM`: sliding, fixed, fixed_from_first or gcra (sliding)"},
			}, body: true, once: true, run: checkLimit},
		{use: "override", short: "Overrides: who is allowed more or less in a namespace, whatever is asked", parts: []command{
			{use: "list NAMESPACE", short: "List the overrides of a namespace, the newest first", list: true,
				run: list("id pattern max window updated_at", overrides)},
			{use: "get NAMESPACE PATTERN", short: "Show an override", run: getOverride},
			{use: "set NAMESPACE PATTERN", short: "Make an override what the flags say, whether there is one or not",
				long: "Make an override what the flags say, whether there is one or not. In the pattern, * stands for any\n" +
					"text. The identifier itself goes first, then the pattern with the most other characters.",
				example: "  latchkey limit override set signups '192.0.2.*' --max 100 --window 1d",
				flags: []member{
					{flag: "max", path: "max", kind: number, clear: noClear, text: "units in each window; 0 shuts out"},
					{flag: "window", path: "window", kind: text, clear: noClear, text: "`DURATION`: an integer and ms, s, m, h or d"},
				}, body: true, run: setOverride},
			{use: "delete NAMESPACE PATTERN", short: "Delete an override", run: deleteOverride},
		}},
	},
}

var leaseCommand = command{
	use: "lease", short: "Leases: the places that uses hold under concurrency limits",
	parts: []command{
		{use: "release LEASE", short: "End a lease before it expires by itself", run: remove((*latchkey.Client).ReleaseLease)},
	},
}

// checkLimit shows a verdict, which is the exit status too.
func checkLimit(c *call) error {
	in, err := body[latchkey.CheckLimitRequest, struct{}](c)
	if err != nil {
		return err
	}
	check, err := c.client.CheckLimit(c.ctx, in)
	if err != nil {
		return err
	}
	if err := c.show(check); err != nil {
		return err
	}
	if !check.Allowed {
		return errRefused
	}
	return nil
}

func overrides(c *call) iter.Seq2[latchkey.Override, error] {
	return c.client.Overrides(c.ctx, c.args[0])
}

func getOverride(c *call) error {
	return c.reply(c.client.GetOverride(c.ctx, c.args[0], c.args[1]))
}

// setOverride sends no max that was not given: that would be 0, which shuts out.
func setOverride(c *call) error {
	in, err := body[struct {
		Max    *int64 `json:"max,omitempty"`
		Window string `json:"window,omitempty"`
	}, latchkey.Override](c)
	if err != nil {
		return err
	}
	if in.Max == nil {
		return errors.New("--max must be given; 0 shuts out")
	}
	return c.reply(c.client.ReplaceOverride(c.ctx, c.args[0], c.args[1], latchkey.OverrideSettings{Max: *in.Max, Window: in.Window}))
}

func deleteOverride(c *call) error {
	return c.client.DeleteOverride(c.ctx, c.args[0], c.args[1])
}
