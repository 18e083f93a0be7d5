package main

import (
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"latchkey/internal/server"
)

func serveCommand(environ []string) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "serve",
		GroupID: "server",
		Short:   "Run the server",
		Args:    takes(""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := server.Load(server.Sources{
				Flags:    givenFlags(cmd),
				Environ:  environ,
				Dialects: server.Dialects(),
			})
			if err != nil {
				return err
			}
			out := cmd.OutOrStdout()
			if err := server.Run(cmd.Context(), cfg, out, isTerminal(out)); err != nil {
				return failure{err}
			}
			return nil
		},
	}
	for _, s := range server.Settings {
		switch {
		case s.Secret:
		case s.Switch:
			cmd.Flags().Bool(s.Flag(), false, s.Text)
		default:
			cmd.Flags().String(s.Flag(), s.Default, s.Text)
		}
	}
	cmd.SetHelpFunc(func(cmd *cobra.Command, _ []string) {
		fmt.Fprintf(cmd.OutOrStdout(), "Run the server.\n\nUsage:\n  latchkey serve [flags]\n\n%s", server.Help())
	})
	return cmd
}

// givenFlags returns the values of the flags that stand on the command line.
func givenFlags(cmd *cobra.Command) map[string]string {
	given := map[string]string{} // flag → value
	for _, s := range server.Settings {
		if f := cmd.Flags().Lookup(s.Flag()); f != nil && f.Changed {
			given[s.Flag()] = f.Value.String()
		}
	}
	return given
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
