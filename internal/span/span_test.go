package span

import (
	"math"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestParse(t *testing.T) {
	for _, tc := range []struct {
		text string
		want Span
		out  string
		d    time.Duration
	}{
		{"500ms", Span{500, Millisecond}, "500ms", 500 * time.Millisecond},
		{"90s", Span{90, Second}, "90s", 90 * time.Second},
		{"15m", Span{15, Minute}, "15m", 15 * time.Minute},
		{"24h", Span{24, Hour}, "24h", 24 * time.Hour},
		{"1d", Span{1, Day}, "1d", 24 * time.Hour},
		{"0s", Span{0, Second}, "0s", 0},
		{"007m", Span{7, Minute}, "7m", 7 * time.Minute},
		{"106751d", Span{106751, Day}, "106751d", 106751 * 24 * time.Hour},
	} {
		got, err := Parse(tc.text)
		if err != nil || got != tc.want || got.String() != tc.out || got.Duration() != tc.d {
			t.Errorf("Parse(%q) = %v (%s, %v), %v; want %v (%s, %v)",
				tc.text, got, got, got.Duration(), err, tc.want, tc.out, tc.d)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for _, text := range []string{
		"", "s", "5", "-5s", "+5s", "1.5h", " 5s", "5s ", "5 s", "5S", "5us", "5ms5s", "1h30m", "٣s",
		"1000000000000000s", "1000000000000000ms", "0000000000000001s", "106752d", "999999999999999d",
	} {
		if got, err := Parse(text); err == nil || !got.IsZero() {
			t.Errorf("Parse(%q) = %v, %v; want an error", text, got, err)
		}
	}
	if _, err := Parse("soon"); err == nil || !strings.Contains(err.Error(), "500ms, 90s, 15m, 24h or 30d") {
		t.Errorf("Parse(soon) says %v, want what would be right", err)
	}
}

func TestOf(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0:                       "0ms",
		-time.Hour:              "0ms",
		1500 * time.Nanosecond:  "0ms",
		1500 * time.Microsecond: "1ms",
		1500 * time.Millisecond: "1500ms",
		time.Minute:             "1m",
		90 * time.Second:        "90s",
		48 * time.Hour:          "2d",
		36 * time.Hour:          "36h",
	} {
		if got := Of(d).String(); got != want {
			t.Errorf("Of(%v) = %s, want %s", d, got, want)
		}
	}
}

func TestZero(t *testing.T) {
	var s Span
	if !s.IsZero() || s.String() != "" || s.Duration() != 0 {
		t.Errorf("zero Span: IsZero %v, String %q, Duration %v", s.IsZero(), s, s.Duration())
	}
	if (Span{0, Second}).IsZero() {
		t.Error("0s is the zero value, want a span of length 0")
	}
	if out := (Span{1, Day + 1}); out.String() != "" || out.Duration() != 0 {
		t.Errorf("a span of no known unit has text %q and length %v", out, out.Duration())
	}
}

func TestTextRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		u := Unit(rapid.IntRange(1, int(Day)).Draw(t, "unit"))
		in := Span{rapid.Int64Range(0, min(999_999_999_999_999, math.MaxInt64/int64(units[u].length))).Draw(t, "n"), u}
		text, err := in.MarshalText()
		if err != nil {
			t.Fatal(err)
		}
		var out Span
		if err := out.UnmarshalText(text); err != nil || out != in {
			t.Fatalf("%s came back as %v, %v", text, out, err)
		}
		if of := Of(in.Duration()); of.Duration() != in.Duration() {
			t.Fatalf("Of(%v) = %v", in.Duration(), of)
		}
	})
	s := Span{1, Day}
	if err := s.UnmarshalText([]byte("x")); err == nil || s != (Span{1, Day}) {
		t.Errorf("UnmarshalText(x) = %v and left %v", err, s)
	}
	if err := s.UnmarshalText(nil); err != nil || !s.IsZero() {
		t.Errorf("UnmarshalText() = %v and left %v", err, s)
	}
}

func FuzzParse(f *testing.F) {
	f.Add("24h")
	f.Add("00d")
	f.Fuzz(func(t *testing.T, text string) {
		s, err := Parse(text)
		if err != nil {
			return
		}
		again, err := Parse(s.String())
		if err != nil || again != s || s.Duration() < 0 {
			t.Errorf("Parse(%q) = %v of %v, which reads as %v, %v", text, s, s.Duration(), again, err)
		}
	})
}
