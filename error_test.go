package latchkey_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"latchkey"
)

// TestErrors has the server refuse in each way that it can, and looks at what
// reaches the caller, through a wrapping of the caller's own.
func TestErrors(t *testing.T) {
	client := start(t)
	lesser := must(client.CreateRootKey(t.Context(), latchkey.RootKeySettings{Permissions: latchkey.Some([]string{"keys.*.read"})}))
	busy := must(client.CreateRootKey(t.Context(), latchkey.RootKeySettings{
		Permissions: latchkey.Some([]string{"*"}),
		Limits:      latchkey.Some([]latchkey.Limit{{Name: "calls", Max: 1, Window: "1h", Algorithm: "fixed_from_first"}}),
	}))
	by := func(secret string) *latchkey.Client {
		return &latchkey.Client{URL: client.URL, RootKey: secret, Retries: -1}
	}
	must(by(busy.Secret).ListKeys(t.Context(), latchkey.KeyQuery{}))
	key := must(client.CreateKey(t.Context(), named("ci")))

	for _, tt := range []struct {
		name   string
		call   func(context.Context) error
		status int
		code   string
		text   string // in the error
		check  func(*latchkey.Error) bool
	}{
		{"invalid", func(ctx context.Context) error {
			_, err := client.UpdateKey(ctx, key.ID, latchkey.KeySettings{Enabled: latchkey.Null[bool](), AllowedIPs: latchkey.Some([]string{"here"})})
			return err
		}, 400, latchkey.CodeInvalid, "; ", func(e *latchkey.Error) bool {
			return len(e.Errors) == 2 && strings.HasPrefix(*e.Errors[0].Pointer, "/")
		}},
		{"invalid query", func(ctx context.Context) error {
			_, err := client.ListKeys(ctx, latchkey.KeyQuery{Page: latchkey.Page{Limit: 1000}})
			return err
		}, 400, latchkey.CodeInvalid, "limit: must be", func(e *latchkey.Error) bool { return e.Errors[0].Parameter == "limit" }},
		{"invalid query for keys", func(ctx context.Context) error {
			_, err := client.Verify(ctx, latchkey.VerifyRequest{Key: key.Secret, Permissions: new("a AND")})
			return err
		}, 400, latchkey.CodeInvalid, "permissions: ", func(e *latchkey.Error) bool { return *e.Errors[0].Position == 5 }},
		{"unauthenticated", func(ctx context.Context) error { _, err := by("lk_root_wrong").GetKey(ctx, key.ID); return err },
			401, latchkey.CodeUnauthenticated, "", nil},
		{"forbidden", func(ctx context.Context) error { return by(lesser.Secret).DeleteKey(ctx, key.ID) },
			403, latchkey.CodeForbidden, "delete", func(e *latchkey.Error) bool { return strings.HasSuffix(e.MissingPermission, ".delete") }},
		{"not found", func(ctx context.Context) error { _, err := client.GetRole(ctx, "nobody"); return err },
			404, latchkey.CodeNotFound, "no such", nil},
		{"conflict", func(ctx context.Context) error {
			_, err := client.CreateKeyspace(ctx, latchkey.KeyspaceSettings{Slug: "default"})
			return err
		}, 409, latchkey.CodeConflict, "", nil},
		{"changed", func(ctx context.Context) error { return client.DeleteKey(latchkey.IfMatch(ctx, `"v99"`), key.ID) },
			412, latchkey.CodePreconditionFailed, "", nil},
		{"too large", func(ctx context.Context) error {
			_, err := client.CreateKey(ctx, named(strings.Repeat("n", 70_000)))
			return err
		}, 413, latchkey.CodeTooLarge, "", nil},
		{"another call by the same name", func(ctx context.Context) error {
			ctx = latchkey.IdempotencyKey(ctx, "one")
			must(client.CreateKey(ctx, named("first")))
			_, err := client.CreateKey(ctx, named("second"))
			return err
		}, 422, latchkey.CodeIdempotencyMismatch, "", nil},
		{"rate limited", func(ctx context.Context) error { _, err := by(busy.Secret).GetKey(ctx, key.ID); return err },
			429, latchkey.CodeRateLimited, "", func(e *latchkey.Error) bool { return e.RetryAfter > 59*time.Minute }},
		{"unavailable", func(ctx context.Context) error {
			_, err := by(rootKey).Verify(ctx, latchkey.VerifyRequest{Key: key.Secret, MinRevision: new(int64(1 << 40))})
			return err
		}, 503, latchkey.CodeUnavailable, "", func(e *latchkey.Error) bool { return e.RetryAfter == time.Second }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var answer latchkey.Answer
			err := fmt.Errorf("while testing: %w", tt.call(latchkey.Observe(t.Context(), &answer)))
			e, ok := errors.AsType[*latchkey.Error](err)
			if !ok {
				t.Fatalf("got %v, no *Error", err)
			}
			if e.Status != tt.status || e.Code != tt.code || e.Title == "" || e.Detail == "" || e.RequestID == "" {
				t.Errorf("got %+v", e)
			}
			if tt.check != nil && !tt.check(e) {
				t.Errorf("got %+v", e)
			}
			if answer.Status != tt.status || answer.RequestID != e.RequestID {
				t.Errorf("observed %+v of %+v", answer, e.Problem)
			}
			text := err.Error()
			for _, part := range []string{tt.code, tt.text, e.RequestID} {
				if !strings.Contains(text, part) {
					t.Errorf("%q is without %q", text, part)
				}
			}
			if strings.Contains(text, key.Secret) {
				t.Errorf("%q has the key", text)
			}
		})
	}
}

// TestAnswersOfOthers has answers that something between client and server
// gave.
func TestAnswersOfOthers(t *testing.T) {
	for _, tt := range []struct {
		name, contentType, body string
		status                  int
		wantCode, wantText      string
	}{
		{"a page", "text/html", "<h1>who are you</h1>", 403, "", "latchkey: 403 Forbidden, and the answer is not latchkey's own"},
		{"a problem of another kind", "application/problem+json", `{"title":"who are you"}`, 403, "", "latchkey: 403 Forbidden, and the answer is not latchkey's own"},
		{"JSON that is no problem", "application/json", `{"code":"conflict","detail":"<h1>"}`, 409, "", "latchkey: 409 Conflict, and the answer is not latchkey's own"},
		{"half a problem", "application/problem+json", `{"code":"inv`, 400, "", "latchkey: 400 Bad Request, and the answer is not latchkey's own"},
		{"an unknown status", "", "", 599, "", "latchkey: 599, and the answer is not latchkey's own"},
		{"a problem", "application/problem+json; charset=utf-8", `{"code":"conflict","detail":"so it is","status":200}`, 409, "conflict", "latchkey: conflict: so it is"},
		{"a page in place of JSON", "text/html", "<h1>hello</h1>", 200, "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := &latchkey.Client{HTTP: to(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", tt.contentType)
				w.WriteHeader(tt.status)
				io.WriteString(w, tt.body)
			})}
			_, err := c.Whoami(t.Context())
			if err == nil || strings.Contains(err.Error(), "<h1>") {
				t.Fatalf("got %v", err)
			}
			e, ok := errors.AsType[*latchkey.Error](err)
			if ok != (tt.status != 200) {
				t.Fatalf("got %v", err)
			}
			if ok && (e.Status != tt.status || e.Code != tt.wantCode || e.Error() != tt.wantText) {
				t.Errorf("got %d, %q, %q; want %d, %q, %q", e.Status, e.Code, e, tt.status, tt.wantCode, tt.wantText)
			}
		})
	}
}

// TestConditions: each change that can be conditional is refused by an old
// ETag, and carried out by the present one.
func TestConditions(t *testing.T) {
	client := start(t)
	ctx := t.Context()
	key := must(client.CreateKey(ctx, named("ci")))
	keyspace := must(client.CreateKeyspace(ctx, latchkey.KeyspaceSettings{Slug: "payments"}))
	identity := must(client.CreateIdentity(ctx, customer("cust_42")))
	role := must(client.CreateRole(ctx, latchkey.RoleSettings{Name: latchkey.Some("reader")}))
	permission := must(client.CreatePermission(ctx, latchkey.PermissionSettings{Name: latchkey.Some("docs.read")}))
	root := must(client.CreateRootKey(ctx, latchkey.RootKeySettings{}))
	workspace := must(client.CreateWorkspace(ctx, latchkey.WorkspaceSettings{Slug: latchkey.Some("acme")}))
	name := latchkey.Some("changed")
	for _, tt := range []struct {
		name, etag string
		update     func(context.Context) (string, error)
		delete     func(context.Context) error
	}{
		{"key", key.ETag,
			func(ctx context.Context) (string, error) {
				out, err := client.UpdateKey(ctx, key.ID, latchkey.KeySettings{Name: name})
				return out.ETag, err
			}, func(ctx context.Context) error { return client.DeleteKey(ctx, key.ID) }},
		{"keyspace", keyspace.ETag,
			func(ctx context.Context) (string, error) {
				out, err := client.UpdateKeyspace(ctx, "payments", latchkey.KeyspaceSettings{Name: name})
				return out.ETag, err
			}, func(ctx context.Context) error { return client.DeleteKeyspace(ctx, "payments") }},
		{"identity", identity.ETag,
			func(ctx context.Context) (string, error) {
				out, err := client.ReplaceIdentity(ctx, "cust_42", latchkey.ReplaceIdentitySettings{Enabled: latchkey.Some(false)})
				return out.ETag, err
			}, func(ctx context.Context) error { return client.DeleteIdentity(ctx, "cust_42") }},
		{"role", role.ETag,
			func(ctx context.Context) (string, error) {
				out, err := client.UpdateRole(ctx, "reader", latchkey.RoleSettings{Description: name})
				return out.ETag, err
			}, func(ctx context.Context) error { return client.DeleteRole(ctx, "reader") }},
		{"permission", permission.ETag,
			func(ctx context.Context) (string, error) {
				out, err := client.UpdatePermission(ctx, "docs.read", latchkey.PermissionSettings{Description: name})
				return out.ETag, err
			}, func(ctx context.Context) error { return client.DeletePermission(ctx, "docs.read") }},
		{"root key", root.ETag,
			func(ctx context.Context) (string, error) {
				out, err := client.UpdateRootKey(ctx, root.ID, latchkey.RootKeySettings{Name: name})
				return out.ETag, err
			}, func(ctx context.Context) error { return client.DeleteRootKey(ctx, root.ID) }},
		{"workspace", workspace.ETag,
			func(ctx context.Context) (string, error) {
				out, err := client.UpdateWorkspace(ctx, "acme", latchkey.WorkspaceSettings{Name: name})
				return out.ETag, err
			}, func(ctx context.Context) error { return client.DeleteWorkspace(ctx, "acme") }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			old := latchkey.IfMatch(t.Context(), tt.etag)
			etag, err := tt.update(old)
			if err != nil || etag == "" || etag == tt.etag {
				t.Fatalf("the first change: ETag %s after %s, %v", etag, tt.etag, err)
			}
			_, again := tt.update(old)
			for what, err := range map[string]error{"a change": again, "a deletion": tt.delete(old)} {
				if e, ok := errors.AsType[*latchkey.Error](err); !ok || e.Code != latchkey.CodePreconditionFailed {
					t.Errorf("%s by the old ETag: %v", what, err)
				}
			}
			if err := tt.delete(latchkey.IfMatch(t.Context(), etag)); err != nil {
				t.Errorf("a deletion by the present ETag: %v", err)
			}
		})
	}
}
