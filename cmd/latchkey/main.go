// Command latchkey is a self-hosted service that issues, verifies and revokes
// API keys. `latchkey serve` runs it, and needs no configuration.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"syscall"

	"github.com/spf13/cobra"

	"latchkey/internal/server"
)

// Exit codes.
const (
	exitFailed = 1 // it was asked for well, and did not succeed
	exitUsage  = 2 // the command line or the configuration is at fault
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	os.Exit(run(ctx, os.Args[1:], os.Environ(), os.Stdout, os.Stderr))
}

// run is main without the process: it returns the exit code. What a command was
// asked for goes to stdout, and the one error to stderr.
func run(ctx context.Context, args, environ []string, stdout, stderr io.Writer) int {
	root := &cobra.Command{
		Use:   "latchkey",
		Short: "Issue, verify and revoke API keys",
		Long: "latchkey issues, verifies and revokes API keys, on your own machine, in its own\n" +
			"API and in those of other key services.",
		Args:              cobra.NoArgs,
		SilenceErrors:     true,
		SilenceUsage:      true,
		CompletionOptions: cobra.CompletionOptions{HiddenDefaultCmd: true},
		RunE: func(cmd *cobra.Command, _ []string) error {
			return cmd.Help()
		},
	}
	root.AddCommand(serveCommand(environ), versionCommand())
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)

	err := root.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	fmt.Fprintf(stderr, "latchkey: %v\n", err)
	if _, ok := errors.AsType[failure](err); ok {
		return exitFailed
	}
	return exitUsage
}

// A failure is an error of a command that was asked for well; every other one is
// of the command line or the configuration.
type failure struct{ error }

func (f failure) Unwrap() error { return f.error }

func versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  cobra.NoArgs,
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
