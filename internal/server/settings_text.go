package server

import (
	"fmt"
	"strings"
)

// Help returns the settings as `latchkey serve -h` shows them.
func Help() string {
	var b strings.Builder
	b.WriteString("Every setting is a flag, a variable and a member of the file named by --config.\n" +
		"A flag goes before a variable, a variable before the file. Secrets have no flag.\n")
	for _, s := range Settings {
		b.WriteString("\n  ")
		switch {
		case s.Switch:
			fmt.Fprintf(&b, "--%s  ", s.Flag())
		case !s.Secret:
			fmt.Fprintf(&b, "--%s %s  ", s.Flag(), s.Form)
		}
		b.WriteString(s.Variable())
		if s.Default != "" {
			fmt.Fprintf(&b, "  (%s)", s.Default)
		}
		b.WriteByte('\n')
		wrap(&b, s.Text, "        ", 80)
	}
	return b.String()
}

// wrap writes words to lines that begin with indent and are at most width wide.
func wrap(b *strings.Builder, text, indent string, width int) {
	line := indent
	for word := range strings.FieldsSeq(text) {
		if line != indent && len(line)+1+len(word) > width {
			b.WriteString(line + "\n")
			line = indent
		}
		if line != indent {
			line += " "
		}
		line += word
	}
	b.WriteString(line + "\n")
}

// Reference returns the page docs/configuration.md.
func Reference() string {
	var b strings.Builder
	b.WriteString(referenceHead)
	b.WriteString("\n| member | variable | flag | value | default |\n|---|---|---|---|---|\n")
	for _, s := range Settings {
		fmt.Fprintf(&b, "| %s | `%s` | %s | %s | %s |\n",
			link(s), s.Variable(), code(dashed(s.Flag())), s.Form, code(s.Default))
	}
	for _, s := range Settings {
		fmt.Fprintf(&b, "\n## %s\n\n%s\n", s.Name, s.Text)
	}
	return b.String()
}

const referenceHead = `# Configuration

<!-- Written by ` + "`make generate`" + ` from the table of settings in internal/server. -->

` + "`latchkey serve`" + ` needs no configuration. Each setting can be given in three ways: as a flag, as
an environment variable, and as a member of a YAML file that ` + "`--config`" + ` or ` + "`LATCHKEY_CONFIG`" + `
names. A flag goes before a variable, a variable before the file, the file before the default.
A variable that is empty counts as not set. Secrets have no flag, because the arguments of a
process are visible to every user of its machine.

All faults are reported at once, each with its source, and nothing is started. An unknown member
of the file is a fault, and so is an unknown variable that begins with ` + "`LATCHKEY_`" + `.

Durations are an integer and a unit: ` + "`500ms`, `90s`, `15m`, `24h`, `30d`" + `. A list is written
with commas, or in the file as a sequence. Paths are relative to the working directory.

` + "```yaml" + `
addr: 0.0.0.0:8443
data_dir: /var/lib/latchkey
tls_cert: /etc/latchkey/tls.crt
tls_key: /etc/latchkey/tls.key
trusted_proxies: [10.0.0.0/8]
` + "```" + `
`

func link(s *Setting) string {
	anchor := fmt.Sprintf("[%s](#%s)", s.Name, s.Name)
	if s.notInFile {
		return anchor + " (not in the file)"
	}
	return anchor
}

func dashed(flag string) string {
	if flag == "" {
		return ""
	}
	return "--" + flag
}

func code(text string) string {
	if text == "" {
		return "–"
	}
	return "`" + text + "`"
}
