package openrouter

import (
	"errors"
	"net/http"
	"net/url"

	"latchkey/internal/httpapi"
	"latchkey/internal/keys"
	"latchkey/internal/token"
)

// maxKeyLabel is how many characters the label of a code's key has at most.
const maxKeyLabel = 100

type codeBody struct {
	CallbackURL         string                `json:"callback_url" required:"true"`
	CodeChallenge       httpapi.Maybe[string] `json:"code_challenge" secret:"true"`
	CodeChallengeMethod httpapi.Maybe[string] `json:"code_challenge_method"`
	Limit               httpapi.Maybe[usd]    `json:"limit"`
	UsageLimitType      httpapi.Maybe[string] `json:"usage_limit_type"`
	ExpiresAt           httpapi.Maybe[string] `json:"expires_at"`
	KeyLabel            httpapi.Maybe[string] `json:"key_label"`
	WorkspaceID         httpapi.Maybe[string] `json:"workspace_id"`
}

// newCode returns what code is to be issued.
func (b *codeBody) newCode() keys.NewCode {
	nc := keys.NewCode{Standing: keyspace(), Callback: b.CallbackURL, Challenge: b.CodeChallenge.Pointer()}

	// 1. How it is proved.
	if m := b.CodeChallengeMethod.Pointer(); m != nil {
		if nc.Method = keys.ChallengeMethod(*m); nc.Method == keys.NoChallenge {
			nc.Faults.Add("code_challenge_method", `must be "S256", "plain" or null`)
		}
	}

	// 2. The key.
	var s keys.KeySettings
	money := termsBody{Limit: b.Limit, LimitReset: b.UsageLimitType}
	money.check(&nc.Faults)
	t := money.change(terms{})
	t.settle(&s, extra{})
	if t.limit != nil {
		nc.Budget = &keys.Budget{Limit: int64(*t.limit), Reset: t.reset}
	}
	nc.Extra = s.Extra
	nc.ExpiresAt = readExpiry(&b.ExpiresAt, &nc.Faults)
	nc.Name = b.name()
	if n := len([]rune(nc.Name)); b.KeyLabel.Pointer() != nil && (n < 1 || n > maxKeyLabel) {
		nc.Faults.Add("name", "must be 1 to %d characters", maxKeyLabel)
	}
	return nc
}

// name returns the name of the key: where none is given, that of the host that
// it is for.
func (b *codeBody) name() string {
	if label := b.KeyLabel.Pointer(); label != nil {
		return *label
	}
	u, err := url.Parse(b.CallbackURL)
	if err != nil {
		return ""
	}
	host := []rune(u.Hostname())
	return string(host[:min(len(host), maxKeyLabel)])
}

// An authCode is a code as it is answered to who asked for it, this once. There
// are no apps here, of which the vendor tells the number.
type authCode struct {
	ID        string `json:"id"`
	AppID     int    `json:"app_id"`
	CreatedAt string `json:"created_at"`
}

func (d *Dialect) issueCode(w http.ResponseWriter, r *http.Request, c *httpapi.Call) error {
	if err := c.Actor.Need(keys.ResKeys, "", "create"); err != nil {
		return err
	}
	var in codeBody
	if err := decode(r, &in); err != nil {
		return err
	}
	nc := in.newCode()
	by, _, err := d.home(r.Context(), c.Actor, &in.WorkspaceID, &nc.Faults)
	if err != nil {
		return codeFaults(err)
	}
	made, code, err := d.manager.IssueCode(r.Context(), by, nc)
	if err != nil {
		return codeFaults(err)
	}
	return succeed(w, authCode{ID: code.Reveal(), CreatedAt: moment(made.CreatedAt)})
}

// codeNames is to the faults of a code what wireNames is to those of a key.
var codeNames = map[string]string{"name": "key_label", "limit_reset": "usage_limit_type", "budget/reset": "usage_limit_type"}

// codeFaults names faults by the members of a code's request.
func codeFaults(err error) error {
	e, ok := errors.AsType[*keys.Error](err)
	if !ok || e.Code != keys.Invalid {
		return err
	}
	var faults keys.Faults
	for _, f := range e.Faults {
		if name, ok := codeNames[f.Field]; ok {
			f.Field = name
		}
		faults.Merge(keys.Faults{f})
	}
	return faults.Err()
}

type exchangeBody struct {
	Code                string                `json:"code" required:"true" secret:"true"`
	CodeVerifier        httpapi.Maybe[string] `json:"code_verifier" secret:"true"`
	CodeChallengeMethod httpapi.Maybe[string] `json:"code_challenge_method"`
}

// An exchanged code is a key.
type exchanged struct {
	Key    string  `json:"key"`
	UserID *string `json:"user_id"`
}

func (d *Dialect) redeemCode(w http.ResponseWriter, r *http.Request, c *httpapi.Call) error {
	var in exchangeBody
	if err := decode(r, &in); err != nil {
		return err
	}
	p := keys.Proof{Code: token.New(in.Code), Verifier: token.New(in.CodeVerifier.Value), Origin: c.Origin}
	if m := in.CodeChallengeMethod.Pointer(); m != nil {
		if p.Method = keys.ChallengeMethod(*m); p.Method == keys.NoChallenge {
			return errOtherMethod
		}
	}
	k, secret, err := d.manager.RedeemCode(r.Context(), p)
	switch {
	case errors.Is(err, keys.ErrCodeMethod):
		return errOtherMethod
	case errors.Is(err, keys.ErrCode):
		return keys.Errorf(keys.Forbidden, "Invalid code or code_verifier")
	case errors.Is(err, keys.ErrCodeExpired):
		return keys.Errorf(keys.Forbidden, "Authorization code expired")
	case err != nil:
		return err
	}
	return answer(w, http.StatusOK, exchanged{Key: secret.Reveal(), UserID: creator(&k)})
}

var errOtherMethod = keys.Errorf(otherMethod, "the challenge was made by another method")
