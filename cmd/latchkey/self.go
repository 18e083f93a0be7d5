package main

var whoamiCommand = command{
	use: "whoami", short: "Tell what the root key in LATCHKEY_ROOT_KEY is",
	run: func(c *call) error { return c.reply(c.client.Whoami(c.ctx)) },
}

var aboutCommand = command{
	use: "about", short: "Tell what the server is: version, revision, dialects", public: true,
	run: func(c *call) error { return c.reply(c.client.Server(c.ctx)) },
}
