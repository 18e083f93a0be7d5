package token

import (
	"encoding/hex"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestNewID(t *testing.T) {
	before := time.Now().Truncate(time.Millisecond)
	var ids []string
	for range 2000 {
		ids = append(ids, NewID("key"))
	}
	if !slices.IsSorted(ids) || len(slices.Compact(slices.Clone(ids))) != len(ids) {
		t.Error("ids do not rise")
	}
	for _, id := range ids {
		if !ValidID("key", id) || len(id) != len("key_")+17 || id <= ZeroID("key") {
			t.Fatalf("%q is no id", id)
		}
	}
	at, ok := IDTime(ids[0])
	if !ok || at.Before(before) || at.After(time.Now()) {
		t.Errorf("IDTime(%s) = %v, %v; made after %v", ids[0], at, ok, before)
	}
}

func TestNewIDInParallel(t *testing.T) {
	const each = 500
	var all [4][each]string
	var wg sync.WaitGroup
	for i := range all {
		wg.Go(func() {
			for j := range each {
				all[i][j] = NewID("k")
			}
		})
	}
	wg.Wait()
	seen := map[string]bool{}
	for i := range all {
		if !slices.IsSorted(all[i][:]) {
			t.Error("ids of one goroutine do not rise")
		}
		for _, id := range all[i] {
			seen[id] = true
		}
	}
	if len(seen) != len(all)*each {
		t.Errorf("%d ids are different, want %d", len(seen), len(all)*each)
	}
}

func TestIDsRiseWhateverTheClockDoes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var s idSource
		last := ZeroID("k")
		for _, milli := range rapid.SliceOfN(rapid.Int64Range(-5, 50), 1, 60).Draw(t, "clock") {
			id := s.next(milli, rapid.Uint64Range(0, 1<<tailBits-1).Draw(t, "random")).text("k")
			if id <= last || !ValidID("k", id) {
				t.Fatalf("at %d: %s after %s", milli, id, last)
			}
			last = id
		}
	})
	// The random part is full: the step carries into the time.
	s := idSource{last: id{7, 1<<tailBits - 1}}
	if v := s.next(7, 5); v.milli != 8 || v.tail != 5 {
		t.Errorf("after a full millisecond came %+v", v)
	}
}

func TestValidID(t *testing.T) {
	good := NewID("key")
	for _, tc := range []struct{ kind, id string }{
		{"idn", good}, {"", good}, {"key", good + "0"}, {"key", good[:len(good)-1]}, {"key", ""}, {"key", "key_"},
		{"key", strings.Replace(good, "_", "-", 1)}, {"key", good[:10] + "-" + good[11:]},
		{"", ZeroID("")}, {"key", "key_zzzzzzzzzzzzzzzzz"},
	} {
		if ValidID(tc.kind, tc.id) {
			t.Errorf("ValidID(%q, %q) holds", tc.kind, tc.id)
		}
	}
	if !ValidID("root_key", NewID("root_key")) || !ValidID("key", ZeroID("key")) {
		t.Error("a good id is not valid")
	}
	if highest, ok := IDFromHex("k", strings.Repeat("f", 24)); !ok || !ValidID("k", highest) {
		t.Errorf("the highest id %q is not valid", highest)
	} else if beyond := highest[:len(highest)-1] + string(highest[len(highest)-1]+1); ValidID("k", beyond) {
		t.Errorf("%q is valid, though it is more than 12 bytes hold", beyond)
	}
}

func TestIDKnown(t *testing.T) {
	const want = "k_0000000000000000z"
	if got, ok := IDFromHex("k", "00000000000000000000003d"); !ok || got != want {
		t.Errorf("IDFromHex of 61 = %q, %v; want %q", got, ok, want)
	}
	if got, ok := IDFromHex("k", "0000000003e8000000000000"); !ok {
		t.Error("no id of hex digits")
	} else if at, ok := IDTime(got); !ok || !at.Equal(time.UnixMilli(1000)) {
		t.Errorf("IDTime(%s) = %v, %v; want one second", got, at, ok)
	}
	for _, bad := range []string{"", "k_", "xyz", strings.Repeat("g", 24), strings.Repeat("0", 23), strings.Repeat("0", 26)} {
		if got, ok := IDFromHex("k", bad); ok {
			t.Errorf("IDFromHex(%q) = %s", bad, got)
		}
		if got, ok := IDHex(bad); ok {
			t.Errorf("IDHex(%q) = %s", bad, got)
		}
		if got, ok := IDTime(bad); ok {
			t.Errorf("IDTime(%q) = %s", bad, got)
		}
	}
	if got, ok := IDFromHex("", strings.Repeat("0", 24)); ok {
		t.Errorf("IDFromHex without a kind = %q", got)
	}
}

func TestIDOrderIsThatOfBytes(t *testing.T) {
	twelve := rapid.SliceOfN(rapid.Byte(), 12, 12)
	rapid.Check(t, func(t *rapid.T) {
		a, b := hex.EncodeToString(twelve.Draw(t, "a")), hex.EncodeToString(twelve.Draw(t, "b"))
		x, _ := IDFromHex("k", a)
		y, _ := IDFromHex("k", b)
		if strings.Compare(a, b) != strings.Compare(x, y) {
			t.Fatalf("%s, %s are written %s, %s", a, b, x, y)
		}
	})
}

func FuzzID(f *testing.F) {
	f.Add("key_0000000000000000z", "0198c1d2e3f4a5b6c7d8e9f0")
	f.Add("a_b_zzzzzzzzzzzzzzzzz", "")
	f.Fuzz(func(t *testing.T, text, digits string) {
		if h, ok := IDHex(text); ok {
			if back, ok := IDFromHex(Apparent(text), h); !ok || back != text {
				t.Errorf("%q has hex %s, which is %q", text, h, back)
			}
		}
		if made, ok := IDFromHex("k", digits); ok {
			if back, ok := IDHex(made); !ok || back != strings.ToLower(digits) {
				t.Errorf("%q gives %q, whose hex is %s", digits, made, back)
			}
		}
	})
}
