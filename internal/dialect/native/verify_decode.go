package native

import (
	"bytes"
	"net/netip"
	"strconv"
	"time"

	"github.com/go-json-experiment/json"

	"latchkey/internal/httpapi"
	"latchkey/internal/keys"
	"latchkey/internal/permission"
	"latchkey/internal/ratelimit"
	"latchkey/internal/span"
	"latchkey/internal/token"
)

// A verifyBody is a [latchkey.VerifyRequest] as it may be sent: an empty text
// is not an absent one, since a check that was asked for must not fall away.
type verifyBody struct {
	Key         string       `json:"key" required:"true" secret:"true"`
	Keyspace    *string      `json:"keyspace"`
	Permissions *string      `json:"permissions"`
	Cost        *int64       `json:"cost"`
	SpendMicros *int64       `json:"spend_micros"`
	Reserve     *reserveBody `json:"reserve"`
	Limits      []limitBody  `json:"limits"`
	LeaseTTL    *string      `json:"lease_ttl"`
	IP          *string      `json:"ip"`
	Tags        []string     `json:"tags"`
	MinRevision *int64       `json:"min_revision"`
}

// A reserveBody is a [latchkey.ReserveRequest] as it may be sent.
type reserveBody struct {
	AmountMicros *int64  `json:"amount_micros" required:"true"`
	TTL          *string `json:"ttl"`
}

// A limitBody is a [latchkey.LimitRequest] as it may be sent.
type limitBody struct {
	Name      string  `json:"name" required:"true"`
	Cost      *int64  `json:"cost"`
	Max       *int64  `json:"max"`
	Window    *string `json:"window"`
	Algorithm *string `json:"algorithm"`
}

// decodeVerify reads the body fast, and again with patience where that fails or
// is in doubt: [httpapi.Decode] finds every fault at once, and what it accepts
// is what is accepted.
func decodeVerify(body []byte, wire *verifyBody) (keys.Faults, error) {
	if key, ok := keyAlone(body); ok {
		*wire = verifyBody{Key: key}
		return nil, nil
	}
	err := json.Unmarshal(body, wire, json.RejectUnknownMembers(true))
	if err == nil && wire.Key != "" && !wire.doubtful(body) {
		return nil, nil
	}
	*wire = verifyBody{}
	return memberFaults(httpapi.Decode(body, wire, httpapi.Decoding{}))
}

// space is what JSON has between its tokens.
const space = " \t\r\n"

// keyAlone reads the body that most verifications have: an object whose one
// member is the key, of characters that mean themselves.
func keyAlone(body []byte) (string, bool) {
	rest, ok := bytes.CutPrefix(bytes.Trim(body, space), []byte(`{"key":`))
	rest, end := bytes.CutSuffix(rest, []byte("}"))
	rest = bytes.Trim(rest, space)
	if !ok || !end || len(rest) < 3 || rest[0] != '"' || rest[len(rest)-1] != '"' {
		return "", false
	}
	key := rest[1 : len(rest)-1]
	for _, c := range key {
		if c < 0x20 || c > 0x7e || c == '"' || c == '\\' {
			return "", false
		}
	}
	return string(key), true
}

// doubtful reports what the fast decoder takes and the patient one may not: a
// null, a missing name, more than a list may have, a secret in the place of
// another text, and a text with U+0000.
func (v *verifyBody) doubtful(body []byte) bool {
	if bytes.Contains(body, []byte("null")) || httpapi.MayHoldNUL(body) || len(v.Tags) > keys.MaxTags || len(v.Limits) > keys.MaxLimits {
		return true
	}
	if v.Reserve != nil && (v.Reserve.AmountMicros == nil || longWord(v.Reserve.TTL)) {
		return true
	}
	if longWord(v.Keyspace) || longWord(v.Permissions) || longWord(v.IP) || longWord(v.LeaseTTL) {
		return true
	}
	for i := range v.Tags {
		if longWord(&v.Tags[i]) {
			return true
		}
	}
	for i := range v.Limits {
		if l := &v.Limits[i]; l.Name == "" || longWord(&l.Name) || longWord(l.Window) || longWord(l.Algorithm) {
			return true
		}
	}
	return false
}

// longWord reports whether a text has a word that is as long as the shortest
// secret.
func longWord(text *string) bool {
	if text == nil || len(*text) < 16 {
		return false
	}
	n := 0
	for i := range len(*text) {
		switch c := (*text)[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '_', c == '+', c == '-':
			if n++; n == 16 {
				return true
			}
		default:
			n = 0
		}
	}
	return false
}

// ask maps a request to the core's, and adds what is wrong with it.
func (v *verifyBody) ask(req *keys.VerifyRequest, faults *keys.Faults) {
	*req = keys.VerifyRequest{Secret: token.New(v.Key), Cost: v.Cost, Tags: v.Tags}
	var found keys.Faults
	if v.Keyspace != nil {
		if req.Keyspace = *v.Keyspace; req.Keyspace == "" {
			found.Add("keyspace", "must be an id or a slug")
		}
	}
	if v.Permissions != nil {
		var err error
		if req.Query, err = permission.Parse(*v.Permissions); err != nil {
			found = append(found, queryFault(err))
		}
	}
	if v.IP != nil {
		addr, err := netip.ParseAddr(*v.IP)
		if err != nil {
			found.Add("ip", "must be an IPv4 or IPv6 address")
		}
		req.Addr = addr.Unmap().WithZone("")
	}
	if v.SpendMicros != nil {
		req.SpendMicros = *v.SpendMicros
	}
	if v.Reserve != nil && v.Reserve.AmountMicros != nil {
		req.Reserve, req.ReserveTTL = v.Reserve.AmountMicros, keys.DefaultReservation
		if v.Reserve.TTL != nil {
			if req.ReserveTTL = reserveTTL(*v.Reserve.TTL, "reserve/ttl", &found); *v.Reserve.TTL == "" {
				found.Add("reserve/ttl", "must be a duration such as 90s")
			}
		}
		if v.SpendMicros != nil {
			found.Add("reserve", "goes without spend_micros")
		}
	}
	if v.LeaseTTL != nil {
		req.LeaseTTL = leaseTTL(*v.LeaseTTL, &found)
	}
	if v.MinRevision != nil && *v.MinRevision < 0 {
		found.Add("min_revision", "must be a revision that a write has answered")
	}
	for i := range v.Limits {
		req.Limits = append(req.Limits, v.Limits[i].ask("limits/"+strconv.Itoa(i), &found))
	}
	if err := req.Validate(); err != nil {
		found.Merge(keys.AsError(err).Faults)
	}
	faults.Merge(found)
}

func queryFault(err error) keys.Fault {
	f := keys.Fault{Field: "permissions", Detail: err.Error()}
	if e, ok := err.(*permission.SyntaxError); ok {
		f.Position = &e.Position
	}
	return f
}

func (l *limitBody) ask(at string, faults *keys.Faults) keys.LimitRequest {
	out := keys.LimitRequest{Name: l.Name, Cost: 1}
	if l.Cost != nil {
		out.Cost = *l.Cost
	}
	if l.Algorithm != nil {
		out.Algorithm = ratelimit.Algorithm(*l.Algorithm)
	}
	switch {
	case l.Max == nil && l.Window == nil && l.Algorithm == nil:
		return out
	case l.Max == nil && l.Window == nil:
		faults.Add(at+"/algorithm", "goes with max and window")
		return out
	case l.Max == nil:
		faults.Add(at+"/max", "is required where there is a window")
	case l.Window == nil:
		faults.Add(at+"/window", "is required where there is a max")
	}
	if l.Max != nil {
		out.Max = *l.Max
	}
	out.Window = span.Of(time.Second) // where it is wrong, nothing else is said of it
	if l.Window != nil {
		s, err := span.Parse(*l.Window)
		if err != nil {
			faults.Add(at+"/window", "%v", err)
		} else {
			out.Window = s
		}
	}
	if l.Algorithm != nil && *l.Algorithm == "" {
		faults.Add(at+"/algorithm", "must be sliding, fixed, fixed_from_first or gcra")
	}
	return out
}
