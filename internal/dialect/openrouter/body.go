package openrouter

import (
	"net/http"
	"regexp"
	"strings"
	"time"

	"latchkey/internal/httpapi"
	"latchkey/internal/keys"
	"latchkey/internal/token"
)

// notNull reports a member that is null and may not be.
func notNull[T any](o *httpapi.Maybe[T], at string, faults *keys.Faults) {
	if o.Null {
		faults.Add(at, "must not be null")
	}
}

// decode reads a body. What the vendor does not know it passes over.
func decode(r *http.Request, v any) error {
	body, err := httpapi.ReadBody(r, 0)
	if err != nil {
		return err
	}
	return httpapi.Decode(body, v, httpapi.Decoding{Lenient: true})
}

// A termsBody are the members by which a key is given a limit.
type termsBody struct {
	Limit              httpapi.Maybe[usd]    `json:"limit"`
	LimitReset         httpapi.Maybe[string] `json:"limit_reset"`
	IncludeBYOKInLimit httpapi.Maybe[bool]   `json:"include_byok_in_limit"`
}

func (b *termsBody) given() bool {
	return b.Limit.Given || b.LimitReset.Given || b.IncludeBYOKInLimit.Given
}

func (b *termsBody) check(faults *keys.Faults) {
	// The core sees it only together with a limit.
	if r := b.LimitReset.Pointer(); r != nil && !keys.Reset(*r).Valid() {
		faults.Add("limit_reset", `must be "daily", "weekly" or "monthly"`)
	}
	notNull(&b.IncludeBYOKInLimit, "include_byok_in_limit", faults)
}

// change returns the terms after what is given.
func (b *termsBody) change(t terms) terms {
	if b.Limit.Given {
		t.limit = b.Limit.Pointer()
	}
	if b.LimitReset.Given {
		t.reset = keys.Reset(b.LimitReset.Value)
	}
	if b.IncludeBYOKInLimit.Given {
		t.countsBYOK = b.IncludeBYOKInLimit.Value
	}
	return t
}

type createBody struct {
	Name string `json:"name" required:"true"`
	termsBody
	ExpiresAt     httpapi.Maybe[string]   `json:"expires_at"`
	CreatorUserID httpapi.Maybe[string]   `json:"creator_user_id"`
	WorkspaceID   httpapi.Maybe[string]   `json:"workspace_id"`
	External      httpapi.Maybe[external] `json:"external"`
}

// An external tells for whom a key is made.
type external struct {
	User   string                `json:"user" required:"true"`
	APIKey httpapi.Maybe[string] `json:"api_key" secret:"true"`
}

// newKey returns what is to be made, with the faults that only this API finds.
func (b *createBody) newKey() keys.NewKey {
	nk := keys.NewKey{Standing: keyspace()}
	s := &nk.KeySettings
	s.Name = keys.Some(&b.Name)
	notEmpty("name", b.Name, &s.Faults)
	b.termsBody.check(&s.Faults)
	doc := b.extra(&s.Faults)
	b.termsBody.change(terms{}).settle(s, doc)
	if at := readExpiry(&b.ExpiresAt, &s.Faults); !at.IsZero() {
		s.ExpiresAt = keys.Some(at)
	}
	if to := b.External.Pointer(); to != nil {
		notEmpty("external/user", to.User, &s.Faults)
		s.Owner = keys.Some(keys.Owner{ExternalID: to.User})
	}
	return nk
}

// extra returns what is kept of the key for this dialect alone. A key by which
// somebody else knows the external user is kept as its hash.
func (b *createBody) extra(faults *keys.Faults) (doc extra) {
	if id := b.CreatorUserID.Pointer(); id != nil {
		doc.Creator = *id
		notEmpty("creator_user_id", *id, faults)
		if len([]rune(*id)) > keys.MaxText {
			faults.Add("creator_user_id", "must be at most %d characters", keys.MaxText)
		}
	}
	notNull(&b.External, "external", faults)
	to := b.External.Pointer()
	if to == nil || !to.APIKey.Given {
		return doc
	}
	secret := token.New(to.APIKey.Value)
	if n := secret.Len(); n < minExternalKey || n > keys.MaxSecret {
		faults.Add("external/api_key", "must be %d to %d characters", minExternalKey, keys.MaxSecret)
	}
	doc.ExternalKey = secret.Sum().Hex()
	return doc
}

const minExternalKey = 32

// readExpiry reads when a key ends, the zero time for never.
func readExpiry(at *httpapi.Maybe[string], faults *keys.Faults) time.Time {
	text := at.Pointer()
	if text == nil {
		return time.Time{}
	}
	t, ok := parseTime(*text)
	if !ok {
		faults.Add("expires_at", "must be a time in UTC with seconds, such as 2027-12-31T23:59:59Z")
	}
	if first := time.UnixMilli(1).UTC(); t.Before(first) { // Go's zero time among them, which elsewhere says never
		return first
	}
	return t
}

type updateBody struct {
	Name     httpapi.Maybe[string] `json:"name"`
	Disabled httpapi.Maybe[bool]   `json:"disabled"`
	termsBody
}

// settings returns what is to be changed, with the faults that only this API
// finds.
func (b *updateBody) settings() keys.KeySettings {
	var s keys.KeySettings
	notNull(&b.Name, "name", &s.Faults)
	notNull(&b.Disabled, "disabled", &s.Faults)
	b.termsBody.check(&s.Faults)
	if name := b.Name.Pointer(); name != nil {
		s.Name = keys.Some(name)
		notEmpty("name", *name, &s.Faults)
	}
	if off := b.Disabled.Pointer(); off != nil {
		s.Enabled = keys.Some(!*off)
	}
	if b.termsBody.given() {
		s.Complete = func(k *keys.Key, s *keys.KeySettings) { b.termsBody.change(termsOf(k)).settle(s, extraOf(k)) }
	}
	return s
}

func notEmpty(at, text string, faults *keys.Faults) {
	if text == "" {
		faults.Add(at, "must not be empty")
	}
}

var timeText = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|\+00:00)$`)

// parseTime reads a time in UTC. Other zones are refused, even where they are
// the same as UTC by another name.
func parseTime(text string) (time.Time, bool) {
	if !timeText.MatchString(text) {
		return time.Time{}, false
	}
	t, err := time.Parse(time.RFC3339Nano, text)
	return t.UTC(), err == nil
}

var uuidText = regexp.MustCompile(`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`)

func isUUID(text string) bool { return uuidText.MatchString(text) }

// uuid returns a UUID as it is kept.
func uuid(text string) string { return strings.ToLower(text) }
