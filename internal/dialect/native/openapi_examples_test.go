package native

import (
	"encoding/json"

	"github.com/danielgtaylor/huma/v2"
)

// examples of requests and answers: operation id → both.
var examples = map[string]struct{ request, response map[string]*huma.Example }{
	"verify": {
		request: map[string]*huma.Example{
			"use": example("A use that must be allowed to read documents, and takes one credit", `{
				"key": "lk_7Yd2mQ4vTz9LrK1wXc8BnE5sHj3Gp0f6Ra2Wb9x9Qa", "permissions": "docs.read AND (docs.export OR admin)", "cost": 1,
				"ip": "203.0.113.7", "tags": ["endpoint=export"]
			}`),
		},
		response: map[string]*huma.Example{
			"accepted": example("The key is good, and one credit was taken", `{
				"valid": true, "outcome": "valid", "request_id": "req_06F2Q8Z3M5N7",
				"key": {
					"id": "key_1kX7mPq29sTvB4nZw", "keyspace": "payments", "name": "nightly export", "environment": "live", "enabled": true, "expires_at": null,
					"identity": {"id": "idn_1kX7mPq1vRt6Hc2Yd", "external_id": "cust_42", "meta": {}},
					"meta": {"plan": "pro"}, "permissions": ["docs.export", "docs.read"], "roles": ["reader"]
				},
				"limits": [{"name": "requests", "max": 100, "window": "1m", "remaining": 99, "reset_at": "2026-11-21T09:31:00.000Z", "exceeded": false}],
				"credits": {"remaining": 41, "refills_at": "2026-12-01T00:00:00.000Z"}
			}`),
			"refused": example("A rate limit is used up", `{
				"valid": false, "outcome": "rate_limited", "request_id": "req_06F2Q8Z3M5N8",
				"detail": "limit \"requests\", 100 per 1m, is used up; the next frees in 12 s",
				"key": {
					"id": "key_1kX7mPq29sTvB4nZw", "keyspace": "payments", "name": "nightly export", "environment": "live", "enabled": true, "expires_at": null,
					"identity": null, "meta": {}, "permissions": ["docs.export", "docs.read"], "roles": ["reader"]
				},
				"limits": [{"name": "requests", "max": 100, "window": "1m", "remaining": 0, "reset_at": "2026-11-21T09:31:00.000Z", "exceeded": true}]
			}`),
		},
	},
	"createKey": {
		request: map[string]*huma.Example{
			"limited": example("A customer's key with a rate limit and credits that come back every month", `{
				"name": "nightly export", "external_id": "cust_42", "meta": {"plan": "pro"}, "permissions": ["docs.read"],
				"expires_at": "2027-11-21T09:30:00Z", "limits": [{"name": "requests", "max": 100, "window": "1m"}],
				"credits": {"remaining": 1000, "refill": {"amount": 1000, "every": "monthly", "day": 1, "mode": "set"}}
			}`),
		},
		response: map[string]*huma.Example{
			"made": example("The key, with the secret that is shown this once", `{
				"id": "key_1kX7mPq29sTvB4nZw", "keyspace": "default", "name": "nightly export", "hint": "lk_7Yd2…x9Qa", "status": "active",
				"environment": null, "enabled": true, "identity": {"id": "idn_1kX7mPq1vRt6Hc2Yd", "external_id": "cust_42"}, "meta": {"plan": "pro"},
				"permissions": ["docs.read"], "roles": [], "allowed_ips": [], "expires_at": "2027-11-21T09:30:00.000Z",
				"limits": [{"name": "requests", "max": 100, "window": "1m", "algorithm": "sliding", "auto_apply": true}],
				"credits": {
					"remaining": 1000, "refill": {"amount": 1000, "every": "monthly", "day": 1, "mode": "set"}, "refills_at": "2026-12-01T00:00:00.000Z"
				},
				"budget": null,
				"secrets": [
					{
						"id": "sec_1kX7mPq2BhL5rFc8x", "hint": "lk_7Yd2…x9Qa", "created_at": "2026-11-21T09:30:00.000Z", "expires_at": null, "last_used_at": null
					}
				],
				"last_used_at": null, "created_at": "2026-11-21T09:30:00.000Z", "updated_at": "2026-11-21T09:30:00.000Z",
				"secret": "lk_7Yd2mQ4vTz9LrK1wXc8BnE5sHj3Gp0f6Ra2Wb9x9Qa"
			}`),
		},
	},
}

func example(summary, value string) *huma.Example {
	return &huma.Example{Summary: summary, Value: json.RawMessage(value)}
}
