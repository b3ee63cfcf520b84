// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package cohorts

import (
	"math/bits"
	"time"
)

// Times are counted in buckets: of 1 ms up to 32 ms, above of a sixteenth of the power of two below. So the middle of a
// bucket is less than 3.2 % away from all in it.
const (
	perOctaveBits = 4
	perOctave     = 1 << perOctaveBits
	// maxMillisBits is the length of the longest time in milliseconds, which is 2^64 ns.
	maxMillisBits = 45
	buckets       = (maxMillisBits - perOctaveBits + 1) * perOctave
)

// bucketOf returns the bucket of a time in nanoseconds.
func bucketOf(nanos uint64) int {
	millis := nanos / uint64(time.Millisecond)
	shift := max(bits.Len64(millis)-perOctaveBits-1, 0)
	return shift*perOctave + int(millis>>shift)
}

// secondsOf returns the time that stands for those in a bucket, in seconds.
func secondsOf(bucket int) float64 {
	shift := max(bucket/perOctave-1, 0)
	millis := uint64(bucket-shift*perOctave) << shift
	middle := uint64(1) << shift / 2 // none in a bucket of 1 ms
	return float64(millis+middle) / 1000
}

// quantilesOf returns the quantiles of times that are counted by bucket.
func quantilesOf(counts []int64) Quantiles {
	var q Quantiles
	for _, n := range counts {
		q.Count += n
	}
	if q.Count > 0 {
		q.P50, q.P90, q.P99 = quantile(counts, q.Count, 50), quantile(counts, q.Count, 90), quantile(counts, q.Count, 99)
	}
	return q
}

// quantile returns the time at a percentile of n times: the one at the whole rank at or below it.
func quantile(counts []int64, n, percent int64) *float64 {
	rank := percent * (n - 1) / 100
	bucket := 0
	for rank -= counts[0]; rank >= 0; rank -= counts[bucket] {
		bucket++
	}
	seconds := secondsOf(bucket)
	return &seconds
}
