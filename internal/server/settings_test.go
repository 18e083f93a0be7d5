package server

import (
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"latchkey/internal/token"
)

var update = flag.Bool("update", false, "write docs/configuration.md anew")

// dialects stands for what the program can speak.
var dialects = []string{"first", "second"}

func TestDefaults(t *testing.T) {
	c, err := Load(Sources{Dialects: dialects})
	if err != nil {
		t.Fatal(err)
	}
	want := Config{
		Addr: "127.0.0.1:8080", DataDir: "latchkey-data", Dialects: dialects, Durability: "strict", EventsRetention: 400 * 24 * time.Hour, UsageRetention: 400 * 24 * time.Hour,
		LogLevel: slog.LevelInfo, LogFormat: "auto", ShutdownGrace: 10 * time.Second,
	}
	if diff := diffConfig(want, c); diff != "" {
		t.Errorf("the defaults differ (-want +got):\n%s", diff)
	}
}

// TestEverySettingFromEverySource gives each setting in each way that there is.
func TestEverySettingFromEverySource(t *testing.T) {
	dir := t.TempDir()
	keyspaces := filepath.Join(dir, "keyspaces.yaml")
	writeFile(t, keyspaces, "[]")
	root, secret, previous := strings.Repeat("r", 32), strings.Repeat("s", 32), strings.Repeat("p", 32)
	values := map[string]string{
		"addr": "[::1]:9000", "data_dir": dir, "root_key": root, "secret": secret, "previous_secret": previous,
		"keyspaces": keyspaces, "dialects": "second", "trusted_proxies": "10.0.0.7/8, ::1", "metrics_addr": "127.0.0.1:9001",
		"tls_cert": "", "tls_key": "", "insecure_bind": "true", "unkey_verify_needs_root_key": "true", "durability": "relaxed", "events_retention": "0", "usage_retention": "1h", "log_level": "debug",
		"log_format": "json", "shutdown_grace": "500ms",
	}
	want := Config{
		Addr: "[::1]:9000", DataDir: dir, RootKey: token.New(root), Secret: token.New(secret), PreviousSecret: token.New(previous),
		Keyspaces: keyspaces, Dialects: []string{"second"}, MetricsAddr: "127.0.0.1:9001", InsecureBind: true, UnkeyNeedsRoot: true,
		TrustedProxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("::1/128")},
		Durability:     "relaxed", UsageRetention: time.Hour, LogLevel: slog.LevelDebug, LogFormat: "json", ShutdownGrace: 500 * time.Millisecond,
	}
	flags, environ, file := map[string]string{}, []string{}, ""
	secrets := "" // what flags cannot say
	for _, s := range Settings {
		if s.notInFile {
			continue
		}
		value, ok := values[s.Name]
		if !ok {
			t.Fatalf("the test has no value for %s", s.Name)
		}
		member := fmt.Sprintf("%s: %q\n", s.Name, value)
		file += member
		environ = append(environ, s.Variable()+"="+value)
		if s.Secret {
			secrets += member
		} else {
			flags[s.Flag()] = value
		}
	}
	whole, some := filepath.Join(dir, "whole.yaml"), filepath.Join(dir, "some.yaml")
	writeFile(t, whole, file)
	writeFile(t, some, secrets)
	flags["config"] = some
	for _, tt := range []struct {
		name string
		src  Sources
		file string
	}{
		{"file", Sources{Environ: []string{"LATCHKEY_CONFIG=" + whole}}, whole},
		{"variables", Sources{Environ: environ}, ""},
		{"flags", Sources{Flags: flags}, some},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.src.Dialects = dialects
			got, err := Load(tt.src)
			if err != nil {
				t.Fatal(err)
			}
			want := want
			want.File = tt.file
			if diff := diffConfig(want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestPrecedence(t *testing.T) {
	file := filepath.Join(t.TempDir(), "latchkey.yaml")
	writeFile(t, file, "addr: 127.0.0.1:1\n")
	environ := []string{"STATE_DIRECTORY=/var/lib/a:/var/lib/b"}
	flags := map[string]string{}
	for _, step := range []struct {
		name string
		add  func()
		want string
	}{
		{"default", func() {}, "127.0.0.1:8080"},
		{"file", func() { environ = append(environ, "LATCHKEY_CONFIG="+file) }, "127.0.0.1:1"},
		{"empty variable", func() { environ = append(environ, "LATCHKEY_ADDR=") }, "127.0.0.1:1"},
		{"variable", func() { environ = append(environ, "LATCHKEY_ADDR=127.0.0.1:2") }, "127.0.0.1:2"},
		{"flag", func() { flags["addr"] = "127.0.0.1:3" }, "127.0.0.1:3"},
	} {
		step.add()
		c, err := Load(Sources{Flags: flags, Environ: environ, Dialects: dialects})
		if err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		if c.Addr != step.want {
			t.Errorf("%s: addr is %s, want %s", step.name, c.Addr, step.want)
		}
		if c.DataDir != "/var/lib/a" {
			t.Errorf("%s: data_dir is %s, want systemd's", step.name, c.DataDir)
		}
	}
}

func TestFaultsAtOnce(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "latchkey.yaml")
	writeFile(t, file, "# settings\nadr: 127.0.0.1:1\nlog_format: [text]\nlog_level: info\nlog_level: loud\ndialects: {a: b}\nroot_key: hunter2\nconfig: other.yaml\n")
	_, err := Load(Sources{
		Flags:    map[string]string{"config": file, "shutdown-grace": "1h", "insecure-bind": "perhaps"},
		Environ:  []string{"LATCHKEY_TRUSTED_PROXIES=10.0.0.0/8,proxy,10.0.0.0/99", "LATCHKEY_SECRET=hunter3", "LATCHKEY_ROOTKEY=hunter4", "LATCHKEY_EVENTS_RETENTION=5"},
		Dialects: dialects,
	})
	wantFaults(t, err,
		file+`:2: adr: there is no such setting`,
		file+`:3: log_format: must be a single value`,
		file+`:5: log_level: is given twice`,
		file+`:6: dialects: must be a text or a sequence of texts`,
		file+`:7: root_key: needs at least 32 characters`,
		file+`:8: config: there is no such setting`,
		`LATCHKEY_SECRET: needs at least 32 characters`,
		`LATCHKEY_TRUSTED_PROXIES: "proxy", "10.0.0.0/99": no address and no network such as 10.0.0.0/8`,
		`LATCHKEY_EVENTS_RETENTION: "5": a duration is an integer and a unit, such as 500ms, 90s, 15m, 24h or 30d`,
		`LATCHKEY_ROOTKEY: there is no such setting`,
		`--insecure-bind: "perhaps" is not true or false`,
		`--shutdown-grace: "1h" is more than 12s`,
	)
	if text := err.Error(); strings.Contains(text, "hunter") {
		t.Errorf("a secret is shown: %s", text)
	}
}

func TestContradictions(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	writeFile(t, file, "no certificate")
	same := strings.Repeat("s", 40)
	for _, tt := range []struct {
		name  string
		flags map[string]string
		env   []string
		want  []string
	}{
		{"beyond loopback in clear", map[string]string{"addr": "0.0.0.0:80", "metrics-addr": "db1:81"}, nil, []string{
			`--addr: "0.0.0.0:80" is reachable from other machines, and secrets would travel in clear: give tls_cert and tls_key, or --insecure-bind where something in front adds TLS`,
			`--metrics-addr: "db1:81" is reachable from other machines, and secrets would travel in clear: give tls_cert and tls_key, or --insecure-bind where something in front adds TLS`,
		}},
		{"all addresses", map[string]string{"addr": ":80"}, nil, []string{
			`--addr: ":80" is reachable from other machines, and secrets would travel in clear: give tls_cert and tls_key, or --insecure-bind where something in front adds TLS`,
		}},
		{"one address twice", map[string]string{"metrics-addr": "127.0.0.1:8080"}, nil, []string{
			`--metrics-addr: is the same as addr; leave it out to have /metrics there`,
		}},
		{"certificate alone", map[string]string{"tls-cert": file}, nil, []string{`--tls-cert: needs tls_key`}},
		{"key alone", nil, []string{"LATCHKEY_TLS_KEY=" + file}, []string{`LATCHKEY_TLS_KEY: needs tls_cert`}},
		{"no certificate", map[string]string{"tls-cert": file, "tls-key": file}, nil, []string{
			`--tls-cert: cannot be used with tls_key: tls: failed to find any PEM data in certificate input`,
		}},
		{"unknown dialects", map[string]string{"dialects": "first,third,all"}, nil, []string{
			`--dialects: "third" is no dialect; there are first, second, or all alone`,
			`--dialects: "all" is no dialect; there are first, second, or all alone`,
		}},
		{"no dialects", map[string]string{"dialects": ","}, nil, []string{`--dialects: names no dialect`}},
		{"missing files", map[string]string{"keyspaces": "/nonexistent/k", "config": "/nonexistent/c"}, nil, []string{
			`--config: open /nonexistent/c: no such file or directory`,
			`--keyspaces: stat /nonexistent/k: no such file or directory`,
		}},
		{"a file for a directory", map[string]string{"data-dir": file}, nil, []string{`--data-dir: ` + file + ` is no directory`}},
		{"one secret twice", nil, []string{"LATCHKEY_SECRET=" + same, "LATCHKEY_PREVIOUS_SECRET=" + same}, []string{
			`LATCHKEY_PREVIOUS_SECRET: is the same as secret`,
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Load(Sources{Flags: tt.flags, Environ: tt.env, Dialects: dialects})
			wantFaults(t, err, tt.want...)
		})
	}
}

func TestLoopback(t *testing.T) {
	for addr, want := range map[string]bool{
		"127.0.0.1:1": true, "127.9.9.9:1": true, "[::1]:1": true, "localhost:1": true, "[::ffff:127.0.0.1]:1": true,
		":1": false, "0.0.0.0:1": false, "[::]:1": false, "10.0.0.1:1": false, "localhost.example:1": false,
	} {
		if got := loopback(addr); got != want {
			t.Errorf("loopback(%q) = %v, want %v", addr, got, want)
		}
	}
}

// TestForeignVariables lists what begins like a setting and is no fault.
func TestForeignVariables(t *testing.T) {
	_, err := Load(Sources{Dialects: dialects, Environ: []string{
		"LATCHKEY_URL=http://127.0.0.1:8080", "LATCHKEY_WORKSPACE=default.acme", "LATCHKEY_KEY=lk_a_key", "LATCHKEY_SERVICE_HOST=10.0.0.1", "LATCHKEY_SERVICE_PORT_HTTP=80",
		"LATCHKEY_PORT=tcp://10.0.0.1:80", "LATCHKEY_PORT_80_TCP_ADDR=10.0.0.1", "PATH=/bin", "NOLATCHKEY_X=1",
	}})
	if err != nil {
		t.Error(err)
	}
}

func TestFileForms(t *testing.T) {
	file := filepath.Join(t.TempDir(), "latchkey.yaml")
	for _, tt := range []struct{ name, text, fault string }{
		{"empty", " \n", ""},
		{"comments alone", "# nothing\n", ""},
		{"members without a value", "addr:\nroot_key: null\n", ""},
		{"json", `{"addr": "127.0.0.1:9", "insecure_bind": true}`, ""},
		{"sequences", "dialects: [first, second]\ntrusted_proxies:\n- 10.0.0.0/8\n", ""},
		{"a secret that looks like a number", "root_key: 01234567890123456789012345678901\n", ""},
		{"a list", "- addr\n", ":1: is no mapping of settings to values"},
		{"broken", "addr: x\nroot_key: \"hunter2\n", ":3: is not YAML"},
		{"a secret that looks like an alias", "root_key: *hunter2\n", ":1: is not YAML"},
		{"two documents", "addr: 127.0.0.1:1\n---\naddr: 127.0.0.1:2\n", ": has more than one document"},
		{"no value in a document", "---\n", ""},
		{"a key that is no text", "[addr]: x\n", ":1: : there is no such setting"},
		{"a yes that is no bool", "insecure_bind: yes\n", `:1: insecure_bind: "yes" is not true or false`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			writeFile(t, file, tt.text)
			_, err := Load(Sources{Flags: map[string]string{"config": file}, Dialects: dialects})
			if tt.fault == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			faults, _ := errors.AsType[Faults](err)
			if len(faults) != 1 || !strings.HasSuffix(faults[0].Source+": "+faults[0].Detail, tt.fault) {
				t.Errorf("got %v, want one fault that ends in %q", err, tt.fault)
			}
			if strings.Contains(fmt.Sprint(err), "hunter2") {
				t.Errorf("a secret is shown: %v", err)
			}
		})
	}
}

func TestConfigDoesNotShowSecrets(t *testing.T) {
	secret := strings.Repeat("hunter2.", 4)
	c, err := Load(Sources{Environ: []string{"LATCHKEY_ROOT_KEY=" + secret}, Dialects: dialects})
	if err != nil {
		t.Fatal(err)
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		if text := fmt.Sprintf(verb, c); strings.Contains(text, "hunter2") {
			t.Errorf("%s shows a secret: %s", verb, text)
		}
	}
}

func TestHelp(t *testing.T) {
	help := Help()
	for _, s := range Settings {
		if !strings.Contains(help, s.Variable()) {
			t.Errorf("%s is not in the help text", s.Variable())
		}
		if s.Secret && strings.Contains(help, "--"+strings.ReplaceAll(s.Name, "_", "-")) {
			t.Errorf("the help text has a flag for the secret %s", s.Name)
		}
	}
	for line := range strings.Lines(help) {
		if len(line) > 81 {
			t.Errorf("a line is wider than a terminal: %s", line)
		}
	}
}

// TestReference keeps docs/configuration.md equal to the table; -update writes it.
func TestReference(t *testing.T) {
	const path = "../../docs/configuration.md"
	if *update {
		writeFile(t, path, Reference())
	}
	page, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(page), Reference()); diff != "" {
		t.Errorf("docs/configuration.md is stale, run `make generate` (-page +table):\n%s", diff)
	}
}

func wantFaults(t *testing.T, err error, want ...string) {
	t.Helper()
	faults, _ := errors.AsType[Faults](err)
	var got []string
	for _, f := range faults {
		got = append(got, f.Source+": "+f.Detail)
	}
	if !slices.Equal(got, want) {
		t.Errorf("the faults differ (-want +got):\n%s", cmp.Diff(want, got))
	}
}

func diffConfig(want, got Config) string {
	return cmp.Diff(want, got,
		cmp.Comparer(func(a, b token.Secret) bool { return a.Equal(b) }),
		cmp.Comparer(func(a, b netip.Prefix) bool { return a == b }))
}

func writeFile(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}
