package e2e_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	openrouter "github.com/OpenRouterTeam/go-sdk"
	"github.com/OpenRouterTeam/go-sdk/models/operations"
	"github.com/OpenRouterTeam/go-sdk/models/sdkerrors"
	"github.com/OpenRouterTeam/go-sdk/optionalnullable"

	"latchkey"
)

// A call is one of the vendor's client, of which the error counts.
type call func(context.Context, *openrouter.OpenRouter) error

const (
	current  = "GetCurrentKeyMetadata"
	list     = "List"
	create   = "Create"
	get      = "Get"
	update   = "Update"
	remove   = "Delete"
	credits  = "GetCredits"
	issue    = "CreateAuthCode"
	exchange = "ExchangeAuthCodeForAPIKey"
)

// typed says for which statuses a call has an error of its own type; all others
// are an APIError.
var typed = map[string][]int{
	current:  {401, 500},
	list:     {401, 429, 500},
	create:   {400, 401, 403, 429, 500},
	get:      {401, 404, 429, 500},
	update:   {400, 401, 404, 429, 500},
	remove:   {401, 404, 429, 500},
	credits:  {401, 403, 500},
	issue:    {400, 401, 403, 409, 500},
	exchange: {400, 403, 500},
}

// types are the errors that have one of their own: status → its name.
var types = map[int]string{
	400: "BadRequestResponseError",
	401: "UnauthorizedResponseError",
	403: "ForbiddenResponseError",
	404: "NotFoundResponseError",
	429: "TooManyRequestsResponseError",
	500: "InternalServerResponseError",
}

// calls returns every call that needs a key, where it is to one to that of the
// hash.
func calls(hash string) map[string]call {
	return map[string]call{
		current: func(ctx context.Context, c *openrouter.OpenRouter) error {
			_, err := c.APIKeys.GetCurrentKeyMetadata(ctx)
			return err
		},
		list:   listing(nil, nil),
		create: creating(operations.CreateKeysRequest{Name: "a key"}),
		get: func(ctx context.Context, c *openrouter.OpenRouter) error {
			_, err := c.APIKeys.Get(ctx, hash)
			return err
		},
		update: updating(hash, operations.UpdateKeysRequestBody{}),
		remove: func(ctx context.Context, c *openrouter.OpenRouter) error {
			_, err := c.APIKeys.Delete(ctx, hash)
			return err
		},
		credits: func(ctx context.Context, c *openrouter.OpenRouter) error {
			_, err := c.Credits.GetCredits(ctx)
			return err
		},
		issue: issuing(operations.CreateAuthKeysCodeRequest{CallbackURL: callback}),
	}
}

func listing(offset optionalnullable.OptionalNullable[int64], workspace *string) call {
	return func(ctx context.Context, c *openrouter.OpenRouter) error {
		_, err := c.APIKeys.List(ctx, nil, offset, workspace)
		return err
	}
}

func creating(req operations.CreateKeysRequest) call {
	return func(ctx context.Context, c *openrouter.OpenRouter) error {
		_, err := c.APIKeys.Create(ctx, req)
		return err
	}
}

func updating(hash string, change operations.UpdateKeysRequestBody) call {
	return func(ctx context.Context, c *openrouter.OpenRouter) error {
		_, err := c.APIKeys.Update(ctx, hash, change)
		return err
	}
}

// A refusal is a call and how it is refused.
type refusal struct {
	name    string
	of      string // the call's name
	key     string
	call    call
	status  int
	message string // "": whatever it is
}

func (r *refusal) kind() string {
	if slices.Contains(typed[r.of], r.status) {
		return types[r.status]
	}
	return "APIError"
}

// refusals are all that can be brought about at a site by its callers.
func refusals(t *testing.T, s *site) []refusal {
	sdk := s.openrouter(t, rootKey, once)
	k, key := sdk.create(operations.CreateKeysRequest{Name: "ordinary"})
	off, disabled := sdk.create(operations.CreateKeysRequest{Name: "disabled"})
	sdk.update(off.Hash, operations.UpdateKeysRequestBody{Disabled: new(true)})
	throttled, err := s.native().CreateRootKey(t.Context(), latchkey.RootKeySettings{
		Permissions: latchkey.Some([]string{"*"}),
		Limits:      latchkey.Some([]latchkey.Limit{{Name: "calls", Max: 1, Window: "1h", Algorithm: "fixed_from_first"}}),
	})
	if err != nil {
		t.Fatal(err)
	}
	s.openrouter(t, throttled.Secret, once).list(nil, nil, nil)

	var all []refusal
	for of, call := range calls(k.Hash) {
		unknown := "sk-or-v1-" + strings.Repeat("0123456789abcdef", 4)
		all = append(all,
			refusal{"without a key", of, "", call, 401, "Missing Authentication header"},
			refusal{"with an unknown key", of, unknown, call, 401, "User not found."},
			refusal{"with a disabled key", of, disabled, call, 401, "User not found."})
		if of == current {
			continue
		}
		all = append(all,
			refusal{"with an ordinary key", of, key, call, 403, "Only management keys can perform this operation"},
			refusal{"with a root key whose own limit is used up", of, throttled.Secret, call, 429, "Rate limit exceeded"})
	}
	for _, hash := range []string{strings.Repeat("0", 64), strings.ToUpper(k.Hash), "no-hash"} {
		for of, call := range calls(hash) {
			if slices.Contains([]string{get, update, remove}, of) {
				all = append(all, refusal{"of " + hash, of, rootKey, call, 404, "Resource not found"})
			}
		}
	}
	for what, call := range badRequests(k.Hash) {
		of, name, _ := strings.Cut(what, " ")
		all = append(all, refusal{name, of, rootKey, call, 400, "Invalid request parameters"})
	}
	long := strings.Repeat("n", 1<<17)
	guess := operations.ExchangeAuthCodeForAPIKeyRequest{Code: strings.Repeat("0", 32)}
	hashed := guess
	hashed.CodeChallengeMethod = some(operations.ExchangeAuthCodeForAPIKeyCodeChallengeMethod("S512"))
	return append(all,
		refusal{"an unknown code", exchange, "", exchanging(guess), 403, "Invalid code or code_verifier"},
		refusal{"an unknown method", exchange, "", exchanging(hashed), 400, "Invalid code_challenge_method"},
		refusal{"too long", create, rootKey, creating(operations.CreateKeysRequest{Name: long}), 413, ""},
		refusal{"too long", update, rootKey, updating(k.Hash, operations.UpdateKeysRequestBody{Name: &long}), 413, ""})
}

// badRequests are calls with something wrong; the first word is that call's name.
func badRequests(hash string) map[string]call {
	abroad := time.Date(2099, 12, 31, 23, 59, 59, 0, time.FixedZone("", 7200))
	bad := map[string]call{
		list + " from before the first": listing(some(int64(-1)), nil),
		list + " of no workspace":       listing(nil, new("home")),
		issue + " for nobody":           issuing(operations.CreateAuthKeysCodeRequest{}),
		issue + " for a path":           issuing(operations.CreateAuthKeysCodeRequest{CallbackURL: "/callback"}),
		issue + " below zero":           issuing(operations.CreateAuthKeysCodeRequest{CallbackURL: callback, Limit: new(-1.0)}),
		issue + " by a short challenge": issuing(operations.CreateAuthKeysCodeRequest{CallbackURL: callback, CodeChallenge: new("short")}),
	}
	for what, req := range map[string]operations.CreateKeysRequest{
		"without a name":          {},
		"below zero":              {Name: "n", Limit: some(-1.0)},
		"reset by the hour":       {Name: "n", LimitReset: some(operations.CreateKeysLimitReset("hourly"))},
		"ending in another zone":  {Name: "n", ExpiresAt: some(abroad)},
		"that has ended":          {Name: "n", ExpiresAt: some(time.Unix(1e9, 0).UTC())},
		"by nobody":               {Name: "n", CreatorUserID: some("")},
		"in no workspace":         {Name: "n", WorkspaceID: new("home")},
		"in an unknown workspace": {Name: "n", WorkspaceID: new("0df9e665-d932-5740-b2c7-b52af166bc11")},
	} {
		bad[create+" "+what] = creating(req)
	}
	for what, change := range map[string]operations.UpdateKeysRequestBody{
		"without a name":    {Name: new("")},
		"below zero":        {Limit: some(-1.0)},
		"reset by the hour": {LimitReset: some(operations.UpdateKeysLimitReset("hourly"))},
	} {
		bad[update+" "+what] = updating(hash, change)
	}
	return bad
}

// refused checks an error by its type, and what it tells.
func refused(t *testing.T, err error, kind string, status int, message string) {
	t.Helper()
	body := fmt.Sprint(err) // of an error that has a type of its own
	if e, ok := errors.AsType[*sdkerrors.APIError](err); ok {
		body = e.Body
		if e.StatusCode != status {
			t.Errorf("status %d, want %d", e.StatusCode, status)
		}
	}
	var told struct {
		Error struct {
			Code    int
			Message string
		}
	}
	if is := strings.TrimPrefix(fmt.Sprintf("%T", err), "*sdkerrors."); is != kind {
		t.Errorf("a %s, want a %s: %v", is, kind, err)
	} else if err := json.Unmarshal([]byte(body), &told); err != nil {
		t.Errorf("%v: %s", err, body)
	} else if told.Error.Code != status || told.Error.Message == "" || message != "" && told.Error.Message != message {
		t.Errorf("%s, want %d %q", body, status, message)
	}
}

// TestOpenRouterErrors brings about every refusal, and none is tried again by a
// client that would for an hour.
func TestOpenRouterErrors(t *testing.T) {
	s := start(t, nil)
	for _, r := range refusals(t, s) {
		t.Run(r.of+"/"+r.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			before := s.asked.Load()
			err := r.call(ctx, s.openrouter(t, r.key).OpenRouter)
			refused(t, err, r.kind(), r.status, r.message)
			if n := s.asked.Load() - before; n != 1 {
				t.Errorf("%d requests, want 1", n)
			}
		})
	}
}

// TestOpenRouterUnavailable asks a server whose database is closed, which is the
// error that a client may try again.
func TestOpenRouterUnavailable(t *testing.T) {
	s := start(t, nil)
	sdk := s.openrouter(t, rootKey, once)
	k, key := sdk.create(operations.CreateKeysRequest{Name: "a key"})
	if err := s.close(); err != nil {
		t.Fatal(err)
	}
	all := calls(k.Hash)
	for _, of := range slices.Sorted(maps.Keys(all)) {
		caller := sdk
		if of == current { // of keys that it knows it has the answer in memory
			caller = s.openrouter(t, key+"0", once)
		}
		t.Run(of, func(t *testing.T) {
			refused(t, all[of](t.Context(), caller.OpenRouter), "APIError", 503, "")
		})
	}

	// The next request goes to a server that is well.
	well := start(t, nil)
	moved := &relocation{to: strings.TrimPrefix(well.url, "http://")}
	before := s.asked.Load()
	s.openrouter(t, rootKey, openrouter.WithClient(moved)).list(nil, nil, nil)
	if n, m := s.asked.Load()-before, well.asked.Load(); n != 1 || m != 1 {
		t.Errorf("%d and %d requests, want 1 and 1", n, m)
	}
}

// A relocation sends all requests but the first to another host.
type relocation struct {
	to    string
	began bool
}

func (r *relocation) Do(req *http.Request) (*http.Response, error) {
	if r.began {
		req.URL.Host, req.Host = r.to, r.to
	}
	r.began = true
	return http.DefaultClient.Do(req)
}
