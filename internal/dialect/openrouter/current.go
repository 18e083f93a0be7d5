package openrouter

import (
	"net/http"

	"latchkey/internal/httpapi"
	"latchkey/internal/keys"
)

// A current is a key as it is told about itself.
type current struct {
	Label              string  `json:"label"`
	Limit              *usd    `json:"limit"`
	LimitRemaining     *usd    `json:"limit_remaining"`
	LimitReset         *string `json:"limit_reset"`
	IncludeBYOKInLimit bool    `json:"include_byok_in_limit"`
	figures
	IsFreeTier             bool          `json:"is_free_tier"`
	IsManagementKey        bool          `json:"is_management_key"`
	IsProvisioningKey      bool          `json:"is_provisioning_key"` // what the vendor once called it
	CreatorUserID          *string       `json:"creator_user_id"`
	ExpiresAt              *string       `json:"expires_at"`
	RateLimit              rateLimit     `json:"rate_limit"`
	WorkspaceID            string        `json:"workspace_id"`
	OrganizationID         *string       `json:"organization_id"`
	AllowedDataRegions     []string      `json:"allowed_data_regions"`
	FreeModelDailyRequests dailyRequests `json:"free_model_daily_requests"`
}

type rateLimit struct {
	Requests int    `json:"requests"`
	Interval string `json:"interval"`
	Note     string `json:"note"`
}

type dailyRequests struct {
	Limit     int `json:"limit"`
	Remaining int `json:"remaining"`
	Used      int `json:"used"`
}

// What the vendor tells of things that are not here, and its clients take no
// answer without.
var (
	noRateLimit    = rateLimit{-1, "10s", "This field is deprecated and safe to ignore."}
	anywhere       = []string{"global"}
	noFreeRequests = dailyRequests{50, 50, 0}
)

// currentKey tells the holder of a key about it. That takes nothing, and a key
// whose limit is used up is answered too.
func (d *Dialect) currentKey(w http.ResponseWriter, r *http.Request, c *httpapi.Call) error {
	if c.Secret.IsZero() {
		return keys.Errorf(keys.Unauthenticated, "no key was sent")
	}
	v, by, err := d.verifier.Inspect(r.Context(), c.Secret, c.Origin)
	if err != nil {
		return err
	}
	c.Verified(v.Outcome)
	if v.Outcome != keys.Valid {
		// A refusal is what was asked for: it goes to the log as a verdict.
		d.WriteError(w, r, refused(v.Outcome))
		return nil
	}
	k, err := d.manager.OwnKey(r.Context(), by)
	if err != nil {
		return err
	}
	t := termsOf(&k)
	return succeed(w, current{
		Label: label(&k), Limit: t.limit, LimitRemaining: remaining(k.Money, v.At), LimitReset: orNull(string(t.reset)),
		IncludeBYOKInLimit: t.countsBYOK, figures: figuresOf(k.Money, v.At),
		IsManagementKey: k.Root, IsProvisioningKey: k.Root, CreatorUserID: creator(&k), ExpiresAt: stamp(k.ExpiresAt),
		RateLimit: noRateLimit, WorkspaceID: v.Record.Workspace.UUID, AllowedDataRegions: anywhere, FreeModelDailyRequests: noFreeRequests,
	})
}
