package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"latchkey"
)

const clientText = `The clients ask the server that LATCHKEY_URL names (` + latchkey.DefaultURL + `), with the
root key in LATCHKEY_ROOT_KEY, in the workspace LATCHKEY_WORKSPACE. A secret is never
an argument: a key to be verified comes from standard input, or from LATCHKEY_KEY.

Exit status: 0, it is done, or the verdict on a key or a limit is yes; 1, the server
refused, or the verdict is no; 2, the command line is at fault, or the server could
not be asked.`

// errNoRootKey says how to bring one.
var errNoRootKey = errors.New(`LATCHKEY_ROOT_KEY is not set. It must hold a root key; the first one was shown by the
server's first start, or was written to its data directory where there was no terminal:
  export LATCHKEY_ROOT_KEY=$(cat latchkey-data/root-key)`)

// errRefused is the error of a question whose verdict was printed, and is no.
var errRefused = errors.New("the verdict is no")

// variable returns a variable's value, without blanks around it.
func variable(environ []string, name string) string {
	value := ""
	for _, entry := range environ { // of two, the last is in force
		if v, ok := strings.CutPrefix(entry, name+"="); ok {
			value = strings.TrimSpace(v)
		}
	}
	return value
}

// connect returns the client that flags and variables describe.
func connect(cmd *cobra.Command, environ []string) (*latchkey.Client, error) {
	at, err := cmd.Flags().GetString("url")
	if err != nil {
		return nil, err
	}
	workspace, err := cmd.Flags().GetString("workspace")
	if err != nil {
		return nil, err
	}
	return &latchkey.Client{
		URL:       cmp.Or(at, variable(environ, "LATCHKEY_URL"), latchkey.DefaultURL),
		RootKey:   variable(environ, "LATCHKEY_ROOT_KEY"),
		Workspace: cmp.Or(workspace, variable(environ, "LATCHKEY_WORKSPACE")),
	}, nil
}

// unreached tells in plain words that there was no answer. What the library
// says of it has the path in it, and with it what was given as an id.
func unreached(client *latchkey.Client, err error) error {
	if errors.Is(err, context.Canceled) {
		return errors.New("interrupted")
	}
	if e, ok := errors.AsType[*url.Error](err); ok {
		return fmt.Errorf("the server at %s cannot be asked: %w", client.URL, e.Err)
	}
	return err
}

// refused reports whether an error says that the server itself said no, or that
// the verdict is no.
func refused(err error) bool {
	e, ok := errors.AsType[*latchkey.Error](err)
	return errors.Is(err, errRefused) || ok && e.Code != "" && e.Status >= 400 && e.Status < 500
}
