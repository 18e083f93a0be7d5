package latchkey

import (
	"net/http"
	"time"
)

// A CheckLimitRequest asks whether anybody who has an identifier may go on, under
// a limit that belongs to no key. It is counted by namespace, identifier and
// window.
type CheckLimitRequest struct {
	Namespace  string `json:"namespace" required:"true" doc:"What is limited; 1 to 128 characters."`
	Identifier string `json:"identifier" required:"true" doc:"Who is limited; 1 to 256 characters."`
	Max        int64  `json:"max" required:"true" doc:"Units in each window, unless an override says otherwise."`
	Window     string `json:"window" required:"true" doc:"A duration: an integer and ms, s, m, h or d."`
	Cost       *int64 `json:"cost,omitempty" doc:"1 where absent; 0 looks without taking."`
	Algorithm  string `json:"algorithm,omitempty" enum:"sliding,fixed,fixed_from_first,gcra" doc:"sliding where absent."`
}

// A LimitCheck answers a [CheckLimitRequest].
type LimitCheck struct {
	Allowed   bool    `json:"allowed"`
	Max       int64   `json:"max" doc:"What held: that of the request, or of the override."`
	Remaining int64   `json:"remaining"`
	ResetAt   Time    `json:"reset_at" doc:"When all of max is free again."`
	Override  *string `json:"override" doc:"The pattern of the override that held; null: none."`

	// RetryAfter is, where it is not allowed, when the same call would be; 0
	// where it never will. It is no member of the JSON.
	RetryAfter time.Duration `json:"-"`
}

func (c *LimitCheck) readHeader(h http.Header) {
	c.RetryAfter = retryAfter(h.Get("Retry-After"), time.Now())
}

// An Override sets what the identifiers that its pattern matches are allowed in
// one namespace, whatever the requests say.
type Override struct {
	Versioned
	ID        string `json:"id"`
	Namespace string `json:"namespace"`
	Pattern   string `json:"pattern" doc:"In which * stands for any text. The identifier itself goes first, then the pattern with the most other characters."`
	Max       int64  `json:"max" doc:"0 shuts out."`
	Window    string `json:"window"`
	CreatedAt Time   `json:"created_at"`
	UpdatedAt Time   `json:"updated_at"`
}

// OverrideSettings are what an override is to be.
type OverrideSettings struct {
	Max    int64  `json:"max" required:"true" doc:"Units in each window; 0 shuts out."`
	Window string `json:"window" required:"true" doc:"A duration: an integer and ms, s, m, h or d."`
}
