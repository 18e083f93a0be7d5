package ratelimit

import (
	"bytes"
	"encoding/gob"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// filled returns a limiter that has counted by every algorithm, with what it
// was asked.
func filled(t *testing.T) (*Local, []Spend) {
	l := new(Local)
	var spends []Spend
	for _, a := range algorithms {
		for i := range 20 {
			lim := limit(a, 10, "10s")
			lim.Name = fmt.Sprint(a, i%2)
			spends = append(spends, spend(fmt.Sprint("o", i), lim, int64(1+i%7)))
		}
	}
	for i := range 5 {
		spends = append(spends, lease("o1", slots(9), fmt.Sprint("lease ", i), at(time.Duration(i+2)*time.Second)))
	}
	bounded := spend("bounded", limit(Sliding, 10, "10s"), 4)
	bounded.Most = 1
	spends = append(spends, bounded)
	for _, sp := range spends {
		take(t, l, at(time.Second), sp)
	}
	return l, spends
}

func saved(t *testing.T, l *Local) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := l.Save(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestSaveAndLoad(t *testing.T) {
	l, spends := filled(t)
	var back Local
	if err := back.Load(bytes.NewReader(saved(t, l)), at(2*time.Second)); err != nil {
		t.Fatal(err)
	}
	for _, sp := range spends {
		sp.Cost, sp.Lease = 0, nil
		want, _ := take(t, l, at(2*time.Second), sp)
		got, _ := take(t, &back, at(2*time.Second), sp)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%+v: %s", sp.Counter, diff)
		}
	}
	for i := range 5 {
		if ok := release(t, &back, fmt.Sprint("lease ", i), at(2*time.Second)); ok != (i > 0) {
			t.Errorf("lease %d is held after it was read: %t", i, ok)
		}
	}
	other := spend("bounded", limit(GCRA, 10, "20s"), 1)
	other.Most = 1
	if _, _, err := back.Take(t.Context(), []Spend{other}, nil, at(2*time.Second)); !errors.Is(err, ErrFull) {
		t.Errorf("a second counter where there may be one: %v", err)
	}
}

func TestLoadDropsWhatIsOver(t *testing.T) {
	l, _ := filled(t)
	b := saved(t, l)
	for after, want := range map[time.Duration]int{2 * time.Second: l.Len(), 10 * time.Second: 20 + 20 + 20 + 1, time.Hour: 0} {
		var back Local
		if err := back.Load(bytes.NewReader(b), at(after)); err != nil {
			t.Fatal(err)
		}
		if n := back.Len(); n != want {
			t.Errorf("%v later %d counters are read, want %d", after, n, want)
		}
	}
}

func TestLoadRefusesWhatIsNotWhole(t *testing.T) {
	l, _ := filled(t)
	b := saved(t, l)
	for n := range b {
		if n%37 == 0 || n > len(b)-8 {
			if err := new(Local).Load(bytes.NewReader(b[:n]), at(0)); err == nil {
				t.Errorf("the first %d of %d bytes are read without an error", n, len(b))
			}
		}
	}
	ended := []savedPlace{{ID: "a", Ends: 1}}
	for _, bad := range []savedCounter{{By: uint8(fixedFromFirst), At: 1<<63 - 1}, {By: uint8(gcra), At: maxSeconds*1e9 + 1},
		{By: uint8(gcra), Held: ended}, {Counter: Counter{Window: 1}, Held: ended}, {Held: []savedPlace{{ID: "a", Ends: -1}}},
		{Held: make([]savedPlace, MaxConcurrent+1)}, {Count: -1}, {Rest: -1}, {At: -1}, {Count: countCap + 1}, {By: 99}, {By: uint8(gcra), Rest: 1}, {By: uint8(fixed), At: 1 << 62, Counter: Counter{Window: time.Second}}} {
		if bad.valid() {
			t.Errorf("%+v is taken for a counter", bad)
		}
	}
}

// TestLoadRefusesWhatIsThereTwice joins what two limiters have saved.
func TestLoadRefusesWhatIsThereTwice(t *testing.T) {
	same := spend("o", limit(Fixed, 10, "10s"), 1)
	for what, two := range map[string][2]Spend{
		"counter": {same, same},
		"lease":   {lease("o", slots(9), "a", at(time.Minute)), lease("p", slots(9), "a", at(time.Minute))},
	} {
		var b bytes.Buffer
		out := gob.NewEncoder(&b)
		out.Encode(savedForm)
		for _, sp := range two {
			var l Local
			take(t, &l, at(0), sp)
			out.Encode(l.shards[shardOf(&sp.Counter)].saved()[0])
		}
		out.Encode(savedCounter{Last: true})
		if err := new(Local).Load(&b, at(0)); err == nil {
			t.Errorf("a %s is read twice", what)
		}
	}
}

func TestLoadHoldsNoMoreThanMayBe(t *testing.T) {
	l, _ := filled(t)
	b := saved(t, l)
	if err := (&Local{Most: l.Len()}).Load(bytes.NewReader(b), at(time.Second)); err != nil {
		t.Errorf("as many as may be: %v", err)
	}
	if err := (&Local{Most: l.Len() - 1}).Load(bytes.NewReader(b), at(time.Second)); err == nil {
		t.Error("one more than may be is read")
	}
}

// TestLoadAfterAWrongClock reads what was counted while the clock was far ahead:
// nothing of it is free at once, and nothing for longer than it would be if it
// had been counted now.
func TestLoadAfterAWrongClock(t *testing.T) {
	l, spends := filled(t)
	before := at(-1000 * time.Hour)
	var back Local
	if err := back.Load(bytes.NewReader(saved(t, l)), before); err != nil {
		t.Fatal(err)
	}
	for _, after := range []time.Duration{0, 21 * time.Second, MaxLease} {
		for _, sp := range spends {
			want := after == MaxLease || after > 0 && !sp.Limit.Concurrent
			sp.Cost, sp.Lease = 0, nil
			out, _ := take(t, &back, before.Add(after), sp)
			if free := out[0].Remaining == sp.Limit.Max; free != want {
				t.Errorf("%+v, %v later: %d of %d left", sp.Counter, after, out[0].Remaining, sp.Limit.Max)
			}
		}
	}
}

func FuzzLoad(f *testing.F) {
	l := new(Local)
	l.Take(f.Context(), []Spend{spend("o", limit(GCRA, 10, "10s"), 3), lease("o", slots(3), "a", at(time.Minute))}, nil, at(0))
	var b bytes.Buffer
	if err := l.Save(&b); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Fuzz(func(t *testing.T, b []byte) {
		var l Local
		if l.Load(bytes.NewReader(b), at(0)) != nil {
			return
		}
		for _, a := range algorithms {
			take(t, &l, at(time.Second), spend("o", limit(a, 10, "10s"), 1))
		}
	})
}
