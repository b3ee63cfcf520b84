// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

// Package bounds keeps the number of series of a metric within limits, whatever values its attributes have.
package bounds

import (
	"sync"
	"sync/atomic"
	"time"
)

// Other is the value of an attribute whose own value got no series of its own, as in the limits that the
// OpenTelemetry SDKs put on cardinality.
const Other = "_OTHER"

// MaxTrackerBytes is the length of the longest tracker that gets series of its own.
const MaxTrackerBytes = 256

// trackerIdle is how long a tracker without an event keeps its place.
const trackerIdle = 7 * 24 * time.Hour

// Trackers decides which values of external_tracker get series of their own. It is safe for concurrent use.
type Trackers struct {
	max     int
	allowed map[string]bool // nil: any

	mu   sync.RWMutex
	seen map[string]*atomic.Int64 // by name, the time of the last event in nanoseconds since 1970
}

// NewTrackers returns Trackers that give a place to so many values, or, where a list of them is given, to those alone.
func NewTrackers(limit int, allowed []string) *Trackers {
	t := &Trackers{max: limit, seen: map[string]*atomic.Int64{}}
	if len(allowed) > 0 {
		t.max = len(allowed)
		t.allowed = make(map[string]bool, len(allowed))
		for _, name := range allowed {
			t.allowed[name] = true
		}
	}
	return t
}

// Bound returns the name to count an event under that comes at a time: its own, Other, or none where it has none. It
// reports whether the name has got its place by this.
func (t *Trackers) Bound(name string, now time.Time) (bounded string, isNew bool) {
	if name == "" {
		return "", false
	}
	if found, ok := t.find(name, now); ok {
		return found, false
	}
	return t.admit(name, now)
}

// find reports false if it has to be decided yet whether a name gets a place.
func (t *Trackers) find(name string, now time.Time) (string, bool) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	if seen, ok := t.seen[name]; ok {
		seen.Store(now.UnixNano())
		return name, true
	}
	if t.isFull(name) {
		return Other, true
	}
	return "", false
}

func (t *Trackers) isFull(name string) bool {
	return name == Other || len(name) > MaxTrackerBytes || t.allowed != nil && !t.allowed[name] || len(t.seen) >= t.max
}

func (t *Trackers) admit(name string, now time.Time) (bounded string, isNew bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.seen[name] != nil: // by now
		return name, false
	case t.isFull(name):
		return Other, false
	}
	t.place(name, now.UnixNano())
	return name, true
}

func (t *Trackers) place(name string, seenNanos int64) {
	seen := new(atomic.Int64)
	seen.Store(seenNanos)
	t.seen[name] = seen
}

// EndIdle takes their places from those that had no event for long. It hands them to end, which returns those that have
// really ended: their names can have no series any more.
func (t *Trackers) EndIdle(now time.Time, end func(names map[string]bool) map[string]bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	idle := map[string]bool{}
	limit := now.Add(-trackerIdle).UnixNano()
	for name, seen := range t.seen {
		if seen.Load() < limit {
			idle[name] = true
		}
	}
	if len(idle) == 0 {
		return
	}
	for name := range end(idle) {
		delete(t.seen, name)
	}
}

// Seen returns which trackers have a place, and when each had its last event, in nanoseconds since 1970.
func (t *Trackers) Seen() map[string]int64 {
	t.mu.RLock()
	defer t.mu.RUnlock()
	all := make(map[string]int64, len(t.seen))
	for name, seen := range t.seen {
		all[name] = seen.Load()
	}
	return all
}

// Restore gives places to trackers that had one, also beyond the limit, which may have been higher then.
func (t *Trackers) Restore(seen map[string]int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for name, nanos := range seen {
		if t.allowed == nil || t.allowed[name] {
			t.place(name, nanos)
		}
	}
}

// Holds reports whether a bounded name can have series.
func (t *Trackers) Holds(name string) bool {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.seen[name] != nil || name == "" || name == Other
}
