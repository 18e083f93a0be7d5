package native

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"maps"
	"net/http"
	"sync"
	"time"
	"unicode/utf8"

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
		if len(names) != 1 || names[0] == "" || utf8.RuneCountInString(names[0]) > 255 {
			return keys.Errorf(keys.Invalid, "Idempotency-Key must be 1 to 255 characters, given once")
		}
		body, err := httpapi.ReadBody(r, maxBody)
		if err != nil {
			return err
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		r.ContentLength = int64(len(body))
		seal, err := newSeal(c.Secret)
		if err != nil {
			return err
		}
		id := hex.EncodeToString(digest(sha256.New(), c.Actor.ID, c.Actor.WorkspaceID, names[0]))
		if !rs.begin(id) {
			return &keys.Error{Code: keys.Conflict, Message: "the first request with this Idempotency-Key still runs", RetryAfter: time.Second}
		}
		defer rs.end(id)
		q := &keptRequest{id: id, fingerprint: seal.fingerprint(r.Method, r.URL.Path, canonical(body)), seal: seal}
		// Whoever gives up waiting will ask again: what was begun is brought to its end.
		return rs.once(w, r.WithContext(context.WithoutCancel(r.Context())), c, q, next)
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

// A keptRequest is a request whose answer is kept.
type keptRequest struct {
	id          string // of the caller, the workspace and the Idempotency-Key
	fingerprint string // of the path and the body
	seal        *seal
}

func (rs *replies) once(w http.ResponseWriter, r *http.Request, c *httpapi.Call, q *keptRequest, next httpapi.HandlerFunc) error {
	now := rs.clock()
	old, err := rs.store.Reply(r.Context(), q.id, now)
	if err == nil {
		return q.replay(w, old)
	}
	if !keys.Is(err, keys.NotFound) {
		return err
	}
	rec := &recording{ResponseWriter: w}
	if err := next(rec, r, c); err != nil {
		return err
	}
	if rec.status >= 200 && rec.status <= 299 {
		if err := rs.save(r.Context(), rec, q, now); err != nil {
			return err
		}
	}
	rec.send()
	return nil
}

func (rs *replies) save(ctx context.Context, rec *recording, q *keptRequest, now time.Time) error {
	header := maps.Clone(rec.Header())
	header.Del("X-Request-Id")
	plain, err := json.Marshal(kept{Status: rec.status, Header: header, Body: rec.body.Bytes()})
	if err != nil {
		return fmt.Errorf("keep answer: %w", err)
	}
	return rs.store.SaveReply(ctx, keys.Reply{
		ID: q.id, Fingerprint: q.fingerprint, ExpiresAt: now.Add(keepReplies), Answer: q.seal.close(plain, q.id),
	}, now)
}

// replay answers what was answered before.
func (q *keptRequest) replay(w http.ResponseWriter, old keys.Reply) error {
	if old.Fingerprint != q.fingerprint {
		return keys.Errorf(codeMismatch, "this Idempotency-Key was used for another path or body, or under another secret of this root key")
	}
	plain, err := q.seal.open(old.Answer, q.id)
	if err != nil {
		return fmt.Errorf("open kept answer: %w", err)
	}
	var answer kept
	if err := json.Unmarshal(plain, &answer); err != nil {
		return fmt.Errorf("open kept answer: %w", err)
	}
	maps.Copy(w.Header(), answer.Header)
	w.Header().Set("Idempotent-Replayed", "true")
	w.WriteHeader(answer.Status)
	w.Write(answer.Body)
	return nil
}

// A seal keeps answers from whoever has not the caller's bearer secret.
type seal struct {
	aead cipher.AEAD
	mark []byte // the key of fingerprints: bodies that can be guessed are not to be tried out
}

func newSeal(caller token.Secret) (*seal, error) {
	key, err := hkdf.Key(sha256.New, []byte(caller.Reveal()), nil, "latchkey kept answers", 64)
	if err != nil {
		return nil, fmt.Errorf("derive key: %w", err)
	}
	block, err := aes.NewCipher(key[:32])
	if err != nil {
		return nil, fmt.Errorf("derive key: %w", err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, fmt.Errorf("derive key: %w", err)
	}
	return &seal{aead: aead, mark: key[32:]}, nil
}

func (s *seal) fingerprint(parts ...string) string {
	return hex.EncodeToString(digest(hmac.New(sha256.New, s.mark), parts...))
}

func (s *seal) close(plain []byte, id string) []byte {
	nonce := make([]byte, s.aead.NonceSize())
	rand.Read(nonce) // never fails
	return s.aead.Seal(nonce, nonce, plain, []byte(id))
}

func (s *seal) open(sealed []byte, id string) ([]byte, error) {
	n := s.aead.NonceSize()
	if len(sealed) < n {
		return nil, errors.New("too short")
	}
	return s.aead.Open(nil, sealed[:n], sealed[n:], []byte(id))
}

// digest returns one hash of several texts, none of which runs into the next.
func digest(h hash.Hash, parts ...string) []byte {
	for _, p := range parts {
		fmt.Fprintf(h, "%d:%s", len(p), p)
	}
	return h.Sum(nil)
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

func (rec *recording) send() {
	rec.ResponseWriter.WriteHeader(rec.status)
	rec.ResponseWriter.Write(rec.body.Bytes())
}
