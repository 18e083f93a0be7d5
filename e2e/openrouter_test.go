package e2e_test

//lint:file-ignore SA1019 What the vendor has deprecated is served all the same.

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"reflect"
	"testing"
	"time"

	openrouter "github.com/OpenRouterTeam/go-sdk"
	"github.com/OpenRouterTeam/go-sdk/models/operations"
	"github.com/OpenRouterTeam/go-sdk/optionalnullable"
	"github.com/OpenRouterTeam/go-sdk/retry"

	"latchkey"
)

// once makes a client give up where by itself it would try for an hour.
var once = openrouter.WithRetryConfig(retry.Config{Strategy: "none"})

// An openrouterSDK is the vendor's client, whose calls must succeed.
type openrouterSDK struct {
	*testing.T
	*openrouter.OpenRouter
}

// openrouter returns the vendor's client with a key, or without.
func (s *site) openrouter(t *testing.T, key string, options ...openrouter.SDKOption) openrouterSDK {
	options = append([]openrouter.SDKOption{openrouter.WithServerURL(s.url + "/api/v1")}, options...)
	if key != "" {
		options = append(options, openrouter.WithSecurity(key))
	}
	return openrouterSDK{t, openrouter.New(options...)}
}

// current returns what the client's key is told about itself.
func (sdk openrouterSDK) current() operations.GetCurrentKeyData {
	sdk.Helper()
	told, err := sdk.APIKeys.GetCurrentKeyMetadata(sdk.Context())
	if err != nil {
		sdk.Fatal(err)
	}
	return told.Data
}

// create makes a key, and returns what is told of it and itself. All calls tell
// the same of a key, and the client has a type for each.
func (sdk openrouterSDK) create(req operations.CreateKeysRequest) (operations.ListData, string) {
	sdk.Helper()
	made, err := sdk.APIKeys.Create(sdk.Context(), req)
	if err != nil {
		sdk.Fatal(err)
	}
	return operations.ListData(made.Data), made.Key
}

func (sdk openrouterSDK) get(hash string) operations.ListData {
	sdk.Helper()
	got, err := sdk.APIKeys.Get(sdk.Context(), hash)
	if err != nil {
		sdk.Fatal(err)
	}
	return operations.ListData(got.Data)
}

func (sdk openrouterSDK) update(hash string, change operations.UpdateKeysRequestBody) operations.ListData {
	sdk.Helper()
	changed, err := sdk.APIKeys.Update(sdk.Context(), hash, change)
	if err != nil {
		sdk.Fatal(err)
	}
	return operations.ListData(changed.Data)
}

func (sdk openrouterSDK) list(disabled *bool, offset optionalnullable.OptionalNullable[int64], workspace *string) []operations.ListData {
	sdk.Helper()
	list, err := sdk.APIKeys.List(sdk.Context(), disabled, offset, workspace)
	if err != nil {
		sdk.Fatal(err)
	}
	return list.Data
}

// self returns what a key is told about itself, of which that is told to those
// who manage it.
func self(k operations.ListData) operations.GetCurrentKeyData {
	return operations.GetCurrentKeyData{
		Label: k.Label, Limit: k.Limit, LimitRemaining: k.LimitRemaining, LimitReset: k.LimitReset,
		IncludeByokInLimit: k.IncludeByokInLimit, ExpiresAt: k.ExpiresAt, CreatorUserID: k.CreatorUserID,
		Usage: k.Usage, UsageDaily: k.UsageDaily, UsageWeekly: k.UsageWeekly, UsageMonthly: k.UsageMonthly,
		ByokUsage: k.ByokUsage, ByokUsageDaily: k.ByokUsageDaily, ByokUsageWeekly: k.ByokUsageWeekly, ByokUsageMonthly: k.ByokUsageMonthly,
		RateLimit: operations.RateLimit{Requests: -1, Interval: "10s", Note: "This field is deprecated and safe to ignore."},
	}
}

// names returns the names of the keys that a list has, in its order.
func (sdk openrouterSDK) names(disabled *bool, offset int64, workspace *string) []string {
	sdk.Helper()
	names := []string{}
	for _, k := range sdk.list(disabled, some(offset), workspace) {
		names = append(names, k.Name)
	}
	return names
}

// null is a member that is sent, and is null.
func null[T any]() optionalnullable.OptionalNullable[T] { return optionalnullable.From[T](nil) }

// some is a member that has a value.
func some[T any](v T) optionalnullable.OptionalNullable[T] { return optionalnullable.From(&v) }

func same(t *testing.T, what string, got, want any) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s:\n got %s\nwant %s", what, text(got), text(want))
	}
}

func text(v any) string {
	out, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprintf("%+v", v)
	}
	return string(out)
}

// TestOpenRouterCalls makes every call of the vendor's Go client for keys, by a
// base URL as it is documented and by one that ends in a slash.
func TestOpenRouterCalls(t *testing.T) {
	for _, base := range []string{"/api/v1", "/api/v1/"} {
		t.Run(base, func(t *testing.T) {
			s := start(t, nil)
			at := openrouter.WithServerURL(s.url + base)
			sdk := s.openrouter(t, rootKey, once, at)
			home, err := s.native().GetWorkspace(t.Context(), "default")
			if err != nil {
				t.Fatal(err)
			}

			// 1. Created with all members.
			expires := time.Date(2099, 12, 31, 23, 59, 59, 0, time.UTC)
			made, key := sdk.create(operations.CreateKeysRequest{
				Name: "Analytics Service Key", CreatorUserID: some("user_1"), ExpiresAt: some(expires), IncludeByokInLimit: new(true),
				Limit: some(50.25), LimitReset: some(operations.CreateKeysLimitResetMonthly), WorkspaceID: &home.UUID,
			})
			sum := sha256.Sum256([]byte(key))
			want := operations.ListData{
				Hash: hex.EncodeToString(sum[:]), Name: "Analytics Service Key", Label: key[:12] + "..." + key[len(key)-3:],
				Limit: new(50.25), LimitRemaining: new(50.25), LimitReset: new("monthly"), IncludeByokInLimit: true,
				CreatedAt: made.CreatedAt, ExpiresAt: some(expires), CreatorUserID: new("user_1"), WorkspaceID: home.UUID,
			}
			same(t, "created", made, want)
			if len(key) != len("sk-or-v1-")+64 {
				t.Errorf("the key has %d characters", len(key))
			}

			// 2. Read: alone, in a list, and by itself.
			same(t, "read", sdk.get(want.Hash), want)
			same(t, "listed", sdk.list(nil, nil, nil), []operations.ListData{want})
			holder := s.openrouter(t, key, once, at)
			same(t, "by itself", holder.current(), self(want))
			if root := sdk.current(); !root.IsManagementKey || !root.IsProvisioningKey {
				t.Errorf("the root key is told that it is %s", text(root))
			}

			// 3. Updated: by the vendor's example, by nothing, and to nothing.
			changed := sdk.update(want.Hash, example(t))
			want.Name, want.Limit, want.LimitRemaining, want.LimitReset = "Updated API Key Name", new(75.0), new(75.0), new("daily")
			if changed.UpdatedAt == nil || timeOf(t, *changed.UpdatedAt).Before(timeOf(t, made.CreatedAt)) {
				t.Errorf("created at %s, updated at %s", made.CreatedAt, text(changed.UpdatedAt))
			}
			want.UpdatedAt = changed.UpdatedAt
			same(t, "updated", changed, want)
			same(t, "updated by nothing", sdk.update(want.Hash, operations.UpdateKeysRequestBody{}), want)
			cleared := sdk.update(want.Hash, operations.UpdateKeysRequestBody{
				Limit: null[float64](), LimitReset: null[operations.UpdateKeysLimitReset](), IncludeByokInLimit: new(false),
			})
			want.Limit, want.LimitRemaining, want.LimitReset, want.IncludeByokInLimit = nil, nil, nil, false
			want.UpdatedAt = cleared.UpdatedAt
			same(t, "cleared", cleared, want)

			// 4. Deleted: it lets nobody in any more, and is listed nowhere.
			if _, err := sdk.APIKeys.Delete(t.Context(), want.Hash); err != nil { // it is one unless deleted is true
				t.Error(err)
			}
			_, err = holder.APIKeys.GetCurrentKeyMetadata(t.Context())
			refused(t, err, "UnauthorizedResponseError", 401, "User not found.")
			v, err := s.native().Verify(t.Context(), latchkey.VerifyRequest{Key: key})
			if err != nil || v.Outcome != latchkey.NotFound {
				t.Errorf("the deleted key is verified: %s, %v", v.Outcome, err)
			}
			same(t, "listed when it is deleted", sdk.list(new(true), nil, nil), []operations.ListData{})
		})
	}
}

func timeOf(t *testing.T, text string) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t.Error(err)
	}
	return at
}

// example is the vendor's own example of an update, to the letter.
func example(t *testing.T) operations.UpdateKeysRequestBody {
	const sent = `{"disabled":false,"include_byok_in_limit":true,"limit":75,"limit_reset":"daily","name":"Updated API Key Name"}`
	var change operations.UpdateKeysRequestBody
	if err := json.Unmarshal([]byte(sent), &change); err != nil {
		t.Fatal(err)
	}
	if got := text(change); got != sent {
		t.Errorf("the client sends %s, and not %s", got, sent)
	}
	return change
}

func TestOpenRouterPages(t *testing.T) {
	s := start(t, nil)
	sdk := s.openrouter(t, rootKey, once)

	// 1. The newest come first, a hundred to a page.
	var want []string
	var newest operations.ListData
	for i := range 101 {
		newest, _ = sdk.create(operations.CreateKeysRequest{Name: fmt.Sprintf("key %d", i)})
		want = append([]string{newest.Name}, want...)
	}
	same(t, "the first page", sdk.names(nil, 0, nil), want[:100])
	same(t, "the second page", sdk.names(nil, 100, nil), want[100:])
	same(t, "the third page", sdk.names(nil, 101, nil), []string{})
	if n := len(sdk.list(nil, null[int64](), nil)); n != 100 {
		t.Errorf("a page that begins at null has %d keys", n)
	}

	// 2. The disabled are hidden unless they are asked for.
	sdk.update(newest.Hash, operations.UpdateKeysRequestBody{Disabled: new(true)})
	same(t, "the enabled", sdk.names(nil, 0, nil), want[1:])
	same(t, "the enabled beyond", sdk.names(new(false), 100, nil), []string{})
	same(t, "all", sdk.names(new(true), 0, nil), want[:100])
	same(t, "all beyond", sdk.names(new(true), 100, nil), want[100:])
}

func TestOpenRouterWorkspaces(t *testing.T) {
	s := start(t, nil)
	sdk := s.openrouter(t, rootKey, once)
	below, err := s.native().CreateWorkspace(t.Context(), latchkey.WorkspaceSettings{Slug: latchkey.Some("below")})
	if err != nil {
		t.Fatal(err)
	}
	sdk.create(operations.CreateKeysRequest{Name: "at home"})
	k, _ := sdk.create(operations.CreateKeysRequest{Name: "below", WorkspaceID: &below.UUID})

	same(t, "the default workspace", sdk.names(nil, 0, nil), []string{"at home"})
	same(t, "the one below", sdk.names(nil, 0, &below.UUID), []string{"below"})
	same(t, "an unknown one", sdk.names(nil, 0, new("0df9e665-d932-5740-b2c7-b52af166bc11")), []string{})
	if k = sdk.update(k.Hash, operations.UpdateKeysRequestBody{Name: new("renamed")}); k.WorkspaceID != below.UUID {
		t.Errorf("the key of workspace %s is told to be of %s", below.UUID, k.WorkspaceID)
	}
}
