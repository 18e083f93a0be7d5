package keys

import (
	"encoding/hex"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"latchkey/internal/ratelimit"
	"latchkey/internal/span"
	"latchkey/internal/token"
)

// what no event may show.
const (
	metaContent  = "the-content-of-metadata"
	extraContent = "the-content-of-a-dialect"
	sealedText   = "what-a-secret-is-sealed-as"
	mail         = "someone@example.com"
)

// fullKey has a value in every member.
func fullKey(secret token.Secret) Key {
	form := token.Form{Prefix: "lk", Format: token.Latchkey, Length: 30}
	s := Secret{ID: "sec_1", Hash: secret.Sum(), ExpiresAt: time.Unix(1e9, 0), Sealed: []byte(sealedText), SealedBy: "vault"}
	s.Start, s.End = form.Hint(secret, 4)
	return Key{
		ID: "key_1", WorkspaceID: "ws_1", KeyspaceID: "ks_1", Owner: Owner{ID: "idn_1", ExternalID: mail}, Name: "ci", Environment: "live",
		Enabled: true, ExpiresAt: time.Unix(2e9, 0), Permissions: []string{"docs.read"}, Roles: []string{"reader"},
		AllowedIPs: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}, Meta: `{"a":"` + metaContent + `"}`, Form: form, Secrets: []Secret{s},
		Limits:  []ratelimit.Limit{{ID: "rl_1", Name: "l", Max: 5, Window: span.Of(time.Minute), Auto: true}},
		Aliases: []Alias{{"scheme", "alias"}}, Extra: Extra{"d": extraContent}, AccountID: "key_1",
		Credits: &Credits{Remaining: 5, Refill: &Refill{Amount: 9, Every: Monthly, Day: 3, Mode: RefillAdd}},
	}
}

func fullIdentity() Identity {
	return Identity{ID: "idn_1", ExternalID: mail, Kind: Customer, Enabled: true, Meta: `{"a":"` + metaContent + `"}`, Extra: Extra{"d": extraContent}}
}

// TestEventsTellNoSecrets makes, changes and deletes things in all their
// members, and looks for what must not be told.
func TestEventsTellNoSecrets(t *testing.T) {
	secret, other := token.Form{Prefix: "lk", Format: token.Latchkey, Length: 30}.Mint(), token.New("another secret, that has no form at all")
	k, changed, none := fullKey(secret), fullKey(other), Key{}
	changed.Meta, changed.Owner.ID = strings.ToUpper(k.Meta), "idn_2"
	i, moved := fullIdentity(), fullIdentity()
	moved.ExternalID, moved.Meta = "another@example.com", strings.ToUpper(i.Meta)
	for name, sides := range map[string][2][]Member{
		"made":             {nil, KeyMembers(&k)},
		"made, told whole": {nil, KeyMade(&k)},
		"deleted":          {KeyMembers(&k), nil},
		"changed":          {KeyMembers(&k), KeyMembers(&changed)},
		"emptied":          {KeyMembers(&k), KeyMembers(&none)},
		"filled":           {KeyMembers(&none), KeyMembers(&k)},
		"identity made":    {nil, IdentityMembers(&i)},
		"identity deleted": {IdentityMade(&i), nil},
		"identity changed": {IdentityMembers(&i), IdentityMembers(&moved)},
		"identity emptied": {IdentityMembers(&i), IdentityMembers(&Identity{})},
	} {
		ev := Event{}
		ev.Compare(sides[0], sides[1])
		text := fmt.Sprintf("%#v %#v", ev.Before, ev.After)
		hash := secret.Sum()
		for _, hidden := range []string{
			secret.Reveal(), secret.Reveal()[7:39], hash.Hex(), hash.Hex()[:16], string(hash[:]), fmt.Sprintf("%#v", [32]byte(hash)), hex.EncodeToString(hash[:4]),
			other.Reveal(), metaContent, strings.ToUpper(metaContent), extraContent, sealedText, fmt.Sprint([]byte(sealedText)), mail, moved.ExternalID, "hiddenText",
		} {
			if strings.Contains(text, hidden) {
				t.Errorf("%s: the event tells %q: %s", name, hidden, text)
			}
		}
	}
}

// TestCompare tells what differs and nothing else.
func TestCompare(t *testing.T) {
	k := fullKey(token.New("a secret that this test does not look at"))
	changed := k
	changed.Name, changed.Enabled, changed.ExpiresAt, changed.Permissions = "cd", false, time.Time{}, []string{"docs.read", "docs.write"}
	changed.Credits, changed.AllowedIPs, changed.Meta = nil, nil, ""
	changed.Limits = []ratelimit.Limit{{ID: "rl_1", Name: "l", Max: 6, Window: span.Of(time.Minute), Auto: true, Disabled: true}}
	window := span.Of(time.Minute).String()
	var ev Event
	ev.Compare(KeyMembers(&k), KeyMembers(&changed))
	want := Event{
		Before: []Member{
			{"name", "ci"}, {"enabled", true}, {"meta", "(changed)"}, {"permissions", []string{"docs.read"}}, {"allowed_ips", []string{"10.0.0.0/8"}},
			{"expires_at", "2033-05-18T03:33:20.000Z"},
			{"limits", [][]Member{{{"name", "l"}, {"max", int64(5)}, {"window", window}, {"algorithm", ""}, {"auto_apply", true}}}},
			{"credits", []Member{{"remaining", int64(5)}, {"refill", []Member{{"amount", int64(9)}, {"every", "monthly"}, {"mode", "add"}, {"day", int64(3)}}}}},
		},
		After: []Member{
			{"name", "cd"}, {"enabled", false}, {"meta", nil}, {"permissions", []string{"docs.read", "docs.write"}}, {"allowed_ips", []string{}},
			{"expires_at", nil},
			{"limits", [][]Member{{{"name", "l"}, {"max", int64(6)}, {"window", window}, {"algorithm", ""}, {"auto_apply", true}, {"enabled", false}}}},
			{"credits", nil},
		},
	}
	if diff := cmp.Diff(want, ev, cmp.AllowUnexported(netip.Addr{}, netip.Prefix{}), cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
		t.Error(diff)
	}
	ev.Compare(KeyMembers(&k), KeyMembers(&k))
	if ev.Before == nil || ev.After == nil || len(ev.Before)+len(ev.After) > 0 {
		t.Errorf("what has not changed is told as %#v, %#v", ev.Before, ev.After)
	}
	made := KeyMembers(&k)
	ev.Compare(nil, made)
	if ev.Before != nil || len(ev.After) != len(made) {
		t.Errorf("what was made is told as %#v, %#v", ev.Before, ev.After)
	}
	if made[5].Name != "meta" || made[5].Value == ev.After[5].Value {
		t.Error("comparing has changed what it was given")
	}
}

// TestEventOf fills in who, what and from where.
func TestEventOf(t *testing.T) {
	by := Actor{Kind: RootKey, ID: "key_2", Name: "root", WorkspaceID: "ws_1", Origin: Origin{RequestID: "r", Addr: netip.MustParseAddr("10.0.0.1")}}
	now := time.Unix(1e9, 0)
	ev := event(by, "key.update", Ref{"key", "key_1"}, now)
	if ev.WorkspaceID != "ws_1" || !ev.At.Equal(now) || ev.Actor != (Creator{RootKey, "key_2", "root"}) || ev.KeyID != "key_1" || ev.RequestID != "r" || ev.Addr != by.Origin.Addr {
		t.Errorf("%+v", ev)
	}
	also := ev.Also("identity.create", Ref{"identity", "idn_1"}, []Member{{"a", "b"}})
	if also.ID == ev.ID || also.KeyID != "" || also.Action != "identity.create" || also.Target != (Ref{"identity", "idn_1"}) || also.Before != nil || len(also.After) != 1 || also.Actor != ev.Actor || also.RequestID != "r" {
		t.Errorf("%+v", also)
	}
	if ev := event(by, "root_key.update", Ref{"root_key", "key_3"}, now); ev.KeyID != "key_3" {
		t.Errorf("%+v", ev)
	}
}
