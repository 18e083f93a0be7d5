package token

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"math/bits"
	"strings"
	"sync"
	"time"
)

// idDigits is how many base62 digits hold any 12 bytes.
const idDigits = 17

// tailBits is the size of an id's random part.
const tailBits = 48

// An id is 12 bytes: 6 of Unix milliseconds and 6 that are random, held as the
// two parts of one number.
type id struct {
	milli uint64 // below 2^48
	tail  uint64 // below 2^48
}

// newest makes the ids of this process.
var newest idSource

// An idSource makes ids, each above the last.
type idSource struct {
	mu   sync.Mutex
	last id
}

// next returns an id of the time and of 48 random bits. Where the clock stands
// or stepped back it counts on from the last id by a random step, so that ids
// of one process rise and those of two do not meet.
func (s *idSource) next(milli int64, random uint64) id {
	v := id{uint64(max(milli, 0)) & (1<<tailBits - 1), random}
	s.mu.Lock()
	defer s.mu.Unlock()
	if v.milli <= s.last.milli {
		tail := s.last.tail + 1 + v.tail&(1<<24-1)
		v = id{s.last.milli + tail>>tailBits, tail & (1<<tailBits - 1)}
	}
	s.last = v
	return v
}

// NewID returns a new id of a kind, such as key_ and 17 base62 digits. The
// order of ids as text is that of their creation.
func NewID(kind string) string {
	var r [8]byte
	rand.Read(r[2:])
	return newest.next(time.Now().UnixMilli(), binary.BigEndian.Uint64(r[:])).text(kind)
}

// ZeroID returns the lowest id of a kind, which NewID never makes.
func ZeroID(kind string) string { return id{}.text(kind) }

// ValidID reports whether text is an id of the kind.
func ValidID(kind, text string) bool {
	got, _, ok := parseID(text)
	return ok && got == kind
}

// IDTime returns the millisecond in which an id was made.
func IDTime(text string) (time.Time, bool) {
	_, v, ok := parseID(text)
	if !ok {
		return time.Time{}, false
	}
	return time.UnixMilli(int64(v.milli)).UTC(), true
}

// IDHex returns the 12 bytes of an id of any kind as 24 hex digits.
func IDHex(text string) (string, bool) {
	_, v, ok := parseID(text)
	if !ok {
		return "", false
	}
	b := v.bytes()
	return hex.EncodeToString(b[:]), true
}

// IDFromHex returns the id of a kind whose bytes are the 24 hex digits.
func IDFromHex(kind, digits string) (string, bool) {
	var b [12]byte
	if len(digits) != hex.EncodedLen(len(b)) || kind == "" {
		return "", false
	}
	if _, err := hex.Decode(b[:], []byte(digits)); err != nil {
		return "", false
	}
	var wide [16]byte
	copy(wide[2:8], b[:6])
	copy(wide[10:], b[6:])
	return id{binary.BigEndian.Uint64(wide[:]), binary.BigEndian.Uint64(wide[8:])}.text(kind), true
}

// bytes returns the 12 bytes, the highest first.
func (v id) bytes() (b [12]byte) {
	hi, lo := v.number()
	binary.BigEndian.PutUint32(b[:], uint32(hi))
	binary.BigEndian.PutUint64(b[4:], lo)
	return b
}

// number returns the id as one number of 96 bits.
func (v id) number() (hi, lo uint64) {
	return v.milli >> 16, v.milli<<tailBits | v.tail
}

// text renders the id with its kind.
func (v id) text(kind string) string {
	var digits [idDigits]byte
	hi, lo := v.number()
	for i := idDigits - 1; i >= 0; i-- {
		var r uint64
		hi, r = hi/62, hi%62
		lo, r = bits.Div64(r, lo, 62)
		digits[i] = base62[r]
	}
	return kind + "_" + string(digits[:])
}

// parseID reads what text renders, and nothing else.
func parseID(text string) (kind string, v id, ok bool) {
	kind = Apparent(text)
	if kind == "" || len(text) != len(kind)+1+idDigits {
		return "", id{}, false
	}
	var hi, lo uint64
	for _, c := range []byte(text[len(kind)+1:]) {
		d := strings.IndexByte(base62, c)
		if d < 0 {
			return "", id{}, false
		}
		carry, low := bits.Mul64(lo, 62)
		low, over := bits.Add64(low, uint64(d), 0)
		if hi, lo = hi*62+carry+over, low; hi >= 1<<32 {
			return "", id{}, false
		}
	}
	return kind, id{hi<<16 | lo>>tailBits, lo & (1<<tailBits - 1)}, true
}
