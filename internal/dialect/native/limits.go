package native

import (
	"net/http"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"latchkey"
	"latchkey/internal/httpapi"
	"latchkey/internal/keys"
	"latchkey/internal/ratelimit"
	"latchkey/internal/span"
)

// limitRoutes are the routes of leases, and of limits that belong to no key.
func (d *Dialect) limitRoutes() []httpapi.Route {
	return []httpapi.Route{
		{Method: "POST", Path: "/leases/{id}/release", Handle: d.releaseLease, Quiet: true, Doc: releaseLeaseDoc},
		{Method: "POST", Path: "/limits/check", Handle: d.replies.keep(0, d.checkLimit), Quiet: true, Doc: checkLimitDoc},
		{Method: "GET", Path: "/limits/{namespace}/overrides", Handle: d.listOverrides, Doc: listOverridesDoc},
		{Method: "PUT", Path: "/limits/{namespace}/overrides/{pattern}", Handle: d.replaceOverride, Doc: replaceOverrideDoc},
		{Method: "GET", Path: "/limits/{namespace}/overrides/{pattern}", Handle: d.getOverride, Doc: getOverrideDoc},
		{Method: "DELETE", Path: "/limits/{namespace}/overrides/{pattern}", Handle: d.deleteOverride, Doc: deleteOverrideDoc},
	}
}

var (
	releaseLeaseDoc = operation{id: "releaseLease", tag: "Limits", summary: "End a lease early", status: 204, counts: true, permission: "keys.KEYSPACE.verify",
		about: "Its place under the concurrency limit is free at once. A lease that was released, or has expired by itself, is `not_found`."}
	checkLimitDoc = operation{id: "checkLimit", tag: "Limits", summary: "Limit what belongs to no key", status: 200, keeps: true, counts: true, permission: "limits.*.check",
		about: "Answers 200 whether it is allowed or not, with Retry-After where it is not and will be. Counted by namespace, identifier and window; " +
			"an override sets max and window in the place of the request.",
		request: typeOf[latchkey.CheckLimitRequest](), response: typeOf[latchkey.LimitCheck]()}
	listOverridesDoc = operation{id: "listOverrides", tag: "Limits", summary: "List the overrides of a namespace", status: 200, permission: "limits.*.update",
		query: typeOf[pageQuery](), response: typeOf[latchkey.List[latchkey.Override]]()}
	replaceOverrideDoc = operation{id: "replaceOverride", tag: "Limits", summary: "Make an override what it is to be, whole", status: 200, permission: "limits.*.update",
		about:   "In the pattern, `*` stands for any text. The override that is the identifier itself goes first, then that with the most other characters.",
		orMakes: true, conditional: true, request: typeOf[latchkey.OverrideSettings](), sentBack: typeOf[latchkey.Override](), response: typeOf[latchkey.Override](), versioned: true}
	getOverrideDoc = operation{id: "getOverride", tag: "Limits", summary: "Read an override", status: 200, permission: "limits.*.update",
		response: typeOf[latchkey.Override](), versioned: true}
	deleteOverrideDoc = operation{id: "deleteOverride", tag: "Limits", summary: "Delete an override", status: 204, permission: "limits.*.update", conditional: true}
)

// A checkBody is a [latchkey.CheckLimitRequest] as it may be sent.
type checkBody struct {
	Namespace  string  `json:"namespace" required:"true"`
	Identifier string  `json:"identifier" required:"true"`
	Max        int64   `json:"max" required:"true"`
	Window     string  `json:"window" required:"true"`
	Cost       *int64  `json:"cost"`
	Algorithm  *string `json:"algorithm"`
}

// ask maps a question to the core's, and adds what is wrong with it.
func (b *checkBody) ask(faults *keys.Faults) keys.LimitCheck {
	out := keys.LimitCheck{Namespace: b.Namespace, Identifier: b.Identifier, Max: b.Max, Cost: 1}
	var found keys.Faults
	if b.Cost != nil {
		out.Cost = *b.Cost
	}
	if b.Algorithm != nil {
		if out.Algorithm = ratelimit.Algorithm(*b.Algorithm); out.Algorithm == "" {
			found.Add("algorithm", "must be sliding, fixed, fixed_from_first or gcra")
		}
	}
	out.Window = window(b.Window, "window", &found)
	if err := out.Validate(); err != nil {
		found.Merge(keys.AsError(err).Faults)
	}
	faults.Merge(found)
	return out
}

// window reads the window of a limit.
func window(text, at string, faults *keys.Faults) span.Span {
	w, err := span.Parse(text)
	switch {
	case text == "":
		faults.Add(at, "is required")
	case err != nil:
		faults.Add(at, "%v", err)
	default:
		return w
	}
	return span.Of(time.Second) // so that nothing else is said of it
}

// checkLimit serves POST /limits/check.
func (d *Dialect) checkLimit(w http.ResponseWriter, r *http.Request, c *httpapi.Call) error {
	if err := c.Actor.Need(keys.ResLimits, "*", "check"); err != nil {
		return err
	}
	var in checkBody
	faults, err := body(r, &in)
	if err != nil {
		return err
	}
	question := in.ask(&faults)
	if err := faults.Err(); err != nil {
		return err
	}
	v, err := d.limits.Check(r.Context(), &c.Actor, question)
	if err != nil {
		return err
	}
	out := latchkey.LimitCheck{Allowed: v.Allowed, Max: v.Max, Remaining: v.Remaining, ResetAt: latchkey.Time{Time: v.FreeAt}}
	if v.Override != nil {
		out.Override = &v.Override.Pattern
	}
	if !v.Allowed && v.RetryAt.After(v.At) {
		w.Header().Set("Retry-After", httpapi.RetryAfter(v.RetryAt.Sub(v.At)))
	}
	return httpapi.WriteJSON(w, http.StatusOK, "application/json", out)
}

// An overrideBody is what an override is to be, and the members of an answer,
// which may be sent back.
type overrideBody struct {
	latchkey.OverrideSettings
	fixed
	Namespace jsontext.Value `json:"namespace"`
	Pattern   jsontext.Value `json:"pattern"`
}

func (b *overrideBody) members() map[string]jsontext.Value {
	m := b.fixed.members()
	m["namespace"], m["pattern"] = b.Namespace, b.Pattern
	return m
}

func wireOverride(o *keys.Override) latchkey.Override {
	return latchkey.Override{
		ID: o.ID, Namespace: o.Namespace, Pattern: o.Pattern, Max: o.Max, Window: o.Window.String(),
		CreatedAt: latchkey.Time{Time: o.CreatedAt}, UpdatedAt: latchkey.Time{Time: o.UpdatedAt},
	}
}

func (d *Dialect) listOverrides(w http.ResponseWriter, r *http.Request, c *httpapi.Call) error {
	return list(w, r, "ovr", func(p keys.Page) ([]keys.Override, error) {
		return d.manager.Overrides(r.Context(), c.Actor, r.PathValue("namespace"), p)
	}, wireOverride, func(o *keys.Override) string { return o.ID })
}

func (d *Dialect) getOverride(w http.ResponseWriter, r *http.Request, c *httpapi.Call) error {
	if err := query(r).faults.Err(); err != nil {
		return err
	}
	o, err := d.manager.Override(r.Context(), c.Actor, r.PathValue("namespace"), r.PathValue("pattern"))
	if err != nil {
		return err
	}
	return d.answer(w, r, resource{http.StatusOK, o.Version, false, wireOverride(&o)})
}

// replaceOverride serves PUT /limits/{namespace}/overrides/{pattern}.
func (d *Dialect) replaceOverride(w http.ResponseWriter, r *http.Request, c *httpapi.Call) error {
	if err := c.Actor.Need(keys.ResLimits, "*", "update"); err != nil {
		return err
	}
	var in overrideBody
	faults, err := body(r, &in)
	if err != nil {
		return err
	}
	want := keys.Override{Namespace: r.PathValue("namespace"), Pattern: r.PathValue("pattern"), Max: in.Max}
	var found keys.Faults
	want.Window = window(in.Window, "window", &found)
	if err := want.Validate(); err != nil {
		found.Merge(keys.AsError(err).Faults)
	}
	faults.Merge(found)
	if err := faults.Err(); err != nil {
		return err
	}
	check := func(o *keys.Override) error {
		var faults keys.Faults
		var now any
		if o != nil {
			now = wireOverride(o)
		}
		if err := checkFixed(in.members(), now, &faults); err != nil {
			return err
		}
		return faults.Err()
	}
	o, made, err := d.manager.ReplaceOverride(r.Context(), c.Actor, want, check, match(r))
	if err != nil {
		return err
	}
	status := http.StatusOK
	if made {
		status = http.StatusCreated
	}
	return d.answer(w, r, resource{status, o.Version, false, wireOverride(&o)})
}

func (d *Dialect) deleteOverride(w http.ResponseWriter, r *http.Request, c *httpapi.Call) error {
	if err := d.manager.DeleteOverride(r.Context(), c.Actor, r.PathValue("namespace"), r.PathValue("pattern"), match(r)); err != nil {
		return err
	}
	return d.noContent(w, r)
}
