// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package cohorts

import (
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestBucketsAreNearEnough(t *testing.T) {
	near := func(t testingT, nanos uint64) {
		bucket := bucketOf(nanos)
		require.Less(t, bucket, buckets)
		seconds := float64(nanos) / 1e9
		require.InDelta(t, seconds, secondsOf(bucket), max(0.001, seconds*0.05), nanos)
		if nanos > 0 {
			require.LessOrEqual(t, bucketOf(nanos-1), bucket)
		}
	}
	for shift := range 64 {
		for _, nanos := range []uint64{1<<shift - 1, 1 << shift, 1<<shift + 1} {
			near(t, nanos)
		}
	}
	near(t, math.MaxUint64)
	assert.GreaterOrEqual(t, bucketOf(math.MaxUint64), buckets-perOctave, "there are no more than are needed")
	rapid.Check(t, func(t *rapid.T) { near(t, rapid.Uint64().Draw(t, "nanos")) })
}

func TestQuantiles(t *testing.T) {
	assert.Equal(t, Quantiles{}, quantilesOf(make([]int64, buckets)))
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SliceOfN(rapid.Float64Range(0, 10_000), 0, 120).Draw(t, "seconds")
		counts := make([]int64, buckets)
		for _, v := range values {
			counts[bucketOf(uint64(v*1e9))]++
		}
		slices.Sort(values)
		compareQuantiles(t, values, quantilesOf(counts))
	})
}
