package pgtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

// startTime is how long a server may take until it answers.
const startTime = 30 * time.Second

// An engine is a PostgreSQL server that belongs to this program.
type engine struct {
	dir    string // holds the cluster and the socket
	server *exec.Cmd
	output bytes.Buffer  // of the server
	exited chan struct{} // closed when the server has ended
}

// start makes a cluster and starts a server on it, which takes about a second.
func start() (*engine, error) {
	initdb, err := find("initdb")
	if err != nil {
		return nil, err
	}
	postgres, err := find("postgres")
	if err != nil {
		return nil, err
	}
	as, err := account()
	if err != nil {
		return nil, err
	}
	sweep()
	e := &engine{exited: make(chan struct{})}
	e.dir, err = os.MkdirTemp("", fmt.Sprintf("%s%d-", dirPrefix, os.Getpid()))
	if err != nil {
		return nil, err
	}
	if err = e.boot(initdb, postgres, as); err != nil {
		e.stop()
		return nil, err
	}
	return e, nil
}

func (e *engine) boot(initdb, postgres string, as *syscall.Credential) error {
	if as != nil {
		if err := os.Chown(e.dir, int(as.Uid), int(as.Gid)); err != nil {
			return err
		}
	}
	cluster := filepath.Join(e.dir, "cluster")
	create := exec.Command(initdb, "--no-sync", "--no-instructions", "-A", "trust", "-U", "postgres",
		"-E", "UTF8", "--locale=C", "-D", cluster)
	create.Dir, create.SysProcAttr = e.dir, attributes(as)
	if output, err := create.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w: %s", err, bytes.TrimSpace(output))
	}
	e.server = exec.Command(postgres, "-D", cluster, "-k", e.dir, "-c", "listen_addresses=",
		"-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off",
		"-c", "max_connections=300", "-c", "shared_buffers=32MB")
	e.server.Dir, e.server.SysProcAttr = e.dir, attributes(as)
	e.server.Stdout, e.server.Stderr = &e.output, &e.output
	if err := e.run(); err != nil {
		return fmt.Errorf("start postgres: %w", err)
	}
	return e.await()
}

// run starts the server from a thread that lasts as long as the server does: the
// kernel takes the end of the thread that started it for the end of the program.
func (e *engine) run() error {
	started := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := e.server.Start()
		started <- err
		if err == nil {
			_ = e.server.Wait() // how it ended shows in its output
		}
		close(e.exited)
	}()
	return <-started
}

// await returns when the server answers.
func (e *engine) await() error {
	ctx, cancel := context.WithTimeout(context.Background(), startTime)
	defer cancel()
	for {
		conn, err := pgx.Connect(ctx, e.url("postgres"))
		if err == nil {
			return conn.Close(ctx)
		}
		select {
		case <-e.exited:
			return fmt.Errorf("postgres ended at once: %s", bytes.TrimSpace(e.output.Bytes()))
		case <-ctx.Done():
			return fmt.Errorf("postgres does not answer: %w", err)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// stop ends the server, without care for what it holds, and removes its files.
func (e *engine) stop() {
	if e.server != nil && e.server.Process != nil {
		_ = e.server.Process.Signal(syscall.SIGQUIT)
		select {
		case <-e.exited:
		case <-time.After(5 * time.Second):
			_ = e.server.Process.Kill()
			<-e.exited
		}
	}
	_ = os.RemoveAll(e.dir)
}

// account returns whom to run the server as: PostgreSQL refuses to run as root,
// and its packages make a user for it. It is nil where this program's will do.
func account() (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		return nil, errors.New("it does not run as root, and there is no user postgres")
	}
	uid, errUID := strconv.ParseUint(u.Uid, 10, 32)
	gid, errGID := strconv.ParseUint(u.Gid, 10, 32)
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, errors.Join(errUID, errGID)
}

// find returns the path of one of PostgreSQL's programs, which Debian keeps out
// of the PATH, the newest version's where there are several.
func find(program string) (string, error) {
	if path, err := exec.LookPath(program); err == nil {
		return path, nil
	}
	newest, found := 0, ""
	paths, _ := filepath.Glob("/usr/lib/postgresql/*/bin/" + program)
	for _, path := range paths {
		version, err := strconv.Atoi(strings.Split(path, "/")[4])
		if err == nil && version > newest {
			newest, found = version, path
		}
	}
	if found == "" {
		return "", fmt.Errorf("%s is neither in the PATH nor in /usr/lib/postgresql", program)
	}
	return found, nil
}

const dirPrefix = "latchkey-pgtest-"

// sweep removes the directories of programs that were killed.
func sweep() {
	dirs, _ := filepath.Glob(filepath.Join(os.TempDir(), dirPrefix+"*"))
	for _, dir := range dirs {
		id, _, _ := strings.Cut(strings.TrimPrefix(filepath.Base(dir), dirPrefix), "-")
		pid, err := strconv.Atoi(id)
		if err == nil && errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
			_ = os.RemoveAll(dir)
		}
	}
}
