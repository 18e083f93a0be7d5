package openrouter

import (
	"time"

	"github.com/go-json-experiment/json"

	"latchkey/internal/keys"
)

// A key is a key as it is shown to those who manage it.
type key struct {
	Hash               string  `json:"hash"`
	Name               string  `json:"name"`
	Label              string  `json:"label"`
	Disabled           bool    `json:"disabled"`
	Limit              *usd    `json:"limit"`
	LimitRemaining     *usd    `json:"limit_remaining"`
	LimitReset         *string `json:"limit_reset"`
	IncludeBYOKInLimit bool    `json:"include_byok_in_limit"`
	figures
	CreatedAt     string  `json:"created_at"`
	UpdatedAt     *string `json:"updated_at"`
	ExpiresAt     *string `json:"expires_at"`
	CreatorUserID *string `json:"creator_user_id"`
	WorkspaceID   string  `json:"workspace_id"`
	ExternalUser  *string `json:"external_user"`
	Key           string  `json:"key,omitzero"` // in the answer to its creation alone
}

// figures are what was spent with a key.
type figures struct {
	Usage            usd `json:"usage"`
	UsageDaily       usd `json:"usage_daily"`
	UsageWeekly      usd `json:"usage_weekly"`
	UsageMonthly     usd `json:"usage_monthly"`
	BYOKUsage        usd `json:"byok_usage"`
	BYOKUsageDaily   usd `json:"byok_usage_daily"`
	BYOKUsageWeekly  usd `json:"byok_usage_weekly"`
	BYOKUsageMonthly usd `json:"byok_usage_monthly"`
}

// figuresOf returns what was spent, in the same windows as [remaining].
func figuresOf(m *keys.Money, now time.Time) figures {
	if m == nil {
		return figures{}
	}
	s := m.Spent.AsOf(now)
	return figures{
		usd(s.Own.Total), usd(s.Own.Day), usd(s.Own.Week), usd(s.Own.Month),
		usd(s.BYOK.Total), usd(s.BYOK.Day), usd(s.BYOK.Week), usd(s.BYOK.Month),
	}
}

// remaining returns what may still be spent, nil where nothing bounds it.
func remaining(m *keys.Money, now time.Time) *usd {
	if m == nil || m.Budget == nil {
		return nil
	}
	left := usd(m.Figures(now).Remaining)
	return &left
}

// keyOf returns a key of a workspace as it is shown.
func keyOf(k *keys.Key, ws *keys.Workspace, now time.Time) key {
	t := termsOf(k)
	out := key{
		Name: k.Name, Label: label(k), Disabled: !k.Enabled,
		Limit: t.limit, LimitRemaining: remaining(k.Money, now), LimitReset: orNull(string(t.reset)), IncludeBYOKInLimit: t.countsBYOK,
		figures:   figuresOf(k.Money, now),
		CreatedAt: moment(k.CreatedAt), ExpiresAt: stamp(k.ExpiresAt),
		CreatorUserID: creator(k), WorkspaceID: ws.UUID, ExternalUser: orNull(k.Owner.ExternalID),
	}
	if s := k.Newest(); s != nil {
		out.Hash = s.Hash.Hex()
	}
	if k.Version > 1 {
		out.UpdatedAt = new(moment(k.UpdatedAt))
	}
	return out
}

// shownChars is how much of either end of a secret is shown.
const shownChars = 3

// label returns a key masked.
func label(k *keys.Key) string {
	s := k.Newest()
	if s == nil {
		s = new(keys.Secret)
	}
	return k.Form.Mask(s.Start, s.End, shownChars)
}

// creator returns who made a key: whom its maker named, else the maker.
func creator(k *keys.Key) *string {
	if doc := extraOf(k); doc.Creator != "" {
		return &doc.Creator
	}
	return orNull(k.CreatedBy.ID)
}

// moment returns a time at which something happened. All are equally long, so
// that they can be sorted as texts.
func moment(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

// stamp returns a time as it is answered, nil for none.
func stamp(t time.Time) *string {
	if t.IsZero() {
		return nil
	}
	text := t.UTC().Format("2006-01-02T15:04:05.999Z")
	return &text
}

func orNull(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

// An extra is what is kept of a key for this dialect alone. The last two stand
// here where the key has no limit, of which they are a part otherwise.
type extra struct {
	Creator     string     `json:"creator_user_id,omitzero"`
	ExternalKey string     `json:"external_api_key_sha256,omitzero"`
	Reset       keys.Reset `json:"limit_reset,omitzero"`
	CountsBYOK  bool       `json:"include_byok_in_limit,omitzero"`
}

func extraOf(k *keys.Key) (doc extra) {
	if text := k.Extra[dialectName]; text != "" {
		_ = json.Unmarshal([]byte(text), &doc) // which only this dialect writes
	}
	return doc
}

// text returns the document as it is kept, "" for one that says nothing.
func (doc extra) text() string {
	if doc == (extra{}) {
		return ""
	}
	text, err := json.Marshal(doc)
	if err != nil {
		panic(err) // plain text and a boolean
	}
	return string(text)
}

// terms are what the spending of a key is held against.
type terms struct {
	limit      *usd // nil: nothing
	reset      keys.Reset
	countsBYOK bool
}

func termsOf(k *keys.Key) terms {
	if b := k.Budget(); b != nil {
		limit := usd(b.Limit)
		return terms{&limit, b.Reset, b.CountsBYOK}
	}
	doc := extraOf(k)
	return terms{nil, doc.Reset, doc.CountsBYOK}
}

// settle gives a key its terms. doc is what else is kept for this dialect.
func (t terms) settle(s *keys.KeySettings, doc extra) {
	doc.Reset, doc.CountsBYOK = "", false
	if t.limit == nil {
		doc.Reset, doc.CountsBYOK = t.reset, t.countsBYOK
		s.Budget = keys.Some[*keys.BudgetSettings](nil)
	} else {
		s.Budget = keys.Some(&keys.BudgetSettings{
			Limit: keys.Some(int64(*t.limit)), Reset: keys.Some(t.reset), CountsBYOK: keys.Some(t.countsBYOK),
		})
	}
	s.Extra = keys.Extra{dialectName: doc.text()}
}
