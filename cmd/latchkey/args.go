package main

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/spf13/cobra"
)

// A word that an argument is called by, and what it must look like. A secret in
// the place of an id is found out here, before anything repeats it: no error of
// the command line has an argument's text in it.
var forms = map[string]struct {
	form *regexp.Regexp
	text string
}{
	"KEY":      {regexp.MustCompile(`^key_[0-9A-Za-z]{17}$`), "the id of a key, key_ and 17 characters, and never its secret"},
	"ROOT_KEY": {regexp.MustCompile(`^key_[0-9A-Za-z]{17}$`), "the id of a root key, key_ and 17 characters, and never its secret"},
	"SECRET":   {regexp.MustCompile(`^sec_[0-9A-Za-z]{17}$`), "the id of a secret, sec_ and 17 characters, and never the secret itself"},
	"LEASE":    {regexp.MustCompile(`^lease_[0-9A-Za-z]{17}$`), "the id of a lease, lease_ and 17 characters"},
	"AMOUNT":   {regexp.MustCompile(`^[0-9]{1,18}$`), "a whole number"},
}

// takes returns a check of the arguments by the words that usage has for them;
// a last one that ends in an ellipsis stands for any number.
func takes(usage string) cobra.PositionalArgs {
	words := strings.Fields(usage)
	rest := len(words) > 0 && strings.HasSuffix(words[len(words)-1], "...")
	if rest {
		words = words[:len(words)-1]
	}
	return func(cmd *cobra.Command, args []string) error {
		if len(args) < len(words) || len(args) > len(words) && !rest {
			return fmt.Errorf("%s takes %s, and got %d arguments", called(cmd), cmp.Or(usage, "none"), len(args))
		}
		for i, word := range words {
			if f, ok := forms[word]; ok && !f.form.MatchString(args[i]) {
				return fmt.Errorf("%s: %s must be %s", called(cmd), word, f.text)
			}
		}
		return nil
	}
}

// called returns a command's name below the program's, which begins every error.
func called(cmd *cobra.Command) string {
	return strings.TrimPrefix(cmd.CommandPath(), cmd.Root().Name()+" ")
}

// takesNoKey is the check of a command that reads a secret.
func takesNoKey(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return fmt.Errorf("%s takes no argument: other users of this machine can see those. "+
		"The key is read from standard input, or from LATCHKEY_KEY", called(cmd))
}

// commandWord is what is repeated of a command that does not exist: not what
// could be a secret.
var commandWord = regexp.MustCompile(`^[a-z-]{1,16}$`)

// noSuchCommand is the check of a command that has others below it.
func noSuchCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	if !commandWord.MatchString(args[0]) {
		return fmt.Errorf("unknown command for %q", cmd.CommandPath())
	}
	text := fmt.Sprintf("unknown command %q for %q", args[0], cmd.CommandPath())
	cmd.SuggestionsMinimumDistance = 2
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		text += "; did you mean " + strings.Join(near, " or ") + "?"
	}
	return errors.New(text)
}

// flagWord is what is repeated of a flag that does not exist.
var flagWord = regexp.MustCompile(`^[a-z-]{1,32}$`)

// flagError leaves out of an error of the flags what was given for them.
func flagError(_ *cobra.Command, err error) error {
	if e, ok := errors.AsType[valueError](err); ok {
		return e
	}
	if e, ok := errors.AsType[interface {
		error
		GetSpecifiedName() string
		GetSpecifiedShortnames() string
	}](err); ok {
		switch name := e.GetSpecifiedName(); {
		case e.GetSpecifiedShortnames() != "":
			return fmt.Errorf("unknown flag: -%s", name)
		case !flagWord.MatchString(name):
			return errors.New("unknown flag")
		}
		return err
	}
	if _, ok := errors.AsType[interface {
		error
		GetSpecifiedFlag() string
	}](err); ok {
		return errors.New("an argument begins as a flag and is none")
	}
	return err
}
