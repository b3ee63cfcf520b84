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

// Trackers limits the values of external_tracker that get series of their own. It is safe for concurrent use.
type Trackers struct {
	max     int
	allowed map[string]bool // nil: any

	mu   sync.RWMutex
	seen map[string]*atomic.Int64 // by name, the time of the last event in nanoseconds since 1970
}

// NewTrackers returns a limit that admits the first values up to that many, 0 for none. If allowed is not empty, it
// admits exactly those, however many.
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

// Admit returns the name to count an event under that came at now: its own, Other, or "" for an event without a tracker.
// isNew says that the tracker was admitted by this call. now becomes the time of the tracker's last event.
func (t *Trackers) Admit(name string, now time.Time) (admitted string, isNew bool) {
	if name == "" {
		return "", false
	}
	if found, decided := t.find(name, now); decided {
		return found, false
	}
	return t.admit(name, now)
}

// find returns false if the name is new and could be admitted.
func (t *Trackers) find(name string, now time.Time) (admitted string, decided bool) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	if seen, ok := t.seen[name]; ok {
		seen.Store(now.UnixNano())
		return name, true
	}
	if t.rejects(name) {
		return Other, true
	}
	return "", false
}

// rejects reports whether a name that has no place cannot get one.
func (t *Trackers) rejects(name string) bool {
	return name == Other || len(name) > MaxTrackerBytes || t.allowed != nil && !t.allowed[name] || len(t.seen) >= t.max
}

func (t *Trackers) admit(name string, now time.Time) (admitted string, isNew bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.seen[name] != nil: // another goroutine was first
		return name, false
	case t.rejects(name):
		return Other, false
	}
	t.place(name, now.UnixNano())
	return name, true
}

func (t *Trackers) place(name string, nanos int64) {
	seen := new(atomic.Int64)
	seen.Store(nanos)
	t.seen[name] = seen
}

// EvictIdle evicts the trackers that had no event for 7 days. It calls evict with them, if there are any, which removes
// their series and returns those that may go. evict is called with the lock held and must not call t.
func (t *Trackers) EvictIdle(now time.Time, evict func(names map[string]bool) map[string]bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	idle := map[string]bool{}
	limit := now.Add(-trackerIdle).UnixNano()
	for name, seen := range t.seen {
		last := seen.Load()
		switch {
		case last < limit:
			idle[name] = true
		case last > now.UnixNano(): // the clock was ahead: the place would be kept until it has caught up
			seen.CompareAndSwap(last, now.UnixNano())
		}
	}
	if len(idle) == 0 {
		return
	}
	for name := range evict(idle) {
		delete(t.seen, name)
	}
}

// Seen returns the admitted trackers with the time of their last event, in nanoseconds since 1970.
func (t *Trackers) Seen() map[string]int64 {
	t.mu.RLock()
	defer t.mu.RUnlock()
	all := make(map[string]int64, len(t.seen))
	for name, seen := range t.seen {
		all[name] = seen.Load()
	}
	return all
}

// Restore admits the trackers that Seen returned, also beyond the limit, which may have been higher then. Those that are
// not allowed now are left out.
func (t *Trackers) Restore(seen map[string]int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for name, nanos := range seen {
		if t.allowed == nil || t.allowed[name] {
			t.place(name, nanos)
		}
	}
}

// Holds reports whether an event can be counted under a name: that of an admitted tracker, Other or "".
func (t *Trackers) Holds(name string) bool {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.seen[name] != nil || name == "" || name == Other
}
