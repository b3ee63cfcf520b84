// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package funnel

import "time"

// maxElapsed is the most that can pass between two looks at a clock: in the rest of it the process did not run.
const maxElapsed = 10 * time.Second

// clock measures the time in which the process runs, over restarts. Times that it is given should have a monotonic
// reading, as those of time.Now: setting the wall clock then makes no difference.
type clock struct {
	ran    time.Duration // since the funnel began
	looked time.Time     // zero before the first look
}

// look takes what time it is. Callers may be late: a time before that of the look before is none, unless it shows that
// the clock was set back.
func (c *clock) look(now time.Time) {
	elapsed := now.Sub(c.looked)
	if elapsed < 0 && isMonotonic(now) && isMonotonic(c.looked) {
		return
	}
	if !c.looked.IsZero() {
		c.ran += min(max(elapsed, 0), maxElapsed)
	}
	c.looked = now
}

func isMonotonic(t time.Time) bool {
	return t != t.Round(0) // which has no monotonic reading
}

// wall returns the wall clock at the last look.
func (c *clock) wall() time.Time {
	return c.looked.Round(0)
}
