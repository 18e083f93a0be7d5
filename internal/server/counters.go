package server

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"latchkey/internal/ratelimit"
)

// countersFile is where the counters of limits wait from a graceful stop to the
// next start.
const countersFile = "counters"

// restoreCounters reads the counters that the process before has saved, and
// deletes them first: after a crash there are none, rather than those of an
// earlier stop. Where they cannot be read, counters begin anew.
func (s *Server) restoreCounters() {
	err := s.readCounters()
	if err != nil {
		s.log.Warn("the saved counters of limits could not be read; limits begin anew", slog.String("err", err.Error()))
	}
	s.counted = true
}

func (s *Server) readCounters() error {
	path := filepath.Join(s.cfg.DataDir, countersFile)
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	if err := os.Remove(path); err != nil {
		return err
	}
	if err := syncDir(s.cfg.DataDir); err != nil {
		return err
	}
	whole, err := summed(f)
	if err != nil {
		return err
	}
	in, now := bufio.NewReader(whole), s.clock()
	limiter, loose := new(ratelimit.Local), &ratelimit.Local{Most: looseCounters}
	if err := limiter.Load(in, now); err != nil {
		return err
	}
	if err := loose.Load(in, now); err != nil {
		return err
	}
	s.limiter, s.loose = limiter, loose
	s.limits.Limiter = loose
	return nil
}

// summed returns what a file has before its last bytes, which must be the sum of
// that: one wrong bit, and a limit would be another.
func summed(f *os.File) (io.Reader, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	n, sum := info.Size()-sha256.Size, sha256.New()
	if n < 0 {
		return nil, errors.New("the file is too short")
	}
	if _, err := io.CopyN(sum, f, n); err != nil {
		return nil, err
	}
	var want [sha256.Size]byte
	if _, err := io.ReadFull(f, want[:]); err != nil {
		return nil, err
	}
	if !bytes.Equal(sum.Sum(nil), want[:]) {
		return nil, errors.New("the file is not as it was written")
	}
	_, err = f.Seek(0, io.SeekStart)
	return io.LimitReader(f, n), err
}

// saveCounters writes the counters for the next start, whole or not at all.
func (s *Server) saveCounters() error {
	if !s.counted {
		return nil
	}
	s.counted = false
	if err := s.writeCounters(); err != nil {
		return fmt.Errorf("save the counters of limits: %w", err)
	}
	return nil
}

func (s *Server) writeCounters() (err error) {
	path := filepath.Join(s.cfg.DataDir, countersFile)
	part := path + ".part"
	f, err := os.OpenFile(part, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			os.Remove(part)
		}
	}()
	sum := sha256.New()
	w := bufio.NewWriter(io.MultiWriter(f, sum))
	err = errors.Join(s.saveTo(w), w.Flush())
	_, sumErr := f.Write(sum.Sum(nil))
	if err = errors.Join(err, sumErr, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(part, path); err != nil {
		return err
	}
	return syncDir(s.cfg.DataDir)
}

func (s *Server) saveTo(w io.Writer) error {
	if err := s.limiter.Save(w); err != nil {
		return err
	}
	return s.loose.Save(w)
}
