package e2e_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"strings"
	"testing"
	"time"

	openrouter "github.com/OpenRouterTeam/go-sdk"
	"github.com/OpenRouterTeam/go-sdk/models/operations"
)

// callback is where nothing is ever sent to.
const callback = "https://myapp.com/auth/callback"

// verifier is what the holder of a code proves it with.
var verifier = strings.Repeat("verifier", 8)

func challenge() string {
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

func issuing(req operations.CreateAuthKeysCodeRequest) call {
	return func(ctx context.Context, c *openrouter.OpenRouter) error {
		_, err := c.OAuth.CreateAuthCode(ctx, req)
		return err
	}
}

func exchanging(req operations.ExchangeAuthCodeForAPIKeyRequest) call {
	return func(ctx context.Context, c *openrouter.OpenRouter) error {
		_, err := c.OAuth.ExchangeAuthCodeForAPIKey(ctx, req)
		return err
	}
}

// issue returns a code.
func (sdk openrouterSDK) issue(req operations.CreateAuthKeysCodeRequest) string {
	sdk.Helper()
	issued, err := sdk.OAuth.CreateAuthCode(sdk.Context(), req)
	if err != nil {
		sdk.Fatal(err)
	}
	timeOf(sdk.T, issued.Data.CreatedAt)
	return issued.Data.ID
}

// exchange returns the key that a code is for.
func (sdk openrouterSDK) exchange(req operations.ExchangeAuthCodeForAPIKeyRequest) string {
	sdk.Helper()
	made, err := sdk.OAuth.ExchangeAuthCodeForAPIKey(sdk.Context(), req)
	if err != nil {
		sdk.Fatal(err)
	}
	return made.Key
}

func TestOpenRouterCodes(t *testing.T) {
	var when calendar
	began := time.Date(2027, 2, 27, 12, 0, 0, 0, time.UTC)
	when.set(began)
	s := start(t, when.clock)
	sdk, app := s.openrouter(t, rootKey, once), s.openrouter(t, "", once)
	ends := time.Date(2099, 12, 31, 23, 59, 59, 0, time.UTC)
	req := operations.CreateAuthKeysCodeRequest{
		CallbackURL: callback, CodeChallenge: new(challenge()), CodeChallengeMethod: new(operations.CreateAuthKeysCodeCodeChallengeMethodS256),
		Limit: new(100.5), UsageLimitType: new(operations.UsageLimitTypeMonthly), ExpiresAt: some(ends), KeyLabel: new("My Custom Key"),
	}
	proof := operations.ExchangeAuthCodeForAPIKeyRequest{
		Code: sdk.issue(req), CodeVerifier: &verifier, CodeChallengeMethod: some(operations.ExchangeAuthCodeForAPIKeyCodeChallengeMethodS256),
	}

	// 1. Not by another method or verifier.
	wrong := proof
	wrong.CodeChallengeMethod = some(operations.ExchangeAuthCodeForAPIKeyCodeChallengeMethodPlain)
	refused(t, exchanging(wrong)(t.Context(), app.OpenRouter), "BadRequestResponseError", 400, "Invalid code_challenge_method")
	wrong = proof
	wrong.CodeVerifier = new(challenge())
	refused(t, exchanging(wrong)(t.Context(), app.OpenRouter), "ForbiddenResponseError", 403, "Invalid code or code_verifier")

	// 2. Once.
	told := s.openrouter(t, app.exchange(proof), once).current()
	if told.LimitReset == nil || *told.LimitReset != "monthly" {
		t.Errorf("the key is reset %s", text(told.LimitReset))
	}
	same(t, "limit", told.Limit, new(100.5))
	same(t, "end", told.ExpiresAt, some(ends))
	same(t, "keys", sdk.names(nil, 0, nil), []string{"My Custom Key"})
	refused(t, exchanging(proof)(t.Context(), app.OpenRouter), "ForbiddenResponseError", 403, "Invalid code or code_verifier")

	// 3. By a plain challenge, and by none.
	plain := sdk.issue(operations.CreateAuthKeysCodeRequest{
		CallbackURL: callback, CodeChallenge: &verifier, CodeChallengeMethod: new(operations.CreateAuthKeysCodeCodeChallengeMethodPlain),
	})
	app.exchange(operations.ExchangeAuthCodeForAPIKeyRequest{Code: plain, CodeVerifier: &verifier})
	bare := sdk.issue(operations.CreateAuthKeysCodeRequest{CallbackURL: callback})
	app.exchange(operations.ExchangeAuthCodeForAPIKeyRequest{Code: bare})
	same(t, "all keys", sdk.names(nil, 0, nil), []string{"myapp.com", "myapp.com", "My Custom Key"})

	// 4. For ten minutes.
	proof.Code = sdk.issue(req)
	when.set(began.Add(10 * time.Minute))
	refused(t, exchanging(proof)(t.Context(), app.OpenRouter), "ForbiddenResponseError", 403, "Authorization code expired")
}
