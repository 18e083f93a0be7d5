// Package server assembles all parts of latchkey from a [Config] and runs them
// until it is told to stop. It owns the settings, the order of start and stop,
// and nothing that a request meets: routes, rules and SQL live in the parts.
package server

import (
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"time"

	"latchkey/internal/token"
)

// Config is everything that an operator can decide. [Load] makes one from the
// command line, the environment and a file; [Defaults] is one where nobody
// decided anything.
type Config struct {
	File            string         // the YAML file that was read; empty for none
	Addr            string         // host:port of the main listener
	DataDir         string         // holds the database and what is made at the first start
	RootKey         token.Secret   // a root key by declaration; zero for none
	Secret          token.Secret   // the installation secret; zero: the one in DataDir
	PreviousSecret  token.Secret   // accepted beside Secret; zero for none
	Keyspaces       string         // path of the declared keyspaces; empty for none
	Dialects        []string       // names of the dialects to serve, or the one word all
	UnkeyNeedsRoot  bool           // keys are verified by Unkey's API for root keys alone
	TrustedProxies  []netip.Prefix // peers whose X-Forwarded-For is believed
	MetricsAddr     string         // host:port for /metrics; empty: the main listener
	TLSCert         string         // path of a PEM certificate chain; empty: no TLS
	TLSKey          string         // path of its private key
	InsecureBind    bool           // may listen beyond loopback without TLS
	Durability      string         // of what credits are spent: strict or relaxed
	EventsRetention time.Duration  // how long audit events are kept; 0 keeps them all
	UsageRetention  time.Duration  // how long counts of verifications are kept; 0 keeps them all
	LogLevel        slog.Level
	LogFormat       string        // auto, text or json
	ShutdownGrace   time.Duration // how long requests may take to end at shutdown
}

// all stands for every dialect in the setting of that name.
const all = "all"

// maxGrace leaves the rest of the 15 seconds within which the process ends to
// the store and the queues.
const maxGrace = 12 * time.Second

// A Setting is one row of the table from which flags, variables, the file's
// members, the help text and the reference page are made.
type Setting struct {
	Name    string // as a member of the file: data_dir
	Form    string // what a value looks like
	Default string // the value where nobody gives one; empty for none
	Text    string // what it decides, in whole sentences
	Secret  bool   // never a flag, since arguments are visible to all, and never printed
	Switch  bool   // true or false; as a flag it needs no value

	list      bool // the file may give a sequence
	notInFile bool
	set       func(*Config, string) error
}

// Flag returns the setting's flag without its dashes, or "" for a secret.
func (s *Setting) Flag() string {
	if s.Secret {
		return ""
	}
	return strings.ReplaceAll(s.Name, "_", "-")
}

// Variable returns the setting's environment variable.
func (s *Setting) Variable() string { return prefix + strings.ToUpper(s.Name) }

// Settings is the table, in the order in which it is shown.
var Settings = []*Setting{
	{
		Name: "config", Form: "FILE", notInFile: true,
		Text: "A YAML file with settings.",
		set:  func(c *Config, v string) error { c.File = v; return nil },
	},
	{
		Name: "addr", Form: "HOST:PORT", Default: "127.0.0.1:8080",
		Text: "The address to listen on. One beyond loopback needs tls_cert and tls_key, or insecure_bind.",
		set:  func(c *Config, v string) (err error) { c.Addr, err = parseAddr(v); return err },
	},
	{
		Name: "data_dir", Form: "DIR", Default: "latchkey-data",
		Text: "The directory of the database and of the secrets that are made at the first start. " +
			"Under systemd the default is the unit's StateDirectory.",
		set: func(c *Config, v string) error { c.DataDir = v; return nil },
	},
	{
		Name: "root_key", Form: "TEXT", Secret: true,
		Text: "A root key with every permission, of 32 to 512 characters. It is never stored: changing it and " +
			"restarting ends the old one. Without it the first start makes a root key and shows it once.",
		set: func(c *Config, v string) (err error) { c.RootKey, err = parseSecret(v); return err },
	},
	{
		Name: "secret", Form: "TEXT", Secret: true,
		Text: "The installation secret, of 32 to 512 characters, under which recoverable secrets are encrypted. " +
			"Without it the first start makes one in the data directory.",
		set: func(c *Config, v string) (err error) { c.Secret, err = parseSecret(v); return err },
	},
	{
		Name: "previous_secret", Form: "TEXT", Secret: true,
		Text: "The installation secret before the present one. What was encrypted under it stays readable while it is given.",
		set:  func(c *Config, v string) (err error) { c.PreviousSecret, err = parseSecret(v); return err },
	},
	{
		Name: "keyspaces", Form: "FILE",
		Text: "A YAML or JSON file of keyspaces, a list of slug, name and policy, that each start creates or updates. " +
			"None is ever deleted by it.",
		set: func(c *Config, v string) error { c.Keyspaces = v; return nil },
	},
	{
		Name: "dialects", Form: "LIST", Default: all, list: true,
		Text: "The wire APIs to serve, by name, separated by commas, or all.",
		set:  func(c *Config, v string) error { c.Dialects = split(v); return nil },
	},
	{
		Name: "unkey_verify_needs_root_key", Form: "BOOL", Default: "false", Switch: true,
		Text: "Lets Unkey's API verify keys for root keys alone. Without it anybody may verify the keys of the APIs that were made there, " +
			"as Unkey's clients do.",
		set: func(c *Config, v string) (err error) { c.UnkeyNeedsRoot, err = parseBool(v); return err },
	},
	{
		Name: "trusted_proxies", Form: "LIST", list: true,
		Text: "The addresses and networks of the proxies whose X-Forwarded-For is believed, separated by commas.",
		set:  func(c *Config, v string) (err error) { c.TrustedProxies, err = parsePrefixes(v); return err },
	},
	{
		Name: "metrics_addr", Form: "HOST:PORT",
		Text: "A listener of its own for /metrics, open to whoever reaches it, under the same rule as addr. " +
			"Without it /metrics is on the main listener, for root keys that may read metrics.",
		set: func(c *Config, v string) (err error) { c.MetricsAddr, err = parseOptionalAddr(v); return err },
	},
	{
		Name: "tls_cert", Form: "FILE",
		Text: "The certificate chain in PEM. It turns TLS on, needs tls_key, and is read again when it changes.",
		set:  func(c *Config, v string) error { c.TLSCert = v; return nil },
	},
	{
		Name: "tls_key", Form: "FILE",
		Text: "The private key of tls_cert in PEM.",
		set:  func(c *Config, v string) error { c.TLSKey = v; return nil },
	},
	{
		Name: "insecure_bind", Form: "BOOL", Default: "false", Switch: true,
		Text: "Allows to listen beyond loopback without TLS, where something in front adds it.",
		set:  func(c *Config, v string) (err error) { c.InsecureBind, err = parseBool(v); return err },
	},
	{
		Name: "durability", Form: "MODE", Default: "strict",
		Text: "When a call that takes credits or spends money is answered. strict: when what it took is on the disk. relaxed: at once, " +
			"and what it took reaches the disk within 50 ms; a crash of the machine or the process may then forget to charge the " +
			"last 50 ms. It never charges twice, and never loses what was given.",
		set: func(c *Config, v string) (err error) {
			c.Durability, err = parseOneOf(v, "strict", "relaxed")
			return err
		},
	},
	{
		Name: "events_retention", Form: "DURATION", Default: "400d",
		Text: "How long audit events are kept; 0 keeps them for ever.",
		set:  func(c *Config, v string) (err error) { c.EventsRetention, err = parseDuration(v); return err },
	},
	{
		Name: "usage_retention", Form: "DURATION", Default: "400d",
		Text: "How long counts of verifications are kept; 0 keeps them for ever.",
		set:  func(c *Config, v string) (err error) { c.UsageRetention, err = parseDuration(v); return err },
	},
	{
		Name: "log_level", Form: "LEVEL", Default: "info",
		Text: "The least level that is logged: debug, info, warn or error.",
		set:  func(c *Config, v string) (err error) { c.LogLevel, err = parseLevel(v); return err },
	},
	{
		Name: "log_format", Form: "FORMAT", Default: "auto",
		Text: "How the log is written: text, json, or auto, which is text on a terminal and json elsewhere.",
		set: func(c *Config, v string) (err error) {
			c.LogFormat, err = parseOneOf(v, "auto", "text", "json")
			return err
		},
	},
	{
		Name: "shutdown_grace", Form: "DURATION", Default: "10s",
		Text: "How long requests under way may take to end at shutdown, at most 12s; then they are cut.",
		set:  func(c *Config, v string) (err error) { c.ShutdownGrace, err = parseGrace(v); return err },
	},
}

// Defaults returns the configuration of a server to which nobody said anything.
func Defaults() Config {
	var c Config
	for _, s := range Settings {
		if s.Default == "" {
			continue
		}
		if err := s.set(&c, s.Default); err != nil {
			panic(fmt.Sprintf("server: the default of %s: %v", s.Name, err))
		}
	}
	return c
}
