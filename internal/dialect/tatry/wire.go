package tatry

import (
	"cmp"
	"net/http"
	"slices"
	"time"

	"latchkey/internal/httpapi"
	"latchkey/internal/keys"
	"latchkey/internal/ratelimit"
)

// A success is the envelope of every answer that is no error.
type success struct {
	Status string `json:"status"`
	Data   any    `json:"data"`
}

func succeed(w http.ResponseWriter, data any) error {
	return httpapi.WriteJSON(w, http.StatusOK, "application/json", success{"success", data})
}

// A validity tells of a good key. The vendor's documents show valid alone, and
// its client does not work without the rest.
type validity struct {
	Valid          bool     `json:"valid"`
	Permissions    []string `json:"permissions"`
	OrganizationID string   `json:"organization_id"`
	RateLimits     rates    `json:"rate_limits"`
}

type rates struct {
	PerMinute int64 `json:"requests_per_minute"`
	PerHour   int64 `json:"requests_per_hour"`
}

type keyList struct {
	Keys  []key `json:"keys"`
	Total int   `json:"total"` // before limit and offset
}

type key struct {
	ID         string `json:"id"`
	Name       string `json:"name"`
	Status     string `json:"status"`
	CreatedAt  string `json:"created_at"`
	LastUsedAt string `json:"last_used_at"`
}

type usage struct {
	TimeRange struct {
		Month string `json:"month"`
	} `json:"time_range"`
	Usage struct {
		Queries   tally `json:"queries"`
		Documents tally `json:"documents"`
	} `json:"usage"`
}

// A tally is a total and its parts. Verifications have neither sources nor
// documents, so that there are no parts and only queries are ever counted.
type tally struct {
	Total    int64          `json:"total"`
	BySource map[string]int `json:"by_source"`
}

// A health has text alone: the client takes nothing else.
type health struct {
	Status    string `json:"status"`
	Version   string `json:"version"`
	Timestamp string `json:"timestamp"`
}

// stamp returns a time as it is answered.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05Z") }

// keyOf returns a key as the list shows it. A key that was never used shows
// when it was made, since the client takes nothing but a time.
func keyOf(k *keys.Key, now time.Time) key {
	used := k.LastUsedAt
	if used.IsZero() {
		used = k.CreatedAt
	}
	return key{
		ID: k.ID, Name: k.Name, Status: statusWords[k.Status(now)],
		CreatedAt: stamp(k.CreatedAt), LastUsedAt: stamp(used),
	}
}

var statusWords = map[keys.Status]string{ // status → the vendor's word
	keys.StatusActive:   "active",
	keys.StatusExpired:  "expired",
	keys.StatusDisabled: "inactive",
}

// organization returns what the vendor calls the organization of a key: its
// owner, else its workspace.
func organization(rec *keys.Record) string {
	if rec.Owner == nil {
		return rec.Workspace.ID
	}
	return cmp.Or(rec.Owner.ExternalID, rec.Owner.ID)
}

// unlimited is answered where a key has no limit: the client takes nothing but
// a number.
const unlimited = 1_000_000

// ratesOf returns the limits of a minute and of an hour that hold for every
// use of a key: its own, else its owner's.
func ratesOf(rec *keys.Record) rates {
	limits := rec.Limits
	if rec.Owner != nil {
		limits = slices.Concat(limits, rec.Owner.Limits)
	}
	return rates{PerMinute: maxIn(limits, time.Minute), PerHour: maxIn(limits, time.Hour)}
}

func maxIn(limits []ratelimit.Limit, window time.Duration) int64 {
	for _, l := range limits {
		if l.Window.Duration() == window && l.Auto && !l.Disabled {
			return l.Max
		}
	}
	return unlimited
}
