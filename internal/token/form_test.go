package token

import (
	"bytes"
	"math/big"
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestMint(t *testing.T) {
	for _, tc := range []struct {
		form Form
		want string
	}{
		{Form{"lk", Latchkey, 30}, `^lk_[0-9A-Za-z]{36}$`},
		{Form{"", Latchkey, 30}, `^[0-9A-Za-z]{36}$`},
		{Form{"a_b", Latchkey, 16}, `^a_b_[0-9A-Za-z]{22}$`},
		{Form{"sk-", Base62, 16}, `^sk-[0-9A-Za-z]{16}$`},
		{Form{"", Base58, 20}, `^[1-9A-HJ-NP-Za-km-z]{20}$`},
		{Form{"sk-or-v1-", Hex, 64}, `^sk-or-v1-[0-9a-f]{64}$`},
		{Form{"", Letters, 64}, `^[A-Za-z]{64}$`},
		{Form{"p", Base58Bytes, 16}, `^p_[1-9A-HJ-NP-Za-km-z]{16,22}$`},
		{Form{"", Base58Bytes, 255}, `^[1-9A-HJ-NP-Za-km-z]{255,349}$`},
	} {
		if err := tc.form.Validate(); err != nil {
			t.Errorf("%+v: %v", tc.form, err)
		}
		seen := map[string]bool{}
		for range 20 {
			s := tc.form.Mint().Reveal()
			if !regexp.MustCompile(tc.want).MatchString(s) || seen[s] {
				t.Errorf("%+v mints %s, want a new one like %s", tc.form, s, tc.want)
			}
			seen[s] = true
			if prefix, ok := Checked(s); ok != tc.form.Checksummed() || ok && prefix != tc.form.Prefix {
				t.Errorf("Checked(%s) = %q, %v", s, prefix, ok)
			}
		}
	}
}

// TestMintIsEven counts characters: each is drawn 8,000 times on average, and
// to be off by 600 is more than six standard deviations. A byte's remainder,
// without throwing any away, would be off by 1,500.
func TestMintIsEven(t *testing.T) {
	for format, alphabet := range alphabets {
		if format == Base58Bytes || format == Latchkey {
			continue
		}
		n := 8000 * len(alphabet)
		count := map[rune]int{}
		for _, c := range string(appendRandom(nil, alphabet, n)) {
			count[c]++
		}
		for _, c := range alphabet {
			if count[c] < 7400 || count[c] > 8600 {
				t.Errorf("%s: %c was drawn %d times, want about 8,000", format, c, count[c])
			}
		}
	}
}

func TestBase58(t *testing.T) {
	for in, want := range map[string]string{
		"":                         "",
		"\x00":                     "1",
		"\x00\x00\x01":             "112",
		"Hello World!":             "2NEpo7TZRRrLZSi2U",
		"\x00\x00\x28\x7f\xb4\xcd": "11233QC4",
	} {
		if got := string(appendBase58(nil, []byte(in))); got != want {
			t.Errorf("base58 of %q = %s, want %s", in, got, want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		in := rapid.SliceOfN(rapid.Byte(), 0, 40).Draw(t, "bytes")
		text := string(appendBase58(nil, in))
		n := new(big.Int)
		for _, c := range text {
			n.Add(n.Mul(n, big.NewInt(58)), big.NewInt(int64(strings.IndexRune(base58, c))))
		}
		zeros := len(text) - len(strings.TrimLeft(text, "1"))
		if out := append(make([]byte, zeros), n.Bytes()...); !bytes.Equal(in, out) {
			t.Fatalf("%x is written %s, which reads as %x", in, text, out)
		}
	})
}

func TestFormValidate(t *testing.T) {
	for _, tc := range []struct {
		form Form
		want string // in the error
	}{
		{Form{"a b", Latchkey, 30}, "prefix is made of"},
		{Form{"é", Latchkey, 30}, "prefix is made of"},
		{Form{strings.Repeat("a", 33), Latchkey, 30}, "at most 32"},
		{Form{"", "rot13", 30}, "unknown format"},
		{Form{"", "", 30}, "unknown format"},
		{Form{"", Hex, 0}, "1 to 400"},
		{Form{"", Hex, 401}, "1 to 400"},
		{Form{"", Base58Bytes, 256}, "1 to 255 random bytes"},
		{Form{"", Hex, -5}, "1 to 400"},
		{Form{"", Hex, 23}, "at least 24"},
		{Form{"", Base62, 15}, "at least 16"},
		{Form{"", Letters, 16}, "at least 17"},
		{Form{"", Base58, 16}, "at least 17"},
		{Form{"", Base58Bytes, 11}, "at least 12"},
		{Form{"", Latchkey, 15}, "at least 16"},
	} {
		if err := tc.form.Validate(); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%+v: %v, want an error with %q", tc.form, err, tc.want)
		}
	}
	for _, form := range []Form{{"", Hex, 24}, {"", Base62, 16}, {"", Letters, 17}, {"", Base58Bytes, 12}, {strings.Repeat("+", 32), Hex, 400}} {
		if err := form.Validate(); err != nil {
			t.Errorf("%+v: %v", form, err)
		}
	}
	if !(Form{}).Zero() || (Form{Prefix: "a"}).Zero() {
		t.Error("Zero does not tell the zero form")
	}
}

func TestHint(t *testing.T) {
	digits := "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	for _, tc := range []struct {
		name       string
		form       Form
		text       string
		length     int
		start, end string
	}{
		{"ample", Form{"lk", Latchkey, 30}, "lk_" + digits[:36], 4, "lk_abcd", "GHIJ"},
		{"no start", Form{"lk", Latchkey, 30}, "lk_" + digits[:36], 0, "lk_", "GHIJ"},
		{"negative length", Form{"lk", Latchkey, 30}, "lk_" + digits[:36], -1, "lk_", "GHIJ"},
		{"nothing to spare", Form{"", Base62, 16}, digits[:16], 4, "", ""},
		{"start first", Form{"", Base62, 20}, digits[:20], 4, "abcd", ""},
		{"start, then a part of the end", Form{"", Base62, 22}, digits[:22], 4, "abcd", "uv"},
		{"no more start than is safe", Form{"", Base62, 18}, digits[:18], 20, "ab", ""},
		{"no checksum shown for free", Form{"lk", Latchkey, 16}, "lk_" + digits[:22], 4, "lk_", ""},
		{"hex", Form{"sk-or-v1-", Hex, 64}, "sk-or-v1-" + strings.Repeat("0123", 16), 3, "sk-or-v1-012", "0123"},
		{"bytes", Form{"p", Base58Bytes, 16}, "p_" + digits[:11] + digits[12:23], 4, "p_abcd", "w"},
		{"a leading 1 is a whole byte", Form{"", Base58Bytes, 16}, "1111" + digits[12:30], 4, "1111", ""},
		{"not of the form", Form{"lk", Latchkey, 30}, "other" + digits[:36], 4, "othe", "GHIJ"},
		{"shorter than the form", Form{"lk", Base62, 30}, "lk" + digits[:17], 4, "lka", ""},
		{"a checksum is not random", Form{"lk", Latchkey, 30}, "lk_" + digits[:18], 4, "lk_", ""},
		{"as good as empty", Form{"lk", Latchkey, 30}, "lk_abc", 4, "lk_", ""},
		{"not ASCII", Form{"", Base62, 40}, "é" + digits[:40] + "é", 4, "", ""},
	} {
		start, end := tc.form.Hint(New(tc.text), tc.length)
		if start != tc.start || end != tc.end {
			t.Errorf("%s: Hint = %q, %q; want %q, %q", tc.name, start, end, tc.start, tc.end)
		}
	}
}

func TestMask(t *testing.T) {
	for _, tc := range []struct {
		name             string
		form             Form
		start, end, want string
	}{
		{"hex", Form{"sk-or-v1-", Hex, 64}, "sk-or-v1-0123", "cdef", "sk-or-v1-012...def"},
		{"a prefix with its own separator", Form{"lk", Latchkey, 30}, "lk_abcd", "GHIJ", "lk_abc...HIJ"},
		{"no prefix", Form{"", Base62, 40}, "abcd", "wxyz", "abc...xyz"},
		{"less than may be shown", Form{"lk", Latchkey, 16}, "lk_a", "J", "lk_a...J"},
		{"the prefix alone", Form{"lk", Latchkey, 16}, "lk_", "", "lk_..."},
		{"not of the form", Form{"lk", Latchkey, 30}, "othe", "GHIJ", "oth...HIJ"},
		{"nothing", Form{"lk", Latchkey, 30}, "", "", "..."},
		{"no form", Form{}, "", "", "..."},
	} {
		if got := tc.form.Mask(tc.start, tc.end, 3); got != tc.want {
			t.Errorf("%s: %q, want %q", tc.name, got, tc.want)
		}
	}
}

func TestHintLeavesEnoughUnknown(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		form := Form{
			Prefix: rapid.StringMatching(`[A-Za-z_]{0,5}`).Draw(t, "prefix"),
			Format: rapid.SampledFrom([]Format{Latchkey, Base62, Base58, Hex, Letters, Base58Bytes}).Draw(t, "format"),
			Length: rapid.IntRange(1, 60).Draw(t, "length"),
		}
		s := form.Mint()
		start, end := form.Hint(s, rapid.IntRange(0, 60).Draw(t, "shown"))
		if !strings.HasPrefix(s.Reveal(), start) || !strings.HasSuffix(s.Reveal(), end) || len(start)+len(end) > s.Len() {
			t.Fatalf("%q and %q are no start and end of %q", start, end, s.Reveal())
		}
		shown := len(start) - len(form.head()) + len(end)
		if left := form.Bits() - float64(shown)*form.bitsShown(); shown > 0 && left < 95 {
			t.Fatalf("%+v: %q and %q leave %.1f bits", form, start, end, left)
		}
	})
}

func TestChecked(t *testing.T) {
	for _, tc := range []struct {
		text, prefix string
		ok           bool
	}{
		{"", "", false},
		{"000000", "", false},
		{"_", "", false},
		{"a_b", "a", false},
		{"a_b_c", "a_b", false},
		{"123456789" + "3jZRME", "", true}, // CRC-32 cbf43926
		{"123456789" + "3jZRM0", "", false},
	} {
		if prefix, ok := Checked(tc.text); prefix != tc.prefix || ok != tc.ok {
			t.Errorf("Checked(%q) = %q, %v; want %q, %v", tc.text, prefix, ok, tc.prefix, tc.ok)
		}
	}
}

func TestCheckedSeesEveryChange(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := Form{rapid.StringMatching(`[a-z_]{0,6}`).Draw(t, "prefix"), Latchkey, rapid.IntRange(16, 60).Draw(t, "length")}.Mint().Reveal()
		if _, ok := Checked(s); !ok {
			t.Fatalf("%s was minted and does not check", s)
		}
		at, c := rapid.IntRange(0, len(s)-1).Draw(t, "at"), rapid.Byte().Draw(t, "to")
		if changed := s[:at] + string([]byte{c}) + s[at+1:]; changed != s {
			if _, ok := Checked(changed); ok {
				t.Fatalf("%s checks, though it was %s", changed, s)
			}
		}
	})
}

func FuzzChecked(f *testing.F) {
	f.Add("lk_0000000")
	f.Add("_")
	f.Fuzz(func(t *testing.T, s string) {
		prefix, ok := Checked(s)
		if prefix != Apparent(s) || !strings.HasPrefix(s, prefix) {
			t.Errorf("Checked(%q) finds prefix %q", s, prefix)
		}
		if ok && len(s) <= checksumLen {
			t.Errorf("Checked(%q) holds of a checksum alone", s)
		}
	})
}
