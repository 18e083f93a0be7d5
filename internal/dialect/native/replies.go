package native

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"sync"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"latchkey/internal/httpapi"
	"latchkey/internal/keys"
	"latchkey/internal/token"
)

// replies keeps answers for requests that carry an Idempotency-Key. What is
// kept is sealed under a key that only the caller's own bearer secret yields,
// so that the database alone reveals nothing.
type replies struct {
	store keys.ReplyStore
	clock keys.Clock

	mu      sync.Mutex
	running map[string]bool // ids of requests that have not been answered
}

const keepReplies = 24 * time.Hour

func newReplies(store keys.ReplyStore, clock keys.Clock) *replies {
	return &replies{store: store, clock: clock, running: map[string]bool{}}
}

// A kept is an answer as it is sealed.
type kept struct {
	Status int
	Header http.Header
	Body   []byte
}

// keep wraps a handler so that a request with an Idempotency-Key is carried
// out once, and its answer given again. One without is passed on untouched.
func (rs *replies) keep(maxBody int64, next httpapi.HandlerFunc) httpapi.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request, c *httpapi.Call) error {
		names, ok := r.Header["Idempotency-Key"]
		if !ok || c.Secret.IsZero() {
			return next(w, r, c) // the public is nobody whose answers could be kept apart
		}
		if len(names) != 1 || len(names[0]) < 1 || len(names[0]) > 255 {
			return keys.Errorf(keys.Invalid, "Idempotency-Key must be 1 to 255 characters, given once")
		}
		body, err := httpapi.ReadBody(r, maxBody)
		if err != nil {
			return err
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		r.ContentLength = int64(len(body))
		id := digest(c.Actor.ID, c.Actor.WorkspaceID, names[0])
		if !rs.begin(id) {
			return keys.Errorf(keys.Conflict, "the first request with this Idempotency-Key still runs")
		}
		defer rs.end(id)
		return rs.once(w, r, c, id, digest(r.Method, r.URL.Path, canonical(body)), next)
	}
}

func (rs *replies) begin(id string) bool {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	if rs.running[id] {
		return false
	}
	rs.running[id] = true
	return true
}

func (rs *replies) end(id string) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	delete(rs.running, id)
}

func (rs *replies) once(w http.ResponseWriter, r *http.Request, c *httpapi.Call, id, fingerprint string, next httpapi.HandlerFunc) error {
	now := rs.clock()
	seal, err := sealer(c.Secret)
	if err != nil {
		return err
	}
	old, err := rs.store.Reply(r.Context(), id, now)
	if err == nil {
		return replay(w, old, fingerprint, id, seal)
	}
	if !keys.Is(err, keys.NotFound) {
		return err
	}
	rec := &recording{ResponseWriter: w}
	if err := next(rec, r, c); err != nil {
		return err
	}
	if rec.status < 200 || rec.status > 299 {
		return rec.send()
	}
	if err := rs.save(r, rec, id, fingerprint, seal, now); err != nil {
		return err
	}
	return rec.send()
}

func (rs *replies) save(r *http.Request, rec *recording, id, fingerprint string, seal cipher.AEAD, now time.Time) error {
	header := maps.Clone(rec.Header())
	header.Del("X-Request-Id")
	plain, err := json.Marshal(kept{Status: rec.status, Header: header, Body: rec.body.Bytes()})
	if err != nil {
		return fmt.Errorf("keep answer: %w", err)
	}
	nonce := make([]byte, seal.NonceSize())
	rand.Read(nonce) // never fails
	return rs.store.SaveReply(r.Context(), keys.Reply{
		ID: id, Fingerprint: fingerprint, ExpiresAt: now.Add(keepReplies),
		Answer: seal.Seal(nonce, nonce, plain, []byte(id)),
	}, now)
}

// replay answers what was answered before.
func replay(w http.ResponseWriter, old keys.Reply, fingerprint, id string, seal cipher.AEAD) error {
	if old.Fingerprint != fingerprint {
		return keys.Errorf(codeMismatch, "this Idempotency-Key was used for another path or body")
	}
	var answer kept
	n := seal.NonceSize()
	if len(old.Answer) < n {
		return fmt.Errorf("open kept answer: too short")
	}
	plain, err := seal.Open(nil, old.Answer[:n], old.Answer[n:], []byte(id))
	if err != nil {
		// The same caller by another secret: its key was rotated in between.
		return keys.Errorf(codeMismatch, "this Idempotency-Key was used under another secret of this root key")
	}
	if err := json.Unmarshal(plain, &answer); err != nil {
		return fmt.Errorf("open kept answer: %w", err)
	}
	maps.Copy(w.Header(), answer.Header)
	w.Header().Set("Idempotent-Replayed", "true")
	w.WriteHeader(answer.Status)
	w.Write(answer.Body)
	return nil
}

// sealer derives the key that a caller's answers are kept under.
func sealer(caller token.Secret) (cipher.AEAD, error) {
	key, err := hkdf.Key(sha256.New, []byte(caller.Reveal()), nil, "latchkey kept answers", 32)
	if err != nil {
		return nil, fmt.Errorf("derive key: %w", err)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("derive key: %w", err)
	}
	return cipher.NewGCM(block)
}

// digest returns one text that stands for several.
func digest(parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		fmt.Fprintf(h, "%d:%s", len(p), p)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// canonical returns a JSON value in its one canonical form (RFC 8785), or the
// body itself where it is none.
func canonical(body []byte) string {
	v := jsontext.Value(bytes.Clone(body))
	if err := v.Canonicalize(); err != nil {
		return string(body)
	}
	return string(v)
}

// A recording holds an answer back until it has been kept.
type recording struct {
	http.ResponseWriter
	status int
	body   bytes.Buffer
}

func (rec *recording) WriteHeader(status int) {
	if rec.status == 0 {
		rec.status = status
	}
}

func (rec *recording) Write(p []byte) (int, error) {
	rec.WriteHeader(http.StatusOK)
	return rec.body.Write(p)
}

func (rec *recording) send() error {
	rec.ResponseWriter.WriteHeader(rec.status)
	rec.ResponseWriter.Write(rec.body.Bytes())
	return nil
}
