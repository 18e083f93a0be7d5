package unkey

import (
	"slices"
	"strconv"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"latchkey/internal/httpapi"
	"latchkey/internal/keys"
	"latchkey/internal/ratelimit"
	"latchkey/internal/token"
)

// longestKey is how many bytes a text has at most that can be a key.
const longestKey = keys.MaxSecret

// maxTags is how many tags a verification has at most.
const maxTags = 10

// A verifyBody is the question.
type verifyBody struct {
	Key           string             `json:"key" required:"true" secret:"true"`
	APIID         *string            `json:"apiId"`
	Authorization *authorizationBody `json:"authorization"`
	Remaining     *costBody          `json:"remaining"`
	Ratelimit     *costBody          `json:"ratelimit"`
	Ratelimits    []ratelimitBody    `json:"ratelimits"`
	Tags          []string           `json:"tags"`
}

type authorizationBody struct {
	Permissions jsontext.Value `json:"permissions"`
}

type costBody struct {
	Cost *int64 `json:"cost"`
}

// A ratelimitBody names a limit of the key; with limit and duration, and not
// with one of them, it is a limit of the request's own.
type ratelimitBody struct {
	Name     string `json:"name" required:"true"`
	Cost     *int64 `json:"cost"`
	Limit    *int64 `json:"limit"`
	Duration *int64 `json:"duration"`
}

// decodeVerify reads the body fast, and again with patience where that fails or
// is in doubt: what [httpapi.Decode] accepts is what is accepted.
func decodeVerify(body []byte, wire *verifyBody) error {
	if err := json.Unmarshal(body, wire); err == nil && !httpapi.MayHoldNUL(body) && !wire.doubtful() {
		return nil
	}
	*wire = verifyBody{}
	return httpapi.Decode(body, wire, httpapi.Decoding{Lenient: true})
}

// doubtful reports what the fast decoder takes and the patient one may not: a
// missing key, more than a list may have, and anything that might be a secret in
// the place of another text.
func (b *verifyBody) doubtful() bool {
	if b.Key == "" || len(b.Ratelimits) > keys.MaxLimits || len(b.Tags) > maxTags {
		return true
	}
	if b.APIID != nil && long(*b.APIID) && !token.ValidID("ks", *b.APIID) {
		return true
	}
	if b.Authorization != nil && long(string(b.Authorization.Permissions)) {
		return true
	}
	return slices.ContainsFunc(b.Tags, long) ||
		slices.ContainsFunc(b.Ratelimits, func(l ratelimitBody) bool { return l.Name == "" || long(l.Name) })
}

// long reports whether a text could hold a secret.
func long(s string) bool { return len(s) >= 16 }

// ask maps the question to the core's.
func (b *verifyBody) ask(req *keys.VerifyRequest) error {
	*req = keys.VerifyRequest{Secret: token.New(b.Key), Tags: b.Tags, Clamp: true}
	var faults keys.Faults
	if b.Key == "" {
		faults.Add("key", "must not be empty")
	}
	if b.APIID != nil {
		if req.Keyspace = *b.APIID; req.Keyspace == "" {
			faults.Add("apiId", "must not be empty")
		}
	}
	if b.Remaining != nil {
		req.Cost = b.Remaining.Cost
	}
	if len(b.Tags) > maxTags {
		faults.Add("tags", "must be at most %d tags", maxTags)
	}
	req.Limits = b.limits(&faults)
	if err := faults.Err(); err != nil {
		return err
	}
	if b.Authorization != nil {
		var err error
		if req.Query, err = parseQuery(b.Authorization.Permissions); err != nil {
			return err
		}
	}
	if err := req.Validate(); err != nil {
		return b.fault(err)
	}
	return nil
}

// place returns where in the list the limit stood that is the i-th of those that
// [verifyBody.limits] returns.
func (b *verifyBody) place(i int) int {
	for at := range b.Ratelimits {
		same := func(o ratelimitBody) bool { return o.Name == b.Ratelimits[at].Name }
		if slices.ContainsFunc(b.Ratelimits[at+1:], same) {
			continue
		}
		if i == 0 {
			return at
		}
		i--
	}
	return i
}

// limits maps the list of limits, and the cost that the one named default had
// before there was the list.
func (b *verifyBody) limits(faults *keys.Faults) (out []keys.LimitRequest) {
	if len(b.Ratelimits) > keys.MaxLimits {
		faults.Add("ratelimits", "must be at most %d ratelimits", keys.MaxLimits)
		return nil
	}
	for i := range b.Ratelimits {
		l := b.Ratelimits[i].ask("ratelimits/"+strconv.Itoa(i), faults)
		same := func(o keys.LimitRequest) bool { return o.Name == l.Name }
		out = append(slices.DeleteFunc(out, same), l) // of two the last counts
	}
	c := b.Ratelimit
	if c == nil || c.Cost == nil {
		return out
	}
	if *c.Cost < 0 {
		faults.Add("ratelimit/cost", "must be at least 0")
	}
	if slices.ContainsFunc(out, func(o keys.LimitRequest) bool { return o.Name == defaultLimit }) {
		return out
	}
	return append(out, keys.LimitRequest{Name: defaultLimit, Cost: *c.Cost, IfAny: true})
}

func (l *ratelimitBody) ask(at string, faults *keys.Faults) keys.LimitRequest {
	out := keys.LimitRequest{Name: l.Name, Cost: 1}
	if l.Name == "" {
		faults.Add(at+"/name", "must not be empty")
	}
	if l.Cost != nil {
		if out.Cost = *l.Cost; out.Cost < 0 {
			faults.Add(at+"/cost", "must be at least 0")
		}
	}
	if l.Limit != nil && l.Duration != nil {
		if *l.Limit < 1 {
			faults.Add(at+"/limit", "must be at least 1")
		}
		out.Max, out.Window, out.Algorithm = *l.Limit, window(*l.Duration), ratelimit.Fixed
	}
	return out
}
