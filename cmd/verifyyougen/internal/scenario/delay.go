// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package scenario

import (
	"math"
	"time"
)

const (
	// atP90 is how many standard deviations above its mean a normal
	// distribution has its 90th percentile.
	atP90 = 1.2815515655446004
	// maxDeviations is how many of them a delay may be from its median. Without a
	// limit, one of a million people would be silent for longer than any funnel waits.
	maxDeviations = 3
)

// Of returns the delay of someone who is z standard deviations slower than the
// median: with z of a standard normal distribution, delays are log-normal.
func (d Delay) Of(z float64) time.Duration {
	return time.Duration(d.of(z))
}

func (d Delay) of(z float64) float64 {
	if d.Median == 0 {
		return 0
	}
	z = max(-maxDeviations, min(z, maxDeviations))
	return float64(d.Median) * math.Pow(float64(d.P90)/float64(d.Median), z/atP90)
}
