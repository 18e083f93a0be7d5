package httpapi

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"
)

// certCheck is how often the certificate's files are looked at, at most.
const certCheck = time.Second

// LoadTLS returns a configuration for TLS 1.2 and later with the certificate
// chain and the private key of two PEM files. A handshake finds out when they
// have changed, so that a certificate is renewed without a restart; while the
// new ones cannot be used, the old ones stay in force.
func LoadTLS(log *slog.Logger, certFile, keyFile string) (*tls.Config, error) {
	return reloadingTLS(&certificate{log: log, certFile: certFile, keyFile: keyFile, now: time.Now})
}

func reloadingTLS(c *certificate) (*tls.Config, error) {
	if err := c.load(); err != nil {
		return nil, err
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: c.get}, nil
}

// A certificate is what two files held when they were last of use.
type certificate struct {
	log               *slog.Logger
	certFile, keyFile string
	now               func() time.Time

	mu      sync.Mutex
	current *tls.Certificate
	stamp   string    // of the files that current was made of
	failure string    // why the files cannot be used, as it was last logged
	checked time.Time // when the files were last looked at
}

func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := c.now(); now.Sub(c.checked).Abs() >= certCheck {
		c.checked = now
		c.refresh()
	}
	return c.current, nil
}

// refresh loads the files if they have changed. A failure is tried again with
// the next check, since the second of two files may be about to follow, but is
// logged once.
func (c *certificate) refresh() {
	stamp, err := c.stat()
	if err == nil && stamp == c.stamp {
		c.failure = ""
		return
	}
	if err == nil {
		err = c.load()
	}
	if err == nil {
		c.failure = ""
		c.log.Info("the certificate was renewed")
	} else if c.failure != err.Error() {
		c.failure = err.Error()
		c.log.Warn("the changed certificate cannot be used, the old one stays", "err", err)
	}
}

func (c *certificate) load() error {
	stamp, err := c.stat() // before reading, so that a change meanwhile is seen later
	if err != nil {
		return err
	}
	pair, err := tls.LoadX509KeyPair(c.certFile, c.keyFile)
	if err != nil {
		return fmt.Errorf("load the certificate %s: %w", c.certFile, err)
	}
	c.current, c.stamp = &pair, stamp
	return nil
}

// stat returns what changes when one of the files does.
func (c *certificate) stat() (string, error) {
	stamp := ""
	for _, path := range []string{c.certFile, c.keyFile} {
		info, err := os.Stat(path)
		if err != nil {
			return "", err
		}
		stamp += fmt.Sprint(info.ModTime().UnixNano(), " ", info.Size(), " ")
	}
	return stamp, nil
}
