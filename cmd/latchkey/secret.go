package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"
)

// maxSecret is how much is read of a secret, far more than any has.
const maxSecret = 64 << 10

// secret reads a key: from LATCHKEY_KEY, or else from standard input, where a
// terminal asks for it and does not show it.
func (c *call) secret() (string, error) {
	if key := variable(c.environ, "LATCHKEY_KEY"); key != "" {
		return key, nil
	}
	text, err := c.readSecret()
	if err != nil {
		return "", fmt.Errorf("read the key: %w", err)
	}
	key := strings.TrimSpace(string(text))
	switch {
	case key == "":
		return "", errors.New("there is no key: give it on standard input, or in LATCHKEY_KEY")
	case strings.ContainsAny(key, "\r\n") || len(text) > maxSecret:
		return "", errors.New("standard input has more than one line, and a key is one")
	}
	return key, nil
}

func (c *call) readSecret() ([]byte, error) {
	in := c.cmd.InOrStdin()
	f, ok := in.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return c.readAll(in, maxSecret+1)
	}
	fd, to := int(f.Fd()), c.cmd.ErrOrStderr()
	before, err := term.GetState(fd)
	if err != nil {
		return nil, err
	}
	fmt.Fprint(to, "Key: ")
	defer fmt.Fprintln(to)
	defer term.Restore(fd, before) // also where a signal ends the wait
	return c.wait(func() ([]byte, error) { return term.ReadPassword(fd) })
}

// readAll reads what there is, up to a number of bytes.
func (c *call) readAll(from io.Reader, most int64) ([]byte, error) {
	return c.wait(func() ([]byte, error) { return io.ReadAll(io.LimitReader(from, most)) })
}

// wait returns what a read has brought, or that a signal came before.
func (c *call) wait(read func() ([]byte, error)) ([]byte, error) {
	type result struct {
		text []byte
		err  error
	}
	done := make(chan result, 1)
	go func() {
		text, err := read()
		done <- result{text, err}
	}()
	select {
	case r := <-done:
		return r.text, r.err
	case <-c.ctx.Done():
		return nil, c.ctx.Err()
	}
}
