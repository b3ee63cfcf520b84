// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

// Package clocktest makes times for tests that are like those of time.Now: with a monotonic reading, which goes on
// whatever happens to the wall clock.
package clocktest

import (
	"time"
	"unsafe"
)

var started = time.Now()

// Time returns a time that shows wall, and whose monotonic reading is so long after those of other Times with 0. So
// two Times may be an hour apart by the wall clock, and a second by Sub: the clock was set forward between them. The wall
// time is to be between 1885 and 2157, as only such times can have a monotonic reading.
func Time(wall time.Time, monotonic time.Duration) time.Time {
	t := started.Add(monotonic)
	// A time.Time with a monotonic reading begins with a word that has 1 bit to say so, the seconds since 1885 in 33 bits
	// and the nanoseconds in 30 (package time, type Time).
	const hasMonotonic, nanosecondBits = 1 << 63, 30
	seconds := wall.Unix() - time.Date(1885, 1, 1, 0, 0, 0, 0, time.UTC).Unix()
	*(*uint64)(unsafe.Pointer(&t)) = hasMonotonic | uint64(seconds)<<nanosecondBits | uint64(wall.Nanosecond()) //nolint:gosec // the word is a time.Time's first
	return t
}
