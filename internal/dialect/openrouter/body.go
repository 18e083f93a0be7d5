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

// An optional is a member that may be absent, null or a value.
type optional[T any] struct {
	value T
	given bool
	null  bool
}

// Present implements [httpapi.Presence].
func (o *optional[T]) Present(null bool) any {
	o.given, o.null = true, null
	return &o.value
}

// pointer returns the value, nil where there is none.
func (o *optional[T]) pointer() *T {
	if !o.given || o.null {
		return nil
	}
	return &o.value
}

// notNull reports a member that is null and may not be.
func (o *optional[T]) notNull(at string, faults *keys.Faults) {
	if o.null {
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
	Limit              optional[usd]    `json:"limit"`
	LimitReset         optional[string] `json:"limit_reset"`
	IncludeBYOKInLimit optional[bool]   `json:"include_byok_in_limit"`
}

func (b *termsBody) given() bool {
	return b.Limit.given || b.LimitReset.given || b.IncludeBYOKInLimit.given
}

func (b *termsBody) check(faults *keys.Faults) {
	switch r := keys.Reset(b.LimitReset.value); r {
	case keys.ResetDaily, keys.ResetWeekly, keys.ResetMonthly:
	default:
		if b.LimitReset.pointer() != nil {
			faults.Add("limit_reset", `must be "daily", "weekly", "monthly" or null`)
		}
	}
	b.IncludeBYOKInLimit.notNull("include_byok_in_limit", faults)
}

// change returns the terms after what is given.
func (b *termsBody) change(t terms) terms {
	if b.Limit.given {
		t.limit = b.Limit.pointer()
	}
	if b.LimitReset.given {
		t.reset = keys.Reset(b.LimitReset.value)
	}
	if b.IncludeBYOKInLimit.given {
		t.countsBYOK = b.IncludeBYOKInLimit.value
	}
	return t
}

type createBody struct {
	Name string `json:"name" required:"true"`
	termsBody
	ExpiresAt     optional[string]   `json:"expires_at"`
	CreatorUserID optional[string]   `json:"creator_user_id"`
	WorkspaceID   optional[string]   `json:"workspace_id"`
	External      optional[external] `json:"external"`
}

// An external tells for whom a key is made.
type external struct {
	User   string           `json:"user" required:"true"`
	APIKey optional[string] `json:"api_key" secret:"true"`
}

// newKey returns what is to be made.
func (b *createBody) newKey() (keys.NewKey, error) {
	nk := keys.NewKey{Standing: keyspace()}
	s := &nk.KeySettings
	s.Name = keys.Some(&b.Name)
	checkText("name", b.Name, &s.Faults)
	b.termsBody.check(&s.Faults)
	doc := b.extra(&s.Faults)
	b.termsBody.change(terms{}).settle(s, doc)
	if at := readExpiry(&b.ExpiresAt, &s.Faults); !at.IsZero() {
		s.ExpiresAt = keys.Some(at)
	}
	checkWorkspace(&b.WorkspaceID, &s.Faults)
	if to := b.External.pointer(); to != nil {
		checkText("external/user", to.User, &s.Faults)
		s.Owner = keys.Some(keys.Owner{ExternalID: to.User})
	}
	return nk, s.Faults.Err()
}

// extra returns what is kept of the key for this dialect alone. A key by which
// somebody else knows the external user is kept as its hash.
func (b *createBody) extra(faults *keys.Faults) (doc extra) {
	if id := b.CreatorUserID.pointer(); id != nil {
		doc.Creator = *id
		checkText("creator_user_id", *id, faults)
	}
	b.External.notNull("external", faults)
	to := b.External.pointer()
	if to == nil || !to.APIKey.given {
		return doc
	}
	secret := token.New(to.APIKey.value)
	if n := secret.Len(); n < minExternalKey || n > keys.MaxSecret {
		faults.Add("external/api_key", "must be %d to %d characters", minExternalKey, keys.MaxSecret)
	}
	doc.ExternalKey = secret.Sum().Hex()
	return doc
}

const minExternalKey = 32

// readExpiry reads when a key ends, the zero time for never.
func readExpiry(at *optional[string], faults *keys.Faults) time.Time {
	text := at.pointer()
	if text == nil {
		return time.Time{}
	}
	t, ok := parseTime(*text)
	if !ok {
		faults.Add("expires_at", "must be a time in UTC with seconds, such as 2027-12-31T23:59:59Z")
	}
	return t
}

func checkWorkspace(ref *optional[string], faults *keys.Faults) {
	ref.notNull("workspace_id", faults)
	if id := ref.pointer(); id != nil && !isUUID(*id) {
		faults.Add("workspace_id", "must be a UUID")
	}
}

type updateBody struct {
	Name     optional[string] `json:"name"`
	Disabled optional[bool]   `json:"disabled"`
	termsBody
}

// settings returns what is to be changed.
func (b *updateBody) settings() (keys.KeySettings, error) {
	var s keys.KeySettings
	b.Name.notNull("name", &s.Faults)
	b.Disabled.notNull("disabled", &s.Faults)
	b.termsBody.check(&s.Faults)
	if name := b.Name.pointer(); name != nil {
		s.Name = keys.Some(name)
		checkText("name", *name, &s.Faults)
	}
	if off := b.Disabled.pointer(); off != nil {
		s.Enabled = keys.Some(!*off)
	}
	if b.termsBody.given() {
		s.Complete = func(k *keys.Key, s *keys.KeySettings) { b.termsBody.change(termsOf(k)).settle(s, extraOf(k)) }
	}
	return s, s.Faults.Err()
}

func checkText(at, text string, faults *keys.Faults) {
	if n := len([]rune(text)); n < 1 || n > keys.MaxText {
		faults.Add(at, "must be 1 to %d characters", keys.MaxText)
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
