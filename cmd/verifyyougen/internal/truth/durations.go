// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package truth

import (
	"math"
	"slices"
	"time"
)

// samples keeps durations in 4 bytes each, as 10 million events have nearly as
// many. Only the percentiles are computed from them: the sum is exact.
type samples struct {
	sum     time.Duration
	seconds []float32
}

func (s *samples) add(d time.Duration) {
	s.sum += d
	s.seconds = append(s.seconds, float32(d.Seconds()))
}

// durations sums the samples up, of which there must be one, and sorts them.
func (s *samples) durations() Durations {
	slices.Sort(s.seconds)
	return Durations{
		Count:  int64(len(s.seconds)),
		Sum:    s.sum.Seconds(),
		Median: s.percentile(0.5),
		P90:    s.percentile(0.9),
		P99:    s.percentile(0.99),
	}
}

// percentile is the nearest-rank one, without the digits that 4 bytes do not have.
func (s *samples) percentile(share float64) float64 {
	rank := int(math.Ceil(share * float64(len(s.seconds))))
	return math.Round(float64(s.seconds[rank-1])*1e6) / 1e6
}
