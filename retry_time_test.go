package latchkey_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"latchkey"
)

// TestRetryTimes measures how long is waited, on a clock of its own.
func TestRetryTimes(t *testing.T) {
	const second = time.Second
	refuse := func(retryAfter func() string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", retryAfter())
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}
	text := func(s string) func() string { return func() string { return s } }
	for _, tt := range []struct {
		name       string
		client     latchkey.Client
		retryAfter func() string
		deadline   time.Duration
		tries      int
		atLeast    time.Duration
		atMost     time.Duration
	}{
		{"a time that doubles", latchkey.Client{}, text(""), 0, 4, 350 * time.Millisecond, 700 * time.Millisecond},
		{"never more than 5 s at once", latchkey.Client{Retries: 10, RetryFor: time.Hour}, text(""), 0, 11, 13 * second, 35 * second},
		{"as the server says", latchkey.Client{Retries: 2}, text("3"), 0, 3, 6 * second, 7 * second},
		{"at the hour that the server says", latchkey.Client{Retries: 1}, func() string {
			return time.Now().Add(10 * second).UTC().Format(http.TimeFormat)
		}, 0, 2, 10 * second, 11 * second},
		{"nonsense", latchkey.Client{}, text("soon"), 0, 4, 350 * time.Millisecond, 700 * time.Millisecond},
		{"never", latchkey.Client{Retries: -1}, text("1"), 0, 1, 0, 0},
		{"longer than the caller has", latchkey.Client{}, text("9"), 5 * second, 1, 0, 0},
		{"longer than is tried", latchkey.Client{}, text("60"), 0, 1, 0, 0},
		{"until time is over", latchkey.Client{RetryFor: 10 * second}, text("4"), 0, 3, 8 * second, 9 * second},
		{"not at all by time", latchkey.Client{RetryFor: -1}, text(""), 0, 1, 0, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx := t.Context()
				if tt.deadline > 0 {
					var cancel context.CancelFunc
					ctx, cancel = context.WithTimeout(ctx, tt.deadline)
					defer cancel()
				}
				tries := 0
				tt.client.HTTP = to(func(w http.ResponseWriter, r *http.Request) { tries++; refuse(tt.retryAfter)(w, r) })
				begin := time.Now()
				_, err := tt.client.Whoami(ctx)
				took := time.Since(begin)
				if e, ok := errors.AsType[*latchkey.Error](err); !ok || e.Status != 503 {
					t.Errorf("got %v", err)
				}
				if tries != tt.tries || took < tt.atLeast || took > tt.atMost {
					t.Errorf("%d tries in %v; want %d in %v to %v", tries, took, tt.tries, tt.atLeast, tt.atMost)
				}
			})
		})
	}
}

// TestPausesDiffer: clients that failed together do not come back together.
func TestPausesDiffer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		seen := map[time.Duration]bool{}
		for range 8 {
			c := &latchkey.Client{Retries: 1, HTTP: to(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(503) })}
			begin := time.Now()
			c.Whoami(t.Context())
			seen[time.Since(begin)] = true
		}
		if len(seen) < 4 {
			t.Errorf("8 clients waited for %d different times: %v", len(seen), seen)
		}
	})
}

// TestCancelled: a caller that gives up is let go at once, while waiting and
// while a request runs.
func TestCancelled(t *testing.T) {
	t.Run("while waiting", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			time.AfterFunc(2*time.Second, cancel)
			c := &latchkey.Client{HTTP: to(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Retry-After", "10")
				w.WriteHeader(503)
			})}
			begin := time.Now()
			_, err := c.Whoami(ctx)
			e, ok := errors.AsType[*latchkey.Error](err)
			if !errors.Is(err, context.Canceled) || !ok || e.Status != 503 || time.Since(begin) != 2*time.Second {
				t.Errorf("got %v after %v", err, time.Since(begin))
			}
		})
	})
	t.Run("while a request runs", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		arrived, n := make(chan struct{}), atomic.Int64{}
		hang := func(_ http.Handler, _ http.ResponseWriter, r *http.Request) bool {
			n.Add(1)
			io.Copy(io.Discard, r.Body)
			close(arrived)
			<-r.Context().Done()
			return true
		}
		client, _ := faulty(t, "/keys", hang)
		go func() { <-arrived; cancel() }()
		if _, err := client.CreateKey(ctx, named("ci")); !errors.Is(err, context.Canceled) || n.Load() != 1 {
			t.Errorf("got %v after %d requests", err, n.Load())
		}
	})
}
