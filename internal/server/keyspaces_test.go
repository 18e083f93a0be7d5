package server

import (
	"path/filepath"
	"strings"
	"testing"

	"latchkey/internal/keys"
	"latchkey/internal/token"
)

// A declaring is a server whose keyspaces are declared, and are again with
// every start.
type declaring struct {
	t   *testing.T
	cfg Config
	s   *Server
}

func newDeclaring(t *testing.T) *declaring {
	cfg := Defaults()
	cfg.DataDir, cfg.RootKey, cfg.Keyspaces = filepath.Join(t.TempDir(), "data"), token.New(testRoot), filepath.Join(t.TempDir(), "keyspaces")
	return &declaring{t: t, cfg: cfg}
}

// start starts the server again, with another declaration.
func (d *declaring) start(text string) error {
	d.t.Helper()
	if d.s != nil {
		if err := d.s.Close(); err != nil {
			d.t.Fatal(err)
		}
	}
	writeFile(d.t, d.cfg.Keyspaces, text)
	var err error
	if d.s, err = Open(d.t.Context(), d.cfg, Options{}); err == nil {
		d.t.Cleanup(func() { _ = d.s.Close() })
	}
	return err
}

func (d *declaring) keyspace(slug string) keys.Keyspace {
	d.t.Helper()
	ws, err := d.s.store.Workspace(d.t.Context(), keys.RootPath)
	if err != nil {
		d.t.Fatal(err)
	}
	ks, err := d.s.store.Keyspace(d.t.Context(), ws.ID, slug)
	if err != nil {
		d.t.Fatal(err)
	}
	return ks
}

// events returns how many lines the audit log has of an action.
func (d *declaring) events(action string) int {
	d.t.Helper()
	return strings.Count(get(d.s, "/latchkey/v1/events?limit=200&action="+action, testRoot).Body.String(), `"action"`)
}

// TestDeclaredKeyspaces declares the same in YAML and in JSON, again, changed,
// and no more.
func TestDeclaredKeyspaces(t *testing.T) {
	const asYAML = `
# What our services use.
- slug: payments
  name: Payments
  policy:
    prefix: pay
    environments: [live, test]
    expiry: {max: 90d}
    limits:
      - {name: requests, max: 100, window: 1m}
- slug: docs
`
	const asJSON = `[{"slug":"payments","name":"Payments","policy":{"prefix":"pay","environments":["live","test"],"expiry":{"max":"90d"},
		"limits":[{"name":"requests","max":100,"window":"1m","algorithm":"sliding","auto_apply":true}]}},{"slug":"docs","name":"docs","policy":{}}]`
	d := newDeclaring(t)
	if err := d.start(asYAML); err != nil {
		t.Fatal(err)
	}
	made := d.keyspace("payments")
	if made.Name != "Payments" || made.Policy.Secret.Prefix != "pay" || len(made.Policy.Limits) != 1 || d.keyspace("docs").Name != "docs" {
		t.Errorf("declared as %+v", made)
	}
	if w := post(d.s, "/latchkey/v1/keys", testRoot, `{"keyspace":"payments"}`); !strings.Contains(w.Body.String(), `"secret":"pay_`) || !strings.Contains(w.Body.String(), `"environment":"live"`) {
		t.Errorf("a key is made otherwise than the keyspace says: %d %s", w.Code, w.Body)
	}
	creates, updates := d.events("keyspace.create"), d.events("keyspace.update")

	for _, same := range []string{asYAML, asJSON} {
		if err := d.start(same); err != nil {
			t.Fatal(err)
		}
		if c, u := d.events("keyspace.create"), d.events("keyspace.update"); c != creates || u != updates || d.keyspace("payments").Version != made.Version {
			t.Errorf("the same again is a change: %d and %d events, want %d and %d", c, u, creates, updates)
		}
	}

	if err := d.start(strings.Replace(asYAML, "max: 100", "max: 7", 1)); err != nil {
		t.Fatal(err)
	}
	if ks := d.keyspace("payments"); ks.ID != made.ID || ks.Policy.Limits[0].Max != 7 || d.events("keyspace.update") != updates+1 || d.events("keyspace.create") != creates {
		t.Errorf("changed, it is %+v, with %d events", ks, d.events("keyspace.update"))
	}

	if err := d.start("[]"); err != nil {
		t.Fatal(err)
	}
	if d.keyspace("payments").ID != made.ID {
		t.Error("what is declared no more is gone")
	}
}

// TestDeclaredKeyspacesFaults tells all that is wrong at once, and starts
// nothing.
func TestDeclaredKeyspacesFaults(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		want       []string
	}{
		{"all at once", "- {slug: Bad Slug, policy: {expiry: {max: soon}, secret: {format: rot13}}}\n- {slug: a, policy: {hint: {length: 99}}}\n- {slug: a}\n", []string{
			"keyspaces/0/policy/expiry/max", "keyspaces/1/policy/hint/length", "keyspaces/2/slug: is declared twice",
		}},
		{"unknown members", `[{"slug":"a","colour":"red","policy":{"prefixx":"p"}},{"policy":7}]`, []string{
			"keyspaces/0/colour", "keyspaces/0/policy/prefixx", "keyspaces/1/slug: is required", "keyspaces/1/policy: must be an object",
		}},
		{"what is no list", "slug: a\n", []string{"keyspaces: must be a list"}},
		{"what is neither YAML nor JSON", "- slug: [\n", []string{"yaml"}},
		{"a name given twice", "- {slug: a, slug: b}\n", []string{"slug"}},
		{"a name that is no text", "- {1: a}\n", []string{"a name that is no text"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := newDeclaring(t)
			err := d.start(tt.text)
			if err == nil {
				t.Fatal("accepted")
			}
			for _, want := range append(tt.want, d.cfg.Keyspaces) {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("the error does not say %q: %v", want, err)
				}
			}
			if err := d.start("[]"); err != nil {
				t.Errorf("afterwards: %v", err)
			}
		})
	}
}
