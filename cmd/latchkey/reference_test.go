package main

import (
	"cmp"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

var anew = flag.Bool("update", false, "write docs/cli.md anew")

const referenceHead = "# Commands\n\n<!-- Written by `make generate` from the table of commands in cmd/latchkey. -->\n\n" +
	"`latchkey serve` runs the server, and [configuration.md](configuration.md) has its settings. The other\n" +
	"commands are its clients. `latchkey completion bash`, or `zsh`, `fish` or `powershell`, prints a script by\n" +
	"which the shell completes them.\n\n```text\n"

// reference returns the page docs/cli.md.
func reference() string {
	var b strings.Builder
	b.WriteString(referenceHead + clientText + "\n```\n\n## Flags of every client\n\n")
	root := rootCommand(nil, strings.NewReader(""), io.Discard, io.Discard)
	flags := func(usages string) {
		if usages != "" {
			fmt.Fprintf(&b, "```text\n%s```\n\n", usages)
		}
	}
	var write func(*cobra.Command)
	write = func(cmd *cobra.Command) {
		if cmd.HasSubCommands() {
			for _, part := range cmd.Commands() {
				write(part)
			}
			return
		}
		fmt.Fprintf(&b, "### %s\n\n%s.\n\n", strings.TrimSuffix(cmd.UseLine(), " [flags]"), strings.TrimSuffix(cmp.Or(cmd.Long, cmd.Short), "."))
		if cmd.Example != "" {
			fmt.Fprintf(&b, "```sh\n%s\n```\n\n", strings.ReplaceAll(strings.TrimPrefix(cmd.Example, "  "), "\n  ", "\n"))
		}
		own := cmd.LocalNonPersistentFlags()
		own.SortFlags = false
		flags(own.FlagUsages())
	}
	nouns := slices.DeleteFunc(root.Commands(), func(cmd *cobra.Command) bool { return cmd.GroupID != "client" })
	flags(nouns[0].PersistentFlags().FlagUsages())
	for _, noun := range nouns {
		fmt.Fprintf(&b, "## %s\n\n", noun.Name())
		if noun.HasSubCommands() {
			fmt.Fprintf(&b, "%s.\n\n", noun.Short)
		}
		write(noun)
	}
	return strings.TrimSpace(b.String()) + "\n"
}

func TestReference(t *testing.T) {
	const page = "../../docs/cli.md"
	want := reference()
	if *anew {
		if err := os.WriteFile(page, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Error("docs/cli.md is stale: run make generate")
	}
}
