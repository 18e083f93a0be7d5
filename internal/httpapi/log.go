package httpapi

import (
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"latchkey/internal/keys"
)

// logLine writes the access log's line: the route's pattern, never the path or
// the query. A verification that was accepted has none, nor has one of an
// unknown key; other refusals are sampled. A breakdown always has one.
func logLine(r *http.Request, log *slog.Logger, rt *Route, c *Call, took time.Duration, err error, refused *sampler) {
	level := slog.LevelInfo
	if err != nil {
		switch keys.AsError(err).Code {
		case keys.Internal:
			level = slog.LevelError
		case keys.Unavailable:
			level = slog.LevelWarn
		case keys.Unauthenticated:
			if !refused.take(time.Now()) {
				return
			}
		}
	} else if c.verified {
		if quiet(c.outcome) || !refused.take(time.Now()) {
			return
		}
	} else if rt.Quiet {
		return
	}
	if !log.Enabled(r.Context(), level) {
		return
	}
	attrs := []slog.Attr{
		slog.Int("status", c.status), slog.Int64("took_us", took.Microseconds()), slog.String("request_id", c.Origin.RequestID),
		slog.String("addr", c.Origin.Addr.String()), slog.String("actor", c.Actor.ID), slog.String("workspace", c.Actor.WorkspaceID),
	}
	if c.verified {
		attrs = append(attrs, slog.String("outcome", c.outcome.String()))
	}
	if err != nil {
		attrs = append(attrs, slog.String("err", loggable(err, level)))
	}
	log.LogAttrs(r.Context(), level, "request", attrs...)
}

// quiet reports whether the log passes over an outcome: what is well, and the
// guesses of strangers.
func quiet(o keys.Outcome) bool { return o == keys.Valid || o == keys.KeyNotFound }

// loggable returns what may be logged of an error: the code alone of one that
// tells the caller about the request, which may quote it, and the whole of a
// breakdown.
func loggable(err error, level slog.Level) string {
	if level == slog.LevelInfo {
		return string(keys.AsError(err).Code)
	}
	return err.Error()
}

// A sampler lets through so many a second.
type sampler struct {
	each   int64
	second atomic.Int64
	n      atomic.Int64
}

func newSampler(each int64) *sampler { return &sampler{each: each} }

func (s *sampler) take(now time.Time) bool {
	sec := now.Unix()
	if old := s.second.Load(); old != sec && s.second.CompareAndSwap(old, sec) {
		s.n.Store(0)
	}
	return s.n.Add(1) <= s.each
}
