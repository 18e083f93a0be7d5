package main

import (
	"cmp"
	"context"
	"errors"
	"iter"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"latchkey"
)

// A command is either a noun with parts, or something that can be done.
type command struct {
	use     string // its name, and the words of its arguments
	short   string
	long    string
	example string
	parts   []command

	flags  []member // filters of a list, or members of the request's body
	body   bool     // the flags are members; --data and --clear go with them
	list   bool     // --max goes with it
	once   bool     // --idempotency-key goes with it
	public bool     // it works without a root key
	secret bool     // it reads a key, and takes no argument
	run    func(*call) error
}

// A call is one run of a command.
type call struct {
	ctx     context.Context
	cmd     *cobra.Command
	args    []string
	environ []string
	client  *latchkey.Client
	flags   []member
	given   map[string]*value // flag → what was given for it
}

// clientCommands are the nouns. What they have in common are the flags that say
// whom to ask and how to print.
func clientCommands(environ []string) []*cobra.Command {
	var all []*cobra.Command
	for _, noun := range []command{
		keyCommand, keyspaceCommand, identityCommand, roleCommand, permissionCommand,
		rootKeyCommand, workspaceCommand, limitCommand, leaseCommand, usageCommand, eventsCommand, whoamiCommand, aboutCommand,
	} {
		cmd := noun.cobra(environ)
		cmd.GroupID = "client"
		common := cmd.PersistentFlags()
		common.SortFlags = false
		for _, m := range []member{
			{flag: "json", kind: toggle, text: "print JSON, one document, for programs"},
			{flag: "quiet", short: "q", kind: toggle, text: "print one word alone: the secret that was made, the count, the outcome, or the id"},
		} {
			common.VarPF(&value{member: m}, m.flag, m.short, m.text).NoOptDefVal = "true"
		}
		common.String("url", "", "`URL` of the server (LATCHKEY_URL, or "+latchkey.DefaultURL+")")
		common.String("workspace", "", "`WORKSPACE` to act in, by id or path (LATCHKEY_WORKSPACE, or the root key's own)")
		cmd.MarkFlagsMutuallyExclusive("json", "quiet")
		all = append(all, cmd)
	}
	return all
}

// cobra returns a command as the library wants it.
func (c command) cobra(environ []string) *cobra.Command {
	name, arguments, _ := strings.Cut(c.use, " ")
	cmd := &cobra.Command{
		Use: c.use, Short: c.short, Long: c.long, Example: c.example,
		Args: takes(arguments), ValidArgsFunction: cobra.NoFileCompletions,
	}
	if c.run == nil {
		cmd.Use, cmd.Args, cmd.RunE = name, noSuchCommand, help
		for _, part := range c.parts {
			cmd.AddCommand(part.cobra(environ))
		}
		return cmd
	}
	if c.secret {
		cmd.Args = takesNoKey
	}
	given := c.addFlags(cmd)
	cmd.DisableFlagsInUseLine = true
	cmd.Use += " [flags]"
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		client, err := connect(cmd, environ)
		if err != nil {
			return err
		}
		if client.RootKey == "" && !c.public {
			return errNoRootKey
		}
		ctx := cmd.Context()
		if c.once {
			if name, _ := cmd.Flags().GetString("idempotency-key"); name != "" {
				ctx = latchkey.IdempotencyKey(ctx, name)
			}
		}
		err = c.run(&call{ctx: ctx, cmd: cmd, args: args, environ: environ, client: client, flags: c.flags, given: given})
		return unreached(client, err)
	}
	return cmd
}

// addFlags gives a command its flags, and returns where their values go.
func (c command) addFlags(cmd *cobra.Command) map[string]*value {
	flags := cmd.Flags()
	flags.SortFlags = false
	given := map[string]*value{}
	add := func(m member) {
		v := &value{member: m}
		given[m.flag] = v
		f := flags.VarPF(v, m.flag, m.short, m.text)
		if m.kind.name == toggle.name {
			f.NoOptDefVal = "true"
		}
		complete := cobra.NoFileCompletions
		if len(m.values) > 0 {
			complete = cobra.FixedCompletions(m.values, cobra.ShellCompDirectiveNoFileComp)
		}
		if m.kind.name == file.name {
			complete = nil // the shell's own
		}
		if complete != nil {
			cobra.CheckErr(cmd.RegisterFlagCompletionFunc(m.flag, complete))
		}
	}
	for _, m := range c.flags {
		add(m)
	}
	if c.body {
		if names := clearable(c.flags); len(names) > 0 {
			add(member{flag: "clear", kind: text, many: true, values: names, text: "set to nothing, by its `FLAG`'s name: " + strings.Join(names, ", ")})
		}
		add(member{flag: "data", kind: file, text: "`FILE` with the request as JSON, - for standard input; flags go before it"})
	}
	if c.list {
		add(member{flag: "max", kind: count, text: "print at most `N` rows (all)"})
	}
	if c.once {
		flags.String("idempotency-key", "", "`NAME` by which the server does this once, however often it is asked in a day")
	}
	return given
}

// create is an action that makes an S from the flags and shows the R that
// came of it.
func create[S, R any](do func(*latchkey.Client, context.Context, S) (R, error)) func(*call) error {
	return func(c *call) error {
		in, err := body[S, R](c)
		if err != nil {
			return err
		}
		return c.reply(do(c.client, c.ctx, in))
	}
}

// change is an action that sends what the flags say to a named thing.
func change[S, R any](do func(*latchkey.Client, context.Context, string, S) (R, error)) func(*call) error {
	return func(c *call) error {
		in, err := body[S, R](c)
		if err != nil {
			return err
		}
		return c.reply(do(c.client, c.ctx, c.args[0], in))
	}
}

// update is a change that must say what to change.
func update[S, R any](do func(*latchkey.Client, context.Context, string, S) (R, error)) func(*call) error {
	return func(c *call) error {
		if !slices.ContainsFunc(c.flags, func(m member) bool { return c.given[m.flag].set() }) &&
			!c.given["clear"].set() && !c.given["data"].set() {
			return errors.New("nothing is given to change: see --help for the flags")
		}
		return change(do)(c)
	}
}

// send is an action that makes one fixed change to a named thing.
func send[S, R any](do func(*latchkey.Client, context.Context, string, S) (R, error), in func(c *call) S) func(*call) error {
	return func(c *call) error { return c.reply(do(c.client, c.ctx, c.args[0], in(c))) }
}

// get is an action that shows a named thing.
func get[R any](do func(*latchkey.Client, context.Context, string) (R, error)) func(*call) error {
	return func(c *call) error { return c.reply(do(c.client, c.ctx, c.args[0])) }
}

// remove is an action that ends a named thing.
func remove(do func(*latchkey.Client, context.Context, string) error) func(*call) error {
	return func(c *call) error { return do(c.client, c.ctx, c.args[0]) }
}

// list is an action that shows rows, as a table with the columns given.
func list[R any](columns string, rows func(*call) iter.Seq2[R, error]) func(*call) error {
	return func(c *call) error {
		most, all := c.max(), []R{}
		for row, err := range rows(c) {
			if err != nil {
				return err
			}
			if all = append(all, row); len(all) == most {
				break
			}
		}
		return c.showList(strings.Fields(columns), all)
	}
}

// every is list for what has no filters.
func every[R any](columns string, rows func(*latchkey.Client, context.Context) iter.Seq2[R, error]) func(*call) error {
	return list(columns, func(c *call) iter.Seq2[R, error] { return rows(c.client, c.ctx) })
}

// reply shows what a call to the server has answered.
func (c *call) reply(out any, err error) error {
	if err != nil {
		return err
	}
	return c.show(out)
}

// max is how many rows to show; 0 is all.
func (c *call) max() int {
	n, _ := c.given["max"].number()
	return int(n)
}

// page asks for no more rows at once than are shown.
func (c *call) page() latchkey.Page {
	return latchkey.Page{Limit: cmp.Or(min(c.max(), 200), 200)}
}
