package httpapi

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"log/slog"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// TestCertificateRenewal replaces the files of a running server.
func TestCertificateRenewal(t *testing.T) {
	certFile, keyFile := filepath.Join(t.TempDir(), "tls.crt"), filepath.Join(t.TempDir(), "tls.key")
	writePair(t, 1, certFile, keyFile)
	logged := new(lockedBuffer)
	var seconds atomic.Int64
	config, err := reloadingTLS(&certificate{
		log: slog.New(slog.NewTextHandler(logged, nil)), certFile: certFile, keyFile: keyFile,
		now: func() time.Time { return time.Unix(seconds.Load(), 0) },
	})
	if err != nil {
		t.Fatal(err)
	}
	r := start(t, http.NotFoundHandler(), config, time.Second)
	if got := servedSerial(t, r.addr); got != 1 {
		t.Fatalf("served certificate %d, want 1", got)
	}

	// A file that cannot be used leaves the old certificate in force.
	if err := os.WriteFile(keyFile, []byte("half a k"), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		seconds.Add(1)
		if got := servedSerial(t, r.addr); got != 1 {
			t.Fatalf("served certificate %d, want 1", got)
		}
	}
	if n := strings.Count(logged.String(), "cannot be used"); n != 1 {
		t.Errorf("reported %d times, want once: %s", n, logged)
	}

	writePair(t, 2, certFile, keyFile)
	seconds.Add(1)
	if got := servedSerial(t, r.addr); got != 2 {
		t.Errorf("served certificate %d, want 2", got)
	}
	r.stop()
	r.wait(t, 2*time.Second)
}

func TestLoadTLSRefuses(t *testing.T) {
	dir := t.TempDir()
	_, err := LoadTLS(slog.New(slog.DiscardHandler), filepath.Join(dir, "no.crt"), filepath.Join(dir, "no.key"))
	if err == nil || !strings.Contains(err.Error(), "no.crt") {
		t.Errorf("got %v, want an error that names the file", err)
	}
}

func TestOldTLSIsRefused(t *testing.T) {
	dir := t.TempDir()
	certFile, keyFile := filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
	writePair(t, 1, certFile, keyFile)
	config, err := LoadTLS(slog.New(slog.DiscardHandler), certFile, keyFile)
	if err != nil {
		t.Fatal(err)
	}
	r := start(t, http.NotFoundHandler(), config, time.Second)
	c, err := tls.Dial("tcp", r.addr, &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11})
	if err == nil {
		c.Close()
		t.Error("TLS 1.1 was accepted")
	}
	r.stop()
	r.wait(t, 2*time.Second)
	if log := r.log.String(); !strings.Contains(log, "level=DEBUG") || !strings.Contains(log, "TLS handshake error") {
		t.Errorf("the failed handshake is not in the log at debug: %q", log)
	}
}

// writePair writes a self-signed certificate with the serial number, and its key.
func writePair(t *testing.T, serial int64, certFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(serial), NotAfter: time.Now().Add(time.Hour)}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range []struct {
		path, kind string
		der        []byte
	}{{certFile, "CERTIFICATE", cert}, {keyFile, "PRIVATE KEY", der}} {
		text := pem.EncodeToMemory(&pem.Block{Type: file.kind, Bytes: file.der})
		if err := os.WriteFile(file.path, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// servedSerial returns the serial number of the certificate that addr shows.
func servedSerial(t *testing.T, addr string) int64 {
	t.Helper()
	c, err := tls.Dial("tcp", addr, &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(fmt.Errorf("dial %s: %w", addr, err))
	}
	defer c.Close()
	return c.ConnectionState().PeerCertificates[0].SerialNumber.Int64()
}
