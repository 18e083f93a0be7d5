package main

import (
	"math"
	"math/bits"
	"time"
)

const (
	subBits    = 7 // 128 steps an octave: a bucket is under 1 % wide
	subBuckets = 1 << subBits
	octaves    = 30 // up to some two minutes
)

// histogram counts durations in buckets that are linear within each power of
// two.
type histogram struct {
	counts [octaves * subBuckets]uint32
}

// bucketOf counts nanoseconds one by one up to 2 × subBuckets, then in steps
// that double with each octave.
func bucketOf(d time.Duration) int {
	v := uint64(max(d, 0))
	shift := max(0, bits.Len64(v)-subBits-1)
	return min(shift*subBuckets+int(v>>shift), octaves*subBuckets-1)
}

// lowerBound is the least duration in a bucket.
func lowerBound(bucket int) time.Duration {
	shift := max(0, bucket/subBuckets-1)
	return time.Duration(bucket-shift*subBuckets) << shift
}

func (h *histogram) add(d time.Duration) { h.counts[bucketOf(d)]++ }

func (h *histogram) merge(other *histogram) {
	for i, n := range other.counts {
		h.counts[i] += n
	}
}

func (h *histogram) count() (sum uint64) {
	for _, n := range h.counts {
		sum += uint64(n)
	}
	return sum
}

// quantile is the middle of the bucket that holds the q'th part of all, 0 where
// there is nothing.
func (h *histogram) quantile(q float64) time.Duration {
	rank := max(1, uint64(math.Ceil(q*float64(h.count()))))
	var seen uint64
	for i, n := range h.counts {
		if seen += uint64(n); seen >= rank {
			return (lowerBound(i) + lowerBound(i+1)) / 2
		}
	}
	return 0
}
