package main

import (
	"testing"
	"time"
)

func TestHistogramBucketsHoldTheirDurations(t *testing.T) {
	for _, d := range []time.Duration{
		0, 1, 127, 128, 255, 256, 257, 999, 1000, 4095, 4096, 12345, 15 * time.Microsecond,
		time.Millisecond, 999 * time.Millisecond, 10 * time.Second, time.Minute,
	} {
		b := bucketOf(d)
		low, high := lowerBound(b), lowerBound(b+1)
		if d < low || d >= high {
			t.Errorf("bucketOf(%d) = %d, which spans [%d, %d)", d, b, low, high)
		}
		if width := high - low; width > 1 && float64(width) > 0.01*float64(low) {
			t.Errorf("bucket of %d is %d wide, want under 1 %%", d, width)
		}
	}
}

func TestHistogramTakesEveryDuration(t *testing.T) {
	var h histogram
	h.add(-time.Second)
	h.add(1 << 62)
	if got := h.count(); got != 2 {
		t.Errorf("count = %d, want 2", got)
	}
	if got := h.quantile(0.5); got != 0 {
		t.Errorf("quantile(0.5) = %v, want the negative duration as 0", got)
	}
	if got := h.quantile(1); got < time.Minute {
		t.Errorf("quantile(1) = %v, want the last bucket", got)
	}
}

func TestHistogramQuantiles(t *testing.T) {
	var one, two histogram
	if got := one.quantile(0.5); got != 0 {
		t.Errorf("quantile of nothing = %v, want 0", got)
	}
	for i := range 10_000 {
		h := &one
		if i%3 == 0 {
			h = &two
		}
		h.add(time.Duration(i+1) * time.Microsecond)
	}
	one.merge(&two)
	for q, want := range map[float64]time.Duration{
		0.50: 5_000 * time.Microsecond,
		0.99: 9_900 * time.Microsecond,
		1.00: 10_000 * time.Microsecond,
	} {
		got := one.quantile(q)
		if diff := (got - want).Abs(); float64(diff) > 0.01*float64(want) {
			t.Errorf("quantile(%v) = %v, want %v ± 1 %%", q, got, want)
		}
	}
}
