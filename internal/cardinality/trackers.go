// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

// Package cardinality limits the number of series of a metric, whatever values its attributes have.
package cardinality

import (
	"sync"
	"sync/atomic"
	"time"
)

// Other is the value that stands for all values over a limit (OpenTelemetry metrics SDK, cardinality limits: an
// overflow attribute set).
const Other = "_OTHER"

// MaxTrackerBytes is the length of the longest tracker that gets series of its own.
const MaxTrackerBytes = 256

// trackerIdle is how long a tracker without an event keeps its place.
const trackerIdle = 7 * 24 * time.Hour

// Trackers is the limit on values of external_tracker. It is safe for concurrent use.
type Trackers struct {
	max     int
	allowed map[string]bool // nil: any

	mu   sync.RWMutex
	seen map[string]*atomic.Int64 // by name, the time of the last event in nanoseconds since 1970
}

// NewTrackers returns a limit of so many values, 0 for none at all, or, where a list of them is given, of those alone,
// however many.
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

// Admit returns the name to count an event under that comes at a time: its own, Other, or none where it has none. The
// time becomes that of the tracker's last event. It reports whether the tracker has taken a free place just now.
func (t *Trackers) Admit(name string, now time.Time) (admitted string, isNew bool) {
	if name == "" {
		return "", false
	}
	if found, decided := t.find(name, now); decided {
		return found, false
	}
	return t.admit(name, now)
}

// find reports false if nothing has been decided about a name yet.
func (t *Trackers) find(name string, now time.Time) (admitted string, decided bool) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	if seen, ok := t.seen[name]; ok {
		seen.Store(now.UnixNano())
		return name, true
	}
	if t.refuses(name) {
		return Other, true
	}
	return "", false
}

// refuses reports whether a name that has no place gets none.
func (t *Trackers) refuses(name string) bool {
	return name == Other || len(name) > MaxTrackerBytes || t.allowed != nil && !t.allowed[name] || len(t.seen) >= t.max
}

func (t *Trackers) admit(name string, now time.Time) (admitted string, isNew bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.seen[name] != nil: // another goroutine was first
		return name, false
	case t.refuses(name):
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

// EvictIdle evicts the trackers that had no event for 7 days. It hands them to evict, which returns those that it has
// really evicted: they have no series any more. evict is called with the lock held and must not call t.
func (t *Trackers) EvictIdle(now time.Time, evict func(names map[string]bool) map[string]bool) {
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
	for name := range evict(idle) {
		delete(t.seen, name)
	}
}

// Seen returns the admitted trackers, and when each had its last event, in nanoseconds since 1970.
func (t *Trackers) Seen() map[string]int64 {
	t.mu.RLock()
	defer t.mu.RUnlock()
	all := make(map[string]int64, len(t.seen))
	for name, seen := range t.seen {
		all[name] = seen.Load()
	}
	return all
}

// Restore admits the trackers that Seen returned, also beyond the limit, which may have been higher then.
func (t *Trackers) Restore(seen map[string]int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for name, nanos := range seen {
		if t.allowed == nil || t.allowed[name] {
			t.place(name, nanos)
		}
	}
}

// Holds reports whether a name that Admit returned can have series.
func (t *Trackers) Holds(name string) bool {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.seen[name] != nil || name == "" || name == Other
}
