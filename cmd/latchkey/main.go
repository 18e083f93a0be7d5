// Command latchkey is a self-hosted service that issues, verifies and revokes
// API keys. `latchkey serve` runs it, and needs no configuration; the other
// commands are its clients, against the server that LATCHKEY_URL names, with
// the root key in LATCHKEY_ROOT_KEY.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"latchkey"
	"latchkey/internal/server"
)

// Exit codes.
const (
	exitFailed = 1 // it was asked for well, and did not succeed: the server or the verdict is no
	exitBroken = 2 // the command line or the configuration is at fault, or a client could not ask
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	os.Exit(run(ctx, os.Args[1:], os.Environ(), os.Stdin, os.Stdout, os.Stderr))
}

// run is main without the process: it returns the exit code. What a command was
// asked for goes to stdout, and the one error to stderr.
func run(ctx context.Context, args, environ []string, stdin io.Reader, stdout, stderr io.Writer) int {
	root := rootCommand(environ, stdin, stdout, stderr)
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	if !errors.Is(err, errRefused) { // whose verdict is on stdout
		fmt.Fprintf(stderr, "latchkey: %s\n", errorText(err))
	}
	if _, ok := errors.AsType[failure](err); ok || refused(err) {
		return exitFailed
	}
	return exitBroken
}

// A failure is an error of a command that was asked for well; every other one is
// of the command line or the configuration, or see [refused].
type failure struct{ error }

func (f failure) Unwrap() error { return f.error }

func rootCommand(environ []string, stdin io.Reader, stdout, stderr io.Writer) *cobra.Command {
	root := &cobra.Command{
		Use:   "latchkey",
		Short: "Issue, verify and revoke API keys",
		Long: "latchkey issues, verifies and revokes API keys, on your own machine, in its own\n" +
			"API and in those of other key services.\n\n" + clientText,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          noSuchCommand,
		RunE:          help,
	}
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	root.SetFlagErrorFunc(flagError)
	root.AddGroup(&cobra.Group{ID: "server", Title: "The server:"}, &cobra.Group{ID: "client", Title: "Its clients:"})
	root.AddCommand(serveCommand(environ), versionCommand())
	root.AddCommand(clientCommands(environ)...)
	root.InitDefaultCompletionCmd()
	if completion, _, err := root.Find([]string{"completion"}); err == nil {
		for _, shell := range completion.Commands() {
			shell.Args = takes("")
		}
	}
	return root
}

func versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		GroupID: "server",
		Short:   "Print the version",
		Args:    takes(""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "latchkey %s %s %s/%s\n",
				server.Version(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
			if err != nil {
				return failure{err}
			}
			return nil
		},
	}
}

func help(cmd *cobra.Command, _ []string) error { return cmd.Help() }

// errorText returns an error's text for a terminal, without the name that the
// program puts before it anyway. A server's text is one line; some of our own
// have more.
func errorText(err error) string {
	text := strings.TrimPrefix(err.Error(), "latchkey: ")
	if _, ok := errors.AsType[*latchkey.Error](err); ok {
		return printable(text)
	}
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		lines[i] = printable(line)
	}
	return strings.Join(lines, "\n")
}
