// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

// Package clocktest has a clock for tests that is like a real one: its times have a monotonic reading, which goes on when
// the wall clock is set. Before, After and Sub of the time package compare monotonic readings where there are any, and so
// do not see that a clock was set back.
package clocktest

import (
	"sync"
	"time"
	"unsafe"
)

// Clock is a clock that stands still unless it is told otherwise. It is safe for concurrent use.
type Clock struct {
	mu      sync.Mutex
	reading time.Time     // wall clock as it was at first, with the monotonic reading
	set     time.Duration // by how much the wall clock was set since
}

// New returns a clock that shows the time of the call.
func New() *Clock {
	return &Clock{reading: time.Now()}
}

// Now returns what time.Now would.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.reading.Add(c.set) // shifts the monotonic reading too
	layoutOf(&now).monotonic = layoutOf(&c.reading).monotonic
	return now
}

// Advance lets time go by.
func (c *Clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reading = c.reading.Add(d)
}

// Set sets the wall clock forward, or back if d is negative, while no time goes by.
func (c *Clock) Set(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.set += d
}

// layout is that of time.Time, which offers no other way to its monotonic reading. A test checks that it is right.
type layout struct {
	wall      uint64
	monotonic int64
	location  *time.Location
}

func layoutOf(t *time.Time) *layout {
	return (*layout)(unsafe.Pointer(t)) //nolint:gosec // the test of the layout is the audit
}
