package server

import (
	"cmp"
	"crypto/tls"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

const prefix = "LATCHKEY_"

// clientVariables begin like a setting but speak to clients.
var clientVariables = []string{prefix + "URL", prefix + "WORKSPACE", prefix + "KEY"}

// orchestrated are the variables that Kubernetes sets in every pod beside a
// service that happens to be called latchkey.
var orchestrated = regexp.MustCompile(`^LATCHKEY_(SERVICE_(HOST|PORT)(_\w+)?|PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)$`)

// Sources is where settings come from.
type Sources struct {
	Flags    map[string]string // flag without dashes → value, of those that were given
	Environ  []string          // NAME=value, as of os.Environ
	Dialects []string          // the names of the dialects that there are
}

// A Fault is one thing that is wrong with the configuration.
type Fault struct {
	Source string // a flag, a variable, or a file with line and member
	Detail string // never has a secret's value
}

// Faults is the error of [Load]: everything that is wrong, at once.
type Faults []Fault

func (f Faults) Error() string {
	var b strings.Builder
	b.WriteString("the configuration has faults:")
	for _, fault := range f {
		fmt.Fprintf(&b, "\n  %s: %s", fault.Source, fault.Detail)
	}
	return b.String()
}

// loader gathers a configuration from its sources.
type loader struct {
	cfg    Config
	given  map[string]string // setting's name → the source whose value is in force
	faulty map[string]bool   // setting's name → a source gave a value that cannot be
	faults Faults
}

// Load reads the settings. A flag goes before a variable, a variable before the
// file, the file before the default. A variable that is empty counts as not
// set. The error is of type [Faults].
func Load(src Sources) (Config, error) {
	l := loader{cfg: Defaults(), given: map[string]string{}, faulty: map[string]bool{}}
	env, unknown := variables(src.Environ)
	// 1. The data directory that systemd made for the unit replaces the default.
	if dirs := env["STATE_DIRECTORY"]; dirs != "" {
		l.cfg.DataDir, _, _ = strings.Cut(dirs, ":")
	}
	// 2. The file, whose name is itself a setting of the other two sources.
	if path := src.Flags["config"]; path != "" {
		l.readFile("--config", path)
	} else if path := env[prefix+"CONFIG"]; path != "" {
		l.readFile(prefix+"CONFIG", path)
	}
	// 3. Variables.
	for _, s := range Settings {
		if v := env[s.Variable()]; v != "" {
			l.set(s, s.Variable(), v)
		}
	}
	for _, name := range unknown {
		l.fault(name, "there is no such setting")
	}
	// 4. Flags.
	for _, s := range Settings {
		if v, ok := src.Flags[s.Flag()]; ok && !s.Secret {
			l.set(s, "--"+s.Flag(), v)
		}
	}
	// 5. What holds between settings.
	l.checkDialects(src.Dialects)
	l.checkListeners()
	l.checkFiles()
	if l.faults != nil {
		return Config{}, l.faults
	}
	return l.cfg, nil
}

// variables returns the environment by name, and the sorted names of the
// variables that look like a setting and are none.
func variables(environ []string) (env map[string]string, unknown []string) {
	known := slices.Clone(clientVariables)
	for _, s := range Settings {
		known = append(known, s.Variable())
	}
	env = map[string]string{}
	for _, entry := range environ {
		name, value, _ := strings.Cut(entry, "=")
		env[name] = value
		if strings.HasPrefix(name, prefix) && !slices.Contains(known, name) && !orchestrated.MatchString(name) {
			unknown = append(unknown, name)
		}
	}
	slices.Sort(unknown)
	return env, unknown
}

func (l *loader) set(s *Setting, source, value string) {
	if err := s.set(&l.cfg, strings.TrimSpace(value)); err != nil {
		l.fault(source, err.Error())
		l.faulty[s.Name] = true
		return
	}
	l.given[s.Name] = source
}

func (l *loader) fault(source, detail string) {
	l.faults = append(l.faults, Fault{source, detail})
}

// source names where a setting's value came from.
func (l *loader) source(name string) string {
	return cmp.Or(l.given[name], name+" (default)")
}

func (l *loader) checkDialects(known []string) {
	chosen := l.cfg.Dialects
	switch {
	case len(chosen) == 0:
		l.fault(l.source("dialects"), "names no dialect")
	case slices.Equal(chosen, []string{all}):
		l.cfg.Dialects = slices.Clone(known)
	default:
		for _, name := range chosen {
			if !slices.Contains(known, name) {
				l.fault(l.source("dialects"), fmt.Sprintf("%q is no dialect; there are %s, or %s alone",
					name, strings.Join(known, ", "), all))
			}
		}
	}
}

func (l *loader) checkListeners() {
	plain := l.cfg.TLSCert == "" && l.cfg.TLSKey == ""
	for _, at := range []struct{ name, addr string }{{"addr", l.cfg.Addr}, {"metrics_addr", l.cfg.MetricsAddr}} {
		if at.addr == "" || l.faulty[at.name] || l.faulty["insecure_bind"] {
			continue
		}
		if plain && !l.cfg.InsecureBind && !loopback(at.addr) {
			l.fault(l.source(at.name), fmt.Sprintf("%q is reachable from other machines, and secrets would travel in clear: "+
				"give tls_cert and tls_key, or --insecure-bind where something in front adds TLS", at.addr))
		}
	}
	_, port, _ := net.SplitHostPort(l.cfg.Addr)
	if l.cfg.MetricsAddr == l.cfg.Addr && port != "0" {
		l.fault(l.source("metrics_addr"), "is the same as addr; leave it out to have /metrics there")
	}
}

func (l *loader) checkFiles() {
	if cert, key := l.cfg.TLSCert, l.cfg.TLSKey; cert != "" && key != "" {
		if _, err := tls.LoadX509KeyPair(cert, key); err != nil {
			l.fault(l.source("tls_cert"), fmt.Sprintf("cannot be used with tls_key: %v", err))
		}
	} else if cert != "" {
		l.fault(l.source("tls_cert"), "needs tls_key")
	} else if key != "" {
		l.fault(l.source("tls_key"), "needs tls_cert")
	}
	if path := l.cfg.Keyspaces; path != "" {
		if _, err := os.Stat(path); err != nil {
			l.fault(l.source("keyspaces"), err.Error())
		}
	}
	if l.cfg.DataDir == "" {
		l.fault(l.source("data_dir"), "is empty")
	} else if info, err := os.Stat(l.cfg.DataDir); err == nil && !info.IsDir() {
		l.fault(l.source("data_dir"), fmt.Sprintf("%s is no directory", filepath.Clean(l.cfg.DataDir)))
	}
	if !l.cfg.PreviousSecret.IsZero() && l.cfg.PreviousSecret.Equal(l.cfg.Secret) {
		l.fault(l.source("previous_secret"), "is the same as secret")
	}
}
