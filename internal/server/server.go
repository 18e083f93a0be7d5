package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"latchkey"
	"latchkey/internal/dialect/native"
	"latchkey/internal/dialect/openrouter"
	"latchkey/internal/dialect/tatry"
	"latchkey/internal/dialect/unkey"
	"latchkey/internal/httpapi"
	"latchkey/internal/keys"
	"latchkey/internal/metrics"
	"latchkey/internal/ratelimit"
	"latchkey/internal/store"
	"latchkey/internal/token"
	"latchkey/internal/usage"
)

// cacheSize is how many plain keys the cache in front of verification has room
// for; each takes about 200 bytes. A million that are in use all stay, as each
// of its two generations holds half.
const cacheSize = 2_000_000

// looseCounters bounds the counters of limits that belong to no key, whose
// identifiers callers invent; each takes about a third of a kilobyte.
const looseCounters = 1_000_000

// lookups bounds how many keys that are not in the cache are looked up in the
// database at once.
const lookups = 32

// A Server is all parts, put together and ready to answer. It does not listen.
type Server struct {
	Handler http.Handler

	// RootKey is the root key that was made at this start; zero where none
	// was.
	RootKey token.Secret

	cfg     Config
	log     *slog.Logger
	manager *keys.Manager
	store   *store.Store
	usage   *usage.Recorder
	metrics *metrics.Metrics
	limiter *ratelimit.Local // of keys and their owners
	loose   *ratelimit.Local // of what belongs to no key
	counted bool             // the limiters hold what an earlier process has saved
	limits  *keys.LimitChecker
	cache   *keys.Cache
	lock    *dirLock
	clock   keys.Clock
	stop    context.CancelFunc
	chores  sync.WaitGroup
}

// Options are what only tests and embedders decide.
type Options struct {
	Clock keys.Clock   // nil: time.Now
	Log   *slog.Logger // nil: none

	// KeepRootKey is given a root key that is about to be made. Nil puts it in
	// the data directory's root-key file.
	KeepRootKey func(token.Secret) error
}

// Open puts the parts together over the data directory, which it makes where
// there is none.
func Open(ctx context.Context, cfg Config, o Options) (_ *Server, err error) {
	s := &Server{cfg: cfg, log: o.Log, clock: o.Clock, limiter: &ratelimit.Local{}, loose: &ratelimit.Local{Most: looseCounters}}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if s.clock == nil {
		s.clock = time.Now
	}
	defer func() {
		if err != nil {
			s.Close()
		}
	}()

	// 1. The data directory, which is one process's own, and its database.
	if s.lock, err = lockDir(cfg.DataDir); err != nil {
		return nil, err
	}
	secret, err := installationSecret(cfg)
	if err != nil {
		return nil, err
	}
	vault, err := keys.NewVault(secret, cfg.PreviousSecret)
	if err != nil {
		return nil, err
	}
	if s.store, err = store.Open(ctx, "sqlite:"+filepath.Join(cfg.DataDir, "latchkey.db")); err != nil {
		return nil, err
	}

	if cfg.Durability == "relaxed" {
		s.store.Relax()
	}

	// 2. The core.
	s.metrics = metrics.New(Version())
	timed, ledger := s.metrics.Store(s.store), s.metrics.Ledger(s.store)
	s.usage = usage.New(timed)
	s.usage.Failed = func(err error) { s.log.Warn("usage could not be written and waits", slog.String("err", err.Error())) }
	if s.cache, err = keys.NewCache(ctx, timed, cacheSize, lookups); err != nil {
		return nil, err
	}
	s.manager = &keys.Manager{Store: timed, Ledger: ledger, Recorder: s.usage, Counts: s.usage, Vault: vault, Clock: s.clock, DeclaredRoot: !cfg.RootKey.IsZero()}
	root, err := s.install(ctx, cfg, o)
	if err != nil {
		return nil, err
	}
	s.limits = &keys.LimitChecker{Limiter: s.loose, Overrides: keys.NewOverrideCache(timed), Clock: s.clock}
	s.restoreCounters()
	verifier := &keys.Verifier{Records: s.cache, Limiter: s.limiter, Ledger: ledger, Recorder: s.usage, Clock: s.clock, Purge: s.manager.Purge}
	if !cfg.RootKey.IsZero() {
		verifier.Declared = keys.Declare(cfg.RootKey, root)
	}

	// 3. The dialects.
	s.Handler = httpapi.Handler(s.api(cfg, verifier))
	s.observe()

	// 4. What goes on beside requests.
	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	s.stop = stop
	s.chores.Go(func() { _ = s.usage.Run(background) })
	s.chores.Go(func() { s.prune(background) })
	return s, nil
}

// install brings the installation to where it can be used.
func (s *Server) install(ctx context.Context, cfg Config, o Options) (keys.Workspace, error) {
	keep := o.KeepRootKey
	if keep == nil {
		keep = func(secret token.Secret) error { return writeRootKey(cfg.DataDir, secret) }
	}
	root, err := s.manager.Install(ctx, func(secret token.Secret) error {
		s.RootKey = secret
		return keep(secret)
	})
	if err != nil {
		return root, fmt.Errorf("prepare the installation: %w", err)
	}
	if cfg.Keyspaces == "" {
		return root, nil
	}
	declared, err := readKeyspaces(cfg.Keyspaces)
	if err != nil {
		return root, err
	}
	if err := s.manager.DeclareKeyspaces(ctx, keys.OperatorIn(root), declared); err != nil {
		return root, fmt.Errorf("declare the keyspaces of %s: %w", cfg.Keyspaces, err)
	}
	return root, nil
}

// A maker makes a dialect over the core.
type maker struct {
	name string
	make func(s *Server, v *keys.Verifier, on []string) httpapi.Dialect
}

// makers lists every dialect. A new one is a line here.
var makers = []maker{
	{"native", func(s *Server, v *keys.Verifier, on []string) httpapi.Dialect {
		return native.New(v, s.manager, s.limits, s.clock, func() latchkey.Server {
			return latchkey.Server{Version: Version(), Schema: store.SchemaVersion, Revision: s.manager.Revision(), Dialects: on}
		})
	}},
	{"openrouter", func(s *Server, v *keys.Verifier, _ []string) httpapi.Dialect {
		return openrouter.New(v, s.manager, s.clock)
	}},
	{"tatry", func(s *Server, v *keys.Verifier, _ []string) httpapi.Dialect {
		return tatry.New(v, s.manager, s.usage, s.clock, Version())
	}},
	{"unkey", func(s *Server, v *keys.Verifier, _ []string) httpapi.Dialect {
		return unkey.New(v, s.manager, s.cfg.UnkeyNeedsRoot)
	}},
}

// Dialects returns the names of all dialects that there are.
func Dialects() []string {
	var names []string
	for _, m := range makers {
		names = append(names, m.name)
	}
	return names
}

// api returns all that is served on the main listener.
func (s *Server) api(cfg Config, v *keys.Verifier) httpapi.API {
	on := cfg.Dialects
	if len(on) == 0 || slices.Contains(on, all) {
		on = Dialects()
	}
	rest := &system{s: s}
	if cfg.MetricsAddr == "" {
		rest.figures = s.metrics.Handler()
	}
	api := httpapi.API{
		Log: s.log, Verifier: v, TrustedProxies: cfg.TrustedProxies, Fallback: rest,
		ObserveRoute: func(dialect, pattern string) func(int, time.Duration) {
			return s.metrics.Route(dialect, pattern).Observe
		},
		ObserveDoor: func(dialect string) func(keys.Outcome) { return s.metrics.Door(dialect).Verified },
	}
	for _, m := range makers {
		if slices.Contains(on, m.name) {
			api.Dialects = append(api.Dialects, m.make(s, v, on))
		}
	}
	return api
}

func (s *Server) observe() {
	s.metrics.Cache(s.cache.Stats)
	s.metrics.Pool("sqlite", s.store.Pool)
	s.metrics.Limiter(func() int { return s.limiter.Len() + s.loose.Len() })
	s.metrics.Usage(func() (waiting int, dropped, failures int64) {
		st := s.usage.Stats()
		return st.Waiting, st.Dropped, st.Failures
	})
	s.metrics.Revision(s.manager.Revision)
}

// Close ends what goes on in the background, writes what waits, and closes the
// database. Requests must have ended.
func (s *Server) Close() error {
	if s.stop != nil {
		s.stop()
	}
	s.chores.Wait()
	err := s.saveCounters()
	if s.store != nil {
		err = errors.Join(err, s.store.Close())
	}
	return errors.Join(err, s.lock.release())
}

// prune deletes, now and then, what is kept for a time only.
func (s *Server) prune(ctx context.Context) {
	const batch = 500
	tick := time.NewTicker(time.Minute)
	defer tick.Stop()
	for {
		now := s.clock()
		each := func(what string, prune func() (int, error)) {
			for {
				n, err := prune()
				if err != nil && ctx.Err() == nil {
					s.log.Warn("could not delete what is past its time", slog.String("what", what), slog.String("err", err.Error()))
				}
				if err != nil || n < batch {
					return
				}
			}
		}
		each("reservations", func() (int, error) { return s.store.PruneReservations(ctx, now.Add(-keys.KeepReservations), batch) })
		each("codes", func() (int, error) { return s.store.PruneCodes(ctx, now.Add(-keys.KeepCodes), batch) })
		each("replies", func() (int, error) { return s.store.PruneReplies(ctx, now, batch) })
		if keep := s.cfg.EventsRetention; keep > 0 {
			each("events", func() (int, error) { return s.store.PruneEvents(ctx, now.Add(-keep), batch) })
		}
		if keep := s.cfg.UsageRetention; keep > 0 {
			each("usage", func() (int, error) { return s.store.PruneUsage(ctx, now.Add(-keep), batch) })
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// Run serves until ctx is done. out is where a person may be reading, and
// terminal says that one is.
func Run(ctx context.Context, cfg Config, out io.Writer, terminal bool) error {
	httpapi.TuneRuntime()
	log := newLog(cfg, terminal)
	o := Options{Log: log}
	if terminal {
		o.KeepRootKey = func(secret token.Secret) error {
			_, err := fmt.Fprintf(out, "\n  The root key, which is shown this once:\n\n  %s\n\n", secret.Reveal())
			return err
		}
	}
	s, err := Open(ctx, cfg, o)
	if err != nil {
		return err
	}
	if !s.RootKey.IsZero() && !terminal {
		log.Info("a root key was made", slog.String("file", filepath.Join(cfg.DataDir, rootKeyFile)))
	}
	err = s.listen(ctx, cfg)
	return errors.Join(err, s.Close())
}
