package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"

	"golang.org/x/sync/errgroup"

	"latchkey/internal/httpapi"
)

// listen serves on all listeners until ctx is done.
func (s *Server) listen(ctx context.Context, cfg Config) error {
	var tlsConfig *tls.Config
	if cfg.TLSCert != "" {
		var err error
		if tlsConfig, err = httpapi.LoadTLS(s.log, cfg.TLSCert, cfg.TLSKey); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	g, ctx := errgroup.WithContext(ctx)
	serve := func(what, addr string, h http.Handler) error {
		l, err := net.Listen("tcp", addr)
		if err != nil {
			return fmt.Errorf("listen on %s: %w", addr, err)
		}
		s.log.Info("listening", slog.String("for", what), slog.String("addr", l.Addr().String()), slog.Bool("tls", tlsConfig != nil))
		g.Go(func() error { return httpapi.Serve(ctx, s.log, l, h, tlsConfig, cfg.ShutdownGrace) })
		return nil
	}
	var err error
	if cfg.MetricsAddr != "" {
		err = serve("metrics", cfg.MetricsAddr, s.metricsHandler())
	}
	if err == nil {
		err = serve("requests", cfg.Addr, s.Handler)
	}
	if err != nil {
		cancel() // ends the one that may have begun
	}
	err = errors.Join(err, g.Wait())
	s.log.Info("stopped listening")
	return err
}

// metricsHandler serves /metrics alone, on a listener that only those who may
// read it can reach.
func (s *Server) metricsHandler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", s.metrics.Handler())
	return mux
}

// newLog returns the log that the configuration asks for, on standard error.
func newLog(cfg Config, terminal bool) *slog.Logger {
	opts := &slog.HandlerOptions{Level: cfg.LogLevel}
	if cfg.LogFormat == "text" || cfg.LogFormat == "auto" && terminal {
		return slog.New(slog.NewTextHandler(os.Stderr, opts))
	}
	return slog.New(slog.NewJSONHandler(os.Stderr, opts))
}
