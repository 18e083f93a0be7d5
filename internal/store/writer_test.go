package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"latchkey/internal/keys"
	"latchkey/internal/token"
)

// newSQLite opens a store in a new file and returns it with a workspace and
// the path of the file.
func newSQLite(t *testing.T) (*Store, keys.Workspace, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "a b?.db") // no URL by nature
	s, err := Open(t.Context(), "sqlite:"+path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s, install(t, s), path
}

// install makes the root workspace, with a root key.
func install(t *testing.T, s *Store) keys.Workspace {
	t.Helper()
	m := keys.Manager{Store: s, Ledger: s, Clock: time.Now}
	ws, err := m.Install(t.Context(), func(token.Secret) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	return ws
}

// rename is a job that writes: it renames the workspace and records that.
func rename(ws keys.Workspace, name string) func(*txn) error {
	return func(t *txn) error {
		if _, err := t.exec(`UPDATE workspaces SET name = $2 WHERE id = $1`, ws.ID, name); err != nil {
			return err
		}
		t.changed(keys.AnyChanged, name)
		return t.record(keys.Event{ID: token.NewID("evt"), WorkspaceID: ws.ID, Action: "rename to " + name})
	}
}

// together runs jobs so that all of them wait when the writer comes to them,
// and returns their errors.
func together(t *testing.T, s *Store, jobs ...func(*txn) error) []error {
	t.Helper()
	w := s.writes.(*groupWriter)
	busy, release := make(chan struct{}), make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		s.write(context.Background(), func(*txn) error { close(busy); <-release; return nil })
	})
	<-busy
	errs := make([]error, len(jobs))
	for i, run := range jobs {
		wg.Go(func() { errs[i] = s.write(context.Background(), run) })
		for len(w.jobs) <= i { // until it waits behind those before it
			time.Sleep(time.Millisecond)
		}
	}
	close(release)
	wg.Wait()
	return errs
}

func actions(t *testing.T, s *Store, ws keys.Workspace) (out []string) {
	t.Helper()
	events, err := s.Events(t.Context(), ws.ID, keys.EventFilter{})
	if err != nil {
		t.Fatal(err)
	}
	for _, ev := range events {
		out = append(out, ev.Action)
	}
	slices.Reverse(out)
	return out
}

func TestJobsThatWaitShareACommit(t *testing.T) {
	s, ws, _ := newSQLite(t)
	var heard []string
	s.Observe(func(c keys.Change) { heard = append(heard, c.ID) })
	w := s.writes.(*groupWriter)
	before, revision := w.commits, s.Revision()
	var jobs []func(*txn) error
	var want []string
	for i := range 50 {
		want = append(want, fmt.Sprint(i))
		jobs = append(jobs, rename(ws, want[i]))
	}
	if err := errors.Join(together(t, s, jobs...)...); err != nil {
		t.Fatal(err)
	}
	if n := w.commits - before; n != 2 { // that of the job that kept the writer busy, and theirs
		t.Errorf("50 jobs that waited took %d commits, want 2", n)
	}
	if got := s.Revision(); got != revision+50 {
		t.Errorf("the revision went from %d to %d, want 50 more", revision, got)
	}
	if !slices.Equal(heard, want) {
		t.Errorf("observers heard of %v, want them in the order of their jobs", heard)
	}
}

func TestJobsOfOneCommitStandAlone(t *testing.T) {
	s, ws, _ := newSQLite(t)
	before := actions(t, s, ws)
	var heard []string
	s.Observe(func(c keys.Change) { heard = append(heard, c.ID) })
	no := errors.New("no")
	then := func(name string, end func() error) func(*txn) error {
		return func(t *txn) error {
			return errors.Join(rename(ws, name)(t), end())
		}
	}
	errs := together(t, s,
		rename(ws, "first"),
		then("refused", func() error { return keys.Errorf(keys.Conflict, "no") }),
		rename(ws, "second"),
		then("failed", func() error { return no }),
		then("panicked", func() error { panic("no") }),
		func(t *txn) error { // a unique constraint
			return errors.Join(rename(ws, "taken")(t), t.insert("taken", `INSERT INTO installation (id, revision, oldest_schema) VALUES (1, 0, 0)`))
		},
		func(t *txn) error { _, err := t.exec(`no SQL at all`); return err },
		rename(ws, "third"),
	)
	for i, want := range []keys.Code{"", keys.Conflict, "", keys.Internal, keys.Internal, keys.Conflict, keys.Internal, ""} {
		if (errs[i] == nil) != (want == "") || errs[i] != nil && keys.AsError(errs[i]).Code != want {
			t.Errorf("job %d: %v, want code %q", i, errs[i], want)
		}
	}
	want := []string{"first", "second", "third"}
	if !slices.Equal(heard, want) {
		t.Errorf("observers heard of %v, want %v", heard, want)
	}
	for i := range want {
		want[i] = "rename to " + want[i]
	}
	if got := actions(t, s, ws)[len(before):]; !slices.Equal(got, want) {
		t.Errorf("the events are %v, want %v", got, want)
	}
	if got, err := s.Workspace(t.Context(), ws.ID); err != nil || got.Name != "third" {
		t.Errorf("the workspace is %+v, %v", got, err)
	}
}

func TestJobOfACallerWhoGaveUpIsNotBegun(t *testing.T) {
	s, ws, _ := newSQLite(t)
	ctx, cancel := context.WithCancel(t.Context())
	errs := together(t, s, func(*txn) error { cancel(); return nil }, func(*txn) error { return nil })
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	begun := false
	err := s.write(ctx, func(*txn) error { begun = true; return nil })
	if begun || !keys.Is(err, keys.Unavailable) || !errors.Is(err, context.Canceled) {
		t.Errorf("begun = %v, err = %v", begun, err)
	}

	// One that gives up in the midst of its job is heard when it is done.
	ctx, cancel = context.WithCancel(t.Context())
	err = s.write(ctx, func(t *txn) error { cancel(); return rename(ws, "done")(t) })
	if got, _ := s.Workspace(t.Context(), ws.ID); err != nil || got.Name != "done" {
		t.Errorf("err = %v, the workspace is %q", err, got.Name)
	}
}

// TestFullDisk lets the file grow no more: the commit that finds it so fails
// with all that is in it, and the next one is on a connection that may grow.
func TestFullDisk(t *testing.T) {
	s, ws, _ := newSQLite(t)
	before := actions(t, s, ws)
	revision := s.Revision()
	grow := func(t *txn) error {
		_, err := t.exec(`INSERT INTO replies (id, fingerprint, answer, expires_at) VALUES ('big', '', $1, 0)`, make([]byte, 1<<20))
		return err
	}
	full := func(t *txn) error {
		_, err := t.exec(`PRAGMA max_page_count = 1`) // that is, as many as there are
		return err
	}
	for i, err := range together(t, s, rename(ws, "before"), full, grow, rename(ws, "after")) {
		if !keys.Is(err, keys.Unavailable) {
			t.Errorf("job %d on a full disk: %v, want unavailable", i, err)
		}
	}
	if got := actions(t, s, ws); !slices.Equal(got, before) || s.Revision() != revision {
		t.Errorf("a failed commit left %v and revision %d, want %v and %d", got, s.Revision(), before, revision)
	}
	if err := errors.Join(together(t, s, grow, rename(ws, "again"))...); err != nil {
		t.Errorf("when there is room again: %v", err)
	}
	if got, err := s.Workspace(t.Context(), ws.ID); err != nil || got.Name != "again" {
		t.Errorf("the workspace is %+v, %v", got, err)
	}
}

// TestFileHeldByAnother has another program write for longer than anybody
// waits.
func TestFileHeldByAnother(t *testing.T) {
	s, ws, path := newSQLite(t)
	other, err := openFile(path, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if _, err := other.Exec(`BEGIN IMMEDIATE`); err != nil {
		t.Fatal(err)
	}
	if err := s.write(t.Context(), rename(ws, "x")); !keys.Is(err, keys.Unavailable) {
		t.Errorf("while the file is held: %v, want unavailable", err)
	}
	if err := s.Ping(t.Context()); err != nil {
		t.Errorf("reading while the file is held: %v", err)
	}
	if _, err := other.Exec(`ROLLBACK`); err != nil {
		t.Fatal(err)
	}
	if err := s.write(t.Context(), rename(ws, "x")); err != nil {
		t.Errorf("when the file is free again: %v", err)
	}
}

// TestClose closes a store while it is in use: what was answered is there
// when it is opened again, and what was refused is not.
func TestClose(t *testing.T) {
	s, ws, path := newSQLite(t)
	before := actions(t, s, ws)
	var mu sync.Mutex
	var done []string
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			for n := range 1000 {
				name := fmt.Sprint(i, "/", n)
				if err := s.write(context.Background(), rename(ws, name)); err != nil {
					if !keys.Is(err, keys.Unavailable) {
						t.Error(err)
					}
					return
				}
				mu.Lock()
				done = append(done, "rename to "+name)
				mu.Unlock()
			}
			t.Error("the store was not closed")
		})
	}
	time.Sleep(20 * time.Millisecond)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	wg.Wait()
	revision := s.Revision()
	if wal, err := os.Stat(path + "-wal"); err == nil && wal.Size() > 0 {
		t.Errorf("the log has %d bytes after the store was closed", wal.Size())
	}

	s, err := Open(t.Context(), "sqlite:"+path)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	got := actions(t, s, ws)[len(before):]
	slices.Sort(got)
	slices.Sort(done)
	if !slices.Equal(got, done) || len(done) == 0 {
		t.Errorf("%d changes were answered and %d are there", len(done), len(got))
	}
	if s.Revision() != revision {
		t.Errorf("the revision is %d, and was %d before", s.Revision(), revision)
	}
}

// TestAnsweredIsOnDisk takes the files as they are when a change is answered,
// as a crash would leave them.
func TestAnsweredIsOnDisk(t *testing.T) {
	s, ws, path := newSQLite(t)
	if err := s.setCredits(t.Context(), "account", 10); err != nil {
		t.Fatal(err)
	}
	for n := range 5 {
		if err := s.write(t.Context(), rename(ws, fmt.Sprint(n))); err != nil {
			t.Fatal(err)
		}
		if _, _, o, err := s.Use(t.Context(), "account", keys.Charge{Credits: 1}, nil, time.Now()); o != keys.Valid || err != nil {
			t.Fatal(o, err)
		}
		crashed := crash(t, path)
		got, err := crashed.Workspace(t.Context(), ws.ID)
		if err != nil || got.Name != fmt.Sprint(n) || crashed.Revision() != s.Revision() {
			t.Errorf("after a crash the workspace is %q at revision %d, %v; want %d at %d", got.Name, crashed.Revision(), err, n, s.Revision())
		}
		if a, err := crashed.Account(t.Context(), "account", time.Now()); err != nil || a.Credits.Remaining != int64(9-n) {
			t.Errorf("after a crash the credits are %+v, %v; want %d", a.Credits, err, 9-n)
		}
	}
}

func (s *Store) setCredits(ctx context.Context, account string, n int64) error {
	return s.write(ctx, func(t *txn) error {
		if err := t.keyed(account); err != nil {
			return err
		}
		return t.setAccount(account, keys.Account{Credits: &keys.Credits{Remaining: n}})
	})
}

// keyed makes a key that has an account, unless there is one.
func (t *txn) keyed(account string) error {
	_, err := t.exec(`INSERT INTO workspaces (id, uuid, slug, path, name, enabled, version, created_at, updated_at)
		VALUES ('ws_of_accounts', 'accounts', 'accounts', 'accounts', '', true, 1, 0, 0) ON CONFLICT DO NOTHING`)
	if err != nil {
		return err
	}
	k := keys.Key{ID: token.NewID("key"), WorkspaceID: "ws_of_accounts", AccountID: account, Version: 1}
	_, err = t.exec(`INSERT INTO keys (`+keyFields+`) SELECT `+strings.Trim(list(1, keyFieldCount), "()")+`
		WHERE NOT EXISTS (SELECT 1 FROM keys WHERE account_id = $17)`, keyValues(&k)...)
	return err
}

// crash opens a copy of the files of a store that is open.
func crash(t *testing.T, path string) *Store {
	t.Helper()
	to := filepath.Join(t.TempDir(), "copy.db")
	for _, end := range []string{"", "-wal"} {
		data, err := os.ReadFile(path + end)
		if err == nil {
			err = os.WriteFile(to+end, data, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	s, err := Open(t.Context(), "sqlite:"+to)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func TestFilesArePrivate(t *testing.T) {
	_, _, path := newSQLite(t)
	files, err := filepath.Glob(filepath.Join(filepath.Dir(path), "*"))
	if err != nil || len(files) < 3 {
		t.Fatal(files, err)
	}
	for _, f := range files {
		if !strings.HasPrefix(filepath.Base(f), "a b?.db") {
			t.Errorf("there is a file %s", f)
		}
		if info, err := os.Stat(f); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v; want mode 0600", f, info.Mode(), err)
		}
	}
}
