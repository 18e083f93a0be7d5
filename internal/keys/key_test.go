package keys_test

import (
	"testing"
	"time"

	"latchkey/internal/keys"
)

func TestStatus(t *testing.T) {
	now := time.Date(2030, 1, 15, 12, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		name string
		key  keys.Key
		want keys.Status
	}{
		{"good for ever", keys.Key{Enabled: true}, keys.StatusActive},
		{"good for a moment", keys.Key{Enabled: true, ExpiresAt: now.Add(1)}, keys.StatusActive},
		{"good no more", keys.Key{Enabled: true, ExpiresAt: now}, keys.StatusExpired},
		{"disabled", keys.Key{}, keys.StatusDisabled},
		{"disabled and expired", keys.Key{ExpiresAt: now}, keys.StatusDisabled},
	} {
		if got := tt.key.Status(now); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
}

// TestLiveSecrets looks at a key as of moments before and after its secrets
// end.
func TestLiveSecrets(t *testing.T) {
	now := time.Date(2030, 1, 15, 12, 0, 0, 0, time.UTC)
	k := keys.Key{Secrets: []keys.Secret{{ID: "a", ExpiresAt: now.Add(time.Hour)}, {ID: "b", ExpiresAt: now.Add(time.Minute)}, {ID: "c"}}}
	for after, want := range map[time.Duration]string{0: "abc", time.Minute - 1: "abc", time.Minute: "ac", time.Hour: "c"} {
		got := ""
		for _, s := range k.LiveSecrets(now.Add(after)) {
			got += s.ID
		}
		if got != want {
			t.Errorf("after %v the live secrets are %s, want %s", after, got, want)
		}
	}
	if s := k.Newest(); s.ID != "c" || (&keys.Key{}).Newest() != nil {
		t.Errorf("the newest is %+v", s)
	}
}

// TestExtra sets the documents of two dialects on a key, and deletes one.
func TestExtra(t *testing.T) {
	h := newHome(t)
	k, _ := h.create(keys.KeySettings{Extra: keys.Extra{"a": "1", "none": ""}})
	k = h.update(k.ID, keys.KeySettings{Extra: keys.Extra{"b": "2"}})
	if len(k.Extra) != 2 || k.Extra["a"] != "1" || k.Extra["b"] != "2" {
		t.Errorf("two documents: %v", k.Extra)
	}
	if k = h.update(k.ID, keys.KeySettings{Extra: keys.Extra{"a": ""}}); len(k.Extra) != 1 || k.Extra["b"] != "2" {
		t.Errorf("one deleted: %v", k.Extra)
	}
}

// TestAppendRendered renders the record of a key with metadata for two dialects:
// the first one's is kept, and goes with the record when the key changes. That
// of a plain key is not kept.
func TestAppendRendered(t *testing.T) {
	h := newHome(t)
	k, secret := h.create(keys.KeySettings{Name: keys.Some(ptr("before")), Meta: keys.Some(`{"a":1}`)})
	_, plain := h.create(keys.KeySettings{Name: keys.Some(ptr("plain"))})
	made := 0
	render := func(b []byte, rec *keys.Record) []byte { made++; return append(b, rec.Name()...) }
	for n, step := range []struct {
		dialect, want string
		made          int
	}{{"a", "before", 1}, {"a", "before", 1}, {"b", "before", 2}, {"b", "before", 3}, {"a", "before", 3}} {
		rec := h.verify(keys.VerifyRequest{Secret: secret}).Record
		if got := string(rec.AppendRendered([]byte(">"), step.dialect, render)); got != ">"+step.want || made != step.made {
			t.Errorf("step %d: %s, made %d times; want %s, %d", n, got, made, step.want, step.made)
		}
	}
	h.update(k.ID, keys.KeySettings{Name: keys.Some(ptr("after"))})
	if got := string(h.verify(keys.VerifyRequest{Secret: secret}).Record.AppendRendered(nil, "a", render)); got != "after" {
		t.Errorf("after a change: %s", got)
	}
	for n := range 2 {
		before := made
		if got := string(h.verify(keys.VerifyRequest{Secret: plain}).Record.AppendRendered(nil, "a", render)); got != "plain" || made != before+1 {
			t.Errorf("a plain key, time %d: %s, made %d times", n, got, made-before)
		}
	}
}
