package httpapi

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

// Garbage that may pile up before it is collected. How much there is a second
// depends on the calls, not on how many keys are in memory, so it is bounded by
// itself: with few keys in use, collections are rare, and with a million of
// them memory is what they take and little more.
const (
	spareBytes = 64 << 20

	// Where a lot is alive, a collection is dear, and garbage may be a part of it.
	leastPercent = 25
	mostPercent  = 800
)

// TuneRuntime has the garbage collector run when there is so much garbage, in
// place of as much as there is alive. GOGC, where the operator has set it, is
// left alone, and a GOMEMLIMIT still holds, since the collector runs more often
// as the heap comes near it, whatever the percentage says.
func TuneRuntime() {
	if os.Getenv("GOGC") != "" {
		return
	}
	percent := gcPercent(4 << 20) // what the collector takes an empty heap for
	debug.SetGCPercent(percent)
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	eachCollection(func() {
		metrics.Read(live)
		// It stops the world for a moment, so not for every little difference.
		if next := gcPercent(live[0].Value.Uint64()); next > percent+percent/8 || next < percent-percent/8 {
			percent = next
			debug.SetGCPercent(percent)
		}
	})
}

// gcPercent returns the percentage of what is alive that makes the spare bytes.
func gcPercent(live uint64) int {
	return int(min(max(100*spareBytes/max(live, 1), leastPercent), mostPercent))
}

// eachCollection calls fn after each collection, one call at a time.
func eachCollection(fn func()) {
	type mark struct{ _ *byte } // not so small that it shares its place with others
	var arm func(*mark)
	arm = func(*mark) {
		fn()
		runtime.SetFinalizer(new(mark), arm)
	}
	runtime.SetFinalizer(new(mark), arm)
}
