package token

import (
	"bytes"
	"encoding/base64"
	"encoding/gob"
	jsonv1 "encoding/json"
	"encoding/xml"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
)

const plain = "lk_Zq7WvN3kXo9TsB2d"

// plainForms are the ways in which five characters in a row of the plain text
// could be printed, which is enough to call it a leak.
var plainForms = func() (forms []string) {
	for i := range len(plain) - 4 {
		part := plain[i : i+5]
		var decimal, hexed, runes []string
		for _, c := range []byte(part) {
			decimal = append(decimal, fmt.Sprint(c))
			hexed = append(hexed, fmt.Sprintf("0x%x", c))
			runes = append(runes, string(c))
		}
		forms = append(forms, part, fmt.Sprintf("%x", part), fmt.Sprintf("%X", part),
			fmt.Sprintf("% x", part), fmt.Sprintf("% X", part),
			strings.Join(decimal, " "), strings.Join(decimal, ","), strings.Join(decimal, ", "),
			strings.Join(hexed, ", "), strings.Join(runes, " "), "'"+strings.Join(runes, "' '")+"'")
	}
	return append(forms, base64.StdEncoding.EncodeToString([]byte(plain))[:12])
}()

// leaks returns the form in which out shows the plain text, or "".
func leaks(out string) string {
	for _, form := range plainForms {
		if strings.Contains(out, form) {
			return form
		}
	}
	return ""
}

func TestLeaksSeesLeaks(t *testing.T) {
	for _, verb := range []string{"%v", "%s", "%q", "%x", "%X", "% x", "%d", "%#v", "%c"} {
		for _, v := range []any{plain, []byte(plain), struct{ s string }{plain}, struct{ b []byte }{[]byte(plain)}} {
			if out := fmt.Sprintf(verb, v); leaks(out) == "" && !strings.Contains(out, "%!") {
				t.Errorf("%s of %T: the check does not see the leak in %s", verb, v, out)
			}
		}
	}
}

type hidden struct {
	s Secret
	p *Secret
	l []Secret
	m map[string]Secret
	a any
	n struct{ s Secret }
}

type shown struct {
	S Secret
	P *Secret
	L []Secret
	M map[string]Secret
	A any
	N struct{ S Secret }
}

type embedding struct{ Secret }

// shapes returns values in which the secret lies somewhere.
func shapes() []any {
	s := New(plain)
	in := hidden{s, &s, []Secret{s}, map[string]Secret{"k": s}, s, struct{ s Secret }{s}}
	out := shown{s, &s, []Secret{s}, map[string]Secret{"k": s}, s, struct{ S Secret }{s}}
	return []any{
		s, &s, []Secret{s}, []*Secret{&s}, [1]Secret{s}, map[string]Secret{"k": s}, []any{s},
		in, &in, []hidden{in}, map[string]hidden{"k": in}, out, &out, embedding{s}, struct{ any }{s},
		fmt.Errorf("wrapped: %v", s), slog.AnyValue(s), slog.Any("k", s),
	}
}

func TestSecretUnderEveryVerb(t *testing.T) {
	verbs := "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ!@é"
	for _, flags := range []string{"", "#", "+", " ", "-", "0", "#+", "# ", "40", "-40", ".3", "#.60"} {
		for _, verb := range verbs {
			format := "%" + flags + string(verb)
			for _, v := range shapes() {
				if out := fmt.Sprintf(format, v); leaks(out) != "" {
					t.Errorf("%s of %T prints %s", format, v, out)
				}
			}
			// These fmt answers itself, without asking the value.
			if strings.ContainsRune("pTw", verb) {
				continue
			}
			if out := fmt.Sprintf(format, New(plain)); out != maskedSecret {
				t.Errorf("%s prints %s, want %s", format, out, maskedSecret)
			}
		}
	}
	missing := strings.Join([]string{"%[2]d", "%[1]*[1]d"}, "") // faults in formats, which vet must not see
	for _, v := range shapes() {
		for _, out := range []string{fmt.Sprint(v), fmt.Sprintln(v), fmt.Sprintf(strings.Join([]string{"%!", "z"}, ""), v), fmt.Sprintf(missing, v)} {
			if leaks(out) != "" {
				t.Errorf("%T prints %s", v, out)
			}
		}
	}
	s := New(plain)
	for _, out := range []string{s.String(), s.GoString(), fmt.Sprint(s), fmt.Sprint(&s), fmt.Sprint(Secret{}), fmt.Sprintf("%v", shown{S: s}.S)} {
		if out != maskedSecret {
			t.Errorf("printed as %s, want %s", out, maskedSecret)
		}
	}
	if out := fmt.Sprintf("%v", shown{S: s}.N); out != "{"+maskedSecret+"}" {
		t.Errorf("within a struct printed as %s", out)
	}
}

func TestSecretMarshalled(t *testing.T) {
	for _, v := range shapes() {
		one, _ := jsonv1.Marshal(v)
		two, _ := json.Marshal(v)
		three, _ := xml.Marshal(v)
		for _, out := range [][]byte{one, two, three} {
			if leaks(string(out)) != "" {
				t.Errorf("%T is marshalled as %s", v, out)
			}
		}
		var b bytes.Buffer
		if err := gob.NewEncoder(&b).Encode(v); leaks(b.String()) != "" {
			t.Errorf("%T is encoded by gob as %q, %v", v, b.String(), err)
		}
	}
	v := map[string]any{"s": New(plain)}
	want := `{"s":"[secret]"}`
	if out, err := jsonv1.Marshal(v); string(out) != want || err != nil {
		t.Errorf("encoding/json: %s, %v; want %s", out, err, want)
	}
	if out, err := json.Marshal(v); string(out) != want || err != nil {
		t.Errorf("json/v2: %s, %v; want %s", out, err, want)
	}
	if err := gob.NewEncoder(new(bytes.Buffer)).Encode(New(plain)); err == nil {
		t.Error("gob encodes a secret")
	}
}

func TestSecretLogged(t *testing.T) {
	var b bytes.Buffer
	for _, h := range []slog.Handler{slog.NewTextHandler(&b, nil), slog.NewJSONHandler(&b, nil)} {
		for _, v := range shapes() {
			b.Reset()
			slog.New(h).Info("m", "v", v, slog.Group("g", "v", v))
			if leaks(b.String()) != "" {
				t.Errorf("%T is logged by %T as %s", v, h, b.String())
			}
		}
		b.Reset()
		slog.New(h).Info("m", "v", New(plain))
		if !strings.Contains(b.String(), maskedSecret) {
			t.Errorf("%T logs %s, want %s", h, b.String(), maskedSecret)
		}
	}
}

func TestSecretPanics(t *testing.T) {
	defer func() {
		if out := fmt.Sprint(recover()); leaks(out) != "" {
			t.Errorf("a panic with a secret says %s", out)
		}
	}()
	panic(New(plain))
}

func TestSecret(t *testing.T) {
	s := New(plain)
	if s.Reveal() != plain || s.Len() != len(plain) || s.IsZero() {
		t.Errorf("New(%q) reveals %q of length %d", plain, s.Reveal(), s.Len())
	}
	if !s.Equal(New(string([]byte(plain)))) || s.Equal(New(plain+"x")) || s.Equal(New("x"+plain[1:])) || s.Equal(Secret{}) {
		t.Error("Equal does not tell texts apart")
	}
	var zero Secret
	if !zero.IsZero() || zero.Reveal() != "" || zero.Len() != 0 || !zero.Equal(New("")) {
		t.Error("the zero Secret is not that of the empty text")
	}
	if got, want := New("abc").Sum().Hex(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"; got != want {
		t.Errorf("Sum of abc = %s, want %s", got, want)
	}
	if got, want := zero.Sum().Hex(), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"; got != want {
		t.Errorf("Sum of nothing = %s, want %s", got, want)
	}
}

func TestHash(t *testing.T) {
	h := New(plain).Sum()
	if got, ok := ParseHash(h.Hex()); !ok || got != h {
		t.Errorf("ParseHash(%s) = %s, %v", h.Hex(), got.Hex(), ok)
	}
	if got, ok := ParseHash(strings.ToUpper(h.Hex())); !ok || got != h {
		t.Errorf("ParseHash of upper case = %s, %v", got.Hex(), ok)
	}
	for _, text := range []string{"", h.Hex()[1:], h.Hex() + "0", "g" + h.Hex()[1:]} {
		if got, ok := ParseHash(text); ok || !got.IsZero() {
			t.Errorf("ParseHash(%q) = %s, %v; want none", text, got.Hex(), ok)
		}
	}
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("m", "h", h)
	marshalled, _ := jsonv1.Marshal(map[string]any{"h": h})
	for _, out := range []string{
		fmt.Sprint(h), fmt.Sprintf("%x %d %#v %s %q", h, h, h, h, h), fmt.Sprint([]Hash{h}, &h, struct{ H Hash }{h}),
		h.String(), string(marshalled), log.String(),
	} {
		if !strings.Contains(out, maskedHash) || strings.Contains(out, h.Hex()[:8]) || strings.Contains(out, fmt.Sprint(h[0], h[1], h[2])) {
			t.Errorf("a hash prints as %s", out)
		}
	}
}

func TestNothingAllocatedOnTheHotPath(t *testing.T) {
	text := Form{Prefix: "lk", Format: Latchkey, Length: 30}.Mint().Reveal()
	other := New(text + "x")
	for what, f := range map[string]func(){
		"New":     func() { New(text) },
		"Sum":     func() { New(text).Sum() },
		"Equal":   func() { New(text).Equal(other) },
		"Checked": func() { Checked(text) },
	} {
		if n := testing.AllocsPerRun(100, f); n != 0 {
			t.Errorf("%s allocates %v times, want 0", what, n)
		}
	}
}

func BenchmarkSum(b *testing.B) {
	s := Form{Prefix: "lk", Format: Latchkey, Length: 30}.Mint()
	b.ReportAllocs()
	for b.Loop() {
		s.Sum()
	}
}

func BenchmarkChecked(b *testing.B) {
	s := Form{Prefix: "lk", Format: Latchkey, Length: 30}.Mint().Reveal()
	b.ReportAllocs()
	for b.Loop() {
		Checked(s)
	}
}
