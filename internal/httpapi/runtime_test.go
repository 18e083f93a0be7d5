package httpapi

import (
	"runtime"
	"sync/atomic"
	"testing"
	"time"
)

func TestGCPercent(t *testing.T) {
	for live, want := range map[uint64]int{
		0: 800, 1: 800, 8 << 20: 800, 16 << 20: 400, 64 << 20: 100, 128 << 20: 50, 256 << 20: 25, 1 << 40: 25,
	} {
		if got := gcPercent(live); got != want {
			t.Errorf("with %d bytes alive: %d, want %d", live, got, want)
		}
	}
}

// TestEachCollection counts collections: it hears of every one.
func TestEachCollection(t *testing.T) {
	heard := make(chan struct{}, 100)
	var on atomic.Bool
	on.Store(true)
	defer on.Store(false)
	eachCollection(func() {
		if on.Load() {
			heard <- struct{}{}
		}
	})
	for n := range 5 {
		runtime.GC()
		select {
		case <-heard:
		case <-time.After(10 * time.Second):
			t.Fatalf("collection %d was not heard of", n)
		}
	}
}
