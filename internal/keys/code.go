package keys

import (
	"cmp"
	"context"
	"crypto/subtle"
	"encoding/base64"
	"net/url"
	"strings"
	"time"

	"latchkey/internal/token"
)

// Bounds of codes.
const (
	CodeLife  = 10 * time.Minute
	KeepCodes = time.Hour // of those that have expired, so that their holders are told so

	// MaxCodes bounds how many codes of a workspace wait to be redeemed.
	MaxCodes = 1000

	// MaxMisses is how often a code may be shown without its proof. The first
	// miss does not end it: it may be a mistake, and with 128 random bits and more
	// in the code and as many in the verifier it is no step towards either. The
	// bound is for verifiers that were chosen badly.
	MaxMisses = 5

	MaxCallback = 2048 // bytes
)

// A OneTimeCode is a secret that stands for a key which is still to be made:
// whoever shows it, and what proves that it was issued to them, gets the key,
// once.
type OneTimeCode struct {
	ID          string
	WorkspaceID string
	KeyspaceID  string

	// MakeKeyspace is a keyspace that the store makes with the code; nil: none. It
	// is not kept.
	MakeKeyspace *Keyspace

	Hash      token.Hash // of the code itself
	Issuer    Issuer
	Template  Template
	Method    ChallengeMethod
	Challenge token.Hash // that of the verifier; zero: none is needed
	Callback  string     // where the code goes to; it is kept, and never fetched
	Misses    int
	CreatedAt time.Time
	ExpiresAt time.Time
}

// An Issuer is who issued a code, and by which secret.
type Issuer struct {
	Creator
	WorkspaceID string // its own, which may be above that of the code
	SecretID    string
}

// A Template is what is decided of a key before it is made. All else is as its
// keyspace says.
type Template struct {
	Name      string    // "": none
	ExpiresAt time.Time // zero: as the keyspace says
	Budget    *Budget   // nil: none
	Owner     Owner
	Extra     Extra
}

// newKey returns what key is to be made.
func (t *Template) newKey() NewKey {
	s := KeySettings{Extra: t.Extra}
	if t.Name != "" {
		s.Name = Some(&t.Name)
	}
	if !t.ExpiresAt.IsZero() {
		s.ExpiresAt = Some(t.ExpiresAt)
	}
	if !t.Owner.IsZero() {
		s.Owner = Some(t.Owner)
	}
	if b := t.Budget; b != nil {
		s.Budget = Some(&BudgetSettings{Limit: Some(b.Limit), Reset: Some(b.Reset), CountsBYOK: Some(b.CountsBYOK)})
	}
	return NewKey{KeySettings: s}
}

// A ChallengeMethod is how a challenge is made of a verifier.
type ChallengeMethod string

const (
	NoChallenge ChallengeMethod = ""
	PlainMethod ChallengeMethod = "plain" // it is the verifier
	S256Method  ChallengeMethod = "S256"  // it is the verifier's SHA-256, in base64url without padding
)

// A NewCode says what code to issue.
type NewCode struct {
	Template
	Keyspace string    // as in [NewKey]
	Standing *Keyspace // likewise

	// Challenge is made by Method, [PlainMethod] where that is not said; nil
	// where the code alone is the proof.
	Challenge *string
	Method    ChallengeMethod
	Callback  string

	// Faults are what is wrong already with the request.
	Faults Faults
}

// challenge keeps what a verifier will be held against: its hash, whatever the
// method, so that a plain one is not kept either.
func (c *OneTimeCode) challenge(nc *NewCode) {
	if nc.Challenge == nil && nc.Method == NoChallenge {
		return
	}
	var sent string
	if nc.Challenge != nil {
		sent = *nc.Challenge
	}
	c.Method = cmp.Or(nc.Method, PlainMethod)
	switch c.Method {
	case PlainMethod:
		if !validVerifier(sent) {
			nc.Faults.Merge(Faults{{Field: "code_challenge", Detail: "must be a verifier: 43 to 128 of A-Z, a-z, 0-9 and -._~"}})
		}
		c.Challenge = token.New(sent).Sum()
	case S256Method:
		sum, err := base64.RawURLEncoding.Strict().DecodeString(sent)
		if err != nil || len(sum) != len(c.Challenge) {
			nc.Faults.Merge(Faults{{Field: "code_challenge", Detail: "must be a SHA-256 in base64url without padding: 43 characters"}})
			return
		}
		c.Challenge = token.Hash(sum)
	default:
		nc.Faults.Merge(Faults{{Field: "code_challenge_method", Detail: `must be "S256", "plain" or null`}})
	}
}

// validVerifier reports whether s may be a verifier, by RFC 7636.
func validVerifier(s string) bool {
	if len(s) < 43 || len(s) > 128 {
		return false
	}
	for _, c := range []byte(s) {
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("-._~", c) >= 0) {
			return false
		}
	}
	return true
}

func checkCallback(text string, faults *Faults) {
	u, err := url.Parse(text)
	if len(text) > MaxCallback || err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.User != nil {
		faults.Merge(Faults{{Field: "callback_url", Detail: "must be an absolute http or https URL of at most " + itoa(MaxCallback) + " bytes, without user information"}})
	}
}

// What is wrong with a code that is shown. A code that is not known, was
// redeemed, or is shown without its proof, is one and the same; that it has
// expired is told to who has the proof.
var (
	ErrCode        = Errorf(Forbidden, "the code or its verifier is not right")
	ErrCodeExpired = Errorf(Forbidden, "the code has expired")
	ErrCodeMethod  = Errorf(Invalid, "the challenge was made by another method")
)

// A Proof is what is shown to redeem a code.
type Proof struct {
	Code     token.Secret
	Verifier token.Secret    // zero: none
	Method   ChallengeMethod // by which the challenge was made; "" where nothing is said of it
	Origin   Origin
}

// refuse says what is wrong with a proof, in this order.
func (c *OneTimeCode) refuse(p *Proof, now time.Time) error {
	switch {
	case p.Method != NoChallenge && p.Method != c.Method:
		return ErrCodeMethod
	case !c.proves(p.Verifier):
		return ErrCode
	case !now.Before(c.ExpiresAt):
		return ErrCodeExpired
	}
	return nil
}

// proves reports whether a verifier is the one that the code was issued for. One
// for a code without a challenge proves nothing: that challenge may have been
// taken away on the way here, by who means to use the code.
func (c *OneTimeCode) proves(verifier token.Secret) bool {
	if c.Challenge.IsZero() || verifier.IsZero() {
		return c.Challenge.IsZero() && verifier.IsZero()
	}
	sum := verifier.Sum()
	return subtle.ConstantTimeCompare(sum[:], c.Challenge[:]) == 1
}

// CodeMembers returns what a code is for, as the audit log names it. Of the
// callback it tells where it leads, and not what it carries.
func CodeMembers(c *OneTimeCode) []Member {
	t := &c.Template
	m := []Member{
		{"keyspace", c.KeyspaceID}, {"name", orNil(t.Name)}, {"identity", orNil(t.Owner.ID)}, {"key_expires_at", moment(t.ExpiresAt)},
		{"budget", budgetMembers(t.Budget)}, {"challenge_method", orNil(string(c.Method))}, {"callback", nil}, {"expires_at", moment(c.ExpiresAt)},
	}
	if u, err := url.Parse(c.Callback); err == nil && u.Host != "" {
		m[6].Value = u.Scheme + "://" + u.Host + u.Path
	}
	return m
}

// CodeStore keeps codes that wait to be redeemed.
type CodeStore interface {
	// InsertCode must add c, and the keyspace c.MakeKeyspace, which is then nil; a
	// taken slug of its is a Conflict. Where the workspace has most codes already that have
	// not expired at ev.At, it is a Conflict.
	InsertCode(ctx context.Context, c *OneTimeCode, most int, ev Event) error

	// Code must return the code with a hash, expired or not.
	Code(ctx context.Context, hash token.Hash) (OneTimeCode, error)

	// RedeemCode must delete a code and add the key that redeem makes of it, as
	// InsertKey does, both or neither, with ev and an event for the key. Where
	// redeem refuses, the code stays. Of two calls at once only one must find the
	// code.
	RedeemCode(ctx context.Context, workspaceID, id string, redeem func(*OneTimeCode) (*Key, error), ev Event) error

	// MissCode must count that a code was shown without its proof, and delete it
	// with the last miss of so many. One that is not there is no fault, and
	// there is no event: nothing can be had by it.
	MissCode(ctx context.Context, workspaceID, id string, most int) error

	// PruneCodes must delete at most limit codes that expired before a time, and
	// say how many.
	PruneCodes(ctx context.Context, before time.Time, limit int) (int, error)
}
