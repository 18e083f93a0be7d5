package main

import (
	"context"
	"strconv"

	"latchkey"
)

var creditsCommand = command{
	use: "credits", short: "How many uses a key has left",
	parts: []command{
		{use: "get KEY", short: "Show them", run: credits},
		{use: "set KEY AMOUNT", short: "Set them, on a key without credits too", once: true, run: changeCredits("set")},
		{use: "increment KEY AMOUNT", short: "Give more", once: true, run: changeCredits("increment")},
		{use: "decrement KEY AMOUNT", short: "Take some away", once: true, run: changeCredits("decrement")},
	},
}

// credits shows what a key has; without any, that is null.
func credits(c *call) error {
	k, err := c.client.GetKey(c.ctx, c.args[0])
	if err != nil {
		return err
	}
	if k.Credits == nil {
		return c.show(struct {
			Remaining *int64 `json:"remaining"`
		}{})
	}
	return c.show(k.Credits)
}

func changeCredits(operation string) func(*call) error {
	return send((*latchkey.Client).ChangeCredits, func(c *call) latchkey.ChangeCreditsRequest {
		amount, _ := strconv.ParseInt(c.args[1], 10, 64) // at most 18 digits: see forms
		return latchkey.ChangeCreditsRequest{Operation: operation, Amount: amount}
	})
}

// added and removed are what names on the command line are meant for.
func added(names []string) latchkey.ChangeNamesRequest {
	return latchkey.ChangeNamesRequest{Add: names}
}

func removed(names []string) latchkey.ChangeNamesRequest {
	return latchkey.ChangeNamesRequest{Remove: names}
}

func changePermissions(as func([]string) latchkey.ChangeNamesRequest) func(*call) error {
	return send((*latchkey.Client).ChangePermissions, func(c *call) latchkey.ChangeNamesRequest { return as(c.args[1:]) })
}

func changeRoles(as func([]string) latchkey.ChangeNamesRequest) func(*call) error {
	return send((*latchkey.Client).ChangeRoles, func(c *call) latchkey.ChangeNamesRequest { return as(c.args[1:]) })
}

func ownPermissions(c *call) error {
	k, err := c.client.GetKey(c.ctx, c.args[0])
	return c.reply(latchkey.KeyPermissions{Permissions: k.Permissions}, err)
}

func ownRoles(c *call) error {
	k, err := c.client.GetKey(c.ctx, c.args[0])
	return c.reply(latchkey.KeyRoles{Roles: k.Roles}, err)
}

func setPermissions(c *call) error {
	k, err := c.client.UpdateKey(c.ctx, c.args[0], latchkey.KeySettings{Permissions: latchkey.Some(c.args[1:])})
	return c.reply(latchkey.KeyPermissions{Permissions: k.Permissions}, err)
}

func setRoles(c *call) error {
	k, err := c.client.UpdateKey(c.ctx, c.args[0], latchkey.KeySettings{Roles: latchkey.Some(c.args[1:])})
	return c.reply(latchkey.KeyRoles{Roles: k.Roles}, err)
}

// secretsOf is an action that lists the secrets of what is read.
func secretsOf[R any](read func(*latchkey.Client, context.Context, string) (R, error), secrets func(R) []latchkey.Secret) func(*call) error {
	return func(c *call) error {
		k, err := read(c.client, c.ctx, c.args[0])
		if err != nil {
			return err
		}
		return c.showList([]string{"id", "hint", "created_at", "expires_at", "last_used_at"}, secrets(k))
	}
}

func endSecret(do func(*latchkey.Client, context.Context, string, string) error) func(*call) error {
	return func(c *call) error { return do(c.client, c.ctx, c.args[0], c.args[1]) }
}
